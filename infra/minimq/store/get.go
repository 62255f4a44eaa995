package store

import (
	"bytes"
	"sort"
)

// Status says what Get found; the names are RocketMQ's GetMessageStatus.
type Status string

// Statuses of Get.
const (
	Found           Status = "FOUND"
	NoMatched       Status = "NO_MATCHED_MESSAGE"
	NoMessage       Status = "NO_MESSAGE_IN_QUEUE"
	OffsetFoundNull Status = "OFFSET_FOUND_NULL"
	OverflowOne     Status = "OFFSET_OVERFLOW_ONE"
	OverflowBadly   Status = "OFFSET_OVERFLOW_BADLY"
	TooSmall        Status = "OFFSET_TOO_SMALL"
)

// Bounds of one Get, RocketMQ's maxTransfer...OnMessageInMemory.
const (
	transferCount = 32
	transferBytes = 256 << 10
)

// Result of Get. The slices of Messages belong to the log and must not be changed.
type Result struct {
	Status   Status
	Next     int64 // where to read on
	Min, Max int64
	Messages [][]byte
	Offsets  []int64 // of Messages, in the queue that was read
}

// Get reads up to n messages of a queue from offset on. match, if not nil, is
// asked with the hash of a message's tags.
func (s *Store) Get(topic string, id int32, offset int64, n int, match func(tagsCode int64) bool) Result {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.trim()
	q := s.queues[queueKey{topic, id}]
	if q == nil || q.max() == 0 {
		return Result{Status: NoMessage}
	}
	r := Result{Next: offset, Min: q.minimum(s.lowest()), Max: q.max()}
	switch {
	case offset < r.Min:
		r.Status, r.Next = TooSmall, r.Min
	case offset == r.Max:
		r.Status = OverflowOne
	case offset > r.Max:
		r.Status, r.Next = OverflowBadly, r.Max
	default:
		q.read(&r, offset, n, match)
	}
	return r
}

// read fills r from offset on, which lies between minimum and maximum. It looks
// at n entries, whether they match or not.
func (q *queue) read(r *Result, offset int64, n int, match func(int64) bool) {
	if q.at(offset) == nil || n <= 0 {
		r.Status, r.Next = OffsetFoundNull, 0
		return
	}
	r.Status = NoMatched
	size := 0
	for r.Next < min(offset+int64(n), r.Max) {
		rec := q.at(r.Next)
		if rec == nil || full(size, len(rec.raw), len(r.Messages), n) {
			return
		}
		r.Next++
		if match != nil && !match(rec.tagsCode) {
			continue
		}
		r.Messages = append(r.Messages, rec.raw)
		r.Offsets = append(r.Offsets, r.Next-1)
		size += len(rec.raw)
		r.Status = Found
	}
}

func full(size, next, count, n int) bool {
	if size == 0 || count == 0 {
		return false
	}
	return count+1 > n || size+next > transferBytes || count >= transferCount
}

// MaxOffset is the offset behind the last indexed message; 0 for an unknown queue.
func (s *Store) MaxOffset(topic string, id int32) int64 {
	s.mu.Lock()
	defer s.mu.Unlock()
	if q := s.queues[queueKey{topic, id}]; q != nil {
		return q.max()
	}
	return 0
}

// MinOffset is the lowest offset that can be read; the maximum if all messages
// are gone, 0 for an unknown queue.
func (s *Store) MinOffset(topic string, id int32) int64 {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.trim()
	if q := s.queues[queueKey{topic, id}]; q != nil {
		return q.minimum(s.lowest())
	}
	return 0
}

// Has tells whether a message can be read at offset.
func (s *Store) Has(topic string, id int32, offset int64) bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	q := s.queues[queueKey{topic, id}]
	return q != nil && q.at(offset) != nil
}

// EarliestTime is the store time of the message at the minimum offset, -1 if there is none.
func (s *Store) EarliestTime(topic string, id int32) int64 {
	s.mu.Lock()
	defer s.mu.Unlock()
	if q := s.queues[queueKey{topic, id}]; q != nil {
		if r := q.at(q.minimum(s.lowest())); r != nil {
			return r.stored
		}
	}
	return -1
}

// OffsetByTime returns the first offset stored at millis or later; the maximum
// if all messages are older. With upper it is the last one stored at millis or
// before; 0 if all are younger.
func (s *Store) OffsetByTime(topic string, id int32, millis int64, upper bool) int64 {
	s.mu.Lock()
	defer s.mu.Unlock()
	q := s.queues[queueKey{topic, id}]
	if q == nil || q.max() == 0 {
		return 0
	}
	live := q.entries
	after := int64(sort.Search(len(live), func(i int) bool {
		return live[i] != nil && (live[i].stored > millis || !upper && live[i].stored == millis)
	}))
	if !upper {
		return q.base + after
	}
	if after == 0 {
		return 0
	}
	return q.base + after - 1
}

// At returns the message that begins at a physical offset.
func (s *Store) At(phys int64) ([]byte, bool) {
	s.mu.Lock()
	defer s.mu.Unlock()
	i := sort.Search(len(s.log), func(i int) bool { return s.log[i].phys >= phys })
	if i == len(s.log) || s.log[i].phys != phys {
		return nil, false
	}
	return bytes.Clone(s.log[i].raw), true
}

// KeyResult is what ByKey found.
type KeyResult struct {
	Messages    [][]byte // oldest first
	LastIndexed int64    // physical offset of the last message in the key index
	LastTime    int64    // and its store time
}

// ByKey returns the newest n messages of topic with a key or unique key, stored
// between begin and end, in milliseconds.
func (s *Store) ByKey(topic, key string, n int, begin, end int64) KeyResult {
	s.mu.Lock()
	defer s.mu.Unlock()
	res := KeyResult{LastIndexed: s.lastIndexed, LastTime: s.lastIndexedTime}
	list := s.keys[topic+"#"+key]
	for i := len(list) - 1; i >= 0 && len(res.Messages) < n; i-- {
		if t := list[i].stored; t >= begin && t <= end {
			res.Messages = append(res.Messages, list[i].raw)
		}
	}
	for i, j := 0, len(res.Messages)-1; i < j; i, j = i+1, j-1 {
		res.Messages[i], res.Messages[j] = res.Messages[j], res.Messages[i]
	}
	return res
}
