package client

import (
	"time"

	"lmqgate/adapter/packet"
)

// wait returns when nothing is being written. For one caller, after finish.
func (o *output) wait() {
	o.mu.Lock()
	if !o.writing {
		o.mu.Unlock()
		return
	}
	idle := make(chan struct{})
	o.idle = idle
	o.mu.Unlock()
	<-idle
}

// write writes what waits until nothing does.
func (o *output) write() {
	for {
		b, wake := o.take()
		if b == nil {
			return
		}
		o.writeOut(*b)
		if cap(*b) <= keepBytes {
			*b = (*b)[:0]
			buffers.Put(b)
		}
		if wake {
			o.c.wake()
		}
	}
}

// take returns the bytes to be written next, or nil when the goroutine is to end: then the stream is closed behind the
// last byte if it is time for that. The deadline is set under o.mu, so that finish can shorten it.
func (o *output) take() (b *[]byte, wake bool) {
	o.mu.Lock()
	defer o.mu.Unlock()
	if b = o.buf; b != nil {
		timeout := o.c.srv.cfg.WriteTimeout
		if o.closing {
			timeout = min(timeout, byeTimeout)
		}
		_ = o.c.conn.SetWriteDeadline(time.Now().Add(timeout))
		wake = o.full
		o.buf, o.answers, o.full = nil, 0, false
		o.c.wrote.Store(o.c.srv.now())
		return b, wake
	}
	if o.closing {
		code := o.bye
		o.mu.Unlock()
		o.c.halt(code)
		o.c.conn.Bye(code)
		o.mu.Lock()
	}
	o.writing = false
	if o.idle != nil {
		close(o.idle)
		o.idle = nil
	}
	return nil, false
}

// writeOut writes one buffer. A client that does not read, or is gone, loses the connection.
func (o *output) writeOut(b []byte) {
	if _, err := o.c.conn.Write(b); err != nil {
		o.mu.Lock()
		o.ended, o.buf = true, nil
		o.mu.Unlock()
		o.c.halt(packet.Success)
		_ = o.c.conn.Close()
	}
}
