package deliver

// Subscriptions is how many the connected sessions have, shared ones included.
func (h *Hub) Subscriptions() int {
	h.mu.Lock()
	sessions := make([]*Session, 0, len(h.sessions))
	for s := range h.sessions {
		sessions = append(sessions, s)
	}
	h.mu.Unlock()
	n := 0
	for _, s := range sessions {
		n += s.Subscriptions()
	}
	return n
}
