package client

import (
	"sync"
	"time"
)

// refusedEvery is the time between two words about clients that are refused for no fault of theirs.
const refusedEvery = 10 * time.Second

// refusals counts the clients that were refused since the log was told of some.
type refusals struct {
	mu    sync.Mutex // protects all below
	count int
	told  int64 // ns since the server's start; 0: never
}

// refuses tells the log that clients are refused: at the first one, and then how many there were meanwhile.
func (s *Server) refuses(why string) {
	r, now := &s.refused, max(s.now(), 1)
	r.mu.Lock()
	defer r.mu.Unlock()
	r.count++
	if s.draining.Load() || r.told != 0 && now-r.told < int64(refusedEvery) {
		return
	}
	s.cfg.Logger.Warn("refusing clients with \"server unavailable\"", "reason", why, "refused", r.count)
	r.count, r.told = 0, now
}
