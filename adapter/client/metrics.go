package client

import (
	"github.com/prometheus/client_golang/prometheus"

	"lmqgate/adapter/packet"
)

// metrics are the server's own; none carries a client id.
type metrics struct {
	in, out  [16]prometheus.Counter // by packet type
	refusals *prometheus.CounterVec
	accepted *prometheus.CounterVec // version
	attached *prometheus.CounterVec // session
	taken    *prometheus.CounterVec // from
	ended    *prometheus.CounterVec // side, reason
	connect  prometheus.Histogram
}

func newMetrics(r prometheus.Registerer, s *Server) *metrics {
	packets := prometheus.NewCounterVec(prometheus.CounterOpts{Name: "lmqgate_packets_total", Help: "MQTT packets by direction and type."}, []string{"direction", "type"})
	m := &metrics{refusals: prometheus.NewCounterVec(prometheus.CounterOpts{Name: "lmqgate_connects_refused_total", Help: "Connections refused before or at CONNECT, by reason."}, []string{"reason"})}
	m.accepted = prometheus.NewCounterVec(prometheus.CounterOpts{Name: "lmqgate_connects_accepted_total", Help: "Clients accepted, by MQTT version."}, []string{"version"})
	m.attached = prometheus.NewCounterVec(prometheus.CounterOpts{Name: "lmqgate_sessions_attached_total", Help: "Sessions that a CONNECT found (resumed) or made (new)."}, []string{"session"})
	m.taken = prometheus.NewCounterVec(prometheus.CounterOpts{Name: "lmqgate_sessions_taken_over_total", Help: "Sessions that another connection held when a CONNECT took them, by where: on this instance, or elsewhere (alive or dead)."}, []string{"from"})
	m.ended = prometheus.NewCounterVec(prometheus.CounterOpts{Name: "lmqgate_disconnects_total", Help: "Clients that went, by who ended the connection (client, with a DISCONNECT; server; network, the stream broke) and reason code."}, []string{"side", "reason"})
	m.connect = prometheus.NewHistogram(prometheus.HistogramOpts{
		Name: "lmqgate_connect_seconds", Help: "Time from a CONNECT to its CONNACK, of accepted clients.", Buckets: prometheus.ExponentialBuckets(0.0005, 2, 15),
	})
	for _, s := range []string{"new", "resumed"} {
		m.attached.WithLabelValues(s)
	}
	for _, f := range []string{"here", "elsewhere"} {
		m.taken.WithLabelValues(f)
	}
	for t := packet.CONNECT; t <= packet.AUTH; t++ {
		m.in[t] = packets.WithLabelValues("in", t.String())
		m.out[t] = packets.WithLabelValues("out", t.String())
	}
	if r != nil {
		r.MustRegister(m.accepted, m.attached, m.taken, m.ended, m.connect)
		r.MustRegister(packets, m.refusals, prometheus.NewGaugeFunc(prometheus.GaugeOpts{
			Name: "lmqgate_clients", Help: "MQTT clients connected to this instance.",
		}, func() float64 { return float64(s.Len()) }))
	}
	return m
}

func (m *metrics) received(t packet.Type)      { m.in[t&15].Inc() }
func (m *metrics) transmitted(t packet.Type)   { m.out[t&15].Inc() }
func (m *metrics) refused(c packet.ReasonCode) { m.refusals.WithLabelValues(c.String()).Inc() }
