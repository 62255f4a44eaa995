package redisstore

import (
	"context"
	"strconv"
	"time"

	"github.com/redis/go-redis/v9"

	"lmqgate/meta/registry"
	"lmqgate/meta/session"
)

// assertPerTrip bounds the holdings that are asserted in one trip.
const assertPerTrip = 4096

// reconcileSessions looks at one page of sessions; done says that it was the last.
func (s *Store) reconcileSessions(ctx context.Context, now time.Time, all leases, limit int, did *Reconciled) (bool, error) {
	r := &s.reconciler
	found, next, err := s.scan(ctx, r.sessions, limit, s.keys.reconcilePattern())
	if err != nil {
		return false, err
	}
	var ids, willing []string
	for _, key := range found {
		if id, ok := s.keys.clientID(key); ok {
			ids = append(ids, id)
		} else if id, ok := s.keys.willsOf(key); ok {
			willing = append(willing, id)
		}
	}
	page, err := s.readHeaders(ctx, ids)
	if err != nil {
		return false, err
	}
	live := make(map[string]bool)
	ends := make(map[string]time.Time)
	for _, one := range all {
		live[one.instance], ends[one.instance] = one.live, one.end
	}
	orphans := make(map[time.Time][]record)
	due, err := s.willsDue(ctx, willing) // client id -> score
	if err != nil {
		return false, err
	}
	t := s.trip()
	for _, one := range page {
		h := one.header
		if h["f"] != "1" {
			continue
		}
		switch owner := h["o"]; {
		case owner == "":
			if at := float64(h.uint("d") + h.uint("h")); at > 0 && (due[one.clientID] == 0 || at < due[one.clientID]) {
				due[one.clientID] = at // a session has one of d and h
			}
		case live[owner]:
			t.pipe.HSetNX(ctx, s.keys.owned(owner), one.clientID, h["t"])
		case r.old(suspect{"instance", owner, "", ""}, now, s.age):
			end, ok := ends[owner]
			if !ok {
				end = now
			}
			orphans[end] = append(orphans[end], record{instance: owner, clientID: one.clientID, ticket: h["t"]})
		}
	}
	if len(due) > 0 {
		entries := make([]redis.Z, 0, len(due))
		for id, at := range due {
			entries = append(entries, redis.Z{Score: at, Member: id})
		}
		t.pipe.ZAddLT(ctx, s.keys.due(), entries...)
	}
	if t.pipe.Len() > 0 {
		if err := t.send(ctx); err != nil {
			return false, err
		}
	}
	for end, records := range orphans {
		if _, err := s.orphan(ctx, records, end); err != nil {
			return false, err
		}
		did.Detached += len(records)
	}
	if err := s.assertHoldings(ctx, page, did); err != nil {
		return false, err
	}
	r.sessions = next
	return next == "", nil
}

// willsDue are the scores in due of clients with wills.
func (s *Store) willsDue(ctx context.Context, clientIDs []string) (map[string]float64, error) {
	due := make(map[string]float64)
	if len(clientIDs) == 0 {
		return due, nil
	}
	t := s.trip()
	replies := make([]*redis.Cmd, len(clientIDs))
	for i, id := range clientIDs {
		replies[i] = t.run(ctx, s.scripts.willDue, []string{s.keys.wills(id)})
	}
	if err := t.send(ctx); err != nil {
		return nil, err
	}
	for i, cmd := range replies {
		if at, err := cmd.Float64(); err == nil && at > 0 {
			due[clientIDs[i]] = at
		}
	}
	return due, nil
}

// assertHoldings holds the filters of the sessions' subscriptions again, under the tags they were held with.
func (s *Store) assertHoldings(ctx context.Context, page []titled, did *Reconciled) error {
	t := s.trip()
	replies := make([]*redis.StringSliceCmd, len(page))
	for i, one := range page {
		replies[i] = t.pipe.HVals(ctx, s.keys.sessionParts(one.clientID)[1])
	}
	if len(page) == 0 {
		return nil
	}
	if err := t.send(ctx); err != nil {
		return err
	}
	var holds []registry.Hold
	for i, one := range page {
		if one.header["f"] != "1" || one.header["q"] != "" {
			continue
		}
		subs, err := decodeAll(replies[i].Val(), decodeSubscription)
		if err != nil {
			continue // of a newer format, left to those who know it
		}
		for j := range subs {
			if subs[j].HoldEpoch > 0 {
				holds = append(holds, holdingOf(one.clientID, &subs[j]))
			}
		}
	}
	did.Asserted += len(holds)
	for len(holds) > 0 {
		n := min(len(holds), assertPerTrip)
		if err := s.Hold(ctx, holds[:n]); err != nil {
			return err
		}
		holds = holds[n:]
	}
	return nil
}

// holdingOf is the holding of a subscription.
func holdingOf(clientID string, sub *session.Subscription) registry.Hold {
	return registry.Hold{
		Filter: sub.Filter, ClientID: clientID, Epoch: uint64(sub.HoldEpoch), Seq: sub.HoldSeq,
	}
}

// tagOf is a holding's tag as text.
func tagOf(h registry.Hold) string {
	return strconv.FormatUint(h.Epoch, 10) + "." + strconv.FormatUint(h.Seq, 10)
}
