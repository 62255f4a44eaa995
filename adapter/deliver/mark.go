package deliver

import (
	"context"
	"time"
)

// beginSpread is how much later than its SUBSCRIBE, by a broker's clock, a message may have been stored in front of which a
// subscription begins: the end of the queue is asked for within Config.Subscribe, and clocks differ.
const beginSpread = 15_000

// mark is what a reader knows of the message in front of the place where it reads on. A broker that lost the end of its log
// (killed without a flush, failed over to a lagging replica) and has grown beyond that place since is told from one that did
// not by this message alone: a log is only ever cut at its end, so if it is the same, all before it is.
type mark struct {
	key    string // UNIQ_KEY, "" if unknown
	newest int64  // the message was stored by then, ms; 0: unknown
}

// differs reports whether e, which stands there now, is another message.
func (m mark) differs(e *Entry) bool {
	if m.key != "" {
		return e.Key != m.key
	}
	return m.newest > 0 && e.StoreMillis > m.newest
}

func (p plan) mark() mark { return mark{p.passed, p.newest} }

// newest is until when the message at next-1 was stored at the latest, for a cursor that does not know its key.
func (c *cursor) newest() int64 {
	switch {
	case c.lastStore > 0:
		return max(c.lastStore, c.sub.SinceMillis) + beginSpread
	case c.sub.SinceMillis > 0:
		return c.sub.SinceMillis + beginSpread
	}
	return 0
}

// inspect sees whether the queue is still the one that was read up to offset q.to, after the connection to its broker was
// lost, and goes on or restarts, which is safe where nothing is known of the message that was read last. Until then the watch is paused and counts as held. seen is q.resets as it was.
func (q *queue) inspect(seen int) {
	for fails := 0; ; fails++ {
		q.mu.Lock()
		to, m := q.to, q.last
		over := q.closed || q.resets != seen
		q.mu.Unlock()
		if over {
			return
		}
		if fails > 0 {
			q.hub.pause(backoff(fails))
		}
		b, err := q.hub.pullAt(q.ref, to-1)
		if q.hub.ctx.Err() != nil {
			return
		}
		if err == nil && q.inspected(b, m, to, seen, fails) {
			return
		}
	}
}

// learn reads the message at to-1 of a queue of which a subscription begins, so that it can be told later. Should this fail,
// its time is all there is to go by.
func (q *queue) learn(to int64, seen int) {
	b, err := q.hub.pullAt(q.ref, to-1)
	q.mu.Lock()
	defer q.mu.Unlock()
	if err == nil && !q.closed && q.resets == seen && q.to == to && q.boot == b.Boot && len(b.Entries) > 0 && b.Entries[0].Offset == to-1 {
		q.last.key = b.Entries[0].Key
	}
}

// pullAt reads the one message at offset.
func (h *Hub) pullAt(r Ref, offset int64) (Batch, error) {
	leave, err := h.enter(r.Broker)
	if err != nil {
		return Batch{}, err
	}
	defer leave()
	h.metrics.catchUps.Inc()
	ctx, cancel := context.WithTimeout(h.ctx, 10*time.Second)
	defer cancel()
	return h.log.Pull(ctx, r, offset, 1)
}

// inspected takes what stands at to-1 now; false asks for another look.
func (q *queue) inspected(b Batch, m mark, to int64, seen, fails int) bool {
	q.mu.Lock()
	var woken []*cursor
	defer func() {
		q.mu.Unlock()
		q.hub.wakeAll(woken)
	}()
	switch {
	case q.closed || q.resets != seen:
		return true
	case b.Max < to, m.key == "", len(b.Entries) > 0 && b.Entries[0].Offset == to-1 && m.differs(b.Entries[0]):
		q.restart()
		woken = q.rouse()
		return true
	case len(b.Entries) == 0 && !b.Moved && fails < holeTries:
		return false
	}
	q.boot = b.Boot
	if q.held = len(q.waiting) > 0; q.held {
		q.watch.Resume(q.to)
	} else {
		q.idle = q.now()
	}
	return true
}

// replaced reports whether e is another message than the one that p stands for: the queue lost its end behind the cursor's
// floor, among messages that are in flight or acknowledged, and has grown again.
func (c *cursor) replaced(p *pend, e *Entry) bool {
	if p.state != pendDone && p.state != pendInflight {
		return false
	}
	if p.key != "" {
		return p.key != e.Key
	}
	return p.state == pendDone && c.ackedTill > 0 && e.StoreMillis > c.ackedTill
}

// supplant forgets what stood at the offset of e. A flight of it goes on without a place. Called under s.mu.
func (s *Session) supplant(c *cursor, e *Entry) {
	s.hub.metrics.resets.Inc()
	s.hub.cfg.Logger.Warn("queue lost its end and has grown again, delivering what stands there now",
		"client_id", s.clientID, "lmq", c.sub.lmq, "broker", c.broker, "offset", e.Offset)
	for _, f := range s.out.flights {
		if f.cursor == c && f.Offset == e.Offset {
			s.displace(f)
		}
	}
	c.forget(e.Offset)
	c.release(func(offset int64) bool { return offset == e.Offset })
}

// displace lets a flight go on whose offset has become another message's, here and in its entry: whoever takes over must not
// take that message for acknowledged with this one.
func (s *Session) displace(f *flight) {
	f.cursor, f.Offset = nil, unknown
	s.out.remember(f)
	if s.persist {
		s.store(f, false)
	}
}

// forget drops what is known of the message at offset.
func (c *cursor) forget(offset int64) {
	for i := range c.pends {
		if c.pends[i].offset == offset {
			c.pends = append(c.pends[:i:i], c.pends[i+1:]...)
			return
		}
	}
}
