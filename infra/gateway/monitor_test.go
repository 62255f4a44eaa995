package gateway

import (
	"context"
	"errors"
	"log/slog"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/client_golang/prometheus/testutil"
)

// dependency is something a monitor asks for.
type dependency struct {
	mu    sync.Mutex // protects err
	err   error
	hangs atomic.Bool // until the caller's time is over
	asked atomic.Int64
	most  atomic.Int64 // questions at once
	now   atomic.Int64
}

func (d *dependency) ask(ctx context.Context) error {
	d.asked.Add(1)
	d.most.Store(max(d.most.Load(), d.now.Add(1)))
	defer d.now.Add(-1)
	if d.hangs.Load() {
		<-ctx.Done()
		return ctx.Err()
	}
	time.Sleep(time.Millisecond)
	d.mu.Lock()
	defer d.mu.Unlock()
	return d.err
}

func (d *dependency) becomes(err error) {
	d.mu.Lock()
	defer d.mu.Unlock()
	d.err = err
}

// lines returns the messages of a text log, with the attributes named.
func lines(log *screen, attributes ...string) []string {
	var list []string
	for line := range strings.Lines(log.String()) {
		_, text, _ := strings.Cut(strings.TrimSpace(line), "msg=")
		kept := text
		if i := strings.Index(text, `" `); i >= 0 {
			kept = text[:i+1]
			for _, a := range attributes {
				if _, v, ok := strings.Cut(text, " "+a+"="); ok {
					v, _, _ = strings.Cut(v, " ")
					kept += " " + a + "=" + v
				}
			}
		}
		list = append(list, strings.Trim(kept, `"`))
	}
	return list
}

// monitored runs a monitor of one dependency in a bubble.
func monitored(t *testing.T, test func(t *testing.T, m *monitor, d *dependency, log *screen)) {
	synctest.Test(t, func(t *testing.T) {
		d, log := &dependency{err: errors.New("refused")}, &screen{}
		m := newMonitor(slog.New(slog.NewTextHandler(log, nil)), prometheus.NewPedanticRegistry(), check{
			name: "redis", title: "Redis", ask: d.ask,
			explain: func(err error) (string, string) { return "not reachable", "remedy of " + err.Error() },
		})
		ctx, cancel := context.WithCancel(t.Context())
		over := make(chan struct{})
		go func() { defer close(over); m.run(ctx) }()
		test(t, m, d, log)
		cancel()
		<-over
	})
}

// TestMonitorStory: a dependency that comes two minutes late, goes, goes otherwise and comes back is told of in a few lines,
// and what is known follows it within a second or two.
func TestMonitorStory(t *testing.T) {
	monitored(t, func(t *testing.T, m *monitor, d *dependency, log *screen) {
		up := func(want bool) {
			t.Helper()
			if m.up("redis") != want || testutil.ToFloat64(m.gauge.WithLabelValues("redis")) != map[bool]float64{true: 1}[want] {
				t.Errorf("up is %v, the metric %v", m.up("redis"), testutil.ToFloat64(m.gauge.WithLabelValues("redis")))
			}
		}
		time.Sleep(2 * time.Minute)
		up(false)
		if away, never := m.away("redis"); !never || away.Round(time.Second) != 2*time.Minute {
			t.Errorf("away for %v, never %v", away, never)
		}
		d.becomes(nil)
		time.Sleep(time.Second)
		up(true)
		if away, _ := m.away("redis"); away != 0 {
			t.Errorf("away for %v", away)
		}
		time.Sleep(time.Hour)
		d.becomes(errors.New("reset"))
		time.Sleep(4 * time.Second)
		up(false)
		time.Sleep(6 * time.Second)
		d.becomes(errors.New("LOADING"))
		time.Sleep(6 * time.Second)
		if away, never := m.away("redis"); never || away < 12*time.Second {
			t.Errorf("away for %v, never %v", away, never)
		}
		d.becomes(nil)
		time.Sleep(time.Second)
		up(true)
		want := []string{
			"waiting for Redis; clients are refused until it answers", "still waiting for Redis; clients are refused until it answers",
			"still waiting for Redis; clients are refused until it answers", "still waiting for Redis; clients are refused until it answers",
			"Redis is reachable", "Redis does not answer", "Redis still does not answer", "Redis is reachable again",
		}
		if diff := cmp.Diff(want, lines(log)); diff != "" {
			t.Errorf("log (-want +got)\n%s", diff)
		}
		for _, words := range []string{`error=refused remedy="remedy of refused"`, `error=LOADING remedy="remedy of LOADING"`, `"Redis is reachable" after=2m`, `reachable again" after=1`} {
			if !strings.Contains(log.String(), words) {
				t.Errorf("not in the log: %s\n%s", words, log)
			}
		}
	})
}

// TestMonitorQuickStart: what is there within the first second is not mentioned at all.
func TestMonitorQuickStart(t *testing.T) {
	monitored(t, func(t *testing.T, m *monitor, d *dependency, log *screen) {
		time.Sleep(50 * time.Millisecond)
		if m.up("redis") {
			t.Error("it is up before it answered")
		}
		d.becomes(nil)
		time.Sleep(time.Minute)
		if !m.up("redis") || log.String() != "" {
			t.Errorf("up is %v\n%s", m.up("redis"), log)
		}
	})
}

// TestMonitorProbes: thousands of probes cost a question every second at most, beside the monitor's own every three, one at
// a time, and are answered at once while a dependency that hangs is known to fail.
func TestMonitorProbes(t *testing.T) {
	monitored(t, func(t *testing.T, m *monitor, d *dependency, _ *screen) {
		d.becomes(nil)
		time.Sleep(10 * time.Second)
		before, began := d.asked.Load(), time.Now()
		probe := func(probes int) (slowest time.Duration, failed int64) {
			var all sync.WaitGroup
			var worst, bad atomic.Int64
			for range probes {
				all.Go(func() {
					ctx, cancel := context.WithTimeout(t.Context(), readyTime)
					defer cancel()
					at := time.Now()
					if m.look(ctx)[0].err != nil {
						bad.Add(1)
					}
					worst.Store(max(worst.Load(), int64(time.Since(at))))
				})
			}
			all.Wait()
			return time.Duration(worst.Load()), bad.Load()
		}
		for range 100 {
			if slowest, failed := probe(50); slowest > 10*time.Millisecond || failed > 0 {
				t.Errorf("%v for a probe, %d failed", slowest, failed)
			}
			time.Sleep(100 * time.Millisecond)
		}
		if n, most := d.asked.Load()-before, int64(time.Since(began)/checkFresh+time.Since(began)/checkEvery)+2; n > most {
			t.Errorf("5000 probes in %v cost %d questions", time.Since(began), n)
		}
		d.hangs.Store(true)
		time.Sleep(20 * time.Second)
		if slowest, failed := probe(1000); slowest > 0 || failed != 1000 {
			t.Errorf("hanging: %v for a probe, %d failed", slowest, failed)
		}
		if d.most.Load() > 1 {
			t.Errorf("%d questions at once", d.most.Load())
		}
	})
}

// TestMonitorStale: what was known before the process was frozen does not count: who probes then waits for a new answer.
func TestMonitorStale(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		d := &dependency{}
		m := newMonitor(slog.New(slog.DiscardHandler), nil, check{name: "redis", ask: d.ask}) // does not run: frozen
		look := func() error {
			ctx, cancel := context.WithTimeout(t.Context(), readyTime)
			defer cancel()
			return m.look(ctx)[0].err
		}
		if err := look(); err != nil {
			t.Error(err)
		}
		d.becomes(errors.New("gone"))
		time.Sleep(checkStale)
		if look() == nil {
			t.Error("an old answer counts")
		}
		d.becomes(nil)
		time.Sleep(checkFresh)
		_ = look() // says what was known, and asks
		synctest.Wait()
		time.Sleep(2 * time.Millisecond)
		if err := look(); err != nil {
			t.Error(err)
		}
		d.hangs.Store(true)
		time.Sleep(time.Hour)
		began := time.Now()
		if look() == nil || time.Since(began) != readyTime {
			t.Errorf("a probe of what hangs took %v", time.Since(began))
		}
		ctx, cancel := context.WithCancel(t.Context())
		cancel()
		m.run(ctx)
	})
}
