package minimq

import (
	"container/heap"
	"sync"
	"time"
)

// timers calls functions at their times, all of them from one runtime timer that
// is armed only while something is due some day. Functions run one after the
// other and must not block.
type timers struct {
	now func() time.Time

	mu      sync.Mutex // protects all below
	due     dueHeap
	seq     uint64
	clock   *time.Timer
	running bool
	done    sync.WaitGroup // the armed or running clock
}

// alarm is one entry; index is its place in the heap, -1 once it is out.
type alarm struct {
	at    time.Time
	seq   uint64
	index int
	fn    func()
}

func newTimers(now func() time.Time) *timers { return &timers{now: now} }

// start lets alarms go off; those that became due meanwhile at once.
func (t *timers) start() {
	t.mu.Lock()
	defer t.mu.Unlock()
	t.running = true
	t.arm()
}

// stop keeps the entries but lets none go off, and waits for a running one.
func (t *timers) stop() {
	t.mu.Lock()
	t.running = false
	t.disarm()
	t.mu.Unlock()
	t.done.Wait()
}

// add has fn called at a time.
func (t *timers) add(at time.Time, fn func()) *alarm {
	t.mu.Lock()
	defer t.mu.Unlock()
	t.seq++
	a := &alarm{at: at, seq: t.seq, fn: fn}
	heap.Push(&t.due, a)
	if a.index == 0 {
		t.disarm()
		t.arm()
	}
	return a
}

// remove takes a out; it tells whether a had not gone off yet. The nil alarm
// has.
func (t *timers) remove(a *alarm) bool {
	t.mu.Lock()
	defer t.mu.Unlock()
	if a == nil || a.index < 0 {
		return false
	}
	heap.Remove(&t.due, a.index)
	if len(t.due) == 0 {
		t.disarm()
	}
	return true
}

func (t *timers) arm() {
	if !t.running || t.clock != nil || len(t.due) == 0 {
		return
	}
	t.done.Add(1)
	t.clock = time.AfterFunc(max(t.due[0].at.Sub(t.now()), 0), t.fire)
}

func (t *timers) disarm() {
	if t.clock != nil && t.clock.Stop() {
		t.done.Done()
		t.clock = nil
	}
}

func (t *timers) fire() {
	defer t.done.Done()
	t.mu.Lock()
	for t.running && len(t.due) > 0 && !t.due[0].at.After(t.now()) {
		a := heap.Pop(&t.due).(*alarm)
		t.mu.Unlock()
		a.fn()
		t.mu.Lock()
	}
	t.clock = nil
	t.arm()
	t.mu.Unlock()
}

type dueHeap []*alarm

func (h dueHeap) Len() int { return len(h) }

func (h dueHeap) Less(i, j int) bool {
	if h[i].at.Equal(h[j].at) {
		return h[i].seq < h[j].seq
	}
	return h[i].at.Before(h[j].at)
}

func (h dueHeap) Swap(i, j int) {
	h[i], h[j] = h[j], h[i]
	h[i].index, h[j].index = i, j
}

func (h *dueHeap) Push(x any) {
	a := x.(*alarm)
	a.index = len(*h)
	*h = append(*h, a)
}

func (h *dueHeap) Pop() any {
	old := *h
	a := old[len(old)-1]
	old[len(old)-1] = nil
	*h = old[:len(old)-1]
	a.index = -1
	return a
}
