package registry

import (
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"slices"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"lmqgate/meta/topic"
)

// model is what clients know of each filter from the calls they have made.
type model struct {
	mu      sync.Mutex
	filters map[string]*known
}

type known struct {
	held    int       // Holds that have returned less Releases that have begun: held for certain if positive
	maybe   int       // Holds that have begun less Releases that have returned: not held for certain if 0
	changes int       // times that certainty was lost
	freed   time.Time // when maybe became 0
}

// TestPromise lets clients hold and release filters at one instance and publish at another, with random delays: a filter
// that was held before the match was asked for and after is found; one that was not is not. The exact filter may be
// found for as long as it is cached.
func TestPromise(t *testing.T) {
	for seed := range uint64(20) {
		t.Run(fmt.Sprint(seed), func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) { promise(t, seed) })
		})
	}
}

func promise(t *testing.T, seed uint64) {
	const ttl = 50 * ms
	s := newFakeStore()
	var random sync.Mutex
	source := rand.New(rand.NewPCG(seed, 7))
	draw := func(n int) int {
		random.Lock()
		defer random.Unlock()
		return source.IntN(n)
	}
	s.delay = func() time.Duration { return time.Duration(draw(3000)) * time.Microsecond }
	var instances []*Matcher
	for range 3 {
		instances = append(instances, start(t, s, Config{ExactTTL: ttl, MaxCached: 3, MaxExact: 2}))
	}
	filters := []string{"a/b", "a/+", "+/b", "#", "a/#", "b", "+", "$x/+", "$x/b", "a/b/", "+/+/+"}
	topics := []string{"a/b", "a", "b", "$x/b", "a/b/", "a/c"}
	w := &model{filters: map[string]*known{}}
	for _, f := range filters {
		w.filters[f] = &known{}
	}

	var clients sync.WaitGroup
	for c := range 6 {
		clients.Go(func() {
			for range 60 {
				w.subscribeAndRelease(t, s, Hold{Filter: filters[draw(len(filters))], ClientID: fmt.Sprint("c", c)}, draw)
			}
		})
	}
	for range 6 {
		clients.Go(func() {
			for range 150 {
				w.publish(t, instances[draw(len(instances))], topics[draw(len(topics))], ttl)
				time.Sleep(time.Duration(draw(2000)) * time.Microsecond)
			}
		})
	}
	clients.Go(func() { // the log does not always reach back
		for range 50 {
			time.Sleep(time.Duration(draw(10)) * ms)
			s.trim(0)
		}
	})
	clients.Wait()
}

func (w *model) subscribeAndRelease(t *testing.T, s Store, h Hold, draw func(int) int) {
	w.count(h.Filter, 0, 1)
	if err := s.Hold(t.Context(), []Hold{h}); err != nil {
		t.Error(err)
	}
	w.count(h.Filter, 1, 0)
	time.Sleep(time.Duration(draw(5000)) * time.Microsecond)
	w.count(h.Filter, -1, 0)
	if err := s.Release(t.Context(), []Hold{h}); err != nil {
		t.Error(err)
	}
	w.count(h.Filter, 0, -1)
}

func (w *model) count(filter string, held, maybe int) {
	w.mu.Lock()
	defer w.mu.Unlock()
	k := w.filters[filter]
	if held < 0 && k.held == 1 || maybe > 0 && k.maybe == 0 {
		k.changes++
	}
	k.held += held
	k.maybe += maybe
	if k.maybe == 0 {
		k.freed = time.Now()
	}
}

func (w *model) snapshot() map[string]known {
	w.mu.Lock()
	defer w.mu.Unlock()
	all := make(map[string]known)
	for f, k := range w.filters {
		all[f] = *k
	}
	return all
}

func (w *model) publish(t *testing.T, m *Matcher, name string, ttl time.Duration) {
	begin, before := time.Now(), w.snapshot()
	got, err := m.MatchWait(t.Context(), name)
	if err != nil {
		t.Errorf("match %q: %v", name, err)
		return
	}
	if len(slices.Compact(slices.Sorted(slices.Values(got)))) != len(got) {
		t.Errorf("match %q: %q repeats a filter", name, got)
	}
	for f, k := range w.snapshot() {
		b, found := before[f], slices.Contains(got, f)
		certain := b.changes == k.changes
		switch {
		case !topic.Match(f, name):
			if found {
				t.Errorf("match %q: %q has %q", name, got, f)
			}
		case certain && b.held > 0 && !found:
			t.Errorf("match %q: %q lacks %q", name, got, f)
		case certain && b.maybe == 0 && found && (f != name || begin.Sub(b.freed) > ttl):
			t.Errorf("match %q: %q has %q, which nobody holds", name, got, f)
		}
	}
}

// Without the check before the answer the promise does not hold: this is what the promise rests on.
func TestStaleBreaksThePromise(t *testing.T) {
	for _, stale := range []bool{false, true} {
		synctest.Test(t, func(t *testing.T) {
			s := newFakeStore()
			publisher := start(t, s, Config{Stale: stale})
			match(t, publisher, "a/b")
			for _, filter := range []string{"a/+", "a/b"} {
				if err := s.Hold(t.Context(), []Hold{{Filter: filter, ClientID: "c"}}); err != nil {
					t.Fatal(err)
				}
				if found := slices.Contains(match(t, publisher, "a/b"), filter); found == stale {
					t.Errorf("stale %v: %q found: %v", stale, filter, found)
				}
			}
		})
	}
}

func TestReloadWhenLogIsTrimmed(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := newFakeStore("old/#", "both/#")
		m := start(t, s, Config{OnRollback: func() { t.Error("a trimmed log is not a rollback") }})
		wantMatch(t, m, "old/x", "old/#")
		s.release("old/#", "c")
		s.hold("new/#", "c")
		s.trim(0)
		s.failing = 1
		wantMatch(t, m, "old/x")
		wantMatch(t, m, "new/x", "new/#")
		wantMatch(t, m, "both/x", "both/#")
	})
}

func TestRollback(t *testing.T) {
	for name, after := range map[string]func(*fakeStore){
		"to a lower version":              func(*fakeStore) {},
		"then on to our version":          func(s *fakeStore) { s.hold("x/#", "c"); s.hold("y/#", "c") },
		"then on beyond our version":      func(s *fakeStore) { s.hold("x/#", "c"); s.hold("y/#", "c"); s.hold("z/#", "c") },
		"to nothing at all":               func(s *fakeStore) { s.holders, s.log, s.first = map[string]map[string]bool{}, nil, 1 },
		"with a snapshot failing at once": func(s *fakeStore) { s.failing = 2 },
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				s := newFakeStore("kept/#")
				restore := s.backup()
				s.hold("lost/#", "c")
				s.hold("more/#", "c")
				rollbacks := 0
				m := start(t, s, Config{OnRollback: func() { rollbacks++ }})
				wantMatch(t, m, "lost/x", "lost/#")
				restore()
				after(s)
				wantMatch(t, m, "lost/x")
				if name != "to nothing at all" {
					wantMatch(t, m, "kept/x", "kept/#")
				}
				if rollbacks != 1 {
					t.Errorf("OnRollback was called %d times", rollbacks)
				}
				s.hold("lost/#", "c") // re-asserted
				wantMatch(t, m, "lost/x", "lost/#")
				if rollbacks != 1 {
					t.Errorf("OnRollback was called %d times", rollbacks)
				}
			})
		})
	}
}

// An instance that only subscribes must notice as well, to re-assert its holdings.
func TestRollbackIsNoticedWithoutPublishes(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := newFakeStore("kept/#")
		restore := s.backup()
		s.hold("lost/#", "c")
		rollbacks := 0
		start(t, s, Config{Refresh: time.Second, OnRollback: func() { rollbacks++ }})
		time.Sleep(10 * time.Second)
		restore()
		time.Sleep(1100 * ms)
		synctest.Wait()
		if rollbacks != 1 {
			t.Errorf("OnRollback was called %d times", rollbacks)
		}
	})
}

// A first load that fails is repeated, and its waiting matches are answered by the one that succeeds.
func TestFirstLoadFails(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := newFakeStore("a/#")
		s.fail = errors.New("down")
		m := start(t, s, Config{OnRollback: func() { t.Error("nothing was seen that could be lost") }})
		time.AfterFunc(time.Second, func() { s.set(func() { s.fail, s.failing = nil, 1 }) })
		wantMatch(t, m, "a/b", "a/#")
	})
}

func TestCacheIsBounded(t *testing.T) {
	v := newView(time.Second, 10)
	v.load(Position{}, []string{"#"})
	for i := range 1000 {
		if got := v.matching(fmt.Sprint(i%37), false); len(got) != 1 {
			t.Fatal(got)
		}
		if n := len(v.recent) + len(v.old); n > 10 {
			t.Fatalf("%d topics are kept", n)
		}
	}
}

func TestHotTopicDoesNotAllocate(t *testing.T) {
	v := newView(time.Second, 10)
	v.load(Position{}, []string{"#", "a/+"})
	if n := testing.AllocsPerRun(100, func() { v.matching("a/b", true) }); n != 0 {
		t.Errorf("%v allocations", n)
	}
}

// suspicious takes the position of an instance that has loaded nothing yet for one that was lost.
type suspicious struct{ *fakeStore }

func (s suspicious) Check(ctx context.Context, pos Position, exact []string) (Update, []bool, error) {
	u, held, err := s.fakeStore.Check(ctx, pos, exact)
	u.RolledBack = pos == Position{}
	return u, held, err
}

func TestFirstLoadIsNoRollback(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		m := start(t, suspicious{newFakeStore("a/#")}, Config{OnRollback: func() { t.Error("nothing was lost") }})
		wantMatch(t, m, "a/b", "a/#")
	})
}
