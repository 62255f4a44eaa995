package client

import (
	"cmp"
	"context"
	"slices"
	"sync/atomic"
	"time"

	"lmqgate/adapter/packet"
)

// Pressure says how short memory is.
type Pressure interface {
	Slow() bool // PUBLISHes are to be taken slowly
}

// slowPause is how long each client's next PUBLISH waits while memory is short.
const slowPause = 100 * time.Millisecond

// leastShed is how many bytes must wait for a client for it to be worth a disconnect.
const leastShed = 32 << 10

// hand is what the clients of an instance have on their way to the log together. While there is much of it each client
// may have less, so that all are held back by TCP before the log's own bound refuses anybody.
type hand struct{ count, bytes atomic.Int64 }

// slow reports whether PUBLISHes are to be taken slowly.
func (s *Server) slow() bool { return s.deps.Pressure != nil && s.deps.Pressure.Slow() }

// allowance is how many publications, and bytes of them, one client may have on their way to the log now. One is always
// allowed, so a client that waits for room waits for its own.
func (s *Server) allowance() (count, bytes int) {
	cfg := &s.cfg
	n, b := int(s.hand.count.Load()), int(s.hand.bytes.Load())
	switch {
	case n > cfg.InHand/4*3, b > cfg.InHandBytes/4*3, s.slow():
		return 1, 0
	case n > cfg.InHand/2, b > cfg.InHandBytes/2:
		return max(1, cfg.InFlight/8), cfg.MaxPacketSize
	}
	return cfg.InFlight, 4 * cfg.MaxPacketSize
}

// pace waits a moment before a PUBLISH while memory is short.
func (c *client) pace() {
	if !c.srv.slow() {
		return
	}
	c.srv.metrics.held.Inc()
	c.during(func(ctx context.Context) {
		t := time.NewTimer(slowPause)
		defer t.Stop()
		select {
		case <-t.C:
		case <-ctx.Done():
		}
	})
}

// load is the number of bytes that wait for the client to read them, for the log to take them, or for the rest of their
// packet.
func (c *client) load() int {
	c.out.mu.Lock()
	n := c.out.leaving
	if c.out.buf != nil {
		n += len(*c.out.buf)
	}
	c.out.mu.Unlock()
	n += c.dec.Held()
	if in := c.in.Load(); in != nil {
		in.mu.Lock()
		n += in.bytes
		in.mu.Unlock()
	}
	return n
}

// Shed disconnects the clients with most bytes waiting, with 0x97, until about that many bytes are let go, and returns how
// many they were. What waits for them is dropped; their sessions have it.
func (s *Server) Shed(bytes uint64) int {
	type loaded struct {
		*client
		bytes int
	}
	var list []loaded
	for _, c := range s.all() {
		if n := c.load(); n >= leastShed {
			list = append(list, loaded{c, n})
		}
	}
	slices.SortFunc(list, func(a, b loaded) int { return cmp.Compare(b.bytes, a.bytes) })
	shed, freed := 0, uint64(0)
	for _, c := range list {
		if freed >= bytes {
			break
		}
		c.out.drop()
		if c.end(packet.QuotaExceeded, "this instance is short of memory and most of it waits for this client") {
			s.metrics.slow(slowMemory)
			shed++
			freed += uint64(c.bytes)
		}
	}
	s.budget.wake()
	return shed
}

// balance disconnects clients when the bytes that wait for all have been over their budget for a while: what keeps it
// that way is not read, and everybody waits for it.
func (s *Server) balance() {
	if !s.budget.spent() {
		s.budget.over = 0
		s.budget.wake() // who began to wait just when room was made
		return
	}
	if s.budget.over++; s.budget.over < 2 {
		return
	}
	s.budget.over = 0
	n := s.Shed(uint64(s.budget.bytes.Load() - s.budget.most/2))
	s.warn("too many bytes wait for clients that do not read, disconnected those for whom most waits", "clients", n)
}

// waiting is the number of bytes that wait to be written to all clients.
func (s *Server) waiting() float64 {
	return float64(s.budget.bytes.Load() + s.hand.bytes.Load())
}

// reader counts a packet as begun with its first byte.
type reader client

// Read implements io.Reader.
func (r *reader) Read(p []byte) (int, error) {
	n, err := r.conn.Read(p)
	if n > 0 && r.begun.Load() == 0 {
		r.begun.Store(r.srv.now())
	}
	return n, err
}

// through notes that a packet was dealt with; the next may have begun already.
func (c *client) through() {
	now := c.srv.now()
	c.seen.Store(now)
	if c.dec.Buffered() == 0 {
		now = 0
	}
	c.begun.Store(now)
}

// tardy reports whether a packet that has begun does not end.
func (c *client) tardy(now int64) bool {
	begun := c.begun.Load()
	return begun != 0 && now-begun > int64(c.srv.cfg.PacketTimeout) && c.seen.Load() != busy
}
