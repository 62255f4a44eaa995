package redisstore

import "github.com/prometheus/client_golang/prometheus"

// retainMetrics tell whether the filters that clients subscribe to make Redis look at much more than they find.
type retainMetrics struct {
	looked, found prometheus.Counter
}

func newRetainMetrics(r prometheus.Registerer) (*retainMetrics, error) {
	m := &retainMetrics{
		looked: prometheus.NewCounter(prometheus.CounterOpts{
			Name: "lmqgate_retained_looked_total", Help: "Index entries looked at to find retained messages.",
		}),
		found: prometheus.NewCounter(prometheus.CounterOpts{
			Name: "lmqgate_retained_found_total", Help: "Retained messages found by wildcard filters.",
		}),
	}
	if r == nil {
		return m, nil
	}
	var err error
	if m.looked, err = registered(r, m.looked); err != nil {
		return nil, err
	}
	m.found, err = registered(r, m.found)
	return m, err
}
