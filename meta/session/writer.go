package session

import (
	"context"
	"sync"
	"time"
)

// writerState says where a writer stands with its committer.
type writerState byte

const (
	idle    writerState = iota
	queued              // marked, in Committer.queue
	writing             // taken from the queue: collected, its write under way
	failing             // its write failed: in Committer.retry
)

// Writer is the committer's side of one attached session. Safe for concurrent use.
type Writer struct {
	c        *Committer
	clientID string
	epoch    Epoch
	lost     func(error)

	// Protected by c.mu.
	state       writerState
	again       bool // marked while writing or failing
	againUrgent bool

	// Used by the goroutine of Committer.Run only.
	pending  *Change // a write that failed and is tried again as it was
	failedAt time.Time

	mu      sync.Mutex // protects the fields below
	sources []Source
	dones   []func(error)
	waiters []chan error // wait for the next collection
	waiting []chan error // wait for the write under way
	closed  error
}

// Writer returns the writer of a session that was attached with epoch. lost is called at most once, on the committer's
// goroutine, when the session was taken over (ErrFenced) or could not be written for too long (ErrUnavailable).
func (c *Committer) Writer(clientID string, epoch Epoch, lost func(error)) *Writer {
	return &Writer{c: c, clientID: clientID, epoch: epoch, lost: lost}
}

// Add registers a source; sources are asked in the order of Add.
func (w *Writer) Add(s Source) {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.sources = append(w.sources, s)
}

// Mark says that a source has something to write. An urgent mark is written at once, others wait for company.
func (w *Writer) Mark(urgent bool) { w.mark(urgent) }

// mark is Mark; it reports false when the committer has ended.
func (w *Writer) mark(urgent bool) bool {
	w.c.mu.Lock()
	defer w.c.mu.Unlock()
	if w.c.closed {
		return false
	}
	w.c.markLocked(w, urgent)
	return true
}

// Flush writes what the sources hold now and waits for it.
func (w *Writer) Flush(ctx context.Context) error {
	ch := make(chan error, 1)
	w.mu.Lock()
	if w.closed != nil {
		defer w.mu.Unlock()
		return w.closed
	}
	w.waiters = append(w.waiters, ch)
	w.mu.Unlock()
	if !w.mark(true) {
		return ErrClosed
	}
	select {
	case err := <-ch:
		return err
	case <-ctx.Done():
		return ctx.Err()
	}
}

// Close makes further writes fail with ErrClosed; one that is under way may still happen.
func (w *Writer) Close() { w.end(ErrClosed) }

func (w *Writer) end(err error) {
	w.mu.Lock()
	if w.closed == nil {
		w.closed = err
	}
	w.mu.Unlock()
}

// collect asks the sources, or returns the write that is to be tried again. An empty change needs no write.
func (w *Writer) collect() (Change, error) {
	w.mu.Lock()
	closed, sources := w.closed, w.sources
	if closed == nil && w.pending == nil {
		w.waiting, w.waiters = append(w.waiting, w.waiters...), nil
	}
	w.mu.Unlock()
	if closed != nil {
		return Change{}, closed
	}
	if w.pending != nil {
		return *w.pending, nil
	}
	ch := Change{ClientID: w.clientID, Epoch: w.epoch}
	for _, s := range sources {
		if done := s.Collect(&ch); done != nil {
			w.dones = append(w.dones, done)
		}
	}
	if !ch.Empty() {
		w.pending = &ch
	}
	return ch, nil
}

// finish tells everybody the outcome of the write under way. Waiters that came while an older write was tried again are
// left for the next one.
func (w *Writer) finish(err error) {
	w.pending = nil
	dones := w.dones
	w.dones = nil
	w.mu.Lock()
	waiting, late, closed := w.waiting, w.waiters, w.closed
	w.waiting = nil
	if closed != nil {
		w.waiters = nil
	}
	w.mu.Unlock()
	for _, done := range dones {
		done(err)
	}
	for _, ch := range waiting {
		ch <- err
	}
	switch {
	case closed != nil:
		for _, ch := range late {
			ch <- closed
		}
	case len(late) > 0:
		w.Mark(true)
	}
}

// fail gives the session up: it is lost to another connection or cannot be written.
func (w *Writer) fail(err error) {
	w.end(err)
	w.finish(err)
	w.c.release(w)
	if w.lost != nil {
		w.lost(err)
	}
}
