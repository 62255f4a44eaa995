package presence

import (
	"context"
	"fmt"
	"hash/fnv"
	"log/slog"
	"sync"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/client_golang/prometheus/promauto"

	"lmqgate/adapter/packet"
	"lmqgate/meta/message"
)

// Matcher finds the filters with a subscriber that match a topic.
type Matcher interface {
	// Match calls done once and does not block; done only reads the slice.
	Match(topic string, done func(filters []string, err error))
}

// Producer sends to RocketMQ. Safe for concurrent use.
type Producer interface {
	// Pick chooses the queue of a RocketMQ topic by the hash of a key. It may ask the name server, or create the topic.
	Pick(ctx context.Context, rocketTopic, hashKey string) (message.Place, error)
	// Send sends without any retry of its own and calls done once, before or after it returns. It does not block.
	Send(o *Outgoing, done func(error))
	// NewKey makes a UNIQ_KEY.
	NewKey() string
}

// Config tunes Events; the zero value is sane.
type Config struct {
	Instance   string        // id of this instance
	Waiting    int           // events that wait to be sent; beyond, new ones are dropped and counted. Default 16,384
	Lanes      int           // events sent at a time, each of another client. Default 16
	Patience   time.Duration // age up to which an event is tried again, default 1 min
	Now        func() time.Time
	Logger     *slog.Logger
	Registerer prometheus.Registerer
}

func (c Config) withDefaults() Config {
	if c.Lanes <= 0 {
		c.Lanes = 16
	}
	if c.Waiting <= 0 {
		c.Waiting = 16384
	}
	if c.Patience <= 0 {
		c.Patience = time.Minute
	}
	if c.Now == nil {
		c.Now = time.Now
	}
	if c.Logger == nil {
		c.Logger = slog.New(slog.DiscardHandler)
	}
	return c
}

// Events sends what it is told. Safe for concurrent use; what tells it never blocks.
type Events struct {
	cfg      Config
	matcher  Matcher
	producer Producer
	counts   map[string]prometheus.Counter // by outcome

	ctx   context.Context // of sending; ends when Close gives up
	abort context.CancelFunc
	work  sync.WaitGroup // the lanes' goroutines

	mu     sync.Mutex // protects closed, and that nothing is put into a closed lane
	closed bool
	lanes  []*lane
}

// What becomes of an event.
const (
	outcomeSent    = "sent"
	outcomeDropped = "dropped" // there was no room, or it came after Close
	outcomeFailed  = "failed"  // given up
)

// New returns Events at work; Close ends them.
func New(m Matcher, p Producer, cfg Config) *Events {
	cfg = cfg.withDefaults()
	e := &Events{cfg: cfg, matcher: m, producer: p, counts: make(map[string]prometheus.Counter, 3)}
	e.ctx, e.abort = context.WithCancel(context.Background())
	total := promauto.With(cfg.Registerer).NewCounterVec(prometheus.CounterOpts{
		Name: "lmqgate_presence_events_total",
		Help: "Events of clients that came or went, by what became of them: sent, dropped for want of room, failed.",
	}, []string{"outcome"})
	for _, o := range []string{outcomeSent, outcomeDropped, outcomeFailed} {
		e.counts[o] = total.WithLabelValues(o)
	}
	for range cfg.Lanes {
		l := &lane{events: e, queue: make(chan body, max(cfg.Waiting/cfg.Lanes, 1))}
		e.lanes = append(e.lanes, l)
		e.work.Go(l.run)
	}
	return e
}

// Online tells that a client connected.
func (e *Events) Online(i Info) { e.put(came(i, e.cfg.Instance)) }

// Offline tells that its connection ended, and why.
func (e *Events) Offline(i Info, code packet.ReasonCode) {
	e.put(went(i, e.cfg.Instance, code, e.cfg.Now()))
}

// Swept tells that clients were connected to an instance that is dead. It is for whoever detached their sessions.
func (e *Events) Swept(instance string, clientIDs []string) {
	now := e.cfg.Now()
	for _, id := range clientIDs {
		e.put(swept(id, instance, now))
	}
}

// put hands an event to the lane of its client.
func (e *Events) put(b body) {
	b.queued = e.cfg.Now()
	h := fnv.New32a()
	h.Write([]byte(b.ClientID))
	l := e.lanes[h.Sum32()%uint32(len(e.lanes))]
	e.mu.Lock()
	defer e.mu.Unlock()
	if !e.closed {
		select {
		case l.queue <- b:
			return
		default:
		}
	}
	e.counts[outcomeDropped].Inc()
}

// Close takes no more events and waits until those that wait are sent, or ctx ends; then the rest is given up and the
// error says how many. Call it when the clients have gone and before producer and matcher end.
func (e *Events) Close(ctx context.Context) error {
	e.mu.Lock()
	if !e.closed {
		e.closed = true
		for _, l := range e.lanes {
			close(l.queue)
		}
	}
	e.mu.Unlock()
	sent := make(chan struct{})
	go func() { e.work.Wait(); close(sent) }() // ends with the lanes, for which Close waits in any case
	var err error
	select {
	case <-sent:
	case <-ctx.Done():
		e.abort()
		<-sent
		left := 0
		for _, l := range e.lanes {
			left += l.left
		}
		if left > 0 {
			err = fmt.Errorf("close presence: %d events given up: %w", left, context.Cause(ctx))
		}
	}
	e.abort()
	return err
}
