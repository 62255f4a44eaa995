package sys_test

import (
	"cmp"
	"context"
	"errors"
	"maps"
	"slices"
	"sync"
	"testing"
	"time"

	"lmqgate/adapter/sys"
	"lmqgate/meta/message"
	"lmqgate/meta/status"
	"lmqgate/meta/topic"
)

var errAway = errors.New("away")

// world is what instances share.
type world struct {
	mu       sync.Mutex // protects all below
	peers    map[string]peer
	retained map[string]kept
	filters  []string // of subscribers
	sent     []message.Message
	away     bool // Redis
}

type peer struct {
	status.Figures
	until time.Time
}

type kept struct {
	value string
	until time.Time
}

func newWorld() *world { return &world{peers: map[string]peer{}, retained: map[string]kept{}} }

func (w *world) Report(_ context.Context, f status.Figures, ttl time.Duration) error {
	w.mu.Lock()
	defer w.mu.Unlock()
	if w.away {
		return errAway
	}
	w.peers[f.Instance] = peer{f, time.Now().Add(ttl)}
	return nil
}

func (w *world) All(context.Context) ([]status.Figures, error) {
	w.mu.Lock()
	defer w.mu.Unlock()
	if w.away {
		return nil, errAway
	}
	var all []status.Figures
	for _, p := range w.peers {
		if time.Now().Before(p.until) {
			all = append(all, p.Figures)
		}
	}
	slices.SortFunc(all, func(a, b status.Figures) int { return cmp.Compare(a.Instance, b.Instance) })
	return all, nil
}

func (w *world) Forget(_ context.Context, instance string) error {
	w.mu.Lock()
	defer w.mu.Unlock()
	delete(w.peers, instance)
	return nil
}

func (w *world) SetAll(_ context.Context, messages []*message.Message) []error {
	w.mu.Lock()
	defer w.mu.Unlock()
	errs := make([]error, len(messages))
	for i, m := range messages {
		if errs[i] = errAway; !w.away {
			errs[i] = nil
			w.keep(m)
		}
	}
	return errs
}

func (w *world) keep(m *message.Message) {
	if len(m.Payload) == 0 {
		delete(w.retained, m.Topic)
		return
	}
	left := time.Duration(m.Properties.Expiry) * time.Second
	w.retained[m.Topic] = kept{string(m.Payload), time.UnixMilli(m.BornMillis).Add(left)}
}

func (w *world) Match(name string, done func([]string, error)) {
	w.mu.Lock()
	defer w.mu.Unlock()
	if w.away {
		go done(nil, errAway)
		return
	}
	var found []string
	for _, f := range w.filters {
		if topic.Match(f, name) {
			found = append(found, f)
		}
	}
	go done(found, nil)
}

func (w *world) NewLane() message.Lane { return lane{w} }

type lane struct{ w *world }

// Publish keeps what is retained, as the dispatcher does.
func (l lane) Publish(p *message.Publication) {
	l.w.mu.Lock()
	l.w.sent = append(l.w.sent, *p.Message)
	l.w.keep(p.Message)
	l.w.mu.Unlock()
	go p.Done(message.Result{}, nil)
}

// values are the retained messages that are not over.
func (w *world) values() map[string]string {
	w.mu.Lock()
	defer w.mu.Unlock()
	out := map[string]string{}
	for name, k := range w.retained {
		if time.Now().Before(k.until) {
			out[name] = k.value
		}
	}
	return out
}

// taken are the topics sent since the last call.
func (w *world) taken() []string {
	w.mu.Lock()
	defer w.mu.Unlock()
	names := map[string]bool{}
	for _, m := range w.sent {
		names[m.Topic] = true
	}
	w.sent = nil
	return slices.Sorted(maps.Keys(names))
}

func (w *world) set(fn func()) {
	w.mu.Lock()
	defer w.mu.Unlock()
	fn()
}

// run starts an instance; the function it returns ends it. Figures are multiples of n.
func (w *world) run(t *testing.T, id string, n int64, change func(*sys.Deps, *sys.Config)) (stop func()) {
	t.Helper()
	deps := sys.Deps{
		Peers: w, Retain: w, Matcher: w, Lanes: w,
		Figures: func() status.Figures {
			return status.Figures{
				Connected: n, Maximum: 2 * n, Subscriptions: 3 * n, MessagesReceived: 4 * n, MessagesSent: 5 * n, PublishReceived: 6 * n,
				PublishSent: 7 * n, PublishDropped: 8 * n, BytesReceived: 9 * n, BytesSent: 10 * n,
			}
		},
	}
	cfg := sys.Config{Instance: id, Version: "v1", Interval: 10 * time.Second}
	if change != nil {
		change(&deps, &cfg)
	}
	ctx, cancel := context.WithCancel(t.Context())
	done := make(chan struct{})
	p := sys.New(deps, cfg)
	go func() { defer close(done); p.Run(ctx) }()
	return func() { cancel(); <-done }
}
