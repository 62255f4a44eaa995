package e2e

import (
	"bytes"
	"time"

	"lmqgate/adapter/packet"
)

const badID = packet.ClientIdentifierNotValid

// firstNotConnect: whatever comes instead of a CONNECT ends the connection.
func firstNotConnect(s *scene) {
	each(s, map[string][]byte{
		"PUBLISH":   fixed(0x30, str("a"), props(s.v), []byte("x")),
		"SUBSCRIBE": fixed(0x82, num(1), props(s.v), str("a"), []byte{0}),
		"PINGREQ":   fixed(0xc0),
		"PUBREL":    fixed(0x62, num(1)),
		"AUTH":      fixed(0xf0),
		"CONNACK":   fixed(0x20, []byte{0, 0}, props(s.v)),
	}, func(s *scene, b []byte) { s.closedSilently(b) })
}

func secondConnect(s *scene) {
	p := s.join("c")
	c := p.hello()
	p.send(&c)
	p.thrownOut(protocol)
}

// otherProtocolName is not served as MQTT.
func otherProtocolName(s *scene) {
	each(s, map[string]string{"MQTX": "MQTX", "lower case": "mqtt", "empty": "", "longer": "MQTTT"}, func(s *scene, name string) {
		got := s.exchange(fixed(0x10, str(name), []byte{byte(s.v), flagClean}, num(0), props(s.v), str(s.tag)))
		if len(got) > 0 && got[0] == 0x20 && len(got) > 3 && got[3] == 0 {
			s.Errorf("accepted: % x", got)
		}
	})
}

// otherLevel311: return code 1, and closed. A level above 5 may be answered in the newest version known.
func otherLevel311(s *scene) {
	for _, level := range []byte{0, 1, 2, 3} {
		if got := s.exchange(fixed(0x10, str("MQTT"), []byte{level, flagClean}, num(0), str(s.tag))); !bytes.Equal(got, []byte{0x20, 2, 0, 1}) {
			s.Errorf("level %d: % x", level, got)
		}
	}
	for _, level := range []byte{6, 0x84, 0xff} {
		got := s.exchange(fixed(0x10, str("MQTT"), []byte{level, flagClean}, num(0), props(packet.V5), str(s.tag)))
		if !bytes.Equal(got, []byte{0x20, 2, 0, 1}) && !bytes.HasPrefix(got, []byte{0x20, 3, 0, 0x84}) {
			s.Errorf("level %d: % x", level, got)
		}
	}
}

// otherLevel5 may be answered with 0x84 and is closed.
func otherLevel5(s *scene) {
	for _, level := range []byte{6, 7, 0x85, 0xff} {
		got := s.exchange(fixed(0x10, str("MQTT"), []byte{level, flagClean}, num(0), props(packet.V5), str(s.tag)))
		if len(got) > 0 && !(len(got) > 4 && got[0] == 0x20 && got[2] == 0 && got[3] == 0x84) {
			s.Errorf("level %d: % x", level, got)
		}
	}
}

func reservedConnectFlag(s *scene) {
	s.refused(connectRaw(s.v, flagClean|1, str(s.tag)), malformed, protocol)
}

// acceptedBytes is the shortest answer there is.
func acceptedBytes(s *scene) {
	p := s.peer("c")
	p.dial()
	p.raw(connectRaw(s.v, flagClean, str(p.id)))
	want[*packet.Connack](s, p.wire)
	got := p.conn.(*recorder).bytes()
	if s.is5() {
		if len(got) < 5 || got[0] != 0x20 || got[2] != 0 || got[3] != 0 {
			s.Errorf("CONNACK is % x", got)
		}
		return
	}
	if !bytes.Equal(got, []byte{0x20, 2, 0, 0}) {
		s.Errorf("CONNACK is % x", got)
	}
}

// nothingBeforeConnack: also where much waits to be sent.
func nothingBeforeConnack(s *scene) {
	p := s.join("c", kept)
	p.sub(2, s.topic("+"))
	p.leave()
	for range 5 {
		s.publisher().say(s.topic("x"), "waited")
	}
	for range 3 {
		p.dial()
		c := p.hello(kept)
		p.send(&c, &packet.Pingreq{}, &packet.Subscribe{PacketID: 7, Filters: []packet.Subscription{{Filter: s.topic("y")}}})
		want[*packet.Connack](s, p.wire)
		p.cut()
	}
}

// fieldMissing: the flags say that a field is there, and it is not.
func fieldMissing(flags byte) func(s *scene) {
	return func(s *scene) { s.refused(connectRaw(s.v, flagClean|flags, str(s.tag)), malformed, protocol) }
}

// fieldTooMany: the flags do not say that a field is there, and it is.
func fieldTooMany(flags byte, fields int) func(s *scene) {
	return func(s *scene) {
		payload := str(s.tag)
		for range fields {
			payload = append(payload, str("field")...)
		}
		s.refused(connectRaw(s.v, flagClean|flags, payload), malformed, protocol)
	}
}

// willFieldsMissing: topic, then message are needed with a will.
func willFieldsMissing(s *scene) {
	s.refused(connectRaw(s.v, flagClean|flagWill, str(s.tag)), malformed, protocol)
	s.refused(connectRaw(s.v, flagClean|flagWill, str(s.tag), props(s.v), str(s.topic("w"))), malformed, protocol)
}

func willFlagsWithoutWill(flags ...byte) func(s *scene) {
	return func(s *scene) {
		for _, f := range flags {
			s.refused(connectRaw(s.v, flagClean|f, str(s.tag)), malformed, protocol)
		}
	}
}

func passwordWithoutName(s *scene) {
	s.refused(connectRaw(s.v, flagClean|flagPassword, str(s.tag), str("secret")), malformed, protocol)
}

// allFields come in the order of the specification: what is read shows in the will and in the session.
func allFields(s *scene) {
	sub := s.join("sub")
	sub.sub(1, s.topic("#"))
	p := s.peer("c")
	p.dial()
	p.raw(connectRaw(s.v, flagClean|flagWill|0x08|flagUsername|flagPassword,
		str(p.id), props(s.v), str(s.topic("will")), str("message"), str("user"), str("password")))
	want[*packet.Connack](s, p.wire)
	p.cut()
	if m := sub.got("message"); m.Topic != s.topic("will") || m.QoS != 1 {
		s.Errorf("will on %s with QoS %d", m.Topic, m.QoS)
	}
}

// idIsSession: state belongs to the client id, byte for byte, and to nobody else.
func idIsSession(s *scene) {
	a := s.join("a", kept)
	a.sub(1, s.topic("a"))
	a.leave()
	for _, other := range []string{"A", "a ", "b", ""} {
		b := s.peer(other)
		if b.join(kept).SessionPresent {
			s.Errorf("%q has the session of %q", b.id, a.id)
		}
		b.leave()
	}
	s.publisher().say(s.topic("a"), "for a")
	if !a.join(kept).SessionPresent {
		s.Error("the session is gone")
	}
	a.got("for a")
}

func idMissing(s *scene)  { s.refused(connectRaw(s.v, flagClean), malformed, protocol) }
func idNotText(s *scene)  { s.refused(connectRaw(s.v, flagClean, str("a\xc0\x80")), malformed, badID) }
func idWithNull(s *scene) { s.refused(connectRaw(s.v, flagClean, str("a\x00b")), malformed, badID) }

// idsAllowed: one to 23 letters and digits.
func idsAllowed(s *scene) {
	letters := "0123456789abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ"
	for _, id := range []string{letters[:23], letters[23:46], letters[46:] + "0123456", letters[s.peers : s.peers+1]} {
		p := s.peer("")
		p.id = id
		p.join()
		p.quiet()
		p.leave()
	}
}

// idEmpty: each client without an id is one of its own.
func idEmpty(s *scene) {
	var all []*peer
	seen := map[string]bool{}
	for range 3 {
		p := s.peer("")
		p.id = ""
		ack := p.join()
		if ack.SessionPresent {
			s.Error("session present")
		}
		if id := ack.Properties.AssignedClientID; s.is5() && (id == "" || seen[id]) {
			s.Errorf("assigned client id %q", id)
		} else {
			seen[id] = true
		}
		p.sub(1, s.topic("x"))
		all = append(all, p)
	}
	s.publisher().say(s.topic("x"), "hello")
	for _, p := range all {
		p.got("hello")
		p.quiet()
	}
}

// idEmptyKept311: return code 2, then closed.
func idEmptyKept311(s *scene) {
	if got := s.exchange(connectRaw(s.v, 0, str(""))); !bytes.Equal(got, []byte{0x20, 2, 0, 2}) {
		s.Errorf("answered with % x", got)
	}
}

// brokenConnects are closed without a CONNACK in 3.1.1.
func brokenConnects(s *scene) {
	id := str(s.tag)
	each(s, map[string][]byte{
		"too short":             fixed(0x10, str("MQTT"), []byte{byte(s.v), flagClean}),
		"longer than said":      fixed(0x10, str("MQTT"), []byte{byte(s.v), flagClean}, num(0), props(s.v), id, []byte("more")),
		"reserved flag":         connectRaw(s.v, flagClean|1, id),
		"flags of first byte":   fixed(0x11, str("MQTT"), []byte{byte(s.v), flagClean}, num(0), props(s.v), id),
		"string beyond the end": connectRaw(s.v, flagClean, num(100), []byte("short")),
		"will QoS 3":            connectRaw(s.v, flagClean|flagWill|0x18, id, props(s.v), str("w"), str("m")),
	}, func(s *scene, b []byte) { s.refused(b, malformed, protocol) })
}

// takenOver: the client that was there is sent away, wherever the new one connects.
func takenOver(s *scene) {
	for _, o := range []option{kept, func(*packet.Connect) {}} {
		old := s.peer("c")
		old.join(o)
		fresh := *old
		fresh.join(o)
		old.thrownOut(packet.SessionTakenOver)
		fresh.quiet()
		fresh.leave()
	}
}

// refusedAndDeaf: what follows a CONNECT that is refused is not looked at.
func refusedAndDeaf(s *scene) {
	sub := s.join("sub")
	sub.sub(1, s.topic("x"))
	publish := encode(s.v, &packet.Publish{Topic: s.topic("x"), QoS: 1, PacketID: 1, Payload: []byte("smuggled")})
	if s.is5() {
		s.exchange(append(encode(s.v, &packet.Connect{
			Version: s.v, ClientID: s.tag + "r", Properties: packet.ConnectProperties{AuthMethod: "no such method"},
		}), publish...))
	} else {
		s.exchange(append(connectRaw(s.v, 0, str("")), publish...))
	}
	sub.nothingBut(s.topic("x"))
}

// refusedWithoutSession: session present is 0 where CONNECT is refused, also where there is a session.
func refusedWithoutSession(s *scene) {
	f := s.at.locked()
	p := s.peerAt("c", s.v, f, s.at.row.transport)
	p.join(kept, p.password("secret"))
	p.sub(1, "a/"+s.tag)
	p.leave()
	ack := p.tryJoin(kept, p.password("wrong"))
	if !ack.Code.Failed() || ack.SessionPresent {
		s.Errorf("CONNACK %v, session present %v", ack.Code, ack.SessionPresent)
	}
	p.wantEnd(s)
	if ack = p.tryJoin(kept, p.password("secret")); ack.Code != packet.Success || !ack.SessionPresent {
		s.Errorf("then CONNACK %v, session present %v", ack.Code, ack.SessionPresent)
	}
}

// refusedAndClosed for a wrong password.
func refusedAndClosed(s *scene) {
	p := s.peerAt("c", s.v, s.at.locked(), s.at.row.transport)
	code := p.tryJoin(p.password("wrong")).Code
	if code != packet.BadUserNameOrPassword && code != packet.NotAuthorized {
		s.Errorf("CONNACK %v", code)
	}
	if got := p.wantEnd(s); len(got) > 0 {
		s.Errorf("then came %v", got[0].Type())
	}
}

// keepAliveCounts: a silent client is disconnected after one and a half times its keep alive, not before; as if the network
// had failed, so its will is published.
func keepAliveCounts(s *scene) {
	sub := s.join("sub")
	sub.sub(1, s.topic("will"))
	p := s.peer("c")
	p.dial()
	c := p.hello(alive(1), will(packet.Will{Topic: s.topic("will"), Payload: []byte("silent")}))
	began := time.Now()
	p.connect(s, c)
	p.thrownOut(packet.KeepAliveTimeout)
	if took := time.Since(began); took < 1500*time.Millisecond {
		s.Errorf("disconnected after %v", took)
	}
	sub.got("silent")
	sub.quiet() // it has none, and stays
}
