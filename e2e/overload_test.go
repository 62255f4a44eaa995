package e2e

import (
	"bufio"
	"bytes"
	"fmt"
	"io"
	"net"
	"net/http"
	"strings"
	"sync"
	"testing"
	"time"

	"lmqgate/adapter/packet"
)

// TestConnectionLimit: beyond MAX_CONNECTIONS clients are told so in the way of their protocol and transport, and those that
// are connected do not notice.
func TestConnectionLimit(t *testing.T) {
	t.Parallel()
	f := start(t, 1, mini, "MAX_CONNECTIONS=4", "CONNECT_RATE=0")
	i := f.instances[0]
	inside := make([]*wire, 4)
	for n := range inside {
		inside[n] = dialed(t, []string{i.tcp, i.ws()}[n%2], packet.V5)
		inside[n].connect(t, session(fmt.Sprint("inside-", n)))
	}
	for range 3 {
		for v, code := range map[packet.Version]packet.ReasonCode{packet.V5: packet.QuotaExceeded, packet.V311: 3} {
			w := dialed(t, i.tcp, v)
			w.send(&packet.Connect{Version: v, ClientID: "outside", CleanStart: true})
			got := w.wantEnd(t)
			if len(got) != 1 || got[0].Type() != packet.CONNACK || got[0].(*packet.Connack).Code != code {
				t.Errorf("%v over TCP: %+v", v, got)
			}
			w.cut()
		}
	}
	head := upgrade(t, i.http)
	if head.StatusCode != http.StatusServiceUnavailable || head.Header.Get("Retry-After") == "" {
		t.Errorf("WebSocket: %v %v", head.Status, head.Header)
	}
	if n := i.metric("lmqgate_connections_refused_total", `reason="full"`); n != 7 {
		t.Errorf("%v counted", n)
	}
	for n, w := range inside {
		w.send(&packet.Pingreq{})
		want[*packet.Pingresp](t, w)
		if n == 0 {
			w.send(&packet.Disconnect{})
			w.wantEnd(t)
		}
	}
	eventually(t, soon, func() error { // the place of one that has gone
		w, err := dial(i.tcp, packet.V5)
		if err != nil {
			return err
		}
		defer w.cut()
		w.send(&packet.Connect{Version: packet.V5, ClientID: "next", CleanStart: true})
		p, err := w.next(soon)
		if err != nil {
			return err
		}
		if ack, ok := p.(*packet.Connack); !ok || ack.Code != packet.Success {
			return fmt.Errorf("%+v", p)
		}
		return nil
	})
	if n := strings.Count(i.log.String(), `"refusing connections"`); n != 1 {
		t.Errorf("%d lines about refusals", n)
	}
}

// upgrade asks for a WebSocket and returns the answer.
func upgrade(t *testing.T, addr string) *http.Response {
	t.Helper()
	c, err := net.Dial("tcp", addr)
	must(t, err)
	t.Cleanup(func() { _ = c.Close() })
	_, err = io.WriteString(c, "GET /mqtt HTTP/1.1\r\nHost: x\r\nConnection: Upgrade\r\nUpgrade: websocket\r\nSec-WebSocket-Version: 13\r\n"+
		"Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\nSec-WebSocket-Protocol: mqtt\r\n\r\n")
	must(t, err)
	_ = c.SetReadDeadline(time.Now().Add(soon))
	resp, err := http.ReadResponse(bufio.NewReader(c), nil)
	must(t, err)
	return resp
}

// TestConnectRate: of a stampede some get in, the others are told to come again, and all of them do get in.
func TestConnectRate(t *testing.T) {
	t.Parallel()
	f := start(t, 1, mini, "CONNECT_RATE=40")
	i := f.instances[0]
	const crowd = 200
	var refused, closed, rounds sync.Map
	var work sync.WaitGroup
	for n := range crowd {
		work.Go(func() {
			eventually(t, soon, func() error {
				w, err := dial(i.tcp, packet.V5)
				if err != nil {
					return err
				}
				t.Cleanup(w.cut)
				rounds.Store(fmt.Sprint(n, time.Now().UnixNano()), true)
				w.send(&packet.Connect{Version: packet.V5, ClientID: fmt.Sprint("crowd-", n), CleanStart: true})
				p, err := w.next(soon)
				if err != nil {
					closed.Store(n, true) // beyond those that are told
					w.cut()
					return err
				}
				switch ack := p.(*packet.Connack); ack.Code {
				case packet.Success:
					return nil
				case packet.ConnectionRateExceeded:
					refused.Store(n, true)
					w.cut()
					return fmt.Errorf("refused")
				default:
					return fatal{fmt.Errorf("CONNACK %v", ack.Code)}
				}
			})
		})
	}
	work.Wait()
	if size(&refused) == 0 {
		t.Error("nobody was told 0x9F")
	}
	if n := i.metric("lmqgate_clients"); n != crowd {
		t.Errorf("%v of %d connected", n, crowd)
	}
	t.Logf("%d clients, %d attempts: %d of them were told 0x9F, %d closed", crowd, size(&rounds), size(&refused), size(&closed))
}

func size(m *sync.Map) (n int) {
	m.Range(func(any, any) bool { n++; return true })
	return n
}

// TestSlowloris: what begins and never ends costs little and ends, whatever stage it has come to, and keeps nobody out.
func TestSlowloris(t *testing.T) {
	t.Parallel()
	f := start(t, 1, mini, "CONNECT_TIMEOUT=2s", "PACKET_TIMEOUT=2s", "MAX_HANDSHAKES=40", "CONNECT_RATE=0")
	i := f.instances[0]
	connected(t, "warm-up", packet.V5, i.tcp).disconnect()
	goroutines := i.metric("go_goroutines")
	begun := encode(packet.V5, &packet.Connect{Version: packet.V5, ClientID: strings.Repeat("c", 60000)})
	stages := []struct {
		name, addr string
		first      string // at once
		drip       string // one byte now and then
		answered   bool   // first is, before anybody else comes
	}{
		{"packet over TCP", i.tcp, "\x30\x80\x80\x04\x00\x01a", strings.Repeat("x", 10000), true},
		{"nothing over TCP", i.tcp, "", "", false},
		{"CONNECT over TCP", i.tcp, string(begun[:10]), string(begun[10:]), false},
		{"nothing over HTTP", i.http, "", "", false},
		{"HTTP request line", i.http, "GET /", strings.Repeat("x", 10000), false},
		{"HTTP header", i.http, "GET /mqtt HTTP/1.1\r\nHost: x\r\nX-Slow: ", strings.Repeat("x", 10000), false},
		{"HTTP body", i.http, "POST /v1/topics/a HTTP/1.1\r\nHost: x\r\nContent-Length: 20000\r\n\r\n", strings.Repeat("x", 10000), false},
	}
	var conns sync.WaitGroup
	for _, s := range stages {
		for n := range 20 {
			c, err := net.Dial("tcp", s.addr)
			must(t, err)
			first := s.first
			if s.answered {
				first = string(encode(packet.V5, &packet.Connect{Version: packet.V5, ClientID: fmt.Sprint("drip-", n), CleanStart: true})) + first
			}
			_, _ = io.WriteString(c, first)
			if s.answered {
				_, err = io.ReadFull(c, make([]byte, 2))
				must(t, err)
			}
			conns.Go(func() { drips(t, c, s.name, s.drip) })
		}
	}
	for n := range 10 { // meanwhile: it may have to come again, since the oldest silent one gives way
		eventually(t, soon, func() error {
			w, err := dial(i.tcp, packet.V5)
			if err != nil {
				return err
			}
			defer w.cut()
			w.send(&packet.Connect{Version: packet.V5, ClientID: fmt.Sprint("honest-", n), CleanStart: true})
			_, err = w.next(soon)
			return err
		})
	}
	conns.Wait()
	eventually(t, soon, func() error {
		if n := i.metric("lmqgate_connections_open"); n != 0 {
			return fmt.Errorf("%v connections", n)
		}
		if n := i.metric("go_goroutines"); n > goroutines+8 {
			return fmt.Errorf("%v goroutines, before it were %v", n, goroutines)
		}
		return nil
	})
	if n := i.metric("lmqgate_slow_clients_total", `reason="packet_timeout"`); n != 20 {
		t.Errorf("%v packets that did not end were counted", n)
	}
	if n := i.metric("lmqgate_connections_refused_total", `reason="half_made"`); n == 0 {
		t.Error("nobody gave way")
	}
}

// drips writes a byte now and then until the server ends the connection.
func drips(t *testing.T, c net.Conn, what, rest string) {
	defer c.Close()
	over := make(chan struct{})
	go func() {
		defer close(over)
		_ = c.SetReadDeadline(time.Now().Add(soon))
		if _, err := io.Copy(io.Discard, c); isTimeout(err) {
			t.Errorf("%s: the connection stays", what)
		}
	}()
	drip := time.NewTicker(100 * time.Millisecond)
	defer drip.Stop()
	for {
		select {
		case <-over:
			return
		case <-drip.C:
			if rest != "" {
				_, _ = io.WriteString(c, rest[:1])
				rest = rest[1:]
			}
		}
	}
}

// TestEndlessRequests: an HTTP request on PORT whose body never ends, or whose answer nobody reads, is cut.
func TestEndlessRequests(t *testing.T) {
	t.Parallel()
	f := start(t, 1, mini)
	i := f.instances[0]
	c, err := net.Dial("tcp", i.http)
	must(t, err)
	defer c.Close()
	_, err = io.WriteString(c, "POST /health/live HTTP/1.1\r\nHost: x\r\nContent-Length: 100000000\r\n\r\n")
	must(t, err)
	over := make(chan error, 1)
	go func() {
		_ = c.SetReadDeadline(time.Now().Add(soon))
		_, err := io.Copy(io.Discard, c)
		over <- err
	}()
	drip := time.NewTicker(50 * time.Millisecond)
	defer drip.Stop()
	for {
		select {
		case err := <-over:
			if isTimeout(err) {
				t.Error("a body without end is read without end")
			}
			return
		case <-drip.C:
			_, _ = c.Write([]byte("x"))
		}
	}
}

// TestGiantsAreRefused: packets within MAX_PACKET_SIZE that would cost more than their size.
func TestGiantsAreRefused(t *testing.T) {
	t.Parallel()
	f := start(t, 1, mini, "MAX_PACKET_SIZE=4194304", "MAX_SUBSCRIPTIONS=100")
	i := f.instances[0]

	// CONNECT before the client is known.
	w := dialed(t, i.tcp, packet.V5)
	pairs := make([]packet.UserProperty, 20)
	for n := range pairs {
		pairs[n].Value = strings.Repeat("v", 60000)
	}
	w.send(&packet.Connect{Version: packet.V5, ClientID: "giant", CleanStart: true, Properties: packet.ConnectProperties{User: pairs}})
	if got := w.wantEnd(t); len(got) != 0 { // its version is not known yet
		t.Errorf("CONNECT of a megabyte: %+v", got)
	}

	// A will of full length is none.
	w = dialed(t, i.tcp, packet.V5)
	w.connect(t, packet.Connect{ClientID: "will", CleanStart: true, Will: &packet.Will{Topic: f.topic("w"), Payload: bytes.Repeat([]byte("w"), 65535)}})

	// Properties by the ten thousand.
	w.send(&packet.Publish{Topic: f.topic("p"), Properties: packet.Properties{User: make([]packet.UserProperty, 100_000)}})
	if got := w.wantEnd(t); len(got) != 1 || got[0].(*packet.Disconnect).Code != packet.QuotaExceeded {
		t.Errorf("PUBLISH with 100,000 properties: %+v", got)
	}

	// SUBSCRIBE with more filters than allowed, in one packet: each is answered.
	w = dialed(t, i.tcp, packet.V5)
	w.connect(t, packet.Connect{ClientID: "many", CleanStart: true})
	s := &packet.Subscribe{PacketID: 1}
	for n := range 10_000 {
		s.Filters = append(s.Filters, packet.Subscription{Filter: f.topic("s/%d", n), QoS: 1})
	}
	w.send(s)
	granted := 0
	for n, code := range want[*packet.Suback](t, w).Codes {
		switch {
		case n < 100 && code == packet.GrantedQoS1:
			granted++
		case n >= 100 && code == packet.QuotaExceeded:
		default:
			t.Fatalf("filter %d: %v", n, code)
		}
	}
	if granted != 100 {
		t.Errorf("%d granted", granted)
	}

	// Many tiny packets: handled, and others are served meanwhile.
	other := connected(t, "other", packet.V5, i.tcp)
	must(t, other.subscribe(1, f.topic("other")))
	var tiny []byte
	for range 20_000 {
		tiny = append(tiny, 0xc0, 0x00)
	}
	w.raw(tiny)
	for n := range 10 {
		other.publish(f.topic("other"), 1, fmt.Sprint(n), nil)
	}
	for range 20_000 {
		want[*packet.Pingresp](t, w)
	}
	gotExactly(t, other, "", []string{"0", "1", "2", "3", "4", "5", "6", "7", "8", "9"})
	other.disconnect()
}
