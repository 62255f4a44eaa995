package transport

import (
	"bufio"
	"container/list"
	"context"
	"net"
	"net/http"
	"sync"
)

// halves are the connections that are no clients yet: TCP and TLS without a complete CONNECT, HTTP between requests. There
// are at most max; one more and that which has been so for longest gives way, so that many that send nothing do not keep
// out those that do.
type halves struct {
	max int // 0 = any number

	mu  sync.Mutex // protects what follows, and the fields of every half
	all list.List  // of *half, the oldest in front
}

// half is the place of one such connection.
type half struct {
	of    *halves
	yield func() // closes the connection without blocking
	at    *list.Element
}

// enter adds a connection; yield is called at most once, without a lock.
func (h *halves) enter(yield func()) *half {
	p := &half{of: h, yield: yield}
	p.again()
	return p
}

// again puts the connection behind the others, or in, if it had left.
func (p *half) again() {
	h := p.of
	if h.max <= 0 {
		return
	}
	h.mu.Lock()
	if p.at == nil {
		p.at = h.all.PushBack(p)
	}
	var oldest *half
	if h.all.Len() > h.max {
		oldest = h.all.Front().Value.(*half)
		oldest.leaveLocked()
	}
	h.mu.Unlock()
	if oldest != nil {
		oldest.yield()
	}
}

// leave is for a connection that has become a client, or ended; p may be nil.
func (p *half) leave() {
	if p == nil {
		return
	}
	p.of.mu.Lock()
	defer p.of.mu.Unlock()
	p.leaveLocked()
}

func (p *half) leaveLocked() {
	if p.at != nil {
		p.of.all.Remove(p.at)
		p.at = nil
	}
}

func (h *halves) len() int {
	h.mu.Lock()
	defer h.mu.Unlock()
	return h.all.Len()
}

// giveWay ends a connection that was half-made for longest.
func (c *Conn) giveWay() {
	if c.beginClose(StatusTryAgainLater, "", "") {
		c.srv.refusing(c.kind, refusedHalf)
		c.abort()
	}
}

// webListener counts the connections of the HTTP server among the halves.
type webListener struct {
	net.Listener
	s *Server
}

func (l webListener) Accept() (net.Conn, error) {
	raw, err := l.Listener.Accept()
	if err != nil {
		return nil, err
	}
	c := &webConn{Conn: raw}
	c.half = l.s.halves.enter(func() {
		l.s.refusing(kindWS, refusedHalf)
		_ = raw.Close()
	})
	return c, nil
}

// webConn is a connection of the HTTP server, until it is hijacked.
type webConn struct {
	net.Conn
	half *half
}

func (c *webConn) Close() error {
	c.half.leave()
	return c.Conn.Close()
}

// CloseWrite lets the HTTP server half-close.
func (c *webConn) CloseWrite() error {
	if w, ok := c.Conn.(interface{ CloseWrite() error }); ok {
		return w.CloseWrite()
	}
	return nil
}

// bare is the socket that the HTTP server had, without what was put around it.
func bare(raw net.Conn) net.Conn {
	if w, ok := raw.(*webConn); ok {
		w.half.leave()
		raw = w.Conn
	}
	if p, ok := raw.(*proxiedConn); ok { // its header has been read
		raw = p.Conn
	}
	return raw
}

type webConnKey struct{}

// ConnContext is for the HTTP server's field of that name; Serving needs it.
func (s *Server) ConnContext(ctx context.Context, c net.Conn) context.Context {
	if w, ok := c.(*webConn); ok {
		return context.WithValue(ctx, webConnKey{}, w)
	}
	return ctx
}

// Serving wraps the HTTP server's handler: a connection whose request is being served does not give way to others, however
// long that takes.
func (s *Server) Serving(h http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		c, ok := r.Context().Value(webConnKey{}).(*webConn)
		if !ok {
			h.ServeHTTP(w, r)
			return
		}
		c.half.leave()
		hijack := &hijackable{ResponseWriter: w}
		h.ServeHTTP(hijack, r)
		if !hijack.done {
			c.half.again()
		}
	})
}

// hijackable notes whether its connection was taken.
type hijackable struct {
	http.ResponseWriter
	done bool
}

func (h *hijackable) Unwrap() http.ResponseWriter { return h.ResponseWriter }

// Hijack implements http.Hijacker.
func (h *hijackable) Hijack() (net.Conn, *bufio.ReadWriter, error) {
	conn, brw, err := http.NewResponseController(h.ResponseWriter).Hijack()
	h.done = err == nil
	return conn, brw, err
}
