package metatest

import (
	"errors"
	"fmt"
	"testing"
	"time"

	"lmqgate/meta/session"
)

// Sessions is the contract of session.Store.
func Sessions(t *testing.T, open Opener) {
	for name, test := range map[string]func(*testing.T, *Backend){
		"Fresh":           fresh,
		"Resume":          resume,
		"CleanStart":      cleanStart,
		"EndsWithOwner":   endsWithOwner,
		"Takeover":        takeover,
		"DetachEnds":      detachEnds,
		"DetachKeeps":     detachKeeps,
		"ExpiredAtAttach": expiredAtAttach,
		"NewExpiry":       newExpiry,
		"Repeat":          repeat,
		"PacketIDs":       packetIDs,
		"Batch":           batch,
		"OddNames":        oddClientIDs,
		"Large":           large,
		"Race":            race,
		"Model":           modelTest,
	} {
		t.Run(name, func(t *testing.T) { test(t, open(t)) })
	}
}

func fresh(t *testing.T, b *Backend) {
	s := b.Open(t)
	now := b.Now(t)
	st := attach(t, s, session.AttachRequest{ClientID: "c"})
	if uint64(st.Epoch) < uint64(now.UnixMicro()) || st.Epoch >= 1<<53 {
		t.Errorf("epoch %d is not the clock's %d, or above 2^53", st.Epoch, now.UnixMicro())
	}
	equal(t, "fresh session", st, session.State{ClientID: "c", Epoch: st.Epoch, NextSeq: 1, NextOrder: 1})
}

// everything is a change that fills each part of a session.
func everything(clientID string, e session.Epoch) session.Change {
	return session.Change{
		ClientID: clientID, Epoch: e, PacketIDs: 70000,
		SetSubs: []session.Subscription{
			{
				Filter: "a/+", QoS: 2, NoLocal: true, RetainAsPublished: true, RetainHandling: 2, ID: 268435455, Seq: 7,
				HoldEpoch: e, HoldSeq: 1<<64 - 1, SinceMillis: -1,
			},
			{Filter: "$share/g/{a}/#", Seq: 3},
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

func resume(t *testing.T, b *Backend) {
	s := b.Open(t)
	st := attach(t, s, session.AttachRequest{ClientID: "c", Expiry: time.Hour})
	c := everything("c", st.Epoch)
	write(t, s, c)
	if ended := detach(t, s, "c", st.Epoch); len(ended.Subscriptions) > 0 {
		t.Errorf("detach of a kept session ended %v", ended)
	}
	got := attach(t, b.Open(t), session.AttachRequest{ClientID: "c", Expiry: time.Hour, Instance: "i2"})
	if got.Epoch <= st.Epoch {
		t.Errorf("epoch %d after %d", got.Epoch, st.Epoch)
	}
	equal(t, "resumed session", got, session.State{
		ClientID: "c", Epoch: got.Epoch, Present: true, Subscriptions: c.SetSubs, Cursors: c.SetCursors,
		Out: []session.Outbound{c.SetOut[1], c.SetOut[0], c.SetOut[2]}, In: c.SetIn, PacketIDs: 70000, NextSeq: 8, NextOrder: 11,
	})
	if got.Out[2].Message == nil || got.Out[1].Message != nil {
		t.Error("an empty message and none are mixed up")
	}
}

func cleanStart(t *testing.T, b *Backend) {
	s := b.Open(t)
	st := attach(t, s, session.AttachRequest{ClientID: "c", Expiry: time.Hour})
	c := everything("c", st.Epoch)
	write(t, s, c)
	detach(t, s, "c", st.Epoch)
	got := attach(t, s, session.AttachRequest{ClientID: "c", Expiry: time.Hour, CleanStart: true})
	want := session.State{ClientID: "c", Epoch: got.Epoch, Discarded: c.SetSubs, NextSeq: 1, NextOrder: 1}
	equal(t, "clean start", got, want)
	detach(t, s, "c", got.Epoch)
	got = attach(t, s, session.AttachRequest{ClientID: "c"})
	equal(t, "after it", got, session.State{ClientID: "c", Epoch: got.Epoch, Present: true, NextSeq: 1, NextOrder: 1})
}

// endsWithOwner: a session with expiry 0 is over when its owner is, also when it could not say so.
func endsWithOwner(t *testing.T, b *Backend) {
	s := b.Open(t)
	st := attach(t, s, session.AttachRequest{ClientID: "c", Instance: "i1"})
	c := everything("c", st.Epoch)
	write(t, s, c)
	got := attach(t, s, session.AttachRequest{ClientID: "c", Instance: "i2", Expiry: time.Hour})
	equal(t, "after an owner with expiry 0", got, session.State{
		ClientID: "c", Epoch: got.Epoch, Previous: &session.Owner{Instance: "i1", Epoch: st.Epoch}, Discarded: c.SetSubs,
		NextSeq: 1, NextOrder: 1,
	})
}

func takeover(t *testing.T, b *Backend) {
	s, other := b.Open(t), b.Open(t)
	st := attach(t, s, session.AttachRequest{ClientID: "c", Instance: "i1", Expiry: time.Hour})
	write(t, s, session.Change{ClientID: "c", Epoch: st.Epoch, SetSubs: []session.Subscription{sub("a", 1)}})
	got := attach(t, other, session.AttachRequest{ClientID: "c", Instance: "i2", Expiry: time.Hour})
	equal(t, "previous owner", got.Previous, &session.Owner{Instance: "i1", Epoch: st.Epoch})
	equal(t, "taken over", got.Subscriptions, []session.Subscription{sub("a", 1)})
	if !got.Present || got.Epoch <= st.Epoch {
		t.Errorf("present %v, epoch %d after %d", got.Present, got.Epoch, st.Epoch)
	}
	wantFenced(t, s, everything("c", st.Epoch))
	zero := time.Duration(0)
	wantFenced(t, s, session.Change{ClientID: "c", Epoch: st.Epoch, Expiry: &zero, PacketIDs: 9, DropSubs: []string{"a"}})
	if _, err := s.Detach(t.Context(), "c", st.Epoch); !errors.Is(err, session.ErrFenced) {
		t.Errorf("detach by the old owner: %v", err)
	}
	wantFenced(t, s, everything("c", got.Epoch+1))
	_, peeked, err := s.Peek(t.Context(), "c")
	if err != nil {
		t.Fatal(err)
	}
	equal(t, "untouched", peeked, session.State{
		ClientID: "c", Epoch: got.Epoch, Present: true, Subscriptions: got.Subscriptions, NextSeq: 2, NextOrder: 1,
	})
	write(t, other, session.Change{ClientID: "c", Epoch: got.Epoch, SetSubs: []session.Subscription{sub("b", 2)}})
}

func wantFenced(t *testing.T, s session.Store, c session.Change) {
	t.Helper()
	if err := s.Write(t.Context(), []session.Change{c})[0]; !errors.Is(err, session.ErrFenced) {
		t.Errorf("write with epoch %d: %v, want it fenced", c.Epoch, err)
	}
}

func detachEnds(t *testing.T, b *Backend) {
	s := b.Open(t)
	st := attach(t, s, session.AttachRequest{ClientID: "c"})
	c := everything("c", st.Epoch)
	write(t, s, c)
	for range 2 { // a repeat, after an answer that was lost, gets the same
		equal(t, "ended", detach(t, s, "c", st.Epoch), session.Ended{ClientID: "c", Subscriptions: c.SetSubs})
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
	if _, err := s.Detach(t.Context(), "c", st.Epoch); !errors.Is(err, session.ErrFenced) {
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
	if len(less.Subscriptions) != 1 || len(less.Cursors) != 1 || len(less.Out) != 2 || len(less.In) != 1 {
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
		if err != nil || info.Username != id || info.Address != id || st.ClientID != id || len(st.Subscriptions) != 3 {
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
