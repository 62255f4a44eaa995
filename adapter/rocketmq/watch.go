package rocketmq

import (
	"math"
	"sync"
	"time"
)

// Sink takes what a Watch reads.
type Sink interface {
	// Pulled is called serially per watch, on one of the few goroutines that
	// serve all watches, with no lock held: it must not block for long. r has
	// Status Found, with messages in order, each offset at most once unless
	// Resume went back; or OffsetMoved with no messages: the offset is outside
	// Min..Max; or NoNew, if its Boot is not that of the answer before. With true the watch goes on at r.Next; with false it is paused
	// until Resume. A Resume during the call wins over its result.
	Pulled(r PullResult) (more bool)
}

// Watch reads one LMQ with held pulls, from an offset on and for ever, through
// lost connections and restarts of brokers.
//
// At any time it is closed, paused, being delivered, held at the broker, or
// waiting: for the pump, for a connection or for the end of a backoff. Each of
// these has something that ends it.
type Watch struct {
	p    *puller
	lmq  LMQ
	slot *slot
	sink Sink

	mu         sync.Mutex // protects the fields below
	offset     int64      // next one the sink wants
	gen        uint32     // counts Resume and Close: later answers to earlier pulls are dropped
	held       bool       // a held pull of gen is at the broker
	heldID     uint32     // which one
	waiting    bool       // in the pump, parked or backing off
	paused     bool
	closed     bool
	boot       uint64 // of the last answer that was handed on
	link       *link
	delivering bool        // the sink is being called, or queued to be
	ready      *PullResult // to be delivered
	failures   int
	active     time.Time // when a message was last found
}

// Watch starts to read l at offset. It needs neither the broker to be up nor
// the LMQ to exist.
func (c *Client) Watch(l LMQ, offset int64, sink Sink) *Watch {
	w := &Watch{
		p: c.puller, lmq: l, link: c.cluster.link(l.Broker), sink: sink,
		offset: offset, active: time.Now(),
	}
	w.slot, w.boot = w.link.pullSlot(l.Name), math.MaxUint64 // the first answer is handed on
	c.metrics.watches.Inc()
	w.mu.Lock()
	defer w.mu.Unlock()
	w.enqueueLocked()
	return w
}

// LMQ returns what is watched.
func (w *Watch) LMQ() LMQ { return w.lmq }

// Resume goes on at offset after a pause, or jumps there.
func (w *Watch) Resume(offset int64) {
	w.mu.Lock()
	defer w.mu.Unlock()
	if w.closed {
		return
	}
	if offset != w.offset || w.paused || w.delivering {
		w.gen++
		w.dropHeldLocked()
		w.ready = nil
		w.offset = offset
	}
	w.paused = false
	if !w.delivering { // else the delivering goroutine arms it
		w.armLocked()
	}
}

// Close ends the watch. It does not wait: a call of the sink that has begun may
// end after Close returned, no other begins. It may be called from the sink.
func (w *Watch) Close() {
	w.mu.Lock()
	if w.closed {
		w.mu.Unlock()
		return
	}
	w.closed = true
	w.gen++
	w.dropHeldLocked()
	w.ready = nil
	w.mu.Unlock()
	w.slot.unpark(w)
	w.p.c.metrics.watches.Dec()
}

// dropHeldLocked forgets the held pull; the broker answers it sooner or later.
func (w *Watch) dropHeldLocked() {
	if w.held {
		w.held = false
		w.p.c.metrics.held.Dec()
	}
}

// recentlyActive tells whether a message came, or the watch began, not long ago.
func (w *Watch) recentlyActive(now time.Time) bool {
	return now.Sub(w.active) < activeFor
}
