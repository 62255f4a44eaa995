package gateway

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/google/go-cmp/cmp"

	"lmqgate/meta/redisstore"
	"lmqgate/meta/registry"
	"lmqgate/meta/session"
)

var errAway = errors.New("redis is away")

// page is one answer of Orphans or Expired.
type page struct {
	ended []session.Ended
	more  bool
	err   error
}

// yard is a store with scripted answers. What has none is empty.
type yard struct {
	session.Instances
	session.Sweeper

	mu      sync.Mutex // protects all below
	away    bool
	dead    []string
	orphans map[string][]page
	expired []page
	calls   []string
	swept   []time.Time // of Dead
}

func (y *yard) call(format string, args ...any) error {
	y.calls = append(y.calls, fmt.Sprintf(format, args...))
	if y.away {
		return errAway
	}
	return nil
}

func (y *yard) Dead(ctx context.Context) ([]string, error) {
	y.mu.Lock()
	defer y.mu.Unlock()
	y.swept = append(y.swept, time.Now())
	if _, bounded := ctx.Deadline(); !bounded {
		return nil, errors.New("a sweep without end")
	}
	return y.dead, y.call("dead")
}

func (y *yard) Orphans(_ context.Context, id string, _ int) ([]session.Ended, bool, error) {
	y.mu.Lock()
	defer y.mu.Unlock()
	if err := y.call("orphans %s", id); err != nil || len(y.orphans[id]) == 0 {
		return nil, false, err
	}
	p := y.orphans[id][0]
	y.orphans[id] = y.orphans[id][1:]
	return p.ended, p.more, p.err
}

func (y *yard) Expired(context.Context, time.Time, int) ([]session.Ended, bool, error) {
	y.mu.Lock()
	defer y.mu.Unlock()
	if err := y.call("expired"); err != nil || len(y.expired) == 0 {
		return nil, false, err
	}
	p := y.expired[0]
	y.expired = y.expired[1:]
	return p.ended, p.more, p.err
}

func (y *yard) Release(_ context.Context, holds []registry.Hold) error {
	y.mu.Lock()
	defer y.mu.Unlock()
	names := make([]string, len(holds))
	for i, h := range holds {
		names[i] = fmt.Sprintf("%s:%s:%d.%d", h.ClientID, h.Filter, h.Epoch, h.Seq)
	}
	return y.call("release %s", strings.Join(names, " "))
}

func (y *yard) Settled(_ context.Context, ids []string) error {
	y.mu.Lock()
	defer y.mu.Unlock()
	return y.call("settled %s", strings.Join(ids, " "))
}

func (y *yard) Reconcile(context.Context, int) (redisstore.Reconciled, error) {
	y.mu.Lock()
	defer y.mu.Unlock()
	return redisstore.Reconciled{}, y.call("reconcile")
}

func (y *yard) did() []string {
	y.mu.Lock()
	defer y.mu.Unlock()
	list := y.calls
	y.calls = nil
	return list
}

func (y *yard) sweeps() int {
	y.mu.Lock()
	defer y.mu.Unlock()
	return len(y.swept)
}

func (y *yard) becomes(away bool) {
	y.mu.Lock()
	defer y.mu.Unlock()
	y.away = away
}

func newTestSweeper(y *yard, log *screen) (s *sweeper, wills *[]string) {
	wills = new([]string)
	return &sweeper{
		store: y, self: "me", log: slog.New(slog.NewTextHandler(log, nil)),
		over: func(session.Ended) {}, swept: func(string, []session.Ended) {},
		wills: func(due ...session.DueWill) {
			for _, w := range due {
				*wills = append(*wills, w.ID)
			}
		},
	}, wills
}

func over(id string, wills ...string) session.Ended {
	e := session.Ended{ClientID: id, Over: true, Subscriptions: []session.Subscription{{Filter: "f/" + id, HoldEpoch: 3, HoldSeq: 4}}}
	for _, w := range wills {
		e.Wills = append(e.Wills, session.DueWill{ID: w})
	}
	return e
}

func detached(id string, wills ...string) session.Ended {
	e := over(id, wills...)
	e.Over, e.Subscriptions = false, nil
	return e
}

// TestSweep: what one sweep does, page by page, and what it leaves alone: this instance, and sessions of a format that it
// does not know, which hold up nobody else.
func TestSweep(t *testing.T) {
	log := &screen{}
	y := &yard{
		dead: []string{"me", "strange", "a"},
		orphans: map[string][]page{
			"strange": {
				{ended: []session.Ended{detached("s1", "w1")}, more: true, err: fmt.Errorf("one: %w", session.ErrFormat)},
				{ended: []session.Ended{over("s2", "w2")}, more: true, err: fmt.Errorf("one: %w", session.ErrFormat)},
				{more: true, err: fmt.Errorf("one: %w", session.ErrFormat)}, // nothing else is left
			},
			"a": {{ended: []session.Ended{over("a1"), detached("a2")}, more: true}, {ended: []session.Ended{over("a3")}}},
		},
		expired: []page{{ended: []session.Ended{detached("x1", "w3"), over("x2", "w4")}}},
	}
	s, wills := newTestSweeper(y, log)
	did, err := s.once(deadline(t))
	if !errors.Is(err, session.ErrFormat) {
		t.Errorf("error %v", err)
	}
	if want := (swept{instances: 2, detached: 2, ended: 4, wills: 4}); did != want {
		t.Errorf("did %+v, want %+v", did, want)
	}
	if diff := cmp.Diff([]string{"w1", "w2", "w3", "w4"}, *wills); diff != "" {
		t.Error(diff)
	}
	want := []string{
		"dead", "orphans strange", "orphans strange", "release s2:f/s2:3.4", "settled s2", "orphans strange",
		"orphans a", "release a1:f/a1:3.4", "settled a1", "orphans a", "release a3:f/a3:3.4", "settled a3",
		"expired", "release x2:f/x2:3.4", "settled x2",
	}
	if diff := cmp.Diff(want, y.did()); diff != "" {
		t.Error(diff)
	}
}

func deadline(t *testing.T) context.Context {
	ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
	t.Cleanup(cancel)
	return ctx
}

// TestSweepNotReleased: a session whose filters could not be released is not settled, so it is handed out again; its will
// is published all the same, and the sweep ends there.
func TestSweepNotReleased(t *testing.T) {
	y := &yard{expired: []page{{ended: []session.Ended{over("x", "w")}, more: true}, {}}}
	s, wills := newTestSweeper(y, &screen{})
	released := 0
	s.store = brokenRelease{y, &released}
	if did, err := s.once(deadline(t)); !errors.Is(err, errAway) || did.ended != 0 {
		t.Errorf("did %+v, error %v", did, err)
	}
	if released != 1 || len(*wills) != 1 || slices.Contains(y.did(), "settled x") {
		t.Errorf("released %d times, wills %v, %v", released, *wills, y.did())
	}
}

type brokenRelease struct {
	*yard
	calls *int
}

func (b brokenRelease) Release(context.Context, []registry.Hold) error { *b.calls++; return errAway }

// TestSweepLoops: sweeps come every few seconds, less and less often while they fail, and soon again afterwards; what the
// log knows from elsewhere it is not told again.
func TestSweepLoops(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		log, y := &screen{}, &yard{}
		s, _ := newTestSweeper(y, log)
		var calm atomic.Bool
		s.calm = calm.Load
		ctx, cancel := context.WithCancel(t.Context())
		var loops sync.WaitGroup
		loops.Go(func() { s.run(ctx) })
		loops.Go(func() { s.reconcile(ctx) })
		sweeps := func(d time.Duration) int {
			before := y.sweeps()
			time.Sleep(d)
			return y.sweeps() - before
		}
		if n := sweeps(10 * time.Minute); n < 100 || n > 150 {
			t.Errorf("%d sweeps in 10 minutes", n)
		}
		if n := strings.Count(strings.Join(y.did(), " "), "reconcile"); n < 7 || n > 14 {
			t.Errorf("%d reconciliations in 10 minutes", n)
		}
		y.becomes(true)
		if n := sweeps(10 * time.Minute); n < 15 || n > 35 {
			t.Errorf("%d sweeps in 10 minutes of failure", n)
		}
		if got := lines(log); len(got) < 15 || !slices.Contains(got, "sweeping sessions failed, again in a moment") || !slices.Contains(got, "reconciling failed, again in a while") {
			t.Errorf("the log says %v", got)
		}
		calm.Store(true)
		told := len(lines(log))
		time.Sleep(10 * time.Minute)
		if n := len(lines(log)) - told; n != 0 {
			t.Errorf("%d lines of what is known", n)
		}
		y.becomes(false)
		if sweeps(sweepLongest*5/4) == 0 {
			t.Error("no sweep soon after the store is back")
		}
		if n := sweeps(10 * time.Minute); n < 100 {
			t.Errorf("%d sweeps in 10 minutes after a failure", n)
		}
		cancel()
		loops.Wait()
	})
}

// TestSweepNoHerd: of a hundred instances that began together, or whose store comes back for all at once, not many sweep
// in the same moment.
func TestSweepNoHerd(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		const instances = 100
		var yards []*yard
		ctx, cancel := context.WithCancel(t.Context())
		var loops sync.WaitGroup
		for range instances {
			y := &yard{away: true}
			yards = append(yards, y)
			s, _ := newTestSweeper(y, &screen{})
			loops.Go(func() { s.run(ctx) })
		}
		crowded := func(since time.Time) int {
			moments := map[int64]int{}
			for _, y := range yards {
				y.mu.Lock()
				for _, at := range y.swept {
					if at.After(since) {
						moments[at.Sub(since).Milliseconds()/100]++
					}
				}
				y.mu.Unlock()
			}
			worst := 0
			for _, n := range moments {
				worst = max(worst, n)
			}
			return worst
		}
		began := time.Now()
		time.Sleep(sweepEvery * 5 / 4)
		if n := crowded(began); n > instances/5 { // 4 in a tenth of a second on average
			t.Errorf("%d of the first sweeps in a tenth of a second", n)
		}
		time.Sleep(10 * time.Minute)
		for _, y := range yards {
			y.becomes(false)
		}
		back := time.Now()
		time.Sleep(sweepLongest * 5 / 4)
		if n := crowded(back); n > instances/5 {
			t.Errorf("%d sweeps in a tenth of a second after the store came back", n)
		}
		cancel()
		loops.Wait()
	})
}
