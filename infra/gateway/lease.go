package gateway

import (
	"context"
	"log/slog"
	"sync/atomic"
	"time"

	"lmqgate/meta/session"
)

// Times of the heartbeat.
const (
	leaseTTL   = 15 * time.Second // others take the instance for dead after this
	leaseValid = 11 * time.Second // the instance itself stops acting before that
	leaseEvery = 3 * time.Second
)

// lease is the instance's heartbeat. Valid is for hot paths.
type lease struct {
	store session.Instances
	id    string
	log   *slog.Logger
	base  time.Time
	until atomic.Int64 // ns since base
	first chan struct{}

	lapsed func() // called when the lease is had again after it had ended, before it is valid again

	end  context.CancelFunc // ends beating
	done chan struct{}      // closed when it has
}

func newLease(store session.Instances, id string, log *slog.Logger) *lease {
	return &lease{store: store, id: id, log: log, base: time.Now(), first: make(chan struct{}), done: make(chan struct{})}
}

// Valid reports whether the instance may act for its sessions.
func (l *lease) Valid() bool { return int64(time.Since(l.base)) < l.until.Load() }

// start begins to beat, until stop.
func (l *lease) start() {
	ctx, cancel := context.WithCancel(context.Background())
	l.end = cancel
	go func() {
		defer close(l.done)
		l.run(ctx)
	}()
}

// stop returns when no further heartbeat can follow, and reports whether there may ever have been one.
func (l *lease) stop() bool {
	if l.end == nil {
		return false
	}
	l.end()
	<-l.done
	return true
}

// wait returns when the first heartbeat has got through, or after a moment.
func (l *lease) wait(ctx context.Context) {
	select {
	case <-l.first:
	case <-time.After(time.Second):
	case <-ctx.Done():
	}
}

// run beats until ctx ends.
func (l *lease) run(ctx context.Context) {
	failing, beaten := false, false
	for {
		began := time.Now()
		err := l.beat(ctx)
		pause := leaseEvery
		switch {
		case ctx.Err() != nil:
			return
		case err == nil:
			if beaten && !l.Valid() { // others may have taken this instance for dead and released what its clients held
				l.log.Warn("the lease had ended, closing all connections")
				l.lapsed()
			}
			l.until.Store(int64(began.Sub(l.base) + leaseValid))
			if failing {
				l.log.Info("heartbeat is back")
			}
			if !beaten {
				close(l.first)
			}
			failing, beaten = false, true
		case !failing:
			l.log.Warn(l.trouble(beaten), "error", err)
			fallthrough
		default:
			failing, pause = true, 500*time.Millisecond
		}
		select {
		case <-ctx.Done():
			return
		case <-time.After(pause):
		}
	}
}

// trouble says what a failed heartbeat means.
func (l *lease) trouble(beaten bool) string {
	if !beaten {
		return "Redis cannot be reached; clients are refused until it can"
	}
	return "heartbeat in Redis failed; without another soon, clients are refused and connections close"
}

func (l *lease) beat(ctx context.Context) error {
	ctx, cancel := context.WithTimeout(ctx, leaseEvery)
	defer cancel()
	return l.store.Beat(ctx, l.id, leaseTTL)
}
