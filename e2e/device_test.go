package e2e

import (
	"errors"
	"fmt"
	"slices"
	"sync"
	"testing"
	"time"

	"lmqgate/adapter/packet"
)

// device is an MQTT client that keeps its session state over any number of connections and a record of all that happens:
// it repeats unacknowledged messages with DUP and their packet id, and releases QoS 2 messages as the protocol says.
type device struct {
	t          testing.TB
	id         string
	v          packet.Version
	clean      bool
	window     int    // own messages unacknowledged at once
	receiveMax uint16 // asked of the server, 0 = no limit

	mu        sync.Mutex // protects the fields below
	changed   chan struct{}
	link      *wire // nil: not connected
	connects  int
	present   []bool // session present, by connection
	ended     []packet.ReasonCode
	nextID    uint16
	unacked   []*outgoing
	asked     map[uint16]chan packet.Packet // SUBACK or UNSUBACK
	unrel     map[uint16]bool               // received QoS 2 packet ids that are not released
	got       []arrival                     // what an application sees
	packets   int                           // PUBLISH packets, repeated ones included
	failures  []string
	acked     int
	closing   bool
	keeping   sync.WaitGroup
	lostState bool // a session was expected and not there
}

// outgoing is a PUBLISH that is not acknowledged to the end.
type outgoing struct {
	packet.Publish
	tries    int
	received bool // PUBREC came
	done     func(packet.ReasonCode)
}

// arrival is a message as an application gets it.
type arrival struct {
	topic, payload string
	qos            byte
	dup, retain    bool
	id             uint16
	connection     int
	at             time.Time
	ids            []uint32 // subscription identifiers
}

// newDevice returns a device with a session of an hour; it is cut off with the test.
func newDevice(t testing.TB, id string, v packet.Version) *device {
	d := &device{
		t: t, id: id, v: v, window: 16, changed: make(chan struct{}),
		asked: map[uint16]chan packet.Packet{}, unrel: map[uint16]bool{},
	}
	t.Cleanup(d.stop)
	return d
}

// stop ends the device for good, without a DISCONNECT.
func (d *device) stop() {
	d.mu.Lock()
	d.closing = true
	d.change()
	d.mu.Unlock()
	d.cut()
	d.keeping.Wait()
}

// keep connects the device again whenever its connection is lost, at the address that pick returns, until stop.
func (d *device) keep(pick func() string) {
	d.keeping.Go(func() {
		for pause := 20 * time.Millisecond; ; {
			d.within(24*time.Hour, func() bool { return d.closing || d.link == nil })
			d.mu.Lock()
			closing := d.closing
			d.mu.Unlock()
			if closing {
				return
			}
			if err := d.connect(pick()); err == nil {
				pause = 20 * time.Millisecond
				continue
			}
			pause = min(2*pause, time.Second)
			d.within(pause, func() bool { return d.closing })
		}
	})
}

// cut breaks the connection.
func (d *device) cut() {
	d.mu.Lock()
	l := d.link
	d.mu.Unlock()
	if l != nil {
		l.cut()
		d.await(soon, "the end of the connection", func() bool { return d.link != l })
	}
}

// disconnect says goodbye; the session stays.
func (d *device) disconnect() {
	d.mu.Lock()
	l := d.link
	d.mu.Unlock()
	if l == nil {
		return
	}
	l.send(&packet.Disconnect{})
	d.await(soon, "the server to close after DISCONNECT", func() bool { return d.link != l })
}

// connect connects and repeats what is unacknowledged. The error of a refusal is a packet.ReasonCode.
func (d *device) connect(addr string) error {
	l, err := dial(addr, d.v)
	if err != nil {
		return err
	}
	c := session(d.id)
	c.Version, c.CleanStart, c.KeepAlive = d.v, d.clean, 60
	c.Properties.ReceiveMaximum = d.receiveMax
	if d.clean {
		c.Properties.SessionExpiry = 0
	}
	l.send(&c)
	p, err := l.next(soon)
	if err != nil {
		l.cut()
		return fmt.Errorf("wait for CONNACK: %w", err)
	}
	ack, ok := p.(*packet.Connack)
	if !ok || ack.Code != packet.Success {
		l.cut()
		if !ok {
			return fmt.Errorf("%v instead of CONNACK", p.Type())
		}
		return ack.Code
	}
	d.resume(l, ack.SessionPresent)
	return nil
}

// resume takes a connection into use.
func (d *device) resume(l *wire, present bool) {
	d.mu.Lock()
	defer d.mu.Unlock()
	if !present {
		clear(d.unrel)
		d.lostState = d.lostState || d.connects > 0 && !d.clean
	}
	d.unanswered()
	d.connects++
	d.present = append(d.present, present)
	d.link = l
	for _, o := range d.unacked {
		d.transmit(o)
	}
	if d.closing {
		l.cut()
	}
	go d.serve(l, d.connects)
	d.change()
}

// transmit sends a message, or the part of its exchange that is open. Called under d.mu.
func (d *device) transmit(o *outgoing) {
	if d.link == nil {
		return
	}
	if o.received {
		d.link.send(&packet.Pubrel{PacketID: o.PacketID})
		return
	}
	o.DUP = o.tries > 0
	o.tries++
	d.link.send(&o.Publish)
}

func (d *device) change() {
	close(d.changed)
	d.changed = make(chan struct{})
}

// serve handles packets until the connection ends.
func (d *device) serve(l *wire, connection int) {
	for {
		p, err := l.next(time.Hour)
		d.mu.Lock()
		if err != nil {
			if d.link == l {
				d.link = nil
				d.unanswered()
			}
			d.change()
			d.mu.Unlock()
			l.cut()
			return
		}
		if d.link == l { // what a connection brought that was taken over meanwhile is void
			d.handle(l, p, connection)
		}
		d.change()
		d.mu.Unlock()
	}
}

// unanswered tells those who wait for an answer that none will come. Called under d.mu.
func (d *device) unanswered() {
	for id, ch := range d.asked {
		delete(d.asked, id)
		close(ch)
	}
}

// handle does what a packet asks for. Called under d.mu.
func (d *device) handle(l *wire, p packet.Packet, connection int) {
	switch p := p.(type) {
	case *packet.Publish:
		d.receive(l, p, connection)
	case *packet.Puback:
		d.finish(p.PacketID, 1, p.Code)
	case *packet.Pubrec:
		if p.Code.Failed() {
			d.finish(p.PacketID, 2, p.Code)
			return
		}
		if o := d.open(p.PacketID); o != nil {
			if !o.received && o.done != nil {
				o.done(p.Code)
				o.done = nil
			}
			o.received = true
		}
		l.send(&packet.Pubrel{PacketID: p.PacketID})
	case *packet.Pubcomp:
		d.finish(p.PacketID, 2, packet.Success)
	case *packet.Pubrel:
		delete(d.unrel, p.PacketID)
		l.send(&packet.Pubcomp{PacketID: p.PacketID})
	case *packet.Suback:
		d.answer(p.PacketID, p)
	case *packet.Unsuback:
		d.answer(p.PacketID, p)
	case *packet.Disconnect:
		d.ended = append(d.ended, p.Code)
	}
}

// receive takes a message in. Called under d.mu.
func (d *device) receive(l *wire, p *packet.Publish, connection int) {
	d.packets++
	fresh := p.QoS < 2 || !d.unrel[p.PacketID]
	if fresh {
		d.got = append(d.got, arrival{
			topic: p.Topic, payload: string(p.Payload), qos: p.QoS, dup: p.DUP, retain: p.Retain, id: p.PacketID,
			connection: connection, at: time.Now(), ids: p.SubscriptionIDs,
		})
	}
	switch p.QoS {
	case 1:
		l.send(&packet.Puback{PacketID: p.PacketID})
	case 2:
		d.unrel[p.PacketID] = true
		l.send(&packet.Pubrec{PacketID: p.PacketID})
	}
}

// open finds an unacknowledged message. Called under d.mu.
func (d *device) open(id uint16) *outgoing {
	for _, o := range d.unacked {
		if o.PacketID == id {
			return o
		}
	}
	return nil
}

// finish ends the exchange of a message. Called under d.mu.
func (d *device) finish(id uint16, qos byte, code packet.ReasonCode) {
	i := slices.IndexFunc(d.unacked, func(o *outgoing) bool { return o.PacketID == id })
	if i < 0 || d.unacked[i].QoS != qos {
		d.failures = append(d.failures, fmt.Sprintf("acknowledgement of QoS %d for packet id %d, which is not open", qos, id))
		return
	}
	o := d.unacked[i]
	d.unacked = slices.Delete(d.unacked, i, i+1)
	if code.Failed() {
		d.failures = append(d.failures, fmt.Sprintf("PUBLISH %s %q: %v", o.Topic, o.Payload, code))
	} else {
		d.acked++
	}
	if o.done != nil {
		o.done(code)
	}
}

func (d *device) answer(id uint16, p packet.Packet) {
	if ch := d.asked[id]; ch != nil {
		delete(d.asked, id)
		ch <- p
	}
}

// takeID returns a free packet id. Called under d.mu.
func (d *device) takeID() uint16 {
	for {
		d.nextID++
		if d.nextID != 0 && d.asked[d.nextID] == nil && d.open(d.nextID) == nil {
			return d.nextID
		}
	}
}

// await waits for a condition that is looked at under d.mu after every change.
func (d *device) await(limit time.Duration, what string, ok func() bool) {
	d.t.Helper()
	if !d.within(limit, ok) {
		d.mu.Lock()
		defer d.mu.Unlock()
		d.t.Errorf("%s: not within %v: %s (connected %v, %d connections, %d received, %d of its own unacknowledged)",
			d.id, limit, what, d.link != nil, d.connects, len(d.got), len(d.unacked))
	}
}

// within reports whether the condition holds before the limit.
func (d *device) within(limit time.Duration, ok func() bool) bool {
	deadline := time.After(limit)
	for {
		d.mu.Lock()
		done, changed := ok(), d.changed
		d.mu.Unlock()
		if done {
			return true
		}
		select {
		case <-changed:
		case <-deadline:
			return false
		}
	}
}

// publish hands a message over and waits for room in the window only. Without a connection it goes out with the next one;
// QoS 0 then is lost. done, if not nil, is called once with the code of PUBACK or PUBREC.
func (d *device) publish(topic string, qos byte, payload string, done func(packet.ReasonCode)) {
	d.post(packet.Publish{QoS: qos, Topic: topic, Payload: []byte(payload)}, done)
}

// post is publish for a message with more to it; the packet id is chosen.
func (d *device) post(p packet.Publish, done func(packet.ReasonCode)) {
	d.await(2*soon, "room to publish", func() bool { return d.closing || len(d.unacked) < d.window })
	d.mu.Lock()
	defer d.mu.Unlock()
	o := &outgoing{Publish: p, done: done}
	if p.QoS == 0 {
		d.transmit(o)
		return
	}
	o.PacketID = d.takeID()
	d.unacked = append(d.unacked, o)
	d.transmit(o)
}

// unheard publishes empty messages until the answer is that nobody subscribes: an instance may take a filter for held for
// some seconds after the last holder left.
func (d *device) unheard(topic string) {
	d.t.Helper()
	eventually(d.t, soon, func() error {
		code := make(chan packet.ReasonCode, 1)
		d.publish(topic, 1, "", func(c packet.ReasonCode) { code <- c })
		if c := <-code; c != packet.NoMatchingSubscribers {
			return fmt.Errorf("PUBACK %v although nobody subscribes to %s any more", c, topic)
		}
		return nil
	})
}

// flushed waits until everything published is acknowledged to the end.
func (d *device) flushed(limit time.Duration) {
	d.t.Helper()
	d.await(limit, "all acknowledgements", func() bool { return len(d.unacked) == 0 })
}

var errNoLink = errors.New("not connected")

// ask sends a packet that is answered by one with the same id.
func (d *device) ask(build func(id uint16) packet.Packet) (packet.Packet, error) {
	d.mu.Lock()
	if d.link == nil {
		d.mu.Unlock()
		return nil, errNoLink
	}
	id := d.takeID()
	ch := make(chan packet.Packet, 1)
	d.asked[id] = ch
	d.link.send(build(id))
	d.mu.Unlock()
	select {
	case p, ok := <-ch:
		if !ok {
			return nil, errNoLink
		}
		return p, nil
	case <-time.After(soon):
		return nil, errSilence
	}
}

// subscribe subscribes to all filters with one SUBSCRIBE; anything but the QoS asked for is an error.
func (d *device) subscribe(qos byte, filters ...string) error {
	p, err := d.ask(func(id uint16) packet.Packet {
		s := &packet.Subscribe{PacketID: id}
		for _, f := range filters {
			s.Filters = append(s.Filters, packet.Subscription{Filter: f, QoS: qos})
		}
		return s
	})
	if err != nil {
		return fmt.Errorf("subscribe %v: %w", filters, err)
	}
	for i, code := range p.(*packet.Suback).Codes {
		if code != packet.ReasonCode(qos) {
			return fmt.Errorf("subscribe %s: %w", filters[i], code)
		}
	}
	return nil
}

// subscribed subscribes again and again, over any number of connections, until all is granted.
func (d *device) subscribed(qos byte, filters ...string) {
	d.t.Helper()
	var err error
	for deadline := time.Now().Add(soon); time.Now().Before(deadline); {
		d.within(soon, func() bool { return d.link != nil })
		if err = d.subscribe(qos, filters...); err == nil {
			return
		}
		d.within(50*time.Millisecond, func() bool { return d.closing })
	}
	d.t.Errorf("%s: %v", d.id, err)
}

// unsubscribe removes subscriptions.
func (d *device) unsubscribe(filters ...string) error {
	p, err := d.ask(func(id uint16) packet.Packet { return &packet.Unsubscribe{PacketID: id, Filters: filters} })
	if err != nil {
		return fmt.Errorf("unsubscribe %v: %w", filters, err)
	}
	for i, code := range p.(*packet.Unsuback).Codes {
		if code.Failed() {
			return fmt.Errorf("unsubscribe %s: %w", filters[i], code)
		}
	}
	return nil
}

// received returns the messages so far that pass.
func (d *device) received(pass func(arrival) bool) []arrival {
	d.mu.Lock()
	defer d.mu.Unlock()
	var list []arrival
	for _, a := range d.got {
		if pass == nil || pass(a) {
			list = append(list, a)
		}
	}
	return list
}

// gets waits until n messages have arrived that pass, and reports whether they did.
func (d *device) gets(limit time.Duration, n int, pass func(arrival) bool) bool {
	seen, count := 0, 0
	return d.within(limit, func() bool {
		for ; seen < len(d.got); seen++ {
			if pass == nil || pass(d.got[seen]) {
				count++
			}
		}
		return count >= n
	})
}

// sane reports what must not have happened to any device.
func (d *device) sane() {
	d.t.Helper()
	d.mu.Lock()
	defer d.mu.Unlock()
	for _, f := range d.failures {
		d.t.Errorf("%s: %s", d.id, f)
	}
	if d.lostState {
		d.t.Errorf("%s: session present was 0 on a later connection: %v", d.id, d.present)
	}
}

// connected returns a device that is connected to an instance.
func connected(t testing.TB, id string, v packet.Version, addr string) *device {
	t.Helper()
	d := newDevice(t, id, v)
	if err := d.connect(addr); err != nil {
		t.Fatalf("connect %s: %v", id, err)
	}
	return d
}

// must fails the test on an error.
func must(t testing.TB, err error) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
}
