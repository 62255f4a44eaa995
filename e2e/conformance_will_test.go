package e2e

import "lmqgate/adapter/packet"

// testament is a will with QoS 1 on the scene's topic "will".
func (s *scene) testament(text string) packet.Will {
	return packet.Will{Topic: s.topic("will"), QoS: 1, Payload: []byte(text)}
}

// mourner is a client that waits for wills, and for fences.
func (s *scene) mourner() *peer {
	p := s.join("mourner")
	p.sub(2, s.topic("will"))
	return p
}

// noWill is the fence behind which a will of a connection that ended before cannot come any more: another client's will,
// made known after it.
func (s *scene) noWill(mourner *peer) {
	s.Helper()
	last := s.join("last", will(s.testament("last will")))
	last.cut()
	mourner.got("last will")
	mourner.nothingBut(s.topic("will"))
}

// willPublished: when the connection ends in whatever way but a DISCONNECT.
func willPublished(s *scene) {
	each(s, map[string]func(p *peer){
		"connection lost": func(p *peer) { p.cut() },
		"protocol error": func(p *peer) {
			c := p.hello()
			p.send(&c)
			p.thrownOut(protocol)
		},
		"keep alive":    func(p *peer) { p.thrownOut(packet.KeepAliveTimeout) },
		"malformed":     func(p *peer) { p.raw([]byte{0x36, 3, 0, 1, 'a'}); p.thrownOut(malformed) },
		"half a packet": func(p *peer) { p.raw([]byte{0x30, 9, 0, 1}); p.cut() },
		"taken over":    func(p *peer) { q := *p; q.join(); p.thrownOut(packet.SessionTakenOver) },
	}, func(s *scene, end func(p *peer)) {
		m := s.mourner()
		p := s.join("c", alive(1), will(s.testament("last words")))
		end(p)
		m.got("last words")
		m.quiet()
	})
}

// willDiscarded: a DISCONNECT ends it, for this connection and those after it.
func willDiscarded(s *scene) {
	m := s.mourner()
	for _, o := range []option{kept, func(*packet.Connect) {}} {
		p := s.join("c", o, will(s.testament("not to be heard")))
		p.leave()
		p.join(o)
		p.cut()
	}
	s.noWill(m)
}

// willOnce: a will that was published is not published again, and not by a later connection without one.
func willOnce(s *scene) {
	m := s.mourner()
	p := s.join("c", kept, will(s.testament("once")))
	p.cut()
	m.got("once")
	for range 2 {
		p.join(kept)
		p.cut()
	}
	s.noWill(m)
}

// willNone: without the flag nothing is published when the connection ends.
func willNone(s *scene) {
	m := s.mourner()
	p := s.join("c", kept)
	p.cut()
	p.join()
	p.cut()
	s.noWill(m)
}

// willQoS: 0, 1 and 2, each as it was asked for; 3 is no QoS.
func willQoS(s *scene) {
	m := s.mourner()
	for qos := range byte(3) {
		w := s.testament("text")
		w.QoS = qos
		p := s.join("c", will(w))
		p.cut()
		if got := m.got("text"); got.QoS != qos {
			s.Errorf("will of QoS %d came with %d", qos, got.QoS)
		}
	}
	s.refused(connectRaw(s.v, flagClean|flagWill|0x18, str(s.tag), props(s.v), str("w"), str("m")), malformed, protocol)
}

// willNotRetained: later subscribers do not get it.
func willNotRetained(s *scene) {
	m := s.mourner()
	p := s.join("c", will(s.testament("gone")))
	p.cut()
	m.got("gone")
	late := s.join("late")
	late.sub(1, s.topic("will"))
	late.nothingBut(s.topic("will"))
}

// willRetained: later subscribers get it, those who are there get it as any message.
func willRetained(s *scene) {
	m := s.mourner()
	w := s.testament("stays")
	w.Retain = true
	p := s.join("c", will(w))
	p.cut()
	if got := m.got("stays"); got.Retain {
		s.Error("RETAIN is 1 for a subscription that was there before")
	}
	late := s.join("late")
	late.sub(1, s.topic("will"))
	if got := late.got("stays"); !got.Retain || got.QoS != 1 {
		s.Errorf("RETAIN %v, QoS %d", got.Retain, got.QoS)
	}
	late.nothingBut(s.topic("will"))
}

// willTopicBroken is not UTF-8, or no topic name.
func willTopicBroken(s *scene) {
	each(s, map[string]string{
		"not UTF-8": "a\xff", "surrogate": "a\xed\xa0\x80", "U+0000": "a\x00b", "wildcard": "a/#", "empty": "",
	}, func(s *scene, topic string) {
		s.refused(connectRaw(s.v, flagClean|flagWill, str(s.tag), props(s.v), str(topic), str("m")), malformed, protocol, packet.TopicNameInvalid)
	})
}

// nameBroken: a user name that is not UTF-8.
func nameBroken(s *scene) {
	each(s, map[string]string{"not UTF-8": "a\xff", "surrogate": "a\xed\xa0\x80", "U+0000": "a\x00b"}, func(s *scene, name string) {
		s.refused(connectRaw(s.v, flagClean|flagUsername, str(s.tag), str(name)), malformed, packet.BadUserNameOrPassword)
	})
}

// badGoodbye: a DISCONNECT with reserved bits set is none, so the will is published; 5.0 says 0x81.
func badGoodbye(s *scene) {
	m := s.mourner()
	p := s.join("c", will(s.testament("not a goodbye")))
	p.raw([]byte{0xe1, 0})
	p.thrownOut(malformed)
	m.got("not a goodbye")
}

// willDelay5: the will comes when its delay is over or the session ends, whichever is first.
func willDelay5(s *scene) {
	each(s, map[string]packet.Connect{
		"delay over":    {Properties: packet.ConnectProperties{SessionExpiry: 3600}, Will: &packet.Will{Delay: 2}},
		"session ended": {Properties: packet.ConnectProperties{SessionExpiry: 2}, Will: &packet.Will{Delay: 3600}},
		"no session":    {Properties: packet.ConnectProperties{SessionExpiry: 0}, Will: &packet.Will{Delay: 3600}},
	}, func(s *scene, c packet.Connect) {
		m := s.mourner()
		p := s.join("c", lasting(c.Properties.SessionExpiry), will(packet.Will{
			Topic: s.topic("will"), QoS: 1, Payload: []byte("late"), Delay: c.Will.Delay,
		}))
		p.cut()
		m.got("late")
		m.quiet()
	})
}

// willDelayReturn5: the client is back in time, so its will is not published, neither then nor later.
func willDelayReturn5(s *scene) {
	m := s.mourner()
	w := s.testament("too early")
	w.Delay = 3
	p := s.join("c", kept, will(w))
	p.cut()
	p.join(kept)
	clock := s.join("clock", kept, will(packet.Will{Topic: s.topic("will"), QoS: 1, Payload: []byte("later"), Delay: 4}))
	clock.cut()
	m.got("later") // the time of the first will is over
	m.nothingBut(s.topic("will"))
	p.quiet()
}

// willOfGoodbye5: reason code 4 says that the will is to be published all the same.
func willOfGoodbye5(s *scene) {
	m := s.mourner()
	p := s.join("c", will(s.testament("wanted")))
	p.send(&packet.Disconnect{Code: packet.DisconnectWithWill})
	p.wantEnd(s)
	m.got("wanted")
}

// willProperties5: they travel with the message, user properties in their order.
func willProperties5(s *scene) {
	m := s.mourner()
	w := s.testament("text")
	w.Properties = packet.Properties{
		HasFormat: true, PayloadFormat: 1, ContentType: "text/plain", ResponseTopic: "answer", CorrelationData: []byte{0, 1},
		User: []packet.UserProperty{{Key: "b", Value: "1"}, {Key: "a", Value: "2"}, {Key: "b", Value: "0"}, {Key: "", Value: ""}},
	}
	p := s.join("c", will(w))
	p.cut()
	if got := m.got("text"); !sameProperties(got.Properties, w.Properties) {
		s.Errorf("got %+v", got.Properties)
	}
}
