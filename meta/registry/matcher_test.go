package registry

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/client_golang/prometheus/testutil"
)

const ms = time.Millisecond

func constant(d time.Duration) func() time.Duration { return func() time.Duration { return d } }

func TestMatchExactAndWildcard(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := newFakeStore("a/b", "a/+", "#", "+/b", "c/#", "$SYS/+", "+/x")
		m := start(t, s, Config{})
		wantMatch(t, m, "a/b", "#", "+/b", "a/+", "a/b")
		wantMatch(t, m, "c", "#", "c/#")
		wantMatch(t, m, "$SYS/x", "$SYS/+")
		wantMatch(t, m, "a/b/", "#")
		s.release("#", "c")
		s.release("a/b", "c")
		s.hold("a/#", "c")
		wantMatch(t, m, "c", "c/#")
		time.Sleep(3 * time.Second) // the found exact filter is forgotten
		wantMatch(t, m, "a/b", "+/b", "a/#", "a/+")
	})
}

// On an idle matcher the match costs one round trip and nothing else.
func TestFirstMatchStartsCheckAtOnce(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := newFakeStore("a")
		s.delay = constant(5 * ms)
		m := start(t, s, Config{Interval: 50 * ms})
		time.Sleep(time.Second)
		begin := time.Now()
		wantMatch(t, m, "a", "a")
		if took := time.Since(begin); took != 10*ms {
			t.Errorf("took %v, a round trip is 10 ms", took)
		}
	})
}

func TestMatchesShareChecks(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := newFakeStore("a")
		s.delay = constant(5 * ms)
		m := start(t, s, Config{})
		synctest.Wait()
		time.Sleep(time.Second)
		s.checks()
		var answers atomic.Int64
		count := func([]string, error) { answers.Add(1) }
		m.Match("a", count)
		synctest.Wait()
		for range 100 {
			m.Match("a", count)
			m.Match("b", count)
		}
		time.Sleep(11 * ms) // the first check has ended
		synctest.Wait()
		if answers.Load() != 1 {
			t.Errorf("a check answered %d matches of which 200 came after it began", answers.Load())
		}
		time.Sleep(11 * ms)
		synctest.Wait()
		if answers.Load() != 201 {
			t.Errorf("%d answers", answers.Load())
		}
		asked := slices.Clone(s.asked)
		if n := s.checks(); n != 2 || len(asked[1]) != 1 || asked[1][0] != "b" {
			t.Errorf("%d checks, asked for %q", n, asked)
		}
	})
}

func TestChecksAreSpacedUnderLoad(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := newFakeStore()
		m := start(t, s, Config{Interval: 4 * ms})
		answers := 0
		for i := range 1000 {
			m.Match(fmt.Sprint(i%7), func(_ []string, err error) {
				if err == nil {
					answers++
				}
			})
			time.Sleep(100 * time.Microsecond)
		}
		time.Sleep(10 * ms)
		synctest.Wait()
		if answers != 1000 {
			t.Errorf("%d answers", answers)
		}
		if n := len(s.began); n < 20 || n > 30 {
			t.Errorf("%d checks in 100 ms", n)
		}
		for i := 1; i < len(s.began); i++ {
			if d := s.began[i].Sub(s.began[i-1]); d < 4*ms {
				t.Errorf("checks %v apart", d)
			}
		}
	})
}

func TestFoundIsCachedAbsentIsNot(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := newFakeStore("a")
		m := start(t, s, Config{ExactTTL: 2 * time.Second})
		wantMatch(t, m, "a", "a")
		wantMatch(t, m, "b")
		s.checks()
		wantMatch(t, m, "a", "a")
		wantMatch(t, m, "b")
		if !slices.EqualFunc(s.asked, [][]string{{}, {"b"}}, slices.Equal) {
			t.Errorf("asked for %q", s.asked)
		}
		s.release("a", "c")
		time.Sleep(2 * time.Second)
		wantMatch(t, m, "a")
	})
}

// What is taken as held without asking when a check begins is not forgotten by the time it ends.
func TestCacheEndsDuringCheck(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := newFakeStore("a")
		m := start(t, s, Config{ExactTTL: time.Second})
		wantMatch(t, m, "a", "a")
		s.delay = constant(20 * ms)
		time.Sleep(990 * ms)
		wantMatch(t, m, "a", "a")
	})
}

func TestFailedChecksAreRepeated(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := newFakeStore("a")
		m := start(t, s, Config{Timeout: 5 * time.Second})
		wantMatch(t, m, "a", "a")
		s.fail = errors.New("down")
		time.AfterFunc(3*time.Second, func() { s.set(func() { s.fail = nil }) })
		begin := time.Now()
		wantMatch(t, m, "b")
		if took := time.Since(begin); took < 3*time.Second || took > 4*time.Second {
			t.Errorf("took %v", took)
		}
		if n := s.checks(); n > 20 {
			t.Errorf("%d checks in 3 s", n)
		}
	})
}

func TestNothingWaitsForEver(t *testing.T) {
	down := errors.New("down")
	for name, fault := range map[string]func(*fakeStore){
		"failing":          func(s *fakeStore) { s.fail = down },
		"hanging":          func(s *fakeStore) { s.hang = func(ctx context.Context) error { <-ctx.Done(); return down } },
		"hanging for good": func(s *fakeStore) { s.hang = func(context.Context) error { time.Sleep(time.Hour); return down } },
		"short answers":    func(s *fakeStore) { s.hang = func(context.Context) error { return nil } },
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				s := newFakeStore("a")
				m := start(t, s, Config{Timeout: 4 * time.Second})
				synctest.Wait()
				s.set(func() { fault(s) })
				type answer struct {
					after time.Duration
					err   error
				}
				begin := time.Now()
				var answers []answer
				for range 3 {
					called := time.Now()
					m.Match("a", func(_ []string, err error) { answers = append(answers, answer{time.Since(called), err}) })
					time.Sleep(time.Second)
				}
				time.Sleep(10 * time.Second)
				synctest.Wait()
				if len(answers) != 3 {
					t.Fatalf("%d answers after %v", len(answers), time.Since(begin))
				}
				for _, a := range answers {
					if !errors.Is(a.err, ErrTimeout) || a.after > 4*time.Second+ms {
						t.Errorf("after %v: %v", a.after, a.err)
					}
				}
				if name == "failing" && !errors.Is(answers[0].err, down) {
					t.Errorf("%v does not tell why", answers[0].err)
				}
			})
		})
	}
}

func TestBusy(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := newFakeStore()
		s.delay = constant(ms)
		m := start(t, s, Config{MaxWaiting: 10})
		time.Sleep(10 * ms)
		for range 2 { // there is room again when all are answered
			var busy, answered int
			for range 15 {
				m.Match("a", func(_ []string, err error) {
					if errors.Is(err, ErrBusy) {
						busy++
					} else if err == nil {
						answered++
					}
				})
			}
			if busy != 5 {
				t.Errorf("%d of 15 refused at once", busy)
			}
			time.Sleep(10 * ms)
			synctest.Wait()
			if answered != 10 {
				t.Errorf("%d answered", answered)
			}
		}
	})
}

func TestMaxExact(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := newFakeStore("3")
		s.delay = constant(ms)
		m := start(t, s, Config{MaxExact: 4})
		time.Sleep(10 * ms)
		s.checks()
		answers := 0
		for i := range 10 {
			m.Match(fmt.Sprint(i), func(filters []string, err error) {
				if want := i == 3; err != nil || (len(filters) == 1) != want {
					t.Errorf("%d: %q, %v", i, filters, err)
				}
				answers++
			})
		}
		time.Sleep(10 * ms)
		synctest.Wait()
		if answers != 10 || len(s.asked) != 3 {
			t.Errorf("%d answers in %d checks", answers, len(s.asked))
		}
	})
}

func TestStop(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := newFakeStore()
		s.delay = constant(10 * ms)
		m := NewMatcher(s, Config{})
		ctx, cancel := context.WithCancel(t.Context())
		stopped := 0
		count := func(_ []string, err error) {
			if errors.Is(err, ErrStopped) {
				stopped++
			}
		}
		m.Match("before Run", count)
		done := make(chan error)
		go func() { done <- m.Run(ctx) }()
		synctest.Wait()
		m.Match("waiting for the next check", count)
		cancel()
		if err := <-done; !errors.Is(err, context.Canceled) {
			t.Error(err)
		}
		if s.running != 0 {
			t.Error("Run left a check behind")
		}
		m.Match("after Run", count)
		if stopped != 3 {
			t.Errorf("%d of 3 were told", stopped)
		}
	})
}

func TestMatchWaitHonoursContext(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := newFakeStore()
		s.delay = constant(time.Second)
		m := start(t, s, Config{})
		ctx, cancel := context.WithTimeout(t.Context(), ms)
		defer cancel()
		if _, err := m.MatchWait(ctx, "a"); !errors.Is(err, context.DeadlineExceeded) {
			t.Error(err)
		}
		synctest.Wait()
	})
}

func TestMetrics(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		registry := prometheus.NewPedanticRegistry()
		s := newFakeStore("#")
		restore := s.backup()
		s.hold("a/#", "c")
		m := start(t, s, Config{Registerer: registry})
		match(t, m, "a")
		restore()
		match(t, m, "a")
		s.set(func() { s.fail = errors.New("down") })
		time.AfterFunc(time.Second, func() { s.set(func() { s.fail = nil }) })
		match(t, m, "a")
		synctest.Wait()
		if n := testutil.ToFloat64(m.metrics.failures); n < 1 {
			t.Errorf("%v failures", n)
		}
		for name, got := range map[string][2]float64{
			"reloads":   {testutil.ToFloat64(m.metrics.reloads), 2},
			"rollbacks": {testutil.ToFloat64(m.metrics.rollbacks), 1},
			"checks":    {testutil.ToFloat64(m.metrics.checks), float64(s.checks())},
		} {
			if got[0] != got[1] {
				t.Errorf("%s: %v, want %v", name, got[0], got[1])
			}
		}
		if n, err := testutil.GatherAndCount(registry); err != nil || n != 8 {
			t.Errorf("%d metrics, %v", n, err)
		}
	})
}

func BenchmarkMatch(b *testing.B) {
	s := newFakeStore("first/1/#", "first/+/temperature", "#")
	m := NewMatcher(s, Config{Interval: time.Nanosecond, MaxWaiting: 1 << 20})
	ctx, cancel := context.WithCancel(context.Background())
	stopped := make(chan error, 1)
	go func() { stopped <- m.Run(ctx) }()
	b.ReportAllocs()
	b.RunParallel(func(pb *testing.PB) {
		answers := make(chan int, 1)
		done := func(filters []string, _ error) { answers <- len(filters) }
		for pb.Next() {
			m.Match("first/1/temperature", done)
			if n := <-answers; n != 3 {
				b.Errorf("%d filters", n)
			}
		}
	})
	cancel()
	<-stopped
}
