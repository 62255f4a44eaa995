package rocketmq

import (
	"context"
	"sync"
)

// pump lets watches through one after the other, recently active ones first,
// no faster than a token bucket allows. It is bounded by the number of watches:
// each is in it once at most.
type pump struct {
	wake chan struct{} // capacity 1

	mu     sync.Mutex // protects the fields below
	active fifo
	others fifo
}

func (p *pump) add(w *Watch, active bool) {
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

func (p *pump) next() *Watch {
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

// loop calls pumped for each watch until ctx ends.
func (p *pump) loop(ctx context.Context, b *bucket, pumped func(*Watch)) {
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
		pumped(w)
	}
}

// fifo is a queue of watches.
type fifo struct {
	items []*Watch
	head  int
}

func (f *fifo) empty() bool { return f.head == len(f.items) }

func (f *fifo) push(w *Watch) {
	if f.head > 1024 && f.head*2 > len(f.items) {
		n := copy(f.items, f.items[f.head:])
		clear(f.items[n:])
		f.items, f.head = f.items[:n], 0
	}
	f.items = append(f.items, w)
}

func (f *fifo) pop() *Watch {
	w := f.items[f.head]
	f.items[f.head] = nil
	f.head++
	if f.head == len(f.items) {
		f.items, f.head = f.items[:0], 0
	}
	return w
}
