package client

import (
	"time"

	"lmqgate/adapter/packet"
)

// Times of a client that is sent elsewhere.
const (
	lastCall = 20 * time.Millisecond // for so long what it sends is still taken
	moveTime = 2 * time.Second       // then it is told, whether or not its session could be released
	moveMore = 10 * time.Second      // the same, while the store is only slow: others are being released
)

// move is what a client that is sent elsewhere is told once its session is released.
type move struct {
	code  packet.ReasonCode
	why   string
	until int64 // when it is told in any case, ns since Server.start
	quick bool  // nothing of it is handled any more
	late  *time.Timer
}

// move sends the client elsewhere for no fault of its own, without blocking. For a moment more its packets are handled,
// a DISCONNECT among them; then reading stops, what was taken is acknowledged, the session is released, and only now
// the client is told. So it finds its session free however fast it is: to Attach it is nobody who takes over, which would
// make a will without delay due [MQTT-3.1.4-3]. A store that does not answer delays this by moveTime at most, one that is
// slow, since thousands go, by moveMore. Any other reason to close goes ahead of it.
func (c *client) move(code packet.ReasonCode, why string) {
	if c.depart(&move{code: code, why: why}) {
		_ = c.conn.SetReadDeadline(time.Now().Add(lastCall))
	}
}

// giveUp is move for a client that cannot be served any more: no packet of it is handled from now on, and none is sent but
// the last one. It reports whether it was the first reason to close.
func (c *client) giveUp(code packet.ReasonCode, why string) bool {
	if !c.depart(&move{code: code, why: why, quick: true}) {
		return !c.given() && c.end(code, why) // one that is moving already cannot wait any more
	}
	c.out.mute()
	c.interrupt()
	_ = c.conn.SetReadDeadline(time.Unix(1, 0))
	return true
}

// depart notes why the client goes, unless it is going already.
func (c *client) depart(m *move) bool {
	if c.ending.begun() || c.moving.Load() != nil {
		return false
	}
	m.until = c.srv.now() + int64(moveMore)
	m.late = time.AfterFunc(moveTime, func() { c.late(m) })
	if !c.moving.CompareAndSwap(nil, m) {
		m.late.Stop()
		return false
	}
	return true
}

// late tells a client whose session is not released in time, unless it is a matter of patience.
func (c *client) late(m *move) {
	now := c.srv.now()
	if last := c.srv.freed.Load(); c.ending.begun() || last == 0 || now-last > int64(time.Second) || now > m.until {
		c.end(m.code, m.why)
		return
	}
	time.AfterFunc(moveTime/4, func() { c.late(m) }) // at its end it finds the connection closed, or closes it
}

// given reports whether giveUp was called.
func (c *client) given() bool {
	m := c.moving.Load()
	return m != nil && m.quick
}

// moved tells a client that is sent elsewhere to go. Its session is released.
func (c *client) moved() {
	if m := c.moving.Load(); m != nil {
		c.end(m.code, m.why)
	}
}
