package e2e

import (
	"bytes"
	"crypto/hmac"
	"crypto/sha1"
	"encoding/base64"
	"fmt"
	"net"
	"sync"
	"testing"

	"lmqgate/adapter/packet"
)

// peer is one MQTT client of a scene, by its client id. It has one connection at a time, each at another instance than the
// one before. Packets are taken one by one with want, so that a scene says of everything that comes what it must be. What
// its connections bring is looked at by inspect as well.
type peer struct {
	*wire
	s    *scene
	id   string
	v    packet.Version
	addr string
	ids  uint16 // packet id last used
}

// peer makes a client that is not connected yet, of the scene's version.
func (s *scene) peer(name string) *peer { return s.peerOf(name, s.v) }

func (s *scene) peerOf(name string, v packet.Version) *peer {
	return s.peerAt(name, v, s.at.fleet, s.at.row.transport)
}

func (s *scene) peerAt(name string, v packet.Version, f *fleet, transport string) *peer {
	return &peer{s: s, id: s.tag + name, v: v, addr: s.address(f, transport)}
}

// join is peer, connected: with a clean session that ends with the connection unless options say otherwise.
func (s *scene) join(name string, options ...option) *peer {
	s.Helper()
	p := s.peer(name)
	p.join(options...)
	return p
}

// option changes a CONNECT.
type option func(*packet.Connect)

// kept asks for a session that outlives the connection, and for the one that exists.
func kept(c *packet.Connect) {
	c.CleanStart = false
	c.Properties.SessionExpiry = 3600
}

// lasting is kept with a session expiry interval; 3.1.1 has none.
func lasting(seconds uint32) option {
	return func(c *packet.Connect) { kept(c); c.Properties.SessionExpiry = seconds }
}

func alive(seconds uint16) option { return func(c *packet.Connect) { c.KeepAlive = seconds } }

func will(w packet.Will) option { return func(c *packet.Connect) { c.Will = &w } }

// dial opens the next connection and sends nothing.
func (p *peer) dial() {
	p.s.Helper()
	conn, err := open(p.addr)
	if err != nil {
		p.s.Fatalf("dial: %v", err)
	}
	rec := &recorder{Conn: conn}
	p.wire = &wire{conn: rec, v: p.v, changed: make(chan struct{})}
	done := make(chan struct{})
	go func(w *wire) { w.read(); close(done) }(p.wire)
	w := p.wire
	p.s.Cleanup(func() {
		w.cut()
		<-done
		inspect(p.s, p.id, p.v, rec.bytes())
	})
}

// join opens the next connection and connects, which must succeed.
func (p *peer) join(options ...option) *packet.Connack {
	p.s.Helper()
	p.dial()
	return p.connect(p.s, p.hello(options...))
}

// hello is the CONNECT that join sends.
func (p *peer) hello(options ...option) packet.Connect {
	c := packet.Connect{Version: p.v, ClientID: p.id, CleanStart: true}
	for _, o := range options {
		o(&c)
	}
	return c
}

// tryJoin connects and returns the answer, whatever it is.
func (p *peer) tryJoin(options ...option) *packet.Connack {
	p.s.Helper()
	p.dial()
	c := p.hello(options...)
	p.send(&c)
	ack := want[*packet.Connack](p.s, p.wire)
	if p.v != packet.V5 {
		ack.Code = packet.FromV3(byte(ack.Code))
	}
	return ack
}

// leave says goodbye and waits until the server has closed.
func (p *peer) leave() {
	p.s.Helper()
	p.send(&packet.Disconnect{})
	if got := p.wantEnd(p.s); len(got) > 0 {
		p.s.Errorf("%s got %v after its DISCONNECT", p.id, got[0].Type())
	}
	p.cut()
}

// ended waits for the server to close and returns the reason that it gave, 0 if none.
func (p *peer) ended() packet.ReasonCode {
	p.s.Helper()
	code := packet.ReasonCode(0)
	for _, one := range p.wantEnd(p.s) {
		if d, ok := one.(*packet.Disconnect); ok {
			code = d.Code
		}
	}
	p.cut()
	return code
}

// thrownOut requires that the server closes: in 5.0 after a DISCONNECT with one of the codes, before that without a word.
func (p *peer) thrownOut(codes ...packet.ReasonCode) {
	p.s.Helper()
	code := p.ended()
	if p.v == packet.V5 && !contains(codes, code) {
		p.s.Errorf("DISCONNECT with %#x (%v), want one of %#x", byte(code), code, codes)
	}
}

// packetID returns one that was not used yet.
func (p *peer) packetID() uint16 {
	p.ids++
	return p.ids
}

// sub subscribes with options; all must be granted as asked for.
func (p *peer) sub(qos byte, filters ...string) {
	p.s.Helper()
	p.subscribe(p.s, qos, filters...)
}

// ask sends SUBSCRIBE and returns the answer's codes.
func (p *peer) ask(subs ...packet.Subscription) []packet.ReasonCode {
	p.s.Helper()
	id := p.packetID()
	p.send(&packet.Subscribe{PacketID: id, Filters: subs})
	ack := want[*packet.Suback](p.s, p.wire)
	if ack.PacketID != id {
		p.s.Errorf("SUBACK for packet id %d, sent was %d", ack.PacketID, id)
	}
	return ack.Codes
}

// unsub ends subscriptions.
func (p *peer) unsub(filters ...string) []packet.ReasonCode {
	p.s.Helper()
	id := p.packetID()
	p.send(&packet.Unsubscribe{PacketID: id, Filters: filters})
	ack := want[*packet.Unsuback](p.s, p.wire)
	if ack.PacketID != id {
		p.s.Errorf("UNSUBACK for packet id %d, sent was %d", ack.PacketID, id)
	}
	return ack.Codes
}

// publish sends a message and completes the exchange; what comes meanwhile must be of that exchange.
func (p *peer) publish(m packet.Publish) packet.ReasonCode {
	p.s.Helper()
	if m.QoS > 0 && m.PacketID == 0 {
		m.PacketID = p.packetID()
	}
	p.send(&m)
	switch m.QoS {
	case 1:
		ack := want[*packet.Puback](p.s, p.wire)
		if ack.PacketID != m.PacketID {
			p.s.Errorf("PUBACK for packet id %d, sent was %d", ack.PacketID, m.PacketID)
		}
		return ack.Code
	case 2:
		rec := want[*packet.Pubrec](p.s, p.wire)
		if rec.PacketID != m.PacketID {
			p.s.Errorf("PUBREC for packet id %d, sent was %d", rec.PacketID, m.PacketID)
		}
		if rec.Code.Failed() {
			return rec.Code
		}
		p.send(&packet.Pubrel{PacketID: m.PacketID})
		if comp := want[*packet.Pubcomp](p.s, p.wire); comp.PacketID != m.PacketID || comp.Code != packet.Success {
			p.s.Errorf("PUBCOMP for packet id %d with %v, sent was %d", comp.PacketID, comp.Code, m.PacketID)
		}
		return rec.Code
	}
	return packet.Success
}

// say publishes a text with QoS 1, or another one.
func (p *peer) say(topic, text string, qos ...byte) {
	p.s.Helper()
	m := packet.Publish{Topic: topic, Payload: []byte(text), QoS: 1}
	if len(qos) > 0 {
		m.QoS = qos[0]
	}
	if code := p.publish(m); code.Failed() {
		p.s.Errorf("PUBLISH to %s: %v", topic, code)
	}
}

// keep publishes a retained text with QoS 1, or another one, after which it is there.
func (p *peer) keep(topic, text string, qos ...byte) {
	p.s.Helper()
	m := packet.Publish{Topic: topic, Payload: []byte(text), QoS: 1, Retain: true}
	if len(qos) > 0 {
		m.QoS = qos[0]
	}
	if code := p.publish(m); code.Failed() {
		p.s.Errorf("retained PUBLISH to %s: %v", topic, code)
	}
	if m.QoS == 0 { // not acknowledged
		p.s.isRetained(topic, text)
	}
}

// message takes the next packet, which must be a PUBLISH, and leaves it unacknowledged.
func (p *peer) message() *packet.Publish {
	p.s.Helper()
	return want[*packet.Publish](p.s, p.wire)
}

// got takes the next packet, which must be a PUBLISH with that text, and completes its exchange.
func (p *peer) got(text string) *packet.Publish {
	p.s.Helper()
	m := p.message()
	if string(m.Payload) != text {
		p.s.Fatalf("%s got %.60q on %s, want %.60q", p.id, m.Payload, m.Topic, text)
	}
	p.accept(m)
	return m
}

// accept completes the exchange of a message.
func (p *peer) accept(m *packet.Publish) {
	p.s.Helper()
	acknowledge(p.s.T, p.wire, m)
}

// acceptAll completes the exchanges of messages side by side.
func (p *peer) acceptAll(list []*packet.Publish) {
	p.s.Helper()
	open := 0
	for _, m := range list {
		switch m.QoS {
		case 1:
			p.send(&packet.Puback{PacketID: m.PacketID})
		case 2:
			p.send(&packet.Pubrec{PacketID: m.PacketID})
			open++
		}
	}
	for range open {
		p.send(&packet.Pubcomp{PacketID: want[*packet.Pubrel](p.s, p.wire).PacketID})
	}
}

// quiet requires that the server has sent nothing that was not taken: the answer to PINGREQ is the next packet. It shows too
// that the server has handled all that this client sent before.
func (p *peer) quiet() {
	p.s.Helper()
	p.send(&packet.Pingreq{})
	want[*packet.Pingresp](p.s, p.wire)
}

// settled makes sure that what this client acknowledged is known to its session wherever it connects next: the answer to a
// QoS 2 message comes when the session is written, with all that went before. An acknowledgement itself has no answer, so a
// client that is cut off behind one may see its message again.
func (p *peer) settled() {
	p.s.Helper()
	p.publish(packet.Publish{Topic: p.s.aside("settled"), QoS: 2, Payload: []byte("x")})
}

// nothingBut is the fence behind which nothing can come any more: a message published now to the topic is the next thing that
// the client gets. All that was published before under the same subscription would have come first.
func (p *peer) nothingBut(topic string) {
	p.s.Helper()
	p.s.publisher()
	text := fmt.Sprintf("fence %d", p.s.pub.ids)
	p.s.pub.say(topic, text)
	p.got(text)
	p.quiet()
}

// recorder keeps what was read from a connection.
type recorder struct {
	net.Conn
	mu  sync.Mutex // protects got
	got bytes.Buffer
}

func (r *recorder) Read(b []byte) (int, error) {
	n, err := r.Conn.Read(b)
	r.mu.Lock()
	defer r.mu.Unlock()
	r.got.Write(b[:n])
	return n, err
}

// bytes returns what was read so far.
func (r *recorder) bytes() []byte {
	r.mu.Lock()
	defer r.mu.Unlock()
	return bytes.Clone(r.got.Bytes())
}

var _ testing.TB = (*scene)(nil)

// password is how clients of a locked fleet log in.
func (p *peer) password(key string) option {
	return func(c *packet.Connect) {
		mac := hmac.New(sha1.New, []byte(key))
		mac.Write([]byte(p.id))
		c.HasUsername, c.Username = true, "user"
		c.HasPassword, c.Password = true, []byte(base64.StdEncoding.EncodeToString(mac.Sum(nil)))
	}
}
