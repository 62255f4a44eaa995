package store

// queue is the index of one queue. Entries are appended as messages are indexed
// and dropped from the front as messages expire.
type queue struct {
	next    int64 // the offset the next stored message gets
	base    int64 // offset of entries[0]
	entries []*record

	// The minimum offset as last worked out, good while minPhys has not expired.
	min      int64
	minPhys  int64
	minKnown bool
}

// max is the offset behind the last indexed entry.
func (q *queue) max() int64 { return q.base + int64(len(q.entries)) }

// at returns the message at offset; nil if it expired, is not indexed, or is a
// hole: an offset that no message ever got.
func (q *queue) at(offset int64) *record {
	if offset < q.base || offset >= q.max() {
		return nil
	}
	return q.entries[offset-q.base]
}

// set indexes r at offset. An offset that is taken is overwritten, one beyond
// the end leaves holes: both happen when a name stands twice in a dispatch list.
func (q *queue) set(offset int64, r *record) {
	if offset < q.base {
		return
	}
	if len(q.entries) == 0 && offset > q.base {
		q.base = offset
	}
	for q.max() <= offset {
		q.entries = append(q.entries, nil)
	}
	q.entries[offset-q.base] = r
}

// dropThrough removes the entries of messages at or below phys.
func (q *queue) dropThrough(phys int64) {
	for len(q.entries) > 0 && (q.entries[0] == nil || q.entries[0].phys <= phys) {
		q.entries[0] = nil
		q.entries = q.entries[1:]
		q.base++
	}
	if len(q.entries) == 0 {
		q.entries = nil // an LMQ without messages costs its numbers only
	}
}

// minimum returns the queue's minimum offset given the lowest physical offset of
// the log. Like RocksDB's table of offsets it searches by halves, steps to the
// right over holes, and keeps what it found until that message expires: a
// message in front of a hole may never be found.
func (q *queue) minimum(lowest int64) int64 {
	if q.minKnown && q.minPhys >= lowest {
		return q.min
	}
	q.minKnown = true
	if len(q.entries) == 0 {
		q.min, q.minPhys = q.max(), lowest
		return q.min
	}
	low, high := q.min, q.max()-1
	found := high
	for low <= high {
		mid := low + (high-low)/2
		r := q.at(mid)
		if r == nil || r.phys < lowest {
			low = mid + 1
			continue
		}
		found, high = mid, mid-1
	}
	q.min, q.minPhys = found, lowest
	if r := q.at(found); r != nil {
		q.minPhys = r.phys
	}
	return q.min
}
