package e2e

import (
	"fmt"
	"math/rand/v2"
	"slices"
	"strings"
	"testing"

	"lmqgate/adapter/packet"
)

// TestModel walks one client at random through what a session can meet - subscribing, receiving with and without
// acknowledging, publishing, losing its connection, going and coming, being taken over, its instance being killed - and
// compares everything that arrives with a small model of an MQTT session.
func TestModel(t *testing.T) {
	t.Parallel()
	onEach(t, func(t *testing.T, b backend) {
		for _, seed := range seeds(t, scale(1, 2, 20)) {
			t.Run(fmt.Sprintf("seed %d", seed), func(t *testing.T) {
				s := newSubject(t, start(t, 2, b), seed)
				for range scale(25, 60, 200) {
					s.step()
					if t.Failed() {
						break
					}
				}
				s.finish()
			})
		}
	})
}

// subject is the client and what the model knows of its session.
type subject struct {
	t      testing.TB
	f      *fleet
	random *rand.Rand
	id     string
	v      packet.Version
	where  []*instance // that live

	writer *device // publishes to the subject
	reader *device // receives what the subject publishes, and its wills

	link     *wire // nil: away
	at       *instance
	hold     bool // received messages stay unacknowledged
	present  bool // the server has a session
	clock    int  // counts what happens
	subs     map[string]subscribed
	messages map[string]*expected // by payload
	open     map[uint16]*expected // received, unacknowledged
	retained map[string]string    // topic -> payload
	sending  []*outgoing          // its own, unacknowledged
	nextID   uint16
	will     string // of this connection, "" = none
	sent     map[byte][]string
	lost     map[string]bool // of its own messages: may have been lost with the session
	wills    []string        // that have to be published
}

// subscribed is a subscription of the model.
type subscribed struct {
	qos   byte
	since int
}

// expected is a message that was published to the subject.
type expected struct {
	topic, payload string
	qos            byte
	at             int
	retain         bool // it was retained
	due            bool // it has to arrive
	may            bool // it may: QoS 0 to a client that was away
	received       bool // the application has it
	released       bool // QoS 2: PUBREC was sent
	repeated       bool // open, and to be sent again on this connection
	doubtful       bool // its acknowledgement may have been lost with the instance
	granted        byte // QoS it arrives with
}

func newSubject(t testing.TB, f *fleet, seed uint64) *subject {
	s := &subject{
		t: t, f: f, random: rand.New(rand.NewPCG(seed, 1)), id: f.first + "-subject", where: slices.Clone(f.instances),
		subs: map[string]subscribed{}, messages: map[string]*expected{}, open: map[uint16]*expected{}, retained: map[string]string{},
		sent: map[byte][]string{}, lost: map[string]bool{},
	}
	s.v = []packet.Version{packet.V311, packet.V5}[s.random.IntN(2)]
	for name, d := range map[string]**device{"writer": &s.writer, "reader": &s.reader} {
		*d = newDevice(t, f.first+"-"+name, packet.V5)
		(*d).keep(func() string { return f.instances[len(f.instances)-1].tcp }) // never the one that is killed next
	}
	s.reader.subscribed(2, f.topic("own/#"))
	return s
}

// step does one thing at random.
func (s *subject) step() {
	s.clock++
	if s.hold && len(s.open) > 40 { // well below Receive Maximum
		s.hold = false
		if s.link != nil {
			s.acknowledge()
		}
	}
	if s.link == nil {
		switch s.random.IntN(3) {
		case 0:
			s.publish()
		default:
			s.connect()
		}
		return
	}
	what := s.random.IntN(14)
	s.t.Logf("step %d: %d, %d open, subscribed %v", s.clock, what, len(s.open), s.subs)
	switch what {
	case 0, 1:
		s.subscribe()
	case 2:
		s.unsubscribe()
	case 3, 4, 5, 6:
		s.publish()
	case 7:
		s.hold = !s.hold
		if !s.hold {
			s.acknowledge()
		}
	case 8, 9:
		s.say()
	case 10:
		s.leave()
	case 11:
		s.cut()
	case 12:
		s.connect() // takes the session over from itself
	case 13:
		s.kill()
	}
}

func (s *subject) filters() []string {
	return []string{s.f.topic("x/1"), s.f.topic("x/2"), s.f.topic("x/+"), s.f.topic("x/#"), s.f.topic("x/2/#")}
}

// connect connects, at any instance; a connection that there is is taken over.
func (s *subject) connect() {
	s.t.Helper()
	old, oldWill := s.link, s.will
	s.at = s.where[s.random.IntN(len(s.where))]
	addr := s.at.tcp
	if s.random.IntN(2) == 0 {
		addr = s.at.ws()
	}
	c := session(s.id)
	c.Version, c.CleanStart = s.v, s.random.IntN(5) == 0
	if s.v != packet.V5 && c.CleanStart { // it would end with the connection
		c.CleanStart = false
	}
	s.will = ""
	if s.random.IntN(2) == 0 {
		s.will = fmt.Sprintf("will %d", s.clock)
		c.Will = &packet.Will{Topic: s.f.topic("own/will"), Payload: []byte(s.will), QoS: 2}
	}
	s.t.Logf("step %d: CONNECT at %s, clean %v, will %q", s.clock, addr, c.CleanStart, s.will)
	s.link = dialed(s.t, addr, s.v)
	ack := s.link.connect(s.t, c)
	if old != nil {
		old.wantEnd(s.t)
		s.fires(oldWill)
		s.doubt()
	}
	if want := s.present && !c.CleanStart; ack.SessionPresent != want {
		s.t.Fatalf("step %d: session present %v, want %v", s.clock, ack.SessionPresent, want)
	}
	if !ack.SessionPresent {
		s.forget()
	}
	s.present = true
	for _, m := range s.open {
		m.repeated = true
	}
	for _, o := range s.sending { // [MQTT-4.4.0-1]
		s.transmit(o)
	}
	s.settle()
}

// forget is the end of a session.
func (s *subject) forget() {
	clear(s.subs)
	clear(s.open)
	for _, m := range s.messages {
		m.due, m.may = false, false
	}
	for _, o := range s.sending {
		s.lost[string(o.Payload)] = true
	}
	s.sending = nil
}

// doubt is what a killed or taken over instance leaves: acknowledgements that it may not have dealt with.
func (s *subject) doubt() {
	for _, m := range s.messages {
		m.doubtful = m.doubtful || m.received
	}
}

// fires notes that a will has to be published.
func (s *subject) fires(will string) {
	if will != "" {
		s.wills = append(s.wills, will)
	}
}

func (s *subject) leave() {
	s.link.send(&packet.Disconnect{})
	s.link.wantEnd(s.t)
	s.link, s.will = nil, ""
}

func (s *subject) cut() {
	s.link.cut()
	s.link = nil
	s.fires(s.will)
	s.doubt() // acknowledgements on their way
}

// kill kills the instance that serves the subject, and starts another one.
func (s *subject) kill() {
	i := slices.Index(s.where, s.at)
	if s.at == s.f.instances[len(s.f.instances)-1] || len(s.f.instances) > 4 { // the devices' instance, or enough of it
		s.cut()
		return
	}
	s.at.mortal = true
	s.at.kill()
	s.link.wantEnd(s.t)
	s.link = nil
	s.fires(s.will)
	s.doubt()
	s.where = slices.Delete(s.where, i, i+1)
	next := s.f.add()
	next.ready()
	s.where = append(s.where, next)
}

func (s *subject) packetID() uint16 {
	s.nextID++
	return s.nextID
}

// subscribe subscribes to one filter and expects the retained messages.
func (s *subject) subscribe() {
	s.t.Helper()
	f := s.filters()[s.random.IntN(len(s.filters()))]
	qos := byte(s.random.IntN(3))
	s.link.send(&packet.Subscribe{PacketID: s.packetID(), Filters: []packet.Subscription{{Filter: f, QoS: qos}}})
	s.subs[f] = subscribed{qos, s.clock}
	s.until("SUBACK", func(p packet.Packet) bool {
		ack, ok := p.(*packet.Suback)
		if ok && !slices.Equal(ack.Codes, []packet.ReasonCode{packet.ReasonCode(qos)}) {
			s.t.Fatalf("SUBACK %v", ack.Codes)
		}
		return ok
	})
	for name, payload := range s.retained {
		if covers(f, name) {
			m := s.messages[payload]
			s.messages[payload+" retained"] = &expected{
				topic: name, payload: payload, qos: m.qos, at: s.clock, due: true, granted: min(m.qos, qos),
			}
		}
	}
	s.settle()
}

func (s *subject) unsubscribe() {
	s.t.Helper()
	f := s.filters()[s.random.IntN(len(s.filters()))]
	s.link.send(&packet.Unsubscribe{PacketID: s.packetID(), Filters: []string{f}})
	s.until("UNSUBACK", func(p packet.Packet) bool { _, ok := p.(*packet.Unsuback); return ok })
	delete(s.subs, f)
}

// publish has others publish some messages and, when the subject is there, waits until it has them.
func (s *subject) publish() {
	s.t.Helper()
	for n := range 1 + s.random.IntN(6) {
		m := &expected{
			topic:   s.f.topic("x/%d", 1+s.random.IntN(3)),
			payload: fmt.Sprintf("m %d.%d", s.clock, n), qos: byte(1 + s.random.IntN(2)), at: s.clock,
		}
		best := -1
		for f, sub := range s.subs {
			if covers(f, m.topic) {
				best = max(best, int(sub.qos))
			}
		}
		s.messages[m.payload] = m
		m.retain = s.random.IntN(4) == 0
		done := make(chan packet.ReasonCode, 1)
		s.writer.send(packet.Publish{Topic: m.topic, Payload: []byte(m.payload), QoS: m.qos, Retain: m.retain}, done)
		if code := <-done; code.Failed() {
			s.t.Fatalf("PUBLISH: %v", code)
		}
		if best >= 0 {
			m.granted = min(m.qos, byte(best))
			m.due, m.may = s.link != nil || m.granted > 0, true
		}
		if m.retain {
			s.retained[m.topic] = m.payload
		}
	}
	s.settle()
}

// say publishes messages of the subject's own; some stay unacknowledged when the connection ends.
func (s *subject) say() {
	for n := range 1 + s.random.IntN(3) {
		qos := byte(1 + s.random.IntN(2))
		o := &outgoing{Publish: packet.Publish{
			PacketID: s.packetID(), QoS: qos, Topic: s.f.topic("own/said"), Payload: fmt.Appendf(nil, "said %d.%d", s.clock, n),
		}}
		s.sent[qos] = append(s.sent[qos], string(o.Payload))
		s.sending = append(s.sending, o)
		s.transmit(o)
	}
	if s.random.IntN(3) > 0 {
		s.settle()
	}
}

func (s *subject) transmit(o *outgoing) {
	if o.received {
		s.link.send(&packet.Pubrel{PacketID: o.PacketID})
		return
	}
	o.DUP = o.tries > 0
	o.tries++
	s.link.send(&o.Publish)
}

// acknowledge acknowledges what was held back.
func (s *subject) acknowledge() {
	for id, m := range s.open {
		s.answer(id, m)
	}
}

func (s *subject) answer(id uint16, m *expected) {
	if m.granted == 1 {
		s.link.send(&packet.Puback{PacketID: id})
		delete(s.open, id)
		return
	}
	m.released = true
	s.link.send(&packet.Pubrec{PacketID: id})
}

// settle takes what arrives until everything due is there, and acknowledgements of what the subject said.
func (s *subject) settle() {
	s.t.Helper()
	if s.link == nil {
		return
	}
	for {
		missing := len(s.sending)
		for _, m := range s.messages {
			if m.due && !m.received {
				missing++
			}
		}
		for _, m := range s.open {
			if m.released || m.repeated {
				missing++
			}
		}
		if missing == 0 {
			break
		}
		s.take(s.one("what is due"))
	}
	s.link.send(&packet.Pingreq{}) // what the server had to say is before its answer
	s.until("PINGRESP", func(p packet.Packet) bool { _, ok := p.(*packet.Pingresp); return ok })
}

// until takes packets up to the one that is asked for.
func (s *subject) until(what string, is func(packet.Packet) bool) {
	s.t.Helper()
	for {
		p := s.one(what)
		if is(p) {
			return
		}
		s.take(p)
	}
}

func (s *subject) one(what string) packet.Packet {
	s.t.Helper()
	p, err := s.link.next(soon)
	if err != nil {
		var due []string
		for _, m := range s.messages {
			if m.due && !m.received {
				due = append(due, fmt.Sprintf("%s %q QoS %d", m.topic, m.payload, m.granted))
			}
		}
		slices.Sort(due)
		s.t.Fatalf("step %d: waiting for %s: %v; due: %s; subscribed: %v", s.clock, what, err, strings.Join(due, ", "), s.subs)
	}
	return p
}

// take handles one packet from the server.
func (s *subject) take(p packet.Packet) {
	s.t.Helper()
	switch p := p.(type) {
	case *packet.Publish:
		s.receive(p)
	case *packet.Pubrel:
		s.link.send(&packet.Pubcomp{PacketID: p.PacketID})
		delete(s.open, p.PacketID)
	case *packet.Puback:
		s.done(p.PacketID, 1, p.Code)
	case *packet.Pubrec:
		if o := s.own(p.PacketID); o != nil && !p.Code.Failed() {
			o.received = true
		}
		s.link.send(&packet.Pubrel{PacketID: p.PacketID})
	case *packet.Pubcomp:
		s.done(p.PacketID, 2, p.Code)
	case *packet.Pingresp:
	default:
		s.t.Fatalf("step %d: unexpected %v", s.clock, p.Type())
	}
}

func (s *subject) own(id uint16) *outgoing {
	for _, o := range s.sending {
		if o.PacketID == id {
			return o
		}
	}
	return nil
}

func (s *subject) done(id uint16, qos byte, code packet.ReasonCode) {
	s.t.Helper()
	o := s.own(id)
	if o == nil || o.QoS != qos || code.Failed() {
		s.t.Fatalf("step %d: acknowledgement %v of QoS %d for packet id %d, of which there is %+v", s.clock, code, qos, id, o)
	}
	s.sending = slices.DeleteFunc(s.sending, func(x *outgoing) bool { return x == o })
}

// covers reports whether a filter, with wildcards at its end if at all, matches a topic.
func covers(filter, name string) bool {
	if parent, ok := strings.CutSuffix(filter, "/#"); ok {
		return name == parent || strings.HasPrefix(name, parent+"/")
	}
	if parent, ok := strings.CutSuffix(filter, "/+"); ok {
		last, ok := strings.CutPrefix(name, parent+"/")
		return ok && !strings.Contains(last, "/")
	}
	return filter == name
}

// receive compares an arrival with the model.
func (s *subject) receive(p *packet.Publish) {
	s.t.Helper()
	s.t.Logf("PUBLISH %s %q QoS %d packet id %d DUP %v RETAIN %v", p.Topic, p.Payload, p.QoS, p.PacketID, p.DUP, p.Retain)
	name := string(p.Payload)
	if p.Retain {
		name += " retained"
	}
	m := s.messages[name]
	if base := s.messages[string(p.Payload)]; m == nil && base != nil && base.retain && s.lately(base) {
		m = &expected{topic: base.topic, payload: base.payload, qos: base.qos, at: base.at, may: true}
		s.messages[name] = m
	}
	if m != nil && s.open[p.PacketID] != nil && p.QoS > 0 && s.open[p.PacketID].payload == m.payload {
		m = s.open[p.PacketID] // maybe one of two retained copies
	}
	fail := func(why string) {
		s.t.Helper()
		s.t.Fatalf("step %d: %s: %s %q QoS %d packet id %d DUP %v RETAIN %v; the model has %+v", s.clock, why, p.Topic, p.Payload, p.QoS, p.PacketID, p.DUP, p.Retain, m)
	}
	switch {
	case m == nil || m.topic != p.Topic:
		fail("never published")
	case s.open[p.PacketID] != nil && s.open[p.PacketID] != m && p.QoS > 0:
		fail("packet id of another message")
	}
	again := s.open[p.PacketID] == m && p.QoS > 0
	switch {
	case again && !p.DUP:
		fail("repeated without DUP")
	case again:
	case m.received && (p.QoS == 2 || !m.doubtful) && !s.mayArrive(m):
		fail("received before")
	case m.due && p.QoS != m.granted && !m.received:
		fail("wrong QoS")
	case !m.due && !m.may && !s.mayArrive(m):
		fail("not subscribed to")
	}
	if !m.due {
		m.granted = p.QoS
	}
	m.received, m.repeated = true, false
	if p.QoS == 0 {
		return
	}
	m.granted = p.QoS
	if m.qos < p.QoS {
		fail("QoS above that of PUBLISH")
	}
	s.open[p.PacketID] = m
	if !s.hold || again && m.released {
		s.answer(p.PacketID, m)
	}
}

// mayArrive reports whether a message that the model does not expect is one from right before its subscription began: the
// end of a queue lags behind what is acknowledged.
func (s *subject) mayArrive(m *expected) bool {
	for f, sub := range s.subs {
		if covers(f, m.topic) && sub.since >= m.at {
			return true
		}
	}
	return false
}

// lately reports whether a message was retained while a subscription was still looking for retained messages: it then may
// arrive as one, and once more as what it is.
func (s *subject) lately(m *expected) bool {
	for f, sub := range s.subs {
		if covers(f, m.topic) && m.at-sub.since < 8 {
			return true
		}
	}
	return false
}

// finish comes to an end with everything settled and compares what others received.
func (s *subject) finish() {
	s.t.Helper()
	if s.t.Failed() {
		return
	}
	s.clock++
	if s.link == nil {
		s.connect()
	}
	s.hold = false
	s.acknowledge()
	s.settle()
	s.leave()
	var want []string
	for _, list := range s.sent {
		want = append(want, list...)
	}
	want = slices.DeleteFunc(want, func(p string) bool { return s.lost[p] })
	want = append(want, s.wills...)
	s.reader.within(soon, func() bool {
		seen := map[string]bool{}
		for _, a := range s.reader.got {
			seen[a.payload] = true
		}
		return !slices.ContainsFunc(want, func(p string) bool { return !seen[p] })
	})
	var got []string
	for _, a := range s.reader.received(nil) {
		if !s.lost[a.payload] {
			got = append(got, a.payload)
		}
	}
	slices.Sort(want)
	slices.Sort(got)
	for _, p := range s.sent[1] { // at least once
		if i := slices.Index(got, p); i >= 0 {
			got = slices.DeleteFunc(got, func(x string) bool { return x == p })
			got = slices.Insert(got, i, p)
		}
	}
	if diff := difference(want, got); diff != "" {
		s.t.Errorf("what the subject published, and its wills: %s", diff)
	}
	s.writer.sane()
	s.reader.sane()
}

// send publishes one message with all its flags; done gets the code of PUBACK or PUBREC.
func (d *device) send(p packet.Publish, done chan<- packet.ReasonCode) {
	d.mu.Lock()
	defer d.mu.Unlock()
	o := &outgoing{Publish: p, done: func(c packet.ReasonCode) { done <- c }}
	o.PacketID = d.takeID()
	d.unacked = append(d.unacked, o)
	d.transmit(o)
}
