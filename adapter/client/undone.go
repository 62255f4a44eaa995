package client

import (
	"context"
	"errors"
	"sync"

	"lmqgate/meta/session"
)

// Bounds of what is tried again.
const (
	maxUndone = 200_000 // sessions; beyond, they stay with this instance until their clients return or it ends
	undoneAt  = 256     // at most so many a second
	looks     = 5       // at a session whose Attach had no answer, a second apart: it may still arrive
)

// undone are sessions that this instance owns, or may own, without a connection: the store could not be reached when
// they were to be released, or Attach had no answer. A sweep takes them for served as long as the instance lives.
type undone struct {
	mu   sync.Mutex // protects the map
	byID map[string]leftover
}

// leftover is one of them. Epoch 0 is unknown; such a session is looked at a few times.
type leftover struct {
	epoch   session.Epoch
	parting session.Parting // with epoch: how that connection ended
	looks   int
}

// add puts one in, beside what is known of an earlier connection of its.
func (u *undone) add(clientID string, l leftover) {
	u.mu.Lock()
	defer u.mu.Unlock()
	if u.byID == nil {
		u.byID = map[string]leftover{}
	}
	if old, ok := u.byID[clientID]; ok || len(u.byID) < maxUndone {
		if l.epoch < old.epoch {
			l.epoch, l.parting = old.epoch, old.parting
		}
		u.byID[clientID] = l
	}
}

// some returns a part of them.
func (u *undone) some() map[string]leftover {
	u.mu.Lock()
	defer u.mu.Unlock()
	if len(u.byID) == 0 {
		return nil
	}
	list := make(map[string]leftover, min(len(u.byID), undoneAt))
	for id, l := range u.byID {
		if len(list) == undoneAt {
			break
		}
		list[id] = l
	}
	return list
}

// did takes one off, or counts a look, unless it was added again meanwhile.
func (u *undone) did(clientID string, l leftover) {
	u.mu.Lock()
	defer u.mu.Unlock()
	if u.byID[clientID] != l {
		return
	}
	if l.looks--; l.looks > 0 {
		u.byID[clientID] = l
		return
	}
	delete(u.byID, clientID)
}

// retry releases some of the sessions left over; it stops at the first failure of the store.
func (s *Server) retry(ctx context.Context) {
	for id, l := range s.undone.some() {
		one, cancel := context.WithTimeout(ctx, s.cfg.Redis)
		err := s.giveBack(one, id, l)
		cancel()
		if err != nil {
			return
		}
		s.undone.did(id, l)
	}
}

// giveBack releases one session. Should its client connect meanwhile, the epoch is a newer one and nothing happens.
func (s *Server) giveBack(ctx context.Context, clientID string, l leftover) error {
	if l.epoch > 0 {
		if err := s.detach(ctx, clientID, l.epoch, l.parting); err != nil {
			return err
		}
	}
	if l.looks == 0 || s.deps.Viewer == nil || s.here(clientID) {
		return nil
	}
	info, _, err := s.deps.Viewer.Peek(ctx, clientID)
	switch {
	case errors.Is(err, session.ErrNotFound), errors.Is(err, session.ErrFormat):
		return nil
	case err != nil:
		return err
	case !info.Connected || info.Instance != s.cfg.Instance || s.here(clientID):
		return nil
	}
	return s.detach(ctx, clientID, info.Epoch, session.PartingClean) // never accepted: no will of its
}
