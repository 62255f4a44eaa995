package e2e

import (
	"context"
	"fmt"
	"net"
	"sync"
	"testing"
	"time"

	"github.com/coder/websocket"

	"lmqgate/adapter/packet"
)

// wire is one MQTT connection, packet by packet. Packets from the server wait in a queue without bound until next takes
// them; packets to it are written by a goroutine, so that neither side ever waits for the other.
type wire struct {
	conn net.Conn
	v    packet.Version

	mu      sync.Mutex // protects the fields below
	changed chan struct{}
	in      []packet.Packet
	err     error // why reading ended
	out     []byte
	writing bool
}

// dial opens a connection: "ws://..." is WebSocket, anything else host:port of TCP.
func dial(addr string, v packet.Version) (*wire, error) {
	conn, err := open(addr)
	if err != nil {
		return nil, err
	}
	w := &wire{conn: conn, v: v, changed: make(chan struct{})}
	go w.read()
	return w, nil
}

func open(addr string) (net.Conn, error) {
	ctx, cancel := context.WithTimeout(context.Background(), 20*time.Second)
	defer cancel()
	if len(addr) < 5 || addr[:5] != "ws://" {
		return new(net.Dialer).DialContext(ctx, "tcp", addr)
	}
	c, _, err := websocket.Dial(ctx, addr, &websocket.DialOptions{Subprotocols: []string{"mqtt"}})
	if err != nil {
		return nil, err
	}
	c.SetReadLimit(16 << 20)
	return websocket.NetConn(context.Background(), c, websocket.MessageBinary), nil
}

// dialed is dial for tests; the connection is cut with the test.
func dialed(t testing.TB, addr string, v packet.Version) *wire {
	t.Helper()
	w, err := dial(addr, v)
	if err != nil {
		t.Fatalf("dial %s: %v", addr, err)
	}
	t.Cleanup(w.cut)
	return w
}

// cut closes the connection without a word.
func (w *wire) cut() { _ = w.conn.Close() }

func (w *wire) read() {
	dec := packet.NewDecoder(w.conn, 0)
	dec.SetVersion(w.v)
	for {
		p, err := dec.Next()
		if err == nil {
			err = packet.CheckFromServer(p)
		}
		w.mu.Lock()
		if err != nil {
			w.err = err
		} else {
			w.in = append(w.in, own(p))
		}
		close(w.changed)
		w.changed = make(chan struct{})
		w.mu.Unlock()
		if err != nil {
			return
		}
	}
}

// own copies what the decoder would overwrite.
func own(p packet.Packet) packet.Packet {
	switch p := p.(type) {
	case *packet.Puback:
		c := *p
		return &c
	case *packet.Pubrec:
		c := *p
		return &c
	case *packet.Pubrel:
		c := *p
		return &c
	case *packet.Pubcomp:
		c := *p
		return &c
	}
	return p
}

// next takes the next packet; after the last one, the error that ended the connection.
func (w *wire) next(limit time.Duration) (packet.Packet, error) {
	deadline := time.After(limit)
	for {
		w.mu.Lock()
		if len(w.in) > 0 {
			p := w.in[0]
			w.in = w.in[1:]
			w.mu.Unlock()
			return p, nil
		}
		err, changed := w.err, w.changed
		w.mu.Unlock()
		if err != nil {
			return nil, err
		}
		select {
		case <-changed:
		case <-deadline:
			return nil, errSilence
		}
	}
}

// errSilence says that nothing came.
var errSilence = fmt.Errorf("nothing received")

// send queues packets for writing; after a failed write they are dropped.
func (w *wire) send(packets ...packet.Packet) {
	var b []byte
	for _, p := range packets {
		var err error
		if b, err = p.Append(b, w.v); err != nil {
			panic(fmt.Sprintf("encode %v: %v", p.Type(), err)) // a mistake of the test
		}
	}
	w.raw(b)
}

// raw queues bytes for writing.
func (w *wire) raw(b []byte) {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.out = append(w.out, b...)
	if !w.writing {
		w.writing = true
		go w.write()
	}
}

func (w *wire) write() {
	for {
		w.mu.Lock()
		b := w.out
		w.out = nil
		if len(b) == 0 {
			w.writing = false
			w.mu.Unlock()
			return
		}
		w.mu.Unlock()
		if _, err := w.conn.Write(b); err != nil {
			w.cut()
			return // writing stays true: the connection is over
		}
	}
}

// want takes the next packet, which must be a P.
func want[P packet.Packet](t testing.TB, w *wire) P {
	t.Helper()
	p, err := w.next(soon)
	if err != nil {
		t.Fatalf("want %T: %v", *new(P), err)
	}
	got, ok := p.(P)
	if !ok {
		t.Fatalf("want %T, got %v: %+v", *new(P), p.Type(), p)
	}
	return got
}

// wantEnd takes packets until the connection ends, and returns them.
func (w *wire) wantEnd(t testing.TB) []packet.Packet {
	t.Helper()
	var got []packet.Packet
	for {
		p, err := w.next(soon)
		if err == errSilence {
			t.Fatalf("the connection stays open, after %d packets", len(got))
		}
		if err != nil {
			return got
		}
		got = append(got, p)
	}
}

// connect sends CONNECT and returns the CONNACK, which must be a success.
func (w *wire) connect(t testing.TB, c packet.Connect) *packet.Connack {
	t.Helper()
	c.Version = w.v
	w.send(&c)
	ack := want[*packet.Connack](t, w)
	if ack.Code != packet.Success {
		t.Fatalf("CONNECT of %q: %v", c.ClientID, ack.Code)
	}
	return ack
}

// subscribe subscribes to filters with one QoS and requires that all are granted.
func (w *wire) subscribe(t testing.TB, qos byte, filters ...string) {
	t.Helper()
	s := &packet.Subscribe{PacketID: 60000}
	for _, f := range filters {
		s.Filters = append(s.Filters, packet.Subscription{Filter: f, QoS: qos})
	}
	w.send(s)
	for i, code := range want[*packet.Suback](t, w).Codes {
		if code != packet.ReasonCode(qos) {
			t.Fatalf("SUBSCRIBE %s: %v", filters[i], code)
		}
	}
}

// session returns a CONNECT of a session that outlives its connection by an hour.
func session(clientID string) packet.Connect {
	return packet.Connect{ClientID: clientID, Properties: packet.ConnectProperties{SessionExpiry: 3600}}
}
