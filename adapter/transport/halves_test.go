package transport

import (
	"bufio"
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"testing"
	"time"
)

// isOpen is whether the server has not ended a connection on which it says nothing; it looks only once the server has dealt
// with another connection.
func isOpen(c net.Conn) bool {
	_ = c.SetReadDeadline(time.Now().Add(time.Millisecond))
	_, err := c.Read(make([]byte, 1))
	e, ok := err.(net.Error)
	return ok && e.Timeout()
}

// Silent connections give way to newer ones, clients do not.
func TestSilentConnectionsGiveWay(t *testing.T) {
	g := open(t, Config{MaxHalfMade: 3}, func(c *Conn) {
		var b [1]byte
		if _, err := c.Read(b[:]); err != nil {
			return
		}
		c.Established()
		_, _ = c.Write(b[:])
		untilClosed(c)
	})
	client := dialTCP(t, g.tcp)
	mustWrite(t, client, "x")
	mustRead(t, client, "x")
	silent := make([]net.Conn, 10)
	for i := range silent {
		silent[i] = dialTCP(t, g.tcp)
		for g.count("lmqgate_connections_accepted_total", "tcp", "") < float64(i+2) {
			time.Sleep(time.Millisecond)
		}
	}
	for _, c := range silent[:7] {
		if b, _ := io.ReadAll(c); len(b) > 0 {
			t.Errorf("read %q", b)
		}
	}
	for i, c := range silent[7:] {
		if !isOpen(c) {
			t.Errorf("silent connection %d of the last three is closed", i)
		}
	}
	mustWrite(t, silent[9], "y") // still in time
	_ = silent[9].SetReadDeadline(time.Time{})
	mustRead(t, silent[9], "y")
	mustWrite(t, client, "z")
	if !isOpen(client) {
		t.Error("the client is closed")
	}
	if n := g.count("lmqgate_connections_refused_total", "tcp", refusedHalf); n != 7 {
		t.Errorf("%v counted", n)
	}
}

// Connections of the HTTP server count while they wait for a request, and not while one is served.
func TestHTTPConnectionsGiveWay(t *testing.T) {
	g := open(t, Config{MaxHalfMade: 2}, untilClosed)
	begun, goOn := make(chan struct{}), make(chan struct{})
	mux := http.NewServeMux()
	mux.Handle(g.Path(), g.Server)
	mux.HandleFunc("/slow", func(w http.ResponseWriter, _ *http.Request) {
		begun <- struct{}{}
		<-goOn
		_, _ = io.WriteString(w, "done")
	})
	web := httptest.NewUnstartedServer(g.Serving(mux))
	web.Listener = g.Listener(web.Listener)
	web.Config.ConnContext = g.ConnContext
	web.Start()
	t.Cleanup(web.Close)
	addr := web.Listener.Addr().String()

	served := dialTCP(t, addr)
	mustWrite(t, served, "GET /slow HTTP/1.1\r\nHost: x\r\n\r\n")
	<-begun
	upgraded := dialTCP(t, addr)
	mustWrite(t, upgraded, upgradeRequest)
	if resp, err := http.ReadResponse(bufio.NewReader(upgraded), nil); err != nil || resp.StatusCode != http.StatusSwitchingProtocols {
		t.Fatal(resp, err)
	}
	silent := make([]net.Conn, 5)
	for i := range silent {
		silent[i] = dialTCP(t, addr)
	}
	for _, c := range silent[:3] {
		_, _ = io.ReadAll(c) // ends
	}
	if n := g.count("lmqgate_connections_refused_total", "ws", refusedHalf); n != 3 {
		t.Errorf("%v gave way", n)
	}
	if n := g.halves.len(); n != 2 {
		t.Errorf("%d half-made", n)
	}
	close(goOn)
	if resp, err := http.ReadResponse(bufio.NewReader(served), nil); err != nil || resp.StatusCode != http.StatusOK {
		t.Errorf("the request being served: %v %v", resp, err)
	}
	if !isOpen(upgraded) {
		t.Error("the WebSocket is closed")
	}
	for deadline := time.Now().Add(time.Minute); isOpen(silent[3]); { // the served one is half-made again
		if time.Now().After(deadline) {
			t.Fatal("a finished request does not count again")
		}
	}
}
