package session_test

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"lmqgate/meta/session"
)

// script is a session.Store whose writes take a while and end as the test says.
type script struct {
	session.Store
	took time.Duration

	mu     sync.Mutex // protects the fields below
	writes [][]session.Change
	at     []time.Time
	fail   func(session.Change) error
}

func (s *script) Write(ctx context.Context, changes []session.Change) []error {
	errs := make([]error, len(changes))
	s.mu.Lock()
	s.writes, s.at = append(s.writes, changes), append(s.at, time.Now())
	for i, c := range changes {
		if s.fail != nil {
			errs[i] = s.fail(c)
		}
	}
	s.mu.Unlock()
	select {
	case <-time.After(s.took):
	case <-ctx.Done():
		for i := range errs {
			errs[i] = ctx.Err()
		}
	}
	return errs
}

func (s *script) failing(fn func(session.Change) error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.fail = fn
}

func (s *script) batches() [][]session.Change {
	s.mu.Lock()
	defer s.mu.Unlock()
	return slices.Clone(s.writes)
}

// notes is a source: filters that wait to be written, and what became of them.
type notes struct {
	mu      sync.Mutex // protects the fields below
	pending []string
	written []string
	errs    []error
}

func (n *notes) add(filters ...string) {
	n.mu.Lock()
	defer n.mu.Unlock()
	n.pending = append(n.pending, filters...)
}

func (n *notes) Collect(c *session.Change) func(error) {
	n.mu.Lock()
	defer n.mu.Unlock()
	if len(n.pending) == 0 {
		return nil
	}
	took := n.pending
	n.pending = nil
	c.DropSubs = append(c.DropSubs, took...)
	return func(err error) {
		n.mu.Lock()
		defer n.mu.Unlock()
		if err != nil {
			n.errs = append(n.errs, err)
			return
		}
		n.written = append(n.written, took...)
	}
}

func (n *notes) outcome() (written []string, errs []error) {
	n.mu.Lock()
	defer n.mu.Unlock()
	return slices.Clone(n.written), slices.Clone(n.errs)
}

type rig struct {
	store *script
	c     *session.Committer
	stop  func() // ends Run and waits for it
}

// run runs test in a bubble with a committer; goroutines that are left make the bubble fail.
func run(t *testing.T, cfg session.CommitterConfig, test func(*testing.T, *rig)) {
	synctest.Test(t, func(t *testing.T) {
		store := &script{took: time.Millisecond}
		r := &rig{store: store, c: session.NewCommitter(store, cfg)}
		ctx, cancel := context.WithCancel(context.Background())
		done := make(chan struct{})
		go func() { defer close(done); r.c.Run(ctx) }()
		r.stop = func() { cancel(); <-done }
		defer r.stop()
		test(t, r)
	})
}

func (r *rig) writer(id string, lost func(error)) (*session.Writer, *notes) {
	n := &notes{}
	w := r.c.Writer(id, 1, lost)
	w.Add(n)
	return w, n
}

func TestManyMarksOneWrite(t *testing.T) {
	run(t, session.CommitterConfig{}, func(t *testing.T, r *rig) {
		for i := range 100 {
			w, n := r.writer(fmt.Sprint(i), nil)
			n.add("a")
			w.Mark(false)
			w.Mark(false)
		}
		time.Sleep(time.Second)
		if got := r.store.batches(); len(got) != 1 || len(got[0]) != 100 {
			t.Errorf("%d writes", len(got))
		}
	})
}

func TestBatchBound(t *testing.T) {
	run(t, session.CommitterConfig{Batch: 10}, func(t *testing.T, r *rig) {
		for i := range 25 {
			w, n := r.writer(fmt.Sprint(i), nil)
			n.add("a")
			w.Mark(false)
		}
		time.Sleep(time.Second)
		var sizes, ids []string
		for _, b := range r.store.batches() {
			sizes = append(sizes, fmt.Sprint(len(b)))
			for _, c := range b {
				ids = append(ids, c.ClientID)
			}
		}
		if fmt.Sprint(sizes) != "[10 10 5]" || ids[0] != "0" || ids[24] != "24" {
			t.Errorf("batches of %v, in the order %v", sizes, ids)
		}
	})
}

// TestDelays: a lazy mark waits for company, an urgent one for the spacing only and takes lazy ones along.
func TestDelays(t *testing.T) {
	cfg := session.CommitterConfig{Lazy: 50 * time.Millisecond, Spacing: 10 * time.Millisecond}
	for _, tt := range []struct {
		name string
		mark func(w, other *session.Writer)
		want []time.Duration // of the writes, from the first mark on
	}{
		{"lazy", func(w, _ *session.Writer) { w.Mark(false) }, []time.Duration{50 * time.Millisecond}},
		{"urgent", func(w, _ *session.Writer) { w.Mark(true) }, []time.Duration{0}},
		{"urgent after lazy", func(w, other *session.Writer) {
			other.Mark(false)
			time.Sleep(20 * time.Millisecond)
			w.Mark(true)
		}, []time.Duration{20 * time.Millisecond}},
		{"lazy becomes urgent", func(w, _ *session.Writer) {
			w.Mark(false)
			time.Sleep(20 * time.Millisecond)
			w.Mark(true)
		}, []time.Duration{20 * time.Millisecond}},
		{"spacing", func(w, other *session.Writer) {
			w.Mark(true)
			time.Sleep(2 * time.Millisecond)
			other.Mark(true)
		}, []time.Duration{0, 10 * time.Millisecond}},
	} {
		t.Run(tt.name, func(t *testing.T) {
			run(t, cfg, func(t *testing.T, r *rig) {
				w, n := r.writer("w", nil)
				other, m := r.writer("other", nil)
				time.Sleep(time.Second)
				start := time.Now()
				n.add("a")
				m.add("a")
				tt.mark(w, other)
				time.Sleep(time.Second)
				var got []time.Duration
				synctest.Wait()
				for _, at := range r.store.at {
					got = append(got, at.Sub(start))
				}
				if !slices.Equal(got, tt.want) {
					t.Errorf("writes at %v, want %v", got, tt.want)
				}
			})
		})
	}
}

// TestMarkDuringRetry: what is marked while a failed change waits for its next try is written behind it, without
// another mark.
func TestMarkDuringRetry(t *testing.T) {
	run(t, session.CommitterConfig{}, func(t *testing.T, r *rig) {
		failures := 3
		r.store.failing(func(session.Change) error {
			if failures--; failures >= 0 {
				return errors.New("no route")
			}
			return nil
		})
		w, n := r.writer("w", nil)
		n.add("a")
		w.Mark(true)
		time.Sleep(5 * time.Millisecond) // the first try has failed, the second is 20 ms away
		n.add("b")
		w.Mark(true)
		time.Sleep(time.Second)
		if written, errs := n.outcome(); !slices.Equal(written, []string{"a", "b"}) || len(errs) > 0 {
			t.Errorf("written %v, errors %v", written, errs)
		}
		for i, b := range r.store.batches()[:4] { // the change is repeated as it was
			if !slices.Equal(b[0].DropSubs, []string{"a"}) {
				t.Errorf("try %d wrote %v", i, b[0].DropSubs)
			}
		}
	})
}

// TestFlushDuringRetry: a flush waits for what was held when it was called, behind an older change.
func TestFlushDuringRetry(t *testing.T) {
	run(t, session.CommitterConfig{}, func(t *testing.T, r *rig) {
		fail := true
		r.store.failing(func(session.Change) error {
			if fail {
				return errors.New("no route")
			}
			return nil
		})
		w, n := r.writer("w", nil)
		n.add("a")
		w.Mark(true)
		time.Sleep(5 * time.Millisecond)
		n.add("b")
		done := make(chan error, 1)
		go func() { done <- w.Flush(t.Context()) }()
		time.Sleep(3 * time.Second)
		select {
		case err := <-done:
			t.Fatalf("flush returned %v with nothing written", err)
		default:
		}
		r.store.failing(nil)
		if err := <-done; err != nil {
			t.Error(err)
		}
		if written, _ := n.outcome(); !slices.Equal(written, []string{"a", "b"}) {
			t.Errorf("written %v", written)
		}
	})
}

func TestFlush(t *testing.T) {
	run(t, session.CommitterConfig{}, func(t *testing.T, r *rig) {
		w, n := r.writer("w", nil)
		if err := w.Flush(t.Context()); err != nil || len(r.store.batches()) > 0 {
			t.Errorf("flush of nothing: %v, %d writes", err, len(r.store.batches()))
		}
		n.add("a")
		if err := w.Flush(t.Context()); err != nil {
			t.Error(err)
		}
		if written, _ := n.outcome(); len(written) != 1 {
			t.Errorf("written %v", written)
		}
		// One under way does not count for what came after it was collected.
		n.add("b")
		w.Mark(true)
		synctest.Wait()
		n.add("c")
		if err := w.Flush(t.Context()); err != nil {
			t.Error(err)
		}
		if written, _ := n.outcome(); !slices.Equal(written, []string{"a", "b", "c"}) {
			t.Errorf("written %v", written)
		}
		r.store.took = time.Hour
		ctx, cancel := context.WithTimeout(t.Context(), time.Second)
		defer cancel()
		n.add("d")
		if err := w.Flush(ctx); !errors.Is(err, context.DeadlineExceeded) {
			t.Errorf("flush beyond its time: %v", err)
		}
	})
}

// TestFenced: a taken over session is given up at once, without harm to the others of the batch.
func TestFenced(t *testing.T) {
	run(t, session.CommitterConfig{}, func(t *testing.T, r *rig) {
		r.store.failing(func(c session.Change) error {
			if c.ClientID == "gone" {
				return fmt.Errorf("write: %w", session.ErrFenced)
			}
			return nil
		})
		lost := make(chan error, 2)
		w, n := r.writer("gone", func(err error) { lost <- err })
		other, m := r.writer("stays", func(err error) { t.Errorf("lost: %v", err) })
		n.add("a")
		m.add("a")
		other.Mark(false)
		if err := w.Flush(t.Context()); !errors.Is(err, session.ErrFenced) {
			t.Errorf("flush: %v", err)
		}
		if err := <-lost; !errors.Is(err, session.ErrFenced) {
			t.Errorf("lost: %v", err)
		}
		if _, errs := n.outcome(); len(errs) != 1 || !errors.Is(errs[0], session.ErrFenced) {
			t.Errorf("source heard %v", errs)
		}
		if written, _ := m.outcome(); len(written) != 1 {
			t.Errorf("the other wrote %v", written)
		}
		n.add("b")
		w.Mark(true)
		if err := w.Flush(t.Context()); !errors.Is(err, session.ErrFenced) {
			t.Errorf("flush after it: %v", err)
		}
		time.Sleep(time.Second)
		if got := len(r.store.batches()); got != 1 || len(lost) > 0 {
			t.Errorf("%d writes, lost %d more times", got, len(lost))
		}
	})
}

// TestUnavailable: a session that cannot be written for too long is given up.
func TestUnavailable(t *testing.T) {
	for _, hangs := range []bool{false, true} {
		t.Run(fmt.Sprintf("hangs=%v", hangs), func(t *testing.T) {
			run(t, session.CommitterConfig{Timeout: 20 * time.Second}, func(t *testing.T, r *rig) {
				if hangs {
					r.store.took = time.Hour
				}
				r.store.failing(func(session.Change) error { return errors.New("no route") })
				start := time.Now()
				lost := make(chan error, 2)
				w, n := r.writer("w", func(err error) { lost <- err })
				n.add("a")
				w.Mark(false)
				if err := <-lost; !errors.Is(err, session.ErrUnavailable) {
					t.Errorf("lost: %v", err)
				}
				if took := time.Since(start); took < 20*time.Second || took > 40*time.Second {
					t.Errorf("given up after %v", took)
				}
				if _, errs := n.outcome(); len(errs) != 1 || !errors.Is(errs[0], session.ErrUnavailable) {
					t.Errorf("source heard %v", errs)
				}
				if tries := len(r.store.batches()); tries > 60 {
					t.Errorf("tried %d times", tries)
				}
				time.Sleep(time.Minute)
				if len(lost) > 0 {
					t.Error("lost twice")
				}
			})
		})
	}
}

// TestOneFailsOthersGoOn: the failing session of a batch does not hold up the rest.
func TestOneFailsOthersGoOn(t *testing.T) {
	run(t, session.CommitterConfig{}, func(t *testing.T, r *rig) {
		r.store.failing(func(c session.Change) error {
			if c.ClientID == "bad" {
				return errors.New("wrong slot")
			}
			return nil
		})
		w, n := r.writer("bad", func(error) {})
		n.add("a")
		w.Mark(true)
		good, m := r.writer("good", nil)
		for range 10 {
			m.add("a")
			if err := good.Flush(t.Context()); err != nil {
				t.Fatal(err)
			}
		}
	})
}

// TestCloseWriter: what is marked but not collected is refused, and waiters hear of it.
func TestCloseWriter(t *testing.T) {
	run(t, session.CommitterConfig{}, func(t *testing.T, r *rig) {
		w, n := r.writer("w", func(err error) { t.Errorf("lost: %v", err) })
		n.add("a")
		w.Mark(false)
		w.Close()
		time.Sleep(time.Second)
		if len(r.store.batches()) > 0 {
			t.Error("written after Close")
		}
		if err := w.Flush(t.Context()); !errors.Is(err, session.ErrClosed) {
			t.Errorf("flush: %v", err)
		}
	})
}

// TestRunEnds: with the end of Run everybody who waits is answered, in whatever state his writer is.
func TestRunEnds(t *testing.T) {
	for _, state := range []string{"queued", "writing", "failing", "marked again", "after"} {
		t.Run(state, func(t *testing.T) {
			run(t, session.CommitterConfig{Spacing: time.Minute}, func(t *testing.T, r *rig) {
				w, n := r.writer("w", nil)
				flush := make(chan error, 2)
				start := func() { go func() { flush <- w.Flush(context.Background()) }() }
				want := 1
				switch state {
				case "queued":
					n.add("x")
					if err := w.Flush(t.Context()); err != nil { // the next one waits for the spacing
						t.Fatal(err)
					}
				case "writing", "marked again":
					r.store.took = time.Hour
				case "failing":
					r.store.failing(func(session.Change) error { return errors.New("no route") })
				case "after":
					r.stop()
				}
				n.add("a")
				start()
				synctest.Wait()
				if state == "failing" {
					time.Sleep(5 * time.Millisecond)
				}
				if state == "marked again" {
					n.add("b")
					start()
					synctest.Wait()
					want++
				}
				r.stop()
				for range want {
					if err := <-flush; !errors.Is(err, session.ErrClosed) {
						t.Errorf("flush: %v", err)
					}
				}
				w.Mark(true)
			})
		})
	}
}

// reentrant marks its writer under a lock that Collect takes, as sources do.
type reentrant struct {
	mu sync.Mutex // protects n
	w  *session.Writer
	n  int
}

func (s *reentrant) Collect(c *session.Change) func(error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	c.PacketIDs = uint64(s.n)
	return func(error) {
		s.mu.Lock()
		defer s.mu.Unlock()
		if s.n < 1000 {
			s.n++
			s.w.Mark(s.n%2 == 0)
		}
	}
}

// TestLocks: Mark under the source's lock, from many goroutines and from outcomes, neither locks up nor loses a mark.
func TestLocks(t *testing.T) {
	run(t, session.CommitterConfig{}, func(t *testing.T, r *rig) {
		s := &reentrant{n: 1}
		s.w = r.c.Writer("w", 1, nil)
		s.w.Add(s)
		var g sync.WaitGroup
		for range 8 {
			g.Go(func() {
				for range 100 {
					s.mu.Lock()
					s.w.Mark(true)
					s.mu.Unlock()
					time.Sleep(100 * time.Microsecond)
				}
			})
		}
		g.Wait()
		time.Sleep(time.Minute)
		last := r.store.batches()
		if got := last[len(last)-1][0].PacketIDs; got != 1000 {
			t.Errorf("last write has %d, want 1000", got)
		}
	})
}
