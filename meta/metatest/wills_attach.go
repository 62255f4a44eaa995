package metatest

import (
	"errors"
	"fmt"
	"testing"
	"time"

	"lmqgate/meta/session"
)

// willTakeover: another connection takes the client id over [MQTT-3.1.4-3].
func willTakeover(t *testing.T, b *Backend) {
	for _, c := range []struct {
		delay, expiry time.Duration
		clean, due    bool
	}{
		{0, time.Hour, false, true},
		{0, time.Hour, true, true},
		{0, 0, false, true},
		{time.Minute, time.Hour, false, false}, // resumed before the delay was over [MQTT-3.1.3-9]
		{time.Minute, session.Never, false, false},
		{time.Minute, time.Hour, true, true}, // the session ends
		{time.Minute, 0, false, true},
	} {
		t.Run(fmt.Sprint(c), func(t *testing.T) {
			s, other := b.Open(t), b.Open(t)
			e := willed(t, s, "old", c.delay, c.expiry)
			st := attach(t, other, session.AttachRequest{
				ClientID: "c", Instance: "i2", CleanStart: c.clean, Expiry: time.Hour, Will: will("new", 0),
			})
			var keys []string
			if c.due {
				keys = []string{"old"}
			}
			wantWills(t, "takeover", st.Wills, keys...)
			if _, err := s.Detach(t.Context(), "c", e, session.PartingLost); !errors.Is(err, session.ErrFenced) {
				t.Errorf("detach by the old owner: %v", err)
			}
			wantWills(t, "while claimed", swept(t, s, b.Now(t).Add(session.ClaimTime-time.Second)))
			again := swept(t, s, b.Now(t).Add(session.ClaimTime+time.Second))
			wantWills(t, "after the claim", again, keys...)
			if err := s.WillsDone(t.Context(), again); err != nil {
				t.Fatal(err)
			}
			ended := part(t, other, st.Epoch, session.PartingLost)
			wantWills(t, "the new one", ended.Wills, "new")
			if err := s.WillsDone(t.Context(), ended.Wills); err != nil {
				t.Fatal(err)
			}
			wantWills(t, "later", swept(t, s, never(t, b)))
		})
	}
}

// willReturn: the client comes back while its delayed will waits.
func willReturn(t *testing.T, b *Backend) {
	const short = 5 * time.Millisecond
	for _, c := range []struct {
		name          string
		delay, expiry time.Duration
		clean         bool
		pass          time.Duration
		due           bool
	}{
		{"resumed", time.Minute, time.Hour, false, 0, false},
		{"never ending, resumed", time.Minute, session.Never, false, 0, false},
		{"clean start", time.Minute, time.Hour, true, 0, true},
		{"session expired", time.Minute, short, false, 2 * short, true},
		{"delay over, not swept yet", short, time.Hour, false, 2 * short, true},
		{"delay over, not swept yet, clean start", short, time.Hour, true, 2 * short, true},
	} {
		t.Run(c.name, func(t *testing.T) {
			s := b.Open(t)
			wantWills(t, "lost", part(t, s, willed(t, s, "w", c.delay, c.expiry), session.PartingLost).Wills)
			b.Pass(t, c.pass)
			st := attach(t, s, session.AttachRequest{ClientID: "c", Instance: "i2", CleanStart: c.clean})
			var keys []string
			if c.due {
				keys = []string{"w"}
			}
			wantWills(t, "back", st.Wills, keys...)
			if err := s.WillsDone(t.Context(), st.Wills); err != nil {
				t.Fatal(err)
			}
			part(t, s, st.Epoch, session.PartingLost)
			wantWills(t, "later", swept(t, s, never(t, b)))
		})
	}
}

// willReplaced: each connection has the will of its own CONNECT, or none.
func willReplaced(t *testing.T, b *Backend) {
	s := b.Open(t)
	willed(t, s, "first", time.Minute, time.Hour)
	e := willed(t, s, "second", time.Minute, time.Hour)
	e2 := attach(t, s, session.AttachRequest{ClientID: "c", Expiry: time.Hour}).Epoch
	if e2 <= e {
		t.Errorf("epoch %d after %d", e2, e)
	}
	part(t, s, e2, session.PartingLost)
	wantWills(t, "later", swept(t, s, never(t, b)))
}

// willFenced: a connection that has lost the session has no say in its will any more.
func willFenced(t *testing.T, b *Backend) {
	s := b.Open(t)
	old := willed(t, s, "old", time.Minute, time.Hour)
	e := willed(t, s, "new", 0, time.Hour)
	for _, p := range []session.Parting{session.PartingLost, session.PartingClean, session.PartingMoved} {
		if ended, err := s.Detach(t.Context(), "c", old, p); !errors.Is(err, session.ErrFenced) || len(ended.Wills) > 0 {
			t.Errorf("detach with a stale epoch: %+v, %v", ended, err)
		}
	}
	wantWills(t, "lost", part(t, s, e, session.PartingLost).Wills, "new")
	wantWills(t, "detached before", part(t, s, e, session.PartingClean).Wills, "new") // the first word counts
}

func willOddNames(t *testing.T, b *Backend) {
	s := b.Open(t)
	for i, id := range oddNames() {
		key := fmt.Sprint("w", i)
		st := attach(t, s, session.AttachRequest{ClientID: id, Expiry: time.Hour, Will: will(key, time.Minute)})
		detach(t, s, id, st.Epoch)
	}
	seen := make(map[string]string)
	wills := swept(t, s, b.Now(t).Add(2*time.Minute))
	for _, w := range wills {
		seen[w.Message.Key] = w.ClientID
	}
	for i, id := range oddNames() {
		if got, ok := seen[fmt.Sprint("w", i)]; !ok || got != id {
			t.Errorf("the will of %q came as that of %q, %v", id, got, ok)
		}
	}
	if err := s.WillsDone(t.Context(), wills); err != nil {
		t.Fatal(err)
	}
	wantWills(t, "later", swept(t, s, never(t, b)))
}
