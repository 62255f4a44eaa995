package transport

import (
	"context"
	"sync"
)

// registry is the set of open connections. A place is reserved first and filled by add or given back by release, so
// the limit holds while a handshake is under way and waiting covers it.
type registry struct {
	max int // 0 = any number

	mu     sync.Mutex // protects what follows
	open   map[*Conn]struct{}
	places int // reserved, filled ones included
	spares int // those of places that are beyond max, for connections that are refused
	closed bool
	empty  chan struct{} // made by the first waiter, closed when places falls to 0
}

// verdict is the answer to a wish for a place.
type verdict int

const (
	granted verdict = iota
	full
	draining
)

func newRegistry(limit int) *registry {
	return &registry{max: limit, open: map[*Conn]struct{}{}}
}

func (r *registry) reserve() verdict {
	r.mu.Lock()
	defer r.mu.Unlock()
	switch {
	case r.closed:
		return draining
	case r.max > 0 && r.places-r.spares >= r.max:
		return full
	}
	r.places++
	return granted
}

// reserveSpare reserves one of a few places for connections that are to be told why they are refused.
func (r *registry) reserveSpare() bool {
	r.mu.Lock()
	defer r.mu.Unlock()
	if r.closed || r.spares >= refusalPlaces {
		return false
	}
	r.places++
	r.spares++
	return true
}

func (r *registry) release() {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.vacate()
}

func (r *registry) add(c *Conn) {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.open[c] = struct{}{}
}

func (r *registry) remove(c *Conn) {
	r.mu.Lock()
	defer r.mu.Unlock()
	delete(r.open, c)
	if c.spare {
		r.spares--
	}
	r.vacate()
}

// vacate gives one place back. The caller holds mu.
func (r *registry) vacate() {
	r.places--
	if r.places == 0 && r.empty != nil {
		close(r.empty)
		r.empty = nil
	}
}

// shut grants no further places.
func (r *registry) shut() {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.closed = true
}

func (r *registry) len() int {
	r.mu.Lock()
	defer r.mu.Unlock()
	return len(r.open)
}

func (r *registry) snapshot() []*Conn {
	r.mu.Lock()
	defer r.mu.Unlock()
	all := make([]*Conn, 0, len(r.open))
	for c := range r.open {
		all = append(all, c)
	}
	return all
}

// wait returns when no place is taken or ctx ends.
func (r *registry) wait(ctx context.Context) error {
	r.mu.Lock()
	if r.places == 0 {
		r.mu.Unlock()
		return nil
	}
	if r.empty == nil {
		r.empty = make(chan struct{})
	}
	empty := r.empty
	r.mu.Unlock()
	select {
	case <-empty:
		return nil
	case <-ctx.Done():
		return ctx.Err()
	}
}
