// Package events publishes what happens to clients as MQTT messages of QoS 1, for webhooks (functions/push) and for whoever may
// read the gateway's own topics (access.StatusRule):
//
//	$SYS/events/client/connected       a connection was accepted
//	$SYS/events/client/disconnected    it ended, and why; of an instance that died, once its sessions are swept
//	$SYS/events/client/subscribed      filters were granted
//	$SYS/events/client/unsubscribed    filters were given up
//	$SYS/events/session/expired        a session is over, with its subscriptions
//	$SYS/events/message/dropped        messages that did not reach a client, summed up for some seconds
//
// The payload is JSON, see Event. Once the broker has acknowledged an event nothing loses it; before that, it is lost with the
// instance that has it to tell, and given up after a while without a broker, which is counted. Events of one client keep
// their order where one instance tells them. This process's own readers are no clients here.
package events

import (
	"context"
	"encoding/json"
	"errors"
	"hash/maphash"
	"log/slog"
	"strings"
	"sync"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/client_golang/prometheus/promauto"

	"lmqgate/meta/message"
)

// Types of events, as EVENTS names them.
const (
	Connected    = "client.connected"
	Disconnected = "client.disconnected"
	Subscribed   = "client.subscribed"
	Unsubscribed = "client.unsubscribed"
	Expired      = "session.expired"
	Dropped      = "message.dropped"
)

// Types are all of them.
func Types() []string {
	return []string{Connected, Disconnected, Subscribed, Unsubscribed, Expired, Dropped}
}

// Prefix begins the topics of events, Filter matches them all.
const (
	Prefix = "$SYS/events/"
	Filter = Prefix + "#"
)

// Event is what happened, and the payload of its message. Fields that say nothing are left out.
type Event struct {
	Type      string    `json:"type"`
	At        time.Time `json:"at"`
	Instance  string    `json:"instance"`
	ClientID  string    `json:"client_id"`
	Username  string    `json:"username,omitempty"`
	Address   string    `json:"address,omitempty"`
	Transport string    `json:"transport,omitempty"` // ws, tcp, tls
	Protocol  string    `json:"protocol,omitempty"`  // MQTT version
	Clean     bool      `json:"clean_start,omitempty"`
	KeepAlive int       `json:"keep_alive,omitempty"` // seconds
	Since     time.Time `json:"connected_at,omitzero"`
	Code      *int      `json:"reason_code,omitempty"` // of MQTT 5.0
	Reason    string    `json:"reason,omitempty"`
	Filters   []string  `json:"filters,omitempty"`
	Topic     string    `json:"topic,omitempty"` // of the last message dropped
	Count     int       `json:"count,omitempty"` // messages dropped
}

// Config of a Publisher. The zero value publishes nothing.
type Config struct {
	Types      []string
	Instance   string
	Lanes      int           // of clients whose events are published side by side; 0 is 16
	Waiting    int           // events that wait; beyond, new ones are given up and counted. 0 is 16,384
	Patience   time.Duration // for which an event is tried; 0 is 1 min
	Sum        time.Duration // over which dropped messages are summed up; 0 is 5 s
	Now        func() time.Time
	Logger     *slog.Logger
	Registerer prometheus.Registerer
}

// Publisher publishes events. What tells it never blocks. Safe for concurrent use.
type Publisher struct {
	cfg    Config
	wanted map[string]bool
	counts *prometheus.CounterVec
	seed   maphash.Seed
	ctx    context.Context // of publishing
	abort  context.CancelFunc
	work   sync.WaitGroup

	mu     sync.Mutex // protects the fields below
	closed bool
	lanes  []chan Event
	sums   map[sumKey]*sum
	timer  *time.Timer // runs when there are sums
}

type sumKey struct{ client, reason string }

type sum struct {
	topic string
	count int
}

// mostSums bounds the sums at once; what is dropped beyond goes into one without a client.
const mostSums = 4096

// New returns a Publisher at work; Close ends it.
func New(lanes message.Lanes, cfg Config) *Publisher {
	if cfg.Lanes <= 0 {
		cfg.Lanes = 16
	}
	if cfg.Waiting <= 0 {
		cfg.Waiting = 16384
	}
	if cfg.Patience <= 0 {
		cfg.Patience = time.Minute
	}
	if cfg.Sum <= 0 {
		cfg.Sum = 5 * time.Second
	}
	if cfg.Now == nil {
		cfg.Now = time.Now
	}
	if cfg.Logger == nil {
		cfg.Logger = slog.New(slog.DiscardHandler)
	}
	p := &Publisher{cfg: cfg, wanted: make(map[string]bool), seed: maphash.MakeSeed(), sums: make(map[sumKey]*sum)}
	for _, t := range cfg.Types {
		p.wanted[t] = true
	}
	p.ctx, p.abort = context.WithCancel(context.Background())
	p.counts = promauto.With(cfg.Registerer).NewCounterVec(prometheus.CounterOpts{
		Name: "lmqgate_events_total", Help: "Events of clients, by what became of them: sent, dropped for want of room, failed.",
	}, []string{"outcome"})
	for range cfg.Lanes {
		queue := make(chan Event, max(cfg.Waiting/cfg.Lanes, 1))
		p.lanes = append(p.lanes, queue)
		p.work.Go(func() { p.run(lanes.NewLane(), queue) })
	}
	return p
}

// Wants reports whether events of a type are told.
func (p *Publisher) Wants(kind string) bool { return p != nil && p.wanted[kind] }

// Tell publishes an event of the type, if such are wanted. At and Instance are filled in where they are missing.
func (p *Publisher) Tell(e Event) {
	if !p.Wants(e.Type) {
		return
	}
	if e.At.IsZero() {
		e.At = p.cfg.Now()
	}
	if e.Instance == "" {
		e.Instance = p.cfg.Instance
	}
	p.mu.Lock()
	defer p.mu.Unlock()
	p.put(e)
}

// put hands an event to the lane of its client. Called under p.mu.
func (p *Publisher) put(e Event) {
	if !p.closed {
		select {
		case p.lanes[maphash.String(p.seed, e.ClientID)%uint64(len(p.lanes))] <- e:
			return
		default:
		}
	}
	p.counts.WithLabelValues("dropped").Inc()
}

// Drop tells of messages that did not reach a client; it sums them up.
func (p *Publisher) Drop(clientID, reason, topic string, n int) {
	if !p.Wants(Dropped) || n <= 0 {
		return
	}
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.closed {
		return
	}
	key := sumKey{clientID, reason}
	s := p.sums[key]
	if s == nil && len(p.sums) >= mostSums {
		key.client = ""
		s = p.sums[key]
	}
	if s == nil {
		s = &sum{}
		p.sums[key] = s
	}
	s.topic, s.count = topic, s.count+n
	if p.timer == nil {
		p.timer = time.AfterFunc(p.cfg.Sum, func() {
			p.mu.Lock()
			defer p.mu.Unlock()
			p.flush()
		})
	}
}

// flush tells the sums. Called under p.mu.
func (p *Publisher) flush() {
	p.timer = nil
	for key, s := range p.sums {
		p.put(Event{
			Type: Dropped, At: p.cfg.Now(), Instance: p.cfg.Instance, ClientID: key.client, Reason: key.reason, Topic: s.topic, Count: s.count,
		})
	}
	clear(p.sums)
}

// Close takes no more events and waits until those that wait are published, or ctx ends; then the rest is given up. Call it when
// the clients have gone, and before the lanes end.
func (p *Publisher) Close(ctx context.Context) {
	p.mu.Lock()
	if !p.closed {
		if p.timer != nil {
			p.timer.Stop()
		}
		p.flush()
		p.closed = true
		for _, lane := range p.lanes {
			close(lane)
		}
	}
	p.mu.Unlock()
	defer context.AfterFunc(ctx, p.abort)()
	p.work.Wait()
	p.abort()
}

// run publishes the events of some clients, one after the other, until the queue is closed and empty.
func (p *Publisher) run(lane message.Lane, queue <-chan Event) {
	told := false // the log knows that events are being given up
	for e := range queue {
		err := p.publish(lane, &e)
		switch {
		case err == nil:
			p.counts.WithLabelValues("sent").Inc()
			told = false
			continue
		case !told && p.ctx.Err() == nil:
			p.cfg.Logger.Warn("an event was given up", "event", e.Type, "client_id", e.ClientID, "error", err)
			told = true
		}
		p.counts.WithLabelValues("failed").Inc()
	}
}

// publish tries until the broker has the event, or it has waited for longer than Patience, once at least.
func (p *Publisher) publish(lane message.Lane, e *Event) error {
	text, err := json.Marshal(e)
	if err != nil {
		return err
	}
	m := &message.Message{
		Topic: Prefix + strings.ReplaceAll(e.Type, ".", "/"), Payload: text, QoS: 1, BornMillis: e.At.UnixMilli(),
		Properties: message.Properties{ContentType: "application/json", HasFormat: true, PayloadFormat: 1},
	}
	for pause := 100 * time.Millisecond; ; pause = min(2*pause, 2*time.Second) {
		if p.ctx.Err() != nil {
			return p.ctx.Err()
		}
		done := make(chan error, 1)
		lane.Publish(&message.Publication{
			Message: m, Abandoned: func() bool { return p.ctx.Err() != nil }, Done: func(_ message.Result, err error) { done <- err },
		})
		err := <-done // each is answered within PUBLISH_TIMEOUT
		if err == nil || errors.Is(err, message.ErrRefused) || p.cfg.Now().Add(pause).After(e.At.Add(p.cfg.Patience)) {
			return err
		}
		wait := time.NewTimer(pause)
		select {
		case <-wait.C:
		case <-p.ctx.Done():
		}
		wait.Stop()
	}
}
