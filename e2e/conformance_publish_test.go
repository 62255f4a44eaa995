package e2e

import (
	"bytes"
	"encoding/binary"
	"fmt"
	"slices"
	"strings"
	"testing"

	"lmqgate/adapter/packet"
)

// malformedPackets end the connection, each of its own. In 5.0 the reason is said.
func malformedPackets(inputs func(v packet.Version) []bad) func(s *scene) {
	return func(s *scene) {
		for _, in := range inputs(s.v) {
			s.Run(in.name, func(t *testing.T) {
				s := newScene(t, s.at, s.v)
				p := s.join("c")
				p.raw(in.bytes)
				p.thrownOut(in.codes...)
			})
		}
	}
}

// publishRaw is a PUBLISH of QoS 0.
func publishRaw(v packet.Version, topic string) []byte {
	return fixed(0x30, str(topic), props(v), []byte("payload"))
}

// textsIn puts a text into every packet that a connected client can send one in.
func textsIn(name, text string) func(v packet.Version) []bad {
	return func(v packet.Version) []bad {
		list := []bad{
			{"topic name, " + name, publishRaw(v, text), codes(malformed, packet.TopicNameInvalid)},
			{"filter, " + name, fixed(0x82, num(1), props(v), str(text), []byte{0}), codes(malformed, packet.TopicFilterInvalid)},
			{"second filter, " + name, fixed(0x82, num(1), props(v), str("a"), []byte{0}, str(text), []byte{0}), codes(malformed, packet.TopicFilterInvalid)},
			{"filter to unsubscribe, " + name, fixed(0xa2, num(1), props(v), str(text)), codes(malformed, packet.TopicFilterInvalid)},
		}
		if v == packet.V5 {
			list = append(list, propertyTexts(name, text)...)
		}
		return list
	}
}

// propertyTexts puts a text into the properties that hold texts.
func propertyTexts(name, text string) []bad {
	publish := func(property ...[]byte) []byte {
		return fixed(0x30, str("a"), props(packet.V5, property...), []byte("payload"))
	}
	return []bad{
		{"content type, " + name, publish([]byte{0x03}, str(text)), codes(malformed)},
		{"response topic, " + name, publish([]byte{0x08}, str(text)), codes(malformed, packet.TopicNameInvalid, protocol)},
		{"user property name, " + name, publish([]byte{0x26}, str(text), str("value")), codes(malformed)},
		{"user property value, " + name, publish([]byte{0x26}, str("name"), str(text)), codes(malformed)},
		{"reason string, " + name, fixed(0xe0, []byte{0}, props(packet.V5, []byte{0x1f}, str(text))), codes(malformed)},
	}
}

func illFormed(v packet.Version) []bad {
	return slices.Concat(textsIn("overlong", "a\xc0\x80")(v), textsIn("surrogate", "a\xed\xa0\x80")(v), textsIn("cut", "a\xe2\x82")(v),
		textsIn("beyond U+10FFFF", "a\xf4\x90\x80\x80")(v))
}

func withNull(v packet.Version) []bad { return textsIn("U+0000", "a\x00b")(v) }

// connectTexts are the texts of CONNECT: id, will topic, user name.
func connectTexts(texts ...string) func(s *scene) {
	return func(s *scene) {
		for _, text := range texts {
			s.refused(connectRaw(s.v, flagClean, str(text)), malformed, badID)
			s.refused(connectRaw(s.v, flagClean|flagWill, str(s.tag), props(s.v), str(text), str("m")), malformed, packet.TopicNameInvalid)
			s.refused(connectRaw(s.v, flagClean|flagUsername, str(s.tag), str(text)), malformed, packet.BadUserNameOrPassword)
		}
	}
}

// both shows several things side by side, each as a scene of its own.
func both(shows ...func(s *scene)) func(s *scene) {
	return func(s *scene) {
		numbered := map[string]func(s *scene){}
		for n, show := range shows {
			numbered[fmt.Sprint(n+1)] = show
		}
		each(s, numbered, func(s *scene, show func(s *scene)) { show(s) })
	}
}

// byteOrderMark is a character like any other.
func byteOrderMark(s *scene) {
	sub := s.join("sub")
	with, without := s.topic("\ufeffx"), s.topic("x")
	sub.sub(1, with)
	s.publisher().say(without, "without")
	s.publisher().say(with, "with")
	if got := sub.got("with"); got.Topic != with {
		s.Errorf("topic %q", got.Topic)
	}
	sub.unsub(with)
	sub.sub(1, s.topic("+"))
	s.publisher().say(with, "again")
	if got := sub.got("again"); got.Topic != with {
		s.Errorf("topic %q", got.Topic)
	}
}

// wrongFlags: the lower half of the first byte is as the specification says for each type.
func wrongFlags(v packet.Version) []bad {
	right := map[byte][]byte{
		0x40: num(1), 0x50: num(1), 0x62: num(1), 0x70: num(1), 0xc0: nil, 0xe0: nil,
		0x82: join(num(1), props(v), str("a"), []byte{0}), 0xa2: join(num(1), props(v), str("a")),
	}
	if v == packet.V5 {
		right[0xf0] = join([]byte{0x19}, props(v, []byte{0x15}, str("m")))
	}
	var list []bad
	for _, first := range []byte{0x40, 0x50, 0x62, 0x70, 0xc0, 0xe0, 0x82, 0xa2, 0xf0} {
		body, known := right[first]
		if !known {
			continue
		}
		for _, bit := range []byte{1, 2, 4, 8} {
			list = append(list, bad{fmt.Sprintf("%v with flags %d", packet.Type(first>>4), first&15^bit), fixed(first^bit, body), codes(malformed)})
		}
	}
	return list
}

// only are the inputs whose names begin with a word.
func only(word string, inputs func(v packet.Version) []bad) func(v packet.Version) []bad {
	return func(v packet.Version) []bad {
		return slices.DeleteFunc(inputs(v), func(b bad) bool { return !strings.HasPrefix(b.name, word) })
	}
}

// zeroIDs: packets that need a packet id have one.
func zeroIDs(v packet.Version) []bad {
	return []bad{
		{"PUBLISH of QoS 1", fixed(0x32, str("a"), num(0), props(v), []byte("x")), codes(protocol, malformed)},
		{"PUBLISH of QoS 2", fixed(0x34, str("a"), num(0), props(v), []byte("x")), codes(protocol, malformed)},
		{"SUBSCRIBE", fixed(0x82, num(0), props(v), str("a"), []byte{0}), codes(protocol, malformed)},
		{"UNSUBSCRIBE", fixed(0xa2, num(0), props(v), str("a")), codes(protocol, malformed)},
	}
}

func qosThree(v packet.Version) []bad {
	return []bad{
		{"QoS 3", fixed(0x36, str("a"), num(1), props(v), []byte("x")), codes(malformed)},
		{"QoS 3, retained", fixed(0x37, str("a"), num(1), props(v), []byte("x")), codes(malformed)},
	}
}

func dupWithQoS0(v packet.Version) []bad {
	return []bad{{"DUP", fixed(0x38, str("a"), props(v), []byte("x")), codes(malformed, protocol)}}
}

func topicMissing(v packet.Version) []bad {
	return []bad{
		{"no topic", fixed(0x30), codes(malformed)},
		{"half a topic", fixed(0x30, num(5), []byte("abc")), codes(malformed)},
		{"not UTF-8", publishRaw(v, "a/\xff"), codes(malformed)},
	}
}

func topicWithWildcard(v packet.Version) []bad {
	var list []bad
	for _, topic := range []string{"#", "+", "a/#", "a/+/b", "a+", "a#b"} {
		list = append(list, bad{topic, publishRaw(v, topic), codes(packet.TopicNameInvalid, malformed, protocol)})
	}
	return list
}

func topicEmpty(v packet.Version) []bad {
	return []bad{{"empty", publishRaw(v, ""), codes(protocol, packet.TopicNameInvalid)}}
}

// answers: none to QoS 0, PUBACK to 1, PUBREC and then PUBCOMP to 2, with the packet id of the PUBLISH.
func answers(s *scene) {
	p := s.join("c")
	for _, id := range []uint16{1, 2, 255, 256, 40000, 65535} {
		p.send(&packet.Publish{Topic: s.topic("x"), Payload: []byte("x")})
		p.quiet()
		p.publish(packet.Publish{Topic: s.topic("x"), QoS: 1, PacketID: id, Payload: []byte("x")})
		p.publish(packet.Publish{Topic: s.topic("x"), QoS: 2, PacketID: id, Payload: []byte("x")})
		p.quiet()
	}
	p.send(&packet.Subscribe{PacketID: 65535, Filters: []packet.Subscription{{Filter: s.topic("x")}}})
	if id := want[*packet.Suback](s, p.wire).PacketID; id != 65535 {
		s.Errorf("SUBACK %d", id)
	}
	p.send(&packet.Unsubscribe{PacketID: 65534, Filters: []string{s.topic("x")}})
	if id := want[*packet.Unsuback](s, p.wire).PacketID; id != 65534 {
		s.Errorf("UNSUBACK %d", id)
	}
}

// outgoingIDs: the server gives each message of QoS 1 and 2 a packet id that is not 0 and not in use, none to QoS 0.
func outgoingIDs(s *scene) {
	p := s.join("c")
	p.sub(2, s.topic("x"))
	inUse := map[uint16]*packet.Publish{}
	for n := range 40 {
		s.publisher().say(s.topic("x"), fmt.Sprint(n), byte(1+n%2))
		m := p.message()
		if inUse[m.PacketID] != nil || m.PacketID == 0 {
			s.Fatalf("packet id %d is in use", m.PacketID)
		}
		inUse[m.PacketID] = m
		if n%3 == 2 { // some are acknowledged meanwhile
			for _, m := range inUse {
				p.accept(m)
				delete(inUse, m.PacketID)
				break
			}
		}
	}
	q := s.join("zero")
	q.sub(0, s.topic("x"))
	before := len(q.conn.(*recorder).bytes())
	s.publisher().say(s.topic("x"), "bare", 0)
	q.got("bare")
	wanted := fixed(0x30, str(s.topic("x")), props(s.v), []byte("bare"))
	if got := q.conn.(*recorder).bytes()[before:]; !bytes.Equal(got, wanted) {
		s.Errorf("QoS 0: % x, want % x", got, wanted)
	}
}

// sentQoS: QoS 0 comes without DUP; QoS 1 and 2 with an id and without DUP at first.
func sentQoS(qos byte) func(s *scene) {
	return func(s *scene) {
		p := s.join("c")
		p.sub(qos, s.topic("x"))
		for n := range 5 {
			text := fmt.Sprint(n)
			s.publisher().say(s.topic("x"), text, qos)
			if m := p.got(text); m.QoS != qos || m.DUP || m.Retain || (m.PacketID == 0) != (qos == 0) {
				s.Errorf("QoS %d: %+v", qos, m)
			}
		}
		p.quiet()
	}
}

// dupNotPassedOn: what a publisher repeats is new to the subscriber.
func dupNotPassedOn(s *scene) {
	p := s.join("c")
	p.sub(2, s.topic("x"))
	for qos := byte(1); qos <= 2; qos++ {
		s.publisher().publish(packet.Publish{DUP: true, QoS: qos, Topic: s.topic("x"), Payload: []byte("x")})
		if m := p.got("x"); m.DUP {
			s.Errorf("QoS %d: DUP is 1", qos)
		}
	}
}

// sameIDAgain: after PUBACK, or PUBCOMP, a packet id stands for a new message, whatever DUP says.
func sameIDAgain(qos byte) func(s *scene) {
	return func(s *scene) {
		p := s.join("c")
		sub := s.join("sub")
		sub.sub(2, s.topic("x"))
		for n := range 4 {
			text := fmt.Sprint(n)
			p.publish(packet.Publish{DUP: n%2 == 1, QoS: qos, PacketID: 5, Topic: s.topic("x"), Payload: []byte(text)})
			sub.got(text)
		}
		sub.nothingBut(s.topic("x"))
	}
}

// onceOnly: until PUBREL a QoS 2 packet id is answered with PUBREC and not published again, on later connections too.
func onceOnly(s *scene) {
	p := s.join("c", kept)
	sub := s.join("sub")
	sub.sub(2, s.topic("x"))
	m := &packet.Publish{QoS: 2, PacketID: 5, Topic: s.topic("x"), Payload: []byte("once")}
	for n := range 6 {
		m.DUP = n > 0
		p.send(m)
		if rec := want[*packet.Pubrec](s, p.wire); rec.PacketID != 5 || rec.Code.Failed() {
			s.Errorf("PUBREC %+v", rec)
		}
		if n%2 == 1 {
			p.cut()
			p.join(kept)
		}
	}
	for range 3 {
		p.send(&packet.Pubrel{PacketID: 5})
		if comp := want[*packet.Pubcomp](s, p.wire); comp.PacketID != 5 {
			s.Errorf("PUBCOMP %d", comp.PacketID)
		}
	}
	sub.got("once")
	sub.nothingBut(s.topic("x"))
	m.DUP, m.Payload = true, []byte("new")
	p.publish(*m)
	sub.got("new")
	sub.nothingBut(s.topic("x"))
}

// payloadAsIs: any bytes, of any length down to none.
func payloadAsIs(s *scene) {
	p := s.join("c")
	p.sub(1, s.topic("x"))
	all := make([]byte, 0, 512)
	for n := range 256 {
		all = binary.BigEndian.AppendUint16(all, uint16(n))
	}
	for _, text := range []string{"", "\x00", string(all), strings.Repeat("long", 20_000)} {
		s.publisher().say(s.topic("x"), text)
		p.got(text)
	}
}

// misbehaviour311 is what is no PUBLISH and no SUBSCRIBE and must not come from a client either.
func misbehaviour311(v packet.Version) []bad {
	return []bad{
		{"type 0", fixed(0x00), codes(malformed)},
		{"type 15", fixed(0xf0), codes(malformed)},
		{"CONNACK", fixed(0x20, []byte{0, 0}, props(v)), codes(protocol)},
		{"SUBACK", fixed(0x90, num(1), props(v), []byte{0}), codes(protocol)},
		{"UNSUBACK", fixed(0xb0, num(1), props(v), []byte{0}[:min(1, len(props(v)))]), codes(protocol)},
		{"PINGRESP", fixed(0xd0), codes(protocol)},
		{"PINGREQ with a body", fixed(0xc0, []byte{0}), codes(malformed)},
		{"PUBACK without packet id", fixed(0x40), codes(malformed)},
		{"length of five bytes", []byte{0x30, 0xff, 0xff, 0xff, 0xff, 0x01}, codes(malformed)},
	}
}

// notAllowed: a client that may not publish to a topic is answered as if it might, or sent away; nobody gets the message.
func notAllowed(s *scene) {
	topic := "$SYS/" + s.tag // only the gateway publishes there
	sub := s.join("sub")
	sub.sub(1, topic, s.topic("end"))
	for qos := byte(1); qos <= 2; qos++ {
		p := s.join(fmt.Sprint("c", qos))
		p.send(&packet.Publish{Topic: topic, QoS: qos, PacketID: 1, Payload: []byte("forbidden")})
		got, err := p.next(soon)
		switch {
		case err == errSilence:
			s.Errorf("QoS %d: neither answered nor closed", qos)
		case err == nil && got.Type() != packet.PUBACK && got.Type() != packet.PUBREC:
			s.Errorf("QoS %d: answered with %v", qos, got.Type())
		}
	}
	sub.nothingBut(s.topic("end"))
}

// TestTransientError: a message waits for a RocketMQ that is away. 3.1.1 has no other way to say so than closing
// [3.1.1 MQTT-4.8.0-2]; in 5.0 the reason is said.
func TestTransientError(t *testing.T) {
	t.Parallel()
	f := start(t, 1, mini)
	f.minimq.Faults().Down()
	var waiting []*wire
	for _, v := range []packet.Version{packet.V311, packet.V5} {
		w := dialed(t, f.instances[0].tcp, v)
		w.connect(t, packet.Connect{ClientID: fmt.Sprint("waits", v), CleanStart: true})
		w.send(&packet.Publish{Topic: f.topic("x"), QoS: 1, PacketID: 1, Payload: []byte("x")})
		waiting = append(waiting, w)
	}
	for _, w := range waiting {
		for _, p := range w.wantEnd(t) {
			if d, ok := p.(*packet.Disconnect); !ok || !d.Code.Failed() {
				t.Errorf("%v: got %+v", w.v, p)
			}
		}
	}
}
