package client

import (
	"github.com/prometheus/client_golang/prometheus"

	"lmqgate/adapter/packet"
)

// metrics are the server's own; none carries a client id.
type metrics struct {
	in, out  [16]prometheus.Counter // by packet type
	refusals *prometheus.CounterVec
	held     prometheus.Counter
	fast     *prometheus.CounterVec
	slows    *prometheus.CounterVec
	life     lifeMetrics

	takeovers, waited prometheus.Counter
}

// Why a client was disconnected for being too slow: the values of the label "reason".
const (
	slowWrite   = "write_timeout"  // it does not read
	slowAnswers = "answers"        // it asks and asks and does not read what it is answered
	slowMemory  = "memory"         // memory was short, and most waited for it
	slowPacket  = "packet_timeout" // it began a packet and does not end it
)

func newMetrics(r prometheus.Registerer, s *Server) *metrics {
	packets := prometheus.NewCounterVec(prometheus.CounterOpts{Name: "lmqgate_packets_total", Help: "MQTT packets by direction and type."}, []string{"direction", "type"})
	m := &metrics{refusals: prometheus.NewCounterVec(prometheus.CounterOpts{Name: "lmqgate_connects_refused_total", Help: "Connections refused before or at CONNECT, by reason."}, []string{"reason"})}
	m.life = newLifeMetrics(r)
	m.takeovers = prometheus.NewCounter(prometheus.CounterOpts{Name: "lmqgate_takeovers_total", Help: "Connections accepted while another connection had their client id, here or elsewhere."})
	m.waited = prometheus.NewCounter(prometheus.CounterOpts{Name: "lmqgate_takeovers_held_total", Help: "Connections that had to wait since their client id was taken over too often."})
	m.held = prometheus.NewCounter(prometheus.CounterOpts{Name: "lmqgate_publishes_held_back_total", Help: "PUBLISHes that waited before they were taken, which holds their clients back by TCP."})
	m.fast = prometheus.NewCounterVec(prometheus.CounterOpts{Name: "lmqgate_publishes_over_rate_total", Help: "PUBLISHes that waited, or whose client was disconnected, because they came faster than is allowed, by whose rate it was."}, []string{"reason"})
	for _, reason := range []string{rateClient, rateUser, rateInstance} {
		m.fast.WithLabelValues(reason)
	}
	m.slows = prometheus.NewCounterVec(prometheus.CounterOpts{Name: "lmqgate_slow_clients_total", Help: "Clients disconnected because they were too slow, by reason."}, []string{"reason"})
	for _, reason := range []string{slowWrite, slowAnswers, slowMemory, slowPacket} {
		m.slows.WithLabelValues(reason)
	}
	for t := packet.CONNECT; t <= packet.AUTH; t++ {
		m.in[t] = packets.WithLabelValues("in", t.String())
		m.out[t] = packets.WithLabelValues("out", t.String())
	}
	if r != nil {
		r.MustRegister(m.held, m.fast, m.slows, prometheus.NewGaugeFunc(prometheus.GaugeOpts{
			Name: "lmqgate_client_bytes_waiting", Help: "Bytes that wait for clients to read them, or for the log to take them.",
		}, s.waiting))
		r.MustRegister(packets, m.refusals, m.takeovers, m.waited, prometheus.NewGaugeFunc(prometheus.GaugeOpts{
			Name: "lmqgate_clients", Help: "MQTT clients connected to this instance.",
		}, func() float64 { return float64(s.Len()) }))
	}
	return m
}

func (m *metrics) slow(reason string)          { m.slows.WithLabelValues(reason).Inc() }
func (m *metrics) received(t packet.Type)      { m.in[t&15].Inc() }
func (m *metrics) transmitted(t packet.Type)   { m.out[t&15].Inc() }
func (m *metrics) refused(c packet.ReasonCode) { m.refusals.WithLabelValues(c.String()).Inc() }
