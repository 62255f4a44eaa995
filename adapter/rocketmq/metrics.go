package rocketmq

import (
	"errors"

	"github.com/prometheus/client_golang/prometheus"
)

// metrics of one Client. Labels never carry a queue or client.
type metrics struct {
	held          prometheus.Gauge
	watches       prometheus.Gauge
	connections   prometheus.Gauge
	answers       *prometheus.CounterVec // status
	sendSeconds   prometheus.Histogram
	sendErrors    *prometheus.CounterVec // kind
	probeFinds    prometheus.Counter
	reconnects    prometheus.Counter
	overdue       prometheus.Counter
	topics        prometheus.Counter
	popsHeld      prometheus.Gauge
	popAnswers    *prometheus.CounterVec // status
	popAcks       *prometheus.CounterVec // result
	popReturned   prometheus.Counter
	stalled       prometheus.Gauge
	canaries      *prometheus.CounterVec // result
	canarySeconds prometheus.Histogram
	pullSeconds   prometheus.Histogram
}

// newMetrics registers with r, nil for none. Collectors that are registered
// already, by an earlier client of the same registry, are shared.
func newMetrics(r prometheus.Registerer) *metrics {
	name := func(n string) string { return "lmqgate_rocketmq_" + n }
	m := &metrics{
		held:        prometheus.NewGauge(prometheus.GaugeOpts{Name: name("pulls_held"), Help: "Pulls held at brokers."}),
		watches:     prometheus.NewGauge(prometheus.GaugeOpts{Name: name("watches"), Help: "LMQs that are watched."}),
		connections: prometheus.NewGauge(prometheus.GaugeOpts{Name: name("broker_connections"), Help: "Live connections to brokers."}),
		answers: prometheus.NewCounterVec(prometheus.CounterOpts{
			Name: name("pull_answers_total"), Help: "Answers to pulls.",
		}, []string{"status"}),
		sendSeconds: prometheus.NewHistogram(prometheus.HistogramOpts{
			Name: name("send_seconds"), Help: "Time from a send to its answer.",
			Buckets: []float64{.0005, .001, .002, .004, .008, .016, .032, .064, .128, .256, .512, 1, 3},
		}),
		sendErrors: prometheus.NewCounterVec(prometheus.CounterOpts{
			Name: name("send_errors_total"), Help: "Sends that did not succeed.",
		}, []string{"kind"}),
		pullSeconds: prometheus.NewHistogram(prometheus.HistogramOpts{
			Name: name("pull_seconds"), Help: "Time that pulls took which do not wait for messages: of lagging cursors and of those that check their queue.",
			Buckets: []float64{.0005, .001, .002, .004, .008, .016, .032, .064, .128, .256, .512, 1, 3, 10},
		}),
		probeFinds: prometheus.NewCounter(prometheus.CounterOpts{Name: name("probe_finds_total"), Help: "Messages waiting though the held pull was not woken."}),
		reconnects: prometheus.NewCounter(prometheus.CounterOpts{Name: name("reconnects_total"), Help: "Connections to brokers made again."}),
		overdue:    prometheus.NewCounter(prometheus.CounterOpts{Name: name("pulls_overdue_total"), Help: "Held pulls that were never answered."}),
		topics:     prometheus.NewCounter(prometheus.CounterOpts{Name: name("topics_created_total"), Help: "Topics created."}),
		popsHeld:   prometheus.NewGauge(prometheus.GaugeOpts{Name: name("pops_held"), Help: "POPs held at brokers or on their way."}),
		popAnswers: prometheus.NewCounterVec(prometheus.CounterOpts{Name: name("pop_answers_total"), Help: "Answers to POPs."}, []string{"status"}),
		popAcks: prometheus.NewCounterVec(prometheus.CounterOpts{
			Name: name("pop_acks_total"), Help: "Acknowledgements of popped messages.",
		}, []string{"result"}),
		popReturned: prometheus.NewCounter(prometheus.CounterOpts{Name: name("pop_returned_total"), Help: "Popped messages given back because nobody waited for them any more."}),
	}
	m.stalled = prometheus.NewGauge(prometheus.GaugeOpts{Name: name("brokers_stalled"), Help: "Brokers that acknowledge messages and do not index them: nothing is sent there."})
	m.canaries = prometheus.NewCounterVec(prometheus.CounterOpts{
		Name: name("canaries_total"), Help: "Messages sent through the index of a broker: ok, late (the broker was stalled) or unsent.",
	}, []string{"result"})
	m.canarySeconds = prometheus.NewHistogram(prometheus.HistogramOpts{
		Name: name("canary_seconds"), Help: "Time from before the sending of a canary to its coming out of its queue.",
		Buckets: prometheus.ExponentialBuckets(.001, 2, 16),
	})
	if r != nil {
		m.stalled, m.canaries, m.canarySeconds = register(r, m.stalled), register(r, m.canaries), register(r, m.canarySeconds)
		m.held, m.watches = register(r, m.held), register(r, m.watches)
		m.connections, m.answers = register(r, m.connections), register(r, m.answers)
		m.sendSeconds, m.sendErrors = register(r, m.sendSeconds), register(r, m.sendErrors)
		m.pullSeconds = register(r, m.pullSeconds)
		m.probeFinds, m.reconnects = register(r, m.probeFinds), register(r, m.reconnects)
		m.overdue, m.topics = register(r, m.overdue), register(r, m.topics)
		m.popsHeld, m.popAnswers = register(r, m.popsHeld), register(r, m.popAnswers)
		m.popAcks, m.popReturned = register(r, m.popAcks), register(r, m.popReturned)
	}
	return m
}

func register[T prometheus.Collector](r prometheus.Registerer, c T) T {
	var already prometheus.AlreadyRegisteredError
	if err := r.Register(c); errors.As(err, &already) {
		if existing, ok := already.ExistingCollector.(T); ok {
			return existing
		}
	}
	return c
}
