package web

import (
	"strconv"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/client_golang/prometheus/promauto"
)

type edgeMetrics struct {
	requests *prometheus.CounterVec
	seconds  *prometheus.HistogramVec
	panics   prometheus.Counter
}

func newEdgeMetrics(r prometheus.Registerer) *edgeMetrics {
	f := promauto.With(r)
	return &edgeMetrics{
		requests: f.NewCounterVec(prometheus.CounterOpts{
			Name: "lmqgate_http_requests_total", Help: "Requests to HTTP functions, by function and class of the answer's status (2xx, 4xx, 5xx).",
		}, []string{"function", "status"}),
		seconds: f.NewHistogramVec(prometheus.HistogramOpts{
			Name: "lmqgate_http_request_seconds", Help: "Time from the head of a request to an HTTP function to the head of its answer.",
			Buckets: []float64{.001, .0025, .005, .01, .025, .05, .1, .25, 1, 5, 20},
		}, []string{"function"}),
		panics: f.NewCounter(prometheus.CounterOpts{
			Name: "lmqgate_http_panics_total", Help: "Requests to HTTP functions that ended in a panic: a defect, the log has its place.",
		}),
	}
}

func (m *edgeMetrics) answered(function string, status int, took time.Duration) {
	m.requests.WithLabelValues(function, strconv.Itoa(status/100)+"xx").Inc()
	m.seconds.WithLabelValues(function).Observe(took.Seconds())
}
