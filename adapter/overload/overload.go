// Package overload watches how much of its memory the process uses, and says what to do about it.
//
// What counts is what the last garbage collection found alive, with stacks and the runtime's own, against the limit of the
// Go runtime (GOMEMLIMIT): garbage that is not collected yet is no reason to send anybody away. There are three stages
// above the normal one, each with all that the one below it does:
//
//	Refuse   from 70 %: new connections are refused
//	Slow     from 80 %: PUBLISHes are taken slowly, which holds publishers back by TCP
//	Shed     from 90 %: the clients with most bytes waiting are disconnected
//
// A stage is entered at once and left, one at a time, when usage has been 5 points below its mark for a second.
package overload

import (
	"context"
	"log/slog"
	"runtime"
	"sync/atomic"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/client_golang/prometheus/promauto"
)

// Stage says how short memory is.
type Stage int32

// The stages, in order.
const (
	Normal Stage = iota
	Refuse
	Slow
	Shed
)

func (s Stage) String() string { return [...]string{"normal", "refuse", "slow", "shed"}[s] }

// marks are where stages begin, in percent of the limit.
var marks = [...]uint64{Refuse: 70, Slow: 80, Shed: 90}

const (
	slack = 5                      // percent below its mark at which a stage may end
	every = 250 * time.Millisecond // between two looks
	calm  = 4                      // looks in a row below that, before it ends
	pause = 4                      // looks between two sheddings: what was let go has to be collected first
)

// Config says what is watched. Without Limit nothing is, and the stage stays normal.
type Config struct {
	Limit      uint64 // bytes; 0 = none
	Shed       func(bytes uint64) (clients int)
	Usage      func() Usage // nil: this process
	Collect    func()       // nil: runtime.GC
	Logger     *slog.Logger // gets one line for each change of stage, and for each shedding; nil discards
	Registerer prometheus.Registerer
}

// Watch is the watch of one process. Stage may be called by any goroutine.
type Watch struct {
	cfg   Config
	stage atomic.Int32
	used  atomic.Uint64

	// Run's.
	below   int    // looks in a row
	since   int    // looks since the last shedding
	cycles  uint64 // of the collector, when it was last seen to move
	stale   int    // looks in a row without it moving
	changes *prometheus.CounterVec
	shed    prometheus.Counter
}

// New returns a watch; Run has to run.
func New(cfg Config) *Watch {
	if cfg.Usage == nil {
		cfg.Usage = newSampler().usage
	}
	if cfg.Collect == nil {
		cfg.Collect = runtime.GC
	}
	if cfg.Logger == nil {
		cfg.Logger = slog.New(slog.DiscardHandler)
	}
	f := promauto.With(cfg.Registerer)
	w := &Watch{
		cfg: cfg, since: pause,
		changes: f.NewCounterVec(prometheus.CounterOpts{
			Name: "lmqgate_memory_stage_changes_total", Help: "Changes of the memory stage, by the stage entered.",
		}, []string{"stage"}),
		shed: f.NewCounter(prometheus.CounterOpts{
			Name: "lmqgate_clients_shed_total", Help: "Clients disconnected because memory was short.",
		}),
	}
	gauge := func(name, help string, value func() float64) {
		f.NewGaugeFunc(prometheus.GaugeOpts{Name: name, Help: help}, value)
	}
	gauge("lmqgate_memory_stage", "How short memory is: 0 normal, 1 refuses connections, 2 slows publishers, 3 disconnects clients.",
		func() float64 { return float64(w.stage.Load()) })
	gauge("lmqgate_memory_used_bytes", "Memory in use as it is held against the limit: alive, stacks, runtime. 0 without a limit.",
		func() float64 { return float64(w.used.Load()) })
	gauge("lmqgate_memory_limit_bytes", "The limit, 0 if there is none.", func() float64 { return float64(cfg.Limit) })
	return w
}

// Stage is the present stage.
func (w *Watch) Stage() Stage { return Stage(w.stage.Load()) }

// Run looks a few times a second until ctx ends.
func (w *Watch) Run(ctx context.Context) {
	if w.cfg.Limit == 0 {
		return
	}
	tick := time.NewTicker(every)
	defer tick.Stop()
	for {
		select {
		case <-ctx.Done():
			return
		case <-tick.C:
			w.look()
		}
	}
}

// look takes one sample and does what it calls for.
func (w *Watch) look() {
	u := w.cfg.Usage()
	w.used.Store(u.Bytes)
	w.refresh(u)
	w.since++
	now := w.Stage()
	next := w.next(now, u.Bytes)
	if next != now {
		w.enter(next, u.Bytes)
	}
	if next == Shed && w.since >= pause {
		w.since = 0
		goal := w.cfg.Limit / 100 * (marks[Shed] - slack)
		if u.Bytes <= goal {
			return
		}
		n := w.cfg.Shed(u.Bytes - goal)
		w.shed.Add(float64(n))
		w.cfg.Logger.Warn("memory is short, disconnected the clients with most bytes waiting", "clients", n, "used", u.Bytes, "limit", w.cfg.Limit)
	}
}

// next is the stage that follows now.
func (w *Watch) next(now Stage, used uint64) Stage {
	percent := used / max(w.cfg.Limit/100, 1)
	up := Normal
	for s := Refuse; s <= Shed; s++ {
		if percent >= marks[s] {
			up = s
		}
	}
	switch {
	case up > now:
		w.below = 0
		return up
	case now == Normal || percent+slack >= marks[now]:
		w.below = 0
		return now
	}
	if w.below++; w.below < calm {
		return now
	}
	w.below = 0
	return now - 1
}

func (w *Watch) enter(s Stage, used uint64) {
	level, msg := slog.LevelWarn, "memory is short"
	if s < w.Stage() {
		level, msg = slog.LevelInfo, "memory is less short"
	}
	w.stage.Store(int32(s))
	w.changes.WithLabelValues(s.String()).Inc()
	w.cfg.Logger.Log(context.Background(), level, msg, "stage", s.String(), "used", used, "limit", w.cfg.Limit)
}

// refresh has the collector run when it has not for a second although memory is short: what is alive is known from its
// last run only, and an instance that refuses everybody may have no reason to run it.
func (w *Watch) refresh(u Usage) {
	if w.stale++; u.Cycles != w.cycles || w.Stage() == Normal {
		w.cycles, w.stale = u.Cycles, 0
		return
	}
	if w.stale >= calm {
		w.stale = 0
		w.cfg.Collect()
	}
}
