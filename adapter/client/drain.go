package client

import (
	"context"
	"fmt"
	"time"

	"lmqgate/adapter/packet"
)

// drainPace is the least time between two goodbyes while there is time: a few clients need not be kept waiting.
const drainPace = 5 * time.Millisecond

// Refuse asks every client that connects from now on to connect elsewhere (0x9C, before 5.0 0x03). Those that are
// connected go on.
func (s *Server) Refuse() {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.draining.Store(true) // under s.mu: who has not arrived by now will not
}

// Drain refuses new clients, sends all elsewhere with the code, spread over the given time at most, and waits until
// their sessions are released and the last bytes written, or ctx ends. Then those left are told at once.
func (s *Server) Drain(ctx context.Context, code packet.ReasonCode, over time.Duration) error {
	s.Refuse()
	s.farewell(ctx, code, over)
	select {
	case <-s.released():
		return nil
	case <-ctx.Done():
		left := s.Held()
		s.closeAll(code)
		return fmt.Errorf("%d sessions were not released: %w", left, context.Cause(ctx))
	}
}

// Held is the number of sessions that this instance has or is being given.
func (s *Server) Held() int {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.staying
}

// farewell sends clients elsewhere one after the other, each on its own goroutine; it ends early with ctx.
func (s *Server) farewell(ctx context.Context, code packet.ReasonCode, over time.Duration) {
	list := s.all()
	if len(list) == 0 {
		return
	}
	pace := min(over/time.Duration(len(list)), drainPace)
	start := time.Now()
	for i, c := range list {
		if wait := time.Until(start.Add(time.Duration(i) * pace)); wait > 0 {
			select {
			case <-time.After(wait):
			case <-ctx.Done():
				return
			}
		}
		c.move(code, "")
	}
}

// released returns a channel that is closed once no session is held.
func (s *Server) released() <-chan struct{} {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.staying == 0 {
		done := make(chan struct{})
		close(done)
		return done
	}
	if s.empty == nil {
		s.empty = make(chan struct{})
	}
	return s.empty
}
