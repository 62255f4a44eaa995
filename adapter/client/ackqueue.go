package client

import (
	"sync"

	"lmqgate/adapter/packet"
)

// ackQueue lets acknowledgements out in the order of their packets, whatever order they are ready in.
type ackQueue struct {
	mu    sync.Mutex
	slots []packet.Packet // nil: not ready
	first uint64          // number of slots[0]
}

// reserve takes the next place and returns its number.
func (q *ackQueue) reserve() uint64 {
	q.mu.Lock()
	defer q.mu.Unlock()
	q.slots = append(q.slots, nil)
	return q.first + uint64(len(q.slots)) - 1
}

// fill puts an acknowledgement into its place and sends all that are not held up by an earlier one.
func (q *ackQueue) fill(slot uint64, p packet.Packet, send func(packet.Packet)) {
	q.mu.Lock()
	defer q.mu.Unlock()
	q.slots[slot-q.first] = p
	n := 0
	for n < len(q.slots) && q.slots[n] != nil {
		send(q.slots[n])
		n++
	}
	if n == len(q.slots) {
		q.slots = q.slots[:0]
		if cap(q.slots) > 64 {
			q.slots = nil
		}
	} else if n > 0 {
		q.slots = append(q.slots[:0], q.slots[n:]...)
	}
	q.first += uint64(n)
}
