package gateway

import (
	"io"
	"net"
	"sync"
	"testing"
)

// relay forwards TCP connections to a server; it can be told not to, or to say nothing.
type relay struct {
	t      *testing.T
	listen net.Listener
	work   sync.WaitGroup

	mu     sync.Mutex // protects all below
	target string     // "": accepted connections hear nothing
	links  map[net.Conn]struct{}
	closed bool
}

// relayed starts a relay to target, which ends with the test.
func relayed(t *testing.T, addr, target string) *relay {
	t.Helper()
	ln, err := net.Listen("tcp", addr)
	if err != nil {
		t.Fatal(err)
	}
	r := &relay{t: t, listen: ln, target: target, links: map[net.Conn]struct{}{}}
	r.work.Go(r.accept)
	t.Cleanup(r.stop)
	return r
}

func (r *relay) addr() string { return r.listen.Addr().String() }

// to ends all connections and serves new ones from another target.
func (r *relay) to(target string) {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.target = target
	for c := range r.links {
		_ = c.Close()
	}
}

func (r *relay) stop() {
	r.mu.Lock()
	r.closed = true
	r.mu.Unlock()
	_ = r.listen.Close()
	r.to("")
	r.work.Wait()
}

func (r *relay) accept() {
	for {
		c, err := r.listen.Accept()
		if err != nil {
			return
		}
		r.work.Go(func() { r.serve(c) })
	}
}

func (r *relay) serve(c net.Conn) {
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

func (r *relay) enter(c net.Conn) (target string, ok bool) {
	r.mu.Lock()
	defer r.mu.Unlock()
	if r.closed {
		return "", false
	}
	r.links[c] = struct{}{}
	return r.target, true
}

func (r *relay) leave(c net.Conn) {
	_ = c.Close()
	r.mu.Lock()
	defer r.mu.Unlock()
	delete(r.links, c)
}
