package gateway

import (
	"context"
	"errors"
	"log/slog"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"lmqgate/meta/session"
)

// beats counts heartbeats, which fail while down is set; one takes a while.
type beats struct {
	session.Instances
	down  atomic.Bool
	slow  atomic.Int64 // ns that one takes besides
	count atomic.Int32
}

func (b *beats) Beat(ctx context.Context, _ string, _ time.Duration) error {
	b.count.Add(1)
	select {
	case <-time.After(100*time.Millisecond + time.Duration(b.slow.Load())):
	case <-ctx.Done():
		return ctx.Err()
	}
	if b.down.Load() {
		return errors.New("no route")
	}
	return nil
}

// TestLease: valid from the first heartbeat until leaseValid after the beginning of the last one that got through, which
// is before others take the instance for dead; no heartbeat follows stop.
func TestLease(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		b := &beats{}
		b.down.Store(true)
		l := newLease(b, "i1", slog.New(slog.DiscardHandler))
		lapsed := 0
		l.lapsed = func() {
			if lapsed++; l.Valid() {
				t.Error("valid before the connections were closed")
			}
		}
		l.start()
		time.Sleep(10 * time.Second)
		if l.Valid() {
			t.Error("valid without a heartbeat")
		}
		b.down.Store(false)
		<-l.first
		synctest.Wait()
		if !l.Valid() {
			t.Error("not valid after a heartbeat")
		}
		time.Sleep(time.Hour)
		if !l.Valid() {
			t.Error("not valid after an hour of heartbeats")
		}
		b.down.Store(true)
		time.Sleep(leaseValid - leaseEvery - time.Second)
		if !l.Valid() {
			t.Error("lapsed early")
		}
		time.Sleep(leaseEvery + time.Second)
		if l.Valid() {
			t.Error("valid for too long")
		}
		b.down.Store(false)
		time.Sleep(time.Second)
		if !l.Valid() {
			t.Error("not valid again")
		}
		if lapsed != 1 {
			t.Errorf("connections closed %d times", lapsed)
		}
		if !l.stop() {
			t.Error("was never started")
		}
		n := b.count.Load()
		time.Sleep(time.Minute)
		if b.count.Load() != n {
			t.Error("a heartbeat after stop")
		}
	})
	if leaseValid >= leaseTTL {
		t.Error("the instance acts longer than others take it for alive")
	}
}

// leased starts a lease in a bubble, counts how often it lapses, and ends it with the test.
func leased(t *testing.T, b *beats) (l *lease, lapsed *atomic.Int32) {
	l, lapsed = newLease(b, "i1", slog.New(slog.DiscardHandler)), new(atomic.Int32)
	l.lapsed = func() { lapsed.Add(1) }
	l.start()
	t.Cleanup(func() { l.stop() })
	return l, lapsed
}

// TestLeaseSlowStore: a store that takes seconds for every heartbeat does not end the lease, not even for a moment; nor do
// more than a few heartbeats wait at once when it does not answer at all.
func TestLeaseSlowStore(t *testing.T) {
	for _, slow := range []time.Duration{time.Second, 3 * time.Second, 6 * time.Second} {
		synctest.Test(t, func(t *testing.T) {
			b := &beats{}
			b.slow.Store(int64(slow))
			l, lapsed := leased(t, b)
			<-l.first
			for range 600 {
				time.Sleep(100 * time.Millisecond)
				if !l.Valid() {
					t.Fatalf("%v for a heartbeat: the lease ended", slow)
				}
			}
			b.slow.Store(int64(time.Hour))
			time.Sleep(beatTime)
			n := b.count.Load()
			time.Sleep(time.Minute)
			if l.Valid() || lapsed.Load() != 0 {
				t.Errorf("without a heartbeat: valid %v, lapsed %d times", l.Valid(), lapsed.Load())
			}
			if more := b.count.Load() - n; more > 2*beatsMost*int32(time.Minute/beatTime)+beatsMost {
				t.Errorf("%d heartbeats in a minute", more)
			}
		})
	}
}

// TestLeaseClocks: a machine that was suspended, whose monotonic clock stood still, has lost its lease when it wakes; and so
// has one whose wall clock was set forward, once. One set back loses nothing.
func TestLeaseClocks(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		b := &beats{}
		l := newLease(b, "i1", slog.New(slog.DiscardHandler))
		var jump atomic.Int64
		l.clock.wall = func() time.Time { return time.Now().Add(time.Duration(jump.Load())) }
		lapsed := 0
		l.lapsed = func() { lapsed++ }
		l.start()
		defer l.stop()
		<-l.first
		time.Sleep(10 * time.Second)
		jump.Store(int64(20 * time.Second)) // a suspend, as its clocks show it
		if l.Valid() {
			t.Error("valid after 20 s asleep")
		}
		time.Sleep(5 * time.Second)
		if !l.Valid() || lapsed != 1 {
			t.Errorf("valid %v, lapsed %d times", l.Valid(), lapsed)
		}
		jump.Store(-int64(time.Hour))
		for range 100 {
			if time.Sleep(time.Second); !l.Valid() {
				t.Fatal("not valid after the clock was set back")
			}
		}
		if lapsed != 1 {
			t.Errorf("lapsed %d times", lapsed)
		}
	})
}

// TestLeaseOldAnswer: the answer to a heartbeat that was sent before the process was stopped makes nothing valid.
func TestLeaseOldAnswer(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		l := newLease(&beats{}, "i1", slog.New(slog.DiscardHandler))
		lapsed := 0
		l.lapsed = func() { lapsed++ }
		l.heard(beat{began: l.clock.now()})
		sent := l.clock.now()
		time.Sleep(leaseValid)
		if l.heard(beat{began: sent}); l.Valid() || lapsed != 0 {
			t.Errorf("valid %v, lapsed %d", l.Valid(), lapsed)
		}
		fresh := l.clock.now()
		if l.heard(beat{began: fresh}); !l.Valid() || lapsed != 1 {
			t.Errorf("valid %v, lapsed %d", l.Valid(), lapsed)
		}
		time.Sleep(time.Second)
		l.heard(beat{began: l.clock.now()})
		l.heard(beat{began: fresh}) // overtaken
		time.Sleep(leaseValid - time.Second/2)
		if !l.Valid() {
			t.Error("an answer that came late shortened the lease")
		}
	})
}
