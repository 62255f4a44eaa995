package deliver

import (
	"context"
	"errors"
	"math/rand/v2"
	"time"
)

// catchUp starts a pull of the cursor's own. Called under s.mu.
func (s *Session) catchUp(c *cursor) {
	c.place = atPull
	s.hub.spawn(func() { s.pullFor(c) })
}

// plan is what a pull of a cursor's own is to do, copied out of the lock.
type plan struct {
	ref       Ref
	next      int64
	end       int64 // how far the queue was read by all when the pull began
	locate    bool
	known     bool   // the queue was seen as the cursor knew it, on this connection
	passed    string // UNIQ_KEY that stands at next-1, "" if unknown
	boot      uint64 // when that was seen last
	newest    int64  // what stands there was stored by then, ms
	high      int64  // the highest offset that a message was seen at; -1: none
	lastKey   string
	lastStore int64
	fails     int
}

// found is the outcome of a pull of a cursor's own.
type found struct {
	batch    Batch
	next     int64
	located  bool // next was found by store time
	exact    bool // and the message before it is the last one passed
	reset    bool // the queue is not the one the cursor knew: find the place by store time
	lost     int64
	more     bool // there is something to read at next
	verified bool
	hole     bool // as far as can be told: there is no message to compare with any more
}

// pullFor reads for one cursor and hands the messages to it.
func (s *Session) pullFor(c *cursor) {
	s.mu.Lock()
	if s.closed || c.place != atPull {
		s.mu.Unlock()
		return
	}
	p := plan{
		ref: Ref{c.broker, c.sub.lmq}, next: c.next, end: c.q.end(), locate: c.locate, known: !c.verify, passed: c.passed(), newest: c.newest(), boot: c.boot, high: c.next - 1,
		lastKey: c.lastKey, lastStore: c.lastStore, fails: c.fails,
	}
	if n := len(c.pends); n > 0 {
		p.high = max(p.high, c.pends[n-1].offset)
	}
	s.mu.Unlock()

	f, err := s.hub.pullPlanned(p)

	s.mu.Lock()
	defer s.mu.Unlock()
	if s.closed || c.place != atPull {
		return
	}
	if err != nil {
		c.fails++
		if c.fails == 1 {
			s.hub.cfg.Logger.Warn("reading a queue failed, trying again", "client_id", s.clientID, "lmq", p.ref.LMQ, "broker", p.ref.Broker, "error", err)
		}
	} else {
		s.arrive(c, p, f)
	}
	s.enqueue(c)
	s.pump()
	if s.hub.crowded() && (s.link.Full() || s.walkHolds()) {
		c.spare()
	}
}

// arrive takes the outcome of a pull. Called under s.mu.
func (s *Session) arrive(c *cursor, p plan, f found) {
	switch {
	case f.reset:
		s.hub.metrics.resets.Inc()
		s.hub.cfg.Logger.Warn("queue was reset, finding the position by store time", "client_id", s.clientID, "lmq", c.sub.lmq, "broker", c.broker)
		if f.batch.Max < p.end || p.known { // it happened just now: what the others read is not what is there either
			c.q.reset(c)
		}
		c.relocate()
		return
	case f.located:
		c.fails = 0
		s.relocated(c, f)
		return
	case c.next != p.next: // rewound meanwhile: what was read is not what is wanted now
		return
	}
	if f.lost > 0 {
		s.hub.dropped(s.hub.metrics.expired, s.clientID, "log_expired", "", int(f.lost))
		s.hub.cfg.Logger.Warn("messages are no longer in the log, going on at the first that is", "client_id", s.clientID,
			"lmq", c.sub.lmq, "broker", c.broker, "messages", f.lost, "offset", f.next)
	}
	c.verify = false
	if f.hole {
		c.unpass()
	}
	c.boot = f.batch.Boot
	c.q.checked(f.batch.Max)
	c.skip(f.next)
	c.behind = f.more || f.batch.Next < f.batch.Max
	if len(f.batch.Entries) > 0 {
		c.fails = 0
		c.keepLocal(f.batch.Entries, f.batch.Next)
		return
	}
	c.skip(f.batch.Next)
	if c.next > p.next || f.verified {
		c.fails = 0
		return
	}
	c.fails++ // should the queue say again that there is something to read, not at once
	if f.batch.Max < p.end {
		c.q.reset(c) // what the others read behind this end is gone
	}
}

// errHole says that the index names no message where there must be one.
var errHole = errors.New("nothing at an offset within the queue")

// holeTries is how often an offset without a message is asked for before it is stepped over.
const holeTries = 5

// pullPlanned does the reading, without any lock, bounded by the hub's places for it.
func (h *Hub) pullPlanned(p plan) (found, error) {
	if p.fails > 0 {
		h.pause(backoff(p.fails))
	}
	leave, err := h.enter(p.ref.Broker)
	if err != nil {
		return found{}, err
	}
	defer leave()
	h.metrics.catchUps.Inc()
	ctx, cancel := context.WithTimeout(h.ctx, 10*time.Second)
	defer cancel()
	switch {
	case p.locate:
		return h.byStoreTime(ctx, p)
	case p.passed != "", !p.known && p.next > 0:
		return h.verified(ctx, p)
	}
	b, err := h.log.Pull(ctx, p.ref, p.next, h.cfg.PullMax)
	switch {
	case err != nil:
		return found{}, err
	case b.Max <= p.high, p.next > 0 && b.Boot != p.boot && p.known: // nothing tells whether the queue is the same
		return found{batch: b, reset: true}, nil
	case b.Moved:
		return found{batch: Batch{Boot: b.Boot}, next: b.Min, lost: b.Min - p.next, more: true}, nil
	case len(b.Entries) == 0 && b.Next <= p.next && p.next < b.Max:
		if p.fails < holeTries {
			return found{}, errHole
		}
		return found{batch: Batch{Boot: b.Boot}, next: p.next + 1, lost: 1, more: true}, nil
	}
	return found{batch: b, next: p.next}, nil
}

// verified reads from the last message the cursor passed and checks that it is still the same (decision 1).
func (h *Hub) verified(ctx context.Context, p plan) (found, error) {
	b, err := h.log.Pull(ctx, p.ref, p.next-1, h.cfg.PullMax+1)
	switch {
	case err != nil:
		return found{}, err
	case b.Max <= p.high:
		return found{batch: b, reset: true}, nil
	case b.Moved: // aged out: nothing to compare with
		return found{batch: Batch{Boot: b.Boot}, next: max(b.Min, p.next), lost: max(0, b.Min-p.next), more: true, verified: true, hole: true}, nil
	case len(b.Entries) == 0:
		if p.fails < holeTries {
			return found{}, errHole
		}
		return found{batch: Batch{Boot: b.Boot}, next: p.next, more: true, verified: true, hole: true}, nil
	}
	if first := b.Entries[0]; first.Offset == p.next-1 {
		if p.mark().differs(first) {
			return found{batch: b, reset: true}, nil
		}
		b.Entries = b.Entries[1:]
	}
	return found{batch: b, next: p.next, verified: true}, nil
}

// backoff grows with the number of failures in a row.
func backoff(fails int) time.Duration {
	return min(time.Second, 20*time.Millisecond<<min(fails, 6))
}

// pause waits about d, less when the hub closes.
func (h *Hub) pause(d time.Duration) {
	t := time.NewTimer(d/2 + rand.N(d))
	defer t.Stop()
	select {
	case <-t.C:
	case <-h.ctx.Done():
	}
}
