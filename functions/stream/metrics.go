package stream

import (
	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/client_golang/prometheus/promauto"
)

type metrics struct {
	streams *prometheus.CounterVec
	sent    prometheus.Counter
	gaps    prometheus.Counter
}

func newMetrics(r prometheus.Registerer, h *Handler) *metrics {
	f := promauto.With(r)
	f.NewGaugeFunc(prometheus.GaugeOpts{
		Name: "lmqgate_http_streams", Help: "HTTP streams and long polls that are open.",
	}, func() float64 { return float64(len(h.seats)) })
	return &metrics{
		streams: f.NewCounterVec(prometheus.CounterOpts{
			Name: "lmqgate_http_streams_opened_total", Help: "HTTP streams that were opened, by format (sse, ndjson).",
		}, []string{"format"}),
		sent: f.NewCounter(prometheus.CounterOpts{
			Name: "lmqgate_http_messages_sent_total", Help: "Messages that were sent over HTTP streams and long polls.",
		}),
		gaps: f.NewCounter(prometheus.CounterOpts{
			Name: "lmqgate_http_stream_gaps_total", Help: "Streams that were resumed after their session had ended, so that messages may be missing.",
		}),
	}
}

func (m *metrics) opened(a *asked) {
	format := "sse"
	if a.lines {
		format = "ndjson"
	}
	m.streams.WithLabelValues(format).Inc()
}
