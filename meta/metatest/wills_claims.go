package metatest

import (
	"errors"
	"fmt"
	"sync"
	"testing"
	"time"

	"lmqgate/meta/message"
	"lmqgate/meta/session"
)

// willOrphans: what a dead instance leaves is lost as of the end of its lease.
func willOrphans(t *testing.T, b *Backend) {
	s := b.Open(t)
	for id, c := range map[string]struct{ delay, expiry time.Duration }{
		"now":   {0, time.Hour},
		"ended": {time.Hour, 0},
		"short": {time.Millisecond, time.Hour},
		"over":  {time.Hour, time.Millisecond},
		"later": {time.Minute, time.Hour},
		"ever":  {time.Minute, session.Never},
	} {
		attach(t, s, session.AttachRequest{ClientID: id, Instance: "i1", Expiry: c.expiry, Will: will(id, c.delay)})
	}
	clean := attach(t, s, session.AttachRequest{ClientID: "c", Instance: "i1", Will: will("clean", 0)})
	part(t, s, clean.Epoch, session.PartingClean)
	attach(t, s, session.AttachRequest{ClientID: "taken", Instance: "i1", Expiry: time.Hour, Will: will("taken", time.Hour)})
	attach(t, s, session.AttachRequest{ClientID: "taken", Instance: "i2", Expiry: time.Hour, Will: will("taken2", 0)})
	die(t, s, "i1")
	died := b.Now(t)
	b.Pass(t, 5*time.Millisecond)
	var wills []session.DueWill
	over := make(map[string]bool)
	for _, e := range sweepInstance(t, s, "i1") {
		wills = append(wills, e.Wills...)
		over[e.ClientID] = e.Over
	}
	wantWills(t, "orphans", wills, "ended", "now", "over", "short")
	equal(t, "over", over, map[string]bool{
		"now": false, "ended": true, "short": false, "over": true, "later": false, "ever": false,
	})
	if again := sweepInstance(t, s, "i1"); len(again) > 0 {
		t.Errorf("swept again: %v", again)
	}
	wantWills(t, "while claimed", swept(t, s, died.Add(session.ClaimTime-time.Second)))
	if err := s.WillsDone(t.Context(), wills); err != nil {
		t.Fatal(err)
	}
	wantWills(t, "early", swept(t, s, died.Add(59*time.Second)))
	wills = swept(t, s, died.Add(61*time.Second))
	wantWills(t, "in time", wills, "ever", "later")
	if err := s.WillsDone(t.Context(), wills); err != nil {
		t.Fatal(err)
	}
	wantWills(t, "at last", swept(t, s, never(t, b)))
}

// willClaims: a claim lapses, and then it is worth nothing.
func willClaims(t *testing.T, b *Backend) {
	s := b.Open(t)
	first := part(t, s, willed(t, s, "w", 0, 0), session.PartingLost).Wills
	if err := s.Settled(t.Context(), []string{"c"}); err != nil {
		t.Fatal(err)
	}
	now := b.Now(t)
	claims := map[string]bool{first[0].Claim: true}
	for range 3 {
		now = now.Add(session.ClaimTime + time.Second)
		again := swept(t, s, now)
		wantWills(t, "after the claim", again, "w")
		if claims[again[0].Claim] || again[0].ID != first[0].ID {
			t.Errorf("claimed as %+v after %+v", again[0], first[0])
		}
		claims[again[0].Claim] = true
		if again[0].Repeat || again[0].Place != nil {
			t.Errorf("nobody placed it: %+v", again[0])
		}
		if err := s.PlaceWill(t.Context(), first[0], message.Place{}); !errors.Is(err, session.ErrFenced) {
			t.Errorf("placed with a lost claim: %v", err)
		}
		if err := s.WillsDone(t.Context(), first); err != nil { // no error, but no effect
			t.Fatal(err)
		}
		first = again
	}
	if err := s.WillsDone(t.Context(), append(first, first...)); err != nil {
		t.Fatal(err)
	}
	if err := s.PlaceWill(t.Context(), first[0], message.Place{}); !errors.Is(err, session.ErrFenced) {
		t.Errorf("placed after it was done: %v", err)
	}
	wantWills(t, "later", swept(t, s, never(t, b)))
}

// willPlaced: the next claimant is told where to look.
func willPlaced(t *testing.T, b *Backend) {
	s := b.Open(t)
	e := willed(t, s, "w", 0, time.Hour)
	w := part(t, s, e, session.PartingLost).Wills[0]
	p := message.Place{Topic: "state", Broker: "broker-a", Queue: 3}
	before := b.Now(t).Truncate(time.Millisecond)
	for range 2 { // an answer may be lost
		if err := s.PlaceWill(t.Context(), w, p); err != nil {
			t.Fatal(err)
		}
	}
	after := b.Now(t)
	wantWills(t, "detached again after it was placed", part(t, s, e, session.PartingLost).Wills)
	now := after.Add(session.ClaimTime)
	for i := range 3 {
		now = now.Add(session.ClaimTime + time.Second)
		again := swept(t, s, now)
		wantWills(t, "after the claim", again, "w")
		got := again[0]
		if !got.Repeat || got.Place == nil || *got.Place != p || got.Since.Before(before) || got.Since.After(after) {
			t.Errorf("claimed again as %+v, placed between %v and %v", got, before, after)
		}
		if i == 1 {
			b.Pass(t, 3*time.Millisecond) // Since stays that of the first
			if err := s.PlaceWill(t.Context(), got, p); err != nil {
				t.Fatal(err)
			}
		}
	}
}

// willsSeveral: wills that are due outlive later connections and sessions of the same client.
func willsSeveral(t *testing.T, b *Backend) {
	s := b.Open(t)
	var all []string
	for i := range 12 {
		key := fmt.Sprint("w", i)
		expiry := []time.Duration{0, time.Hour}[i%2]
		st := attach(t, s, session.AttachRequest{ClientID: "c", CleanStart: i%3 == 0, Expiry: expiry, Will: will(key, 0)})
		wantWills(t, "attached", st.Wills)
		wantWills(t, "lost", part(t, s, st.Epoch, session.PartingLost).Wills, key)
		if i%4 == 0 {
			if err := s.Settled(t.Context(), []string{"c"}); err != nil {
				t.Fatal(err)
			}
		}
		all = append(all, key)
	}
	st := attach(t, s, session.AttachRequest{ClientID: "c", Will: will("live", 0)})
	now := b.Now(t).Add(session.ClaimTime + time.Second)
	wills := swept(t, s, now)
	wantWills(t, "claimed again", wills, all...)
	if err := s.WillsDone(t.Context(), wills[:5]); err != nil {
		t.Fatal(err)
	}
	now = now.Add(session.ClaimTime + time.Second)
	rest := swept(t, s, now)
	if len(rest) != 7 {
		t.Errorf("%d are left, want 7", len(rest))
	}
	if err := s.WillsDone(t.Context(), rest); err != nil {
		t.Fatal(err)
	}
	wantWills(t, "the live one", part(t, s, st.Epoch, session.PartingLost).Wills, "live")
}

// willsBound: what is not published is bounded; nothing of it is given up for that.
func willsBound(t *testing.T, b *Backend) {
	s := b.Open(t)
	var wills []session.DueWill
	for i := range 1000 {
		st, err := s.Attach(t.Context(), session.AttachRequest{ClientID: "c", Instance: "i1", Will: will(fmt.Sprint(i), 0)})
		if errors.Is(err, session.ErrWills) {
			break
		}
		if err != nil {
			t.Fatal(err)
		}
		wills = append(wills, part(t, s, st.Epoch, session.PartingLost).Wills...)
	}
	if n := len(wills); n < 10 || n == 1000 {
		t.Fatalf("%d unpublished wills", n)
	}
	attach(t, s, session.AttachRequest{ClientID: "c"}) // without a will it can
	again := swept(t, s, b.Now(t).Add(session.ClaimTime+time.Second))
	if len(again) != len(wills) {
		t.Errorf("%d of %d are kept", len(again), len(wills))
	}
	if err := s.WillsDone(t.Context(), again[:1]); err != nil {
		t.Fatal(err)
	}
	attach(t, s, session.AttachRequest{ClientID: "c", Will: will("one more", 0)})
}

// willsExactlyOnce: of sweepers and returning clients, one gets each will.
func willsExactlyOnce(t *testing.T, b *Backend) {
	s := b.Open(t)
	const n = 100
	want := make(map[string]int)
	for i := range n {
		orphan, delayed := fmt.Sprint("orphan", i), fmt.Sprint("delayed", i)
		attach(t, s, session.AttachRequest{ClientID: orphan, Instance: "i1", Expiry: time.Hour, Will: will(orphan, 0)})
		e := attach(t, s, session.AttachRequest{ClientID: delayed, Instance: "i2", Expiry: time.Hour, Will: will(delayed, time.Minute)}).Epoch
		detach(t, s, delayed, e)
		want[orphan], want[delayed] = 1, 1
	}
	die(t, s, "i1")
	at := b.Now(t).Add(time.Minute + time.Second)
	var (
		mu    sync.Mutex // protects seen and wills
		seen  = make(map[string]int)
		wills []session.DueWill
		wg    sync.WaitGroup
	)
	took := func(all []session.DueWill) {
		mu.Lock()
		defer mu.Unlock()
		for _, w := range all {
			seen[w.Message.Key]++
		}
		wills = append(wills, all...)
	}
	drain := func(fn func() ([]session.Ended, bool, error)) {
		for more := true; more; {
			ended, again, err := fn()
			if err != nil {
				t.Errorf("sweep: %v", err)
				return
			}
			for _, e := range ended {
				took(e.Wills)
			}
			more = again
		}
	}
	for range 4 {
		s := b.Open(t)
		wg.Go(func() { drain(func() ([]session.Ended, bool, error) { return s.Orphans(t.Context(), "i1", 9) }) })
	}
	back := b.Open(t)
	wg.Go(func() {
		for i := 0; i < n; i += 4 {
			for _, id := range []string{fmt.Sprint("orphan", i), fmt.Sprint("delayed", i)} {
				st, err := back.Attach(t.Context(), session.AttachRequest{ClientID: id, Instance: "i3", CleanStart: true})
				if err != nil {
					t.Errorf("attach: %v", err)
				}
				took(st.Wills)
			}
		}
	})
	wg.Wait()
	for range 4 { // now for those whose time comes; what was claimed before has lapsed at that time, unless it is done
		s := b.Open(t)
		wg.Go(func() {
			mu.Lock()
			done := wills
			wills = nil
			mu.Unlock()
			if err := s.WillsDone(t.Context(), done); err != nil {
				t.Errorf("done: %v", err)
			}
		})
	}
	wg.Wait()
	for range 4 {
		s := b.Open(t)
		wg.Go(func() { drain(func() ([]session.Ended, bool, error) { return s.Expired(t.Context(), at, 9) }) })
	}
	wg.Wait()
	equal(t, "how often each was handed out", seen, want)
}
