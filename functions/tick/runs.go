package tick

import (
	"context"
	"errors"
	"sync"
)

// errClosed is the answer to who comes after Stop, or whose run it ended.
var errClosed = errors.New("closed")

// runs shares the runs of a function between callers.
type runs struct {
	fn  func(context.Context) *Result
	ctx context.Context // of all runs; ends at stop
	end context.CancelFunc
	all sync.WaitGroup

	mu      sync.Mutex // protects all below
	running bool
	next    *run // what those wait for who came during the run under way; nil: nobody did
	closed  bool
}

// run is one of them.
type run struct {
	over   chan struct{} // closed when result is there
	result *Result
}

func newRuns(fn func(context.Context) *Result) *runs {
	r := &runs{fn: fn}
	r.ctx, r.end = context.WithCancel(context.Background())
	return r
}

// join waits for a run that begins after the call. A caller that goes away ends nobody's run.
func (r *runs) join(ctx context.Context) (*Result, error) {
	mine, err := r.enter()
	if err != nil {
		return nil, err
	}
	select {
	case <-mine.over:
	case <-ctx.Done():
		return nil, ctx.Err()
	}
	if r.ctx.Err() != nil {
		return nil, errClosed
	}
	return mine.result, nil
}

func (r *runs) enter() (*run, error) {
	r.mu.Lock()
	defer r.mu.Unlock()
	if r.closed {
		return nil, errClosed
	}
	if r.next == nil {
		r.next = &run{over: make(chan struct{})}
	}
	mine := r.next
	if !r.running {
		r.running = true
		r.all.Go(r.loop)
	}
	return mine, nil
}

// loop makes runs while there are callers.
func (r *runs) loop() {
	for {
		r.mu.Lock()
		now := r.next
		r.next = nil
		r.running = now != nil
		r.mu.Unlock()
		if now == nil {
			return
		}
		now.result = r.fn(r.ctx)
		close(now.over)
	}
}

// stop ends the run under way and lets no other begin.
func (r *runs) stop() {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.closed = true
	r.end()
}
