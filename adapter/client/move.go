package client

import (
	"time"

	"lmqgate/adapter/packet"
)

// Times of a client that is sent elsewhere.
const (
	lastCall = 20 * time.Millisecond // for so long what it sends is still taken
	moveTime = 2 * time.Second       // then it is told, whether or not its session could be released
)

// move is what a client that is sent elsewhere is told once its session is released.
type move struct {
	code packet.ReasonCode
	why  string
	late *time.Timer
}

// move sends the client elsewhere for no fault of its own, without blocking. For a moment more its packets are handled,
// a DISCONNECT among them; then reading stops, what was taken is acknowledged, the session is released, and only now
// the client is told. So it finds its session free however fast it is: to Attach it is nobody who takes over, which would
// make a will without delay due [MQTT-3.1.4-3]. A store that does not answer delays this by moveTime at most. Any other
// reason to close goes ahead of it.
func (c *client) move(code packet.ReasonCode, why string) {
	if c.ending.begun() || c.moving.Load() != nil {
		return
	}
	m := &move{code: code, why: why, late: time.AfterFunc(moveTime, func() { c.end(code, why) })}
	if !c.moving.CompareAndSwap(nil, m) {
		m.late.Stop()
		return
	}
	_ = c.conn.SetReadDeadline(time.Now().Add(lastCall))
}

// moved tells a client that is sent elsewhere to go. Its session is released.
func (c *client) moved() {
	if m := c.moving.Load(); m != nil {
		c.end(m.code, m.why)
	}
}
