package redisstore_test

import (
	"fmt"
	"slices"
	"testing"
	"time"

	"github.com/prometheus/client_golang/prometheus"

	"lmqgate/meta/redisstore"
	"lmqgate/meta/session"
)

// TestOwn: client ids count once each, whoever counts them; at the limit those that had a queue keep it, and a new one with a
// session has none and cannot be addressed.
func TestOwn(t *testing.T) {
	onServers(t, func(t *testing.T, open func(t *testing.T) *server) {
		s, ctx := open(t).store(t), t.Context()
		now := time.Now()
		reg := prometheus.NewRegistry()
		o, err := s.Own(redisstore.OwnConfig{Max: 20, Registerer: reg, Now: func() time.Time { return now }})
		if err != nil {
			t.Fatal(err)
		}
		refused := func(id string, want bool) {
			t.Helper()
			if got, err := o.Refused(ctx, id); err != nil || got != want {
				t.Errorf("%s refused: %v, %v; want %v", id, got, err, want)
			}
		}
		count := func(want int64) {
			t.Helper()
			if got, err := o.Count(ctx); err != nil || got != want {
				t.Errorf("%d clients, %v; want %d", got, err, want)
			}
		}
		attach := func(id string) {
			t.Helper()
			if _, err := s.Attach(ctx, session.AttachRequest{ClientID: id, Instance: "i", Expiry: time.Hour, Protocol: 5}); err != nil {
				t.Fatal(err)
			}
		}
		known := func(want ...bool) {
			t.Helper()
			if got, err := o.Known(ctx, []string{"c0", "nobody", "older", "new"}); err != nil || !slices.Equal(got, want) {
				t.Errorf("known: %v, %v; want %v", got, err, want)
			}
		}
		for range 2 {
			for i := range 18 {
				refused(fmt.Sprint("c", i), false)
			}
		}
		count(18)
		attach("c0")
		attach("older") // a session that nobody has counted
		known(true, false, true, false)
		count(19)
		refused("last", false)
		refused("new", true) // this instance knows that it has counted up to the limit
		attach("new")
		known(true, false, true, false)
		refused("c7", false)
		count(20)

		other, err := s.Own(redisstore.OwnConfig{Max: 30, Registerer: reg})
		if err != nil {
			t.Fatal(err)
		}
		if got, err := other.Refused(ctx, "new"); err != nil || got {
			t.Errorf("below a higher limit: %v, %v", got, err)
		}
		refused("new", false)
		unbounded, err := s.Own(redisstore.OwnConfig{})
		if err != nil {
			t.Fatal(err)
		}
		if got, err := unbounded.Refused(ctx, "newer"); err != nil || got {
			t.Errorf("without a limit: %v, %v", got, err)
		}
		count(22)
		refused("newest", true)
		for name, want := range map[string]float64{"lmqgate_p2p_queues_named": 22, "lmqgate_p2p_queues_refused_total": 2} {
			if got := metricValue(t, reg, name); got != want {
				t.Errorf("%s is %v, want %v", name, got, want)
			}
		}
	})
}

// metricValue is that of a gauge or counter without labels.
func metricValue(t *testing.T, reg *prometheus.Registry, name string) float64 {
	t.Helper()
	families, err := reg.Gather()
	if err != nil {
		t.Fatal(err)
	}
	for _, f := range families {
		if f.GetName() == name {
			return f.GetMetric()[0].GetGauge().GetValue() + f.GetMetric()[0].GetCounter().GetValue()
		}
	}
	t.Fatalf("no metric %s", name)
	return 0
}
