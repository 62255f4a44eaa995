package client

import (
	"context"

	"lmqgate/adapter/packet"
)

// errDraining asks elsewhere, section 4.11; there is no reference, since any other instance will do.
var errDraining = reject(packet.UseAnotherServer, "this instance is going away, connect again")

// arrival is a client whose session is being attached.
type arrival struct {
	*client
	over chan struct{} // closed when that has ended
}

// arrive lets c attach its session, one connection of a client id at a time: if two did at once, the one that the store
// served first could be the one that stays. One that has said goodbye is let go first, so that c finds its session ended
// and its will deleted; nobody else is waited for. From here on c is told what concerns its client id. Every client that
// arrived is gone at the end of Serve.
func (s *Server) arrive(ctx context.Context, c *client) error {
	for {
		s.mu.Lock()
		before := s.coming[c.id].over
		if old := s.clients[c.id]; before == nil && old != nil {
			before = old.left
		}
		switch {
		case s.draining.Load():
			s.mu.Unlock()
			return errDraining
		case before == nil:
			s.coming[c.id] = arrival{c, make(chan struct{})}
			s.staying++
			c.arrived = true
			s.mu.Unlock()
			return nil
		}
		s.mu.Unlock()
		select {
		case <-before:
		case <-ctx.Done():
			return reject(packet.ServerUnavailable, "another connection of this client id is being accepted, try again")
		}
	}
}

// turnBack ends an arrival that came to nothing. A connection that holds the client id on this instance goes on.
func (s *Server) turnBack(c *client) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.arrived(c)
}

// claim ends an arrival: c holds its client id on this instance. It returns the one that did before.
func (s *Server) claim(c *client) (old *client) {
	s.mu.Lock()
	defer s.mu.Unlock()
	old = s.clients[c.id]
	s.clients[c.id] = c
	s.arrived(c)
	return old
}

// arrived is called under s.mu.
func (s *Server) arrived(c *client) {
	close(s.coming[c.id].over)
	delete(s.coming, c.id)
}

// leaving lets connections that arrive for c's client id wait until c is forgotten.
func (s *Server) leaving(c *client) {
	s.mu.Lock()
	defer s.mu.Unlock()
	c.left = make(chan struct{})
}

// forget removes c unless another connection has claimed its client id.
func (s *Server) forget(c *client) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.clients[c.id] == c {
		delete(s.clients, c.id)
	}
	if c.left != nil {
		close(c.left)
		c.left = nil
	}
}

// gone counts a client less: its session is released, its last byte written.
func (s *Server) gone(c *client) {
	if m := c.moving.Load(); m != nil {
		m.late.Stop()
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.staying--; s.staying == 0 && s.empty != nil {
		close(s.empty)
		s.empty = nil
	}
}

// here reports whether a connection on this instance has, or is about to have, the client id.
func (s *Server) here(clientID string) bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	_, coming := s.coming[clientID]
	return coming || s.clients[clientID] != nil
}

// of returns the connections of a client id, those being attached included.
func (s *Server) of(clientID string) []*client {
	s.mu.Lock()
	defer s.mu.Unlock()
	var list []*client
	if c := s.clients[clientID]; c != nil {
		list = append(list, c)
	}
	if a, ok := s.coming[clientID]; ok {
		list = append(list, a.client)
	}
	return list
}

// all returns every client, those being attached included.
func (s *Server) all() []*client {
	s.mu.Lock()
	defer s.mu.Unlock()
	list := make([]*client, 0, len(s.clients)+len(s.coming))
	for _, c := range s.clients {
		list = append(list, c)
	}
	for _, a := range s.coming {
		list = append(list, a.client)
	}
	return list
}
