package deliver

import (
	"lmqgate/adapter/packet"
	"lmqgate/meta/session"
)

// Puback handles a PUBACK: the message is the client's. An unknown id is ignored; it may be of an earlier connection.
func (s *Session) Puback(id uint16) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if f := s.out.flights[id]; f != nil && f.QoS == 1 && !s.closed {
		s.complete(f)
		s.pump()
	}
}

// Pubrec handles a PUBREC. A failed one ends the exchange [MQTT-4.3.3-4]; otherwise PUBREL follows once the state is
// kept.
func (s *Session) Pubrec(id uint16, code packet.ReasonCode) {
	s.mu.Lock()
	defer s.mu.Unlock()
	f := s.out.flights[id]
	switch {
	case s.closed:
	case f == nil || f.QoS != 2:
		s.link.Send(&packet.Pubrel{PacketID: id, Code: packet.PacketIdentifierNotFound})
	case code.Failed():
		s.complete(f)
		s.pump()
	case f.state == flightReleased:
		s.link.Send(&packet.Pubrel{PacketID: id})
	case f.state == flightReleasing || f.state == flightWriting:
	default:
		s.release(f)
	}
}

// release moves a flight on to PUBREL.
func (s *Session) release(f *flight) {
	f.State = session.OutReleased
	if f.state == flightAgain { // acknowledged before it could be sent again
		s.out.again = without(s.out.again, f)
	}
	f.entry = nil
	if !s.persist {
		f.state = flightReleased
		s.link.Send(&packet.Pubrel{PacketID: f.PacketID})
		return
	}
	f.state = flightReleasing
	s.store(f, true)
}

// Pubcomp handles a PUBCOMP: the exchange is over.
func (s *Session) Pubcomp(id uint16) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if f := s.out.flights[id]; f != nil && f.QoS == 2 && f.State == session.OutReleased && !s.closed {
		s.complete(f)
		s.pump()
	}
}

// complete ends a flight and moves its cursor. Called under s.mu.
func (s *Session) complete(f *flight) {
	delete(s.out.flights, f.PacketID)
	if s.out.byKey[f.Key] == f {
		delete(s.out.byKey, f.Key)
	}
	if f.state == flightAgain {
		s.out.again = without(s.out.again, f)
	}
	if f.counted {
		s.out.quota--
	}
	if s.persist {
		s.erase(f)
	}
	if f.cursor != nil {
		f.cursor.finish(f.Offset)
	}
	for _, fo := range f.followers {
		fo.cursor.finish(fo.offset)
	}
	s.unblock()
}

// erase takes a flight's entry out of the store, or out of what is to be written if it was never stored.
func (s *Session) erase(f *flight) {
	if s.out.set[f.PacketID] == f {
		delete(s.out.set, f.PacketID)
	}
	if f.stored {
		s.out.dropped = append(s.out.dropped, f.PacketID)
		s.writer.Mark(false)
	}
}
