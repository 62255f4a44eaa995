package deliver

import (
	"context"
	"errors"
	"fmt"
	"math"
	"math/rand/v2"
	"slices"
	"sort"
	"strings"
	"sync"
	"time"

	"lmqgate/meta/message"
)

// fakeLog is a cluster of brokers in memory. An index lags behind what is stored, watches behave as those of
// adapter/rocketmq, and the faults of the reference can be had by calling for them.
type fakeLog struct {
	mu      sync.Mutex // protects everything, the brokers included
	cond    *sync.Cond // something that a watch may wait for has changed
	brokers map[string]*fakeBroker
	known   []string
	lag     time.Duration
	flaky   func() bool // whether a pull is to fail; nil: none is
	pulls   int
	watches int // open ones
}

type fakeBroker struct {
	down   bool
	boot   uint64
	queues map[string]*fakeQueue
	stored []string // UNIQ_KEYs in the order of the log
}

// fakeQueue holds the entries from base on; those of the last moments are not visible yet.
type fakeQueue struct {
	base    int64
	entries []*Entry
	visible []time.Time
}

func newFakeLog(brokers ...string) *fakeLog {
	l := &fakeLog{brokers: map[string]*fakeBroker{}, lag: time.Millisecond}
	l.cond = sync.NewCond(&l.mu)
	for _, b := range brokers {
		l.appear(b)
	}
	return l
}

// appear makes a broker known.
func (l *fakeLog) appear(name string) {
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.brokers[name] == nil {
		l.brokers[name] = &fakeBroker{queues: map[string]*fakeQueue{}}
	}
	if !slices.Contains(l.known, name) {
		l.known = append(l.known, name)
	}
}

func (l *fakeLog) setDown(name string, down bool) {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.brokers[name].down = down
	l.cond.Broadcast()
}

// add stores one message, in parts if lists has several.
func (l *fakeLog) add(broker string, m *message.Message, lists ...[]string) {
	l.mu.Lock()
	defer l.mu.Unlock()
	b := l.brokers[broker]
	now := time.Now()
	b.stored = append(b.stored, m.Key)
	for _, lmqs := range lists {
		var offsets []string
		for _, lmq := range lmqs {
			q := b.queue(lmq)
			offsets = append(offsets, fmt.Sprint(q.base+int64(len(q.entries))))
		}
		for _, lmq := range lmqs {
			q := b.queue(lmq)
			q.entries = append(q.entries, &Entry{
				Offset: q.base + int64(len(q.entries)), Key: m.Key, StoreMillis: now.UnixMilli(), Message: m,
				Dispatch: strings.Join(lmqs, ","), Offsets: strings.Join(offsets, ","), Part: len(lists) > 1,
			})
			q.visible = append(q.visible, now.Add(l.lag))
		}
	}
	if l.lag == 0 {
		l.cond.Broadcast()
		return
	}
	time.AfterFunc(l.lag, l.cond.Broadcast)
}

func (b *fakeBroker) queue(lmq string) *fakeQueue {
	q := b.queues[lmq]
	if q == nil {
		q = &fakeQueue{}
		b.queues[lmq] = q
	}
	return q
}

func (q *fakeQueue) max() int64 {
	now := time.Now()
	return q.base + int64(sort.Search(len(q.visible), func(i int) bool { return q.visible[i].After(now) }))
}

// bounds returns the lowest offset of a queue and the one behind its end.
func (l *fakeLog) bounds(broker, lmq string) (lo, hi int64) {
	l.mu.Lock()
	defer l.mu.Unlock()
	q := l.brokers[broker].queue(lmq)
	return q.base, q.base + int64(len(q.entries))
}

// expire removes the first n messages of a queue, as retention does.
func (l *fakeLog) expire(broker, lmq string, n int) {
	l.mu.Lock()
	defer l.mu.Unlock()
	q := l.brokers[broker].queue(lmq)
	n = min(n, len(q.entries))
	q.base += int64(n)
	q.entries, q.visible = q.entries[n:], q.visible[n:]
	l.cond.Broadcast()
}

// rollBack removes the last n messages of a broker from all queues, as a failover to a lagging replica does. It returns
// their keys.
func (l *fakeLog) rollBack(broker string, n int) map[string]bool {
	l.mu.Lock()
	defer l.mu.Unlock()
	b := l.brokers[broker]
	keep := len(b.stored) - min(n, len(b.stored))
	lost := map[string]bool{}
	for _, k := range b.stored[keep:] {
		lost[k] = true
	}
	b.stored = b.stored[:keep]
	b.boot++
	for _, q := range b.queues {
		n := len(q.entries)
		for n > 0 && lost[q.entries[n-1].Key] {
			n--
		}
		q.entries, q.visible = q.entries[:n:n], q.visible[:n:n]
	}
	l.cond.Broadcast()
	return lost
}

// renumber restarts a queue at offset 0 with its last keep messages.
func (l *fakeLog) renumber(broker, lmq string, keep int) {
	l.mu.Lock()
	defer l.mu.Unlock()
	q := l.brokers[broker].queue(lmq)
	old := q.entries[max(0, len(q.entries)-keep):]
	*q = fakeQueue{}
	for i, e := range old {
		q.entries = append(q.entries, &Entry{
			Offset: int64(i), Key: e.Key, StoreMillis: e.StoreMillis, Message: e.Message,
			Dispatch: lmq, Offsets: fmt.Sprint(i), Part: e.Part,
		})
		q.visible = append(q.visible, time.Now())
	}
	l.cond.Broadcast()
}

func (l *fakeLog) Brokers() []string {
	l.mu.Lock()
	defer l.mu.Unlock()
	return slices.Clone(l.known)
}

func (l *fakeLog) MaxOffsets(ctx context.Context, broker string, lmqs []string) ([]int64, error) {
	if l.isDown(broker) {
		<-ctx.Done()
		return nil, ctx.Err()
	}
	l.mu.Lock()
	defer l.mu.Unlock()
	ends := make([]int64, len(lmqs))
	for i, lmq := range lmqs {
		ends[i] = l.brokers[broker].queue(lmq).max()
	}
	return ends, nil
}

func (l *fakeLog) Boot(broker string) uint64 {
	l.mu.Lock()
	defer l.mu.Unlock()
	if b := l.brokers[broker]; b != nil {
		return b.boot
	}
	return 0
}

func (l *fakeLog) isDown(broker string) bool {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.brokers[broker] == nil || l.brokers[broker].down
}

func (l *fakeLog) Pull(ctx context.Context, r Ref, offset int64, limit int) (Batch, error) {
	if l.isDown(r.Broker) {
		<-ctx.Done()
		return Batch{}, ctx.Err()
	}
	l.mu.Lock()
	l.pulls++
	fail := l.flaky != nil && l.flaky()
	l.mu.Unlock()
	time.Sleep(time.Millisecond / 2)
	if fail {
		return Batch{}, errors.New("pull failed")
	}
	l.mu.Lock()
	defer l.mu.Unlock()
	b := l.brokers[r.Broker].queue(r.LMQ).read(offset, limit)
	b.Boot = l.brokers[r.Broker].boot
	return b, nil
}

// read answers as a broker does: 21 outside of the bounds, 19 at the end.
func (q *fakeQueue) read(offset int64, limit int) Batch {
	b := Batch{Min: q.base, Max: q.max(), Next: offset}
	switch {
	case b.Max == 0 && offset == 0 || offset == b.Max:
	case offset < b.Min || offset > b.Max:
		b.Moved, b.Next = true, b.Min
	default:
		at := offset - q.base
		n := min(int64(limit), b.Max-offset)
		b.Entries = q.entries[at : at+n : at+n]
		b.Next = offset + n
	}
	return b
}

// fakeWatch calls fn as adapter/rocketmq does: one call at a time, false pauses, and a Resume during the call wins.
type fakeWatch struct {
	l      *fakeLog
	r      Ref
	fn     func(Batch) bool
	offset int64
	gen    int
	boot   uint64
	paused bool
	closed bool
}

func (l *fakeLog) Watch(r Ref, offset int64, fn func(Batch) bool) Watch {
	w := &fakeWatch{l: l, r: r, fn: fn, offset: offset, boot: math.MaxUint64}
	l.mu.Lock()
	l.watches++
	l.mu.Unlock()
	go w.run()
	return w
}

func (w *fakeWatch) run() {
	l := w.l
	l.mu.Lock()
	defer l.mu.Unlock()
	for !w.closed {
		var b Batch
		if !w.paused && !l.brokers[w.r.Broker].down {
			b = l.brokers[w.r.Broker].queue(w.r.LMQ).read(w.offset, 32)
			b.Boot = l.brokers[w.r.Broker].boot
		}
		if w.paused || l.brokers[w.r.Broker].down || !b.Moved && len(b.Entries) == 0 && b.Boot == w.boot {
			l.cond.Wait()
			continue
		}
		gen := w.gen
		w.boot = b.Boot
		l.mu.Unlock()
		time.Sleep(time.Duration(rand.N(300)) * time.Microsecond)
		more := w.fn(b)
		l.mu.Lock()
		if w.gen == gen {
			w.offset, w.paused = b.Next, !more
		}
	}
	l.watches--
}

func (w *fakeWatch) Resume(offset int64) {
	w.l.mu.Lock()
	defer w.l.mu.Unlock()
	w.gen++
	w.offset, w.paused = offset, false
	w.l.cond.Broadcast()
}

func (w *fakeWatch) Close() {
	w.l.mu.Lock()
	defer w.l.mu.Unlock()
	w.closed = true
	w.gen++
	w.l.cond.Broadcast()
}

// pulled is how many pulls were made.
func (l *fakeLog) pulled() int {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.pulls
}
