package admin

import (
	"context"
	"errors"
	"fmt"
	"time"

	"lmqgate/meta/registry"
	"lmqgate/meta/session"
)

const (
	kickLook  = 100 * time.Millisecond // between two looks whether the client is gone
	kickAgain = 2 * time.Second        // between two words: one may be lost
	ownerTTL  = 15 * time.Second       // for ending a session; after that instances finish it
)

// Kicked is what Kick did.
type Kicked struct {
	ClientID     string     `json:"client_id"`
	Was          string     `json:"was"`          // its state before
	Instance     string     `json:"instance"`     // that owns or last owned it
	Disconnected bool       `json:"disconnected"` // its connection was closed
	Returned     bool       `json:"returned"`     // it has connected again since
	SessionEnded bool       `json:"session_ended"`
	Expires      *time.Time `json:"expires"`  // when the session that is kept ends; null: never, ended, or connected
	Released     int        `json:"released"` // subscriptions of the session that was ended
}

// Kick disconnects a client with the reason code 0x98, Administrative action, and with end ends its session too. It waits
// until the connection is closed, or ctx ends: then the error is ErrUnconfirmed. A client that is away is not an error;
// one that is unknown is ErrNoClient. A client may connect again at once.
func (a *Admin) Kick(ctx context.Context, id string, end bool) (Kicked, error) {
	info, _, err := a.cfg.Sessions.Peek(ctx, id)
	if errors.Is(err, session.ErrNotFound) || err == nil && info.Ended {
		return Kicked{}, ErrNoClient
	}
	if err != nil {
		return Kicked{}, err
	}
	c := client(&info)
	k := Kicked{ClientID: id, Was: c.State, Instance: c.Instance, Expires: c.Expires}
	switch {
	case end:
		return a.end(ctx, k)
	case !info.Connected:
		return k, nil
	}
	return a.disconnect(ctx, k, info.Epoch)
}

// disconnect tells the owner, again and again, until it owns that connection no more.
func (a *Admin) disconnect(ctx context.Context, k Kicked, e session.Epoch) (Kicked, error) {
	look := time.NewTicker(kickLook)
	defer look.Stop()
	var told time.Time
	for {
		if time.Since(told) >= kickAgain {
			if err := a.cfg.Sessions.Tell(ctx, k.Instance, session.Word{Kind: "kick", ClientID: k.ClientID, Epoch: e}); err != nil {
				return k, err
			}
			told = time.Now()
		}
		info, _, err := a.cfg.Sessions.Peek(ctx, k.ClientID)
		switch {
		case errors.Is(err, session.ErrNotFound):
			k.Disconnected, k.SessionEnded = true, true
			return k, nil
		case ctx.Err() != nil:
			return k, ErrUnconfirmed
		case err != nil:
			return k, err
		case !info.Connected || info.Epoch != e:
			k.Disconnected, k.Returned, k.SessionEnded = true, info.Connected, info.Ended
			k.Expires = client(&info).Expires
			return k, nil
		}
		select {
		case <-ctx.Done():
			return k, ErrUnconfirmed
		case <-look.C:
		}
	}
}

// end takes the session over, as a client would that asks for a clean start, and ends its own. From the take-over on the old
// connection can write nothing more. Should this process die in between, an instance finishes what it began, since its
// lease ends.
func (a *Admin) end(ctx context.Context, k Kicked) (Kicked, error) {
	s := a.cfg.Sessions
	if err := s.Beat(ctx, a.cfg.Name, ownerTTL); err != nil {
		return k, err
	}
	st, err := s.Attach(ctx, session.AttachRequest{ClientID: k.ClientID, Instance: a.cfg.Name, CleanStart: true, Username: "admin", AnyHolder: true})
	if err != nil {
		return k, err
	}
	if st.Previous != nil {
		word := session.Word{Kind: "kick", ClientID: k.ClientID, Epoch: st.Previous.Epoch}
		if err := s.Tell(ctx, st.Previous.Instance, word); err != nil {
			return k, err
		}
		k.Disconnected = true
	}
	k.SessionEnded, k.Expires, k.Released = true, nil, len(st.Discarded)
	holds := make([]registry.Hold, len(st.Discarded))
	for i, sub := range st.Discarded {
		holds[i] = registry.Hold{Filter: sub.Filter, ClientID: k.ClientID, Epoch: uint64(sub.HoldEpoch), Seq: sub.HoldSeq}
	}
	if err := a.cfg.Filters.Release(ctx, holds); err != nil {
		return k, fmt.Errorf("the session is over, reconciliation releases its filters: %w", err)
	}
	switch _, err := s.Detach(ctx, k.ClientID, st.Epoch, session.PartingClean); {
	case errors.Is(err, session.ErrFenced):
		k.Returned = true
	case err != nil:
		return k, err
	default:
		if err := s.Settled(ctx, []string{k.ClientID}); err != nil {
			return k, err
		}
	}
	return k, s.Leave(ctx, a.cfg.Name)
}
