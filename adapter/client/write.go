package client

import (
	"errors"
	"os"
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
			o.c.srv.budget.wake() // for those who began to wait as the last bytes left
			return
		}
		o.writeOut(*b)
		o.c.srv.budget.wake()
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
		o.buf, o.answers, o.full, o.leaving = nil, 0, false, len(*b)
		o.account()
		o.c.wrote.Store(o.c.srv.now())
		return b, wake
	}
	o.leaving = 0
	o.account()
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

// writePiece is what a client has to read within WriteTimeout, so that a slow one is told from one that does not read.
const writePiece = 32 << 10

// pieces writes b, with a time-out for each piece; take has set the first.
func (o *output) pieces(b []byte) error {
	for {
		n := min(len(b), writePiece)
		if _, err := o.c.conn.Write(b[:n]); err != nil {
			return err
		}
		if b = b[n:]; len(b) == 0 {
			return nil
		}
		o.mu.Lock()
		o.leaving -= n
		o.account()
		if !o.closing { // else finish has set the last
			_ = o.c.conn.SetWriteDeadline(time.Now().Add(o.c.srv.cfg.WriteTimeout))
		}
		o.mu.Unlock()
	}
}

// writeOut writes one buffer. A client that does not read, or is gone, loses the connection.
func (o *output) writeOut(b []byte) {
	if err := o.pieces(b); err != nil {
		o.mu.Lock()
		late := errors.Is(err, os.ErrDeadlineExceeded) && !o.closing
		o.ended, o.buf, o.leaving = true, nil, 0
		o.account()
		o.mu.Unlock()
		if late {
			o.c.srv.metrics.slow(slowWrite)
			o.c.srv.warn("a client does not read, closing the connection", "client_id", o.c.id, "bytes", len(b))
		}
		o.c.halt(packet.Success)
		_ = o.c.conn.Close()
	}
}
