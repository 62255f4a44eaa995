package deliver

import (
	"sync"
	"time"
)

// claim is one popped message that this instance answers for: it is acknowledged, given back or left to come back by
// itself, once. Until then its time is prolonged.
type claim struct {
	hub    *Hub
	entry  *Entry
	broker string

	// Protected by keeper.mu.
	handle  Handle
	over    bool
	busy    bool   // its time is being prolonged
	after   func() // what to do then; it has the new handle
	waiting bool   // in keeper.list
}

// ack acknowledges the message to its group. done, if not nil, is called with the outcome from any goroutine, also before
// ack returns. Of several calls of ack, giveBack and drop the first one counts.
func (c *claim) ack(done func(error)) {
	c.end(func() {
		c.hub.cfg.Shared.Pops.Ack(c.handle, func(err error) {
			if err != nil {
				c.hub.metrics.shared.lapsed.Inc()
			}
			if done != nil {
				done(err)
			}
		})
	})
}

// giveBack lets another member have the message at once.
func (c *claim) giveBack(done func()) {
	c.hub.metrics.shared.returned.Inc()
	c.end(func() {
		c.hub.cfg.Shared.Pops.Return(c.handle, 0, func(Handle, error) { // after an error it comes back later
			if done != nil {
				done()
			}
		})
	})
}

// drop leaves the message to come back when its time is over, or not.
func (c *claim) drop() { c.end(func() {}) }

// end has fn called, with no lock held, once the handle is certain.
func (c *claim) end(fn func()) {
	k := &c.hub.keeper
	k.mu.Lock()
	switch {
	case c.over:
		fn = nil
	case c.busy:
		c.after, fn = fn, nil
	}
	c.over = true
	k.remove(c)
	k.mu.Unlock()
	if fn != nil {
		fn()
	}
}

// keeper prolongs the time of claims that are with a member for long.
type keeper struct {
	hub *Hub

	mu     sync.Mutex // protects the fields below, and those of claims
	list   []*claim   // ascending by the time of their handles
	timer  *time.Timer
	closed bool
}

// claim takes charge of a popped message.
func (h *Hub) claim(broker string, p Popped) *claim {
	c := &claim{hub: h, entry: p.Entry, broker: broker, handle: p.Handle}
	h.keeper.mu.Lock()
	defer h.keeper.mu.Unlock()
	h.keeper.add(c)
	return c
}

// margin is how long before its end a time is prolonged.
func (k *keeper) margin() time.Duration { return k.hub.cfg.Shared.Invisible / 3 }

// add has c prolonged in time. Called under k.mu.
func (k *keeper) add(c *claim) {
	if k.closed {
		return
	}
	at := c.handle.Until()
	i := len(k.list)
	for i > 0 && k.list[i-1].handle.Until().After(at) {
		i--
	}
	k.list = append(k.list, nil)
	copy(k.list[i+1:], k.list[i:])
	k.list[i], c.waiting = c, true
	if i == 0 {
		k.arm()
	}
}

// remove takes c out of the list. Called under k.mu.
func (k *keeper) remove(c *claim) {
	if !c.waiting {
		return
	}
	c.waiting = false
	if k.list = without(k.list, c); len(k.list) == 0 {
		k.list = nil
	}
}

// arm sets the timer for the first claim. Called under k.mu.
func (k *keeper) arm() {
	d := max(time.Until(k.list[0].handle.Until())-k.margin(), 0)
	if k.timer == nil {
		k.timer = time.AfterFunc(d, k.tick)
		return
	}
	k.timer.Reset(d)
}

// tick prolongs what is due.
func (k *keeper) tick() {
	limit := time.Now().Add(k.margin())
	k.mu.Lock()
	n := 0
	for n < len(k.list) && !k.list[n].handle.Until().After(limit) {
		k.list[n].waiting, k.list[n].busy = false, true
		n++
	}
	due := k.list[:n:n]
	k.list = append([]*claim(nil), k.list[n:]...)
	if len(k.list) > 0 && !k.closed {
		k.arm()
	}
	k.mu.Unlock()
	for _, c := range due {
		k.hub.cfg.Shared.Pops.Return(c.handle, k.hub.cfg.Shared.Invisible, func(h Handle, err error) { k.prolonged(c, h, err) })
	}
}

// prolonged takes the outcome of a prolongation. A claim that could not be prolonged stays with its member; another one
// gets the message too.
func (k *keeper) prolonged(c *claim, h Handle, err error) {
	k.mu.Lock()
	c.busy = false
	then := c.after
	c.after = nil
	switch {
	case err != nil:
		k.hub.metrics.shared.lapsed.Inc()
	default:
		if c.handle = h; !c.over {
			k.add(c)
		}
	}
	k.mu.Unlock()
	if then != nil {
		then()
	}
}

// close ends the timer.
func (k *keeper) close() {
	k.mu.Lock()
	defer k.mu.Unlock()
	k.closed, k.list = true, nil
	if k.timer != nil {
		k.timer.Stop()
	}
}
