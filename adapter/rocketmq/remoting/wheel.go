package remoting

import "time"

const (
	// wheelTick is how exact the timeouts of requests are.
	wheelTick  = 100 * time.Millisecond
	wheelSlots = 512
)

// wheel keeps the timeouts of all requests of a Conn: a ring of lists, one per
// tick. It has no lock of its own.
type wheel struct {
	slots [wheelSlots]*call
	ticks int64 // slots passed since started
	began time.Time
}

// add puts k where it is due in timeout, rounded up.
func (w *wheel) add(k *call, timeout time.Duration) {
	n := int64(timeout/wheelTick) + 1
	k.due = w.ticks + n
	head := &w.slots[k.due%wheelSlots]
	k.next = *head
	if k.next != nil {
		k.next.prev = k
	}
	k.prev, *head = nil, k
}

// remove takes out k, which was added.
func (w *wheel) remove(k *call) {
	if k.prev != nil {
		k.prev.next = k.next
	} else {
		w.slots[k.due%wheelSlots] = k.next
	}
	if k.next != nil {
		k.next.prev = k.prev
	}
	k.prev, k.next = nil, nil
}

// advance moves to now and returns the calls that became due, removed. After a
// long pause no slot is walked twice.
func (w *wheel) advance(now time.Time) []*call {
	target := int64(now.Sub(w.began) / wheelTick)
	first := w.ticks + 1
	if target-first >= wheelSlots {
		first = target - wheelSlots + 1
	}
	w.ticks = max(w.ticks, target)
	var due []*call
	for t := first; t <= target; t++ {
		for k := w.slots[t%wheelSlots]; k != nil; {
			next := k.next
			if k.due <= target {
				w.remove(k)
				due = append(due, k)
			}
			k = next
		}
	}
	return due
}
