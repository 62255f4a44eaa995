package transport

import (
	"context"
	"errors"
	"io"
	"net"
	"os"
	"runtime"
	"strings"
	"testing"
	"time"

	"github.com/coder/websocket"
)

// The close frame goes out at once even if the handler is busy, and the reader is woken.
func TestCloseWithFromOutside(t *testing.T) {
	conns, proceed := make(chan *Conn), make(chan struct{})
	g := open(t, Config{}, func(c *Conn) {
		conns <- c
		<-proceed
		if _, err := c.Read(make([]byte, 1)); !errors.Is(err, net.ErrClosed) {
			t.Errorf("read after close: %v", err)
		}
		if _, err := c.Write([]byte("x")); !errors.Is(err, net.ErrClosed) {
			t.Errorf("write after close: %v", err)
		}
		if err := c.SetReadDeadline(time.Time{}); !errors.Is(err, net.ErrClosed) {
			t.Errorf("deadline after close: %v", err)
		}
		if err := c.Ping(); !errors.Is(err, net.ErrClosed) {
			t.Errorf("ping after close: %v", err)
		}
	})
	client := g.dial()
	c := <-conns
	if err := c.CloseWith(StatusGoingAway, "moving"); err != nil {
		t.Error(err)
	}
	if err := c.CloseWith(StatusNormal, ""); !errors.Is(err, net.ErrClosed) {
		t.Errorf("second close: %v", err)
	}
	if code, reason := closeCode(t, client); code != StatusGoingAway || reason != "moving" {
		t.Errorf("closed with %d %q", code, reason)
	}
	close(proceed)
	g.empty()
}

// empty waits for the registry to be empty.
func (g *gate) empty() {
	g.t.Helper()
	if err := g.Wait(g.t.Context()); err != nil {
		g.t.Fatal(err)
	}
}

func TestCloseWakesTheReader(t *testing.T) {
	conns, got := make(chan *Conn), make(chan error)
	g := open(t, Config{}, func(c *Conn) {
		conns <- c
		_, err := c.Read(make([]byte, 1))
		got <- err
	})
	g.dial()
	ws := <-conns
	dialTCP(t, g.tcp)
	tcp := <-conns
	for _, c := range []*Conn{ws, tcp} {
		go c.Close()
		if err := <-got; !errors.Is(err, net.ErrClosed) {
			t.Errorf("%s: read returned %v", c.Kind(), err)
		}
	}
}

// The last words arrive, a long reason cut where a character ends, and closing while the peer's bytes lie unread must
// not reset the connection: a reset on its way can make the peer's system throw them away.
func TestLastWordsAreNotReset(t *testing.T) {
	sent := make(chan struct{})
	g := open(t, Config{}, func(c *Conn) {
		<-sent
		_, _ = c.Read(make([]byte, 1))
		_, _ = c.Write([]byte("goodbye"))
		_ = c.CloseWith(StatusPolicyViolation, strings.Repeat("é", 100))
	})
	unread := strings.Repeat(masked(0x82, strings.Repeat("x", 100)), 100)
	ws, br := g.dialRaw(unread)
	tcp := dialTCP(t, g.tcp)
	mustWrite(t, tcp, unread)
	close(sent)

	mustRead(t, br, "\x82\x07goodbye")
	if p := readFrame(t, br, 0x88); string(p) != "\x03\xf0"+strings.Repeat("é", 61) {
		t.Errorf("close frame %q", p)
	}
	if _, err := br.ReadByte(); err != io.EOF {
		t.Errorf("after the close frame: %v", err)
	}
	if rest, err := io.ReadAll(tcp); string(rest) != "goodbye" || err != nil {
		t.Errorf("tcp: %q, %v", rest, err)
	}
	g.empty()
	for _, conn := range []net.Conn{ws, tcp} {
		if _, err := conn.Write([]byte("x")); err != nil { // fails if a reset has arrived
			t.Error(err)
		}
	}
}

// A peer that does not read cannot keep its connection open, nor hold up who closes it.
func TestCloseOfAStuckWriter(t *testing.T) {
	conns := make(chan *Conn)
	g := open(t, Config{}, func(c *Conn) {
		fill(c)
		conns <- c
		_, err := c.Write(make([]byte, 1<<24))
		if !errors.Is(err, os.ErrDeadlineExceeded) {
			t.Errorf("%s: stuck write ended with %v", c.Kind(), err)
		}
	})
	g.dialRaw("")
	dialTCP(t, g.tcp)
	for range 2 {
		c := <-conns
		for c.wmu.TryLock() { // until the writer has it
			c.wmu.Unlock()
			runtime.Gosched()
		}
		_ = c.CloseWith(StatusGoingAway, "")
	}
	g.empty()
}

// fill writes to the socket until it takes no more.
func fill(c *Conn) {
	for _, size := range [...]int{1 << 20, 1} { // a byte may still fit where a megabyte does not
		_ = c.raw.SetWriteDeadline(time.Now().Add(50 * time.Millisecond))
		for p := make([]byte, size); ; {
			if _, err := c.raw.Write(p); err != nil {
				break
			}
		}
	}
	_ = c.raw.SetWriteDeadline(time.Time{})
}

func TestHandlerReturnClosesNormally(t *testing.T) {
	g := open(t, Config{}, func(*Conn) {})
	client := g.dial()
	if code, _ := closeCode(t, client); code != StatusNormal {
		t.Errorf("closed with %d", code)
	}
}

func TestPanicCostsOneConnection(t *testing.T) {
	g := open(t, Config{}, func(c *Conn) {
		if c.ID() == 1 {
			panic("handler's fault")
		}
		echo(c)
	})
	if code, _ := closeCode(t, g.dial()); code != StatusInternalError {
		t.Errorf("closed with %d", code)
	}
	conn := dialTCP(t, g.tcp)
	mustWrite(t, conn, "still here")
	mustRead(t, conn, "still here")
}

func TestDrain(t *testing.T) {
	ready := make(chan struct{})
	g := open(t, Config{}, func(c *Conn) {
		ready <- struct{}{}
		untilClosed(c)
	})
	ws := g.dial()
	<-ready
	tcp := dialTCP(t, g.tcp)
	<-ready
	if n := g.Len(); n != 2 {
		t.Errorf("%d open", n)
	}
	if open := g.count("lmqgate_connections_open", "ws", "") + g.count("lmqgate_connections_open", "tcp", ""); open != 2 {
		t.Errorf("gauge says %v open", open)
	}

	g.StopAccepting()
	g.StopAccepting()
	if err := <-g.ended; err != nil {
		t.Errorf("ServeTCP: %v", err)
	}
	if _, err := net.Dial("tcp", g.tcp); err == nil {
		t.Error("the listener is still open")
	}
	if err := g.ServeTCP(t.Context(), listen(t)); err != nil {
		t.Errorf("ServeTCP after the stop: %v", err)
	}
	if _, resp, err := g.try(nil, "mqtt"); err == nil || resp.StatusCode != 503 || resp.Header.Get("Retry-After") == "" {
		t.Errorf("upgrade after the stop: %v, %v", resp, err)
	}

	ended, cancel := context.WithCancel(t.Context())
	cancel()
	if err := g.Wait(ended); !errors.Is(err, context.Canceled) {
		t.Errorf("Wait with clients: %v", err)
	}
	seen := 0
	g.Each(func(*Conn) bool { seen++; return false })
	if seen != 1 {
		t.Errorf("Each went on after false: %d", seen)
	}
	go g.CloseAll(StatusGoingAway, "drain")
	if code, _ := closeCode(t, ws); code != StatusGoingAway {
		t.Errorf("closed with %d", code)
	}
	if rest, err := io.ReadAll(tcp); len(rest) != 0 || err != nil {
		t.Errorf("tcp: %q, %v", rest, err)
	}
	_ = tcp.Close()
	g.empty()
	if open := g.count("lmqgate_connections_open", "ws", "") + g.count("lmqgate_connections_open", "tcp", ""); open != 0 {
		t.Errorf("gauge says %v open", open)
	}
}

func TestAbortAll(t *testing.T) {
	ready := make(chan struct{})
	g := open(t, Config{}, func(c *Conn) {
		ready <- struct{}{}
		untilClosed(c)
	})
	ws := g.dial()
	<-ready
	g.AbortAll()
	g.empty()
	if _, _, err := ws.Read(t.Context()); err == nil || websocket.CloseStatus(err) != -1 {
		t.Errorf("read after abort: %v", err)
	}
}
