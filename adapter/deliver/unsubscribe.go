package deliver

import (
	"context"

	"lmqgate/adapter/packet"
	"lmqgate/meta/registry"
)

// Unsubscribe removes subscriptions: session first, then registry. Messages in flight stay in flight [MQTT-3.10.4-3].
func (s *Session) Unsubscribe(ctx context.Context, filters []string) []packet.ReasonCode {
	ctx, cancel := context.WithTimeout(ctx, s.hub.cfg.Subscribe)
	defer cancel()
	codes := make([]packet.ReasonCode, len(filters))
	var holds []registry.Hold
	s.mu.Lock()
	for i, f := range filters {
		sub := s.subs.named(f)
		if sub == nil {
			codes[i] = packet.NoSubscriptionExisted
			continue
		}
		holds = append(holds, s.hold(sub.Subscription))
		s.remove(sub)
	}
	s.pump()
	s.mu.Unlock()
	if len(holds) == 0 {
		return codes
	}
	if err := s.writer.Flush(ctx); err != nil {
		s.hub.cfg.Logger.Warn("unsubscribe failed", "client_id", s.clientID, "error", err)
		for i := range codes {
			if codes[i] == packet.Success {
				codes[i] = packet.UnspecifiedError
			}
		}
		return codes
	}
	s.hub.release(holds)
	return codes
}

// remove ends a subscription in memory and notes it to be written. Messages that it owned and did not deliver go back
// to the subscriptions that stepped over them. Called under s.mu.
func (s *Session) remove(sub *subscription) {
	s.subs.remove(sub)
	s.dropWalk(sub)
	s.part(sub)
	s.dropSubs = append(s.dropSubs, sub)
	for _, c := range sub.cursors {
		s.leave(c)
		c.release(func(offset int64) bool {
			p := c.find(offset)
			return p == nil || p.state != pendInflight
		})
	}
	s.writer.Mark(false)
}
