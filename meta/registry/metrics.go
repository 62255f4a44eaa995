package registry

import (
	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/client_golang/prometheus/promauto"
)

// metrics of a Matcher.
type metrics struct {
	checks, failures, reloads, rollbacks, busy prometheus.Counter
	joined, seconds                            prometheus.Histogram
	wildcards                                  prometheus.Gauge
}

func newMetrics(r prometheus.Registerer) metrics {
	f := promauto.With(r)
	counter := func(name, help string) prometheus.Counter {
		return f.NewCounter(prometheus.CounterOpts{Namespace: "lmqgate", Subsystem: "registry", Name: name, Help: help})
	}
	histogram := func(name, help string, buckets []float64) prometheus.Histogram {
		return f.NewHistogram(prometheus.HistogramOpts{
			Namespace: "lmqgate", Subsystem: "registry", Name: name, Help: help, Buckets: buckets,
		})
	}
	return metrics{
		wildcards: f.NewGauge(prometheus.GaugeOpts{
			Namespace: "lmqgate", Subsystem: "registry", Name: "wildcard_filters", Help: "Wildcard filters with a subscriber anywhere, as this instance knows them.",
		}),
		checks:    counter("checks_total", "Checks of the filter registry, failed ones included."),
		failures:  counter("check_failures_total", "Checks of the filter registry that failed."),
		reloads:   counter("reloads_total", "Times all wildcard filters were loaded, the first included."),
		rollbacks: counter("rollbacks_total", "Times the store was found to be rolled back."),
		busy:      counter("busy_total", "Matches refused because too many were waiting."),
		joined:    histogram("check_matches", "Matches answered by one check.", prometheus.ExponentialBuckets(1, 4, 8)),
		seconds:   histogram("check_seconds", "Duration of a check.", prometheus.ExponentialBuckets(0.0002, 2, 14)),
	}
}
