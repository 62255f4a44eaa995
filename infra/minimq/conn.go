package minimq

import (
	"bufio"
	"encoding/binary"
	"errors"
	"net"
	"net/netip"
	"os"
	"sync"
	"sync/atomic"
	"time"

	"lmqgate/adapter/rocketmq/remoting"
)

const (
	// outHigh is how much may wait to be written before no more requests are read.
	outHigh = 8 << 20
	// outMax is how much may wait at all; a client so slow is disconnected.
	outMax = 64 << 20
)

// conn is one client connection: a goroutine reads and handles requests, another
// writes what send leaves in out.
type conn struct {
	ep     *endpoint
	nc     net.Conn
	remote netip.AddrPort
	moved  atomic.Int64 // unix ms of the last write

	mu   sync.Mutex // protects out and gone
	out  []byte
	gone bool
	work *sync.Cond // out is not empty, or gone
	room *sync.Cond // out is below outHigh, or gone
}

func newConn(e *endpoint, nc net.Conn) *conn {
	c := &conn{ep: e, nc: nc}
	c.remote, _ = netip.ParseAddrPort(nc.RemoteAddr().String())
	c.remote = netip.AddrPortFrom(c.remote.Addr().Unmap(), c.remote.Port())
	c.work, c.room = sync.NewCond(&c.mu), sync.NewCond(&c.mu)
	return c
}

// close may be called more than once, from anywhere.
func (c *conn) close() {
	c.mu.Lock()
	c.gone = true
	c.work.Broadcast()
	c.room.Broadcast()
	c.mu.Unlock()
	c.nc.Close()
}

func (c *conn) alive() bool {
	c.mu.Lock()
	defer c.mu.Unlock()
	return !c.gone
}

// send queues cmd; it never blocks.
func (c *conn) send(cmd *remoting.Command) {
	c.mu.Lock()
	if c.gone {
		c.mu.Unlock()
		return
	}
	var err error
	c.out, err = cmd.Append(c.out)
	over := err != nil || len(c.out) > outMax
	c.work.Signal()
	c.mu.Unlock()
	if over {
		c.close()
	}
}

// reply sends resp as the answer to req, unless req wants none.
func (c *conn) reply(req, resp *remoting.Command) {
	if req.IsOneway() {
		return
	}
	resp.Opaque, resp.Serialize = req.Opaque, req.Serialize
	resp.Flag |= remoting.FlagResponse
	resp.Version = remoting.ClientVersion
	resp.Language = languageJava
	c.send(resp)
}

const languageJava = 0

func (c *conn) write() {
	defer c.ep.done.Done()
	var spare []byte
	for {
		c.mu.Lock()
		for len(c.out) == 0 && !c.gone {
			c.work.Wait()
		}
		if c.gone {
			c.mu.Unlock()
			return
		}
		buf := c.out
		c.out = spare[:0]
		c.mu.Unlock()
		if _, err := c.nc.Write(buf); err != nil {
			c.close()
			return
		}
		c.moved.Store(time.Now().UnixMilli())
		c.mu.Lock()
		c.room.Signal()
		c.mu.Unlock()
		if spare = buf; cap(spare) > 1<<20 {
			spare = nil
		}
	}
}

func (c *conn) read() {
	defer c.ep.done.Done()
	defer c.ep.remove(c)
	defer c.close()
	br := bufio.NewReaderSize(c.nc, 32<<10)
	var order *reorderer
	if c.ep.order != nil {
		order = c.ep.order()
	}
	for {
		if !c.waitRoom() {
			return
		}
		if br.Buffered() == 0 {
			order.drain(func(req *remoting.Command) { c.ep.h.handle(c, req) })
			if !c.awaitByte(br) {
				return
			}
		}
		frame, err := remoting.ReadFrame(br, remoting.MaxFrame)
		if err != nil {
			return
		}
		req, err := remoting.Decode(frame)
		if err != nil {
			return
		}
		if req.IsResponse() {
			continue
		}
		order.next(req, wholeFrame(br), func(req *remoting.Command) { c.ep.h.handle(c, req) })
	}
}

// waitRoom blocks while too much is waiting to be written.
func (c *conn) waitRoom() bool {
	c.mu.Lock()
	defer c.mu.Unlock()
	for len(c.out) > outHigh && !c.gone {
		c.room.Wait()
	}
	return !c.gone
}

// awaitByte waits for the next frame to begin. It gives up when nothing was read
// or written for the idle time.
func (c *conn) awaitByte(br *bufio.Reader) bool {
	if c.ep.idle <= 0 {
		_, err := br.Peek(1)
		return err == nil
	}
	since := time.Now()
	for {
		last := since
		if w := time.UnixMilli(c.moved.Load()); w.After(last) {
			last = w
		}
		if time.Since(last) >= c.ep.idle {
			return false
		}
		if err := c.nc.SetReadDeadline(last.Add(c.ep.idle)); err != nil {
			return false
		}
		_, err := br.Peek(1)
		if err == nil {
			return c.nc.SetReadDeadline(time.Time{}) == nil
		}
		if !errors.Is(err, os.ErrDeadlineExceeded) {
			return false
		}
	}
}

// wholeFrame tells whether the next frame is already there.
func wholeFrame(br *bufio.Reader) bool {
	if br.Buffered() < 4 {
		return false
	}
	head, err := br.Peek(4)
	return err == nil && uint64(br.Buffered()) >= 4+uint64(binary.BigEndian.Uint32(head))
}
