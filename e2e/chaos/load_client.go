package chaos

import (
	"errors"
	"fmt"
	"io"
	"math/rand/v2"
	"slices"
	"sync"
	"time"

	"github.com/coder/websocket"

	"lmqgate/adapter/packet"
	"lmqgate/e2e/history"
)

// sessionTime is how long the sessions of lasting clients live without a connection: longer than any run pauses.
const sessionTime = time.Hour

// client is an MQTT client that keeps its session's state over any number of connections, and tells the history all it
// does and sees.
type client struct {
	rec    *history.Recorder
	places func() []string
	id     string
	v      packet.Version
	clean  bool // each connection is a session of its own
	window int  // own messages without acknowledgement

	mu      sync.Mutex // protects what follows
	r       *rand.Rand
	changed chan struct{}
	link    *link          // nil: not connected
	links   map[*link]bool // connections that have not ended, taken over ones included
	unacked []*sent
	nextID  uint16
	asked   map[uint16]question
	unrel   map[uint16]bool // received with QoS 2 and not released
	seq     int
	will    func() *packet.Will // nil: none
	reading sync.WaitGroup
}

// sent is a PUBLISH without its last acknowledgement.
type sent struct {
	packet.Publish
	msg      string
	tries    int
	received bool // PUBREC came
}

// question is a SUBSCRIBE or UNSUBSCRIBE without its answer.
type question struct {
	filter string
	done   chan bool // closed without a value: no answer will come
}

func newClient(rec *history.Recorder, places func() []string, id string, v packet.Version, clean bool, r *rand.Rand) *client {
	return &client{
		rec: rec, places: places, id: id, v: v, clean: clean, window: 8, r: r, changed: make(chan struct{}),
		asked: map[uint16]question{}, unrel: map[uint16]bool{}, links: map[*link]bool{},
	}
}

// random is a number below n.
func (c *client) random(n int) int {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.r.IntN(n)
}

// change wakes who waits. Called under c.mu.
func (c *client) change() {
	close(c.changed)
	c.changed = make(chan struct{})
}

// within reports whether a condition, looked at under c.mu, holds before the limit or the end of stop.
func (c *client) within(limit time.Duration, stop <-chan struct{}, ok func() bool) bool {
	deadline := time.NewTimer(limit)
	defer deadline.Stop()
	for {
		c.mu.Lock()
		done, changed := ok(), c.changed
		c.mu.Unlock()
		if done {
			return true
		}
		select {
		case <-changed:
		case <-deadline.C:
			return false
		case <-stop:
			return false
		}
	}
}

func (c *client) expiry() time.Duration {
	if c.clean {
		return 0
	}
	return sessionTime
}

// connect makes a connection at a random place, also while another one stands, and repeats what is unacknowledged.
func (c *client) connect() bool {
	places := c.places()
	addr := places[c.random(len(places))]
	n := c.rec.Conn()
	hello := packet.Connect{Version: c.v, ClientID: c.id, CleanStart: c.clean, KeepAlive: 120}
	if c.v == packet.V5 {
		hello.Properties.SessionExpiry = uint32(c.expiry() / time.Second)
	}
	e := history.Event{Kind: history.Connect, Client: c.id, Conn: n, Clean: c.clean, Expiry: c.expiry()}
	if c.will != nil {
		hello.Will = c.will()
		e.Msg, e.Topic, e.QoS = string(hello.Will.Payload), hello.Will.Topic, hello.Will.QoS
		e.Delay = time.Duration(hello.Will.Delay) * time.Second
	}
	c.rec.Add(e)
	refused := history.Event{Kind: history.Refused, Client: c.id, Conn: n}
	l, err := dialLink(addr, c.v, n)
	if err != nil {
		c.rec.Add(refused)
		return false
	}
	l.send(&hello)
	_ = l.SetReadDeadline(time.Now().Add(helloTime))
	d := packet.NewDecoder(l, 0)
	d.SetVersion(c.v)
	p, err := d.Next()
	ack, ok := p.(*packet.Connack)
	if err != nil || !ok || ack.Code != packet.Success {
		if ok && err == nil {
			refused.Code = byte(ack.Code)
		}
		_ = l.Close()
		c.rec.Add(refused)
		return false
	}
	_ = l.SetReadDeadline(time.Time{})
	c.begin(l, d, ack.SessionPresent)
	return true
}

// begin takes a connection into use. From here on what an earlier one still brings is void.
func (c *client) begin(l *link, d *packet.Decoder, present bool) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.rec.Add(history.Event{Kind: history.Connected, Client: c.id, Conn: l.n, Present: present})
	c.unanswered()
	if !present { // the state of both sides is gone
		clear(c.unrel)
		for _, s := range c.unacked {
			c.rec.Add(history.Event{Kind: history.Abandoned, Client: c.id, Conn: l.n, Msg: s.msg})
		}
		c.unacked = nil
	}
	c.link = l
	c.links[l] = true
	for _, s := range c.unacked {
		c.transmit(s)
	}
	c.reading.Go(func() { c.read(l, d) })
	c.change()
}

// transmit sends a message, or what is open of its exchange. Called under c.mu.
func (c *client) transmit(s *sent) {
	if c.link == nil {
		return
	}
	if s.received {
		c.link.send(&packet.Pubrel{PacketID: s.PacketID})
		return
	}
	s.DUP = s.tries > 0
	s.tries++
	c.rec.Add(history.Event{
		Kind: history.Publish, Client: c.id, Conn: c.link.n, Msg: s.msg, Topic: s.Topic, QoS: s.QoS, Retain: s.Retain,
		Empty: len(s.Payload) == 0, Dup: s.DUP,
	})
	c.link.send(&s.Publish)
}

// unanswered tells those who wait for an answer that none will come. Called under c.mu.
func (c *client) unanswered() {
	for id, q := range c.asked {
		delete(c.asked, id)
		close(q.done)
	}
}

// read handles packets until the connection ends.
func (c *client) read(l *link, d *packet.Decoder) {
	for {
		p, err := d.Next()
		c.mu.Lock()
		if err != nil {
			c.ended(l, err)
			c.mu.Unlock()
			return
		}
		if c.link == l {
			c.handle(p)
		}
		c.change()
		c.mu.Unlock()
	}
}

// ended notes the end of a connection. Called under c.mu.
func (c *client) ended(l *link, err error) {
	e := history.Event{Kind: history.Ended, Client: c.id, Conn: l.n, Text: "broken"}
	if errors.Is(err, io.EOF) || websocket.CloseStatus(err) >= 0 {
		e.Text = "closed"
	}
	l.mu.Lock()
	if l.cut {
		e.Cut, e.Text = true, ""
	}
	l.mu.Unlock()
	_ = l.Close()
	c.rec.Add(e)
	delete(c.links, l)
	if c.link == l {
		c.link = nil
		c.unanswered()
	}
	c.change()
}

// handle does what a packet asks for. Called under c.mu.
func (c *client) handle(p packet.Packet) {
	l := c.link
	switch p := p.(type) {
	case *packet.Publish:
		c.receive(p)
	case *packet.Puback:
		c.finish(p.PacketID, p.Code)
	case *packet.Pubrec:
		if p.Code.Failed() {
			c.finish(p.PacketID, p.Code)
			return
		}
		if s := c.find(p.PacketID); s != nil && !s.received {
			s.received = true
			c.rec.Add(history.Event{Kind: history.Acked, Client: c.id, Conn: l.n, Msg: s.msg})
		}
		l.send(&packet.Pubrel{PacketID: p.PacketID})
	case *packet.Pubcomp:
		c.unacked = slices.DeleteFunc(c.unacked, func(s *sent) bool { return s.PacketID == p.PacketID })
	case *packet.Pubrel:
		delete(c.unrel, p.PacketID)
		l.send(&packet.Pubcomp{PacketID: p.PacketID})
	case *packet.Suback:
		q, ok := c.asked[p.PacketID]
		if !ok {
			return
		}
		delete(c.asked, p.PacketID)
		granted := !p.Codes[0].Failed()
		if granted {
			c.rec.Add(history.Event{Kind: history.Subscribed, Client: c.id, Conn: l.n, Filter: q.filter, QoS: byte(p.Codes[0])})
		}
		q.done <- granted
	case *packet.Unsuback:
		q, ok := c.asked[p.PacketID]
		if !ok {
			return
		}
		delete(c.asked, p.PacketID)
		gone := len(p.Codes) == 0 || !p.Codes[0].Failed()
		if gone {
			c.rec.Add(history.Event{Kind: history.Unsubscribed, Client: c.id, Conn: l.n, Filter: q.filter})
		}
		q.done <- gone
	case *packet.Disconnect:
		c.rec.Add(history.Event{Kind: history.Dismissed, Client: c.id, Conn: l.n, Code: byte(p.Code), Text: p.Reason})
	}
}

// receive takes a message in. Called under c.mu. A message that removes a retained one has no name and is not recorded.
func (c *client) receive(p *packet.Publish) {
	if fresh := p.QoS < 2 || !c.unrel[p.PacketID]; fresh && len(p.Payload) > 0 {
		c.rec.Add(history.Event{
			Kind: history.Deliver, Client: c.id, Conn: c.link.n, Msg: string(p.Payload), Topic: p.Topic, QoS: p.QoS,
			Dup: p.DUP, Retain: p.Retain,
		})
	}
	switch p.QoS {
	case 1:
		c.link.send(&packet.Puback{PacketID: p.PacketID})
	case 2:
		c.unrel[p.PacketID] = true
		c.link.send(&packet.Pubrec{PacketID: p.PacketID})
	}
}

func (c *client) find(id uint16) *sent {
	for _, s := range c.unacked {
		if s.PacketID == id {
			return s
		}
	}
	return nil
}

// finish ends the exchange of a message by PUBACK, or by a PUBREC that refuses it. Called under c.mu.
func (c *client) finish(id uint16, code packet.ReasonCode) {
	s := c.find(id)
	if s == nil {
		return
	}
	kind := history.Acked
	if code.Failed() {
		kind = history.Failed
	}
	c.rec.Add(history.Event{Kind: kind, Client: c.id, Conn: c.link.n, Msg: s.msg, Code: byte(code)})
	c.unacked = slices.DeleteFunc(c.unacked, func(o *sent) bool { return o == s })
}

// takeID is a packet id that is free. Called under c.mu.
func (c *client) takeID() uint16 {
	for {
		c.nextID++
		if _, busy := c.asked[c.nextID]; c.nextID != 0 && !busy && c.find(c.nextID) == nil {
			return c.nextID
		}
	}
}

// name is that of the client's next message. Called under c.mu.
func (c *client) name() string {
	c.seq++
	return fmt.Sprintf("%s.%d", c.id, c.seq)
}
