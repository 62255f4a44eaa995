package e2e

import (
	"fmt"
	"strings"

	"lmqgate/adapter/packet"
)

func receiveMaximumOf(n uint16) option {
	return func(c *packet.Connect) { c.Properties.ReceiveMaximum = n }
}

func packetSizeOf(n uint32) option {
	return func(c *packet.Connect) { c.Properties.MaximumPacketSize = n }
}

func aliasesOf(n uint16) option {
	return func(c *packet.Connect) { c.Properties.TopicAliasMaximum = n }
}

// largest is the size of the largest packet that came on the connection.
func (p *peer) largest() int {
	size := 0
	list, _, _ := frames(p.conn.(*recorder).bytes())
	for _, f := range list {
		size = max(size, 1+len(length(len(f.body)))+len(f.body))
	}
	return size
}

// tooLargeIsDone5: a message that the client cannot take is left out, as if it had been delivered: it takes no place of
// Receive Maximum, and what comes behind it comes.
func tooLargeIsDone5(s *scene) {
	const limit = 300
	p := s.join("c", kept, packetSizeOf(limit), receiveMaximumOf(1))
	p.sub(2, s.topic("x"))
	for round := range 3 {
		for qos := range byte(3) {
			s.publisher().say(s.topic("x"), strings.Repeat("large", 100), qos)
		}
		s.publisher().publish(packet.Publish{
			Topic: s.topic("x"), QoS: 1, Payload: []byte("small"), Properties: packet.Properties{ContentType: strings.Repeat("c", limit)},
		})
		s.publisher().say(s.topic("x"), fmt.Sprint("fits ", round), byte(round))
		p.got(fmt.Sprint("fits ", round))
	}
	p.leave()
	s.publisher().say(s.topic("x"), strings.Repeat("large", 100), 2)
	p.join(kept, packetSizeOf(limit), receiveMaximumOf(1))
	p.nothingBut(s.topic("x"))
	if size := p.largest(); size > limit {
		s.Errorf("a packet of %d bytes", size)
	}
}

// unwelcome is a message that RocketMQ cannot take as it is, so that its acknowledgement has something to say.
func unwelcome(topic string) packet.Publish {
	m := packet.Publish{Topic: topic, Payload: []byte("x")}
	for n := range 60 {
		m.Properties.User = append(m.Properties.User, packet.UserProperty{Key: fmt.Sprint(n), Value: strings.Repeat("v", 1000)})
	}
	return m
}

// tightFit5: no packet is larger than the client takes; what is said beside the reason codes is left out.
func tightFit5(s *scene) {
	wide := s.join("wide")
	const limit = 48 // room for what has to be said and for the fence
	p := s.join("c", packetSizeOf(limit))
	for qos := byte(1); qos <= 2; qos++ {
		m := unwelcome(s.topic("x"))
		m.QoS = qos
		loud, terse := wide.publish(m), p.publish(m)
		if loud != terse {
			s.Errorf("QoS %d: %v and, for a client with little room, %v", qos, loud, terse)
		}
	}
	p.send(&packet.Pubrel{PacketID: 999}) // never published
	if comp := want[*packet.Pubcomp](s, p.wire); comp.Code != packet.PacketIdentifierNotFound {
		s.Errorf("PUBCOMP %v", comp.Code)
	}
	p.ask(packet.Subscription{Filter: "a#"}, packet.Subscription{Filter: s.topic("x"), QoS: 2})
	p.unsub("never")
	s.publisher().say(s.topic("x"), "y", 2)
	p.got("y")
	p.nothingBut(s.topic("x"))
	p.raw([]byte{0x82, 2, 0, 1}) // a DISCONNECT with words follows
	p.wantEnd(s)
	if size := p.largest(); size > limit {
		s.Errorf("a packet of %d bytes, the client takes %d", size, limit)
	}
	if wide.largest() <= limit {
		s.Error("without a limit nothing is said either: there was nothing to leave out")
	}
}

// refusedTightly5: so is a CONNACK that refuses.
func refusedTightly5(s *scene) {
	for _, limit := range []uint32{5, 6, 20} {
		p := s.peer("c")
		p.dial()
		c := p.hello(packetSizeOf(limit))
		c.Properties.AuthMethod = "no such method"
		p.send(&c)
		p.wantEnd(s)
		if size := p.largest(); size > int(limit) {
			s.Errorf("a packet of %d bytes, the client takes %d", size, limit)
		}
	}
}

// noProblems5: a client that wants no problem information gets no reason string and no user properties but in CONNACK,
// PUBLISH and DISCONNECT.
func noProblems5(s *scene) {
	p := s.peer("c")
	p.join(func(c *packet.Connect) { c.Properties.NoProblemInfo = true })
	for qos := byte(1); qos <= 2; qos++ {
		m := unwelcome(s.topic("x"))
		m.QoS, m.PacketID = qos, p.packetID()
		p.send(&m)
		answer, err := p.next(soon)
		must(s, err)
		switch a := answer.(type) {
		case *packet.Puback:
			if a.Reason != "" || len(a.User) > 0 {
				s.Errorf("PUBACK says %q", a.Reason)
			}
		case *packet.Pubrec:
			if a.Reason != "" || len(a.User) > 0 {
				s.Errorf("PUBREC says %q", a.Reason)
			}
		}
	}
	p.send(&packet.Pubrel{PacketID: 999})
	if a := want[*packet.Pubcomp](s, p.wire); a.Reason != "" || len(a.User) > 0 {
		s.Errorf("PUBCOMP says %q", a.Reason)
	}
	p.send(&packet.Subscribe{PacketID: 5, Filters: []packet.Subscription{{Filter: "a#"}}})
	if a := want[*packet.Suback](s, p.wire); a.Reason != "" || len(a.User) > 0 {
		s.Errorf("SUBACK says %q", a.Reason)
	}
	p.send(&packet.Unsubscribe{PacketID: 6, Filters: []string{"never"}})
	if a := want[*packet.Unsuback](s, p.wire); a.Reason != "" || len(a.User) > 0 {
		s.Errorf("UNSUBACK says %q", a.Reason)
	}
}

// quota5: no more messages of QoS 1 and 2 are open than the client takes, all else goes on; each acknowledgement, a bad one
// too, lets one through.
func quota5(s *scene) {
	for _, limit := range []int{1, 3} {
		p := s.join(fmt.Sprint("c", limit), receiveMaximumOf(uint16(limit)))
		p.sub(2, s.topic("x"), s.topic("zero"))
		const n = 9
		for i := range n {
			s.publisher().say(s.topic("x"), fmt.Sprint(i), byte(1+i%2))
		}
		var open []*packet.Publish
		for range limit {
			open = append(open, p.message())
		}
		for got := limit; len(open) > 0; {
			s.publisher().say(s.topic("zero"), "zero", 0)
			if m := p.message(); m.QoS != 0 {
				s.Fatalf("more than %d open: %+v", limit, m)
			}
			p.ask(packet.Subscription{Filter: s.topic("another")})
			p.quiet()
			m := open[0]
			open = open[1:]
			switch {
			case m.QoS == 1 && got%2 == 0:
				p.send(&packet.Puback{PacketID: m.PacketID, Code: packet.UnspecifiedError})
			case m.QoS == 2 && got%3 == 0:
				p.send(&packet.Pubrec{PacketID: m.PacketID, Code: packet.UnspecifiedError})
			default:
				if m.QoS == 2 {
					p.send(&packet.Pubrec{PacketID: m.PacketID})
					want[*packet.Pubrel](s, p.wire)
					p.quiet() // PUBREC alone makes no room
					p.send(&packet.Pubcomp{PacketID: m.PacketID})
				} else {
					p.accept(m)
				}
			}
			if got < n {
				open = append(open, p.message())
				got++
			}
		}
		p.quiet()
		p.cut()
	}
}

// beyondQuota5: a client that has more open than the server takes is sent away.
func beyondQuota5(s *scene) {
	p := s.peer("c")
	limit := p.join().Properties.ReceiveMaximum
	if limit == 0 {
		limit = 65535
	}
	for id := uint16(1); id <= limit; id++ {
		p.send(&packet.Publish{Topic: s.topic("x"), QoS: 2, PacketID: id})
	}
	for range limit {
		if rec := want[*packet.Pubrec](s, p.wire); rec.Code.Failed() {
			s.Fatalf("PUBREC %v", rec.Code)
		}
	}
	p.say(s.topic("x"), "QoS 0 does not count", 0)
	p.quiet()
	p.send(&packet.Publish{Topic: s.topic("x"), QoS: 2, PacketID: limit + 1})
	p.thrownOut(packet.ReceiveMaximumExceeded)
}

// packetTooLarge5: one as large as the server says gets through, one byte more does not.
func packetTooLarge5(s *scene) {
	p := s.peer("c")
	limit := int(p.join().Properties.MaximumPacketSize)
	if limit == 0 {
		s.Fatal("no maximum packet size is said")
	}
	m := &packet.Publish{Topic: s.topic("x"), QoS: 1, PacketID: 1}
	m.Payload = make([]byte, limit-m.EncodedSize(s.v)-3)
	for m.EncodedSize(s.v) < limit {
		m.Payload = append(m.Payload, 'x')
	}
	p.send(m)
	if ack := want[*packet.Puback](s, p.wire); ack.Code.Failed() {
		s.Errorf("PUBACK %v", ack.Code)
	}
	m.Payload = append(m.Payload, 'x')
	p.send(m)
	p.thrownOut(packet.PacketTooLarge)
}

// aliasesTaken5: each number up to the maximum stands for the topic that it was given last.
func aliasesTaken5(s *scene) {
	sub := s.join("sub")
	sub.sub(1, s.topic("+"))
	p := s.peer("c")
	limit := p.join().Properties.TopicAliasMaximum
	if limit == 0 {
		s.Fatal("no topic aliases are taken")
	}
	for round := range 2 {
		for n := uint16(1); n <= limit; n++ {
			topic := s.topic(fmt.Sprint(n, "-", round))
			p.publish(packet.Publish{Topic: topic, TopicAlias: n, QoS: 1, Payload: []byte("first")})
			sub.got("first")
			p.publish(packet.Publish{TopicAlias: n, QoS: 1, Payload: []byte("second")})
			if m := sub.got("second"); m.Topic != topic {
				s.Fatalf("alias %d came as %q, want %q", n, m.Topic, topic)
			}
		}
	}
}

// aliasesForgotten5: they are the connection's, not the session's.
func aliasesForgotten5(s *scene) {
	p := s.join("c", kept)
	p.publish(packet.Publish{Topic: s.topic("x"), TopicAlias: 1, QoS: 1, Payload: []byte("x")})
	p.publish(packet.Publish{TopicAlias: 1, QoS: 1, Payload: []byte("x")})
	p.leave()
	p.join(kept)
	p.send(&packet.Publish{TopicAlias: 1, QoS: 1, PacketID: 9, Payload: []byte("x")})
	p.thrownOut(protocol, packet.TopicAliasInvalid)
}

// aliasesSent5: the server uses no number beyond the client's maximum, none without one, and none on a connection that it
// did not set there.
func aliasesSent5(s *scene) {
	for _, limit := range []uint16{0, 1, 3, 65535} {
		p := s.join(fmt.Sprint("c", limit), kept, aliasesOf(limit))
		p.sub(1, s.topic("#"))
		for range 2 {
			known := map[uint16]string{}
			for n := range 12 {
				topic := s.topic([]string{"a", "b", "a", "c/d", "a", "b"}[n%6])
				s.publisher().say(topic, "text")
				m := p.message()
				p.accept(m)
				if m.TopicAlias > limit {
					s.Errorf("alias %d, the maximum is %d", m.TopicAlias, limit)
				}
				got := m.Topic
				if got == "" {
					got = known[m.TopicAlias]
				}
				if m.TopicAlias > 0 {
					known[m.TopicAlias] = got
				}
				if got != topic {
					s.Errorf("topic %q (alias %d), want %q", got, m.TopicAlias, topic)
				}
			}
			p.settled()
			p.cut()
			p.join(kept, aliasesOf(limit))
		}
		p.cut()
		p.join()
	}
}

// badAcksEnd5: a message that was answered with an error is done with, and not sent again.
func badAcksEnd5(s *scene) {
	p := s.join("c", kept)
	p.sub(2, s.topic("x"))
	for qos := byte(1); qos <= 2; qos++ {
		s.publisher().say(s.topic("x"), "text", qos)
		m := p.message()
		if qos == 1 {
			p.send(&packet.Puback{PacketID: m.PacketID, Code: packet.QuotaExceeded})
		} else {
			p.send(&packet.Pubrec{PacketID: m.PacketID, Code: packet.QuotaExceeded})
		}
		p.settled() // no PUBREL for it either
		p.cut()
		p.join(kept)
		p.nothingBut(s.topic("x"))
		p.settled()
	}
}

// failedIsFree5: after a PUBREC with an error its packet id stands for a new message.
func failedIsFree5(s *scene) {
	p := s.join("c", kept)
	m := unwelcome(s.topic("x"))
	m.QoS, m.PacketID = 2, 5
	if code := p.publish(m); !code.Failed() {
		s.Fatalf("PUBREC %v for a message that RocketMQ cannot take", code)
	}
	sub := s.join("sub")
	sub.sub(2, s.topic("x"))
	p.publish(packet.Publish{DUP: true, Topic: s.topic("x"), QoS: 2, PacketID: 5, Payload: []byte("new")})
	sub.got("new")
	sub.nothingBut(s.topic("x"))
}
