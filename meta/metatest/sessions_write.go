package metatest

import (
	"errors"
	"fmt"
	"testing"
	"time"

	"lmqgate/meta/session"
)

// everything is a change that fills each part of a session.
func everything(clientID string, e session.Epoch) session.Change {
	return session.Change{
		ClientID: clientID, Epoch: e, PacketIDs: 70000,
		SetSubs: []session.Subscription{
			{
				Filter: "a/+", QoS: 2, NoLocal: true, RetainAsPublished: true, RetainHandling: 2, ID: 268435455, Seq: 7,
				HoldEpoch: e, HoldSeq: 1<<64 - 1, SinceMillis: -1, Granted: true,
			},
			{Filter: "$share/g/{a}/#", Seq: 3},
			{Filter: "r", Seq: 4, Retained: true},
			{Filter: "r/#", Seq: 5, RetainAsPublished: true, Retained: true, RetainedAt: "\x00at\xff"},
		},
		SetCursors: []session.Cursor{
			{
				CursorKey: session.CursorKey{Filter: "a/+", Broker: "b:1"}, Begin: 1, Next: 1 << 60,
				Acked: []session.Range{{First: 1<<60 + 2, Last: 1<<60 + 2}, {First: 1<<60 + 4, Last: 1<<61 + 9}}, LastKey: "K", LastStore: 99,
			},
			{CursorKey: session.CursorKey{Filter: "a/+b", Broker: ":1"}},
		},
		SetOut: []session.Outbound{
			{PacketID: 65535, Order: 9, QoS: 2, State: session.OutReleased, CursorKey: session.CursorKey{Filter: "f", Broker: "b"}, Offset: 12, Key: "k"},
			{PacketID: 1, Order: 8, QoS: 1, State: session.OutSent, Message: []byte("\x00retained\xff")},
			{PacketID: 2, Order: 10, QoS: 1, State: session.OutSent, Message: []byte{}},
		},
		SetIn: []session.Inbound{
			{PacketID: 3, Key: "k", Topic: "t", Broker: "b", Queue: 4, Done: true, AtMillis: 5},
			{PacketID: 65535, Queue: -1},
		},
	}
}

func wantFenced(t *testing.T, s session.Store, c session.Change) {
	t.Helper()
	if err := s.Write(t.Context(), []session.Change{c})[0]; !errors.Is(err, session.ErrFenced) {
		t.Errorf("write with epoch %d: %v, want it fenced", c.Epoch, err)
	}
}

func repeat(t *testing.T, b *Backend) {
	s := b.Open(t)
	st := attach(t, s, session.AttachRequest{ClientID: "c", Expiry: time.Hour})
	c := everything("c", st.Epoch)
	c.DropSubs, c.DropOut, c.DropIn = []string{"a/+", "none"}, []uint16{1, 77}, []uint16{3}
	c.DropCursors = []session.CursorKey{c.SetCursors[0].CursorKey}
	write(t, s, c)
	_, once, err := s.Peek(t.Context(), "c")
	if err != nil {
		t.Fatal(err)
	}
	equal(t, "drops come before sets", once.Subscriptions, c.SetSubs)
	equal(t, "drops come before sets", once.In, c.SetIn)
	write(t, s, c)
	_, twice, err := s.Peek(t.Context(), "c")
	if err != nil {
		t.Fatal(err)
	}
	equal(t, "repeated", twice, once)
	c.SetSubs, c.SetOut, c.SetIn, c.SetCursors = nil, nil, nil, nil
	c.DropCursors = append(c.DropCursors, session.CursorKey{Filter: "a/", Broker: "+b:1"})
	write(t, s, c)
	_, less, err := s.Peek(t.Context(), "c")
	if err != nil {
		t.Fatal(err)
	}
	if len(less.Subscriptions) != 3 || len(less.Cursors) != 1 || len(less.Out) != 2 || len(less.In) != 1 {
		t.Errorf("after drops: %+v", less)
	}
}

func packetIDs(t *testing.T, b *Backend) {
	s := b.Open(t)
	st := attach(t, s, session.AttachRequest{ClientID: "c", Expiry: time.Hour})
	for _, step := range []struct{ set, want uint64 }{{64, 64}, {0, 64}, {32, 64}, {1 << 40, 1 << 40}, {65, 1 << 40}} {
		in := []session.Inbound{{PacketID: 1}} // so that the change is never empty
		write(t, s, session.Change{ClientID: "c", Epoch: st.Epoch, PacketIDs: step.set, SetIn: in})
		_, got, err := s.Peek(t.Context(), "c")
		if err != nil {
			t.Fatal(err)
		}
		if got.PacketIDs != step.want {
			t.Errorf("after %d: %d, want %d", step.set, got.PacketIDs, step.want)
		}
	}
}

func batch(t *testing.T, b *Backend) {
	s := b.Open(t)
	var changes []session.Change
	for i := range 50 {
		id := fmt.Sprint("c", i)
		st := attach(t, s, session.AttachRequest{ClientID: id, Expiry: time.Hour})
		c := everything(id, st.Epoch)
		if i%5 == 0 {
			c.Epoch--
		}
		changes = append(changes, c)
	}
	changes = append(changes, session.Change{ClientID: "none", Epoch: 1, DropIn: []uint16{1}}, session.Change{ClientID: "none"})
	errs := s.Write(t.Context(), changes)
	if len(errs) != len(changes) {
		t.Fatalf("%d results for %d changes", len(errs), len(changes))
	}
	for i, err := range errs {
		fenced := i < 50 && i%5 == 0 || i == 50
		if fenced != errors.Is(err, session.ErrFenced) || (!fenced && err != nil) {
			t.Errorf("change %d: %v", i, err)
		}
	}
	if _, _, err := s.Peek(t.Context(), "none"); !errors.Is(err, session.ErrNotFound) {
		t.Errorf("a fenced write made a session: %v", err)
	}
}

func oddClientIDs(t *testing.T, b *Backend) {
	s := b.Open(t)
	epochs := make(map[string]session.Epoch)
	for _, id := range oddNames() {
		st := attach(t, s, session.AttachRequest{ClientID: id, Expiry: time.Hour, Username: id, Address: id})
		epochs[id] = st.Epoch
		if st.Present {
			t.Errorf("%q is mistaken for another", id)
		}
		c := everything(id, st.Epoch)
		c.SetSubs = append(c.SetSubs, session.Subscription{Filter: id, Seq: 1})
		write(t, s, c)
	}
	var listed []string
	for cursor, first := "", true; first || cursor != ""; first = false {
		infos, next, err := s.List(t.Context(), cursor, 3)
		if err != nil {
			t.Fatal(err)
		}
		for _, info := range infos {
			listed = append(listed, info.ClientID)
		}
		cursor = next
	}
	seen := make(map[string]bool)
	for _, id := range listed {
		seen[id] = true
	}
	for _, id := range oddNames() {
		info, st, err := s.Peek(t.Context(), id)
		if err != nil || info.Username != id || info.Address != id || st.ClientID != id || len(st.Subscriptions) != 5 {
			t.Errorf("%q: %v, %+v", id, err, info)
		}
		if !seen[id] {
			t.Errorf("%q is not listed", id)
		}
		delete(seen, id)
		detach(t, s, id, epochs[id])
	}
	if len(seen) > 0 {
		t.Errorf("listed but unknown: %v", seen)
	}
}

// large: the scripts must not run into limits of argument lists.
func large(t *testing.T, b *Backend) {
	s := b.Open(t)
	st := attach(t, s, session.AttachRequest{ClientID: "c", Expiry: time.Hour})
	var c session.Change
	c.ClientID, c.Epoch = "c", st.Epoch
	for i := range 10_000 {
		c.SetSubs = append(c.SetSubs, sub(fmt.Sprintf("level/%d/+", i), uint64(i+1)))
	}
	write(t, s, c)
	got := attach(t, s, session.AttachRequest{ClientID: "c", Expiry: time.Hour})
	equal(t, "subscriptions", got.Subscriptions, c.SetSubs)
	if got.NextSeq != 10_001 {
		t.Errorf("next seq %d", got.NextSeq)
	}
	drop := session.Change{ClientID: "c", Epoch: got.Epoch}
	for i := range 10_000 {
		drop.DropSubs = append(drop.DropSubs, c.SetSubs[i].Filter)
	}
	write(t, s, drop)
	if got = attach(t, s, session.AttachRequest{ClientID: "c"}); len(got.Subscriptions) > 0 {
		t.Errorf("%d subscriptions left", len(got.Subscriptions))
	}
}
