package rocketmq

import (
	"context"
	"sync"
	"time"
)

// waiter is a watch, or a POP, on its way to the broker: it goes through the
// pump, and is parked at its slot while there is no connection.
type waiter interface {
	// pumped is called when it is the waiter's turn.
	pumped()
	recentActivity(now time.Time) bool
}

// pump lets waiters through one after the other, recently active ones first,
// no faster than a token bucket allows. It is bounded by the number of watches
// and POPs: each is in it once at most.
type pump struct {
	wake chan struct{} // capacity 1

	mu     sync.Mutex // protects the fields below
	active fifo[waiter]
	others fifo[waiter]
}

func (p *pump) add(w waiter, active bool) {
	p.mu.Lock()
	defer p.mu.Unlock()
	if active {
		p.active.push(w)
	} else {
		p.others.push(w)
	}
	select {
	case p.wake <- struct{}{}:
	default:
	}
}

func (p *pump) next() waiter {
	p.mu.Lock()
	defer p.mu.Unlock()
	if !p.active.empty() {
		return p.active.pop()
	}
	if !p.others.empty() {
		return p.others.pop()
	}
	return nil
}

// loop calls each waiter until ctx ends.
func (p *pump) loop(ctx context.Context, b *bucket) {
	for {
		w := p.next()
		if w == nil {
			select {
			case <-p.wake:
				continue
			case <-ctx.Done():
				return
			}
		}
		if b.wait(ctx) != nil {
			return
		}
		w.pumped()
	}
}

// fifo is a queue.
type fifo[T any] struct {
	items []T
	head  int
}

func (f *fifo[T]) empty() bool { return f.head == len(f.items) }

func (f *fifo[T]) push(w T) {
	if f.head > 1024 && f.head*2 > len(f.items) {
		n := copy(f.items, f.items[f.head:])
		clear(f.items[n:])
		f.items, f.head = f.items[:n], 0
	}
	f.items = append(f.items, w)
}

func (f *fifo[T]) pop() T {
	var none T
	w := f.items[f.head]
	f.items[f.head] = none
	f.head++
	if f.head == len(f.items) {
		f.items, f.head = f.items[:0], 0
	}
	return w
}
