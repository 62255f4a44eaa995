package e2e

import (
	"bytes"
	"context"
	"fmt"
	"io"
	"net"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/coder/websocket"

	"lmqgate/adapter/packet"
)

// bad is input that no client may send. On a 5.0 connection one of the codes comes in a DISCONNECT [MQTT-4.13.1-1], before
// that the connection is only closed.
type bad struct {
	name  string
	bytes []byte
	codes []packet.ReasonCode
}

const (
	malformed = packet.MalformedPacket
	protocol  = packet.ProtocolError
)

// badV5 are inputs for a connected 5.0 client.
var badV5 = []bad{
	{"second CONNECT", encode(packet.V5, &packet.Connect{ClientID: "x"}), codes(protocol)}, // [MQTT-3.1.0-2]
	{"larger than the maximum packet size", []byte{0x30, 0xff, 0xff, 0xff, 0x7f, 0, 1, 'a'}, codes(packet.PacketTooLarge)},
	{"length of five bytes", []byte{0x30, 0xff, 0xff, 0xff, 0xff, 0x01}, codes(malformed)},
	{"type 0", []byte{0x00, 0x00}, codes(malformed, protocol)},
	{"AUTH without a method", []byte{0xf0, 0x00}, codes(protocol, malformed)},
	{"CONNACK", []byte{0x20, 0x03, 0, 0, 0}, codes(protocol)},
	{"SUBACK", []byte{0x90, 0x04, 0, 1, 0, 0}, codes(protocol)},
	{"PINGRESP", []byte{0xd0, 0x00}, codes(protocol)},
	{"PINGREQ with a body", []byte{0xc0, 0x01, 0}, codes(malformed)},
	{"QoS 3", []byte{0x36, 0x06, 0, 1, 'a', 0, 1, 0}, codes(malformed)},                            // [MQTT-3.3.1-4]
	{"QoS 1 with packet id 0", []byte{0x32, 0x06, 0, 1, 'a', 0, 0, 0}, codes(protocol, malformed)}, // [MQTT-2.2.1-3]
	{"topic with a wildcard", []byte{0x30, 0x06, 0, 3, 'a', '/', '#', 0}, codes(packet.TopicNameInvalid, malformed, protocol)},
	{"topic with U+0000", []byte{0x30, 0x06, 0, 3, 'a', 0, 'b', 0}, codes(malformed, packet.TopicNameInvalid)}, // [MQTT-1.5.4-2]
	{"topic that is not UTF-8", []byte{0x30, 0x05, 0, 2, 0xc0, 0x80, 0}, codes(malformed)},                     // [MQTT-1.5.4-1]
	{"topic with a surrogate", []byte{0x30, 0x06, 0, 3, 0xed, 0xa0, 0x80, 0}, codes(malformed)},
	{"empty topic", []byte{0x30, 0x03, 0, 0, 0}, codes(protocol, packet.TopicNameInvalid)},
	{"topic longer than the packet", []byte{0x30, 0x04, 0xff, 0xff, 'a', 0}, codes(malformed)},
	{"topic alias 0", []byte{0x30, 0x07, 0, 1, 'a', 3, 0x23, 0, 0}, codes(packet.TopicAliasInvalid)}, // [MQTT-3.3.2-8]
	{"topic alias beyond the maximum", []byte{0x30, 0x07, 0, 1, 'a', 3, 0x23, 0xff, 0xff}, codes(packet.TopicAliasInvalid)},
	{"topic alias never set", []byte{0x30, 0x06, 0, 0, 3, 0x23, 0, 1}, codes(protocol)},
	{"property twice", []byte{0x30, 0x0e, 0, 1, 'a', 10, 2, 0, 0, 0, 1, 2, 0, 0, 0, 1}, codes(protocol)},
	{"unknown property", []byte{0x30, 0x06, 0, 1, 'a', 2, 0x7f, 1}, codes(malformed, protocol)},
	{"property of another packet", []byte{0x30, 0x09, 0, 1, 'a', 5, 0x11, 0, 0, 0, 1}, codes(protocol, malformed)},
	{"subscription identifier from a client", []byte{0x30, 0x06, 0, 1, 'a', 2, 0x0b, 1}, codes(protocol, malformed)}, // [MQTT-3.3.4-6]
	{"SUBSCRIBE with wrong flags", []byte{0x80, 0x07, 0, 1, 0, 0, 1, 'a', 0}, codes(malformed)},                      // [MQTT-3.8.1-1]
	{"SUBSCRIBE without a filter", []byte{0x82, 0x03, 0, 1, 0}, codes(protocol)},                                     // [MQTT-3.8.3-2]
	{"SUBSCRIBE with packet id 0", []byte{0x82, 0x07, 0, 0, 0, 0, 1, 'a', 0}, codes(protocol, malformed)},
	{"SUBSCRIBE with QoS 3", []byte{0x82, 0x07, 0, 1, 0, 0, 1, 'a', 3}, codes(protocol, malformed)}, // [MQTT-3.8.3-5]
	{"SUBSCRIBE with reserved options", []byte{0x82, 0x07, 0, 1, 0, 0, 1, 'a', 0xc0}, codes(protocol, malformed)},
	{"SUBSCRIBE with identifier 0", []byte{0x82, 0x09, 0, 1, 2, 0x0b, 0, 0, 1, 'a', 0}, codes(protocol)},
	{"UNSUBSCRIBE without a filter", []byte{0xa2, 0x03, 0, 1, 0}, codes(protocol)}, // [MQTT-3.10.3-2]
	{"PUBREL with wrong flags", []byte{0x60, 0x02, 0, 1}, codes(malformed)},        // [MQTT-3.6.1-1]
	{"PUBACK with a reason code that it cannot have", []byte{0x40, 0x03, 0, 1, 0x8e}, codes(malformed, protocol)},
	{"DISCONNECT that extends a session without expiry", []byte{0xe0, 0x07, 0, 5, 0x11, 0, 0, 0, 9}, codes(protocol)}, // [MQTT-3.14.2-2]
	{"more QoS 2 than Receive Maximum", manyQoS2(5), codes(packet.ReceiveMaximumExceeded)},                            // [MQTT-3.3.4-9]
}

// badFirst are inputs instead of a CONNECT. What is answered, if anything, is a CONNACK with a failure.
var badFirst = []bad{
	{"PUBLISH", []byte{0x30, 0x06, 0, 1, 'a', 'x', 'y', 'z'}, nil}, // [MQTT-3.1.0-1]
	{"PINGREQ", []byte{0xc0, 0x00}, nil},
	{"HTTP", []byte("GET / HTTP/1.1\r\nHost: localhost\r\n\r\n"), nil},
	{"TLS", []byte{0x16, 0x03, 0x01, 0x02, 0x00, 0x01, 0x00, 0x01, 0xfc, 0x03, 0x03}, nil},
	{"another protocol name", connectBytes("MQTX", 4, 2, "c"), codes(packet.UnsupportedProtocolVersion)},
	{"protocol level 6", connectBytes("MQTT", 6, 2, "c"), codes(packet.UnsupportedProtocolVersion)},
	{"reserved connect flag", connectBytes("MQTT", 4, 3, "c"), nil}, // [MQTT-3.1.2-3]
	{"reserved connect flag, 5.0", connectBytes("MQTT", 5, 3, "c"), codes(malformed, protocol)},
	{"will QoS without a will", connectBytes("MQTT", 4, 0b1010, "c"), nil},
	{"client id that is not UTF-8", connectBytes("MQTT", 4, 2, "\xc0\x80"), nil},
	{"no client id, session kept", connectBytes("MQTT", 4, 0, ""), codes(packet.ClientIdentifierNotValid)}, // [MQTT-3.1.3-8]
	{"200 MB", []byte{0x10, 0xff, 0xff, 0xff, 0x5f, 0, 4, 'M', 'Q', 'T', 'T', 4, 2, 0, 0}, nil},
	{"half a CONNECT", connectBytes("MQTT", 4, 2, "client")[:12], nil}, // ended by CONNECT_TIMEOUT
	{"nothing", nil, nil},
}

func codes(list ...packet.ReasonCode) []packet.ReasonCode { return list }

func encode(v packet.Version, p packet.Packet) []byte {
	b, err := p.Append(nil, v)
	if err != nil {
		panic(err)
	}
	return b
}

// connectBytes is a CONNECT with the client id, or with what else stands behind keep alive, as a text.
func connectBytes(name string, level, flags byte, id string) []byte {
	body := append([]byte{0, byte(len(name))}, name...)
	body = append(body, level, flags, 0, 0)
	if level == 5 {
		body = append(body, 0) // no properties
	}
	body = append(body, 0, byte(len(id)))
	body = append(body, id...)
	return append([]byte{0x10, byte(len(body))}, body...)
}

func manyQoS2(n int) []byte {
	var b []byte
	for i := range n {
		b = append(b, encode(packet.V5, &packet.Publish{QoS: 2, PacketID: uint16(i + 1), Topic: "hostile/x"})...)
	}
	return b
}

// TestHostile sends what no client may send. Each connection is closed with a fitting code, and nothing is left of it.
func TestHostile(t *testing.T) {
	f := start(t, 1, mini, "CONNECT_TIMEOUT=1s", "RECEIVE_MAXIMUM=4", "MAX_PACKET_SIZE=65536")
	i := f.instances[0]
	connected(t, "warm-up", packet.V5, i.tcp).disconnect()
	goroutines := i.metric("go_goroutines")

	for kind, addr := range map[string]string{"tcp": i.tcp, "ws": i.ws()} {
		t.Run("first over "+kind, func(t *testing.T) {
			for _, c := range badFirst {
				t.Run(c.name, func(t *testing.T) { t.Parallel(); c.first(t, addr) })
			}
		})
		t.Run("5.0 over "+kind, func(t *testing.T) {
			for n, c := range badV5 {
				t.Run(c.name, func(t *testing.T) { t.Parallel(); c.afterConnect(t, addr, packet.V5, n) })
			}
		})
		t.Run("3.1.1 over "+kind, func(t *testing.T) {
			for n, c := range badV311() {
				t.Run(c.name, func(t *testing.T) { t.Parallel(); c.afterConnect(t, addr, packet.V311, n) })
			}
		})
		t.Run("random over "+kind, func(t *testing.T) { garbage(t, addr) })
	}
	t.Run("halves", func(t *testing.T) { halves(t, i) })
	t.Run("texts", func(t *testing.T) { textFrames(t, i.ws()) })

	still := connected(t, "still-alive", packet.V5, i.tcp)
	must(t, still.subscribe(1, "still/alive"))
	still.publish("still/alive", 1, "yes", nil)
	gotExactly(t, still, "", []string{"yes"})
	still.disconnect()
	eventually(t, soon, func() error {
		if n := i.metric("lmqgate_clients"); n != 0 {
			return fmt.Errorf("%v clients", n)
		}
		if n := i.metric("lmqgate_connections_open"); n != 0 {
			return fmt.Errorf("%v connections", n)
		}
		if n := i.metric("go_goroutines"); n > goroutines+8 { // those of the HTTP server come and go
			return fmt.Errorf("%v goroutines, before it were %v", n, goroutines)
		}
		return nil
	})
}

// first sends the input as the first of a connection.
func (c bad) first(t *testing.T, addr string) {
	conn, err := open(addr)
	must(t, err)
	defer conn.Close()
	if c.bytes != nil {
		_, err = conn.Write(c.bytes)
		must(t, err)
	}
	_ = conn.SetReadDeadline(time.Now().Add(soon))
	got, err := io.ReadAll(io.LimitReader(conn, 1000))
	if isTimeout(err) {
		t.Fatalf("the connection stays open")
	}
	if len(got) == 0 {
		return // closing without an answer is always allowed
	}
	v := packet.V5
	if len(got) > 1 && got[1] == 2 { // without properties: the CONNACK of 3.1.1, which a client of an unknown version may get too
		v = packet.V311
	}
	dec := packet.NewDecoder(bytes.NewReader(got), 0)
	dec.SetVersion(v)
	p, err := dec.Next()
	must(t, err)
	ack, ok := p.(*packet.Connack)
	if !ok {
		t.Fatalf("answered with %v", p.Type())
	}
	code := ack.Code
	if v != packet.V5 {
		code = packet.FromV3(byte(ack.Code))
	}
	if !contains(c.codes, code) {
		t.Errorf("CONNACK with %v, want %v", code, c.codes)
	}
	if _, err := dec.Next(); err != io.EOF {
		t.Errorf("behind CONNACK comes %v", err)
	}
}

// afterConnect sends the input on a connection that stands.
func (c bad) afterConnect(t *testing.T, addr string, v packet.Version, n int) {
	w := dialed(t, addr, v)
	w.connect(t, packet.Connect{ClientID: fmt.Sprintf("%s-%d-%d", strings.ReplaceAll(addr, ":", "-"), v, n), CleanStart: true})
	w.raw(c.bytes)
	var got []packet.ReasonCode
	for _, p := range w.wantEnd(t) {
		switch p := p.(type) {
		case *packet.Disconnect:
			got = append(got, p.Code)
		case *packet.Pubrec: // of what came before the bad packet
		default:
			t.Errorf("answered with %v", p.Type())
		}
	}
	switch {
	case v != packet.V5 && len(got) > 0:
		t.Errorf("DISCONNECT from the server in %v", v)
	case v == packet.V5 && (len(got) != 1 || !contains(c.codes, got[0])):
		t.Errorf("DISCONNECT with %v, want one with one of %v", got, c.codes)
	}
	if status := websocket.CloseStatus(w.err); strings.HasPrefix(addr, "ws") && status != closeStatus(c.codes[0]) {
		t.Errorf("closed with WebSocket status %v (%v)", status, w.err)
	}
}

// closeStatus is what browsers are told.
func closeStatus(code packet.ReasonCode) websocket.StatusCode {
	if code == packet.PacketTooLarge {
		return websocket.StatusMessageTooBig
	}
	return websocket.StatusProtocolError
}

func contains(list []packet.ReasonCode, code packet.ReasonCode) bool {
	for _, c := range list {
		if c == code {
			return true
		}
	}
	return false
}

// badV311 are the inputs that have no 5.0 in them.
func badV311() []bad {
	return []bad{
		{"second CONNECT", encode(packet.V311, &packet.Connect{ClientID: "x"}), codes(protocol)},
		{"larger than the maximum packet size", []byte{0x30, 0xff, 0xff, 0xff, 0x7f, 0, 1, 'a'}, codes(packet.PacketTooLarge)},
		{"AUTH", []byte{0xf0, 0x00}, codes(protocol)},
		{"QoS 3", []byte{0x36, 0x05, 0, 1, 'a', 0, 1}, codes(malformed)},
		{"topic with a wildcard", []byte{0x30, 0x05, 0, 3, 'a', '/', '#'}, codes(malformed)},
		{"topic that is not UTF-8", []byte{0x30, 0x04, 0, 2, 0xc0, 0x80}, codes(malformed)},
		{"empty topic", []byte{0x30, 0x02, 0, 0}, codes(malformed)},
		{"SUBSCRIBE with wrong flags", []byte{0x80, 0x06, 0, 1, 0, 1, 'a', 0}, codes(malformed)},
		{"SUBSCRIBE without a filter", []byte{0x82, 0x02, 0, 1}, codes(protocol)},
		{"SUBSCRIBE with QoS 3", []byte{0x82, 0x06, 0, 1, 0, 1, 'a', 3}, codes(malformed)},
		{"UNSUBSCRIBE without a filter", []byte{0xa2, 0x02, 0, 1}, codes(protocol)},
		{"PUBREL with wrong flags", []byte{0x60, 0x02, 0, 1}, codes(malformed)},
		{"PINGRESP", []byte{0xd0, 0x00}, codes(protocol)},
	}
}

func isTimeout(err error) bool {
	e, ok := err.(net.Error)
	return ok && e.Timeout()
}

// garbage sends random bytes on many connections, with and without a CONNECT before them. Each connection ends: by the
// server, or at the latest when the client closes.
func garbage(t *testing.T, addr string) {
	for _, seed := range seeds(t, 1) {
		t.Logf("seed %d", seed)
		var work sync.WaitGroup
		places := make(chan struct{}, 20)
		for n := range scale(50, 300, 5000) {
			rng := random(seed, n, len(addr))
			places <- struct{}{}
			work.Go(func() {
				defer func() { <-places }()
				conn, err := open(addr)
				if err != nil {
					t.Errorf("dial: %v", err)
					return
				}
				defer conn.Close()
				var b []byte
				if v := []packet.Version{0, packet.V311, packet.V5}[rng.IntN(3)]; v != 0 {
					b = encode(v, &packet.Connect{Version: v, ClientID: fmt.Sprintf("garbage-%d", n), CleanStart: true})
				}
				noise := make([]byte, rng.IntN(400))
				for i := range noise {
					noise[i] = byte(rng.Uint32())
				}
				if len(noise) > 2 && rng.IntN(2) == 0 { // a plausible packet at least
					noise[0], noise[1] = byte(1+rng.IntN(15))<<4|byte(rng.IntN(3)), byte(min(len(noise)-2, 127))
				}
				_, _ = conn.Write(append(b, noise...))
				_ = conn.SetReadDeadline(time.Now().Add(200 * time.Millisecond)) // it may wait for the rest of a packet
				_, _ = io.Copy(io.Discard, conn)
			})
		}
		work.Wait()
	}
}

// halves sends the first part of a packet on connections that stand, and goes.
func halves(t *testing.T, i *instance) {
	whole := encode(packet.V5, &packet.Publish{QoS: 1, PacketID: 1, Topic: "a/b", Payload: make([]byte, 300)})
	for n := 1; n < len(whole); n += 7 {
		w := dialed(t, i.tcp, packet.V5)
		w.connect(t, packet.Connect{ClientID: "half", CleanStart: true, Properties: packet.ConnectProperties{SessionExpiry: 0}})
		_, err := w.conn.Write(whole[:n])
		must(t, err)
		w.cut()
	}
}

// textFrames are no MQTT [MQTT-6.0.0-1].
func textFrames(t *testing.T, url string) {
	ctx, cancel := context.WithTimeout(t.Context(), soon)
	defer cancel()
	c, _, err := websocket.Dial(ctx, url, &websocket.DialOptions{Subprotocols: []string{"mqtt"}})
	must(t, err)
	defer func() { _ = c.CloseNow() }()
	must(t, c.Write(ctx, websocket.MessageText, connectBytes("MQTT", 4, 2, "c")))
	_, _, err = c.Read(ctx)
	if code := websocket.CloseStatus(err); code != websocket.StatusUnsupportedData && code != websocket.StatusProtocolError {
		t.Errorf("closed with %v (%v)", code, err)
	}
}
