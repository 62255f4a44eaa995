package redisstore_test

import (
	"errors"
	"testing"
	"time"

	"lmqgate/meta/session"
)

// TestSessionRolledBack: Redis forgets the last writes of a session, as a failover to a lagging replica does. Epochs come from
// the clock, so whoever attaches then has another one than the owner whose Attach was lost, who is fenced from every write:
// never do two connections own a session.
func TestSessionRolledBack(t *testing.T) {
	onServers(t, func(t *testing.T, open func(t *testing.T) *server) {
		on := open(t)
		s, ctx := on.store(t), t.Context()
		attach := func(instance string) session.State {
			t.Helper()
			st, err := s.Attach(ctx, session.AttachRequest{ClientID: "c", Instance: instance, Expiry: time.Hour})
			if err != nil {
				t.Fatal(err)
			}
			return st
		}
		write := func(e session.Epoch, filter string) error {
			return s.Write(ctx, []session.Change{{ClientID: "c", Epoch: e, SetSubs: []session.Subscription{{Filter: filter, Seq: 1}}}})[0]
		}
		first := attach("i1")
		if err := write(first.Epoch, "kept"); err != nil {
			t.Fatal(err)
		}
		restore := on.save(t)
		lost := attach("i2")
		if err := write(lost.Epoch, "lost"); err != nil {
			t.Fatal(err)
		}
		restore()
		if err := write(lost.Epoch, "x"); !errors.Is(err, session.ErrFenced) {
			t.Errorf("a write of the connection whose Attach was lost: %v", err)
		}
		if _, err := s.Detach(ctx, "c", lost.Epoch, session.PartingLost); !errors.Is(err, session.ErrFenced) {
			t.Errorf("its Detach: %v", err)
		}
		next := attach("i3")
		if next.Epoch == lost.Epoch || next.Epoch == first.Epoch {
			t.Fatalf("epoch %d again", next.Epoch)
		}
		if err := write(lost.Epoch, "x"); !errors.Is(err, session.ErrFenced) {
			t.Errorf("its write after the next Attach: %v", err)
		}
		if err := write(next.Epoch, "new"); err != nil {
			t.Errorf("the owner's write: %v", err)
		}
		if !next.Present || len(next.Subscriptions) != 1 || next.Subscriptions[0].Filter != "kept" {
			t.Errorf("resumed %+v", next.Subscriptions)
		}
	})
}
