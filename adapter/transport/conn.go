package transport

import (
	"crypto/tls"
	"errors"
	"log/slog"
	"net"
	"net/http"
	"net/netip"
	"os"
	"runtime/debug"
	"sync"
	"sync/atomic"
	"time"
)

// Conn is one accepted MQTT byte stream, whatever carries it. Read and Write have the semantics of a byte stream: an
// MQTT packet may span WebSocket messages and a message may hold several packets.
//
// One goroutine may read at a time. Write, the deadlines and the ways to close may be called from any goroutine.
type Conn struct {
	srv  *Server
	raw  net.Conn  // *net.TCPConn, *tls.Conn, or whatever the HTTP server handed over
	ws   *wsStream // nil on TCP and TLS
	id   uint64
	kind kind
	half *half // until Established

	refused Refusal       // written before the handler runs
	turn    time.Duration // how long the handler is to wait for its turn
	spare   bool          // has one of the places of those that are refused

	gone atomic.Bool // the peer has gone or the connection was cut: no farewell

	secure atomic.Bool // the TLS handshake of kindTLS is done

	wmu    sync.Mutex // held while bytes go out; protects what follows
	fin    bool       // the last byte has gone out: close frame and half-close done
	broken bool       // a write stopped half-way: nothing sensible can follow

	mu     sync.Mutex // protects what follows, and the deadlines against those of a close
	remote netip.AddrPort
	header http.Header // until DropHeader
	timer  *time.Timer // until Established
	closed *closed     // nil: not closing
}

// closed says why a connection closes.
type closed struct {
	code   StatusCode
	reason string
}

var _ net.Conn = (*Conn)(nil)

// Kind is "ws", "tcp" or "tls".
func (c *Conn) Kind() string { return c.kind.String() }

// ID is unique among the connections of one Server.
func (c *Conn) ID() uint64 { return c.id }

// RemoteAddr is the client's address: the peer's, or what a trusted proxy said it to be. Behind X-Forwarded-For the
// port is 0.
func (c *Conn) RemoteAddr() net.Addr {
	c.mu.Lock()
	defer c.mu.Unlock()
	return net.TCPAddrFromAddrPort(c.remote)
}

// RemoteIP is the address of RemoteAddr, an IPv4 address never in its IPv6 form. It is the zero Addr if the peer has
// no IP address.
func (c *Conn) RemoteIP() netip.Addr {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.remote.Addr()
}

// LocalAddr is the address of the socket.
func (c *Conn) LocalAddr() net.Addr { return c.raw.LocalAddr() }

// Header holds Authorization, Cookie and User-Agent of the upgrade request. It is nil for TCP and TLS, and after
// DropHeader.
func (c *Conn) Header() http.Header {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.header
}

// DropHeader lets go of Header, which may be kilobytes, once the client is authenticated.
func (c *Conn) DropHeader() {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.header = nil
}

// TLS is the state of the TLS connection that ends here, nil if there is none or its handshake is not done. It is done
// when the handler runs.
func (c *Conn) TLS() *tls.ConnectionState {
	t, ok := c.raw.(*tls.Conn)
	if !ok || c.kind == kindTLS && !c.secure.Load() { // ConnectionState waits for a handshake under way
		return nil
	}
	state := t.ConnectionState()
	return &state
}

// Subprotocol is the WebSocket subprotocol agreed upon, "mqtt" or "mqttv3.1"; empty for TCP and TLS.
func (c *Conn) Subprotocol() string {
	if c.ws == nil {
		return ""
	}
	return c.ws.sub
}

// Refused says why the handler is not to serve this connection but to answer its CONNECT and return; empty if it is to
// serve it. That is so on TCP and TLS only.
func (c *Conn) Refused() Refusal { return c.refused }

// patience is how long the connection may take to be established; 0 or less is for ever.
func (c *Conn) patience() time.Duration {
	if most := c.srv.cfg.ConnectTimeout; c.refused == "" || most > 0 && most < refusalTime {
		return most
	}
	return refusalTime + c.turn
}

// hurry shortens the patience with a connection that turned out to be refused.
func (c *Conn) hurry() {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.timer != nil {
		c.timer.Reset(refusalTime)
	}
}

// Established ends the connect timeout. The handler calls it when CONNECT has come.
func (c *Conn) Established() {
	c.half.leave()
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.timer != nil {
		c.timer.Stop()
		c.timer = nil
	}
}

// Read reads the next bytes of the stream. It returns io.EOF when the peer ended the stream in order, net.ErrClosed
// after a close of ours, and ErrTextFrame if a text frame arrived [MQTT-6.0.0-1]. A read that passes its deadline may be
// repeated, unless it stopped inside a WebSocket frame: then the error stays.
func (c *Conn) Read(p []byte) (n int, err error) {
	if c.ws == nil {
		n, err = c.raw.Read(p)
	} else {
		for n == 0 && err == nil && len(p) > 0 {
			if c.ws.between() { // an idle connection waits here, on a short stack and where a deadline is harmless
				if _, err = c.ws.br.Peek(1); err != nil {
					break
				}
			}
			n, err = c.ws.readMessage(p)
		}
	}
	c.srv.cfg.Traffic.In.Add(int64(n))
	if err != nil {
		err = c.readFailed(err)
	}
	return n, err
}

// readFailed notes a read error: it decides whether the peer can still be spoken to.
func (c *Conn) readFailed(err error) error {
	var bad *frameError
	switch {
	case c.closing():
		return net.ErrClosed
	case errors.As(err, &bad):
		_ = c.CloseWith(bad.code, bad.Error())
	case !errors.Is(err, os.ErrDeadlineExceeded):
		c.gone.Store(true)
	}
	return err
}

// Write sends p, over WebSocket as one binary message [MQTT-6.0.0-1]. Writes of several goroutines do not mix. A write
// that fails leaves the stream unusable, since a part of p may have gone out.
func (c *Conn) Write(p []byte) (int, error) {
	if len(p) == 0 {
		return 0, nil
	}
	c.wmu.Lock()
	defer c.wmu.Unlock()
	if c.fin || c.broken {
		return 0, net.ErrClosed
	}
	var n int
	var err error
	if c.ws != nil {
		n, err = c.srv.frames.write(c.raw, p)
	} else {
		n, err = c.raw.Write(p)
	}
	c.srv.cfg.Traffic.Out.Add(int64(n))
	c.broken = err != nil
	return n, err
}

// Ping sends a WebSocket ping, which keeps intermediaries from closing an idle connection; the pong is ignored. It
// never waits: it does nothing when something else is being sent or the socket is full, and nothing on TCP, on TLS and
// on a WebSocket whose TLS ends in this process (a record cannot be sent without the risk of waiting).
func (c *Conn) Ping() error {
	if c.ws == nil || !c.wmu.TryLock() {
		return nil
	}
	defer c.wmu.Unlock()
	if c.fin || c.broken {
		return net.ErrClosed
	}
	_, err := tryWrite(c.raw, []byte{finPing, 0})
	c.broken = err != nil
	return err
}

// SetDeadline sets both deadlines.
func (c *Conn) SetDeadline(t time.Time) error { return c.deadline(t, c.raw.SetDeadline) }

// SetReadDeadline bounds Read; it costs no timer of its own.
func (c *Conn) SetReadDeadline(t time.Time) error { return c.deadline(t, c.raw.SetReadDeadline) }

// SetWriteDeadline bounds Write.
func (c *Conn) SetWriteDeadline(t time.Time) error { return c.deadline(t, c.raw.SetWriteDeadline) }

// deadline sets a deadline unless a close has set its own.
func (c *Conn) deadline(t time.Time, set func(time.Time) error) error {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.closed != nil {
		return net.ErrClosed
	}
	return set(t)
}

// connectTimedOut runs on a timer when Established was not called in time.
func (c *Conn) connectTimedOut() {
	if !c.beginClose(StatusProtocolError, "no CONNECT in time", refusedTimeout) {
		return
	}
	c.srv.log.Debug("no CONNECT in time", "kind", c.kind.String(), "remote", c.RemoteIP())
	c.sendLastNow()
}

func (s *Server) logPanic(c *Conn, v any) {
	s.log.Error("panic in connection handler", slog.Any("panic", v), "kind", c.kind.String(), "remote", c.RemoteIP(),
		"stack", string(debug.Stack()))
}
