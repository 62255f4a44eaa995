package client

import (
	"sync"
	"sync/atomic"
)

// budget bounds the bytes that wait to be written to all clients together. Above it deliveries wait in the log, for
// clients that read and those that do not; should it stay above, Server.look disconnects those for whom most waits.
type budget struct {
	most  int64
	bytes atomic.Int64

	over int // looks in a row that found it above; Server.look's

	mu      sync.Mutex // protects waiting
	waiting []*client  // each once, as their out.queued says
}

// spent reports whether there is no room.
func (b *budget) spent() bool { return b.bytes.Load() > b.most }

// wait has c woken when there is room again. Called under c.out.mu.
func (b *budget) wait(c *client) {
	b.mu.Lock()
	defer b.mu.Unlock()
	b.waiting = append(b.waiting, c)
}

// wake lets those go on who wait, once there is some room. It is called without locks after bytes have left.
func (b *budget) wake() {
	if b.bytes.Load() > b.most*3/4 {
		return
	}
	b.mu.Lock()
	waiting := b.waiting
	b.waiting = nil
	b.mu.Unlock()
	for _, c := range waiting {
		if c.out.unqueue() {
			c.wake()
		}
	}
}

// account tells the budget how many bytes wait for this client now. Called under o.mu after each change.
func (o *output) account() {
	n := o.leaving
	if o.buf != nil {
		n += len(*o.buf)
	}
	if n != o.counted {
		o.c.srv.budget.bytes.Add(int64(n - o.counted))
		o.counted = n
	}
}

// unqueue notes that the client waits for the budget no longer, and reports whether its delivery is to be woken.
func (o *output) unqueue() bool {
	o.mu.Lock()
	defer o.mu.Unlock()
	o.queued = false
	if o.buf != nil || !o.full { // the writing of what waits wakes it
		return false
	}
	o.full = false
	return true
}
