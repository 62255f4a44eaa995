package minimq

import (
	"crypto/tls"
	"errors"
	"net"
	"net/netip"
	"sync"
	"time"

	"lmqgate/adapter/rocketmq/remoting"
)

// handler serves the requests of one endpoint. Requests of one connection come
// one after the other; handle must not block.
type handler interface {
	handle(c *conn, req *remoting.Command)
	closed(c *conn)
}

// endpoint is a listening socket and its connections. It can be started again
// after stop, at the address it had.
type endpoint struct {
	listen string
	idle   time.Duration
	h      handler
	tls    *tls.Config // nil: none
	// order, if not nil, returns the order in which a connection's requests are
	// handled; see reorder.go.
	order func() *reorderer

	mu    sync.Mutex // protects all below
	ln    net.Listener
	conns map[*conn]struct{}
	done  sync.WaitGroup // accept loop and connections
}

func newEndpoint(listen string, idle time.Duration, h handler) *endpoint {
	return &endpoint{listen: listen, idle: idle, h: h, conns: map[*conn]struct{}{}}
}

func (e *endpoint) start() error {
	if err := e.listenOnly(); err != nil {
		return err
	}
	e.serve()
	return nil
}

// listenOnly fixes the address; serve has to follow.
func (e *endpoint) listenOnly() error {
	e.mu.Lock()
	defer e.mu.Unlock()
	if e.ln != nil {
		return errors.New("already running")
	}
	ln, err := net.Listen("tcp", e.listen)
	if err != nil {
		return err
	}
	e.listen = ln.Addr().String()
	if e.tls != nil {
		ln = tls.NewListener(ln, e.tls)
	}
	e.ln = ln
	return nil
}

func (e *endpoint) serve() {
	e.mu.Lock()
	defer e.mu.Unlock()
	e.done.Add(1)
	go e.accept(e.ln)
}

// stop closes the socket and all connections and waits for their goroutines.
func (e *endpoint) stop() {
	e.mu.Lock()
	if e.ln != nil {
		e.ln.Close()
		e.ln = nil
	}
	for c := range e.conns {
		c.close()
	}
	e.mu.Unlock()
	e.done.Wait()
}

// cut closes all connections and goes on listening.
func (e *endpoint) cut() {
	e.mu.Lock()
	defer e.mu.Unlock()
	for c := range e.conns {
		c.close()
	}
}

func (e *endpoint) addr() string {
	e.mu.Lock()
	defer e.mu.Unlock()
	return e.listen
}

func (e *endpoint) addrPort() netip.AddrPort {
	a, _ := netip.ParseAddrPort(e.addr())
	return a
}

func (e *endpoint) accept(ln net.Listener) {
	defer e.done.Done()
	for {
		nc, err := ln.Accept()
		if err != nil {
			if ne, ok := err.(net.Error); ok && ne.Timeout() {
				continue
			}
			return
		}
		e.mu.Lock()
		if e.ln != ln {
			e.mu.Unlock()
			nc.Close()
			return
		}
		c := newConn(e, nc)
		e.conns[c] = struct{}{}
		e.done.Add(2)
		e.mu.Unlock()
		go c.read()
		go c.write()
	}
}

func (e *endpoint) remove(c *conn) {
	e.mu.Lock()
	delete(e.conns, c)
	e.mu.Unlock()
	e.h.closed(c)
}
