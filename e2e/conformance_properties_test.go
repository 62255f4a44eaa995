package e2e

import (
	"fmt"
	"strings"

	"lmqgate/adapter/packet"
)

// notShortest are numbers that take more bytes than they need.
func notShortest(packet.Version) []bad {
	return []bad{
		{"remaining length", join([]byte{0x30, 0x84, 0x00}, str("a"), []byte{0}), codes(malformed)},
		{"remaining length of PINGREQ", []byte{0xc0, 0x80, 0x00}, codes(malformed)},
		{"property length", fixed(0x30, str("a"), []byte{0x80, 0x00}, []byte("x")), codes(malformed)},
		{"subscription identifier", fixed(0x82, num(1), props(packet.V5, []byte{0x0b, 0x85, 0x00}), str("a"), []byte{0}), codes(malformed)},
	}
}

// noPropertyLength: it is missing where it has to be 0.
func noPropertyLength(packet.Version) []bad {
	return []bad{
		{"SUBSCRIBE", fixed(0x82, num(1), str("a"), []byte{0}), codes(malformed, protocol)},
		{"UNSUBSCRIBE", fixed(0xa2, num(1), str("abc")), codes(malformed, protocol)},
		{"PUBLISH", fixed(0x30, str("a")), codes(malformed)},
	}
}

func responseTopicWithWildcard(packet.Version) []bad {
	var list []bad
	for _, topic := range []string{"#", "+", "a/#", "a/+/b"} {
		list = append(list, bad{topic, fixed(0x30, str("a"), props(packet.V5, []byte{0x08}, str(topic))), codes(protocol, malformed, packet.TopicNameInvalid)})
	}
	return list
}

// aliasWrong: 0, beyond what the server takes, never set.
func aliasWrong(packet.Version) []bad {
	return []bad{
		{"zero", fixed(0x30, str("a"), props(packet.V5, []byte{0x23}, num(0))), codes(packet.TopicAliasInvalid)},
		{"beyond the maximum", fixed(0x30, str("a"), props(packet.V5, []byte{0x23}, num(65535))), codes(packet.TopicAliasInvalid)},
		{"never set", fixed(0x30, str(""), props(packet.V5, []byte{0x23}, num(1))), codes(protocol, packet.TopicAliasInvalid)},
	}
}

func identifierFromClient(packet.Version) []bad {
	return []bad{{"identifier", fixed(0x30, str("a"), props(packet.V5, []byte{0x0b, 1})), codes(protocol, malformed)}}
}

func noLocalShared(packet.Version) []bad {
	return []bad{
		{"no local", fixed(0x82, num(1), props(packet.V5), str("$share/g/a"), []byte{5}), codes(protocol)},
		{"no local, second", fixed(0x82, num(1), props(packet.V5), str("a"), []byte{4}, str("$share/g/a"), []byte{4}), codes(protocol)},
	}
}

func authUnasked(packet.Version) []bad {
	return []bad{
		{"re-authenticate", fixed(0xf0, []byte{0x19}, props(packet.V5, []byte{0x15}, str("SCRAM-SHA-256"))), codes(protocol)},
		{"continue", fixed(0xf0, []byte{0x18}, props(packet.V5, []byte{0x15}, str("SCRAM-SHA-256"))), codes(protocol)},
		{"empty", fixed(0xf0), codes(protocol, malformed)},
	}
}

// misbehaviour5 are errors for which the specification names a reason.
func misbehaviour5(v packet.Version) []bad {
	list := []bad{
		{"property twice", fixed(0x30, str("a"), props(v, []byte{2, 0, 0, 0, 1, 2, 0, 0, 0, 1})), codes(protocol)},
		{"unknown property", fixed(0x30, str("a"), props(v, []byte{0x7f, 1})), codes(malformed, protocol)},
		{"property of another packet", fixed(0x30, str("a"), props(v, []byte{0x11, 0, 0, 0, 1})), codes(protocol, malformed)},
		{"payload format 2", fixed(0x30, str("a"), props(v, []byte{1, 2})), codes(protocol, malformed)},
		{"identifier 0", fixed(0x82, num(1), props(v, []byte{0x0b, 0}), str("a"), []byte{0}), codes(protocol)},
		{"DISCONNECT that extends", fixed(0xe0, []byte{0}, props(v, []byte{0x11, 0, 0, 0, 9})), codes(protocol)},
		{"DISCONNECT of a server", fixed(0xe0, []byte{0x8b}, props(v)), codes(protocol, malformed)},
		{"PUBACK with a reason it cannot have", fixed(0x40, num(1), []byte{0x8e}), codes(protocol, malformed)},
		{"AUTH with wrong flags", fixed(0xf1), codes(malformed)},
	}
	for _, in := range misbehaviour311(v) {
		if !strings.Contains(in.name, "type 15") {
			list = append(list, in)
		}
	}
	return list
}

// asSent5: what a publisher says about a message comes to all its subscribers, as it was.
func asSent5(s *scene) {
	now, later := s.join("now"), s.join("later", kept)
	now.sub(2, s.topic("x"))
	later.sub(1, s.topic("+"))
	later.leave()
	sent := []packet.Properties{
		{HasFormat: true, PayloadFormat: 1},
		{HasFormat: true, PayloadFormat: 0},
		{ContentType: "application/json; charset=\"utf-8\""},
		{ResponseTopic: "answer/to/✓"},
		{CorrelationData: []byte{0, 0xff, 1}},
		{CorrelationData: []byte{}, ContentType: "c", ResponseTopic: "r"},
		{User: []packet.UserProperty{{Key: "b", Value: "1"}, {Key: "a", Value: "2"}, {Key: "b", Value: "1"}, {Key: "", Value: ""}, {Key: "ä", Value: "\u2028\"\\"}}},
	}
	for n, properties := range sent {
		s.publisher().publish(packet.Publish{Topic: s.topic("x"), QoS: byte(n % 3), Payload: []byte(fmt.Sprint(n)), Properties: properties})
		if m := now.got(fmt.Sprint(n)); !sameProperties(m.Properties, properties) {
			s.Errorf("sent %+v, got %+v", properties, m.Properties)
		}
	}
	s.publisher().say(s.topic("x"), "end")
	later.join(kept)
	for {
		m := later.message()
		if string(m.Payload) == "end" {
			break
		}
		if wanted := sent[m.Payload[0]-'0']; !sameProperties(m.Properties, wanted) {
			s.Errorf("sent %+v, got later %+v", wanted, m.Properties)
		}
	}
}

// messagesExpire5: a message whose interval has passed is not sent any more, one that waited says how much is left.
func messagesExpire5(s *scene) {
	p := s.join("c", kept)
	p.sub(1, s.topic("x"))
	p.leave()
	for n, expiry := range []uint32{1, 1000, 2} {
		s.publisher().publish(packet.Publish{
			Topic: s.topic("x"), QoS: 1, Payload: []byte(fmt.Sprint(n)), Properties: packet.Properties{HasExpiry: true, Expiry: expiry},
		})
	}
	s.pass(3)
	p.join(kept)
	if m := p.got("1"); !m.Properties.HasExpiry || m.Properties.Expiry > 997 || m.Properties.Expiry < 900 {
		s.Errorf("expiry %+v", m.Properties)
	}
	p.nothingBut(s.topic("x"))
}

// expiryNotApplied5: not to a message that was sent already, nor to one whose QoS 2 exchange is under way.
func expiryNotApplied5(s *scene) {
	p := s.join("c", kept)
	p.sub(2, s.topic("x"))
	s.publisher().publish(packet.Publish{
		Topic: s.topic("x"), QoS: 2, Payload: []byte("short"), Properties: packet.Properties{HasExpiry: true, Expiry: 1},
	})
	m := p.message()
	p.send(&packet.Publish{
		Topic: s.topic("y"), QoS: 2, PacketID: 5, Payload: []byte("short"), Properties: packet.Properties{HasExpiry: true, Expiry: 1},
	})
	want[*packet.Pubrec](s, p.wire)
	s.pass(2)
	p.send(&packet.Pubrel{PacketID: 5})
	if comp := want[*packet.Pubcomp](s, p.wire); comp.PacketID != 5 || comp.Code != packet.Success {
		s.Errorf("PUBCOMP %+v", comp)
	}
	p.cut()
	p.join(kept)
	again := p.got("short")
	if again.PacketID != m.PacketID || !again.DUP {
		s.Errorf("got %+v, before %+v", again, m)
	}
	p.nothingBut(s.topic("x"))
}

// identifiers5: those of all matching subscriptions that have one, on the one copy; kept with the session.
func identifiers5(s *scene) {
	p := s.join("c", kept)
	subscribe := func(id uint32, filter string) {
		p.send(&packet.Subscribe{PacketID: 9, SubscriptionID: id, Filters: []packet.Subscription{{Filter: filter, QoS: 1}}})
		want[*packet.Suback](s, p.wire)
	}
	check := func(topic string, wanted ...uint32) {
		s.Helper()
		s.publisher().say(s.topic(topic), topic)
		got := p.got(topic).SubscriptionIDs
		if !sameSet(got, wanted) {
			s.Errorf("%s: identifiers %v, want %v", topic, got, wanted)
		}
		p.quiet()
	}
	subscribe(7, s.topic("#"))
	subscribe(268_435_455, s.topic("x"))
	subscribe(0, s.topic("+"))
	check("x", 7, 268_435_455)
	check("y", 7)
	check("a/b", 7)
	subscribe(1, s.topic("x")) // another identifier now
	check("x", 1, 7)
	p.settled()
	p.leave()
	p.join(kept)
	check("x", 1, 7)
	subscribe(0, s.topic("#")) // none now
	check("x", 1)
	check("y")
}

func sameSet(a, b []uint32) bool {
	in := map[uint32]int{}
	for _, v := range a {
		in[v]++
	}
	for _, v := range b {
		in[v]--
	}
	for _, n := range in {
		if n != 0 {
			return false
		}
	}
	return true
}

// noLocal5: the client's own messages do not come back, over its connections; others' do.
func noLocal5(s *scene) {
	p := s.join("c", kept)
	p.ask(packet.Subscription{Filter: s.topic("+"), QoS: 1, NoLocal: true})
	other := s.join("other")
	other.sub(1, s.topic("+"))
	p.say(s.topic("x"), "own")
	p.nothingBut(s.topic("x"))
	p.settled()
	p.cut()
	p.join(kept)
	p.say(s.topic("x"), "own again")
	p.nothingBut(s.topic("x"))
	other.got("own")
	other.message()
	other.got("own again")
	p.ask(packet.Subscription{Filter: s.topic("+"), QoS: 0})
	p.say(s.topic("x"), "own at last", 0)
	p.got("own at last")
}

// responseInfo5 is not given to a client that does not ask for it.
func responseInfo5(s *scene) {
	if info := s.peer("c").join().Properties.ResponseInfo; info != "" {
		s.Errorf("response information %q", info)
	}
}

// allQoS5: nothing is said of a maximum QoS, since all are served, in wills too.
func allQoS5(s *scene) {
	w := s.testament("will")
	w.QoS = 2
	p := s.peer("c")
	if ack := p.join(will(w)); ack.Properties.HasMaximumQoS {
		s.Errorf("maximum QoS %d", ack.Properties.MaximumQoS)
	}
	for qos := range byte(3) {
		p.say(s.topic("x"), "text", qos)
		p.sub(qos, s.topic("y"))
	}
}

// serverKeepAlive5: where the client's is longer than granted, the server says so and goes by its own.
func serverKeepAlive5(s *scene) {
	p := s.peer("c")
	ack := p.join(alive(600))
	if !ack.Properties.HasServerKeepAlive || ack.Properties.ServerKeepAlive != keepAliveMax {
		s.Fatalf("server keep alive %v %d", ack.Properties.HasServerKeepAlive, ack.Properties.ServerKeepAlive)
	}
	p.thrownOut(packet.KeepAliveTimeout)
}

// ownKeepAlive5: where the server says nothing of it, it is the client's.
func ownKeepAlive5(s *scene) {
	p := s.peer("c")
	if p.join(alive(1)).Properties.HasServerKeepAlive {
		s.Error("server keep alive")
	}
	p.thrownOut(packet.KeepAliveTimeout)
}
