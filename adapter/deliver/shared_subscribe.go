package deliver

import (
	"context"
	"errors"

	"lmqgate/adapter/packet"
	"lmqgate/meta/registry"
	"lmqgate/meta/session"
)

// refusals are the reason codes of the filters of a SUBSCRIBE that are refused one by one.
type refusals map[string]packet.ReasonCode

// withoutShared takes out shared subscriptions where there are none.
func (h *Hub) withoutShared(requests []session.Subscription, refused refusals) []session.Subscription {
	if h.cfg.Shared.Pops != nil {
		return requests
	}
	kept := make([]session.Subscription, 0, len(requests))
	for _, r := range requests {
		if isShared(r.Filter) {
			refused[r.Filter] = packet.SharedSubscriptionsNotSupported
			continue
		}
		kept = append(kept, r)
	}
	return kept
}

// joinGroups joins the groups of the new shared subscriptions, whose filters are held, and waits until each of them has
// begun. Those that cannot be joined are taken out.
func (s *Session) joinGroups(ctx context.Context, asks []asked, refused refusals) []asked {
	kept := asks[:0]
	var back []asked
	for _, a := range asks {
		if s.wantsGroup(&a) {
			a.share = s.hub.useShare(a.Filter, s.hub.cfg.Shared.Max)
			if a.share == nil {
				refused[a.Filter] = packet.QuotaExceeded
				back = append(back, a)
				continue
			}
		}
		kept = append(kept, a)
	}
	asks, kept = kept, kept[:0]
	for _, a := range asks {
		if a.share == nil {
			kept = append(kept, a)
			continue
		}
		if err := a.share.wait(ctx); err != nil {
			refused[a.Filter] = packet.UnspecifiedError
			if errors.Is(err, registry.ErrTooManyGroups) {
				refused[a.Filter] = packet.QuotaExceeded
			}
			s.hub.cfg.Logger.Warn("joining a shared subscription group failed", "client_id", s.clientID, "filter", a.Filter, "error", err)
			s.hub.leaveShare(a.share)
			back = append(back, a)
			continue
		}
		kept = append(kept, a)
	}
	if len(back) > 0 {
		s.giveBack(back)
	}
	return kept
}

// wantsGroup reports whether a request is for a shared subscription that the session does not have.
func (s *Session) wantsGroup(a *asked) bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	return isShared(a.Filter) && s.subs.named(a.Filter) == nil
}

// wait waits until the group has begun.
func (sh *share) wait(ctx context.Context) error {
	select {
	case <-sh.begun:
		sh.mu.Lock()
		defer sh.mu.Unlock()
		return sh.failed
	case <-ctx.Done():
		return ctx.Err()
	case <-sh.ctx.Done():
		return sh.ctx.Err()
	}
}

// leaveAsked leaves the groups of requests that came to nothing.
func (h *Hub) leaveAsked(asks []asked) {
	for _, a := range asks {
		if a.share != nil {
			h.leaveShare(a.share)
		}
	}
}
