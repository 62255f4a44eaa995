package relay

import (
	"sync"

	"github.com/prometheus/client_golang/prometheus"

	"lmqgate/meta/message"
)

type metrics struct {
	messages, failures *prometheus.CounterVec
	behind             *prometheus.GaugeVec

	mu   sync.Mutex // protects lags
	lags map[string]map[message.Place]int64
}

func newMetrics(reg prometheus.Registerer) *metrics {
	m := &metrics{
		messages: prometheus.NewCounterVec(prometheus.CounterOpts{
			Name: "lmqgate_relay_messages_total",
			Help: "Messages of RELAY_TOPICS, by what became of them: relayed, mqtt (was for MQTT clients already), topic (makes no MQTT topic), broken, refused (too large).",
		}, []string{"rocketmq_topic", "outcome"}),
		failures: prometheus.NewCounterVec(prometheus.CounterOpts{
			Name: "lmqgate_relay_failures_total", Help: "Steps of relaying a topic that failed and were tried again.",
		}, []string{"rocketmq_topic"}),
		behind: prometheus.NewGaugeVec(prometheus.GaugeOpts{
			Name: "lmqgate_relay_lag", Help: "Messages of a topic of RELAY_TOPICS that wait to be relayed; only at the instance that relays it.",
		}, []string{"rocketmq_topic"}),
		lags: make(map[string]map[message.Place]int64),
	}
	if reg != nil {
		reg.MustRegister(m.messages, m.failures, m.behind)
	}
	return m
}

func (m *metrics) count(topic string, o outcome) {
	m.messages.WithLabelValues(topic, string(o)).Inc()
}

func (m *metrics) failed(topic string) { m.failures.WithLabelValues(topic).Inc() }

// lag notes how many messages of a queue are left.
func (m *metrics) lag(topic string, q message.Place, n int64) {
	m.mu.Lock()
	defer m.mu.Unlock()
	if m.lags[topic] == nil {
		m.lags[topic] = make(map[message.Place]int64)
	}
	m.lags[topic][q] = max(n, 0)
	sum := int64(0)
	for _, n := range m.lags[topic] {
		sum += n
	}
	m.behind.WithLabelValues(topic).Set(float64(sum))
}

// forget drops the lag of a topic that another instance relays now.
func (m *metrics) forget(topic string) {
	m.mu.Lock()
	defer m.mu.Unlock()
	delete(m.lags, topic)
	m.behind.DeleteLabelValues(topic)
}
