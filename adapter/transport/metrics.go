package transport

import (
	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/client_golang/prometheus/promauto"
)

// kind says what carries a connection's bytes.
type kind uint8

const (
	kindWS kind = iota
	kindTCP
	kindTLS
	kinds
)

func (k kind) String() string {
	return [kinds]string{"ws", "tcp", "tls"}[k]
}

// Why a connection was refused: the values of the label "reason".
const (
	refusedDraining    = "draining"
	refusedFull        = "full"
	refusedRate        = "rate"
	refusedHalf        = "half_made"
	refusedMemory      = "memory"
	refusedMethod      = "method"
	refusedNoUpgrade   = "no_upgrade"
	refusedOrigin      = "origin"
	refusedSubprotocol = "subprotocol"
	refusedHandshake   = "handshake"
	refusedProxyHeader = "proxy_header"
	refusedTLS         = "tls_handshake"
	refusedTimeout     = "connect_timeout"
)

type metrics struct {
	open     [kinds]prometheus.Gauge
	accepted [kinds]prometheus.Counter
	refused  *prometheus.CounterVec
}

func newMetrics(reg prometheus.Registerer, halves func() int) *metrics {
	f := promauto.With(reg)
	f.NewGaugeFunc(prometheus.GaugeOpts{
		Name: "lmqgate_connections_half_made",
		Help: "Connections that are no clients yet: before their CONNECT, or of the HTTP server between requests.",
	}, func() float64 { return float64(halves()) })
	open := f.NewGaugeVec(prometheus.GaugeOpts{
		Name: "lmqgate_connections_open",
		Help: "Open client connections by transport.",
	}, []string{"kind"})
	accepted := f.NewCounterVec(prometheus.CounterOpts{
		Name: "lmqgate_connections_accepted_total",
		Help: "Client connections accepted by transport.",
	}, []string{"kind"})
	m := &metrics{refused: f.NewCounterVec(prometheus.CounterOpts{
		Name: "lmqgate_connections_refused_total",
		Help: "Client connections refused, or given up before their CONNECT, by transport and reason.",
	}, []string{"kind", "reason"})}
	for k := range kinds {
		m.open[k] = open.WithLabelValues(k.String())
		m.accepted[k] = accepted.WithLabelValues(k.String())
	}
	return m
}

func (m *metrics) opened(k kind) {
	m.open[k].Inc()
	m.accepted[k].Inc()
}

func (m *metrics) closed(k kind) { m.open[k].Dec() }

func (m *metrics) refuse(k kind, reason string) {
	m.refused.WithLabelValues(k.String(), reason).Inc()
}
