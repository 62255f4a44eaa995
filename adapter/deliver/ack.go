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
	case f.state == flightReleased:
		s.link.Send(&packet.Pubrel{PacketID: id})
	case f.state == flightReleasing || f.state == flightWriting:
	case code.Failed():
		s.complete(f)
		s.pump()
	default:
		s.release(f)
	}
}

// release moves a flight on to PUBREL.
func (s *Session) release(f *flight) {
	f.State, f.entry, f.ids, f.Message = session.OutReleased, nil, nil, nil
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

// complete ends a flight and moves its cursor. Called under s.mu; the caller pumps.
func (s *Session) complete(f *flight) {
	delete(s.out.flights, f.PacketID)
	f.state, f.entry, f.ids = flightDone, nil, nil
	if f.trace != nil {
		f.trace.Acked()
		f.trace = nil
	}
	if f.counted {
		s.out.quota--
	}
	if f.claim != nil { // whatever the client said [MQTT-4.8.2-6]
		f.claim.ack(nil)
		f.claim = nil
	}
	switch {
	case s.persist && f.again && s.hub.cfg.Shared.Owners != nil:
		s.hub.finisher.add(s, f)
	case s.persist && s.isParked(f):
		s.out.held = append(s.out.held, f)
	case s.persist:
		s.erase(f)
	}
	if f.cursor != nil {
		f.cursor.finish(f.Offset)
	}
	for _, fo := range f.followers {
		fo.finish()
	}
	f.followers = nil
}

// abandon ends a flight whose message cannot be sent again. With QoS 2 the client may have it and wait for PUBREL, which
// frees the packet id on its side too; one that does not know the id answers all the same.
func (s *Session) abandon(f *flight) {
	if f.QoS == 2 {
		s.release(f)
		return
	}
	s.complete(f)
}

// erase takes a flight's entry out of the store, or out of what is to be written if it was never stored.
func (s *Session) erase(f *flight) {
	f.toStore = false
	if f.stored {
		s.out.dropped = append(s.out.dropped, f.PacketID)
		s.writer.Mark(false)
	}
}
