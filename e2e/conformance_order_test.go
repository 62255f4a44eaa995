package e2e

import (
	"fmt"

	"lmqgate/adapter/packet"
)

// inOrder: what one client publishes to one topic with one QoS comes in that order, to whoever subscribes.
func inOrder(s *scene) {
	exact, wild := s.join("exact"), s.join("wild", kept)
	exact.sub(2, s.topic("x"))
	wild.sub(2, s.topic("#"))
	p := s.join("publisher2")
	const n = 20
	for qos := range byte(3) {
		for i := range n {
			m := packet.Publish{Topic: s.topic("x"), QoS: qos, Payload: []byte(fmt.Sprint(qos, i))}
			if qos > 0 {
				m.PacketID = p.packetID()
			}
			p.send(&m) // not waiting for its acknowledgement
		}
		for range int(qos) * n { // one answer to QoS 1, two to QoS 2
			answer, err := p.next(soon)
			if err != nil {
				s.Fatal(err)
			}
			if rec, ok := answer.(*packet.Pubrec); ok {
				p.send(&packet.Pubrel{PacketID: rec.PacketID})
			}
		}
		for _, sub := range []*peer{exact, wild} {
			var all []*packet.Publish
			for i := range n {
				all = append(all, sub.message())
				if got := string(all[i].Payload); got != fmt.Sprint(qos, i) {
					s.Errorf("QoS %d: message %d is %q", qos, i, got)
				}
			}
			sub.acceptAll(all)
		}
	}
}

// repeatedInOrder: what is sent again comes in the order of the first time, with its packet id and DUP.
func repeatedInOrder(s *scene) {
	p := s.join("c", kept)
	p.sub(2, s.topic("x"))
	const n = 9
	var first []*packet.Publish
	for i := range n {
		s.publisher().say(s.topic("x"), fmt.Sprint(i), byte(1+i%2))
		first = append(first, p.message())
	}
	p.settled()
	for round := range 2 {
		p.cut()
		p.join(kept)
		for i, m := range first {
			again := p.message()
			if string(again.Payload) != string(m.Payload) || again.PacketID != m.PacketID || !again.DUP || again.QoS != m.QoS {
				s.Fatalf("round %d, message %d: %q with packet id %d and DUP %v, sent before was %q with %d",
					round, i, again.Payload, again.PacketID, again.DUP, m.Payload, m.PacketID)
			}
		}
	}
	for _, m := range first {
		p.accept(m)
	}
	p.nothingBut(s.topic("x"))
	p.settled()
	p.cut()
	p.join(kept)
	p.nothingBut(s.topic("x"))
}

// releasedInOrder: PUBREL in the order of PUBREC, also when sent again.
func releasedInOrder(s *scene) {
	p := s.join("c", kept)
	p.sub(2, s.topic("x"))
	const n = 6
	var ids []uint16
	for i := range n {
		s.publisher().say(s.topic("x"), fmt.Sprint(i), 2)
		ids = append(ids, p.message().PacketID)
	}
	for _, i := range []int{3, 0, 5, 1, 4, 2} {
		p.send(&packet.Pubrec{PacketID: ids[i]})
	}
	for _, i := range []int{3, 0, 5, 1, 4, 2} {
		if id := want[*packet.Pubrel](s, p.wire).PacketID; id != ids[i] {
			s.Errorf("PUBREL %d, want %d", id, ids[i])
		}
	}
	for _, id := range ids {
		p.send(&packet.Pubcomp{PacketID: id})
	}
	p.nothingBut(s.topic("x"))
}

// acknowledgedInOrder: PUBACKs and PUBRECs each in the order of their PUBLISHes, whatever the topics.
func acknowledgedInOrder(qos byte) func(s *scene) {
	return func(s *scene) {
		p := s.join("c")
		const n = 20
		for i := range n {
			p.send(&packet.Publish{Topic: s.topic(fmt.Sprint("t", i%7)), QoS: qos, PacketID: uint16(1000 - i), Payload: []byte("x")})
		}
		for i := range n {
			var id uint16
			if qos == 1 {
				id = want[*packet.Puback](s, p.wire).PacketID
			} else {
				id = want[*packet.Pubrec](s, p.wire).PacketID
			}
			if id != uint16(1000-i) {
				s.Fatalf("acknowledgement %d is for packet id %d", i, id)
			}
		}
	}
}

// releasedNotRepeated: once PUBREL is sent the PUBLISH is not sent again, only PUBREL is, until PUBCOMP.
func releasedNotRepeated(s *scene) {
	p := s.join("c", kept)
	p.sub(2, s.topic("x"))
	s.publisher().say(s.topic("x"), "text", 2)
	m := p.message()
	p.send(&packet.Pubrec{PacketID: m.PacketID})
	if id := want[*packet.Pubrel](s, p.wire).PacketID; id != m.PacketID {
		s.Errorf("PUBREL %d for %d", id, m.PacketID)
	}
	for range 3 {
		p.cut()
		p.join(kept)
		if id := want[*packet.Pubrel](s, p.wire).PacketID; id != m.PacketID {
			s.Errorf("PUBREL %d for %d", id, m.PacketID)
		}
		p.quiet()
	}
	p.send(&packet.Pubcomp{PacketID: m.PacketID})
	p.settled()
	p.cut()
	p.join(kept)
	p.nothingBut(s.topic("x"))
}

// notRepeatedWhileConnected: a client that takes its time is not sent anything twice on one connection.
func notRepeatedWhileConnected(s *scene) {
	p := s.join("c", kept)
	p.sub(2, s.topic("x"))
	var open []*packet.Publish
	for qos := byte(1); qos <= 2; qos++ {
		s.publisher().say(s.topic("x"), fmt.Sprint(qos), qos)
		open = append(open, p.message())
	}
	s.pass(2)
	p.nothingBut(s.topic("x"))
	for _, m := range open {
		p.accept(m)
	}
	p.quiet()
}
