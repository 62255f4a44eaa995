package redisstore_test

import (
	"fmt"
	"slices"
	"testing"
	"time"

	"github.com/prometheus/client_golang/prometheus"

	"lmqgate/meta/redisstore"
	"lmqgate/meta/registry"
)

// TestNamed: filters count once each, also after their last holder has gone; at the limit those that somebody holds are
// granted and others are not.
func TestNamed(t *testing.T) {
	onServers(t, func(t *testing.T, open func(t *testing.T) *server) {
		s, ctx := open(t).store(t), t.Context()
		now := time.Now()
		n, err := s.Named(redisstore.NamedConfig{Max: 100, Registerer: prometheus.NewRegistry(), Now: func() time.Time { return now }})
		if err != nil {
			t.Fatal(err)
		}
		var holds []registry.Hold
		for i := range 48 {
			for _, f := range []string{fmt.Sprint("x", i), fmt.Sprint("w/+/", i)} {
				holds = append(holds, registry.Hold{Filter: f, ClientID: "c", Epoch: 1, Seq: 1}, registry.Hold{Filter: "$share/g/" + f, ClientID: "d", Epoch: 1, Seq: 1})
			}
		}
		for range 2 { // held and released again, they are the same
			if err := s.Hold(ctx, holds); err != nil {
				t.Fatal(err)
			}
			if got, err := n.Count(ctx); err != nil || got < 94 || got > 98 {
				t.Fatalf("%d filters, %v; 96 are held", got, err)
			}
			if err := s.Release(ctx, holds); err != nil {
				t.Fatal(err)
			}
		}
		asked := []string{"x0", "new", "$share/g/w/+/0", "w/#"}
		if got, err := n.Refused(ctx, asked); err != nil || slices.Contains(got, true) {
			t.Fatalf("refused below the limit: %v, %v", got, err)
		}
		for i := range 10 {
			holds = append(holds, registry.Hold{Filter: fmt.Sprint("y", i), ClientID: "c", Epoch: 2, Seq: 1})
		}
		for i := range holds {
			holds[i].Epoch = 2
		}
		if err := s.Hold(ctx, holds); err != nil {
			t.Fatal(err)
		}
		now = now.Add(time.Minute)
		if got, err := n.Refused(ctx, asked); err != nil || !slices.Equal(got, []bool{false, true, false, true}) {
			t.Fatalf("at the limit: %v, %v", got, err)
		}
	})
}
