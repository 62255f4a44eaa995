package redisstore_test

import (
	"slices"
	"testing"
	"time"

	"lmqgate/meta/session"
)

// TestKnown: a client has a session from its Attach until that ends, connected or not.
func TestKnown(t *testing.T) {
	onServers(t, func(t *testing.T, open func(t *testing.T) *server) {
		s, ctx := open(t).store(t), t.Context()
		if got, err := s.Known(ctx, nil); err != nil || len(got) != 0 {
			t.Errorf("of nobody: %v, %v", got, err)
		}
		epochs := map[string]session.Epoch{}
		for id, expiry := range map[string]time.Duration{"clean": 0, "lasting": time.Hour, "{odd}": 0} {
			st, err := s.Attach(ctx, session.AttachRequest{ClientID: id, Instance: "i", Expiry: expiry, Protocol: 5})
			if err != nil {
				t.Fatal(err)
			}
			epochs[id] = st.Epoch
		}
		see := func(when string, want ...bool) {
			t.Helper()
			if got, err := s.Known(ctx, []string{"nobody", "clean", "lasting", "{odd}"}); err != nil || !slices.Equal(got, want) {
				t.Errorf("%s: %v, %v; want %v", when, got, err, want)
			}
		}
		see("connected", false, true, true, true)
		for _, id := range []string{"clean", "lasting"} {
			if _, err := s.Detach(ctx, id, epochs[id], session.PartingClean); err != nil {
				t.Fatal(err)
			}
		}
		see("away", false, false, true, true)
		if _, err := s.Attach(ctx, session.AttachRequest{ClientID: "lasting", Instance: "i", CleanStart: true, Protocol: 5}); err != nil {
			t.Fatal(err)
		}
		see("anew", false, false, true, true)
	})
}
