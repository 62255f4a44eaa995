package dispatch

import (
	"errors"
	"strconv"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/client_golang/prometheus/promauto"

	"lmqgate/meta/message"
)

// outcome is the value of the label "outcome".
type outcome uint8

const (
	acked       outcome = iota
	refused             // the log will never take it
	busy                // beyond the bound on what is in flight
	unavailable         // not done in time, or behind one that was not
	dropped             // QoS 0, not stored
	lost                // QoS 0, nobody knows
	failed              // Prepare said so
	abandoned           // the publisher had gone
	outcomes
)

func (o outcome) String() string {
	return [outcomes]string{"acked", "refused", "busy", "unavailable", "dropped", "lost", "failed", "abandoned"}[o]
}

type metrics struct {
	publishes [3][outcomes]prometheus.Counter
	seconds   prometheus.Histogram
	match     prometheus.Histogram
	lmqs      prometheus.Histogram
	split     prometheus.Counter
	nobody    prometheus.Counter
	found     prometheus.Counter
	sentAgain prometheus.Counter
	retries   prometheus.Counter
	fallbacks prometheus.Counter
	strangers prometheus.Counter
	inflight  prometheus.Gauge
	keep      keepMetrics
}

func newMetrics(reg prometheus.Registerer) *metrics {
	f := promauto.With(reg)
	counter := func(name, help string) prometheus.Counter {
		return f.NewCounter(prometheus.CounterOpts{Name: name, Help: help})
	}
	settled := f.NewCounterVec(prometheus.CounterOpts{
		Name: "lmqgate_publish_settled_total",
		Help: "Sends of unknown outcome, and repeated publications, by what the look-up led to.",
	}, []string{"result"})
	m := &metrics{
		seconds: f.NewHistogram(prometheus.HistogramOpts{
			Name:    "lmqgate_publish_seconds",
			Help:    "Time from the arrival of a publication to the broker's acknowledgement, and the retained message being kept.",
			Buckets: prometheus.ExponentialBuckets(0.0005, 2, 16),
		}),
		match: f.NewHistogram(prometheus.HistogramOpts{
			Name:    "lmqgate_publish_match_seconds",
			Help:    "Time that a publication waits for its matching filters.",
			Buckets: prometheus.ExponentialBuckets(0.00025, 2, 15),
		}),
		lmqs: f.NewHistogram(prometheus.HistogramOpts{
			Name:    "lmqgate_publish_lmqs",
			Help:    "Light message queues that a message is dispatched to.",
			Buckets: []float64{0, 1, 2, 3, 5, 10, 20, 50, 100, 200, 500, 1000},
		}),
		split:     counter("lmqgate_publish_split_total", "Messages sent in parts for the length of their dispatch list."),
		nobody:    counter("lmqgate_publish_no_subscriber_total", "Messages produced without any light message queue."),
		found:     settled.WithLabelValues("found"),
		sentAgain: settled.WithLabelValues("sent_again"),
		retries:   counter("lmqgate_publish_retries_total", "Sends repeated after a definite rejection."),
		fallbacks: counter("lmqgate_publish_fallbacks_total", "Messages turned to the fallback topic because theirs does not exist."),
		strangers: counter("lmqgate_publish_strangers_total", "Point to point messages to clients that have no session, or no queue of their own (MAX_P2P_QUEUES)."),
		inflight: f.NewGauge(prometheus.GaugeOpts{
			Name: "lmqgate_publish_in_flight",
			Help: "Publications admitted and not yet done.",
		}),
		keep: newKeepMetrics(f),
	}
	publishes := f.NewCounterVec(prometheus.CounterOpts{
		Name: "lmqgate_publishes_total",
		Help: "Publications by QoS and outcome.",
	}, []string{"qos", "outcome"})
	for qos := range m.publishes {
		for o := range outcomes {
			m.publishes[qos][o] = publishes.WithLabelValues(strconv.Itoa(qos), o.String())
		}
	}
	return m
}

// count counts a publication that is done.
func (m *metrics) count(qos byte, err error, unknown bool) {
	m.publishes[min(int(qos), 2)][outcomeOf(qos, err, unknown)].Inc()
}

func outcomeOf(qos byte, err error, unknown bool) outcome {
	switch {
	case err == nil, errors.Is(err, message.ErrNotRetained):
		return acked
	case errors.Is(err, message.ErrRefused):
		return refused
	case errors.Is(err, message.ErrBusy):
		return busy
	case errors.Is(err, message.ErrAbandoned):
		return abandoned
	case !errors.Is(err, message.ErrUnavailable):
		return failed
	case qos > 0:
		return unavailable
	case unknown:
		return lost
	default:
		return dropped
	}
}

// shape counts what a message is sent as.
func (m *metrics) shape(lmqs, parts int) {
	m.lmqs.Observe(float64(lmqs))
	if lmqs == 0 {
		m.nobody.Inc()
	}
	if parts > 1 {
		m.split.Inc()
	}
}
