package client

import (
	"context"
	"errors"

	"lmqgate/adapter/packet"
	"lmqgate/meta/session"
)

// errClosing ends reading on a connection that is being closed from this side: what is still buffered comes again on
// the client's next connection.
var errClosing = errors.New("connection is closing")

// Close ends the connection with the reason, once, without blocking. The reading goroutine then releases the session.
func (c *client) Close(code packet.ReasonCode) { c.end(code, "") }

// end is Close with words for the client; it reports whether it was the first. DISCONNECT is the last packet
// [MQTT-3.14.4-1], sent to 5.0 clients and only after CONNACK [MQTT-3.14.0-1].
func (c *client) end(code packet.ReasonCode, why string) bool {
	if !c.closing.CompareAndSwap(false, true) {
		return false
	}
	var last packet.Packet
	if c.version == packet.V5 && code != packet.Success && c.welcomed.Load() {
		d := &packet.Disconnect{Code: code.For(packet.DISCONNECT)}
		if c.problems {
			d.Reason = why
		}
		last = d
	}
	c.out.finish(code, last)
	c.halt()
	return true
}

// halt lets the reading goroutine go if it waits for something other than the client.
func (c *client) halt() {
	c.closing.Store(true)
	if stop := c.stop.Load(); stop != nil {
		(*stop)()
	}
	if in := c.in.Load(); in != nil {
		in.wake()
	}
}

// during runs fn, on the reading goroutine, with a context that ends when the connection closes.
func (c *client) during(fn func(ctx context.Context)) {
	ctx, cancel := context.WithCancel(context.Background())
	defer cancel()
	c.stop.Store(&cancel)
	defer c.stop.Store(nil)
	if c.closing.Load() {
		cancel()
	}
	fn(ctx)
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
		c.Close(packet.SessionTakenOver) // [MQTT-3.1.4-3]
	}
}
