package e2e

import (
	"fmt"

	"lmqgate/adapter/packet"
)

// newcomer subscribes now and gets exactly the retained texts, in any order, with RETAIN 1.
func (s *scene) newcomer(filter string, texts ...string) {
	s.Helper()
	p := s.join(fmt.Sprintf("late%d", s.peers))
	p.sub(2, filter, s.aside("fence"))
	p.retained(texts...)
	p.nothingBut(s.aside("fence"))
	p.cut()
}

// isRetained waits until the topic's retained message has that text, "" for none: what is published with QoS 0 is
// not acknowledged.
func (s *scene) isRetained(topic, text string) {
	s.Helper()
	s.publisher()
	eventually(s, soon, func() error {
		p := s.join(fmt.Sprint("probe", s.peers))
		defer p.cut()
		p.send(&packet.Subscribe{PacketID: p.packetID(), Filters: []packet.Subscription{{Filter: topic}, {Filter: s.aside("probe")}}})
		for acked := false; !acked; { // what was just published may come before SUBACK, as a live message
			next, err := p.next(soon)
			must(s, err)
			_, acked = next.(*packet.Suback)
		}
		s.pub.say(s.aside("probe"), "end")
		got := ""
		for m := p.message(); string(m.Payload) != "end"; m = p.message() {
			if m.Retain {
				got = string(m.Payload)
			}
		}
		if got != text {
			return fmt.Errorf("retained is %q, want %q", got, text)
		}
		return nil
	})
}

// retained takes the retained messages with these texts, in any order, and nothing else.
func (p *peer) retained(texts ...string) {
	p.s.Helper()
	missing := map[string]int{}
	for _, text := range texts {
		missing[text]++
	}
	var all []*packet.Publish
	for range texts {
		m := p.message()
		if missing[string(m.Payload)]--; missing[string(m.Payload)] < 0 {
			p.s.Errorf("got %q, want one of %q", m.Payload, texts)
		}
		if !m.Retain || m.DUP {
			p.s.Errorf("%q came with RETAIN %v, DUP %v", m.Payload, m.Retain, m.DUP)
		}
		all = append(all, m)
	}
	p.acceptAll(all)
	p.quiet()
}

// noRetained requires that who subscribes now gets nothing; the fence is a message to the topic. It is is coming by a message under the same filter.
func (s *scene) noRetained(filter, topic string) {
	s.Helper()
	p := s.join(fmt.Sprintf("none%d", s.peers))
	p.sub(2, filter)
	p.nothingBut(topic)
}

// retainStores keeps the message and its QoS for those who subscribe later.
func retainStores(s *scene) {
	for qos := range byte(3) {
		topic := s.topic(fmt.Sprint("x", qos))
		s.publisher().keep(topic, "kept", qos)
		p := s.join(fmt.Sprint("late", qos))
		p.sub(2, topic)
		if m := p.got("kept"); m.QoS != qos || !m.Retain || m.Topic != topic {
			s.Errorf("QoS %d: %+v", qos, m)
		}
		p.nothingBut(topic)
	}
}

// retainLast: one message for each matching topic, the last.
func retainLast(s *scene) {
	for n := range 3 {
		for _, topic := range []string{"a", "b", "c/d", "other"} {
			s.publisher().keep(s.topic(topic), fmt.Sprint(topic, n), byte(n))
		}
	}
	s.newcomer(s.topic("a"), "a2")
	s.newcomer(s.topic("+"), "a2", "b2", "other2")
	s.newcomer(s.topic("#"), "a2", "b2", "c/d2", "other2")
	s.newcomer(s.topic("c/#"), "c/d2")
	s.noRetained(s.topic("nothing/#"), s.topic("nothing/x"))
}

// retainQoS0 replaces what was there, whatever its QoS.
func retainQoS0(s *scene) {
	s.publisher().keep(s.topic("x"), "old", 2)
	s.publisher().keep(s.topic("x"), "new", 0)
	s.newcomer(s.topic("x"), "new")
}

// retainEmpty: the message goes to subscribers, and removes what was retained.
func retainEmpty(s *scene) {
	p := s.join("sub")
	p.sub(1, s.topic("x"))
	p.nothingBut(s.topic("x")) // what is retained has been read by then
	for qos := range byte(3) {
		s.publisher().keep(s.topic("x"), "kept", qos)
		p.got("kept")
		s.publisher().keep(s.topic("x"), "", qos)
		if m := p.got(""); m.Retain {
			s.Error("RETAIN is 1 for a subscription that was there before")
		}
		s.noRetained(s.topic("x"), s.topic("x"))
		p.message() // the fence
	}
}

// retainNot: a message without RETAIN is not kept, and leaves alone what is.
func retainNot(s *scene) {
	s.publisher().say(s.topic("x"), "passing")
	s.noRetained(s.topic("x"), s.topic("x"))
	s.publisher().keep(s.topic("y"), "kept")
	s.publisher().say(s.topic("y"), "passing")
	s.publisher().say(s.topic("y"), "")
	s.newcomer(s.topic("y"), "kept")
}

// retainFlag is 1 for what comes because of a new subscription, 0 for what comes to one that was there.
func retainFlag(s *scene) {
	p := s.join("sub")
	p.sub(1, s.topic("+"))
	p.nothingBut(s.topic("x")) // what is retained has been read by then
	s.publisher().keep(s.topic("x"), "kept")
	if m := p.got("kept"); m.Retain {
		s.Error("RETAIN is 1 for a subscription that was there before")
	}
	s.newcomer(s.topic("+"), "kept")
}

// retainOutlivesSession: of the one who published it, and of the one who got it.
func retainOutlivesSession(s *scene) {
	p := s.join("c", kept)
	p.keep(s.topic("x"), "kept")
	p.sub(1, s.topic("x"))
	p.retained("kept")
	p.leave()
	p.join() // ends the session
	p.leave()
	s.newcomer(s.topic("x"), "kept")
}

// retainAgain: who subscribes to the same filter again gets the retained messages again.
func retainAgain(s *scene) {
	s.publisher().keep(s.topic("x"), "kept")
	p := s.join("sub", kept)
	for range 3 {
		p.sub(1, s.topic("+"))
		p.retained("kept")
	}
	p.settled()
	p.leave()
	p.join(kept) // not by itself
	p.nothingBut(s.topic("x"))
	p.sub(1, s.topic("+"))
	p.retained("kept")
}

// retainHandling5: 0 always, 1 for a new subscription only, 2 never.
func retainHandling5(handling byte) func(s *scene) {
	return func(s *scene) {
		s.publisher().keep(s.topic("x"), "kept")
		p := s.join("sub", kept)
		for round := range 3 {
			p.ask(packet.Subscription{Filter: s.topic("x"), QoS: 1, RetainHandling: handling})
			if handling == 0 || handling == 1 && round == 0 {
				p.retained("kept")
			}
			p.nothingBut(s.topic("x"))
		}
		p.settled()
		p.leave()
		p.join(kept)
		p.ask(packet.Subscription{Filter: s.topic("x"), QoS: 1, RetainHandling: handling})
		if handling == 0 {
			p.retained("kept")
		}
		p.nothingBut(s.topic("x"))
		p.unsub(s.topic("x"))
		p.ask(packet.Subscription{Filter: s.topic("x"), QoS: 1, RetainHandling: handling})
		if handling < 2 {
			p.retained("kept")
		}
		p.nothingBut(s.topic("x"))
	}
}

// retainAsPublished5: the flag comes as it was sent, or as 0; retained messages have it at subscription anyway.
func retainAsPublished5(as bool) func(s *scene) {
	return func(s *scene) {
		s.publisher().keep(s.topic("x"), "kept")
		p := s.join("sub")
		p.ask(packet.Subscription{Filter: s.topic("x"), QoS: 1, RetainAsPublished: as})
		p.retained("kept")
		s.publisher().keep(s.topic("x"), "with")
		if m := p.got("with"); m.Retain != as {
			s.Errorf("RETAIN is %v", m.Retain)
		}
		s.publisher().say(s.topic("x"), "without")
		if m := p.got("without"); m.Retain {
			s.Error("RETAIN is true for a message without")
		}
	}
}

// retainOffered5: nothing says that retained messages are not served.
func retainOffered5(s *scene) {
	p := s.peer("c")
	w := s.testament("kept")
	w.Retain = true
	if p.join(will(w)).Properties.NoRetain {
		s.Error("retain available is 0")
	}
	p.keep(s.topic("x"), "kept")
}

// retainExpires5: a retained message goes when its expiry interval has passed, and says before that how much is left.
func retainExpires5(s *scene) {
	s.publisher().publish(packet.Publish{
		Topic: s.topic("x"), QoS: 1, Retain: true, Payload: []byte("short"), Properties: packet.Properties{HasExpiry: true, Expiry: 1},
	})
	s.publisher().publish(packet.Publish{
		Topic: s.topic("y"), QoS: 1, Retain: true, Payload: []byte("long"), Properties: packet.Properties{HasExpiry: true, Expiry: 1000},
	})
	s.pass(2)
	p := s.join("sub")
	p.sub(1, s.topic("+"))
	if m := p.got("long"); !m.Properties.HasExpiry || m.Properties.Expiry > 998 || m.Properties.Expiry < 900 {
		s.Errorf("expiry %d", m.Properties.Expiry)
	}
	p.nothingBut(s.topic("x"))
}
