package store

import (
	"time"
)

// index moves what is due from pending into the index, or sees to it that this
// happens later. Called with mu held.
func (s *Store) index() {
	if s.cfg.IndexLag > 0 {
		s.arm()
		return
	}
	s.indexThrough(s.cfg.Now())
}

// arm starts the timer for the first pending message.
func (s *Store) arm() {
	if s.timer != nil || s.closed || s.stalled || s.wedged || len(s.pending) == 0 {
		return
	}
	wait := time.UnixMilli(s.pending[0].stored).Add(s.cfg.IndexLag).Sub(s.cfg.Now())
	s.dispatched.Add(1)
	s.timer = time.AfterFunc(max(wait, 0), s.fire)
}

func (s *Store) fire() {
	defer s.dispatched.Done()
	s.mu.Lock()
	s.timer = nil
	s.indexThrough(s.cfg.Now().Add(-s.cfg.IndexLag))
	s.arm()
	s.mu.Unlock()
	s.tell()
}

// indexThrough indexes the pending messages stored at t or before.
func (s *Store) indexThrough(t time.Time) {
	until := t.UnixMilli()
	for len(s.pending) > 0 && s.pending[0].stored <= until && !s.stalled && !s.wedged && !s.closed {
		r := s.pending[0]
		if r.bad {
			s.wedged, s.wedgedAt = true, s.cfg.Now()
			return
		}
		s.pending[0] = nil
		s.pending = s.pending[1:]
		s.indexOne(r)
	}
	if len(s.pending) == 0 {
		s.pending = nil
	}
}

// indexOne makes r readable. An LMQ entry goes to queue 0, that of a name which
// is no LMQ to the message's own queue id.
func (s *Store) indexOne(r *record) {
	r.indexed = true
	s.lastIndexed, s.lastIndexedTime = r.phys, r.stored
	s.enter(r.topic, r.queueID, r.offset, r)
	for _, ref := range r.lmqs {
		id := r.queueID
		if IsLMQ(ref.name) {
			id = 0
		}
		s.enter(ref.name, id, ref.offset, r)
	}
	for _, k := range r.keys {
		s.keys[k] = append(s.keys[k], r)
	}
}

func (s *Store) enter(topic string, id int32, offset int64, r *record) {
	q := s.queue(topic, id)
	q.set(offset, r)
	s.arrivals = append(s.arrivals, Arrival{
		Topic: topic, QueueID: id, Max: offset + 1, TagsCode: r.tagsCode, Group: r.group,
	})
}

// tell reports arrivals, in their order and without the lock: whoever finds
// another goroutine telling leaves its arrivals to that one.
func (s *Store) tell() {
	s.mu.Lock()
	if s.telling {
		s.mu.Unlock()
		return
	}
	s.telling = true
	for len(s.arrivals) > 0 {
		list := s.arrivals
		s.arrivals = nil
		s.mu.Unlock()
		for _, a := range list {
			s.cfg.Arrived(a)
		}
		s.mu.Lock()
	}
	s.telling = false
	s.mu.Unlock()
}

// BehindBytes is how much of the log is not indexed yet (dispatchBehindBytes).
func (s *Store) BehindBytes() int64 {
	s.mu.Lock()
	defer s.mu.Unlock()
	if len(s.pending) == 0 {
		return 0
	}
	return s.end - s.pending[0].phys
}
