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

func (b *beats) Beat(context.Context, string, time.Duration) error {
	b.count.Add(1)
	time.Sleep(100*time.Millisecond + time.Duration(b.slow.Load()))
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
