package dispatch

import (
	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/client_golang/prometheus/promauto"
)

// kept is the value of the label "result" of retained messages.
type kept uint8

const (
	keptNew     kept = iota
	keptRemoved      // the payload was empty
	keptNotP2P       // for one client only, who gets it without subscribing
	overLimit        // too many topics
	tooLarge         // payload
	otherFormat      // what is there was written by another build
	notInTime        // given up, also when Close did; QoS 0 is sent all the same if there is time left
	notAnyMore       // the publisher had gone
	keptValues
)

func (k kept) String() string {
	return [keptValues]string{"kept", "removed", "p2p", "limit", "too_large", "format", "unavailable", "abandoned"}[k]
}

type keepMetrics struct {
	results [keptValues]prometheus.Counter
	seconds prometheus.Histogram
	batch   prometheus.Histogram
	retries prometheus.Counter
}

func newKeepMetrics(f promauto.Factory) keepMetrics {
	m := keepMetrics{
		seconds: f.NewHistogram(prometheus.HistogramOpts{
			Name:    "lmqgate_publish_retain_seconds",
			Help:    "Time that a write of retained messages takes, of all that are written together.",
			Buckets: prometheus.ExponentialBuckets(0.00025, 2, 15),
		}),
		batch: f.NewHistogram(prometheus.HistogramOpts{
			Name:    "lmqgate_publish_retain_batch",
			Help:    "Retained messages written together.",
			Buckets: prometheus.ExponentialBuckets(1, 2, 10),
		}),
		retries: f.NewCounter(prometheus.CounterOpts{
			Name: "lmqgate_publish_retain_retries_total",
			Help: "Retained messages to be written again after a failure of their store.",
		}),
	}
	results := f.NewCounterVec(prometheus.CounterOpts{
		Name: "lmqgate_publish_retained_total",
		Help: "Publications that were to be retained, by what became of that; kept and removed are as they should be.",
	}, []string{"result"})
	for k := range keptValues {
		m.results[k] = results.WithLabelValues(k.String())
	}
	return m
}
