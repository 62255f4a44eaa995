package metatest

import (
	"fmt"
	"testing"
	"time"

	"lmqgate/meta/session"
)

func sweepExpired(t *testing.T, s session.Sweeper, now time.Time) []session.Ended {
	t.Helper()
	return sweep(t, func() ([]session.Ended, bool, error) { return s.Expired(t.Context(), now, 7) })
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
