package metatest

import (
	"errors"
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
		"Flapping":        flapping,
		"Belongs":         belongs,
		"DetachEnds":      detachEnds,
		"DetachKeeps":     detachKeeps,
		"ExpiredAtAttach": expiredAtAttach,
		"NewExpiry":       newExpiry,
		"Repeat":          repeat,
		"Amend":           amend,
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
	if _, err := s.Detach(t.Context(), "c", st.Epoch, session.PartingLost); !errors.Is(err, session.ErrFenced) {
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
