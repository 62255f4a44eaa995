package redisstore

import (
	"context"
	"time"

	"github.com/redis/go-redis/v9"

	"lmqgate/meta/registry"
)

// holdingsPass is where the walk over all holdings stands.
type holdingsPass struct {
	filters string // cursor of Filters
	last    bool   // the pending ones are the last
	pending []pendingFilter
}

type pendingFilter struct {
	filter string
	cursor uint64
}

// reconcileHoldings looks at about limit holdings; done says that they were the last.
func (s *Store) reconcileHoldings(ctx context.Context, now time.Time, limit int, did *Reconciled) (bool, error) {
	p := &s.reconciler.holdings
	if len(p.pending) == 0 && !p.last {
		filters, next, err := s.Filters(ctx, p.filters, limit)
		if err != nil {
			return false, err
		}
		p.filters, p.last = next, next == ""
		for _, f := range filters {
			p.pending = append(p.pending, pendingFilter{filter: f})
		}
	}
	holds, rest, err := s.holdingsPage(ctx, p.pending, limit)
	if err != nil {
		return false, err
	}
	if err := s.releaseUnfounded(ctx, now, holds, did); err != nil {
		return false, err
	}
	p.pending = rest
	if len(rest) == 0 && p.last {
		*p = holdingsPass{}
		return true, nil
	}
	return false, nil
}

// holdingsPage reads holders of the first pending filters in one trip, and returns what is pending then.
func (s *Store) holdingsPage(ctx context.Context, pending []pendingFilter, limit int) ([]registry.Hold, []pendingFilter, error) {
	const each = 16
	n := min(len(pending), max(limit/each, 1))
	if n == 0 {
		return nil, nil, nil
	}
	t := s.trip()
	replies := make([]*redis.ScanCmd, n)
	for i, p := range pending[:n] {
		replies[i] = t.pipe.HScan(ctx, s.keys.slotOf(p.filter).holders(p.filter), p.cursor, "", int64(min(limit, each)))
	}
	if err := t.send(ctx); err != nil {
		return nil, nil, err
	}
	var holds []registry.Hold
	rest := pending[n:]
	for i, reply := range replies {
		pairs, next := reply.Val()
		for j := 0; j+1 < len(pairs); j += 2 {
			epoch, seq, err := parseTag(pairs[j+1])
			if err != nil {
				continue // of a newer format, left to those who know it
			}
			h := holdOf(pending[i].filter, pairs[j])
			h.Epoch, h.Seq = epoch, seq
			holds = append(holds, h)
		}
		if next != 0 {
			rest = append(rest, pendingFilter{pending[i].filter, next})
		}
	}
	return holds, rest, nil
}

// releaseUnfounded releases those holdings that no session has had a subscription for since a while.
func (s *Store) releaseUnfounded(ctx context.Context, now time.Time, holds []registry.Hold, did *Reconciled) error {
	if len(holds) == 0 {
		return nil
	}
	t := s.trip()
	there := make([]*redis.BoolCmd, len(holds))
	ended := make([]*redis.BoolCmd, len(holds))
	for i, h := range holds {
		parts := s.keys.sessionParts(h.ClientID)
		there[i] = t.pipe.HExists(ctx, parts[1], h.Filter)
		ended[i] = t.pipe.HExists(ctx, parts[0], "q")
	}
	if err := t.send(ctx); err != nil {
		return err
	}
	var old []registry.Hold
	for i, h := range holds {
		unfounded := !there[i].Val() && !ended[i].Val() // an ended session's are released before it is settled
		if unfounded && s.reconciler.old(suspect{"holding", h.Filter, h.ClientID, tagOf(h)}, now, s.age) {
			old = append(old, h)
		}
	}
	did.Released += len(old)
	return s.Release(ctx, old)
}
