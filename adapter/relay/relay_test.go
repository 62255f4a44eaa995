package relay

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/prometheus/client_golang/prometheus/testutil"

	"lmqgate/meta/message"
)

// world is a RocketMQ topic with queues, a lease, and what was published.
type world struct {
	mu        sync.Mutex // protects all below
	queues    map[message.Place][]Record
	position  map[message.Place]int64
	owner     string
	until     time.Time
	published []string
	fail      func(m *message.Message) error // nil: none
	away      bool                           // neither log nor lease answers
}

var errAway = errors.New("away")

func newWorld() *world {
	return &world{queues: map[message.Place][]Record{}, position: map[message.Place]int64{}}
}

func at(n int) message.Place { return message.Place{Topic: "orders", Broker: "a", Queue: n} }

// add stores messages in a queue.
func (w *world) add(queue int, bodies ...string) {
	w.mu.Lock()
	defer w.mu.Unlock()
	for _, b := range bodies {
		w.queues[at(queue)] = append(w.queues[at(queue)], record(b, "TAGS", "t"))
	}
}

func (w *world) Queues(context.Context, string) (list []message.Place, _ error) {
	w.mu.Lock()
	defer w.mu.Unlock()
	if w.away {
		return nil, errAway
	}
	for q := range w.queues {
		list = append(list, q)
	}
	return list, nil
}

func (w *world) Read(ctx context.Context, q message.Place, offset int64) (Page, error) {
	for {
		w.mu.Lock()
		all, away := w.queues[q], w.away
		w.mu.Unlock()
		if away {
			return Page{}, errAway
		}
		if n := int64(len(all)); offset < n {
			next := min(offset+3, n)
			return Page{Records: all[offset:next], Next: next, Max: n}, nil
		}
		select {
		case <-ctx.Done():
			return Page{}, ctx.Err()
		case <-time.After(100 * time.Millisecond):
		}
	}
}

func (w *world) End(_ context.Context, q message.Place) (int64, error) {
	w.mu.Lock()
	defer w.mu.Unlock()
	return int64(len(w.queues[q])), nil
}

func (w *world) Position(_ context.Context, group string, q message.Place) (int64, bool, error) {
	w.mu.Lock()
	defer w.mu.Unlock()
	offset, ok := w.position[q]
	if w.away || group != Group {
		return 0, false, errAway
	}
	return offset, ok, nil
}

func (w *world) Commit(_ context.Context, _ string, q message.Place, offset int64) error {
	w.mu.Lock()
	defer w.mu.Unlock()
	if w.away {
		return errAway
	}
	w.position[q] = offset
	return nil
}

func (w *world) Lease(_ context.Context, _, owner string, ttl time.Duration) (bool, error) {
	w.mu.Lock()
	defer w.mu.Unlock()
	if w.away {
		return false, errAway
	}
	if w.owner != "" && w.owner != owner && time.Now().Before(w.until) {
		return false, nil
	}
	if ttl == 0 {
		w.owner = ""
		return false, nil
	}
	w.owner, w.until = owner, time.Now().Add(ttl)
	return true, nil
}

func (w *world) NewLane() message.Lane { return w }

// Publish answers a moment later.
func (w *world) Publish(p *message.Publication) {
	w.mu.Lock()
	defer w.mu.Unlock()
	err := error(nil)
	if w.fail != nil {
		err = w.fail(p.Message)
	}
	if err == nil {
		w.published = append(w.published, string(p.Message.Payload))
	}
	go func() {
		time.Sleep(time.Millisecond)
		p.Done(message.Result{}, err)
	}()
}

func (w *world) got() []string {
	w.mu.Lock()
	defer w.mu.Unlock()
	return slices.Clone(w.published)
}

func (w *world) set(change func()) {
	w.mu.Lock()
	defer w.mu.Unlock()
	change()
}

// runs starts an instance; what it returns ends it.
func (w *world) runs(name string, beginning bool) (r *Relay, end func()) {
	rule, err := ParseRule("orders")
	if err != nil {
		panic(err)
	}
	r = New(w, w, w, Config{Rules: []Rule{rule}, Beginning: beginning, Instance: name})
	ctx, cancel := context.WithCancel(context.Background())
	over := make(chan struct{})
	go func() { defer close(over); r.Run(ctx) }()
	return r, func() { cancel(); <-over }
}

func expect(t *testing.T, want, got []string) {
	t.Helper()
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("published (-want +got)\n%s", diff)
	}
}

// TestRelays: from the end on, or from the beginning, in order; another instance goes on where one ended.
func TestRelays(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newWorld()
		w.add(0, "old")
		_, end := w.runs("one", false)
		time.Sleep(time.Second)
		w.add(0, "1", "2", "3", "4")
		time.Sleep(time.Second)
		expect(t, []string{"1", "2", "3", "4"}, w.got())
		end()
		w.add(0, "5")
		r, end := w.runs("two", false) // the lease was given up
		defer end()
		time.Sleep(time.Second)
		expect(t, []string{"1", "2", "3", "4", "5"}, w.got())
		if n := testutil.ToFloat64(r.metrics.messages.WithLabelValues("orders", "relayed")); n != 1 {
			t.Errorf("%v relayed", n)
		}
	})
	synctest.Test(t, func(t *testing.T) {
		w := newWorld()
		w.add(0, "1", "2")
		_, end := w.runs("one", true)
		defer end()
		time.Sleep(time.Second)
		expect(t, []string{"1", "2"}, w.got())
		w.add(1, "3") // a new queue, that has no position
		time.Sleep(2 * leaseEvery)
		expect(t, []string{"1", "2", "3"}, w.got())
	})
}

// TestOneOwner: of two instances one relays; when it is gone without a word the other one takes over, and begins behind what
// was committed.
func TestOneOwner(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newWorld()
		w.set(func() { w.owner, w.until = "dead", time.Now().Add(leaseTime); w.position[at(0)] = 1 })
		w.add(0, "1", "2", "3")
		_, end := w.runs("one", false)
		defer end()
		_, other := w.runs("two", false)
		defer other()
		time.Sleep(leaseTime - time.Second)
		expect(t, nil, w.got())
		time.Sleep(leaseEvery + 2*time.Second)
		expect(t, []string{"2", "3"}, w.got())
		w.add(0, "4")
		time.Sleep(10 * leaseEvery)
		expect(t, []string{"2", "3", "4"}, w.got())
	})
}

// TestTrouble: what fails is published again in its order, what can never be published is left out, and nothing is committed
// before; while all is away nothing is lost.
func TestTrouble(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newWorld()
		w.add(0)
		w.queues[at(0)] = nil
		tries := 0
		w.fail = func(m *message.Message) error {
			switch string(m.Payload) {
			case "large":
				return fmt.Errorf("too large: %w", message.ErrRefused)
			case "2":
				if tries++; tries < 4 {
					return message.ErrUnavailable
				}
			}
			return nil
		}
		r, end := w.runs("one", true)
		time.Sleep(time.Second)
		w.add(0, "1", "2", "3", "large", "4")
		time.Sleep(200 * time.Millisecond)
		w.set(func() {
			if w.position[at(0)] != 0 {
				t.Errorf("committed %d", w.position[at(0)])
			}
		})
		time.Sleep(time.Minute)
		// 3 went out beside 2, which failed, so it is published again behind it
		got := w.got()
		if i, j := slices.Index(got, "2"), len(got)-1-slices.Index(reversed(got), "3"); i < 0 || i > j || got[len(got)-1] != "4" || slices.Contains(got, "large") {
			t.Errorf("published %q", got)
		}
		if n := testutil.ToFloat64(r.metrics.messages.WithLabelValues("orders", "refused")); n != 1 {
			t.Errorf("%v refused", n)
		}
		w.set(func() { w.away, w.published = true, nil })
		time.Sleep(time.Minute)
		w.add(0, "5")
		w.set(func() { w.away = false })
		time.Sleep(time.Minute)
		expect(t, []string{"5"}, w.got())
		end()
		if w.owner != "" {
			t.Error("the lease was kept")
		}
	})
}

func reversed(list []string) []string {
	list = slices.Clone(list)
	slices.Reverse(list)
	return list
}

// TestLostLease: an instance that cannot prolong its lease stops before it ends.
func TestLostLease(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newWorld()
		w.add(0, "1")
		_, end := w.runs("one", true)
		defer end()
		time.Sleep(time.Second)
		w.set(func() { w.owner, w.until = "two", time.Now().Add(time.Hour) })
		time.Sleep(leaseEvery)
		w.add(0, "2")
		time.Sleep(10 * time.Minute)
		expect(t, []string{"1"}, w.got())
	})
}
