package deliver

import (
	"context"
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
	locate    bool
	verify    bool
	lastKey   string
	lastStore int64
	fails     int
}

// found is the outcome of a pull of a cursor's own.
type found struct {
	batch    Batch
	next     int64
	located  bool // next was found by store time
	reset    bool // the queue is not the one the cursor knew: find the place by store time
	lost     int64
	verified bool
}

// pullFor reads for one cursor and hands the messages to it.
func (s *Session) pullFor(c *cursor) {
	s.mu.Lock()
	if s.closed || c.place != atPull {
		s.mu.Unlock()
		return
	}
	p := plan{Ref{c.broker, c.sub.lmq}, c.next, c.locate, c.verify, c.lastKey, c.lastStore, c.fails}
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
		c.fails = 0
		s.arrive(c, f)
	}
	s.enqueue(c)
	s.pump()
}

// arrive takes the outcome of a pull. Called under s.mu.
func (s *Session) arrive(c *cursor, f found) {
	if f.reset {
		s.hub.metrics.resets.Inc()
		s.hub.cfg.Logger.Warn("queue was reset, position found by store time", "client_id", s.clientID, "lmq", c.sub.lmq, "broker", c.broker)
		c.relocate()
		return
	}
	if f.lost > 0 {
		s.hub.metrics.expired.Add(float64(f.lost))
	}
	if f.located {
		c.locate = false
		c.pends = nil // offsets of the old queue mean nothing here
		for _, list := range c.followers {
			for _, fo := range list {
				fo.cursor.redo(fo.offset)
			}
		}
		c.followers = nil
		c.begin, c.next = f.next, f.next
		s.touch(c)
	}
	if f.verified {
		c.verify = false
	}
	c.next = max(c.next, f.next)
	c.local, c.localTo = f.batch.Entries, max(f.batch.Next, c.next)
	if len(c.local) == 0 {
		c.next = c.localTo
	}
}

// pullPlanned does the reading, without any lock, bounded by the hub's places for it.
func (h *Hub) pullPlanned(p plan) (found, error) {
	if p.fails > 0 {
		h.pause(min(time.Second, 20*time.Millisecond<<min(p.fails, 6)))
	}
	select {
	case h.catching <- struct{}{}:
		defer func() { <-h.catching }()
	case <-h.ctx.Done():
		return found{}, h.ctx.Err()
	}
	h.metrics.catchUps.Inc()
	ctx, cancel := context.WithTimeout(h.ctx, 10*time.Second)
	defer cancel()
	switch {
	case p.locate:
		return h.byStoreTime(ctx, p)
	case p.verify:
		return h.verified(ctx, p)
	}
	b, err := h.log.Pull(ctx, p.ref, p.next, h.cfg.PullMax)
	if err != nil {
		return found{}, err
	}
	if !b.Moved {
		return found{batch: b, next: p.next}, nil
	}
	if p.next > b.Max {
		return found{reset: true}, nil
	}
	return found{next: b.Min, lost: b.Min - p.next}, nil
}

// verified reads from the last message the cursor passed and checks that it is still the same (decision 1).
func (h *Hub) verified(ctx context.Context, p plan) (found, error) {
	b, err := h.log.Pull(ctx, p.ref, p.next-1, h.cfg.PullMax)
	if err != nil {
		return found{}, err
	}
	switch {
	case b.Moved && p.next-1 < b.Min: // aged out: nothing to compare with
		return found{next: max(b.Min, p.next), lost: max(0, b.Min-p.next), verified: true}, nil
	case b.Moved || p.next > b.Max:
		return found{reset: true}, nil
	case len(b.Entries) == 0:
		return found{next: p.next, verified: b.Next >= p.next}, nil
	}
	first := b.Entries[0]
	if first.Offset == p.next-1 {
		if first.Key != p.lastKey {
			return found{reset: true}, nil
		}
		b.Entries = b.Entries[1:]
	}
	return found{batch: b, next: p.next, verified: true}, nil
}

// byStoreTime finds the first message that was stored at or after the given time.
func (h *Hub) byStoreTime(ctx context.Context, p plan) (found, error) {
	b, err := h.log.Pull(ctx, p.ref, 0, 1)
	if err != nil {
		return found{}, err
	}
	lo, hi := b.Min, b.Max // the answer is in [lo, hi]
	for lo < hi {
		mid := lo + (hi-lo)/2
		m, err := h.log.Pull(ctx, p.ref, mid, 1)
		if err != nil {
			return found{}, err
		}
		switch {
		case m.Moved && mid < m.Min:
			lo = m.Min
		case len(m.Entries) == 0:
			hi = mid
		case m.Entries[0].StoreMillis < p.lastStore || m.Entries[0].Key == p.lastKey && p.lastKey != "":
			lo = m.Entries[0].Offset + 1
		default:
			hi = mid
		}
	}
	return found{next: lo, located: true}, nil
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
