package metatest

import (
	"fmt"
	"slices"
	"sync"
	"testing"
	"time"

	"lmqgate/meta/session"
)

// Sweepers is the contract of session.Instances and session.Sweeper.
func Sweepers(t *testing.T, open Opener) {
	for name, test := range map[string]func(*testing.T, *Backend){
		"Heartbeat":     heartbeat,
		"Leave":         leave,
		"LiveIsSpared":  liveIsSpared,
		"Orphans":       orphans,
		"OrphanFenced":  orphanFenced,
		"OrphanResumed": orphanResumed,
		"Expired":       expired,
		"NotYet":        notYet,
		"Unsettled":     unsettled,
		"EndedReborn":   endedReborn,
		"ExactlyOnce":   exactlyOnce,
	} {
		t.Run(name, func(t *testing.T) { test(t, open(t)) })
	}
}

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

// sweep calls fn until there is no more.
func sweep(t *testing.T, fn func() ([]session.Ended, bool, error)) []session.Ended {
	t.Helper()
	var all []session.Ended
	for {
		ended, more, err := fn()
		if err != nil {
			t.Fatal(err)
		}
		if all = append(all, ended...); !more {
			return all
		}
	}
}

func sweepInstance(t *testing.T, s session.Sweeper, instance string) []session.Ended {
	t.Helper()
	return sweep(t, func() ([]session.Ended, bool, error) { return s.Orphans(t.Context(), instance, 7) })
}

func sweepExpired(t *testing.T, s session.Sweeper, now time.Time) []session.Ended {
	t.Helper()
	return sweep(t, func() ([]session.Ended, bool, error) { return s.Expired(t.Context(), now, 7) })
}

// subscribed attaches a client with one subscription.
func subscribed(t *testing.T, s session.Store, clientID, instance string, expiry time.Duration) session.Epoch {
	t.Helper()
	st := attach(t, s, session.AttachRequest{ClientID: clientID, Instance: instance, Expiry: expiry})
	write(t, s, session.Change{ClientID: clientID, Epoch: st.Epoch, SetSubs: []session.Subscription{sub("a", 1)}})
	return st.Epoch
}

func endedA(clientID string) session.Ended {
	return session.Ended{ClientID: clientID, Subscriptions: []session.Subscription{sub("a", 1)}}
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

func orphans(t *testing.T, b *Backend) {
	s := b.Open(t)
	var want []session.Ended
	for i := range 20 {
		id := fmt.Sprint("clean", i)
		subscribed(t, s, id, "i1", 0)
		want = append(want, endedA(id))
		subscribed(t, s, fmt.Sprint("kept", i), "i1", time.Hour)
		subscribed(t, s, fmt.Sprint("ever", i), "i1", session.Never)
	}
	subscribed(t, s, "taken", "i1", 0)
	subscribed(t, s, "taken", "i2", 0)
	detach(t, s, "left", subscribed(t, s, "left", "i1", time.Hour))
	beat(t, s, "i2", time.Hour)
	die(t, s, "i1")
	died := b.Now(t)
	b.Pass(t, 5*time.Millisecond)
	equal(t, "ended", sweepInstance(t, s, "i1"), want)
	info, _, err := s.Peek(t.Context(), "kept3")
	if err != nil || info.Connected || info.Expires.After(died.Add(time.Hour+time.Millisecond)) {
		t.Errorf("kept session: %+v, %v; its instance died at %v", info, err, died)
	}
	if info, _, err = s.Peek(t.Context(), "taken"); err != nil || info.Instance != "i2" || !info.Connected {
		t.Errorf("taken session: %+v, %v", info, err)
	}
	if again := sweepInstance(t, s, "i1"); len(again) > 0 {
		t.Errorf("swept again: %v", again)
	}
	late := b.Now(t).Add(2 * time.Hour)
	if ended := sweepExpired(t, s, late); len(ended) != 41 {
		t.Errorf("%d ended later, want 20 kept ones, left, and 20 that nobody settled", len(ended))
	}
	if info, _, err = s.Peek(t.Context(), "ever3"); err != nil || info.Connected || info.Ended {
		t.Errorf("session without expiry: %+v, %v", info, err)
	}
}

// orphanFenced: an instance that only seemed dead cannot write any more.
func orphanFenced(t *testing.T, b *Backend) {
	s := b.Open(t)
	kept := subscribed(t, s, "kept", "i1", time.Hour)
	clean := subscribed(t, s, "clean", "i1", 0)
	die(t, s, "i1")
	sweepInstance(t, s, "i1")
	for id, e := range map[string]session.Epoch{"kept": kept, "clean": clean} {
		wantFenced(t, s, session.Change{ClientID: id, Epoch: e, DropSubs: []string{"a"}})
		if _, err := s.Detach(t.Context(), id, e); err == nil {
			t.Errorf("%s: detached by a zombie", id)
		}
	}
}

func orphanResumed(t *testing.T, b *Backend) {
	s := b.Open(t)
	e := subscribed(t, s, "c", "i1", time.Hour)
	die(t, s, "i1")
	sweepInstance(t, s, "i1")
	got := attach(t, s, session.AttachRequest{ClientID: "c", Instance: "i2", Expiry: time.Hour})
	if !got.Present || got.Previous != nil || got.Epoch <= e || len(got.Subscriptions) != 1 {
		t.Errorf("resumed: %+v", got)
	}
	if ended := sweepExpired(t, s, b.Now(t).Add(100*time.Hour)); len(ended) > 0 {
		t.Errorf("a connected session expired: %v", ended)
	}
}

func expired(t *testing.T, b *Backend) {
	s := b.Open(t)
	var want []session.Ended
	for i := range 20 {
		id := fmt.Sprint("c", i)
		e := subscribed(t, s, id, "i1", time.Duration(i+1)*time.Minute)
		detach(t, s, id, e)
		if i < 10 {
			want = append(want, endedA(id))
		}
	}
	at := b.Now(t).Add(10*time.Minute + 30*time.Second)
	got := sweepExpired(t, s, at)
	equal(t, "ended", got, want)
	if again := sweepExpired(t, s, at); len(again) > 0 {
		t.Errorf("ended again: %v", again)
	}
	if got := attach(t, s, session.AttachRequest{ClientID: "c15"}); !got.Present {
		t.Error("one that has not expired is gone")
	}
	if got := attach(t, s, session.AttachRequest{ClientID: "c5"}); got.Present || len(got.Cursors) > 0 {
		t.Errorf("an expired one is still there: %+v", got)
	}
}

// notYet: neither an entry that is out of date nor the clock of the caller ends a session too early.
func notYet(t *testing.T, b *Backend) {
	s := b.Open(t)
	for _, id := range []string{"attached", "longer", "ever"} {
		detach(t, s, id, subscribed(t, s, id, "i1", time.Minute))
	}
	attach(t, s, session.AttachRequest{ClientID: "attached", Expiry: time.Minute})
	e := attach(t, s, session.AttachRequest{ClientID: "longer", Expiry: time.Hour}).Epoch
	detach(t, s, "longer", e)
	e = attach(t, s, session.AttachRequest{ClientID: "ever", Expiry: session.Never}).Epoch
	detach(t, s, "ever", e)
	at := b.Now(t).Add(30 * time.Minute)
	if ended := sweepExpired(t, s, at); len(ended) > 0 {
		t.Errorf("ended too early: %v", ended)
	}
	equal(t, "ended in time", sweepExpired(t, s, at.Add(time.Hour)), []session.Ended{endedA("longer")})
	if ended := sweepExpired(t, s, time.Time{}); len(ended) > 0 {
		t.Errorf("ended by the store's own clock: %v", ended)
	}
}

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
