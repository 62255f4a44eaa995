package registry

import (
	"context"
	"errors"
	"log/slog"
	"sync"
	"time"

	"github.com/prometheus/client_golang/prometheus"
)

// Errors that Match answers with.
var (
	// ErrBusy says that MaxWaiting matches wait already; the publish may be tried again later.
	ErrBusy = errors.New("too many matches waiting for the registry")
	// ErrStopped says that Run has ended.
	ErrStopped = errors.New("registry matcher stopped")
	// ErrTimeout says that no check begun after the call came back in time. It is joined with the last check's error.
	ErrTimeout = errors.New("registry check timed out")
)

// Config of a Matcher. The zero value is sane.
type Config struct {
	Interval   time.Duration // least time between the beginnings of two checks; 1 ms
	Refresh    time.Duration // a check at least this often without publishes, to notice a rollback of the store; 1 s
	ExactTTL   time.Duration // how long a found exact filter is taken for held without asking; 2 s, negative = never
	Timeout    time.Duration // a Match is answered within it, if with an error; 5 s
	MaxWaiting int           // bound of waiting matches; beyond it ErrBusy; 65536
	MaxExact   int           // bound of exact filters asked for in one check; the rest waits for the next; 1024
	MaxCached  int           // bound of topics whose matching filters are remembered; 16384

	// OnRollback is called once each time the store was found to be rolled back, after the reload: re-assert the holdings
	// of live sessions. It runs on the matcher's goroutine and must not block.
	OnRollback func()

	// Stale answers matches from what the instance knows already and checks afterwards. It breaks the promise of this
	// package; it exists so that a test can show that the promise is kept by the check and not by luck.
	Stale bool

	Logger     *slog.Logger
	Registerer prometheus.Registerer
}

// Matcher finds the held filters that match a topic, by checks of the store that all waiting matches of the instance
// share: one in flight, the first at once, under load spaced by Interval. A match is answered from the state after a check
// that began after the match was asked for, never from an older one.
//
// Run owns all state but the queue of arrivals.
type Matcher struct {
	store   Store
	cfg     Config
	metrics metrics
	wake    chan struct{} // capacity 1: there are arrivals

	mu       sync.Mutex // protects the fields below
	arrivals []waiter
	waiting  int // arrivals and those that Run has taken over but not answered
	stopped  bool
}

// waiter is one Match that was not answered yet.
type waiter struct {
	topic string
	at    time.Time
	done  func(filters []string, err error)
}

// NewMatcher returns a matcher over the store; Run makes it work.
func NewMatcher(store Store, cfg Config) *Matcher {
	cfg = cfg.withDefaults()
	return &Matcher{
		store:   store,
		cfg:     cfg,
		metrics: newMetrics(cfg.Registerer),
		wake:    make(chan struct{}, 1),
	}
}

// Match finds all held filters that match the topic, exact and wildcard, each once, by a check that begins after the call.
// done is called exactly once: on the goroutine of Run, where it must not block, or, with ErrBusy or ErrStopped, before
// Match returns. The filters must not be changed.
func (m *Matcher) Match(topic string, done func(filters []string, err error)) {
	if err := m.enqueue(waiter{topic, time.Now(), done}); err != nil {
		done(nil, err)
	}
}

// MatchWait is Match for callers that can wait.
func (m *Matcher) MatchWait(ctx context.Context, topic string) ([]string, error) {
	type answer struct {
		filters []string
		err     error
	}
	answers := make(chan answer, 1)
	m.Match(topic, func(filters []string, err error) { answers <- answer{filters, err} })
	select {
	case a := <-answers:
		return a.filters, a.err
	case <-ctx.Done():
		return nil, ctx.Err()
	}
}

func (m *Matcher) enqueue(w waiter) error {
	m.mu.Lock()
	defer m.mu.Unlock()
	if m.stopped {
		return ErrStopped
	}
	if m.waiting >= m.cfg.MaxWaiting {
		m.metrics.busy.Inc()
		return ErrBusy
	}
	m.waiting++
	m.arrivals = append(m.arrivals, w)
	select {
	case m.wake <- struct{}{}:
	default:
	}
	return nil
}

// collect moves the arrivals to the end of pending.
func (m *Matcher) collect(pending []waiter) []waiter {
	m.mu.Lock()
	defer m.mu.Unlock()
	pending = append(pending, m.arrivals...)
	clear(m.arrivals)
	m.arrivals = m.arrivals[:0]
	return pending
}

// answered gives room for n further matches.
func (m *Matcher) answered(n int) {
	m.mu.Lock()
	defer m.mu.Unlock()
	m.waiting -= n
}

// stop refuses further matches and returns those that nobody has taken over.
func (m *Matcher) stop() []waiter {
	m.mu.Lock()
	defer m.mu.Unlock()
	m.stopped = true
	rest := m.arrivals
	m.arrivals = nil
	return rest
}

func (c Config) withDefaults() Config {
	c.Interval = orDefault(c.Interval, time.Millisecond)
	c.Refresh = orDefault(c.Refresh, time.Second)
	c.ExactTTL = orDefault(c.ExactTTL, 2*time.Second)
	c.Timeout = orDefault(c.Timeout, 5*time.Second)
	c.MaxWaiting = orDefault(c.MaxWaiting, 65536)
	c.MaxExact = orDefault(c.MaxExact, 1024)
	c.MaxCached = orDefault(c.MaxCached, 16384)
	if c.OnRollback == nil {
		c.OnRollback = func() {}
	}
	if c.Logger == nil {
		c.Logger = slog.New(slog.DiscardHandler)
	}
	return c
}

func orDefault[T time.Duration | int](v, def T) T {
	if v == 0 {
		return def
	}
	return v
}
