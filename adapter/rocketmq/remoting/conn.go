package remoting

import (
	"bufio"
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net"
	"sync"
	"time"
)

// Errors of requests. Everything else that a request ends with also means that
// its outcome is unknown, unless it is wrapped in ErrNotSent.
var (
	// ErrNotSent wraps what kept a request from being sent at all.
	ErrNotSent = errors.New("not sent")
	// ErrClosed: the connection was lost or closed; the request may have arrived.
	ErrClosed = errors.New("connection closed")
	// ErrTimeout: no response in time.
	ErrTimeout = errors.New("no response in time")
	// ErrBacklog: too many bytes wait to be written.
	ErrBacklog = errors.New("write backlog full")
)

const (
	defaultTimeout  = 10 * time.Second
	dialTimeout     = 5 * time.Second
	writeTimeout    = 15 * time.Second
	defaultBuffered = 32 << 20
	keepBuffer      = 1 << 20
)

// DialConfig says how to connect. The zero value is usable.
type DialConfig struct {
	Credentials Credentials
	// TLS, if set, is used with ServerName taken from the address when empty.
	TLS    *tls.Config
	Logger *slog.Logger
	// MaxFrame bounds frames received; 0 is MaxFrame.
	MaxFrame int
	// MaxBuffered bounds the bytes that wait to be written; a request beyond it
	// fails with ErrBacklog. 0 is 32 MiB.
	MaxBuffered int
	// Dial makes the TCP connection; nil is a net.Dialer with 5 s timeout.
	Dial func(ctx context.Context, network, addr string) (net.Conn, error)
	// OnRequest gets requests that the peer sends, on the reader goroutine; nil
	// drops them.
	OnRequest func(*Command)
}

// Conn is the client side of a connection to a broker or name server. All
// methods may be called concurrently.
//
// A Conn runs three goroutines: one reads and calls back, one writes what has
// gathered, one lets requests time out. They end when the connection does;
// Done is closed after the last callback.
type Conn struct {
	nc        net.Conn
	cfg       DialConfig
	wake      chan struct{} // capacity 1: c.out has bytes
	closing   chan struct{}
	done      chan struct{}
	closeOnce sync.Once

	mu       sync.Mutex // protects the fields below
	out      []byte     // frames to be written
	waiting  map[int32]*call
	wheel    wheel
	opaque   int32
	err      error // why the connection ended
	refused  []*call
	refusing bool // a goroutine hands out refused
}

// call is one request waiting for its response.
type call struct {
	opaque     int32
	done       func(*Command, error)
	err        error
	due        int64
	prev, next *call
}

// Dial connects to addr. ctx bounds the dialling only.
func Dial(ctx context.Context, addr string, cfg DialConfig) (*Conn, error) {
	if cfg.MaxFrame == 0 {
		cfg.MaxFrame = MaxFrame
	}
	if cfg.MaxBuffered == 0 {
		cfg.MaxBuffered = defaultBuffered
	}
	if cfg.Logger == nil {
		cfg.Logger = slog.New(slog.DiscardHandler)
	}
	if cfg.Dial == nil {
		cfg.Dial = (&net.Dialer{Timeout: dialTimeout}).DialContext
	}
	nc, err := cfg.Dial(ctx, "tcp", addr)
	if err != nil {
		return nil, fmt.Errorf("dial %s: %w", addr, err)
	}
	if cfg.TLS != nil {
		if nc, err = handshake(ctx, nc, addr, cfg.TLS); err != nil {
			return nil, fmt.Errorf("tls handshake with %s: %w", addr, err)
		}
	}
	c := &Conn{
		nc: nc, cfg: cfg, wake: make(chan struct{}, 1), closing: make(chan struct{}),
		done: make(chan struct{}), waiting: make(map[int32]*call),
	}
	c.wheel.began = time.Now()
	c.run()
	return c, nil
}

func handshake(ctx context.Context, nc net.Conn, addr string, cfg *tls.Config) (net.Conn, error) {
	ctx, cancel := context.WithTimeout(ctx, dialTimeout)
	defer cancel()
	cfg = cfg.Clone()
	if cfg.ServerName == "" {
		if host, _, err := net.SplitHostPort(addr); err == nil {
			cfg.ServerName = host
		}
	}
	t := tls.Client(nc, cfg)
	if err := t.HandshakeContext(ctx); err != nil {
		nc.Close()
		return nil, err
	}
	return t, nil
}

// run starts the goroutines and the one that joins them.
func (c *Conn) run() {
	var wg sync.WaitGroup
	wg.Go(func() { c.fail(c.readLoop()) })
	wg.Go(func() { c.fail(c.writeLoop()) })
	wg.Go(c.tickLoop)
	go func() {
		wg.Wait()
		c.failAll()
		close(c.done)
	}()
}

// Close ends the connection and returns at once; it may be called from a
// callback. Requests still waiting end with ErrClosed before Done is closed.
func (c *Conn) Close() error {
	c.fail(nil)
	return nil
}

// Done is closed when the connection has ended and all its requests were
// called back.
func (c *Conn) Done() <-chan struct{} { return c.done }

// Err returns why the connection ended, nil while it lives.
func (c *Conn) Err() error {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.err
}

// RemoteAddr is the address of the peer.
func (c *Conn) RemoteAddr() net.Addr { return c.nc.RemoteAddr() }

// LocalAddr is our address.
func (c *Conn) LocalAddr() net.Addr { return c.nc.LocalAddr() }

// Waiting returns how many requests wait for their response.
func (c *Conn) Waiting() int {
	c.mu.Lock()
	defer c.mu.Unlock()
	return len(c.waiting)
}

// fail marks the connection as ended; the first reason stays.
func (c *Conn) fail(reason error) {
	c.closeOnce.Do(func() {
		c.mu.Lock()
		c.err = ErrClosed
		if reason != nil {
			c.err = fmt.Errorf("%w: %w", ErrClosed, reason)
		}
		c.mu.Unlock()
		close(c.closing)
		c.nc.Close()
	})
}

// failAll calls back what still waits. No request is added any more.
func (c *Conn) failAll() {
	c.mu.Lock()
	left, err := c.waiting, c.err
	c.waiting = nil
	c.mu.Unlock()
	for _, k := range left {
		k.done(nil, err)
	}
}

func (c *Conn) readLoop() error {
	r := bufio.NewReaderSize(c.nc, 64<<10)
	for {
		frame, err := ReadFrame(r, c.cfg.MaxFrame)
		if errors.Is(err, io.EOF) {
			return fmt.Errorf("closed by peer: %w", err)
		}
		if err != nil {
			return fmt.Errorf("read frame: %w", err)
		}
		cmd, err := Decode(frame)
		if err != nil {
			return fmt.Errorf("decode frame: %w", err)
		}
		if !cmd.IsResponse() {
			if c.cfg.OnRequest != nil {
				c.cfg.OnRequest(cmd)
			}
			continue
		}
		if k := c.take(cmd.Opaque); k != nil {
			k.done(cmd, nil)
		}
	}
}

// take removes and returns the call of opaque, nil if it is no longer waiting.
func (c *Conn) take(opaque int32) *call {
	c.mu.Lock()
	defer c.mu.Unlock()
	k := c.waiting[opaque]
	if k != nil {
		delete(c.waiting, opaque)
		c.wheel.remove(k)
	}
	return k
}

// writeLoop writes everything that gathered since the last write in one go.
func (c *Conn) writeLoop() error {
	var spare []byte
	for {
		select {
		case <-c.closing:
			return nil
		case <-c.wake:
		}
		c.mu.Lock()
		out := c.out
		c.out = spare[:0]
		c.mu.Unlock()
		if err := c.nc.SetWriteDeadline(time.Now().Add(writeTimeout)); err != nil {
			return fmt.Errorf("set write deadline: %w", err)
		}
		if _, err := c.nc.Write(out); err != nil {
			return fmt.Errorf("write: %w", err)
		}
		spare = out
		if cap(spare) > keepBuffer {
			spare = nil
		}
	}
}

// tickLoop ends requests whose time is over.
func (c *Conn) tickLoop() {
	t := time.NewTicker(wheelTick)
	defer t.Stop()
	for {
		select {
		case <-c.closing:
			return
		case <-t.C:
		}
		c.mu.Lock()
		due := c.wheel.advance(time.Now())
		for _, k := range due {
			delete(c.waiting, k.opaque)
		}
		c.mu.Unlock()
		for _, k := range due {
			k.done(nil, ErrTimeout)
		}
	}
}
