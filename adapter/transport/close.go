package transport

import (
	"crypto/tls"
	"net"
	"time"
)

const (
	// closeGrace is how long a write under way when the connection is closed, and the close frame, may take.
	closeGrace = time.Second
	// lingerTime is how long the peer may take to close its side after we closed ours.
	lingerTime = time.Second
)

// CloseWith closes the connection, over WebSocket with a close frame of this code and reason (cut at 123 bytes).
//
// It never waits. Read returns net.ErrClosed at once, writes under way have a second to end. The close frame and the
// half-close of the socket go out at once if nothing else is being sent, otherwise when the handler has returned; the
// peer then has a second to close its side, which keeps its unread bytes from resetting ours away, before the socket is
// closed. The first call decides; a later one changes nothing and returns net.ErrClosed.
func (c *Conn) CloseWith(code StatusCode, reason string) error {
	if !c.beginClose(code, reason, "") {
		return net.ErrClosed
	}
	c.sendLastNow()
	return nil
}

// Close is CloseWith(StatusNormal, "").
func (c *Conn) Close() error { return c.CloseWith(StatusNormal, "") }

// beginClose notes why the connection closes and wakes the reader; false if it is closing already. A refusal is counted
// first, before anybody can see the close.
func (c *Conn) beginClose(code StatusCode, reason, refused string) bool {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.closed != nil {
		return false
	}
	c.closed = &closed{code, reason}
	if refused != "" {
		c.srv.met.refuse(c.kind, refused)
	}
	if c.timer != nil {
		c.timer.Stop()
		c.timer = nil
	}
	_ = c.raw.SetWriteDeadline(time.Now().Add(closeGrace))
	_ = c.raw.SetReadDeadline(time.Unix(1, 0))
	return true
}

// sendLastNow sends the last bytes if that can be done without waiting.
func (c *Conn) sendLastNow() {
	if !c.gone.Load() && c.wmu.TryLock() {
		defer c.wmu.Unlock()
		c.sendLast(false)
	}
}

func (c *Conn) closing() bool {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.closed != nil
}

// sendLast sends the close frame and half-closes the socket, once. Without wait it does only what cannot block. The
// caller holds wmu.
func (c *Conn) sendLast(wait bool) {
	if c.fin || c.broken {
		return
	}
	if c.ws != nil && !c.sendCloseFrame(wait) {
		return
	}
	c.fin = c.halfClose(wait)
}

// sendCloseFrame reports whether the close frame is out, now or earlier.
func (c *Conn) sendCloseFrame(wait bool) bool {
	if c.ws.closeSent {
		return true
	}
	c.mu.Lock()
	frame := closeFrame(c.closed.code, c.closed.reason)
	c.mu.Unlock()
	var err error
	if wait {
		_, err = c.raw.Write(frame)
		c.ws.closeSent = err == nil
	} else {
		c.ws.closeSent, err = tryWrite(c.raw, frame)
	}
	c.broken = err != nil
	return c.ws.closeSent
}

// halfClose tells the peer that nothing more comes. On TLS that is a record, whose sending may block.
func (c *Conn) halfClose(wait bool) bool {
	switch raw := c.raw.(type) {
	case *net.TCPConn:
		_ = raw.CloseWrite()
	case interface{ CloseWrite() error }:
		if !wait {
			return false
		}
		_ = raw.CloseWrite()
	}
	return true
}

// farewell ends a connection that is closing, on its own goroutine: last bytes, linger, socket.
func (c *Conn) farewell() {
	if !c.gone.Load() {
		c.wmu.Lock()
		c.sendLast(true)
		alive := !c.broken
		c.wmu.Unlock()
		if alive {
			c.linger()
		}
	}
	c.abort()
	if c.ws != nil {
		_ = c.ws.lib.CloseNow() // the socket is closed: only lets go of the library's finalizer
	}
}

// linger discards what the peer still sends until it closes its side.
func (c *Conn) linger() {
	_ = c.raw.SetReadDeadline(time.Now().Add(lingerTime))
	var discard [512]byte
	for {
		if _, err := c.raw.Read(discard[:]); err != nil {
			return
		}
	}
}

// abort closes the socket at once, whatever is under way.
func (c *Conn) abort() {
	c.gone.Store(true)
	if t, ok := c.raw.(*tls.Conn); ok {
		_ = t.NetConn().Close() // its own Close would wait to send an alert
		return
	}
	_ = c.raw.Close()
}
