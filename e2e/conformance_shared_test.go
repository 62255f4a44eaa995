package e2e

import (
	"fmt"
	"sync"

	"lmqgate/adapter/packet"
)

// share is a shared filter of the scene.
func (s *scene) share(group, rest string) string {
	return "$share/" + s.tag + group + "/" + s.topic(rest)
}

// sharedOnce5: each message goes to one member of each group, and to all who subscribe for themselves.
func sharedOnce5(s *scene) {
	const n = 24
	witness := s.join("witness")
	witness.sub(1, s.topic("+"))
	var members []*peer
	for i := range 3 {
		p := s.join(fmt.Sprint("member", i))
		p.sub(byte(i), s.share("g", "+"))
		members = append(members, p)
	}
	alone := s.join("alone")
	alone.sub(1, s.share("h", "x"))
	members = append(members, alone)
	type arrived struct {
		member int
		text   string
	}
	all := make(chan arrived)
	var work sync.WaitGroup
	for i, p := range members {
		w := p.wire
		work.Go(func() {
			for {
				one, err := w.next(soon)
				if err != nil {
					return
				}
				switch m := one.(type) {
				case *packet.Publish:
					if m.QoS == 1 {
						w.send(&packet.Puback{PacketID: m.PacketID})
					} else if m.QoS == 2 {
						w.send(&packet.Pubrec{PacketID: m.PacketID})
					}
					all <- arrived{i, string(m.Payload)}
				case *packet.Pubrel:
					w.send(&packet.Pubcomp{PacketID: m.PacketID})
				}
			}
		})
	}
	for i := range n {
		s.publisher().say(s.topic("x"), fmt.Sprint(i), byte(1+i%2))
	}
	go func() { work.Wait(); close(all) }()
	seen := map[string]int{}
	for got := range 2 * n {
		a, ok := <-all
		if !ok {
			s.Fatalf("%d of %d messages came", got, 2*n)
		}
		group := "g "
		if a.member == len(members)-1 {
			group = "h "
		}
		if seen[group+a.text]++; seen[group+a.text] > 1 {
			s.Errorf("group %s got %s twice", group, a.text)
		}
	}
	for i := range n {
		witness.got(fmt.Sprint(i))
	}
	for _, p := range members {
		p.cut()
	}
	for a := range all {
		s.Errorf("one more: %+v", a)
	}
}

// sharedFilters5: which are shared filters at all.
func sharedFilters5(s *scene) {
	filtersRefused("$share/g", "$share//"+s.topic("x"), "$share/g/", "$share/", "$share/+/"+s.topic("x"), "$share/g#/"+s.topic("x"),
		"$share/g+/"+s.topic("x"), "$share/#", "$share/g/"+s.topic("a#"), "$share/g/"+s.topic("#/a"))(s)
	p := s.join("good")
	p.sub(1, s.share("g", "x"), s.share("g", "#"), s.share("g", "+/a"))
	p.unsub(s.share("g", "x"), s.share("g", "#"))
}

// sharedQoS5: as for any subscription, the lower of the two.
func sharedQoS5(s *scene) {
	for granted := range byte(3) {
		p := s.join(fmt.Sprint("member", granted))
		filter := s.share(fmt.Sprint("g", granted), "x")
		p.sub(granted, filter)
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

// sharedBegun has one member get a message, leaves it open, and adds a second member.
func (s *scene) sharedBegun(qos byte, o option) (first, second *peer, m *packet.Publish) {
	s.Helper()
	group := s.share(fmt.Sprint("g", qos), "x")
	first = s.join(fmt.Sprint("first", qos), o)
	first.sub(2, group)
	s.publisher().say(s.topic("x"), "text", qos)
	if m = first.message(); string(m.Payload) != "text" || m.QoS != qos {
		s.Fatalf("got %q with QoS %d", m.Payload, m.QoS)
	}
	second = s.join(fmt.Sprint("second", qos))
	second.sub(2, group)
	return first, second, m
}

// sharedCompleted5: a QoS 2 message that a member began to get is delivered to that member, when it is back.
func sharedCompleted5(s *scene) {
	first, second, m := s.sharedBegun(2, kept)
	first.settled()
	first.cut()
	s.publisher().say(s.topic("x"), "meanwhile") // may go to either
	first.join(kept)
	again := first.message()
	if again.PacketID != m.PacketID || !again.DUP || string(again.Payload) != "text" {
		s.Errorf("got %+v, before %+v", again, m)
	}
	first.send(&packet.Pubrec{PacketID: m.PacketID})
	for { // beside PUBREL, "meanwhile" may come
		one, err := first.next(soon)
		must(s, err)
		if rel, ok := one.(*packet.Pubrel); ok {
			if rel.PacketID != m.PacketID {
				s.Errorf("PUBREL %d", rel.PacketID)
			}
			break
		}
	}
	first.send(&packet.Pubcomp{PacketID: m.PacketID})
	first.cut()
	s.endOfShare(second, "text")
}

// sharedGone5: if the session of that member ends before, nobody else gets the message.
func sharedGone5(s *scene) {
	first, second, _ := s.sharedBegun(2, func(*packet.Connect) {})
	first.cut()
	s.endOfShare(second, "text")
}

// sharedRefused5: a message that a member answers with an error goes to nobody else.
func sharedRefused5(s *scene) {
	for qos := byte(1); qos <= 2; qos++ {
		first, second, m := s.sharedBegun(qos, func(*packet.Connect) {})
		if qos == 1 {
			first.send(&packet.Puback{PacketID: m.PacketID, Code: packet.UnspecifiedError})
		} else {
			first.send(&packet.Pubrec{PacketID: m.PacketID, Code: packet.UnspecifiedError})
		}
		first.quiet()
		first.unsub(s.share(fmt.Sprint("g", qos), "x"))
		first.leave()
		s.endOfShare(second, "text")
		second.cut()
	}
}

// endOfShare publishes until the member gets the end of it, and requires that it does not get the text before.
func (s *scene) endOfShare(member *peer, text string) {
	s.Helper()
	eventually(s, soon, func() error { // what others of the group hold may come late to this one
		s.publisher().say(s.topic("x"), "end")
		member.send(&packet.Pingreq{})
		ended := false
		for {
			one, err := member.next(soon)
			if err != nil {
				return fatal{err}
			}
			switch m := one.(type) {
			case *packet.Publish:
				if string(m.Payload) == text {
					return fatal{fmt.Errorf("%s got %q", member.id, text)}
				}
				ended = ended || string(m.Payload) == "end"
				if m.QoS == 1 {
					member.send(&packet.Puback{PacketID: m.PacketID})
				}
			case *packet.Pingresp:
				if ended {
					return nil
				}
				return fmt.Errorf("%s got no end", member.id)
			}
		}
	})
}
