package metatest

import (
	"errors"
	"testing"
	"time"

	"lmqgate/meta/session"
)

// amend: only a session that is away, as it was left, is changed by who does not own it, and the next owner finds the change.
func amend(t *testing.T, b *Backend) {
	s := b.Open(t)
	st := attach(t, s, session.AttachRequest{ClientID: "c", Expiry: time.Hour})
	all := everything("c", st.Epoch)
	write(t, s, all)
	c := session.Change{
		ClientID: "c", Epoch: st.Epoch, DropSubs: []string{"r", "none"}, DropCursors: []session.CursorKey{all.SetCursors[1].CursorKey},
		SetSubs:    []session.Subscription{{Filter: "new/#", QoS: 1, Seq: 9, HoldEpoch: st.Epoch, HoldSeq: 1, Granted: true}},
		SetCursors: []session.Cursor{{CursorKey: session.CursorKey{Filter: "new/#", Broker: "b"}, Begin: 4, Next: 4}},
	}
	fenced := func(what string, c session.Change) {
		t.Helper()
		if err := s.Amend(t.Context(), c); !errors.Is(err, session.ErrFenced) {
			t.Errorf("%s: %v, want it fenced", what, err)
		}
	}
	fenced("owned", c)
	detach(t, s, "c", st.Epoch)
	older, none := c, c
	older.Epoch--
	none.ClientID = "none"
	fenced("an older epoch", older)
	fenced("no session", none)
	for range 2 { // a repeat is harmless
		if err := s.Amend(t.Context(), c); err != nil {
			t.Fatal(err)
		}
	}
	next := attach(t, s, session.AttachRequest{ClientID: "c", Expiry: time.Hour})
	equal(t, "subscriptions", next.Subscriptions, append([]session.Subscription{all.SetSubs[0], all.SetSubs[1], all.SetSubs[3]}, c.SetSubs...))
	equal(t, "cursors", next.Cursors, append(c.SetCursors, all.SetCursors[0]))
	equal(t, "what is in flight", next.Out, []session.Outbound{all.SetOut[1], all.SetOut[0], all.SetOut[2]})
	fenced("taken over", c)
	detach(t, s, "c", next.Epoch)
	fenced("left since", c)
	over := attach(t, s, session.AttachRequest{ClientID: "c"})
	detach(t, s, "c", over.Epoch)
	c.Epoch = over.Epoch
	fenced("ended", c)
}
