package minimq

import (
	"sync"
	"time"

	"lmqgate/adapter/rocketmq/remoting"
	"lmqgate/infra/minimq/store"
)

// queueName names a queue of one broker.
type queueName struct {
	topic string
	id    int32
}

// heldPull is a pull that waits for a message.
type heldPull struct {
	c      *conn
	req    *remoting.Command
	h      pullHeader
	filter filter
	until  time.Time
}

// holdTable keeps the pulls that found nothing. They cost no goroutine: a new
// index entry wakes those of its queue, and one timer looks at all of them every
// HoldCheck, as RocketMQ's PullRequestHoldService does.
type holdTable struct {
	b *Broker

	mu   sync.Mutex // protects all below
	m    map[queueName][]*heldPull
	tick *alarm
}

func newHoldTable(b *Broker) *holdTable {
	return &holdTable{b: b, m: map[queueName][]*heldPull{}}
}

// add holds p. A message that was indexed between p's read and now wakes it.
func (t *holdTable) add(p *heldPull) {
	k := queueName{p.h.topic, p.h.queue}
	p.until = t.b.cfg.Now().Add(time.Duration(min(max(p.h.suspend, 0), int64(time.Hour/time.Millisecond))) * time.Millisecond)
	t.mu.Lock()
	t.m[k] = append(t.m[k], p)
	if t.tick == nil {
		t.tick = t.b.timers.add(t.b.cfg.Now().Add(t.b.cfg.HoldCheck), t.check)
	}
	t.mu.Unlock()
	if max := t.b.store.MaxOffset(p.h.topic, p.h.queue); max > p.h.offset && !t.b.faults.wakeupsLost() {
		t.wake(k, max, nil)
	}
}

// arrived wakes the pulls of a queue that match a new message.
func (t *holdTable) arrived(a store.Arrival) {
	t.wake(queueName{a.Topic, a.QueueID}, a.Max, &a.TagsCode)
}

// wake answers those held pulls of k that have something to read, or whose time
// is over. tags is the hash of the new message's tags; nil: whatever it is.
func (t *holdTable) wake(k queueName, newest int64, tags *int64) {
	t.mu.Lock()
	held := t.m[k]
	if len(held) == 0 {
		t.mu.Unlock()
		return
	}
	delete(t.m, k)
	t.mu.Unlock()

	now := t.b.cfg.Now()
	var keep []*heldPull
	for _, p := range held {
		if newest <= p.h.offset {
			newest = t.b.store.MaxOffset(k.topic, k.id)
		}
		hit := newest > p.h.offset && (tags == nil || p.filter.match(*tags))
		switch {
		case !p.c.alive():
		case hit || !now.Before(p.until):
			t.b.faults.release(p.c, p.req, t.b.read(p))
		default:
			keep = append(keep, p)
		}
	}
	if len(keep) > 0 {
		t.mu.Lock()
		t.m[k] = append(keep, t.m[k]...)
		t.mu.Unlock()
	}
}

// check looks at all held pulls.
func (t *holdTable) check() {
	t.mu.Lock()
	t.tick = nil
	keys := make([]queueName, 0, len(t.m))
	for k := range t.m {
		keys = append(keys, k)
	}
	t.mu.Unlock()
	for _, k := range keys {
		t.wake(k, t.b.store.MaxOffset(k.topic, k.id), nil)
	}
	t.mu.Lock()
	if len(t.m) > 0 && t.tick == nil {
		t.tick = t.b.timers.add(t.b.cfg.Now().Add(t.b.cfg.HoldCheck), t.check)
	}
	t.mu.Unlock()
}

// clear forgets all pulls; their connections are gone.
func (t *holdTable) clear() {
	t.mu.Lock()
	defer t.mu.Unlock()
	clear(t.m)
}

// len is the number of held pulls.
func (t *holdTable) len() int {
	t.mu.Lock()
	defer t.mu.Unlock()
	n := 0
	for _, held := range t.m {
		n += len(held)
	}
	return n
}

func (t *holdTable) has(k queueName) bool {
	t.mu.Lock()
	defer t.mu.Unlock()
	return len(t.m[k]) > 0
}
