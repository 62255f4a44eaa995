package client

import (
	"context"
	"log/slog"
	"sync"
	"sync/atomic"
	"time"

	"github.com/prometheus/client_golang/prometheus"

	"lmqgate/adapter/packet"
	"lmqgate/meta/access"
	"lmqgate/meta/message"
	"lmqgate/meta/registry"
	"lmqgate/meta/session"
)

// Config tunes a Server; the zero value is sane.
type Config struct {
	Instance         string // id of this instance
	MaxPacketSize    int    // bytes, default 262,144
	ReceiveMaximum   int    // unacknowledged QoS 1 and 2 PUBLISHes a client may have, default 64
	InFlight         int    // publications of one client on their way to the log, any QoS; beyond, reading pauses. Default 128
	KeepAliveMax     time.Duration
	SessionExpiryMax time.Duration
	MaxSubscriptions int           // per client, default 1,000
	TopicAliases     int           // accepted from an MQTT 5.0 client, default 32
	MaxAge           time.Duration // connections are asked to go between 9/10 of it and all of it; 0 = never
	Redis            time.Duration // bound on one call of the session store, default 5 s
	RepeatWait       time.Duration // age below which another instance's unfinished QoS 2 publish may still arrive, default 3 s
	WriteTimeout     time.Duration // bound on one write to a client, default 30 s
	Logger           *slog.Logger
	Register         prometheus.Registerer
}

func (c Config) withDefaults() Config {
	def := func(v *int, d int) {
		if *v <= 0 {
			*v = d
		}
	}
	dur := func(v *time.Duration, d time.Duration) {
		if *v <= 0 {
			*v = d
		}
	}
	def(&c.MaxPacketSize, 262144)
	def(&c.ReceiveMaximum, 64)
	def(&c.InFlight, 128)
	def(&c.MaxSubscriptions, 1000)
	def(&c.TopicAliases, 32)
	dur(&c.KeepAliveMax, 300*time.Second)
	dur(&c.SessionExpiryMax, 168*time.Hour)
	dur(&c.Redis, 5*time.Second)
	dur(&c.RepeatWait, 3*time.Second)
	dur(&c.WriteTimeout, 30*time.Second)
	if c.Logger == nil {
		c.Logger = slog.New(slog.DiscardHandler)
	}
	return c
}

// Deps are what a Server works with.
type Deps struct {
	Sessions  session.Store
	Sweeper   session.Sweeper // told when an ended session's filters are released
	Words     session.Words // may be nil: a single instance
	Filters   registry.Store
	Committer *session.Committer
	Deliver   Deliverer
	Lanes     message.Lanes
	Verifier  access.Verifier
	Lease     Lease
}

// Server serves MQTT clients. Safe for concurrent use.
type Server struct {
	deps    Deps
	cfg     Config
	metrics *metrics
	start   time.Time // base of lastSeen

	draining atomic.Bool

	mu      sync.Mutex // protects clients
	clients map[string]*client
	gone    sync.WaitGroup // one per connection being served
}

// NewServer returns a server; Run must be running for keep-alive to be watched.
func NewServer(deps Deps, cfg Config) *Server {
	s := &Server{deps: deps, cfg: cfg.withDefaults(), clients: map[string]*client{}, start: time.Now()}
	s.metrics = newMetrics(s.cfg.Register, s)
	return s
}

// Run closes clients whose keep-alive has run out, and all of them while the instance's heartbeat has lapsed, until ctx
// ends.
func (s *Server) Run(ctx context.Context) {
	tick := time.NewTicker(time.Second)
	defer tick.Stop()
	for {
		select {
		case <-ctx.Done():
			return
		case <-tick.C:
		}
		if !s.deps.Lease.Valid() {
			s.closeAll(packet.ServerBusy)
			continue
		}
		now := s.now()
		for _, c := range s.list(func(c *client) bool { return c.silent(now) }) {
			c.Close(packet.KeepAliveTimeout) // [MQTT-3.1.2-22]
		}
		for _, c := range s.list(func(c *client) bool { return c.retire > 0 && now > c.retire }) {
			c.Close(packet.UseAnotherServer)
		}
	}
}

func (s *Server) now() int64 { return int64(time.Since(s.start)) }

// list returns the clients that pass.
func (s *Server) list(pass func(*client) bool) []*client {
	s.mu.Lock()
	defer s.mu.Unlock()
	var list []*client
	for _, c := range s.clients {
		if pass(c) {
			list = append(list, c)
		}
	}
	return list
}

func (s *Server) closeAll(code packet.ReasonCode) {
	for _, c := range s.list(func(*client) bool { return true }) {
		c.Close(code)
	}
}

// Len is the number of clients with an accepted CONNECT.
func (s *Server) Len() int {
	s.mu.Lock()
	defer s.mu.Unlock()
	return len(s.clients)
}

// Word handles a word from another instance: a client id that was taken over there, or is to be closed.
func (s *Server) Word(w session.Word) {
	s.mu.Lock()
	c := s.clients[w.ClientID]
	s.mu.Unlock()
	if c == nil {
		return
	}
	switch w.Kind {
	case "lost":
		c.lose(w.Epoch)
	case "kick":
		c.Close(packet.AdministrativeAction)
	}
}

// lose closes the connection if its epoch is not newer than one that was taken over. The word may come while the
// session is being attached; attach looks again then.
func (c *client) lose(e session.Epoch) {
	for {
		old := c.lostTo.Load()
		if old >= uint64(e) || c.lostTo.CompareAndSwap(old, uint64(e)) {
			break
		}
	}
	if c.attached.Load() && uint64(c.epoch) <= c.lostTo.Load() {
		c.Close(packet.SessionTakenOver)
	}
}

// Drain refuses new clients, says goodbye to all with the code, spread evenly over the given time, and waits until
// their sessions are released or ctx ends.
func (s *Server) Drain(ctx context.Context, code packet.ReasonCode, over time.Duration) error {
	s.draining.Store(true)
	list := s.list(func(*client) bool { return true })
	if len(list) > 0 {
		t := time.NewTicker(max(over/time.Duration(len(list)), time.Microsecond))
		defer t.Stop()
		for _, c := range list {
			c.Close(code)
			select {
			case <-t.C:
			case <-ctx.Done():
				return ctx.Err()
			}
		}
	}
	s.closeAll(code) // who slipped in
	done := make(chan struct{})
	go func() { s.gone.Wait(); close(done) }()
	select {
	case <-done:
		return nil
	case <-ctx.Done():
		return ctx.Err()
	}
}

// claim makes c the holder of its client id on this instance and returns the one before.
func (s *Server) claim(c *client) (old *client) {
	s.mu.Lock()
	defer s.mu.Unlock()
	old = s.clients[c.id]
	s.clients[c.id] = c
	return old
}

// forget removes c unless another connection has claimed its client id.
func (s *Server) forget(c *client) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.clients[c.id] == c {
		delete(s.clients, c.id)
	}
}
