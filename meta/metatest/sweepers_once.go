package metatest

import (
	"fmt"
	"slices"
	"sync"
	"testing"
	"time"

	"lmqgate/meta/session"
)

// unsettled: what was ended is handed out until it is settled.
func unsettled(t *testing.T, b *Backend) {
	s := b.Open(t)
	subscribed(t, s, "orphan", "i1", 0)
	die(t, s, "i1")
	detach(t, s, "short", subscribed(t, s, "short", "i2", time.Minute))
	detach(t, s, "clean", subscribed(t, s, "clean", "i2", 0))
	sweepInstance(t, s, "i1")
	now := b.Now(t).Add(2 * time.Minute)
	sweepExpired(t, s, now)
	all := []session.Ended{endedA("clean"), endedA("orphan"), endedA("short")}
	for range 3 {
		if now = now.Add(b.Grace / 2); len(sweepExpired(t, s, now)) > 0 {
			t.Error("handed out again within the grace time")
		}
		now = now.Add(b.Grace)
		equal(t, "handed out again", sweepExpired(t, s, now), all)
	}
	if err := s.Settled(t.Context(), []string{"clean", "orphan", "short", "unknown"}); err != nil {
		t.Fatal(err)
	}
	if ended := sweepExpired(t, s, now.Add(100*time.Hour)); len(ended) > 0 {
		t.Errorf("handed out after it was settled: %v", ended)
	}
}

// endedReborn: a client that comes back before its ended session is settled gets the subscriptions to release, and
// settling the old session does not harm the new one.
func endedReborn(t *testing.T, b *Backend) {
	s := b.Open(t)
	subscribed(t, s, "c", "i1", 0)
	die(t, s, "i1")
	sweepInstance(t, s, "i1")
	got := attach(t, s, session.AttachRequest{ClientID: "c", Instance: "i2", Expiry: time.Hour})
	equal(t, "reborn", got, session.State{
		ClientID: "c", Epoch: got.Epoch, Discarded: endedA("c").Subscriptions, NextSeq: 1, NextOrder: 1,
	})
	write(t, s, session.Change{ClientID: "c", Epoch: got.Epoch, SetSubs: []session.Subscription{sub("b", 1)}})
	if err := s.Settled(t.Context(), []string{"c"}); err != nil {
		t.Fatal(err)
	}
	write(t, s, session.Change{ClientID: "c", Epoch: got.Epoch, SetSubs: []session.Subscription{sub("c", 2)}})
	if got = attach(t, s, session.AttachRequest{ClientID: "c"}); len(got.Subscriptions) != 2 {
		t.Errorf("harmed: %+v", got)
	}
}

// exactlyOnce: several sweepers at once end each session once, while some of its clients come back.
func exactlyOnce(t *testing.T, b *Backend) {
	s := b.Open(t)
	const n = 120
	want := make(map[string]int)
	for i := range n {
		clean, short := fmt.Sprint("clean", i), fmt.Sprint("short", i)
		subscribed(t, s, clean, "i1", 0)
		detach(t, s, short, subscribed(t, s, short, "i1", b.Grace/4))
		want[clean], want[short] = 1, 1
	}
	die(t, s, "i1")
	at := b.Now(t).Add(b.Grace / 2) // what one sweeper ended is not yet handed out again
	var (
		mu   sync.Mutex // protects seen
		seen = make(map[string]int)
		wg   sync.WaitGroup
	)
	took := func(ids ...string) {
		mu.Lock()
		defer mu.Unlock()
		for _, id := range ids {
			seen[id]++
		}
	}
	for range 4 {
		s := b.Open(t)
		drain := func(fn func() ([]session.Ended, bool, error)) {
			for more := true; more; {
				ended, again, err := fn()
				if err != nil {
					t.Errorf("sweep: %v", err)
					return
				}
				for _, e := range ended {
					took(e.ClientID)
				}
				more = again
			}
		}
		wg.Go(func() {
			drain(func() ([]session.Ended, bool, error) { return s.Orphans(t.Context(), "i1", 9) })
			drain(func() ([]session.Ended, bool, error) { return s.Expired(t.Context(), at, 9) })
		})
	}
	reborn := b.Open(t)
	wg.Go(func() {
		for i := 0; i < n; i += 4 {
			id := fmt.Sprint("clean", i)
			st, err := reborn.Attach(t.Context(), session.AttachRequest{ClientID: id, Instance: "i2", Expiry: time.Hour})
			if err != nil || len(st.Discarded) != 1 {
				t.Errorf("attach: %v, %+v", err, st)
			}
			if st.Previous != nil {
				took(id) // it came before the sweepers, which then leave it alone
			}
		}
	})
	wg.Wait()
	equal(t, "how often each was ended", seen, want)
	_, dead := instances(t, s)
	if slices.Contains(dead, "i1") {
		t.Error("the dead instance is still registered after its sweep")
	}
}
