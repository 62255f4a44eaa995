package client

import (
	"sync"
	"time"

	"lmqgate/adapter/packet"
)

// Bounds of the bytes that wait to be written to one client.
const (
	fullBytes = 128 << 10 // beyond, deliveries wait in their queues
	keepBytes = 16 << 10  // larger buffers are not kept for reuse
	stuckSize = 4 << 20   // acknowledgements nobody reads: disconnect
)

// buffers are for reuse by any client.
var buffers = sync.Pool{New: func() any { b := make([]byte, 0, 2048); return &b }}

// output gathers encoded packets and writes them. While there are bytes, one goroutine writes; it ends when there are
// none, so that an idle client costs no buffer and no goroutine.
type output struct {
	c *client

	mu      sync.Mutex // protects the fields below
	buf     *[]byte
	writing bool // a goroutine is at it
	full    bool // Full was answered with true: wake the delivery when there is room
	ended   bool // no more bytes are taken
	bye     *packet.ReasonCode
}

// Send implements Link.
func (c *client) Send(p packet.Packet) {
	c.srv.metrics.transmitted(p.Type())
	c.out.send(p, c.version)
}

// SendDelivery implements Link.
func (c *client) SendDelivery(t *packet.Template, d packet.Delivery) {
	c.srv.metrics.transmitted(packet.PUBLISH)
	o := &c.out
	o.mu.Lock()
	defer o.mu.Unlock()
	if o.open() {
		o.gathered(t.Append(*o.buf, d))
	}
}

func (o *output) send(p packet.Packet, v packet.Version) {
	o.mu.Lock()
	defer o.mu.Unlock()
	if !o.open() {
		return
	}
	b, err := p.Append(*o.buf, v)
	if err != nil {
		o.c.srv.cfg.Logger.Error("encoding a packet failed", "client_id", o.c.id, "type", p.Type().String(), "error", err)
		return
	}
	o.gathered(b)
}

// open reports whether bytes are taken, and makes room for some. Called under o.mu.
func (o *output) open() bool {
	if o.ended {
		return false
	}
	if o.buf == nil {
		o.buf = buffers.Get().(*[]byte)
	}
	return true
}

// gathered takes the buffer with a packet more. Called under o.mu.
func (o *output) gathered(b []byte) {
	*o.buf = b
	if len(b) > stuckSize {
		o.ended = true
		go o.c.conn.Bye(packet.QuotaExceeded)
		return
	}
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
	c.out.mu.Lock()
	defer c.out.mu.Unlock()
	if c.out.buf != nil && len(*c.out.buf) > fullBytes {
		c.out.full = true
	}
	return c.out.full || c.out.ended
}

// finish takes no more bytes and closes the stream behind those that wait.
func (o *output) finish(code packet.ReasonCode) {
	o.mu.Lock()
	defer o.mu.Unlock()
	if o.bye != nil {
		return
	}
	o.ended, o.bye = true, &code
	o.start()
}

// write writes what waits until nothing does.
func (o *output) write() {
	for {
		o.mu.Lock()
		b := o.buf
		o.buf = nil
		if b == nil {
			o.writing = false
			bye := o.bye
			o.mu.Unlock()
			if bye != nil {
				o.c.conn.Bye(*bye)
			}
			return
		}
		timeout := o.c.srv.cfg.WriteTimeout
		if o.bye != nil {
			timeout = min(timeout, 2*time.Second)
		}
		wake := o.full && len(*b) < stuckSize
		o.full = false
		o.mu.Unlock()
		o.writeOut(*b, timeout)
		if cap(*b) <= keepBytes {
			*b = (*b)[:0]
			buffers.Put(b)
		}
		if wake {
			o.c.wake()
		}
	}
}

// writeOut writes one buffer. A client that does not read, or is gone, loses the connection.
func (o *output) writeOut(b []byte, timeout time.Duration) {
	_ = o.c.conn.SetWriteDeadline(time.Now().Add(timeout))
	if _, err := o.c.conn.Write(b); err != nil {
		o.mu.Lock()
		o.ended = true
		o.mu.Unlock()
		o.c.closing.Store(true)
		_ = o.c.conn.Close()
	}
}
