package chaos

import (
	"context"
	"fmt"
	"math/rand/v2"
	"os"
	"strconv"
	"sync"
	"sync/atomic"
	"testing"
	"time"
)

// seed chooses what a fault does: LMQGATE_TEST_SEED, or else something new, which is logged.
func seed(t *testing.T) uint64 {
	t.Helper()
	n, err := strconv.ParseUint(os.Getenv("LMQGATE_TEST_SEED"), 10, 64)
	if err != nil {
		n = rand.Uint64()
	}
	t.Logf("LMQGATE_TEST_SEED=%d", n)
	return n
}

// withstands runs one fault while two publishers publish to two readers with sessions. Whatever was acknowledged
// to a publisher reaches both readers; with QoS 2 exactly once. Faults that may lose something by their nature must only end:
// publishing goes on, and what is published after the fault arrives.
func withstands(t *testing.T, f Fault) {
	t.Helper()
	t.Parallel()
	w := NewWorld(t, f.Needs.Options())
	w.OnEvent(func(name, detail string) { t.Logf("%s %s", name, detail) })
	limit, cancel := context.WithTimeout(context.Background(), 4*time.Minute)
	defer cancel()
	reading, stop := context.WithCancel(limit)
	var readers []*reader
	var work sync.WaitGroup
	defer work.Wait()
	defer stop()
	for n, filter := range []string{"chaos/+", "chaos/#"} {
		r := &reader{visitor: visitor{id: fmt.Sprintf("reader-%d", n), at: w.TCP(), filter: filter, attempts: n}, held: map[uint16]bool{}, got: map[string]int{}}
		if err := r.persist(limit, func() error { return nil }); err != nil {
			t.Fatal(err)
		}
		readers = append(readers, r)
		work.Go(func() { r.read(reading) })
	}

	var phase atomic.Int32 // 0 before, 1 during, 2 after the fault
	var sent [3][3][]string
	var mu sync.Mutex // protects sent
	var publishing sync.WaitGroup
	begun := make(chan struct{}, 2)
	for n := range 2 {
		publishing.Go(func() {
			v := &visitor{id: fmt.Sprintf("publisher-%d", n), at: w.TCP(), attempts: n}
			defer v.leave()
			after := 0
			for m := 0; after < 20; m++ {
				at, qos := phase.Load(), byte(1+m%2)
				payload := fmt.Sprintf("%d %d q%d", n, m, qos)
				if err := v.publish(limit, fmt.Sprintf("chaos/%d", n), qos, uint16(1+m%5000), payload); err != nil {
					t.Errorf("%s: %v", payload, err)
					return
				}
				mu.Lock()
				sent[at][qos] = append(sent[at][qos], payload)
				mu.Unlock()
				if m == 20 {
					begun <- struct{}{}
				}
				if at == 2 {
					after++
				}
				rest(limit, 2*time.Millisecond)
			}
		})
	}
	for range 2 {
		select {
		case <-begun:
		case <-limit.Done():
			t.Fatal("publishing does not begin")
		}
	}
	phase.Store(1)
	s := seed(t)
	if err := f.Run(limit, w, rand.New(rand.NewPCG(s, 0))); err != nil {
		t.Errorf("%s: %v", f.Name, err)
	}
	phase.Store(2)
	publishing.Wait()
	total := 0
	for at := range sent {
		if len(f.Loses) > 0 && at < 2 && f.Needs.Redis == Replica {
			continue
		}
		for qos, list := range sent[at] {
			total += len(list)
			for _, r := range readers {
				expect(limit, t, r, qos, list)
			}
		}
	}
	if f.Needs.Redis != Replica || len(f.Loses) == 0 {
		for _, r := range readers {
			if r.sessions != 1 {
				t.Errorf("%s: its session began %d times", r.id, r.sessions)
			}
		}
	}
	t.Logf("%d messages, %d of them during the fault", total, len(sent[1][1])+len(sent[1][2]))
}

// expect waits until a reader has all of list, with QoS 2 each once.
func expect(ctx context.Context, t *testing.T, r *reader, qos int, list []string) {
	t.Helper()
	for _, payload := range list {
		err := eventually(ctx, func() error {
			if r.count(payload) == 0 {
				return fmt.Errorf("%s has not got %q", r.id, payload)
			}
			return nil
		})
		if err != nil {
			t.Error(err)
			return
		}
		if n := r.count(payload); qos == 2 && n != 1 {
			t.Errorf("%s got %q %d times", r.id, payload, n)
		}
	}
}

// TestFault runs every fault in the smallest world that it needs. Those that take long are run with CHAOS=1 only.
func TestFault(t *testing.T) {
	seen := map[string]bool{}
	for _, f := range Faults() {
		if seen[f.Name] {
			t.Errorf("two faults are called %q", f.Name)
		}
		seen[f.Name] = true
		if f.Slow && os.Getenv("CHAOS") != "1" {
			t.Logf("left out without CHAOS=1: %s", f.Name)
			continue
		}
		t.Run(f.Name, func(t *testing.T) { withstands(t, f) })
	}
}
