package e2e

import (
	"fmt"
	"slices"
	"strings"

	"lmqgate/adapter/packet"
)

// matching subscribes one client to a filter and publishes to topics of which it must get exactly some.
func (s *scene) matching(filter string, yes, no []string) {
	s.Helper()
	p := s.join(fmt.Sprint("m", s.peers))
	p.sub(1, filter)
	for _, topic := range no {
		s.publisher().say(topic, "no: "+topic)
	}
	for _, topic := range yes {
		s.publisher().say(topic, "yes: "+topic)
		if m := p.got("yes: " + topic); m.Topic != topic {
			s.Errorf("topic %q came as %q", topic, m.Topic)
		}
	}
	p.quiet()
	p.cut()
}

// below makes topics of the scene.
func (s *scene) below(rest ...string) []string {
	list := slices.Clone(rest)
	for i, r := range list {
		list[i] = s.topic(r)
	}
	return list
}

// filtersMatch is the matching of section 4.7.
func filtersMatch(s *scene) {
	parent := strings.TrimSuffix(s.topic(""), "/")
	s.matching(s.topic("a/#"), s.below("a", "a/b", "a/b/c", "a/"), s.below("ab", "b/a", "A/b"))
	s.matching(s.topic("#"), append(s.below("a", "", "a//b"), parent), []string{parent + "x/a", parent + "x"})
	s.matching(s.topic("a/+"), s.below("a/b", "a/", "a/$b"), s.below("a", "a/b/c", "a/b/"))
	s.matching(s.topic("+/b/+"), s.below("a/b/c", "/b/"), s.below("a/b", "a/b/c/d", "a/x/c"))
	s.matching(s.topic("+/+"), s.below("/", "a/b"), s.below("a", "a/b/c"))
	s.matching(s.topic("+"), s.below("a", ""), s.below("/", "a/"))
	s.matching(s.topic("a/+/#"), s.below("a/b", "a/b/c", "a//"), s.below("a", "b/b"))
}

// dollarTopics: a wildcard at the start of a filter does not match topics that begin with $.
func dollarTopics(s *scene) {
	dollar := "$" + s.at.first + s.tag
	for _, filter := range []string{"#", "+/x", "+/#", "+/+"} {
		p := s.join(fmt.Sprint("all", s.peers))
		p.sub(1, filter)
		exact := s.join(fmt.Sprint("exact", s.peers))
		exact.sub(1, dollar+"/x")
		tree := s.join(fmt.Sprint("tree", s.peers))
		tree.sub(1, dollar+"/#")
		s.publisher().say(dollar+"/x", "dollar")
		exact.got("dollar")
		tree.got("dollar")
		end := s.at.first + s.tag + "/x"
		s.publisher().say(end, "end "+s.tag)
		for {
			m := p.message()
			p.accept(m)
			if strings.HasPrefix(m.Topic, "$") {
				s.Errorf("%s matched %s", filter, m.Topic)
			}
			if string(m.Payload) == "end "+s.tag { // others publish too
				break
			}
		}
		p.cut()
		exact.cut()
		tree.cut()
	}
}

// asWritten: names are compared as they are, character by character.
func asWritten(s *scene) {
	names := []string{
		"name", "Name", "NAME", "name ", " name", "n\u0061\u0308me", "n\u00e4me", "name/", "/name", "name//", "%6eame", "na%me", "na,me", "naïve", "★", "\u200b",
		"name\u00a0", "a\\b", "a.b", "a*b", "n\U0001F600me",
	}
	p := s.join("one")
	for _, name := range names {
		p.sub(1, s.topic(name))
		for _, other := range names {
			s.publisher().say(s.topic(other), other)
		}
		if m := p.got(name); m.Topic != s.topic(name) {
			s.Errorf("topic %q, want %q", m.Topic, s.topic(name))
		}
		p.quiet()
		p.unsub(s.topic(name))
	}
	p.sub(1, s.topic("end"))
	p.nothingBut(s.topic("end"))
}

// longNames: up to 65,535 bytes. What is longer than RocketMQ or the packet size allows may be refused, nothing is cut.
func longNames(s *scene) {
	for _, n := range []int{1000, 10_000, 65_535 - len(s.topic(""))} {
		topic := s.topic(strings.Repeat("x", n))
		p := s.join(fmt.Sprint("sub", n))
		p.send(&packet.Subscribe{PacketID: 1, Filters: []packet.Subscription{{Filter: topic, QoS: 1}, {Filter: s.topic("x/+"), QoS: 1}}})
		granted := want[*packet.Suback](s, p.wire).Codes
		q := s.join(fmt.Sprint("pub", n))
		q.send(&packet.Publish{Topic: topic, QoS: 1, PacketID: 1, Payload: []byte("long")})
		answer, err := q.next(soon)
		ack, ok := answer.(*packet.Puback)
		switch {
		case err != nil: // closed
		case p.wire.v != packet.V5 && n > 32767-200: // acknowledged and dropped: 3.1.1 has no other way to refuse [MQTT-3.3.5-2]
		case ok && !ack.Code.Failed() && !granted[0].Failed():
			if m := p.got("long"); m.Topic != topic {
				s.Errorf("topic of %d bytes came with %d", len(topic), len(m.Topic))
			}
		}
		p.nothingBut(s.topic("x/y"))
	}
}
