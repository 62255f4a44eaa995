package gateway

import (
	"io"
	"net"
	"sync"
	"testing"
)

// forwarder forwards TCP connections to a server; it can be told not to, or to say nothing.
type forwarder struct {
	t      *testing.T
	listen net.Listener
	work   sync.WaitGroup

	mu     sync.Mutex // protects all below
	target string     // "": accepted connections hear nothing
	links  map[net.Conn]struct{}
	closed bool
}

// relayed starts a forwarder to target, which ends with the test.
func relayed(t *testing.T, addr, target string) *forwarder {
	t.Helper()
	ln, err := net.Listen("tcp", addr)
	if err != nil {
		t.Fatal(err)
	}
	r := &forwarder{t: t, listen: ln, target: target, links: map[net.Conn]struct{}{}}
	r.work.Go(r.accept)
	t.Cleanup(r.stop)
	return r
}

func (r *forwarder) addr() string { return r.listen.Addr().String() }

// to ends all connections and serves new ones from another target.
func (r *forwarder) to(target string) {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.target = target
	for c := range r.links {
		_ = c.Close()
	}
}

func (r *forwarder) stop() {
	r.mu.Lock()
	r.closed = true
	r.mu.Unlock()
	_ = r.listen.Close()
	r.to("")
	r.work.Wait()
}

func (r *forwarder) accept() {
	for {
		c, err := r.listen.Accept()
		if err != nil {
			return
		}
		r.work.Go(func() { r.serve(c) })
	}
}

func (r *forwarder) serve(c net.Conn) {
	target, ok := r.enter(c)
	defer r.leave(c)
	if !ok {
		return
	}
	if target == "" {
		_, _ = io.Copy(io.Discard, c)
		return
	}
	s, err := net.Dial("tcp", target)
	if err != nil {
		return
	}
	defer r.leave(s)
	if now, ok := r.enter(s); !ok || now != target {
		return
	}
	r.work.Go(func() { _, _ = io.Copy(s, c); _ = s.Close() })
	_, _ = io.Copy(c, s)
}

func (r *forwarder) enter(c net.Conn) (target string, ok bool) {
	r.mu.Lock()
	defer r.mu.Unlock()
	if r.closed {
		return "", false
	}
	r.links[c] = struct{}{}
	return r.target, true
}

func (r *forwarder) leave(c net.Conn) {
	_ = c.Close()
	r.mu.Lock()
	defer r.mu.Unlock()
	delete(r.links, c)
}
