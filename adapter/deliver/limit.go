package deliver

import (
	"context"
	"fmt"

	"lmqgate/adapter/packet"
)

// within takes out the new subscriptions whose filters are too many for the cluster: 0x97, and 0x80 before 5.0.
func (s *Session) within(ctx context.Context, asks []asked, refused refusals) ([]asked, error) {
	limit := s.hub.cfg.Limit
	if limit == nil {
		return asks, nil
	}
	var fresh []string
	s.mu.Lock()
	for _, a := range asks {
		if s.subs.named(a.Filter) == nil {
			fresh = append(fresh, a.Filter)
		}
	}
	s.mu.Unlock()
	if len(fresh) == 0 {
		return asks, nil
	}
	over, err := limit.Refused(ctx, fresh)
	if err != nil {
		return nil, fmt.Errorf("count filters: %w", err)
	}
	for i, f := range fresh {
		if over[i] {
			refused[f] = packet.QuotaExceeded
			s.hub.metrics.tooMany.Inc()
			s.hub.cfg.Logger.Warn("subscription refused: MAX_FILTERS filters were subscribed to, and nobody reads this one", "client_id", s.clientID, "filter", f)
		}
	}
	kept := asks[:0]
	for _, a := range asks {
		if refused[a.Filter] != packet.QuotaExceeded {
			kept = append(kept, a)
		}
	}
	return kept, nil
}
