package store

import "strings"

// lowest is the physical offset of the oldest message.
func (s *Store) lowest() int64 {
	if len(s.log) == 0 {
		return s.end
	}
	return s.log[0].phys
}

// trim drops the oldest indexed messages until MaxBytes and MaxAge hold.
func (s *Store) trim() {
	if s.cfg.MaxBytes <= 0 && s.cfg.MaxAge <= 0 {
		return
	}
	oldest := s.nowMillis() - s.cfg.MaxAge.Milliseconds()
	for len(s.log) > 0 && s.log[0].indexed {
		over := s.cfg.MaxBytes > 0 && s.bytes > s.cfg.MaxBytes
		old := s.cfg.MaxAge > 0 && s.log[0].stored < oldest
		if !over && !old {
			return
		}
		s.drop()
	}
}

// drop removes the oldest message from the log and from every index.
func (s *Store) drop() {
	r := s.log[0]
	s.log[0] = nil
	s.log = s.log[1:]
	s.bytes -= r.size()
	s.dropEntry(r.topic, r.queueID, r)
	for _, ref := range r.lmqs {
		id := r.queueID
		if IsLMQ(ref.name) {
			id = 0
		}
		s.dropEntry(ref.name, id, r)
	}
	for _, k := range r.keys {
		if list := s.keys[k]; len(list) > 1 && list[0] == r {
			s.keys[k] = list[1:]
		} else if len(list) > 0 && list[0] == r {
			delete(s.keys, k)
		}
	}
}

func (s *Store) dropEntry(topic string, id int32, r *record) {
	k := queueKey{topic, id}
	q := s.queues[k]
	if q == nil {
		return
	}
	q.dropThrough(r.phys)
	if s.cfg.FileIndex && q.max() > 0 && len(q.entries) == 0 && q.next == q.max() {
		delete(s.queues, k) // the file index destroys it, it will restart at 0
	}
}

// ExpireAll drops every indexed message, as retention does in the end.
func (s *Store) ExpireAll() {
	s.mu.Lock()
	defer s.mu.Unlock()
	for len(s.log) > 0 && s.log[0].indexed {
		s.drop()
	}
}

// ExpireQueue drops the messages of one queue below offset, and with them every
// older message of the log: that is how retention reaches a queue.
func (s *Store) ExpireQueue(topic string, id int32, offset int64) {
	s.mu.Lock()
	defer s.mu.Unlock()
	for len(s.log) > 0 && s.log[0].indexed {
		q := s.queues[queueKey{topic, id}]
		if q == nil || q.base >= min(offset, q.max()) {
			return
		}
		s.drop()
	}
}

// ResetQueue makes a queue restart at 0, its messages gone: what the file index
// does to an LMQ all of whose messages have expired.
func (s *Store) ResetQueue(topic string, id int32) {
	s.mu.Lock()
	defer s.mu.Unlock()
	delete(s.queues, queueKey{topic, id})
}

// Rollback cuts a queue back to offset: its later messages are gone and their
// offsets are given out again, as after failover to a replica that lagged.
func (s *Store) Rollback(topic string, id int32, offset int64) {
	s.mu.Lock()
	defer s.mu.Unlock()
	q := s.queues[queueKey{topic, id}]
	if q == nil || offset >= q.max() {
		return
	}
	offset = max(offset, q.base)
	clear(q.entries[offset-q.base:])
	q.entries = q.entries[:offset-q.base]
	q.next = offset
	q.minKnown, q.min = false, q.base
}

// DeleteTopic removes the queues of a topic; its messages stay in the log until
// they expire.
func (s *Store) DeleteTopic(topic string) {
	s.mu.Lock()
	defer s.mu.Unlock()
	for k := range s.queues {
		if k.topic == topic {
			delete(s.queues, k)
		}
	}
	prefix := topic + "#"
	for k := range s.keys {
		if strings.HasPrefix(k, prefix) {
			delete(s.keys, k)
		}
	}
}

// Stall stops the index (true) or lets it run again (false). Writes go on.
func (s *Store) Stall(on bool) {
	s.mu.Lock()
	s.stalled = on
	if !on && s.cfg.IndexLag <= 0 {
		s.index()
	}
	s.arm()
	s.mu.Unlock()
	s.tell()
}

// SetFull makes every write fail as on a full disk.
func (s *Store) SetFull(on bool) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.full = on
}

// Wedged tells whether the index met a dispatch list that it cannot index.
func (s *Store) Wedged() bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.wedged
}

// Unwedge drops the message that the index stands at and goes on with the next.
func (s *Store) Unwedge() {
	s.mu.Lock()
	if s.wedged {
		s.wedged = false
		s.pending[0].bad = false
		s.pending[0].lmqs = nil
		if s.cfg.IndexLag <= 0 {
			s.index()
		}
		s.arm()
	}
	s.mu.Unlock()
	s.tell()
}

// Bytes is the memory that messages take, about.
func (s *Store) Bytes() int64 {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.bytes
}

// Stats for a broker's runtime information.
type Stats struct {
	Messages   int
	Queues     int
	End        int64 // physical offset of the next message
	Oldest     int64 // physical offset of the oldest message
	OldestMs   int64 // its store time, -1 if there is none
	NotIndexed int
}

// Stats returns figures of the moment.
func (s *Store) Stats() Stats {
	s.mu.Lock()
	defer s.mu.Unlock()
	st := Stats{
		Messages: len(s.log), Queues: len(s.queues), End: s.end, Oldest: s.lowest(),
		OldestMs: -1, NotIndexed: len(s.pending),
	}
	if len(s.log) > 0 {
		st.OldestMs = s.log[0].stored
	}
	return st
}
