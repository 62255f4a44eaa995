package client

import (
	"context"
	"crypto/rand"
	"hash/maphash"
	"log/slog"
	"sync"
	"sync/atomic"
	"time"

	"lmqgate/adapter/packet"
	"lmqgate/meta/access"
	"lmqgate/meta/message"
	"lmqgate/meta/registry"
	"lmqgate/meta/session"
)

// Deps are what a Server works with.
type Deps struct {
	Sessions  session.Store
	Viewer    session.Viewer  // may be nil: then a session whose Attach had no answer stays until its client returns
	Sweeper   session.Sweeper // told when an ended session's filters are released
	Words     session.Words   // may be nil: a single instance
	Filters   registry.Store
	Committer *session.Committer
	Deliver   Deliverer
	Lanes     message.Lanes
	Verifier  access.Verifier
	Enhanced  access.Enhanced   // may be nil: no enhanced authentication
	Access    access.Authorizer // may be nil: everybody may do anything
	Lease     Lease
	Admit     func() error            // why no client can be accepted now, in words for it; nil, or returning nil: all can
	NewKey    func() string           // makes a UNIQ_KEY; nil: a random text
	Wills     func([]session.DueWill) // takes wills whose time has come, without blocking; nil: they are dropped
	Presence  Presence                // may be nil
	// Dropped, when not nil, is told of messages of QoS 0 that did not get into the log. It must not block.
	Dropped  func(clientID, cause, topic string, n int)
	Pressure Pressure // may be nil: memory is never short
}

// Server serves MQTT clients. Safe for concurrent use.
type Server struct {
	deps    Deps
	cfg     Config
	metrics *metrics
	start   time.Time // base of now
	seed    maphash.Seed
	undone  undone
	conns   atomic.Uint64 // that were served
	hand    hand
	budget  budget
	warned  atomic.Int64 // when warn last did, ns since start
	freed   atomic.Int64 // when a session was last released, ns since start
	refused refusals

	accounts accounts
	spent    meter // by all clients

	behalves chan struct{} // full while mostBehalf questions of operators are being answered

	rechecks atomic.Bool // Recheck was called
	draining atomic.Bool // set under mu

	mu      sync.Mutex         // protects the fields below
	clients map[string]*client // by client id, attached
	coming  map[string]arrival // being attached
	staying int                // clients that arrived and are not gone
	empty   chan struct{}      // made by a waiter, closed when staying falls to 0
}

// NewServer returns a server; Run must be running for keep alive to be watched.
func NewServer(deps Deps, cfg Config) *Server {
	if deps.NewKey == nil {
		deps.NewKey = rand.Text
	}
	s := &Server{
		deps: deps, cfg: cfg.withDefaults(), clients: map[string]*client{}, coming: map[string]arrival{}, start: time.Now(),
		seed: maphash.MakeSeed(), behalves: make(chan struct{}, mostBehalf),
	}
	s.budget.most = int64(s.cfg.OutBytes)
	s.metrics = newMetrics(s.cfg.Register, s)
	return s
}

// Run closes clients whose keep alive has run out or whose connection is old, and all of them while the instance's
// heartbeat has lapsed, and releases sessions for which that failed, until ctx ends.
func (s *Server) Run(ctx context.Context) {
	tick := time.NewTicker(time.Second)
	defer tick.Stop()
	retrying := make(chan struct{}, 1) // full while a goroutine is at it
	for {
		select {
		case <-ctx.Done():
			retrying <- struct{}{} // joins it
			for range mostBehalf { // and those
				s.behalves <- struct{}{}
			}
			return
		case <-tick.C:
		}
		if !s.deps.Lease.Valid() {
			s.giveUpAll()
			continue
		}
		s.look()
		s.balance()
		select {
		case retrying <- struct{}{}:
			go func() { s.retry(ctx); <-retrying }()
		default:
		}
	}
}

// look is what is done for every client once a second.
func (s *Server) look() {
	now := s.now()
	s.accounts.sweep(now)
	var silent, tardy, old, expired, unsure, overdue, idle []*client
	s.mu.Lock()
	for _, c := range s.clients {
		switch {
		case c.moving.Load() != nil: // it ends soon, and is not read any more
		case c.silent(now):
			silent = append(silent, c)
		case c.tardy(now):
			tardy = append(tardy, c)
		case c.expired(now):
			expired = append(expired, c)
		case c.retire > 0 && now > c.retire:
			old = append(old, c)
		case c.overdue(now):
			overdue = append(overdue, c)
		case c.unsure(now):
			unsure = append(unsure, c)
		case c.idle(now):
			idle = append(idle, c)
		}
	}
	s.mu.Unlock()
	for _, c := range silent {
		c.end(packet.KeepAliveTimeout, "no packet within 1.5 times the keep alive") // [MQTT-3.1.2-22]
	}
	for _, c := range tardy {
		s.metrics.slow(slowPacket)
		c.end(packet.KeepAliveTimeout, "a packet takes too long to come")
	}
	for _, c := range old {
		c.move(packet.UseAnotherServer, "connections are renewed after a while, connect again")
	}
	for _, c := range expired {
		c.end(packet.NotAuthorized, "the credentials have expired")
	}
	for _, c := range overdue {
		c.end(packet.NotAuthorized, "re-authentication takes too long")
	}
	for _, c := range unsure {
		c.in.Load().renew()
	}
	for _, c := range idle {
		c.ping(now)
	}
}

func (s *Server) now() int64 { return int64(time.Since(s.start)) }

// Lapsed closes all clients because the lease of the instance had ended, if only for a moment. When it returns, no packet
// of theirs is handled any more.
func (s *Server) Lapsed() { s.giveUpAll() }

func (s *Server) giveUpAll() {
	for _, c := range s.all() {
		c.giveUp(packet.ServerBusy, "this instance has lost contact to its session store")
	}
}

func (s *Server) closeAll(code packet.ReasonCode) {
	for _, c := range s.all() {
		c.Close(code)
	}
}

// Len is the number of clients with an accepted CONNECT.
func (s *Server) Len() int {
	s.mu.Lock()
	defer s.mu.Unlock()
	return len(s.clients)
}

// Word handles a word from another instance: a client id that was taken over there, or is to be closed or subscribed.
func (s *Server) Word(w session.Word) {
	if w.Kind == session.WordSubscribe || w.Kind == session.WordUnsubscribe {
		s.onBehalf(w)
		return
	}
	for _, c := range s.of(w.ClientID) {
		switch w.Kind {
		case session.WordLost:
			c.lose(w.Epoch)
		case session.WordKick:
			c.Close(packet.AdministrativeAction)
		}
	}
}

// warn logs at most one warning a second, others at debug level: what fails for one client fails for thousands.
func (s *Server) warn(msg string, args ...any) {
	level, now, last := slog.LevelDebug, s.now(), s.warned.Load()
	if (last == 0 || now-last > int64(time.Second)) && s.warned.CompareAndSwap(last, max(now, 1)) {
		level = slog.LevelWarn
	}
	s.cfg.Logger.Log(context.Background(), level, msg, args...)
}
