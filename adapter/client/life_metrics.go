package client

import (
	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/client_golang/prometheus/promauto"
)

// lifeMetrics count how clients come and go.
type lifeMetrics struct {
	accepted *prometheus.CounterVec // version
	attached *prometheus.CounterVec // session
	ended    *prometheus.CounterVec // side, reason
	connect  prometheus.Histogram
}

func newLifeMetrics(r prometheus.Registerer) lifeMetrics {
	f := promauto.With(r)
	vec := func(name, help string, labels ...string) *prometheus.CounterVec {
		return f.NewCounterVec(prometheus.CounterOpts{Name: name, Help: help}, labels)
	}
	m := lifeMetrics{
		accepted: vec("lmqgate_connects_accepted_total", "Clients accepted, by MQTT version.", "version"),
		attached: vec("lmqgate_sessions_attached_total", "Sessions that a CONNECT found (resumed) or made (new).", "session"),
		ended: vec("lmqgate_disconnects_total",
			"Clients that went, by who ended the connection (client, with a DISCONNECT; server; network, the stream broke) and reason code.",
			"side", "reason"),
		connect: f.NewHistogram(prometheus.HistogramOpts{
			Name: "lmqgate_connect_seconds", Help: "Time from a CONNECT to its CONNACK, of accepted clients.",
			Buckets: prometheus.ExponentialBuckets(0.0005, 2, 15),
		}),
	}
	for _, s := range []string{"new", "resumed"} {
		m.attached.WithLabelValues(s)
	}
	return m
}
