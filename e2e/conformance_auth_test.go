package e2e

import (
	"github.com/xdg-go/scram"

	"lmqgate/adapter/packet"
)

// scramMethod is the authentication method that locked fleets offer.
const scramMethod = "SCRAM-SHA-256"

// login is the client's side of one exchange.
type login struct {
	s    *scene
	p    *peer
	conv *scram.ClientConversation
}

// secret is a client of a locked fleet that is not connected, and its side of an exchange with the password.
func (s *scene) secret(password string) *login {
	s.Helper()
	p := s.peerAt("c", s.v, s.at.locked(), s.at.row.transport)
	l := &login{s: s, p: p}
	l.again(password)
	return l
}

// again begins a new exchange.
func (l *login) again(password string) {
	l.s.Helper()
	c, err := scram.SHA256.NewClient("user", password, "")
	must(l.s, err)
	l.conv = c.NewConversation()
}

// step is what the client says to the server's words.
func (l *login) step(words []byte) []byte {
	l.s.Helper()
	answer, err := l.conv.Step(string(words))
	must(l.s, err)
	return []byte(answer)
}

// begin dials and sends CONNECT; the server asks for more.
func (l *login) begin(options ...option) *packet.Auth {
	l.s.Helper()
	l.p.dial()
	c := l.p.hello(append(options, func(c *packet.Connect) {
		c.Properties.AuthMethod, c.Properties.AuthData = scramMethod, l.step(nil)
	})...)
	l.p.send(&c)
	return l.asked()
}

// asked takes the server's AUTH, which continues [MQTT-4.12.0-2] with the same method [MQTT-4.12.0-5].
func (l *login) asked() *packet.Auth {
	l.s.Helper()
	a := want[*packet.Auth](l.s, l.p.wire)
	if a.Code != packet.ContinueAuthentication || a.Method != scramMethod {
		l.s.Errorf("AUTH %v with method %q", a.Code, a.Method)
	}
	return a
}

// answer continues.
func (l *login) answer(words []byte) {
	l.s.Helper()
	l.p.send(&packet.Auth{Code: packet.ContinueAuthentication, Method: scramMethod, Data: l.step(words)})
}

// join goes through a whole exchange.
func (l *login) join(options ...option) *packet.Connack {
	l.s.Helper()
	l.answer(l.begin(options...).Data)
	ack := want[*packet.Connack](l.s, l.p.wire)
	if ack.Code != packet.Success || ack.Properties.AuthMethod != scramMethod {
		l.s.Fatalf("CONNACK %v with method %q", ack.Code, ack.Properties.AuthMethod)
	}
	l.step(ack.Properties.AuthData)
	if !l.conv.Valid() {
		l.s.Error("the server's proof is wrong")
	}
	return ack
}

// unknownMethod5 is refused.
func unknownMethod5(s *scene) {
	for _, f := range []*fleet{s.at.fleet, s.at.locked()} {
		p := s.peerAt("c", s.v, f, s.at.row.transport)
		ack := p.tryJoin(func(c *packet.Connect) {
			c.Properties.AuthMethod, c.Properties.AuthData = "no such method", []byte("x")
		})
		if ack.Code != packet.BadAuthenticationMethod && ack.Code != packet.NotAuthorized {
			s.Errorf("CONNACK %v", ack.Code)
		}
		p.wantEnd(s)
	}
}

// noMethod5: who does not begin with a method hears nothing of one; inspect sees that no AUTH comes.
func noMethod5(s *scene) {
	p := s.peer("c")
	if method := p.join().Properties.AuthMethod; method != "" {
		s.Errorf("authentication method %q", method)
	}
	p.quiet()
	q := s.peerAt("c", s.v, s.at.locked(), s.at.row.transport)
	if method := q.join(q.password("secret")).Properties.AuthMethod; method != "" {
		s.Errorf("authentication method %q", method)
	}
	q.quiet()
}

// exchanged5: the server asks with 0x18 and the method of CONNECT, and ends with CONNACK and that method; then the client
// is one like any other, its session too.
func exchanged5(s *scene) {
	l := s.secret("secret")
	l.join(kept)
	l.p.sub(1, "a/"+s.tag)
	l.p.leave()
	l.again("secret")
	if !l.join(kept).SessionPresent {
		s.Error("session not present")
	}
	l.p.say("a/"+s.tag, "hello", 0)
	l.p.got("hello")
}

// packetsTooEarly5: before CONNACK a client may send AUTH and DISCONNECT only, and AUTH that continues with its method.
func packetsTooEarly5(s *scene) {
	each(s, map[string]packet.Packet{
		"PINGREQ":         &packet.Pingreq{},
		"SUBSCRIBE":       &packet.Subscribe{PacketID: 1, Filters: []packet.Subscription{{Filter: "a"}}},
		"PUBLISH":         &packet.Publish{Topic: "a", QoS: 1, PacketID: 1},
		"CONNECT":         &packet.Connect{ClientID: "x"},
		"re-authenticate": &packet.Auth{Code: packet.ReAuthenticate, Method: scramMethod, Data: []byte("x")},
		"another method":  &packet.Auth{Code: packet.ContinueAuthentication, Method: "another", Data: []byte("x")},
	}, func(s *scene, bad packet.Packet) {
		l := s.secret("secret")
		asked := l.begin()
		l.p.send(bad)
		l.answer(asked.Data) // would be right
		for _, one := range l.p.wantEnd(s) {
			if ack, ok := one.(*packet.Connack); !ok || !ack.Code.Failed() {
				s.Errorf("answered with %+v", one)
			}
		}
	})
}

// failedExchange5 is refused and closed, at whatever step.
func failedExchange5(s *scene) {
	l := s.secret("wrong")
	l.answer(l.begin().Data)
	if ack := want[*packet.Connack](s, l.p.wire); !ack.Code.Failed() {
		s.Errorf("CONNACK %v", ack.Code)
	}
	l.p.wantEnd(s)
	p := s.peerAt("d", s.v, s.at.locked(), s.at.row.transport)
	ack := p.tryJoin(func(c *packet.Connect) {
		c.Properties.AuthMethod, c.Properties.AuthData = scramMethod, []byte("nonsense")
	})
	if !ack.Code.Failed() {
		s.Errorf("CONNACK %v", ack.Code)
	}
	p.wantEnd(s)
}

// reauthenticated5: a connected client authenticates again, with its method and in the midst of other packets.
func reauthenticated5(s *scene) {
	l := s.secret("secret")
	l.join()
	for range 2 {
		l.again("secret")
		l.p.send(&packet.Auth{Code: packet.ReAuthenticate, Method: scramMethod, Data: l.step(nil)})
		asked := l.asked()
		l.p.quiet() // all else goes on meanwhile
		l.answer(asked.Data)
		done := want[*packet.Auth](s, l.p.wire)
		if done.Code != packet.Success || done.Method != scramMethod {
			s.Errorf("AUTH %v with method %q", done.Code, done.Method)
		}
		l.step(done.Data)
		l.p.quiet()
	}
	l.again("secret")
	l.p.send(&packet.Auth{Code: packet.ReAuthenticate, Method: "another", Data: l.step(nil)})
	for _, one := range l.p.wantEnd(s) {
		if one.Type() != packet.DISCONNECT {
			s.Errorf("another method is answered with %v", one.Type())
		}
	}
}

// reauthenticationFailed5 ends the connection.
func reauthenticationFailed5(s *scene) {
	l := s.secret("secret")
	l.join()
	l.again("wrong")
	l.p.send(&packet.Auth{Code: packet.ReAuthenticate, Method: scramMethod, Data: l.step(nil)})
	l.answer(l.asked().Data)
	l.p.thrownOut(packet.NotAuthorized, packet.BadAuthenticationMethod)
}

// tightAuth5: what is said beside the reason codes is left out for a client that takes little; inspect looks at the codes.
func tightAuth5(s *scene) {
	l := s.secret("wrong")
	const limit = 150 // the exchange itself needs that
	l.answer(l.begin(packetSizeOf(limit)).Data)
	l.p.wantEnd(s)
	if size := l.p.largest(); size > limit {
		s.Errorf("a packet of %d bytes, the client takes %d", size, limit)
	}
}
