package client

import (
	"cmp"
	"context"
	"errors"
	"sync/atomic"

	"lmqgate/adapter/packet"
	"lmqgate/meta/session"
)

// errClosing ends reading on a connection that is being closed from this side: what is still buffered comes again on
// the client's next connection.
var errClosing = errors.New("connection is closing")

// ending says whether a connection is closing, and why.
type ending struct{ v atomic.Uint32 } // 0, or 0x100 and the reason code

// begin reports whether it was the first.
func (e *ending) begin(code packet.ReasonCode) bool { return e.v.CompareAndSwap(0, 0x100|uint32(code)) }

func (e *ending) begun() bool { return e.v.Load() != 0 }

// code is the reason of a connection that is closing.
func (e *ending) code() packet.ReasonCode { return packet.ReasonCode(e.v.Load()) }

// Close ends the connection with the reason, once, without blocking. The reading goroutine then releases the session.
func (c *client) Close(code packet.ReasonCode) { c.end(code, "") }

// end is Close with words for the client; it reports whether it was the first. DISCONNECT is the last packet
// [MQTT-3.14.4-1], sent to 5.0 clients and only after CONNACK [MQTT-3.14.0-1].
func (c *client) end(code packet.ReasonCode, why string) bool {
	if !c.ending.begin(code) {
		return false
	}
	var last packet.Packet
	if c.version == packet.V5 && code != packet.Success && c.welcomed.Load() {
		d := &packet.Disconnect{Code: code.For(packet.DISCONNECT)}
		if c.problems {
			d.Reason = cmp.Or(why, code.String())
		}
		last = d
	}
	c.out.finish(code, last)
	c.halt(code)
	return true
}

// halt lets the reading goroutine go if it waits for something other than the client.
func (c *client) halt(code packet.ReasonCode) {
	c.ending.begin(code)
	c.interrupt()
}

// interrupt wakes the reading goroutine from what it waits for.
func (c *client) interrupt() {
	if stop := c.stop.Load(); stop != nil {
		(*stop)()
	}
	c.behalf.halt()
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
	if c.ending.begun() || c.given() {
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

// reason is why the connection ended: what the client said, or what this side closed it with. A stream that broke is
// an unspecified error, unless the client was to go anyway.
func (c *client) reason() packet.ReasonCode {
	code, m := c.ending.code(), c.moving.Load()
	switch {
	case c.goodbye != nil:
		return c.goodbye.Code
	case code != packet.Success:
		return code
	case m != nil:
		return m.code
	}
	return packet.UnspecifiedError
}

// parting says what becomes of the will: a DISCONNECT with 0x00 deletes it [MQTT-3.14.4-3], [3.1.1 MQTT-3.1.2-10]; the
// client of a connection that this side gave up, for reasons that are not the client's, is expected elsewhere; any other
// end publishes it [MQTT-3.1.2-8].
func (c *client) parting() session.Parting {
	code := c.reason()
	switch {
	case code == packet.NormalDisconnection:
		return session.PartingClean
	case elsewhere(code):
		return session.PartingMoved
	}
	return session.PartingLost
}

// elsewhere reports whether a connection that ends with the code is given up for reasons of this side.
func elsewhere(code packet.ReasonCode) bool {
	switch code {
	case packet.ServerShuttingDown, packet.UseAnotherServer, packet.ServerMoved, packet.ServerBusy, packet.ServerUnavailable:
		return true
	}
	return false
}
