package client

import (
	"errors"
	"sync"
	"time"

	"lmqgate/adapter/packet"
)

// Bounds of the bytes that wait to be written to one client.
const (
	fullBytes = 128 << 10 // beyond, deliveries wait in their queues
	keepBytes = 16 << 10  // larger buffers are not kept for reuse
	stuckSize = 4 << 20   // answers that nobody reads: the connection is cut
)

// byeTimeout bounds what is still written once the connection is closing.
const byeTimeout = 2 * time.Second

// buffers are for reuse by any client.
var buffers = sync.Pool{New: func() any { b := make([]byte, 0, 2048); return &b }}

// output gathers encoded packets and writes them. While there are bytes, one goroutine writes; it ends when there are
// none, so that an idle client costs no buffer and no goroutine. Serve joins the last one.
type output struct {
	c *client

	mu      sync.Mutex // protects the fields below
	buf     *[]byte
	answers int               // bytes of buf that are no deliveries, which Full bounds
	leaving int               // bytes that are being written
	counted int               // bytes that the budget knows of
	queued  bool              // the budget will wake the delivery
	writing bool              // a goroutine is at it
	full    bool              // Full was answered with true: wake the delivery when there is room
	ended   bool              // no more bytes are taken
	closing bool              // the stream is closed behind those that wait
	bye     packet.ReasonCode // then: why
	sent    uint64            // PUBLISHes that were gathered
	most    uint16            // topic aliases that the client takes; set before the session is attached
	idle    chan struct{}     // made by wait, closed when the last goroutine ends
	aliases *aliases          // made by the first delivery, if most is not 0
}

// Send implements Link.
func (c *client) Send(p packet.Packet) { _ = c.out.send(p) }

// SendDelivery implements Link.
func (c *client) SendDelivery(t *packet.Template, d packet.Delivery) {
	o := &c.out
	o.mu.Lock()
	defer o.mu.Unlock()
	if o.open() {
		o.alias(t, &d)
		c.srv.metrics.transmitted(packet.PUBLISH)
		o.sent++
		if c.follow {
			c.deliveryOut(d)
		}
		o.gathered(t.Append(*o.buf, d))
	}
}

// send queues a packet. The error says that it cannot be sent to this client at all.
func (o *output) send(p packet.Packet) error {
	o.mu.Lock()
	defer o.mu.Unlock()
	if !o.open() {
		return nil
	}
	return o.add(p)
}

// add encodes a packet within what the client accepts; one that does not fit counts as sent [MQTT-3.1.2-25]. Called
// under o.mu after open.
func (o *output) add(p packet.Packet) error {
	b, err := packet.AppendWithin(*o.buf, p, o.c.version, uint32(o.c.maxPacket))
	if err == nil {
		o.c.srv.metrics.transmitted(p.Type())
		if o.c.follow {
			o.c.packetOut(p, len(b)-len(*o.buf))
		}
		o.answers += len(b) - len(*o.buf)
		o.gathered(b)
		return nil
	}
	if len(*o.buf) == 0 {
		buffers.Put(o.buf)
		o.buf = nil
	}
	if !errors.Is(err, packet.PacketTooLarge) {
		o.c.srv.cfg.Logger.Error("encoding a packet failed", "client_id", o.c.id, "type", p.Type().String(), "error", err)
	}
	return err
}

// open reports whether bytes are taken, and makes room for some. Called under o.mu.
func (o *output) open() bool { return !o.ended && o.room() }

// room makes room for bytes, unless those that wait are too many. Called under o.mu.
func (o *output) room() bool {
	if o.buf == nil {
		o.buf = buffers.Get().(*[]byte)
	}
	if o.answers > stuckSize {
		o.giveUp()
		return false
	}
	return true
}

// giveUp ends a connection whose client does not read. The write under way fails, and the goroutine in it does the
// rest. Called under o.mu.
func (o *output) giveUp() {
	o.c.srv.metrics.slow(slowAnswers)
	o.ended, o.closing, o.bye, o.buf = true, true, packet.QuotaExceeded, nil
	o.account()
	_ = o.c.conn.SetWriteDeadline(time.Unix(1, 0))
	o.start()
}

// gathered takes the buffer with a packet more. Called under o.mu.
func (o *output) gathered(b []byte) {
	*o.buf = b
	o.account()
	o.start()
}

// start lets a goroutine write unless one does. Called under o.mu.
func (o *output) start() {
	if !o.writing {
		o.writing = true
		go o.write()
	}
}

// Full implements Link.
func (c *client) Full() bool {
	if c.inside != nil {
		return c.inside.Full() || c.ending.begun()
	}
	c.out.mu.Lock()
	defer c.out.mu.Unlock()
	switch o := &c.out; {
	case o.buf != nil && len(*o.buf) > fullBytes:
		o.full = true
	case !o.ended && c.srv.budget.spent():
		if o.full = true; !o.queued {
			o.queued = true
			c.srv.budget.wait(c)
		}
	}
	return c.out.full || c.out.ended
}

// drop lets go of what waits, packets as they are whole, of a client that is about to be disconnected.
func (o *output) drop() {
	o.mu.Lock()
	defer o.mu.Unlock()
	if o.buf != nil && !o.closing {
		o.buf, o.answers = nil, 0
		o.account()
	}
}

// mute takes no more bytes, but for the last packet of finish.
func (o *output) mute() {
	o.mu.Lock()
	defer o.mu.Unlock()
	o.ended = true
}

// finish takes no more bytes, the packet last excepted if it is not nil, and closes the stream behind those that wait.
func (o *output) finish(code packet.ReasonCode, last packet.Packet) {
	o.mu.Lock()
	defer o.mu.Unlock()
	if o.closing {
		return
	}
	if last != nil && o.room() {
		_ = o.add(last)
	}
	if o.closing { // room has given up
		return
	}
	o.ended, o.closing, o.bye = true, true, code
	if o.writing { // maybe in the middle of a long write
		_ = o.c.conn.SetWriteDeadline(time.Now().Add(byeTimeout))
	}
	o.start()
}
