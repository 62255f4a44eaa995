package metatest

import (
	"testing"
	"time"

	"lmqgate/meta/session"
)

// willMoved: the will of a client that was asked to connect elsewhere waits for it, longer than the session if need be.
func willMoved(t *testing.T, b *Backend) {
	for _, c := range []struct{ delay, expiry, at time.Duration }{
		{0, 0, session.MovedGrace},
		{time.Hour, 0, session.MovedGrace},
		{0, time.Hour, session.MovedGrace},
		{time.Hour, 10 * time.Second, session.MovedGrace},
		{time.Minute, time.Hour, time.Minute},
		{time.Minute, 40 * time.Second, 40 * time.Second},
		{time.Minute, session.Never, time.Minute},
	} {
		s := b.Open(t)
		e := willed(t, s, "w", c.delay, c.expiry)
		for range 2 {
			ended := part(t, s, e, session.PartingMoved)
			wantWills(t, "moved", ended.Wills)
			if ended.Over != (c.expiry == 0) {
				t.Errorf("over: %v", ended.Over)
			}
		}
		now := b.Now(t)
		if c.expiry == 0 {
			if err := s.Settled(t.Context(), []string{"c"}); err != nil {
				t.Fatal(err)
			}
		}
		if c.expiry > 0 && c.expiry < c.at {
			ended := sweepExpired(t, s, now.Add(c.expiry+time.Second))
			equal(t, "ended before its will is due", ended, []session.Ended{{ClientID: "c", Over: true}})
		}
		wantWills(t, "early", swept(t, s, now.Add(c.at-time.Second)))
		late := swept(t, s, now.Add(c.at+time.Second))
		wantWills(t, "in time", late, "w")
		if err := s.WillsDone(t.Context(), late); err != nil {
			t.Fatal(err)
		}
		wantWills(t, "later", swept(t, s, never(t, b)))
	}
}

// willMovedBack: a client that comes back in time has not died, whatever it asks for.
func willMovedBack(t *testing.T, b *Backend) {
	s := b.Open(t)
	for _, expiry := range []time.Duration{0, time.Hour, session.Never} {
		for _, clean := range []bool{false, true} {
			for _, settled := range []bool{false, true} {
				part(t, s, willed(t, s, "w", 0, expiry), session.PartingMoved)
				if settled {
					if err := s.Settled(t.Context(), []string{"c"}); err != nil {
						t.Fatal(err)
					}
				}
				st := attach(t, s, session.AttachRequest{ClientID: "c", Instance: "i2", CleanStart: clean, Will: will("v", 0)})
				wantWills(t, "back", st.Wills)
				part(t, s, st.Epoch, session.PartingClean)
				wantWills(t, "later", swept(t, s, never(t, b)))
			}
		}
	}
}
