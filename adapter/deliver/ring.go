package deliver

// push appends a batch and trims the ring to its bounds. Called under q.mu.
func (q *queue) push(b Batch) {
	for _, e := range b.Entries {
		if e.Offset < q.to {
			continue // a probe and the held pull answered with the same
		}
		q.ring = append(q.ring, e)
		q.to, q.last = e.Offset+1, mark{key: e.Key}
		n := size(e)
		q.bytes += n
		q.hub.ringBytes.Add(int64(n))
	}
	if b.Next > q.to {
		q.to, q.last = b.Next, mark{}
	}
	keep := q.hub.cfg.RingMessages
	if over := q.hub.ringBytes.Load() - q.hub.cfg.TotalBytes; over > q.hub.cfg.TotalBytes {
		keep = 0 // too many queues lag: each cursor reads for itself, which is bounded
	} else if over > 0 {
		keep = min(keep, max(len(b.Entries), 1))
	}
	q.drop(keep)
}

// drop trims the ring to at most keep messages and its byte bound, one message excepted. Called under q.mu. Readers may
// still hold the old slice, so it is never overwritten.
func (q *queue) drop(keep int) {
	n := 0
	freed := 0
	for n < len(q.ring) && (len(q.ring)-n > keep || (q.bytes-freed > q.hub.cfg.RingBytes && len(q.ring)-n > 1)) {
		freed += size(q.ring[n])
		n++
	}
	if n == 0 {
		return
	}
	q.from = q.ring[n-1].Offset + 1
	q.bytes -= freed
	q.hub.ringBytes.Add(-int64(freed))
	if n == len(q.ring) {
		q.ring, q.from = nil, q.to
		return
	}
	q.ring = append(make([]*Entry, 0, max(2*(len(q.ring)-n), 8)), q.ring[n:]...)
}

// size is what an entry costs in memory, about: its template repeats topic and payload.
func size(e *Entry) int {
	n := 512 + len(e.Dispatch) + len(e.Offsets)
	if e.Message != nil {
		n += 2 * (len(e.Message.Payload) + len(e.Message.Topic))
	}
	return n
}
