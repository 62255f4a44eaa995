package deliver

import (
	"lmqgate/adapter/packet"
	"lmqgate/meta/message"
	"lmqgate/meta/session"
)

// inside is what a session of a reader in this process has, in the place of packets.
type inside struct {
	take   func(message.Arrival)
	placed func(message.Position)
	blank  packet.Template // stands for every message's
	here   []session.Cursor
}

// hand gives one copy of a message to the client. Called under s.mu.
func (s *Session) hand(e *Entry, t *packet.Template, d packet.Delivery) {
	if s.inside == nil {
		s.link.SendDelivery(t, d)
		return
	}
	a := message.Arrival{Message: e.Message, Retained: d.Retain, Again: d.DUP, QoS: d.QoS, ID: d.PacketID}
	if d.QoS == 0 && !d.Retain {
		a.Position = s.position()
	}
	s.inside.take(a)
}

// tellPlace says where the session stands after a SUBSCRIBE. Called under s.mu, before the new cursors read.
func (s *Session) tellPlace() {
	if s.inside != nil && s.inside.placed != nil {
		s.inside.placed(s.position())
	}
}

// position is where the session stands, behind what was handed out. Called under s.mu.
func (s *Session) position() message.Position {
	here := s.inside.here[:0]
	for _, sub := range s.subs.list {
		for _, c := range sub.cursors {
			here = append(here, c.snapshot())
		}
		here = append(here, sub.parked...)
	}
	s.inside.here = here
	return message.Position(session.EncodePosition(here))
}
