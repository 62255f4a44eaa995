package deliver

// Trace follows the copies of one message. Safe for concurrent use; its methods do not block.
type Trace interface {
	// Deliver is told of a copy that was written to a client; nil if it is not followed any further.
	Deliver(clientID string, qos byte, again bool) Delivering
}

// Delivering follows one copy. One of its methods is called, once.
type Delivering interface {
	Acked() // by the client; with QoS 0, written
	Lost()  // the connection ended before
}

// trace follows a copy that was written; f is nil with QoS 0. Called under s.mu.
func (s *Session) trace(f *flight, e *Entry, qos byte, again bool) {
	if e.Trace == nil {
		return
	}
	d := e.Trace.Deliver(s.clientID, qos, again)
	switch {
	case d == nil:
	case f == nil:
		d.Acked()
	default:
		f.trace = d
		s.out.traced = true
	}
}

// untrace ends following what was not acknowledged. Called under s.mu.
func (s *Session) untrace() {
	if !s.out.traced {
		return
	}
	for _, f := range s.out.flights {
		if f.trace != nil {
			f.trace.Lost()
			f.trace = nil
		}
	}
}
