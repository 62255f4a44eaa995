package metatest

import (
	"testing"
	"time"

	"lmqgate/meta/session"
)

func instances(t *testing.T, s session.Instances) (live, dead []string) {
	t.Helper()
	live, err := s.Live(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	if dead, err = s.Dead(t.Context()); err != nil {
		t.Fatal(err)
	}
	return sorted(live), sorted(dead)
}

func beat(t *testing.T, s session.Instances, instance string, ttl time.Duration) {
	t.Helper()
	if err := s.Beat(t.Context(), instance, ttl); err != nil {
		t.Fatal(err)
	}
}

// die ends the lease of an instance that has sessions.
func die(t *testing.T, s session.Instances, instance string) {
	t.Helper()
	beat(t, s, instance, time.Hour)
	if err := s.Leave(t.Context(), instance); err != nil {
		t.Fatal(err)
	}
}

func heartbeat(t *testing.T, b *Backend) {
	s := b.Open(t)
	beat(t, s, "long", time.Hour)
	beat(t, s, "short", time.Millisecond)
	b.Pass(t, 2*time.Millisecond)
	live, dead := instances(t, s)
	equal(t, "live", live, []string{"long"})
	equal(t, "dead", dead, []string{"short"})
	beat(t, s, "short", time.Hour)
	live, dead = instances(t, s)
	equal(t, "live again", live, []string{"long", "short"})
	equal(t, "dead", dead, []string(nil))
}

func leave(t *testing.T, b *Backend) {
	s := b.Open(t)
	beat(t, s, "i1", time.Hour)
	beat(t, s, "i2", time.Hour)
	subscribed(t, s, "c", "i1", 0)
	for range 2 {
		for _, i := range []string{"i1", "i2", "unknown"} {
			if err := s.Leave(t.Context(), i); err != nil {
				t.Fatal(err)
			}
		}
	}
	live, dead := instances(t, s)
	equal(t, "live", live, []string(nil))
	equal(t, "dead", dead, []string{"i1"})
	equal(t, "ended", sweepInstance(t, s, "i1"), []session.Ended{endedA("c")})
	_, dead = instances(t, s)
	equal(t, "dead after the sweep", dead, []string(nil))
}

func liveIsSpared(t *testing.T, b *Backend) {
	s := b.Open(t)
	beat(t, s, "i1", time.Hour)
	e := subscribed(t, s, "c", "i1", 0)
	if ended := sweepInstance(t, s, "i1"); len(ended) > 0 {
		t.Errorf("swept from a live instance: %v", ended)
	}
	write(t, s, session.Change{ClientID: "c", Epoch: e, DropSubs: []string{"a"}})
}
