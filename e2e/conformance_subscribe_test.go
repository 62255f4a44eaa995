package e2e

import (
	"fmt"
	"slices"

	"lmqgate/adapter/packet"
)

func noFilter(v packet.Version) []bad {
	return []bad{
		{"nothing", fixed(0x82, num(1), props(v)), codes(protocol, malformed)},
		{"packet id missing", fixed(0x82), codes(protocol, malformed)},
		{"filter without options", fixed(0x82, num(1), props(v), str("a")), codes(malformed)},
	}
}

func noFilterToUnsubscribe(v packet.Version) []bad {
	return []bad{{"nothing", fixed(0xa2, num(1), props(v)), codes(protocol, malformed)}}
}

// badOptions: reserved bits, and a QoS that is none.
func badOptions(v packet.Version) []bad {
	options := map[string]byte{"QoS 3": 3, "bit 6": 0x40, "bit 7": 0x80}
	if v != packet.V5 {
		options["bit 2"], options["bit 3"], options["bit 4"], options["bit 5"] = 4, 8, 0x10, 0x20
	} else {
		options["retain handling 3"] = 0x30
	}
	var list []bad
	for _, name := range sortedKeys(options) {
		list = append(list, bad{name, fixed(0x82, num(1), props(v), str("a"), []byte{options[name]}), codes(malformed, protocol)})
	}
	return list
}

// filtersRefused: a filter whose wildcards do not stand where they may is not granted, and no message comes for it.
func filtersRefused(filters ...string) func(s *scene) {
	return func(s *scene) {
		for _, filter := range filters {
			p := s.join("c")
			id := p.packetID()
			p.send(&packet.Subscribe{PacketID: id, Filters: []packet.Subscription{{Filter: filter, QoS: 1}}})
			got, err := p.next(soon)
			if err != nil {
				continue // closed, which may be too
			}
			switch got := got.(type) {
			case *packet.Suback:
				if !got.Codes[0].Failed() {
					s.Errorf("filter %q: %v", filter, got.Codes[0])
				}
			case *packet.Disconnect:
			default:
				s.Errorf("filter %q: %v", filter, got.Type())
			}
			p.cut()
		}
	}
}

// codesInOrder: one for each filter, in the order of the filters, with the QoS that is granted.
func codesInOrder(s *scene) {
	p := s.join("c")
	refused := packet.ReasonCode(packet.TopicFilterInvalid)
	if !s.is5() {
		refused = 0x80
	}
	got := p.ask(
		packet.Subscription{Filter: s.topic("a"), QoS: 2}, packet.Subscription{Filter: s.topic("b#"), QoS: 1},
		packet.Subscription{Filter: s.topic("c"), QoS: 0}, packet.Subscription{Filter: s.topic("a"), QoS: 1},
		packet.Subscription{Filter: s.topic("+/d"), QoS: 1}, packet.Subscription{Filter: s.topic("#/d"), QoS: 2},
	)
	if wanted := codes(2, refused, 0, 1, 1, refused); !slices.Equal(got, wanted) {
		s.Errorf("got %#x, want %#x", got, wanted)
	}
	s.publisher().say(s.topic("a"), "a", 2)
	if m := p.got("a"); m.QoS != 1 { // the later of the two for the same filter
		s.Errorf("QoS %d", m.QoS)
	}
	s.publisher().say(s.topic("c"), "c", 2)
	if m := p.got("c"); m.QoS != 0 {
		s.Errorf("QoS %d", m.QoS)
	}
	s.publisher().say(s.topic("x/d"), "d", 2)
	if m := p.got("d"); m.QoS != 1 {
		s.Errorf("QoS %d", m.QoS)
	}
	p.nothingBut(s.topic("y/d"))
}

// lowerQoS: a message comes with the lower of its QoS and that of the subscription.
func lowerQoS(s *scene) {
	for granted := range byte(3) {
		p := s.join(fmt.Sprint("sub", granted))
		p.sub(granted, s.topic("x"))
		for sent := range byte(3) {
			text := fmt.Sprint(granted, sent)
			s.publisher().say(s.topic("x"), text, sent)
			if m := p.got(text); m.QoS != min(granted, sent) {
				s.Errorf("QoS %d, granted %d: came with %d", sent, granted, m.QoS)
			}
		}
		p.leave()
	}
}

// replaced: the same filter again is one subscription with the newer QoS.
func replaced(s *scene) {
	p := s.join("c")
	for _, qos := range []byte{0, 2, 1, 0} {
		p.sub(qos, s.topic("x"))
		s.publisher().say(s.topic("x"), "text", 2)
		if m := p.got("text"); m.QoS != qos {
			s.Errorf("QoS %d after a subscription with %d", m.QoS, qos)
		}
		p.quiet()
	}
	p.unsub(s.topic("x"))
	p.sub(1, s.topic("end"))
	s.publisher().say(s.topic("x"), "for nobody")
	p.nothingBut(s.topic("end"))
}

// replacedInFlow: no message is lost, or comes twice, while the subscription is made again and again.
func replacedInFlow(s *scene) {
	p := s.join("c", kept)
	p.sub(1, s.topic("x"))
	const rounds = 30
	next, acks := 0, 0
	for n := range rounds {
		s.publisher().send(&packet.Publish{Topic: s.topic("x"), QoS: 1, PacketID: uint16(n + 1), Payload: []byte(fmt.Sprint(n))})
		if n%3 == 0 {
			p.send(&packet.Subscribe{PacketID: uint16(n + 1), Filters: []packet.Subscription{{Filter: s.topic("x"), QoS: 1}}})
		}
	}
	for range rounds {
		want[*packet.Puback](s, s.pub.wire)
	}
	for next < rounds || acks < rounds/3 {
		one, err := p.next(soon)
		if err != nil {
			s.Fatalf("%d messages, %d SUBACKs: %v", next, acks, err)
		}
		switch one := one.(type) {
		case *packet.Suback:
			acks++
		case *packet.Publish:
			if string(one.Payload) != fmt.Sprint(next) {
				s.Fatalf("message %q, want %d", one.Payload, next)
			}
			next++
			p.send(&packet.Puback{PacketID: one.PacketID})
		}
	}
	p.nothingBut(s.topic("x"))
}

// overlapping: where several filters match, the highest QoS of them counts; one copy is sent.
func overlapping(s *scene) {
	p := s.join("c")
	p.ask(packet.Subscription{Filter: s.topic("#"), QoS: 0}, packet.Subscription{Filter: s.topic("x"), QoS: 2},
		packet.Subscription{Filter: s.topic("+"), QoS: 1})
	for sent := range byte(3) {
		text := fmt.Sprint(sent)
		s.publisher().say(s.topic("x"), text, sent)
		if m := p.got(text); m.QoS != sent {
			s.Errorf("QoS %d came with %d", sent, m.QoS)
		}
	}
	s.publisher().say(s.topic("y"), "y", 2)
	if m := p.got("y"); m.QoS != 1 {
		s.Errorf("QoS %d", m.QoS)
	}
	p.nothingBut(s.topic("z"))
}

// unsubscribed: exactly that filter goes, at once, in any number, and what is not there is answered too.
func unsubscribed(s *scene) {
	p := s.join("c")
	filters := []string{s.topic("a"), s.topic("+"), s.topic("A"), s.topic("a/"), s.topic("#")}
	p.sub(1, filters...)
	got := p.unsub(s.topic("never"), s.topic("+"), s.topic("+"), s.topic("a/#"), s.topic("#"), s.topic("a/"))
	none, gone := packet.NoSubscriptionExisted, packet.Success
	if wanted := codes(none, gone, none, none, gone, gone); s.is5() && !slices.Equal(got, wanted) {
		s.Errorf("UNSUBACK %v, want %v", got, wanted)
	}
	for _, topic := range []string{"b", "a/", "a/b"} {
		s.publisher().say(s.topic(topic), "for nobody")
	}
	s.publisher().say(s.topic("A"), "A")
	p.got("A")
	p.nothingBut(s.topic("a"))
}

// unsubscribedNothing: an answer also where there is no subscription.
func unsubscribedNothing(s *scene) {
	p := s.join("c")
	for range 3 {
		p.unsub(s.topic("never"))
	}
	p.quiet()
}

// completedAfterUnsubscribe: what was sent before UNSUBSCRIBE is delivered to the end, over a reconnection too.
func completedAfterUnsubscribe(s *scene) {
	p := s.join("c", kept)
	p.sub(2, s.topic("x"), s.topic("end"))
	for qos := byte(1); qos <= 2; qos++ {
		s.publisher().say(s.topic("x"), fmt.Sprint(qos), qos)
	}
	one, two := p.message(), p.message()
	p.unsub(s.topic("x"))
	s.publisher().say(s.topic("x"), "for nobody")
	p.settled()
	p.cut()
	p.join(kept)
	for _, wanted := range []*packet.Publish{one, two} {
		m := p.message()
		if m.PacketID != wanted.PacketID || !m.DUP || string(m.Payload) != string(wanted.Payload) {
			s.Errorf("got %+v, want %+v", m, wanted)
		}
		p.accept(m)
	}
	p.nothingBut(s.topic("end"))
}

func pings(s *scene) {
	p := s.join("c", kept)
	for range 5 {
		p.quiet()
	}
}

// acknowledged with the packet id of the request, whatever it is.
func subackIDs(s *scene) {
	p := s.join("c")
	for _, id := range []uint16{1, 255, 256, 65535, 1} {
		p.send(&packet.Subscribe{PacketID: id, Filters: []packet.Subscription{{Filter: s.topic("x"), QoS: 1}}})
		if got := want[*packet.Suback](s, p.wire); got.PacketID != id || len(got.Codes) != 1 {
			s.Errorf("SUBACK %+v for %d", got, id)
		}
		p.send(&packet.Unsubscribe{PacketID: id, Filters: []string{s.topic("x")}})
		if got := want[*packet.Unsuback](s, p.wire); got.PacketID != id {
			s.Errorf("UNSUBACK %+v for %d", got, id)
		}
	}
}

// wildcardsServed: filters with wildcards are granted, since they are served.
func wildcardsServed(s *scene) {
	p := s.join("c")
	p.sub(1, s.topic("+/x"), s.topic("y/#"))
	s.publisher().say(s.topic("a/x"), "one")
	p.got("one")
	s.publisher().say(s.topic("y/b"), "two")
	p.got("two")
}

// addedForAll: a message goes to every session with a matching subscription, connected or not.
func addedForAll(s *scene) {
	var all []*peer
	for n := range 4 {
		p := s.join(fmt.Sprint("sub", n), kept)
		p.sub(byte(1+n%2), []string{s.topic("x"), s.topic("+")}[n/2])
		if n%2 == 0 {
			p.leave()
		}
		all = append(all, p)
	}
	s.publisher().say(s.topic("x"), "for all", 2)
	for n, p := range all {
		if n%2 == 0 {
			p.join(kept)
		}
		p.got("for all")
		p.quiet()
	}
}
