package deliver

import (
	"bytes"
	"fmt"
	"sync"
	"testing"

	"lmqgate/adapter/packet"
)

// fakeLink is a connection to a correct client. What the session sends is encoded and decoded, and waits in the inbox
// until the test lets the client look.
type fakeLink struct {
	t       *testing.T
	version packet.Version
	limit   int

	mu     sync.Mutex // protects the fields below
	inbox  []packet.Packet
	full   bool // more is not wanted
	asked  bool // Full was answered with true
	gone   bool // what is sent gets lost
	closed *packet.ReasonCode
}

func (l *fakeLink) Version() packet.Version { return l.version }
func (l *fakeLink) MaxPacket() int          { return l.limit }

func (l *fakeLink) Send(p packet.Packet) {
	b, err := p.Append(nil, l.version)
	if err != nil {
		l.t.Errorf("encode %T: %v", p, err)
		return
	}
	l.take(b)
}

func (l *fakeLink) SendDelivery(t *packet.Template, d packet.Delivery) { l.take(t.Append(nil, d)) }

func (l *fakeLink) take(b []byte) {
	if l.limit > 0 && len(b) > l.limit {
		l.t.Errorf("packet of %d bytes, the client takes %d", len(b), l.limit)
	}
	dec := packet.NewDecoder(bytes.NewReader(b), 0)
	dec.SetVersion(l.version)
	p, err := dec.Next()
	if err != nil {
		l.t.Errorf("decode % x: %v", b, err)
		return
	}
	l.mu.Lock()
	defer l.mu.Unlock()
	if !l.gone && l.closed == nil {
		l.inbox = append(l.inbox, p)
	}
}

func (l *fakeLink) Full() bool {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.asked = l.asked || l.full
	return l.full
}

func (l *fakeLink) Close(code packet.ReasonCode) {
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.closed == nil {
		l.closed = &code
	}
}

// drain says whether more is wanted from now on; wake reports that the session is to be woken.
func (l *fakeLink) drain(full bool) (wake bool) {
	l.mu.Lock()
	defer l.mu.Unlock()
	wake = !full && l.asked
	l.full = full
	l.asked = l.asked && full
	return wake
}

func (l *fakeLink) isClosed() bool {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.closed != nil
}

func (l *fakeLink) lose() {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.gone = true
}

func (l *fakeLink) next() packet.Packet {
	l.mu.Lock()
	defer l.mu.Unlock()
	if len(l.inbox) == 0 {
		return nil
	}
	p := l.inbox[0]
	l.inbox = l.inbox[1:]
	return p
}

// publishes takes all that waits in the inbox, which must be PUBLISHes, as "payload/qos[/dup]".
func (l *fakeLink) publishes() []string {
	var list []string
	for p := l.next(); p != nil; p = l.next() {
		pub, ok := p.(*packet.Publish)
		if !ok {
			list = append(list, fmt.Sprintf("%T", p))
			continue
		}
		s := fmt.Sprintf("%s/%d", pub.Payload, pub.QoS)
		if pub.DUP {
			s += "/dup"
		}
		list = append(list, s)
	}
	return list
}

// acks is what a client answers to.
type acks interface {
	Puback(id uint16)
	Pubrec(id uint16, code packet.ReasonCode)
	Pubcomp(id uint16)
}

// client is a correct client over its connections.
type client struct {
	t        *testing.T
	version  packet.Version
	max      int             // Receive Maximum
	received map[uint16]bool // QoS 2 packet ids received, not released: kept over connections
	got      map[string]int  // deliveries to the application, by payload
	order    []*packet.Publish
	owing    []packet.Packet // answers that the client has not given yet, on this connection
	open     map[uint16]bool // PUBLISHes unacknowledged on this connection
	seen     func(p *packet.Publish)
}

func newClient(t *testing.T, v packet.Version, receiveMax int) *client {
	return &client{t: t, version: v, max: receiveMax, received: map[uint16]bool{}, got: map[string]int{}}
}

// connected begins a new connection: what was owed on the old one is forgotten, received ids are not [MQTT-4.1.0-1].
func (c *client) connected() {
	c.owing, c.open = nil, map[uint16]bool{}
}

// look handles one packet from the link; false means there is none.
func (c *client) look(l *fakeLink) bool {
	switch p := l.next().(type) {
	case nil:
		return false
	case *packet.Publish:
		c.publish(p)
	case *packet.Pubrel:
		delete(c.received, p.PacketID)
		c.owing = append(c.owing, &packet.Pubcomp{PacketID: p.PacketID})
	default:
		c.t.Errorf("client got %T", p)
	}
	return true
}

func (c *client) publish(p *packet.Publish) {
	if p.QoS > 0 {
		if c.open[p.PacketID] {
			c.t.Errorf("packet id %d used twice at a time", p.PacketID)
		}
		c.open[p.PacketID] = true
		if len(c.open) > c.max {
			c.t.Errorf("%d messages unacknowledged, Receive Maximum is %d [MQTT-3.3.4-9]", len(c.open), c.max)
		}
	}
	switch p.QoS {
	case 0:
		c.accept(p)
	case 1:
		c.accept(p)
		c.owing = append(c.owing, &packet.Puback{PacketID: p.PacketID})
	case 2:
		if !c.received[p.PacketID] {
			c.received[p.PacketID] = true
			c.accept(p)
		}
		c.owing = append(c.owing, &packet.Pubrec{PacketID: p.PacketID})
	}
}

func (c *client) accept(p *packet.Publish) {
	if c.seen != nil {
		if c.seen(p); p.Retain {
			return
		}
	}
	c.got[string(p.Payload)]++
	if c.got[string(p.Payload)] == 1 {
		c.order = append(c.order, p)
	}
}

// answer gives the i-th answer that is owed.
func (c *client) answer(s acks, i int) {
	p := c.owing[i]
	c.owing = append(c.owing[:i], c.owing[i+1:]...)
	switch p := p.(type) {
	case *packet.Puback:
		delete(c.open, p.PacketID)
		s.Puback(p.PacketID)
	case *packet.Pubrec:
		s.Pubrec(p.PacketID, packet.Success)
	case *packet.Pubcomp:
		delete(c.open, p.PacketID)
		s.Pubcomp(p.PacketID)
	}
}

// finish looks and answers until there is nothing more to do; it reports whether there was anything.
func (c *client) finish(s acks, l *fakeLink) (busy bool) {
	for {
		for c.look(l) {
			busy = true
		}
		if len(c.owing) == 0 {
			return busy
		}
		busy = true
		c.answer(s, 0)
	}
}
