package deliver

import (
	"container/list"
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
	handle Handle
	over   bool
	busy   bool          // its time is being prolonged
	after  func()        // what to do then; it has the new handle
	at     *list.Element // in keeper.due, nil if it is not
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
	due    list.List  // of *claim, ascending by the time of their handles
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
	before := k.due.Back()
	for before != nil && before.Value.(*claim).handle.Until().After(c.handle.Until()) {
		before = before.Prev()
	}
	if before != nil {
		c.at = k.due.InsertAfter(c, before)
		return
	}
	c.at = k.due.PushFront(c)
	k.arm()
}

// remove takes c out of the list. Called under k.mu.
func (k *keeper) remove(c *claim) {
	if c.at != nil {
		k.due.Remove(c.at)
		c.at = nil
	}
}

// arm sets the timer for the first claim. Called under k.mu.
func (k *keeper) arm() {
	d := max(time.Until(k.due.Front().Value.(*claim).handle.Until())-k.margin(), 0)
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
	var due []*claim
	for e := k.due.Front(); e != nil && !e.Value.(*claim).handle.Until().After(limit); e = k.due.Front() {
		c := e.Value.(*claim)
		k.remove(c)
		c.busy = true
		due = append(due, c)
	}
	if k.due.Len() > 0 {
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
	k.closed = true
	k.due.Init()
	if k.timer != nil {
		k.timer.Stop()
	}
}
