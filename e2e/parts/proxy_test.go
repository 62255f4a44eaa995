package parts

import (
	"errors"
	"io"
	"net"
	"os"
	"testing"
	"time"
)

// echo is a server that sends back what it gets.
func echo(t *testing.T) string {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = l.Close() })
	go func() {
		for {
			conn, err := l.Accept()
			if err != nil {
				return
			}
			go func() {
				defer conn.Close()
				_, _ = io.Copy(conn, conn)
			}()
		}
	}()
	return l.Addr().String()
}

func connectTo(t *testing.T, addr string) net.Conn {
	t.Helper()
	conn, err := net.Dial("tcp", addr)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = conn.Close() })
	return conn
}

// exchange sends text and returns what comes back for it.
func exchange(t *testing.T, conn net.Conn, text string) string {
	t.Helper()
	if _, err := conn.Write([]byte(text)); err != nil {
		t.Fatal(err)
	}
	return receive(t, conn, len(text))
}

func receive(t *testing.T, conn net.Conn, n int) string {
	t.Helper()
	buffer := make([]byte, n)
	if _, err := io.ReadFull(conn, buffer); err != nil {
		t.Fatal(err)
	}
	return string(buffer)
}

func TestProxyDelays(t *testing.T) {
	p := Proxy(t, echo(t))
	conn := connectTo(t, p.Addr)
	if got := exchange(t, conn, "at once"); got != "at once" {
		t.Errorf("got %q", got)
	}
	p.Delay(30*time.Millisecond, 10*time.Millisecond)
	start := time.Now()
	if got := exchange(t, conn, "later"); got != "later" {
		t.Errorf("got %q", got)
	}
	// A lower bound does not depend on the machine's speed: twice the fixed part.
	if took := time.Since(start); took < 60*time.Millisecond {
		t.Errorf("both ways took %v, less than twice the delay", took)
	}
}

func TestProxyCutsAndMends(t *testing.T) {
	p := Proxy(t, echo(t))
	conn := connectTo(t, p.Addr)
	exchange(t, conn, "before")
	p.Cut()
	if _, err := conn.Write([]byte("during")); err != nil {
		t.Fatal(err)
	}
	_ = conn.SetReadDeadline(time.Now().Add(50 * time.Millisecond))
	if _, err := conn.Read(make([]byte, 1)); !errors.Is(err, os.ErrDeadlineExceeded) {
		t.Errorf("read through a cut: %v", err)
	}
	_ = conn.SetReadDeadline(time.Time{})
	p.Mend()
	if got := receive(t, conn, 6); got != "during" {
		t.Errorf("after Mend came %q", got)
	}
}

func TestProxyResets(t *testing.T) {
	p := Proxy(t, echo(t))
	conn := connectTo(t, p.Addr)
	exchange(t, conn, "x")
	if n := p.Links(); n != 1 {
		t.Errorf("%d links, want 1", n)
	}
	p.Reset()
	if _, err := conn.Read(make([]byte, 1)); err == nil || errors.Is(err, io.EOF) {
		t.Errorf("read on a reset connection: %v", err)
	}
	again := connectTo(t, p.Addr)
	exchange(t, again, "y")

	p.Refuse()
	if served(p.Addr) {
		t.Error("a refused connection is served")
	}
	p.Mend()
	exchange(t, connectTo(t, p.Addr), "z")
}

func TestProxyMoves(t *testing.T) {
	p := Proxy(t, echo(t))
	conn := connectTo(t, p.Addr)
	exchange(t, conn, "x")
	nobody, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	_ = nobody.Close()
	p.Move(nobody.Addr().String())
	if _, err := conn.Read(make([]byte, 1)); err == nil {
		t.Error("a connection outlives the move")
	}
	if served(p.Addr) {
		t.Error("the old target still serves")
	}
	p.Move(echo(t))
	exchange(t, connectTo(t, p.Addr), "y")
}

func TestProxyPassesTheEndOn(t *testing.T) {
	p := Proxy(t, echo(t))
	conn := connectTo(t, p.Addr)
	if _, err := conn.Write([]byte("last")); err != nil {
		t.Fatal(err)
	}
	if err := conn.(*net.TCPConn).CloseWrite(); err != nil {
		t.Fatal(err)
	}
	if all, err := io.ReadAll(conn); string(all) != "last" || err != nil {
		t.Errorf("read %q, %v", all, err)
	}
}

func TestProxyToNobody(t *testing.T) {
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	_ = l.Close()
	if served(Proxy(t, l.Addr().String()).Addr) {
		t.Error("a connection to nobody is served")
	}
}

// served reports whether a connection gets an echo. A reset may come as early as the dialing.
func served(addr string) bool {
	conn, err := net.Dial("tcp", addr)
	if err != nil {
		return false
	}
	defer conn.Close()
	_, _ = conn.Write([]byte("x"))
	_, err = conn.Read(make([]byte, 1))
	return err == nil
}
