package deliver

import (
	"context"
	"fmt"
	"sync"
	"time"

	"lmqgate/adapter/packet"
	"lmqgate/meta/registry"
	"lmqgate/meta/session"
	"lmqgate/meta/topic"
)

// askTime bounds the question for end offsets, within Config.Subscribe: a broker that is away must not fail a SUBSCRIBE.
const askTime = 2 * time.Second

// asked is one filter of a SUBSCRIBE on its way.
type asked struct {
	session.Subscription
	begins map[string]int64 // first offset by broker; a broker that did not answer is missing
	boots  map[string]uint64
	share  *share // of a new shared subscription
}

// Subscribe adds or replaces subscriptions; Seq, tag and time of the requests are set here. On return a granted filter
// is kept, and any message whose PUBLISH any instance accepts from now on reaches the session (decision 3). The codes
// are the SUBACK's. Calls must not overlap with each other or with Unsubscribe.
func (s *Session) Subscribe(ctx context.Context, requests []session.Subscription) []packet.ReasonCode {
	ctx, cancel := context.WithTimeout(ctx, s.hub.cfg.Subscribe)
	defer cancel()
	refused := refusals{}
	asks, err := s.within(ctx, s.ask(s.hub.withoutShared(requests, refused)), refused)
	if err == nil {
		err = s.promise(ctx, asks, refused)
	}
	codes := make([]packet.ReasonCode, len(requests))
	for i, r := range requests {
		codes[i] = packet.ReasonCode(r.QoS)
		if err != nil {
			codes[i] = packet.UnspecifiedError
		}
		if code, ok := refused[r.Filter]; ok {
			codes[i] = code
		}
	}
	if err != nil {
		s.hub.cfg.Logger.Warn("subscribe failed", "client_id", s.clientID, "error", err)
	}
	return codes
}

// ask numbers the requests; of repeated filters the last one counts.
func (s *Session) ask(requests []session.Subscription) []asked {
	s.mu.Lock()
	defer s.mu.Unlock()
	asks := make([]asked, 0, len(requests))
	at := make(map[string]int, len(requests))
	now := s.hub.cfg.Now().UnixMilli()
	for _, r := range requests {
		r.HoldEpoch, r.HoldSeq = s.epoch, s.nextTag
		s.nextTag++
		if i, ok := at[r.Filter]; ok {
			r.Seq, r.SinceMillis, r.Granted = asks[i].Seq, asks[i].SinceMillis, r.Granted || asks[i].Granted
			r.Retained = asks[i].Retained || s.wantsRetained(r, false)
			asks[i].Subscription = r
			continue
		}
		old := s.subs.named(r.Filter)
		r.Retained = s.wantsRetained(r, old == nil)
		if old != nil { // a re-subscribe keeps its place [MQTT-3.8.4-3]
			r.Seq, r.SinceMillis, r.Granted = old.Seq, old.SinceMillis, r.Granted || old.Granted
		} else {
			r.Seq, r.SinceMillis = s.nextSeq, now
			s.nextSeq++
		}
		at[r.Filter] = len(asks)
		asks = append(asks, asked{Subscription: r})
	}
	return asks
}

// promise does what has to be done before SUBACK: registry, then end offsets as cursors, then session.
func (s *Session) promise(ctx context.Context, asks []asked, refused refusals) error {
	holds := make([]registry.Hold, len(asks))
	for i, a := range asks {
		holds[i] = s.hold(a.Subscription)
	}
	if err := s.hub.filters.Hold(ctx, holds); err != nil {
		s.giveBack(asks)
		return fmt.Errorf("hold filters: %w", err)
	}
	asks = s.joinGroups(ctx, asks, refused)
	if err := s.begins(ctx, asks); err != nil {
		s.hub.leaveAsked(asks)
		s.giveBack(asks)
		return err
	}
	fresh := s.record(asks)
	if err := s.writer.Flush(ctx); err != nil {
		s.undo(fresh)
		s.giveBack(asks)
		return fmt.Errorf("write session: %w", err)
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.closed {
		for _, sub := range fresh {
			s.part(sub)
		}
		return session.ErrClosed
	}
	s.tellPlace()
	for _, sub := range fresh {
		for _, c := range sub.cursors {
			s.start(c)
		}
		s.open(sub, s.hub.log.Brokers())
	}
	s.pump()
	return nil
}

// begins asks every broker for the ends of the new subscriptions' queues. A broker that does not answer is left out:
// its cursor will find its place by store time.
func (s *Session) begins(ctx context.Context, asks []asked) error {
	var fresh []*asked
	var lmqs []string
	s.mu.Lock()
	for i := range asks {
		if asks[i].share == nil && s.subs.named(asks[i].Filter) == nil {
			fresh = append(fresh, &asks[i])
			lmqs = append(lmqs, topic.LMQ(asks[i].Filter))
		}
	}
	s.mu.Unlock()
	if len(fresh) == 0 {
		return nil
	}
	within, cancel := context.WithTimeout(ctx, min(askTime, s.hub.cfg.Subscribe/4))
	defer cancel()
	ends, boots := s.hub.endsOf(within, s.hub.log.Brokers(), lmqs)
	if err := ctx.Err(); err != nil {
		return fmt.Errorf("ask for end offsets: %w", err)
	}
	for j, a := range fresh {
		a.begins, a.boots = make(map[string]int64, len(ends)), boots
		for b, list := range ends {
			a.begins[b] = list[j]
		}
	}
	return nil
}

// endsOf asks brokers for the ends of queues, in their order; a broker that does not answer is missing. boots are what the
// brokers' were before.
func (h *Hub) endsOf(ctx context.Context, brokers, lmqs []string) (ends map[string][]int64, boots map[string]uint64) {
	ends, boots = make(map[string][]int64, len(brokers)), make(map[string]uint64, len(brokers))
	for _, b := range brokers {
		boots[b] = h.log.Boot(b)
	}
	var mu sync.Mutex // protects ends
	var g sync.WaitGroup
	for _, b := range brokers {
		g.Go(func() {
			list, err := h.log.MaxOffsets(ctx, b, lmqs)
			h.heard(b, err)
			if err != nil {
				h.cfg.Logger.Warn("asking for the end of queues failed, going by store time", "broker", b, "error", err)
				return
			}
			mu.Lock()
			defer mu.Unlock()
			if len(list) == len(lmqs) {
				ends[b] = list
			}
		})
	}
	g.Wait()
	return ends, boots
}

// record puts the subscriptions into the session, to be written; it returns the new ones, which do not read yet.
func (s *Session) record(asks []asked) (fresh []*subscription) {
	s.mu.Lock()
	defer s.mu.Unlock()
	for _, a := range asks {
		sub := s.subs.named(a.Filter)
		if sub != nil {
			s.replace(sub, a.Subscription)
		} else {
			sub = newSubscription(a.Subscription)
			if a.share != nil {
				s.join(sub, a.share)
			}
			for b, begin := range a.begins {
				sub.cursors = append(sub.cursors, &cursor{session: s, sub: sub, broker: b, boot: a.boots[b], begin: begin, next: begin, lastAt: begin - 1})
			}
			s.index(sub)
			fresh = append(fresh, sub)
		}
		if a.Retained {
			s.askWalk(sub)
		}
		s.setSubs = append(s.setSubs, sub)
	}
	if s.persist && s.out.reserved == s.out.count {
		s.out.reserve(s, false) // ids are there with the first message
	}
	return fresh
}

// replace gives a subscription new options. Messages that it stepped over with No Local may be somebody else's now.
func (s *Session) replace(sub *subscription, by session.Subscription) {
	if sub.NoLocal && !by.NoLocal {
		for _, c := range sub.cursors {
			c.begin = max(c.begin, c.next)
		}
	}
	if !by.Retained { // what an earlier SUBSCRIBE asked for goes on
		by.Retained, by.RetainedAt = sub.Retained, sub.RetainedAt
	}
	sub.Subscription = by
}

// undo takes new subscriptions out again whose write failed; should the write have happened all the same, a later one
// removes it.
func (s *Session) undo(fresh []*subscription) {
	s.mu.Lock()
	defer s.mu.Unlock()
	for _, sub := range fresh {
		s.remove(sub)
	}
	s.pump()
}

// giveBack releases holdings after a failed SUBSCRIBE, should they have been recorded; what fails here is mended by
// reconciliation. A subscription that was there before is held by the newer tag from here on.
func (s *Session) giveBack(asks []asked) {
	s.mu.Lock()
	var holds []registry.Hold
	for _, a := range asks {
		if sub := s.subs.named(a.Filter); sub != nil {
			if sub.HoldEpoch == a.HoldEpoch && sub.HoldSeq == a.HoldSeq { // recorded
				s.unaskWalk(sub)
			}
			sub.HoldEpoch, sub.HoldSeq = a.HoldEpoch, a.HoldSeq
			s.setSubs = append(s.setSubs, sub)
			s.writer.Mark(false)
			continue
		}
		holds = append(holds, s.hold(a.Subscription))
	}
	s.mu.Unlock()
	if len(holds) > 0 {
		s.hub.spawn(func() { s.hub.release(holds) })
	}
}

// release removes holdings; a failure is left to reconciliation.
func (h *Hub) release(holds []registry.Hold) {
	ctx, cancel := context.WithTimeout(h.ctx, h.cfg.Subscribe)
	defer cancel()
	if err := h.filters.Release(ctx, holds); err != nil {
		h.cfg.Logger.Warn("releasing filters failed, left to reconciliation", "filters", len(holds), "error", err)
	}
}
