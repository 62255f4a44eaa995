// Package transport accepts MQTT byte streams over WebSocket, TCP and TLS and keeps the registry of open connections.
//
// Whatever carries it, a client arrives as a [Conn] on a goroutine of its own, the only one the connection ever has:
// [Handler] runs on it, and when the handler returns the connection is closed and leaves the registry. The package
// knows WebSocket, TLS and the headers of proxies; it does not know MQTT.
//
// To stop: [Server.TurnAway], [Server.StopAccepting], say goodbye to each connection of [Server.Each], [Server.Wait], and for those that
// are still there [Server.AbortAll] and Wait again.
package transport

import (
	"context"
	"log/slog"
	"sync"
	"sync/atomic"
	"time"
)

// Handler serves one connection. It runs on the connection's only goroutine; when it returns the connection is closed
// (WebSocket code 1000 unless CloseWith named another) and leaves the registry. It has to return when Read fails.
type Handler func(c *Conn)

// Server turns listeners and upgrade requests into connections. All methods may be called concurrently.
type Server struct {
	cfg     Config
	handler Handler
	log     *slog.Logger
	met     *metrics
	reg     *registry
	rate    *bucket
	halves  *halves
	said    notices
	frames  frameBuffers
	lastID  atomic.Uint64
	away    atomic.Bool // TurnAway was called

	mu        sync.Mutex // protects what follows
	stopped   bool
	stop      chan struct{} // closed by StopAccepting
	listeners map[closer]struct{}
}

type closer interface{ Close() error }

// New returns a server that hands every connection to h.
func New(cfg Config, h Handler) *Server {
	cfg = cfg.withDefaults()
	half := &halves{max: cfg.MaxHalfMade}
	return &Server{
		cfg:       cfg,
		rate:      newBucket(cfg.ConnectRate),
		halves:    half,
		handler:   h,
		log:       cfg.Logger,
		met:       newMetrics(cfg.Registerer, half.len),
		reg:       newRegistry(cfg.MaxConnections),
		stop:      make(chan struct{}),
		listeners: map[closer]struct{}{},
	}
}

// Path is where ServeHTTP is to be mounted.
func (s *Server) Path() string { return s.cfg.Path }

// Len is the number of open connections, those still in their TLS handshake or lingering after a close included.
func (s *Server) Len() int { return s.reg.len() }

// Each calls fn for the connections open at the time of the call until fn returns false. No lock is held meanwhile,
// so fn may close connections, and a connection may end before fn sees it.
func (s *Server) Each(fn func(*Conn) bool) {
	for _, c := range s.reg.snapshot() {
		if !fn(c) {
			return
		}
	}
}

// TurnAway answers further upgrade requests with 503, which a proxy can take as a word to try another instance. TCP and
// TLS connections go on being accepted: there only the handler can tell a client to go elsewhere, rather than to find
// nobody.
func (s *Server) TurnAway() { s.away.Store(true) }

// StopAccepting closes the listeners of ServeTCP and ServeTLS, which return nil, and answers further upgrade requests
// with 503. Open connections go on. It may be called more than once.
func (s *Server) StopAccepting() {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.stopped {
		return
	}
	s.stopped = true
	close(s.stop)
	for ln := range s.listeners {
		_ = ln.Close()
	}
	s.reg.shut()
}

// CloseAll closes every open connection as Conn.CloseWith does. It does not wait for them to leave the registry.
func (s *Server) CloseAll(code StatusCode, reason string) {
	s.Each(func(c *Conn) bool {
		_ = c.CloseWith(code, reason)
		return true
	})
}

// AbortAll cuts every open connection without a word. It does not wait for them to leave the registry.
func (s *Server) AbortAll() {
	s.Each(func(c *Conn) bool {
		c.abort()
		return true
	})
}

// Wait returns nil when no connection is left and every goroutine of this package's connections has finished its
// handler, or ctx's error when ctx ends first.
func (s *Server) Wait(ctx context.Context) error { return s.reg.wait(ctx) }

// start runs the handler for a connection that holds a place in the registry. It does not block.
func (s *Server) start(c *Conn) {
	c.id = s.lastID.Add(1)
	s.reg.add(c)
	s.met.opened(c.kind)
	if patience := c.patience(); patience > 0 {
		c.mu.Lock()
		c.timer = time.AfterFunc(patience, c.connectTimedOut)
		c.mu.Unlock()
	}
	go s.run(c)
}

// run is the connection's goroutine. It is kept shallow: its frames are part of what an idle connection costs.
func (s *Server) run(c *Conn) {
	defer s.finish(c)
	if c.prepare() {
		s.handler(c)
	}
}

// finish ends a connection whose handler has returned or panicked. A panic is logged and costs this connection only.
func (s *Server) finish(c *Conn) {
	if v := recover(); v != nil {
		s.logPanic(c, v)
		_ = c.CloseWith(StatusInternalError, "internal error")
	}
	_ = c.CloseWith(StatusNormal, "")
	c.half.leave()
	c.farewell()
	s.met.closed(c.kind)
	s.reg.remove(c)
}
