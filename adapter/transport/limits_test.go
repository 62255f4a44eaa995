package transport

import (
	"errors"
	"io"
	"net"
	"os"
	"runtime"
	"strings"
	"sync/atomic"
	"syscall"
	"testing"
	"testing/synctest"
	"time"
)

func TestConnectTimeout(t *testing.T) {
	g := open(t, Config{ConnectTimeout: time.Millisecond}, untilClosed)
	if code, reason := closeCode(t, g.dial()); code != StatusProtocolError || reason != "no CONNECT in time" {
		t.Errorf("closed with %d %q", code, reason)
	}
	if rest, err := io.ReadAll(dialTCP(t, g.tcp)); len(rest) != 0 || err != nil {
		t.Errorf("tcp: %q, %v", rest, err)
	}
	for _, kind := range []string{"ws", "tcp"} {
		if n := g.count("lmqgate_connections_refused_total", kind, refusedTimeout); n != 1 {
			t.Errorf("%s: %v counted", kind, n)
		}
	}
}

func TestMaxConnections(t *testing.T) {
	conns := make(chan *Conn, 2)
	g := open(t, Config{MaxConnections: 2}, func(c *Conn) {
		conns <- c
		untilClosed(c)
	})
	g.dial()
	dialTCP(t, g.tcp)
	first := <-conns
	<-conns
	if _, resp, err := g.try(nil, "mqtt"); err == nil || resp.StatusCode != 503 || resp.Header.Get("Retry-After") == "" {
		t.Errorf("third websocket: %v %v", resp, err)
	}
	if _, err := dialTCP(t, g.tcp).Read(make([]byte, 1)); err == nil {
		t.Error("third tcp connection is open")
	}
	for _, kind := range []string{"ws", "tcp"} {
		if n := g.count("lmqgate_connections_refused_total", kind, refusedFull); n != 1 {
			t.Errorf("%s: %v counted", kind, n)
		}
	}
	first.abort()
	for g.Len() == 2 { // until its goroutine has taken it out
		runtime.Gosched()
	}
	g.dial()
	<-conns
}

// stutter is a listener without file descriptors for a while, then without connections.
type stutter struct {
	net.Listener
	failures atomic.Int64 // left
	closed   chan struct{}
	last     error
}

func newStutter(failures int64) *stutter {
	l := &stutter{closed: make(chan struct{})}
	l.failures.Store(failures)
	return l
}

func (l *stutter) Accept() (net.Conn, error) {
	if l.failures.Add(-1) >= 0 {
		return nil, &net.OpError{Op: "accept", Err: os.NewSyscallError("accept4", syscall.EMFILE)}
	}
	if l.last != nil {
		return nil, l.last
	}
	<-l.closed
	return nil, net.ErrClosed
}

func (l *stutter) Close() error {
	select {
	case <-l.closed:
	default:
		close(l.closed)
	}
	return nil
}

func TestAcceptBacksOff(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := New(Config{}, untilClosed)
		l := newStutter(10)
		start, ended := time.Now(), make(chan error)
		go func() { ended <- s.ServeTCP(t.Context(), l) }()
		time.Sleep(3274 * time.Millisecond) // 5, 10, 20, ... 640, 1000, 1000 ms: ten pauses take 3.275 s
		synctest.Wait()
		if left := l.failures.Load(); left != 0 {
			t.Errorf("%d failures left after %v", left, time.Since(start))
		}
		time.Sleep(time.Millisecond)
		synctest.Wait()
		if l.failures.Load() >= 0 {
			t.Error("not accepting again")
		}
		s.StopAccepting()
		if err := <-ended; err != nil {
			t.Error(err)
		}
	})
}

func TestStopDuringBackoff(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := New(Config{}, untilClosed)
		ended := make(chan error)
		go func() { ended <- s.ServeTCP(t.Context(), newStutter(1<<30)) }()
		time.Sleep(time.Minute)
		synctest.Wait()
		start := time.Now()
		s.StopAccepting()
		if err := <-ended; err != nil || time.Since(start) != 0 {
			t.Errorf("%v after %v", err, time.Since(start))
		}
	})
}

func TestAcceptGivesUp(t *testing.T) {
	broken := errors.New("socket is gone")
	s := New(Config{}, untilClosed)
	l := newStutter(0)
	l.last = broken
	if err := s.ServeTCP(t.Context(), l); !errors.Is(err, broken) {
		t.Error(err)
	}
}

// An idle connection is one goroutine: none of the HTTP server's stays, the library adds none.
func TestOneGoroutinePerConnection(t *testing.T) {
	const n = 50
	ready := make(chan struct{})
	g := open(t, Config{}, func(c *Conn) {
		c.Established()
		ready <- struct{}{}
		untilClosed(c)
	})
	for range n {
		g.dialRaw("")
		<-ready
		dialTCP(t, g.tcp)
		<-ready
	}
	ours, strays := 0, ""
	for range 2000 { // the HTTP server's goroutines may still be on their way out
		if ours, strays = goroutines(); ours == 2*n && strays == "" {
			return
		}
		runtime.Gosched()
	}
	t.Errorf("%d goroutines for %d connections, and besides:\n%s", ours, 2*n, strays)
}

// goroutines counts those that run a connection, and returns the stacks of others of the HTTP server or the library.
func goroutines() (ours int, strays string) {
	buf := make([]byte, 4<<20)
	for stack := range strings.SplitSeq(string(buf[:runtime.Stack(buf, true)]), "\n\n") {
		switch {
		case strings.Contains(stack, "transport.(*Server).run("):
			ours++
		case strings.Contains(stack, "net/http.(*conn).serve("), strings.Contains(stack, "coder/websocket"):
			strays += stack + "\n\n"
		}
	}
	return ours, strays
}
