package parts

import (
	"errors"
	"io"
	"math/rand/v2"
	"net"
	"sync"
	"time"
)

// ProxyServer is a TCP proxy whose network can be made slow, silent or broken while connections stand. All methods may be
// called from any goroutine at any time.
type ProxyServer struct {
	Addr string // where clients connect

	listen net.Listener
	work   sync.WaitGroup
	closed chan struct{}

	mu     sync.Mutex // protects what follows
	target string
	delay  time.Duration
	jitter time.Duration
	cut    chan struct{} // closed while bytes may flow; replaced by Cut
	refuse bool
	links  map[*proxyLink]struct{}
}

// proxyLink is one connection through the proxy.
type proxyLink struct{ client, server *net.TCPConn }

// Proxy listens on a free port and forwards to target (host:port) until the test ends.
func Proxy(t T, target string) *ProxyServer {
	t.Helper()
	return proxyAt(t, loopback(0), target)
}

// proxyAt is Proxy at an address of one's own.
func proxyAt(t T, addr, target string) *ProxyServer {
	t.Helper()
	l, err := net.Listen("tcp", addr)
	if err != nil {
		t.Fatalf("start proxy: %v", err)
	}
	flow := make(chan struct{})
	close(flow)
	p := &ProxyServer{
		Addr: l.Addr().String(), target: target, listen: l, closed: make(chan struct{}),
		cut: flow, links: make(map[*proxyLink]struct{}),
	}
	p.work.Go(p.accept)
	t.Cleanup(p.close)
	return p
}

// Delay holds every byte back by fixed plus a random part of up to jitter, in each direction. Bytes keep their order. It
// concerns what arrives from now on.
func (p *ProxyServer) Delay(fixed, jitter time.Duration) {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.delay, p.jitter = fixed, jitter
}

// Cut lets no byte through in either direction while connections stay open, as a network does that drops packets: neither
// side is told. What was on its way arrives after Mend. New connections are accepted and hear nothing.
func (p *ProxyServer) Cut() {
	p.mu.Lock()
	defer p.mu.Unlock()
	if isClosed(p.cut) {
		p.cut = make(chan struct{})
	}
}

// Mend ends Cut and Refuse.
func (p *ProxyServer) Mend() {
	p.mu.Lock()
	defer p.mu.Unlock()
	if !isClosed(p.cut) {
		close(p.cut)
	}
	p.refuse = false
}

// Reset breaks all connections that stand with a TCP reset, as a crashed machine's network does. New ones are served.
func (p *ProxyServer) Reset() {
	p.mu.Lock()
	defer p.mu.Unlock()
	for l := range p.links {
		l.reset()
	}
}

// Refuse resets all connections that stand and every new one, until Mend.
func (p *ProxyServer) Refuse() {
	p.mu.Lock()
	p.refuse = true
	p.mu.Unlock()
	p.Reset()
}

// Move forwards new connections to another target, as a failover address does. Those that stand are reset.
func (p *ProxyServer) Move(target string) {
	p.mu.Lock()
	p.target = target
	p.mu.Unlock()
	p.Reset()
}

// Links returns how many connections stand.
func (p *ProxyServer) Links() int {
	p.mu.Lock()
	defer p.mu.Unlock()
	return len(p.links)
}

func (p *ProxyServer) accept() {
	for {
		conn, err := p.listen.Accept()
		if err != nil {
			return
		}
		p.work.Go(func() { p.serve(conn.(*net.TCPConn)) })
	}
}

// serve forwards one connection, both ways, until one side closes or breaks it.
func (p *ProxyServer) serve(client *net.TCPConn) {
	p.mu.Lock()
	target := p.target
	p.mu.Unlock()
	server, err := net.DialTimeout("tcp", target, 10*time.Second)
	if err != nil {
		abort(client)
		return
	}
	l := &proxyLink{client: client, server: server.(*net.TCPConn)}
	if !p.add(l) {
		l.reset()
		return
	}
	defer p.remove(l)
	var both sync.WaitGroup
	both.Go(func() { p.pipe(l.server, l.client) })
	both.Go(func() { p.pipe(l.client, l.server) })
	both.Wait()
}

func (p *ProxyServer) add(l *proxyLink) bool {
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.refuse || isClosed(p.closed) {
		return false
	}
	p.links[l] = struct{}{}
	return true
}

func (p *ProxyServer) remove(l *proxyLink) {
	p.mu.Lock()
	delete(p.links, l)
	p.mu.Unlock()
	_ = l.client.Close()
	_ = l.server.Close()
}

// chunk is what was read at once, and when it may go on.
type chunk struct {
	bytes []byte
	due   time.Time
}

// pipe forwards one direction. Reading goes on while earlier bytes are held back, up to a bounded number of chunks, so that
// a delay costs time and not throughput.
func (p *ProxyServer) pipe(to, from *net.TCPConn) {
	chunks := make(chan chunk, 256)
	var writing sync.WaitGroup
	writing.Go(func() { p.write(to, from, chunks) })
	buffer := make([]byte, 32<<10)
	for {
		n, err := from.Read(buffer)
		if n > 0 {
			chunks <- chunk{append([]byte(nil), buffer[:n]...), time.Now().Add(p.wait())}
		}
		if err != nil {
			if !errors.Is(err, io.EOF) {
				abort(to) // a reset goes through as a reset
			}
			close(chunks)
			break
		}
	}
	writing.Wait()
}

// write sends the chunks at their time. After an error it takes the rest and drops it, so that pipe never blocks.
func (p *ProxyServer) write(to, from *net.TCPConn, chunks <-chan chunk) {
	broken := false
	for c := range chunks {
		if broken || !p.until(c.due) {
			broken = true
			continue
		}
		if _, err := to.Write(c.bytes); err != nil {
			broken = true
			abort(from)
		}
	}
	if !broken && p.until(time.Now()) {
		_ = to.CloseWrite()
	}
}

// until waits for a moment, and then for the end of a cut. It returns false when the proxy closes.
func (p *ProxyServer) until(due time.Time) bool {
	if wait := time.Until(due); wait > 0 {
		timer := time.NewTimer(wait)
		defer timer.Stop()
		select {
		case <-timer.C:
		case <-p.closed:
			return false
		}
	}
	p.mu.Lock()
	cut := p.cut
	p.mu.Unlock()
	select {
	case <-cut:
		return true
	case <-p.closed:
		return false
	}
}

// wait is how long the next chunk is held back.
func (p *ProxyServer) wait() time.Duration {
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.jitter <= 0 {
		return p.delay
	}
	return p.delay + rand.N(p.jitter)
}

func (p *ProxyServer) close() {
	_ = p.listen.Close()
	p.mu.Lock()
	close(p.closed)
	p.mu.Unlock()
	p.Reset()
	p.work.Wait()
}

func (l *proxyLink) reset() {
	abort(l.client)
	abort(l.server)
}

// abort closes a connection with a reset instead of an orderly end.
func abort(c *net.TCPConn) {
	_ = c.SetLinger(0)
	_ = c.Close()
}

func isClosed(c <-chan struct{}) bool {
	select {
	case <-c:
		return true
	default:
		return false
	}
}
