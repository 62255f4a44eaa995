package deliver

import (
	"context"
	"log/slog"
	"sync"
	"sync/atomic"
	"time"

	"github.com/prometheus/client_golang/prometheus"

	"lmqgate/meta/registry"
	"lmqgate/meta/session"
)

// Config tunes a Hub; the zero value is sane.
type Config struct {
	RingMessages int               // messages kept per queue for lagging cursors, default 256
	RingBytes    int               // payload bytes kept per queue, default 1 MiB
	TotalBytes   int64             // payload bytes kept in memory for lagging cursors in all, default 64 MiB; beyond, only what was read last; twice that, nothing
	CatchUps     int               // catching-up pulls in flight at each broker, default 64
	PullMax      int               // messages asked for by one pull, default 32
	Window       int               // most unacknowledged QoS 1 and 2 messages per session, default 64
	Retained     Retained          // where new subscriptions get retained messages from, nil = nowhere
	Walks        int               // pages of retained messages in memory at a time, default 32
	WalkPage     int               // messages of one, default 64
	WalkBytes    int               // bytes of one that are sent at once, default 64 KiB; a single message may have more
	Shared       Shared            // how shared subscriptions are served; the zero value refuses them
	Limit        registry.Limit    // of new filters, nil = none
	Own          registry.OwnLimit // of clients with a queue of their own, nil = none
	P2P          bool              // sessions read the queue of their client id too
	Subscribe    time.Duration     // bound on one SUBSCRIBE or UNSUBSCRIBE, default 10 s
	Logger       *slog.Logger
	Register     prometheus.Registerer
	Now          func() time.Time
	// Dropped, when not nil, is told of messages that a client was not sent, with the cause as in the metric of the same name and
	// the topic of the last, where they are known. It must not block and not call back.
	Dropped func(clientID, cause, topic string, n int)
}

func (c Config) withDefaults() Config {
	or := func(v *int, d int) {
		if *v <= 0 {
			*v = d
		}
	}
	or(&c.RingMessages, 256)
	or(&c.RingBytes, 1<<20)
	or(&c.CatchUps, 64)
	or(&c.PullMax, 32)
	or(&c.Window, 64)
	or(&c.Walks, 32)
	or(&c.WalkPage, 64)
	or(&c.WalkBytes, 64<<10)
	c.Shared = c.Shared.withDefaults()
	if c.TotalBytes <= 0 {
		c.TotalBytes = 64 << 20
	}
	if c.Subscribe <= 0 {
		c.Subscribe = 10 * time.Second
	}
	if c.Logger == nil {
		c.Logger = slog.New(slog.DiscardHandler)
	}
	if c.Now == nil {
		c.Now = time.Now
	}
	return c
}

// Hub delivers to all sessions of one instance. Safe for concurrent use.
type Hub struct {
	log       Log
	filters   registry.Store
	committer *session.Committer
	cfg       Config
	metrics   *metrics
	ringBytes atomic.Int64 // of the entries kept in rings and by lagging cursors
	walkers   walkers

	keeper   keeper
	finisher finisher
	shaky    shaky
	endings  atomic.Int32 // goroutines that end groups

	ctx  context.Context // ends with Close
	stop context.CancelFunc
	work sync.WaitGroup // goroutines that the hub started

	spawning sync.Mutex // orders work.Go before work.Wait

	mu       sync.Mutex // protects the maps and queue.attached
	queues   map[Ref]*queue
	sessions map[*Session]struct{}
	shares   map[string]*share        // by whole filter
	catching map[string]chan struct{} // by broker: a place per catching-up pull
	silent   map[string]time.Time     // when brokers did not say where queues end, or were asked again since
}

// dropped counts messages that a client was not sent.
func (h *Hub) dropped(count prometheus.Counter, clientID, cause, topic string, n int) {
	count.Add(float64(n))
	if h.cfg.Dropped != nil {
		h.cfg.Dropped(clientID, cause, topic, n)
	}
}

// NewHub returns a hub that reads from log. Holdings are kept in filters, sessions are written through committer.
func NewHub(log Log, filters registry.Store, committer *session.Committer, cfg Config) *Hub {
	cfg = cfg.withDefaults()
	ctx, stop := context.WithCancel(context.Background())
	h := &Hub{
		log: log, filters: filters, committer: committer, cfg: cfg,
		ctx: ctx, stop: stop,
		queues: map[Ref]*queue{}, sessions: map[*Session]struct{}{}, shares: map[string]*share{}, catching: map[string]chan struct{}{}, silent: map[string]time.Time{},
	}
	h.keeper.hub, h.finisher.hub, h.shaky.now = h, h, cfg.Now
	h.metrics = newMetrics(cfg.Register, h)
	return h
}

// Close ends all reading. Sessions must have been closed before.
func (h *Hub) Close() {
	h.spawning.Lock()
	h.stop()
	h.spawning.Unlock()
	for _, sh := range h.allShares() {
		sh.close()
	}
	h.work.Wait()
	h.keeper.close()
}

// spawn runs fn on a goroutine that Close waits for; after Close it does nothing.
func (h *Hub) spawn(fn func()) {
	h.spawning.Lock()
	defer h.spawning.Unlock()
	if h.ctx.Err() == nil {
		h.work.Go(fn)
	}
}

// enter takes a place for a pull at broker, and waits for one: each broker has its own, so that one that does not answer
// holds up nobody else.
func (h *Hub) enter(broker string) (leave func(), err error) {
	h.mu.Lock()
	places := h.catching[broker]
	if places == nil {
		places = make(chan struct{}, h.cfg.CatchUps)
		h.catching[broker] = places
	}
	h.mu.Unlock()
	select {
	case places <- struct{}{}:
		return func() { <-places }, nil
	case <-h.ctx.Done():
		return nil, h.ctx.Err()
	}
}

// crowded reports whether messages kept in memory exceed their bound.
func (h *Hub) crowded() bool { return h.ringBytes.Load() > h.cfg.TotalBytes }

// wakeAll lets the sessions of cursors that waited go on.
func (h *Hub) wakeAll(cursors []*cursor) {
	if len(cursors) == 0 {
		return
	}
	h.spawn(func() {
		for _, c := range cursors {
			c.session.wake(c)
		}
	})
}

// BrokersAdded lets every subscription read the new brokers too.
func (h *Hub) BrokersAdded(brokers []string) {
	h.mu.Lock()
	sessions := make([]*Session, 0, len(h.sessions))
	for s := range h.sessions {
		sessions = append(sessions, s)
	}
	h.mu.Unlock()
	for _, s := range sessions {
		s.addBrokers(brokers)
	}
	for _, sh := range h.allShares() {
		sh.open(brokers)
	}
}

// Holdings returns the holdings of all live sessions, to be asserted again after the registry was rolled back.
func (h *Hub) Holdings() []registry.Hold {
	h.mu.Lock()
	sessions := make([]*Session, 0, len(h.sessions))
	for s := range h.sessions {
		sessions = append(sessions, s)
	}
	h.mu.Unlock()
	var holds []registry.Hold
	for _, s := range sessions {
		holds = s.holdings(holds)
	}
	return holds
}

// attach returns the queue of r with one more cursor counted.
func (h *Hub) attach(r Ref) *queue {
	h.mu.Lock()
	defer h.mu.Unlock()
	q := h.queues[r]
	if q == nil {
		q = &queue{hub: h, ref: r}
		h.queues[r] = q
	}
	q.attached.Add(1)
	return q
}

// detach counts one cursor less and drops the queue with the last one.
func (h *Hub) detach(q *queue, c *cursor) {
	q.forget(c)
	h.mu.Lock()
	last := q.attached.Add(-1) == 0
	if last {
		delete(h.queues, q.ref)
	}
	h.mu.Unlock()
	if last {
		q.close()
		return
	}
	q.left()
}
