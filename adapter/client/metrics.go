package client

import (
	"github.com/prometheus/client_golang/prometheus"

	"lmqgate/adapter/packet"
)

// metrics are the server's own; none carries a client id.
type metrics struct {
	in, out  [16]prometheus.Counter // by packet type
	refusals *prometheus.CounterVec

	takeovers, held prometheus.Counter
}

func newMetrics(r prometheus.Registerer, s *Server) *metrics {
	packets := prometheus.NewCounterVec(prometheus.CounterOpts{Name: "lmqgate_packets_total", Help: "MQTT packets by direction and type."}, []string{"direction", "type"})
	m := &metrics{refusals: prometheus.NewCounterVec(prometheus.CounterOpts{Name: "lmqgate_connects_refused_total", Help: "Connections refused before or at CONNECT, by reason."}, []string{"reason"})}
	m.takeovers = prometheus.NewCounter(prometheus.CounterOpts{Name: "lmqgate_takeovers_total", Help: "Connections accepted while another connection had their client id, here or elsewhere."})
	m.held = prometheus.NewCounter(prometheus.CounterOpts{Name: "lmqgate_takeovers_held_total", Help: "Connections that had to wait since their client id was taken over too often."})
	for t := packet.CONNECT; t <= packet.AUTH; t++ {
		m.in[t] = packets.WithLabelValues("in", t.String())
		m.out[t] = packets.WithLabelValues("out", t.String())
	}
	if r != nil {
		r.MustRegister(packets, m.refusals, m.takeovers, m.held, prometheus.NewGaugeFunc(prometheus.GaugeOpts{
			Name: "lmqgate_clients", Help: "MQTT clients connected to this instance.",
		}, func() float64 { return float64(s.Len()) }))
	}
	return m
}

func (m *metrics) received(t packet.Type)      { m.in[t&15].Inc() }
func (m *metrics) transmitted(t packet.Type)   { m.out[t&15].Inc() }
func (m *metrics) refused(c packet.ReasonCode) { m.refusals.WithLabelValues(c.String()).Inc() }
