package will

import (
	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/client_golang/prometheus/promauto"
)

type metrics struct {
	published, refused, left, lost, turnedAway prometheus.Counter
	repeated                                   prometheus.Counter
}

func newMetrics(reg prometheus.Registerer) *metrics {
	f := promauto.With(reg)
	outcomes := f.NewCounterVec(prometheus.CounterOpts{
		Name: "lmqgate_wills_total",
		Help: "Wills taken to be published, by outcome: left and turned away ones are handed out again, lost ones were by then.",
	}, []string{"outcome"})
	return &metrics{
		published: outcomes.WithLabelValues("published"), refused: outcomes.WithLabelValues("refused"),
		left: outcomes.WithLabelValues("left"), lost: outcomes.WithLabelValues("lost"),
		turnedAway: outcomes.WithLabelValues("turned_away"),
		repeated: f.NewCounter(prometheus.CounterOpts{
			Name: "lmqgate_wills_repeated_total",
			Help: "Wills that an earlier claimant may have sent already: they are looked up first.",
		}),
	}
}
