package metatest

import (
	"errors"
	"testing"
	"time"

	"lmqgate/meta/session"
)

func detachEnds(t *testing.T, b *Backend) {
	s := b.Open(t)
	st := attach(t, s, session.AttachRequest{ClientID: "c"})
	c := everything("c", st.Epoch)
	write(t, s, c)
	for range 2 { // a repeat, after an answer that was lost, gets the same
		equal(t, "ended", detach(t, s, "c", st.Epoch), session.Ended{ClientID: "c", Over: true, Subscriptions: c.SetSubs})
	}
	wantFenced(t, s, c)
	b.Pass(t, time.Microsecond)
	if err := s.Settled(t.Context(), []string{"c"}); err != nil {
		t.Fatal(err)
	}
	if _, _, err := s.Peek(t.Context(), "c"); !errors.Is(err, session.ErrNotFound) {
		t.Errorf("after it ended: %v", err)
	}
	wantFenced(t, s, c)
	if _, err := s.Detach(t.Context(), "c", st.Epoch, session.PartingLost); !errors.Is(err, session.ErrFenced) {
		t.Errorf("detach of no session: %v", err)
	}
	got := attach(t, s, session.AttachRequest{ClientID: "c"})
	equal(t, "anew", got, session.State{ClientID: "c", Epoch: got.Epoch, NextSeq: 1, NextOrder: 1})
	if got.Epoch <= st.Epoch {
		t.Errorf("epoch %d after %d", got.Epoch, st.Epoch)
	}
}

func detachKeeps(t *testing.T, b *Backend) {
	s := b.Open(t)
	for _, expiry := range []time.Duration{time.Minute, session.Never} {
		id := expiry.String()
		st := attach(t, s, session.AttachRequest{ClientID: id, Expiry: expiry})
		c := everything(id, st.Epoch)
		write(t, s, c)
		for range 2 {
			equal(t, "kept", detach(t, s, id, st.Epoch), session.Ended{ClientID: id})
		}
		wantFenced(t, s, c)
		info, _, err := s.Peek(t.Context(), id)
		if err != nil {
			t.Fatal(err)
		}
		if info.Connected || info.Instance != "i1" || info.Expiry != expiry || info.Expires.IsZero() != (expiry == session.Never) {
			t.Errorf("detached session is shown as %+v", info)
		}
		if got := attach(t, s, session.AttachRequest{ClientID: id}); !got.Present || got.Previous != nil {
			t.Errorf("present %v, previous %v", got.Present, got.Previous)
		}
	}
}

func expiredAtAttach(t *testing.T, b *Backend) {
	s := b.Open(t)
	st := attach(t, s, session.AttachRequest{ClientID: "c", Expiry: 5 * time.Millisecond})
	c := everything("c", st.Epoch)
	write(t, s, c)
	detach(t, s, "c", st.Epoch)
	b.Pass(t, 6*time.Millisecond)
	got := attach(t, s, session.AttachRequest{ClientID: "c", Expiry: time.Hour})
	equal(t, "expired", got, session.State{ClientID: "c", Epoch: got.Epoch, Discarded: c.SetSubs, NextSeq: 1, NextOrder: 1})
}

// newExpiry: DISCONNECT may change the expiry interval [MQTT-3.14.2.2.2].
func newExpiry(t *testing.T, b *Backend) {
	s := b.Open(t)
	st := attach(t, s, session.AttachRequest{ClientID: "c", Expiry: time.Hour})
	zero := time.Duration(0)
	write(t, s, session.Change{ClientID: "c", Epoch: st.Epoch, Expiry: &zero, SetSubs: []session.Subscription{sub("a", 1)}})
	equal(t, "ended", detach(t, s, "c", st.Epoch).Subscriptions, []session.Subscription{sub("a", 1)})
	if got := attach(t, s, session.AttachRequest{ClientID: "c"}); got.Present {
		t.Error("still present")
	}
}
