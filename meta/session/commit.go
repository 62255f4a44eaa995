package session

import (
	"context"
	"errors"
	"log/slog"
	"sync"
	"time"

	"github.com/prometheus/client_golang/prometheus"
)

// ErrUnavailable says that a write could not be made within the committer's bound.
var ErrUnavailable = errors.New("session store is unavailable")

// ErrClosed says that the writer or the committer was closed before the write was made.
var ErrClosed = errors.New("session writer is closed")

// Source contributes to the writes of one session.
type Source interface {
	// Collect moves what waits to be written into c. The returned function, if not nil, is called with the outcome, once.
	// Neither may block; the committer holds no lock that the source could need.
	Collect(c *Change) (done func(error))
}

// CommitterConfig tunes a Committer; the zero value is sane.
type CommitterConfig struct {
	Lazy     time.Duration // how long a change that is not urgent may wait for company, default 5 ms
	Spacing  time.Duration // least time between the starts of two writes, default 1 ms
	Batch    int           // sessions written in one pipeline, default 512
	Write    time.Duration // bound on one pipeline, default 5 s; its outcome is unknown then and it is repeated
	Timeout  time.Duration // how long one session's write is tried before its connection is given up, default 20 s
	Logger   *slog.Logger
	Register prometheus.Registerer
}

// Committer gathers the changes of all sessions of an instance and writes them together: one pipeline in flight,
// whoever marks in the meantime joins the next. This is the group commit of architecture decision 6.
type Committer struct {
	store Store
	cfg   CommitterConfig
	wake  chan struct{}

	mu     sync.Mutex // protects the fields below and the state of every Writer
	queue  []*Writer  // marked writers, each once
	urgent bool       // at least one of them cannot wait
	since  time.Time  // when the oldest lazy mark was made
	retry  []*Writer  // writers whose last write failed; due at retryAt
	due    time.Time
	closed bool

	batches prometheus.Counter
	changes prometheus.Counter
	errors  prometheus.Counter
	seconds prometheus.Histogram
}

// NewCommitter returns a committer over store; Run must be running for anything to be written.
func NewCommitter(store Store, cfg CommitterConfig) *Committer {
	setDefault(&cfg.Lazy, 5*time.Millisecond)
	setDefault(&cfg.Spacing, time.Millisecond)
	setDefault(&cfg.Write, 5*time.Second)
	setDefault(&cfg.Timeout, 20*time.Second)
	if cfg.Batch <= 0 {
		cfg.Batch = 512
	}
	if cfg.Logger == nil {
		cfg.Logger = slog.New(slog.DiscardHandler)
	}
	c := &Committer{
		store: store, cfg: cfg, wake: make(chan struct{}, 1),
		batches: prometheus.NewCounter(prometheus.CounterOpts{Name: "lmqgate_session_commits_total", Help: "Group commits of session changes."}),
		changes: prometheus.NewCounter(prometheus.CounterOpts{Name: "lmqgate_session_changes_total", Help: "Session changes written by group commits."}),
		errors:  prometheus.NewCounter(prometheus.CounterOpts{Name: "lmqgate_session_commit_errors_total", Help: "Session changes whose write failed and was tried again."}),
		seconds: prometheus.NewHistogram(prometheus.HistogramOpts{Name: "lmqgate_session_commit_seconds", Help: "Duration of one group commit.", Buckets: prometheus.ExponentialBuckets(0.00025, 2, 14)}),
	}
	if cfg.Register != nil {
		cfg.Register.MustRegister(c.batches, c.changes, c.errors, c.seconds)
	}
	return c
}

func setDefault(d *time.Duration, v time.Duration) {
	if *d <= 0 {
		*d = v
	}
}

// Run writes until ctx ends. What is still marked then gets ErrClosed; flush writers before.
func (c *Committer) Run(ctx context.Context) {
	defer c.shut()
	var last time.Time
	for ctx.Err() == nil {
		wait, ok := c.next(last)
		if !ok {
			select {
			case <-ctx.Done():
				return
			case <-c.wake:
			}
			continue
		}
		if wait > 0 {
			t := time.NewTimer(wait)
			select {
			case <-ctx.Done():
				t.Stop()
				return
			case <-c.wake: // something more urgent may have come
				t.Stop()
			case <-t.C:
			}
			continue
		}
		last = time.Now()
		c.flush(ctx, c.take(last))
	}
}

// next says how long to wait before the next write is due; ok is false when nothing is marked.
func (c *Committer) next(last time.Time) (wait time.Duration, ok bool) {
	c.mu.Lock()
	defer c.mu.Unlock()
	now := time.Now()
	if len(c.queue) > 0 {
		if !c.urgent {
			wait = c.cfg.Lazy - now.Sub(c.since)
		}
		wait, ok = max(wait, c.cfg.Spacing-now.Sub(last)), true
	}
	if len(c.retry) > 0 {
		if w := c.due.Sub(now); !ok || w < wait {
			wait, ok = w, true
		}
	}
	return wait, ok
}

// take removes up to one batch of marked writers from the queue, those due for another try included.
func (c *Committer) take(now time.Time) []*Writer {
	c.mu.Lock()
	defer c.mu.Unlock()
	if len(c.retry) > 0 && !now.Before(c.due) {
		c.queue = append(c.queue, c.retry...)
		c.retry, c.urgent = nil, true
	}
	n := min(len(c.queue), c.cfg.Batch)
	batch := append([]*Writer(nil), c.queue[:n]...)
	rest := copy(c.queue, c.queue[n:])
	clear(c.queue[rest:])
	c.queue = c.queue[:rest]
	for _, w := range batch {
		w.state = writing
	}
	if rest == 0 {
		c.urgent = false
	}
	return batch
}

// flush writes one batch and tells the sources. Only Run calls it.
func (c *Committer) flush(ctx context.Context, batch []*Writer) {
	changes := make([]Change, 0, len(batch))
	writers := batch[:0]
	for _, w := range batch {
		ch, err := w.collect()
		if err == nil && !ch.Empty() {
			changes = append(changes, ch)
			writers = append(writers, w)
			continue
		}
		w.finish(err)
		c.release(w)
	}
	if len(changes) == 0 {
		return
	}
	start := time.Now()
	errs := c.write(ctx, changes)
	c.batches.Inc()
	c.changes.Add(float64(len(changes)))
	c.seconds.Observe(time.Since(start).Seconds())
	for i, w := range writers {
		c.settle(w, errs[i], start)
	}
}

func (c *Committer) write(ctx context.Context, changes []Change) []error {
	ctx, cancel := context.WithTimeout(ctx, c.cfg.Write)
	defer cancel()
	return c.store.Write(ctx, changes)
}

// settle handles the outcome of one session's write.
func (c *Committer) settle(w *Writer, err error, now time.Time) {
	if err == nil {
		w.failedAt = time.Time{}
		w.finish(nil)
		c.release(w)
		return
	}
	if errors.Is(err, ErrFenced) || errors.Is(err, ErrFormat) {
		w.fail(err)
		return
	}
	c.errors.Inc()
	if w.failedAt.IsZero() {
		w.failedAt = now
		c.cfg.Logger.Warn("session write failed, trying again", "client_id", w.clientID, "error", err)
	}
	if now.Sub(w.failedAt) > c.cfg.Timeout {
		w.fail(errors.Join(ErrUnavailable, err))
		return
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	if len(c.retry) == 0 {
		c.due = time.Now().Add(backoff(now.Sub(w.failedAt)))
	}
	w.state = failing
	c.retry = append(c.retry, w)
}

// backoff grows with the time since the first failure.
func backoff(failing time.Duration) time.Duration {
	return min(max(failing/2, 20*time.Millisecond), time.Second)
}

// release makes w markable again and queues it once more if it was marked while its write was under way or failing.
func (c *Committer) release(w *Writer) {
	c.mu.Lock()
	defer c.mu.Unlock()
	w.state = idle
	if w.again {
		urgent := w.againUrgent
		w.again, w.againUrgent = false, false
		c.markLocked(w, urgent)
	}
}

// shut answers everything that still waits.
func (c *Committer) shut() {
	c.mu.Lock()
	c.closed = true
	left := append(c.queue, c.retry...)
	c.queue, c.retry = nil, nil
	c.mu.Unlock()
	for _, w := range left {
		w.end(ErrClosed)
		w.finish(ErrClosed)
	}
}

// markLocked has w written. What is marked while a change of w is under way, or failed and is tried again as it was, is
// collected after that.
func (c *Committer) markLocked(w *Writer, urgent bool) {
	switch w.state {
	case writing, failing:
		w.again = true
		w.againUrgent = w.againUrgent || urgent
		return
	case idle:
		w.state = queued
		if len(c.queue) == 0 {
			c.since = time.Now()
		}
		c.queue = append(c.queue, w)
	}
	c.urgent = c.urgent || urgent
	select {
	case c.wake <- struct{}{}:
	default:
	}
}
