package e2e

import (
	"io"
	"net"
	"sync"
	"testing"
)

// takingTurns is a TCP proxy in front of several servers, as a load balancer is: the first connection goes to the server
// with the given number, each further one to the next. It returns its address and ends with the test.
func takingTurns(t testing.TB, first int, targets []string) string {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatalf("start proxy: %v", err)
	}
	p := &turns{open: map[net.Conn]bool{}}
	p.work.Go(func() {
		for n := first; ; n++ {
			conn, err := l.Accept()
			if err != nil {
				return
			}
			p.work.Go(func() { p.serve(conn, targets[n%len(targets)]) })
		}
	})
	t.Cleanup(func() {
		_ = l.Close()
		p.close()
		p.work.Wait()
	})
	return l.Addr().String()
}

// turns are the connections through one proxy.
type turns struct {
	work sync.WaitGroup

	mu     sync.Mutex // protects the fields below
	open   map[net.Conn]bool
	closed bool
}

// serve forwards one connection until either side closes it.
func (p *turns) serve(client net.Conn, target string) {
	defer client.Close()
	server, err := net.Dial("tcp", target)
	if err != nil {
		return
	}
	defer server.Close()
	if !p.add(client, server) {
		return
	}
	defer p.remove(client, server)
	var back sync.WaitGroup
	back.Go(func() {
		_, _ = io.Copy(client, server)
		_ = client.(*net.TCPConn).CloseWrite() // what it still sends is taken, so that no reset overtakes the last bytes
	})
	if _, err := io.Copy(server, client); err != nil {
		_, _ = io.Copy(io.Discard, client)
	}
	_ = server.Close()
	back.Wait()
}

func (p *turns) add(conns ...net.Conn) bool {
	p.mu.Lock()
	defer p.mu.Unlock()
	for _, c := range conns {
		p.open[c] = true
	}
	return !p.closed
}

func (p *turns) remove(conns ...net.Conn) {
	p.mu.Lock()
	defer p.mu.Unlock()
	for _, c := range conns {
		delete(p.open, c)
	}
}

func (p *turns) close() {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.closed = true
	for c := range p.open {
		_ = c.Close()
	}
}
