package publish

import (
	"strconv"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/client_golang/prometheus/promauto"
)

type metrics struct {
	requests *prometheus.HistogramVec
	repeated prometheus.Counter
}

func newMetrics(r prometheus.Registerer) *metrics {
	f := promauto.With(r)
	return &metrics{
		requests: f.NewHistogramVec(prometheus.HistogramOpts{
			Name: "lmqgate_http_publish_seconds", Help: "HTTP publications, by class of the answer's status (2xx, 4xx, 5xx), from the request's head to the answer.",
			Buckets: []float64{.001, .0025, .005, .01, .025, .05, .1, .25, 1, 5, 20},
		}, []string{"status"}),
		repeated: f.NewCounter(prometheus.CounterOpts{
			Name: "lmqgate_http_publish_repeated_total", Help: "HTTP publications that an Idempotency-Key showed to be repetitions.",
		}),
	}
}

func (m *metrics) answered(status int, took time.Duration) {
	m.requests.WithLabelValues(strconv.Itoa(status/100) + "xx").Observe(took.Seconds())
}
