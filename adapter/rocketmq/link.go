package rocketmq

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"hash/fnv"
	"log/slog"
	"sync"
	"sync/atomic"
	"time"

	"lmqgate/adapter/rocketmq/remoting"
)

const (
	heartbeatEvery = 30 * time.Second
	redialFirst    = 100 * time.Millisecond
	redialLimit    = 5 * time.Second
	// steadyAfter is how long a connection must live to count as no failure.
	steadyAfter = 10 * time.Second
)

// link is the gateway's side of one broker: a few connections for held pulls,
// on which tens of thousands wait, and one for everything short, so that no
// acknowledgement stands behind a long body.
type link struct {
	name    string
	control *slot
	boot    *atomic.Uint64 // grows with every connection that is lost
	pulls   []*slot
}

func newLink(c *Client, name string) *link {
	l := &link{name: name, boot: new(atomic.Uint64), control: newSlot(c, name, 0)}
	l.control.boot = l.boot
	for i := range c.cfg.ConnsPerBroker {
		s := newSlot(c, name, i+1)
		s.boot = l.boot
		l.pulls = append(l.pulls, s)
	}
	return l
}

// pullSlot is the connection that LMQ name is always pulled on.
func (l *link) pullSlot(name string) *slot {
	h := fnv.New32a()
	h.Write([]byte(name))
	return l.pulls[h.Sum32()%uint32(len(l.pulls))]
}

func (l *link) setAddr(addr string) {
	l.control.setAddr(addr)
	for _, s := range l.pulls {
		s.setAddr(addr)
	}
}

// slot keeps one connection to a broker's current address alive.
type slot struct {
	c      *Client
	broker string
	number int
	boot   *atomic.Uint64 // the link's

	mu      sync.Mutex // protects the fields below
	addr    string
	running bool
	conn    *remoting.Conn // nil while there is none
	err     error          // why the last connection ended or was none
	changed chan struct{}  // closed and made again whenever conn changes
	moved   chan struct{}  // capacity 1: addr changed
	parked  map[waiter]struct{}
}

func newSlot(c *Client, broker string, number int) *slot {
	return &slot{
		c: c, broker: broker, number: number, changed: make(chan struct{}),
		moved: make(chan struct{}, 1), parked: make(map[waiter]struct{}),
	}
}

// setAddr makes the slot connect to addr, leaving an old address.
func (s *slot) setAddr(addr string) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.addr == addr {
		return
	}
	s.addr = addr
	if s.conn != nil {
		s.conn.Close()
	}
	select {
	case s.moved <- struct{}{}:
	default:
	}
	if !s.running {
		s.running = true
		s.c.wg.Go(s.loop)
	}
}

func (s *slot) address() string {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.addr
}

// trouble is why there is no connection, as far as known.
func (s *slot) trouble() error {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.err
}

// get returns the connection, nil if there is none now.
func (s *slot) get() *remoting.Conn {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.conn
}

// wait returns the connection, waiting for it until ctx or the client ends.
func (s *slot) wait(ctx context.Context) (*remoting.Conn, error) {
	for {
		s.mu.Lock()
		conn, changed := s.conn, s.changed
		s.mu.Unlock()
		if conn != nil && conn.Err() == nil {
			return conn, nil
		}
		select {
		case <-changed:
		case <-ctx.Done():
			return nil, fmt.Errorf("%w: %w", ErrNoBroker, context.Cause(ctx))
		case <-s.c.ctx.Done():
			return nil, ErrStopped
		}
	}
}

// loop connects, keeps the connection alive and connects again, until the
// client is closed.
func (s *slot) loop() {
	ctx := s.c.ctx
	for failures, first := 0, true; ctx.Err() == nil; first = false {
		if failures > 0 {
			s.pause(ctx, backoff(failures, redialFirst, redialLimit))
		}
		if !first {
			s.c.metrics.reconnects.Inc()
		}
		began := time.Now()
		err := s.serve(ctx)
		if ctx.Err() != nil {
			return
		}
		s.mu.Lock()
		s.err = err
		s.mu.Unlock()
		s.c.cluster.refreshSoon()
		failures++
		if time.Since(began) > steadyAfter {
			failures = 1
		}
		level := slog.LevelDebug
		if failures == 1 { // not once for each of many tries
			level = slog.LevelWarn
		}
		attrs := []any{"broker", s.broker, "addr", s.address(), "conn", s.number, "error", err}
		if remedy := s.c.remedy(err); remedy != "" {
			attrs = append(attrs, "remedy", remedy)
		}
		s.c.cfg.Logger.Log(ctx, level, "broker connection", attrs...)
	}
}

// pause waits for d, less if the address changes.
func (s *slot) pause(ctx context.Context, d time.Duration) {
	t := time.NewTimer(d)
	defer t.Stop()
	select {
	case <-t.C:
	case <-s.moved:
	case <-ctx.Done():
	}
}

// serve lives as long as one connection.
func (s *slot) serve(ctx context.Context) error {
	addr := s.address()
	dialCtx, cancel := context.WithTimeout(ctx, redialLimit)
	conn, err := remoting.Dial(dialCtx, addr, s.c.dialConfig())
	cancel()
	if err != nil {
		return err
	}
	if err := s.greet(ctx, conn); err != nil {
		conn.Close()
		<-conn.Done()
		return fmt.Errorf("first heartbeat: %w", err)
	}
	s.up(conn, addr)
	s.keepAlive(ctx, conn)
	s.boot.Add(1) // before another connection is there
	s.down(conn)
	return conn.Err()
}

// greet makes sure that a broker answers: an address may be a proxy's.
func (s *slot) greet(ctx context.Context, conn *remoting.Conn) error {
	ctx, cancel := context.WithTimeout(ctx, redialLimit)
	defer cancel()
	answer, err := conn.Do(ctx, s.c.heartbeat())
	if err != nil {
		return err
	}
	if AccessError(answer.Code, answer.Remark) != nil { // so is all else: to wait and try again is gentler than to ask
		return answerError(answer)
	}
	if s.number != 0 {
		return nil
	}
	answer, err = conn.Do(ctx, remoting.NewRequest(remoting.GetBrokerRuntimeInfo, nil, nil))
	if err != nil {
		return err
	}
	var info struct {
		Table map[string]any `json:"table"`
	}
	if json.Unmarshal(answer.Body, &info) == nil {
		version, _ := info.Table["brokerVersionDesc"].(string)
		s.c.cluster.setVersion(s.broker, version)
	}
	return nil
}

// up hands the connection out and wakes the watches that waited for it.
func (s *slot) up(conn *remoting.Conn, addr string) {
	s.mu.Lock()
	if s.addr != addr { // moved while connecting
		conn.Close()
	}
	s.conn = conn
	s.changedLocked()
	waiting := s.parked
	s.parked = make(map[waiter]struct{})
	s.mu.Unlock()
	s.c.metrics.connections.Inc()
	s.c.puller.enqueueAll(waiting)
}

func (s *slot) down(conn *remoting.Conn) {
	s.mu.Lock()
	s.conn = nil
	s.changedLocked()
	s.c.metrics.connections.Dec()
	s.mu.Unlock()
	conn.Close()
	<-conn.Done()
}

func (s *slot) changedLocked() {
	close(s.changed)
	s.changed = make(chan struct{})
}

// keepAlive sends heartbeats until the connection or ctx ends. One unanswered
// means that the connection is dead.
func (s *slot) keepAlive(ctx context.Context, conn *remoting.Conn) {
	t := time.NewTicker(heartbeatEvery)
	defer t.Stop()
	for {
		select {
		case <-ctx.Done():
			return
		case <-conn.Done():
			return
		case <-t.C:
			conn.Go(s.c.heartbeat(), heartbeatEvery/2, func(_ *remoting.Command, err error) {
				if errors.Is(err, remoting.ErrTimeout) {
					conn.Close()
				}
			})
		}
	}
}

// park keeps w until there is a connection; false if there is one.
func (s *slot) park(w waiter) bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.conn != nil && s.conn.Err() == nil {
		return false
	}
	s.parked[w] = struct{}{}
	return true
}

// unpark tells whether w was parked; then it is nobody's any more.
func (s *slot) unpark(w waiter) bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	_, was := s.parked[w]
	delete(s.parked, w)
	return was
}
