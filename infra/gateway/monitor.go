package gateway

import (
	"context"
	"errors"
	"log/slog"
	"math/rand/v2"
	"sync"
	"time"

	"github.com/prometheus/client_golang/prometheus"
)

// Times of the checks.
const (
	checkTime    = 5 * time.Second        // for one; a dependency that takes seconds to answer is slow, not away
	checkEvery   = 3 * time.Second        // while all is well
	checkFailing = 500 * time.Millisecond // while it is not, so that its return is seen soon
	checkFresh   = time.Second            // an answer of this age is not asked for again
	checkStale   = 5 * time.Second        // a good one of this age, such as after the process was frozen, counts no more
	startGrace   = time.Second            // what is not there yet this long after the start is not worth a word
	stillEvery   = 30 * time.Second       // between two words about the same failure
	stillSoonest = 5 * time.Second        // or when the failure becomes another one
)

// check is one thing that serving clients needs.
type check struct {
	name  string                      // in /health/ready, and the label of its metric
	title string                      // in the log
	ask   func(context.Context) error // nil: it is well; must keep to ctx
	// explain says in public words what an error means, without addresses, and for the log which variable is concerned
	// and what can be done. nil: "not available".
	explain func(error) (public, remedy string)
}

// errUnasked is what is known before the first answer.
var errUnasked = errors.New("no answer yet")

// monitor asks for every check now and then, and on demand when what it knows has become old. However many probes come,
// one question of each check is under way at most. It tells the log one story: what is waited for, since when, why, what
// to do, and when it is back.
type monitor struct {
	checks []*watched
	log    *slog.Logger
	gauge  *prometheus.GaugeVec
	life   context.Context // ends the questions under way
	end    context.CancelFunc
	work   sync.WaitGroup
}

// watched is a check and what is known of it.
type watched struct {
	check
	m *monitor

	mu     sync.Mutex    // protects all below
	flight chan struct{} // closed when the question under way is answered; nil: none is
	asked  bool
	at     time.Time // of the last answer
	err    error     // the last answer
	since  time.Time // of the first of the answers that were errors, while they are
	once   bool      // it has been well
	told   time.Time // when the log was told last
	words  string    // what it was told, without what varies
	closed bool
}

// finding is what is known of a check.
type finding struct {
	name   string
	err    error // nil: well
	public string
	since  time.Time // of the failure
}

func newMonitor(log *slog.Logger, reg prometheus.Registerer, checks ...check) *monitor {
	m := &monitor{log: log}
	m.life, m.end = context.WithCancel(context.Background())
	m.gauge = prometheus.NewGaugeVec(prometheus.GaugeOpts{
		Name: "lmqgate_dependency_up", Help: "Whether what serving clients needs was well when it was asked last, 1 or 0.",
	}, []string{"dependency"})
	if reg != nil {
		reg.MustRegister(m.gauge)
	}
	for _, c := range checks {
		m.checks = append(m.checks, &watched{check: c, m: m, err: errUnasked, since: time.Now()})
		m.gauge.WithLabelValues(c.name).Set(0)
	}
	return m
}

// run asks until ctx ends, and returns when nothing is under way.
func (m *monitor) run(ctx context.Context) {
	var loops sync.WaitGroup
	for _, w := range m.checks {
		loops.Go(func() { w.loop(ctx) })
	}
	loops.Wait()
	for _, w := range m.checks {
		w.close()
	}
	m.end()
	m.work.Wait()
}

func (w *watched) loop(ctx context.Context) {
	for {
		select {
		case <-w.begin():
		case <-ctx.Done():
			return
		}
		pause := checkEvery
		if w.now().err != nil {
			pause = checkFailing
		}
		t := time.NewTimer(pause + rand.N(pause/4))
		select {
		case <-t.C:
		case <-ctx.Done():
			t.Stop()
			return
		}
	}
}

// close lets no further question begin.
func (w *watched) close() {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.closed = true
}

// begin asks unless a question is under way; the channel is closed at the answer.
func (w *watched) begin() <-chan struct{} {
	w.mu.Lock()
	defer w.mu.Unlock()
	if w.flight != nil {
		return w.flight
	}
	answered := make(chan struct{})
	if w.closed {
		close(answered)
		return answered
	}
	w.flight = answered
	w.m.work.Go(func() {
		ctx, cancel := context.WithTimeout(w.m.life, checkTime)
		defer cancel()
		w.answer(w.ask(ctx))
	})
	return answered
}

// answer takes the outcome of a question.
func (w *watched) answer(err error) {
	w.mu.Lock()
	defer w.mu.Unlock()
	close(w.flight)
	w.flight = nil
	if w.m.life.Err() != nil {
		return
	}
	now, failing := time.Now(), w.asked && w.err != nil
	w.asked, w.at = true, now
	if err == nil {
		w.recovered(now)
		w.err, w.once = nil, true
		w.m.gauge.WithLabelValues(w.name).Set(1)
		return
	}
	w.m.gauge.WithLabelValues(w.name).Set(0)
	w.err = err
	if !failing && w.once {
		w.since = now
	}
	w.failed(now, failing)
}

// recovered tells the log that it is there. w.mu is held.
func (w *watched) recovered(now time.Time) {
	switch away := now.Sub(w.since).Round(10 * time.Millisecond).String(); {
	case w.err == nil, !w.asked:
	case w.told.IsZero(): // it was away for too short a time to be mentioned
	case w.once:
		w.m.log.Info(w.title+" is reachable again", "after", away)
	default:
		w.m.log.Info(w.title+" is reachable", "after", away)
	}
	w.told, w.words = time.Time{}, ""
}

// failed tells the log why it is not, unless it was told so a moment ago. w.mu is held.
func (w *watched) failed(now time.Time, still bool) {
	if !w.once && now.Sub(w.since) < startGrace {
		return
	}
	_, remedy := w.explained(w.err)
	age := now.Sub(w.told)
	still = still && !w.told.IsZero()
	if still && age < stillEvery && (remedy == w.words || age < stillSoonest) {
		return
	}
	msg := "waiting for " + w.title + "; clients are refused until it answers"
	switch {
	case w.once && !still:
		msg = w.title + " does not answer"
	case w.once:
		msg = w.title + " still does not answer"
	case still:
		msg = "still waiting for " + w.title + "; clients are refused until it answers"
	}
	w.m.log.Warn(msg, "for", now.Sub(w.since).Round(100*time.Millisecond).String(), "error", w.err, "remedy", remedy)
	w.told, w.words = now, remedy
}

func (w *watched) explained(err error) (public, remedy string) {
	if w.explain == nil {
		return "not available", ""
	}
	return w.explain(err)
}

// now is what is known without asking.
func (w *watched) now() finding {
	w.mu.Lock()
	defer w.mu.Unlock()
	f := finding{name: w.name, err: w.err, since: w.since, public: "ok"}
	if w.err != nil {
		f.public, _ = w.explained(w.err)
	}
	return f
}

// prod asks anew if what is known is old. The channel is not nil where nothing can be said before the answer: a good one
// is stale, or there is none at all.
func (w *watched) prod() <-chan struct{} {
	w.mu.Lock()
	age, asked, wait := time.Since(w.at), w.asked, !w.asked || w.err == nil && time.Since(w.at) >= checkStale
	w.mu.Unlock()
	if asked && age < checkFresh {
		return nil
	}
	if answered := w.begin(); wait {
		return answered
	}
	return nil
}

// look is what is known of all checks, asked for anew where it is old, which ctx bounds. A caller costs nothing but the
// time it waits.
func (m *monitor) look(ctx context.Context) []finding {
	waits := make([]<-chan struct{}, len(m.checks))
	for i, w := range m.checks {
		waits[i] = w.prod()
	}
	found := make([]finding, len(m.checks))
	for i, w := range m.checks {
		late := false
		if waits[i] != nil {
			select {
			case <-waits[i]:
			case <-ctx.Done():
				late = true
			}
		}
		if found[i] = w.now(); late && found[i].err == nil {
			found[i].err, found[i].public = ctx.Err(), "no answer"
		}
	}
	return found
}

func (m *monitor) find(name string) *watched {
	for _, w := range m.checks {
		if w.name == name {
			return w
		}
	}
	return nil
}

// up reports whether the check was well when it was asked last.
func (m *monitor) up(name string) bool {
	w := m.find(name)
	return w != nil && w.now().err == nil
}

// away reports for how long the check has failed; never: since the instance began. Zero when it is well.
func (m *monitor) away(name string) (d time.Duration, never bool) {
	w := m.find(name)
	if w == nil {
		return 0, false
	}
	w.mu.Lock()
	defer w.mu.Unlock()
	if w.err == nil {
		return 0, false
	}
	return max(time.Since(w.since), 1), !w.once
}

// wait returns when the check is well, or ctx ends.
func (m *monitor) wait(ctx context.Context, name string) {
	w := m.find(name)
	for w != nil && w.now().err != nil && ctx.Err() == nil {
		select {
		case <-w.begin():
		case <-ctx.Done():
			return
		}
		if w.now().err == nil {
			return
		}
		t := time.NewTimer(20 * time.Millisecond)
		select {
		case <-t.C:
		case <-ctx.Done():
		}
		t.Stop()
	}
}
