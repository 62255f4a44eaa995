package redisstore

import (
	"testing"
	"time"

	"github.com/alicebob/miniredis/v2"
)

func TestLease(t *testing.T) {
	m := miniredis.RunT(t)
	now := time.Date(2026, 3, 1, 12, 0, 0, 0, time.UTC)
	pass := func(d time.Duration) { now = now.Add(d); m.SetTime(now); m.FastForward(d) }
	pass(0)
	s, err := Open(Config{URL: "redis://" + m.Addr(), Prefix: "p:"})
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = s.Close() }()
	step := func(owner string, ttl time.Duration, want bool) {
		t.Helper()
		if got, err := s.Lease(t.Context(), "relay:t", owner, ttl); err != nil || got != want {
			t.Errorf("%s for %v: %v, %v", owner, ttl, got, err)
		}
	}
	step("a", time.Minute, true)
	step("b", time.Minute, false)
	step("b", 0, false) // not its own to give up
	pass(30 * time.Second)
	step("a", time.Minute, true)
	pass(50 * time.Second)
	step("b", time.Minute, false)
	pass(10 * time.Second)
	step("b", time.Minute, true)
	step("b", 0, false)
	if m.Exists("p:lease:relay:t") {
		t.Error("the lease is still there")
	}
	step("a", time.Minute, true)
	m.SetError("LOADING")
	if _, err := s.Lease(t.Context(), "relay:t", "a", time.Minute); err == nil {
		t.Error("no error")
	}
}
