package deliver

import "sync"

// walkers bounds the pages of retained messages that are in memory: a session waits for a place before it reads one, and
// gives it back when the page's last message was handed to its link. It costs a waiting session no goroutine. A session
// stands in line again for each page. walkers.mu comes behind Session.mu.
type walkers struct {
	mu      sync.Mutex // protects the fields below
	taken   int
	waiting []*Session // each once
	failing int        // times in a row that the store did not answer; while it does not, those who wait hold up nothing
}

// enterWalk has the session read a page when a place is free.
func (h *Hub) enterWalk(s *Session) {
	w := &h.walkers
	w.mu.Lock()
	defer w.mu.Unlock()
	if w.taken >= h.cfg.Walks {
		w.waiting = append(w.waiting, s)
		return
	}
	w.taken++
	h.spawn(s.readPage)
}

// leaveWalk gives a place back, to whoever waits longest.
func (h *Hub) leaveWalk() {
	w := &h.walkers
	w.mu.Lock()
	defer w.mu.Unlock()
	if len(w.waiting) == 0 {
		w.taken--
		return
	}
	s := w.waiting[0]
	w.waiting[0] = nil
	if w.waiting = w.waiting[1:]; len(w.waiting) == 0 {
		w.waiting = nil
	}
	h.spawn(s.readPage)
}

// answered takes note of whether the store answered. The first failure lets the live messages of all who wait go on.
func (w *walkers) answered(h *Hub, err error) {
	w.mu.Lock()
	var waiting []*Session
	if err == nil {
		w.failing = 0
	} else if w.failing++; w.failing == 1 {
		waiting = append(waiting, w.waiting...)
	}
	first := w.failing == 1
	w.mu.Unlock()
	if !first {
		return
	}
	h.cfg.Logger.Warn("reading retained messages failed, trying again", "error", err)
	if len(waiting) == 0 {
		return
	}
	h.spawn(func() {
		for _, s := range waiting {
			s.Wake()
		}
	})
}

// fails is how often in a row the store did not answer.
func (w *walkers) fails() int {
	w.mu.Lock()
	defer w.mu.Unlock()
	return w.failing
}

func (w *walkers) queued() int {
	w.mu.Lock()
	defer w.mu.Unlock()
	return len(w.waiting)
}
