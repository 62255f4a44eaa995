package minimq

import (
	"sort"
	"strings"
	"sync"
	"time"

	"lmqgate/adapter/rocketmq/remoting"
	"lmqgate/infra/minimq/store"
)

// popWaiter is a POP, waiting or being served.
type popWaiter struct {
	c       *conn
	req     *remoting.Command
	h       popHeader
	filter  filter
	expires time.Time
	alarm   *alarm
}

// popKey is where a POP waits: queue -1 is all queues of the topic.
type popKey struct {
	topic, group string
	queue        int32
}

// popTable holds the POPs that wait for messages and the checkpoints of what was
// handed out.
type popTable struct {
	b *Broker

	mu      sync.Mutex // protects all below
	waits   map[popKey][]*popWaiter
	waiting int
	groups  map[string]map[string]struct{} // topic -> groups that ever waited
	checks  map[checkKey]*checkpoint
	revived int64
}

func newPopTable(b *Broker) *popTable {
	return &popTable{
		b: b, waits: map[popKey][]*popWaiter{}, groups: map[string]map[string]struct{}{},
		checks: map[checkKey]*checkpoint{},
	}
}

// serve answers a POP, or lets it wait and returns nil.
func (t *popTable) serve(w *popWaiter) *remoting.Command {
	t.mu.Lock()
	out := t.take(w)
	for len(out.messages) == 0 && out.skipped && out.rest > 0 {
		out = t.take(w)
	}
	var code int32
	if len(out.messages) == 0 {
		code = t.wait(w)
	}
	t.mu.Unlock()
	if len(out.messages) > 0 && out.rest > 0 {
		t.wake(popKey{w.h.topic, w.h.group, w.h.queue}, nil)
	}
	if len(out.messages) == 0 && code == remoting.Success {
		return nil
	}
	resp := answerPop(w, out)
	resp.Code = code
	return resp
}

// wait adds w to those that wait, or returns the code of the refusal.
func (t *popTable) wait(w *popWaiter) int32 {
	if w.h.poll <= 0 {
		return remoting.PollingTimeout
	}
	if t.groups[w.h.topic] == nil {
		t.groups[w.h.topic] = map[string]struct{}{}
	}
	t.groups[w.h.topic][w.h.group] = struct{}{}
	k := popKey{w.h.topic, w.h.group, w.h.queue}
	switch list := t.waits[k]; {
	case t.waiting >= popWaitAll:
		return remoting.PollingFull
	case t.b.cfg.Now().After(w.expires.Add(-popEarly)):
		return remoting.PollingTimeout
	case len(list) > popWaitQueue:
		return remoting.PollingFull
	default:
		i := sort.Search(len(list), func(i int) bool { return list[i].expires.After(w.expires) })
		list = append(list, nil)
		copy(list[i+1:], list[i:])
		list[i] = w
		t.waits[k] = list
	}
	t.waiting++
	w.alarm = t.b.timers.add(w.expires.Add(-popEarly+time.Millisecond), func() { t.expire(k, w) })
	return remoting.Success
}

// expire serves a POP whose time is over once more.
func (t *popTable) expire(k popKey, w *popWaiter) {
	t.mu.Lock()
	found := t.remove(k, w)
	t.mu.Unlock()
	if found {
		t.again(w)
	}
}

func (t *popTable) remove(k popKey, w *popWaiter) bool {
	list := t.waits[k]
	for i, o := range list {
		if o != w {
			continue
		}
		list = append(list[:i], list[i+1:]...)
		if t.waits[k] = list; len(list) == 0 {
			delete(t.waits, k)
		}
		t.waiting--
		return true
	}
	return false
}

func (t *popTable) again(w *popWaiter) {
	if !w.c.alive() {
		return
	}
	if resp := t.serve(w); resp != nil {
		t.b.faults.release(w.c, w.req, resp)
	}
}

// wake serves the first POP that waits at k, if it wants a message with these
// tags; nil: any.
func (t *popTable) wake(k popKey, tags *int64) bool {
	t.mu.Lock()
	var w *popWaiter
	for list := t.waits[k]; len(list) > 0; list = t.waits[k] {
		first := list[0]
		if first.c.alive() && tags != nil && !first.filter.match(*tags) {
			break
		}
		t.remove(k, first)
		t.b.timers.remove(first.alarm)
		if first.c.alive() {
			w = first
			break
		}
	}
	t.mu.Unlock()
	if w == nil {
		return false
	}
	t.again(w)
	return true
}

// arrived wakes one POP of each group that waits for the message.
func (t *popTable) arrived(a store.Arrival) {
	if strings.HasPrefix(a.Topic, store.RetryPrefix) {
		topic, found := strings.CutPrefix(a.Topic, store.RetryPrefix+a.Group+"_")
		if a.Group == "" || !found {
			return
		}
		t.wake(popKey{topic, a.Group, -1}, nil)
		t.wake(popKey{topic, a.Group, a.QueueID}, nil)
		return
	}
	t.mu.Lock()
	var groups []string
	for g := range t.groups[a.Topic] {
		groups = append(groups, g)
	}
	t.mu.Unlock()
	for _, g := range groups {
		t.wake(popKey{a.Topic, g, -1}, &a.TagsCode)
		t.wake(popKey{a.Topic, g, a.QueueID}, &a.TagsCode)
	}
}

// has tells whether any POP waits for messages of a topic.
func (t *popTable) has(topic string) bool {
	t.mu.Lock()
	defer t.mu.Unlock()
	for k := range t.waits {
		if k.topic == topic {
			return true
		}
	}
	return false
}

// clear forgets the waiting POPs; their connections are gone.
func (t *popTable) clear() {
	t.mu.Lock()
	defer t.mu.Unlock()
	for _, list := range t.waits {
		for _, w := range list {
			t.b.timers.remove(w.alarm)
		}
	}
	clear(t.waits)
	t.waiting = 0
}
