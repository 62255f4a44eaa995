package gateway

import (
	"context"
	"log/slog"
	"math/rand/v2"
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
	beatTime   = 9 * time.Second        // for one heartbeat: a slow store is no reason to give up
	beatAgain  = 500 * time.Millisecond // after a failed one
	beatsMost  = 4                      // under way at once
)

// clock is what a lease goes by. Of two clocks that disagree the one that advanced more counts: the monotonic one may stand
// still while a machine is suspended, the other one may be set.
type clock struct {
	elapsed func() time.Duration // monotonic, since any moment
	wall    func() time.Time
}

func systemClock() clock {
	base := time.Now()
	return clock{elapsed: func() time.Duration { return time.Since(base) }, wall: func() time.Time { return time.Now().Round(0) }}
}

// moment is a time by both clocks.
type moment struct{ elapsed, wall int64 } // ns

func (c clock) now() moment { return moment{int64(c.elapsed()), c.wall().UnixNano()} }

func (m moment) add(d time.Duration) moment { return moment{m.elapsed + int64(d), m.wall + int64(d)} }

// before reports that neither clock has reached the other moment.
func (m moment) before(o moment) bool { return m.elapsed < o.elapsed && m.wall < o.wall }

// lease is the instance's heartbeat. Valid is for hot paths.
//
// A heartbeat counts from when it was sent. The next one does not wait for the answer, so a store that takes seconds to
// answer costs a part of the lease's time and not all of it.
type lease struct {
	store session.Instances
	id    string
	log   *slog.Logger
	clock clock
	until atomic.Pointer[moment] // nil: never had it
	first chan struct{}          // closed at the first heartbeat that got through

	lapsed func() // called when the lease is had again after it had ended, before it is valid again

	end  context.CancelFunc // ends beating
	done chan struct{}      // closed when it has

	mu      sync.Mutex // protects failure
	failure error      // of the last heartbeat; nil: it got through
}

func newLease(store session.Instances, id string, log *slog.Logger) *lease {
	return &lease{store: store, id: id, log: log, clock: systemClock(), first: make(chan struct{}), done: make(chan struct{})}
}

// Valid reports whether the instance may act for its sessions.
func (l *lease) Valid() bool {
	until := l.until.Load()
	return until != nil && l.clock.now().before(*until)
}

// trouble is why the last heartbeat did not get through, nil if it did.
func (l *lease) trouble() error {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.failure
}

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

// beat is a heartbeat that has ended.
type beat struct {
	began moment
	err   error
}

// run beats until ctx ends, and returns when no heartbeat is under way.
func (l *lease) run(ctx context.Context) {
	ended := make(chan beat, beatsMost)
	under := 0
	next := time.NewTimer(0)
	defer next.Stop()
	for {
		select {
		case <-ctx.Done():
			for range under {
				<-ended
			}
			return
		case <-next.C:
			next.Reset(leaseEvery)
			if under == beatsMost {
				continue
			}
			under++
			go func() { ended <- l.beat(ctx) }()
		case b := <-ended:
			under--
			if ctx.Err() == nil && !l.heard(b) {
				next.Reset(beatAgain + rand.N(beatAgain))
			}
		}
	}
}

func (l *lease) beat(ctx context.Context) beat {
	b := beat{began: l.clock.now()}
	ctx, cancel := context.WithTimeout(ctx, beatTime)
	defer cancel()
	b.err = l.store.Beat(ctx, l.id, leaseTTL)
	return b
}

// heard takes the outcome of a heartbeat and reports whether it got through.
func (l *lease) heard(b beat) bool {
	l.mu.Lock()
	failed := l.failure != nil
	l.failure = b.err
	l.mu.Unlock()
	if b.err != nil {
		if !failed && l.Valid() {
			l.log.Warn("the instance's heartbeat in Redis failed; without another one soon, clients are refused and connections close", "error", b.err)
		}
		return false
	}
	until, had := b.began.add(leaseValid), l.until.Load()
	switch {
	case !l.clock.now().before(until): // it says nothing of now, such as one that was on its way while the process was stopped
		return true
	case had == nil:
		l.until.Store(&until)
		close(l.first)
		return true
	case !l.Valid(): // others may have taken this instance for dead and released what its clients held
		l.log.Warn("the lease had ended, closing all connections")
		l.lapsed()
	case failed:
		l.log.Info("heartbeat is back")
	}
	if until.elapsed > had.elapsed { // answers may overtake each other; the wall clock may have been set back
		l.until.Store(&until)
	}
	return true
}
