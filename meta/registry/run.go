package registry

import (
	"context"
	"errors"
	"slices"
	"time"
)

// Backoff between failed checks.
const (
	firstBackoff = 10 * time.Millisecond
	lastBackoff  = 500 * time.Millisecond
)

// loop is the state of Run.
type loop struct {
	*Matcher
	view     *view
	loaded   bool
	flight   []waiter // oldest first; the running check answers them
	pending  []waiter // oldest first; they wait for the next check
	running  bool
	results  chan outcome
	next     time.Time // no check begins before
	refresh  time.Time // one begins then even if nothing is pending
	failures int       // in a row
	lastErr  error
}

// Run serves matches until ctx ends; then all waiting ones get ErrStopped. It is called once.
func (m *Matcher) Run(ctx context.Context) error {
	l := &loop{Matcher: m, view: newView(m.cfg.ExactTTL, m.cfg.MaxCached), results: make(chan outcome, 1)}
	timer := time.NewTimer(0)
	defer timer.Stop()
	for {
		now := time.Now()
		l.pending = l.collect(l.pending)
		l.expire(now)
		if l.cfg.Stale && l.loaded {
			l.answerStale(now)
		}
		if !l.running && l.due(now) && !now.Before(l.next) {
			l.begin(ctx, now)
		}
		timer.Reset(l.sleep(now))
		select {
		case <-l.wake:
		case <-timer.C:
		case o := <-l.results:
			l.finish(o)
		case <-ctx.Done():
			l.end()
			return ctx.Err()
		}
	}
}

// due reports whether there is a reason to check.
func (l *loop) due(now time.Time) bool { return len(l.pending) > 0 || !now.Before(l.refresh) }

// begin starts a check for what is pending, as far as MaxExact allows.
func (l *loop) begin(ctx context.Context, now time.Time) {
	q := question{at: l.view.at, loaded: l.loaded}
	asked := make(map[string]struct{})
	n := 0
	for ; n < len(l.pending) && len(q.exact) < l.cfg.MaxExact; n++ {
		name := l.pending[n].topic
		if _, ok := asked[name]; ok || l.view.knownHeld(name, now) {
			continue
		}
		asked[name] = struct{}{}
		q.exact = append(q.exact, name)
	}
	l.flight = append(l.flight[:0], l.pending[:n]...)
	l.pending = slices.Delete(l.pending, 0, n)
	l.running = true
	l.next = now.Add(l.cfg.Interval)
	l.refresh = now.Add(l.cfg.Refresh)
	l.metrics.checks.Inc()
	go func() { // joined by receiving from results
		ctx, cancel := context.WithTimeout(ctx, l.cfg.Timeout/2)
		defer cancel()
		l.results <- check(ctx, l.store, q)
	}()
}

// finish applies what a check found and answers those that waited for it, or lets them wait for the next after a failure.
func (l *loop) finish(o outcome) {
	now := time.Now()
	l.running = false
	l.metrics.seconds.Observe(now.Sub(o.began).Seconds())
	if o.err != nil {
		l.fail(o.err, now)
		return
	}
	l.failures, l.lastErr = 0, nil
	if o.reloaded {
		l.view.load(o.position, o.snapshot)
		l.loaded = true
		l.metrics.reloads.Inc()
	} else {
		l.view.apply(o.update)
	}
	l.metrics.wildcards.Set(float64(l.view.tree.Len()))
	if o.update.RolledBack {
		l.metrics.rollbacks.Inc()
		l.cfg.Logger.Warn("filter registry was rolled back", "version", o.at.Version, "now", o.position.Version)
		l.cfg.OnRollback()
	}
	held := make(map[string]bool, len(o.exact))
	for i, name := range o.exact {
		held[name] = o.held[i]
		if o.held[i] {
			l.view.found(name, o.began)
		}
	}
	l.metrics.joined.Observe(float64(len(l.flight)))
	for _, w := range l.flight {
		exact, asked := held[w.topic]
		w.done(l.view.matching(w.topic, exact || !asked), nil) // not asked for: it was known to be held
	}
	l.release(&l.flight, len(l.flight))
}

// fail puts those that waited for the check before those that wait for the next.
func (l *loop) fail(err error, now time.Time) {
	l.metrics.failures.Inc()
	if l.failures == 0 {
		l.cfg.Logger.Warn("filter registry does not answer", "error", err)
	}
	l.lastErr = err
	l.next = now.Add(min(firstBackoff<<min(l.failures, 10), lastBackoff))
	l.failures++
	l.pending = slices.Insert(l.pending, 0, l.flight...)
	clear(l.flight)
	l.flight = l.flight[:0]
}

// expire answers those that have waited for too long.
func (l *loop) expire(now time.Time) {
	for _, waiters := range []*[]waiter{&l.flight, &l.pending} {
		n := 0
		for n < len(*waiters) && now.Sub((*waiters)[n].at) >= l.cfg.Timeout {
			(*waiters)[n].done(nil, errors.Join(ErrTimeout, l.lastErr))
			n++
		}
		l.release(waiters, n)
	}
}

// release forgets the first n waiters, which were answered.
func (l *loop) release(waiters *[]waiter, n int) {
	if n == 0 {
		return
	}
	*waiters = slices.Delete(*waiters, 0, n)
	l.answered(n)
}

// answerStale answers what is pending from what is known; the check that follows finds nobody waiting any more.
func (l *loop) answerStale(now time.Time) {
	for i := range l.pending {
		w := &l.pending[i]
		w.done(l.view.matching(w.topic, l.view.knownHeld(w.topic, now)), nil)
		w.done = func([]string, error) {}
	}
}

// sleep returns how long nothing happens by itself.
func (l *loop) sleep(now time.Time) time.Duration {
	at := now.Add(l.cfg.Timeout)
	if !l.running {
		at = l.refresh
		if len(l.pending) > 0 || at.Before(l.next) {
			at = l.next
		}
	}
	for _, waiters := range [...][]waiter{l.flight, l.pending} {
		if len(waiters) > 0 {
			at = earlier(at, waiters[0].at.Add(l.cfg.Timeout))
		}
	}
	return at.Sub(now)
}

// end answers all that wait and joins the running check.
func (l *loop) end() {
	for _, waiters := range [][]waiter{l.flight, l.pending, l.stop()} {
		for _, w := range waiters {
			w.done(nil, ErrStopped)
		}
	}
	if l.running {
		<-l.results
	}
}

func earlier(a, b time.Time) time.Time {
	if a.Before(b) {
		return a
	}
	return b
}
