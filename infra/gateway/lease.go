package gateway

import (
	"context"
	"log/slog"
	"sync"
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
	start time.Time
	until atomic.Int64 // ns since start
	first chan struct{}
	once  sync.Once
}

func newLease(store session.Instances, id string, log *slog.Logger) *lease {
	return &lease{store: store, id: id, log: log, start: time.Now(), first: make(chan struct{})}
}

// Valid reports whether the instance may act for its sessions.
func (l *lease) Valid() bool { return int64(time.Since(l.start)) < l.until.Load() }

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
	failing := false
	for {
		began := time.Now()
		err := l.beat(ctx)
		pause := leaseEvery
		switch {
		case err == nil:
			l.until.Store(int64(began.Sub(l.start) + leaseValid))
			l.once.Do(func() { close(l.first) })
			if failing {
				l.log.Info("heartbeat is back")
			}
			failing = false
		case ctx.Err() != nil:
			return
		default:
			if !failing {
				l.log.Warn("heartbeat failed; clients are refused and connections close when the lease ends", "error", err)
			}
			failing, pause = true, 500*time.Millisecond
		}
		select {
		case <-ctx.Done():
			return
		case <-time.After(pause):
		}
	}
}

func (l *lease) beat(ctx context.Context) error {
	ctx, cancel := context.WithTimeout(ctx, leaseEvery)
	defer cancel()
	return l.store.Beat(ctx, l.id, leaseTTL)
}
