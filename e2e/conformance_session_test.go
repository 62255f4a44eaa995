package e2e

import (
	"fmt"

	"lmqgate/adapter/packet"
)

// resumed: a session goes on where the connection before ended, and is made if there is none.
func resumed(s *scene) {
	p := s.peer("c")
	if p.join(kept).SessionPresent {
		s.Error("session present at the first connection")
	}
	p.sub(1, s.topic("x"))
	for round := range 4 {
		p.settled()
		if round%2 == 0 {
			p.leave()
		} else {
			p.cut()
		}
		if !p.join(kept).SessionPresent {
			s.Fatalf("round %d: session not present", round)
		}
		p.nothingBut(s.topic("x"))
	}
}

// storedMeanwhile: messages of QoS 1 and 2 that match a subscription of the absent client wait for it.
func storedMeanwhile(s *scene) {
	p := s.join("c", kept)
	p.sub(2, s.topic("+"))
	p.leave()
	for n := range 6 {
		s.publisher().say(s.topic("x"), fmt.Sprint(n), byte(1+n%2))
	}
	p.join(kept)
	next := []int{0, 0, 1} // by QoS: the order of those with another QoS is not promised
	var all []*packet.Publish
	for range 6 {
		m := p.message()
		all = append(all, m)
		if string(m.Payload) != fmt.Sprint(next[m.QoS]) || m.DUP {
			s.Errorf("QoS %d: %q, want %d; DUP %v", m.QoS, m.Payload, next[m.QoS], m.DUP)
		}
		next[m.QoS] += 2
	}
	p.acceptAll(all)
	p.nothingBut(s.topic("x"))
}

// discarded: a clean start forgets subscriptions, messages and packet ids, and leaves nothing for the next connection.
func discarded(s *scene) {
	p := s.join("c", kept)
	p.sub(1, s.topic("x"))
	p.send(&packet.Publish{Topic: s.topic("y"), QoS: 2, PacketID: 9, Payload: []byte("first")})
	want[*packet.Pubrec](s, p.wire) // it is not released
	p.cut()
	s.publisher().say(s.topic("x"), "for the old session")
	if p.join().SessionPresent { // a session of this connection only
		s.Error("session present after a clean start")
	}
	p.sub(1, s.topic("y"))
	p.send(&packet.Publish{Topic: s.topic("y"), QoS: 2, PacketID: 9, Payload: []byte("second")})
	p.unordered("second", &packet.Pubrec{PacketID: 9})
	p.send(&packet.Pubrel{PacketID: 9})
	want[*packet.Pubcomp](s, p.wire)
	p.nothingBut(s.topic("y"))
	p.cut()
	if p.join(kept).SessionPresent {
		s.Error("session present after one that ended with its connection")
	}
	s.publisher().say(s.topic("y"), "nobody's")
	p.sub(1, s.topic("z"))
	p.nothingBut(s.topic("z"))
}

// unordered takes two packets in any order: the message with that text, which it acknowledges, and a PUBREC.
func (p *peer) unordered(text string, rec *packet.Pubrec) {
	p.s.Helper()
	for range 2 {
		one, err := p.next(soon)
		if err != nil {
			p.s.Fatal(err)
		}
		switch one := one.(type) {
		case *packet.Publish:
			if string(one.Payload) != text {
				p.s.Errorf("got %q", one.Payload)
			}
			p.send(&packet.Puback{PacketID: one.PacketID})
		case *packet.Pubrec:
			if one.PacketID != rec.PacketID {
				p.s.Errorf("PUBREC %d", one.PacketID)
			}
		default:
			p.s.Fatalf("got %v", one.Type())
		}
	}
}

// sessionPresent is 0 for a clean start, 1 where there is a session, else 0.
func sessionPresent(s *scene) {
	p := s.peer("c")
	for n, c := range []struct {
		option  option
		present bool
	}{
		{kept, false},
		{kept, true},
		{func(*packet.Connect) {}, false}, // ends the session
		{kept, false},
		{kept, true},
	} {
		if got := p.join(c.option).SessionPresent; got != c.present {
			s.Errorf("connection %d: session present is %v", n, got)
		}
		p.leave()
	}
}

// wholeState: subscriptions, messages sent and not acknowledged in either direction and at each step of QoS 2 are the
// session's, over connections to different instances.
func wholeState(s *scene) {
	p := s.join("c", kept)
	p.sub(2, s.topic("in"))
	witness := s.join("witness")
	witness.sub(2, s.topic("out"))

	s.publisher().say(s.topic("in"), "one", 1)
	one := p.message()
	s.publisher().say(s.topic("in"), "two", 2)
	two := p.message()
	s.publisher().say(s.topic("in"), "three", 2)
	three := p.message()
	p.send(&packet.Pubrec{PacketID: three.PacketID})
	want[*packet.Pubrel](s, p.wire)
	p.send(&packet.Publish{Topic: s.topic("out"), QoS: 2, PacketID: 77, Payload: []byte("once")})
	want[*packet.Pubrec](s, p.wire)
	p.settled()
	p.cut()

	p.join(kept)
	again := map[uint16]*packet.Publish{}
	released := false
	for range 3 {
		next, err := p.next(soon)
		if err != nil {
			s.Fatal(err)
		}
		switch next := next.(type) {
		case *packet.Publish:
			again[next.PacketID] = next
		case *packet.Pubrel:
			released = next.PacketID == three.PacketID
		}
	}
	for _, m := range []*packet.Publish{one, two} {
		if a := again[m.PacketID]; a == nil || string(a.Payload) != string(m.Payload) || !a.DUP || a.QoS != m.QoS {
			s.Errorf("instead of %q with packet id %d came %+v", m.Payload, m.PacketID, a)
		}
	}
	if !released {
		s.Error("PUBREL was not repeated")
	}
	p.send(&packet.Puback{PacketID: one.PacketID}, &packet.Pubcomp{PacketID: three.PacketID})
	p.accept(two)
	p.send(&packet.Publish{DUP: true, Topic: s.topic("out"), QoS: 2, PacketID: 77, Payload: []byte("once")})
	want[*packet.Pubrec](s, p.wire)
	p.send(&packet.Pubrel{PacketID: 77})
	want[*packet.Pubcomp](s, p.wire)
	p.nothingBut(s.topic("in"))
	witness.got("once")
	witness.nothingBut(s.topic("out"))
}

// cleanWhileConnected: a session that ends with its connection is there for as long as that.
func cleanWhileConnected(s *scene) {
	p := s.join("c")
	p.sub(1, s.topic("x"))
	witness := s.join("witness")
	witness.sub(2, s.topic("out"))
	p.send(&packet.Publish{Topic: s.topic("out"), QoS: 2, PacketID: 3, Payload: []byte("once")})
	want[*packet.Pubrec](s, p.wire)
	for range 3 { // other clients come and go
		s.join("other").leave()
	}
	p.send(&packet.Publish{DUP: true, Topic: s.topic("out"), QoS: 2, PacketID: 3, Payload: []byte("once")})
	want[*packet.Pubrec](s, p.wire)
	p.send(&packet.Pubrel{PacketID: 3})
	want[*packet.Pubcomp](s, p.wire)
	p.nothingBut(s.topic("x"))
	witness.got("once")
	witness.nothingBut(s.topic("out"))
}

// expires5: the session is there before its expiry interval is over and gone after it; not while the client is connected.
func expires5(s *scene) {
	p := s.join("c", lasting(2))
	p.sub(1, s.topic("x"))
	clock := s.join("clock", lasting(2))
	clock.leave()
	s.gone(clock, 2)
	p.nothingBut(s.topic("x")) // connected meanwhile
	p.leave()
	if !p.join(lasting(2)).SessionPresent {
		s.Error("the session is gone at once")
	}
	p.leave()
	s.gone(p, 2)
}

// gone waits, by wills that say what time it is, until more than the seconds have passed, and requires that the session is
// gone then.
func (s *scene) gone(p *peer, seconds uint32) {
	s.Helper()
	s.pass(seconds + 1)
	if p.join(lasting(seconds)).SessionPresent {
		s.Errorf("%s: the session is there after %d s", p.id, seconds+1)
	}
}

// ageZero5: an expiry interval of 0, or none, ends the session with the connection.
func ageZero5(s *scene) {
	p := s.peer("c")
	p.join(lasting(0))
	p.sub(1, s.topic("x"))
	p.cut()
	if p.join(lasting(0)).SessionPresent {
		s.Error("session present")
	}
}
