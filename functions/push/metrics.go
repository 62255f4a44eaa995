package push

import (
	"sync/atomic"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/client_golang/prometheus/promauto"
)

type metrics struct {
	attempts *prometheus.CounterVec
	messages *prometheus.CounterVec
	duration prometheus.Histogram
	done     atomic.Int64 // messages delivered
}

func newMetrics(r prometheus.Registerer, s *Service) *metrics {
	f := promauto.With(r)
	f.NewGaugeFunc(prometheus.GaugeOpts{
		Name: "lmqgate_push_targets", Help: "Push targets that this instance works.",
	}, func() float64 {
		s.mu.Lock()
		defer s.mu.Unlock()
		return float64(len(s.jobs))
	})
	f.NewGaugeFunc(prometheus.GaugeOpts{
		Name: "lmqgate_push_messages_in_flight", Help: "Messages that this instance is pushing, those that wait for another attempt included.",
	}, func() float64 { n, _ := s.waiting(); return float64(n) })
	f.NewGaugeFunc(prometheus.GaugeOpts{
		Name: "lmqgate_push_messages_waiting", Help: "Messages that wait for another attempt to push them.",
	}, func() float64 { _, n := s.waiting(); return float64(n) })
	return &metrics{
		attempts: f.NewCounterVec(prometheus.CounterOpts{
			Name: "lmqgate_push_attempts_total", Help: "Requests to push targets, by outcome (2xx, 3xx, 4xx, 5xx, error: no answer).",
		}, []string{"outcome"}),
		messages: f.NewCounterVec(prometheus.CounterOpts{
			Name: "lmqgate_push_messages_total", Help: "Messages that need no further attempt, by outcome (delivered, dead_letter, dropped).",
		}, []string{"outcome"}),
		duration: f.NewHistogram(prometheus.HistogramOpts{
			Name: "lmqgate_push_duration_seconds", Help: "Time from a request to a push target to its answer.",
			Buckets: prometheus.ExponentialBuckets(0.005, 2, 13),
		}),
	}
}

func (m *metrics) attempt(o outcome, took time.Duration) {
	kind := "error"
	if o.status >= 100 && o.status < 600 {
		kind = string(rune('0'+o.status/100)) + "xx"
	}
	m.attempts.WithLabelValues(kind).Inc()
	m.duration.Observe(took.Seconds())
}
