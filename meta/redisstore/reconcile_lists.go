package redisstore

import (
	"context"
	"slices"
	"time"
)

// listsPass is where the walk over the lists of live instances stands.
type listsPass struct {
	instance string // the one being walked, "" = start
	cursor   uint64
}

// reconcileLists looks at about limit entries of the lists of live instances; done says that they were the last.
// Those of dead instances are Orphans' work.
func (s *Store) reconcileLists(ctx context.Context, now time.Time, all leases, limit int, did *Reconciled) (bool, error) {
	p := &s.reconciler.lists
	names := all.names(true)
	slices.Sort(names)
	i, same := slices.BinarySearch(names, p.instance)
	if i == len(names) {
		*p = listsPass{}
		return true, nil
	}
	if !same {
		*p = listsPass{instance: names[i]}
	}
	pairs, next, err := s.client.HScan(ctx, s.keys.owned(p.instance), p.cursor, "", int64(limit)).Result()
	if err != nil {
		return false, err
	}
	if err := s.forgetLost(ctx, now, p.instance, pairs, did); err != nil {
		return false, err
	}
	if p.cursor = next; next != 0 {
		return false, nil
	}
	if i+1 < len(names) {
		*p = listsPass{instance: names[i+1]}
		return false, nil
	}
	*p = listsPass{}
	return true, nil
}

// forgetLost removes entries (client id, ticket, ...) of an instance's list whose sessions it has not owned since a
// while.
func (s *Store) forgetLost(ctx context.Context, now time.Time, instance string, pairs []string, did *Reconciled) error {
	if len(pairs) == 0 {
		return nil
	}
	var ids []string
	for i := 0; i < len(pairs); i += 2 {
		ids = append(ids, pairs[i])
	}
	page, err := s.readHeaders(ctx, ids)
	if err != nil {
		return err
	}
	owned := make(map[string]string) // client id -> ticket
	for _, one := range page {
		if one.header["o"] == instance {
			owned[one.clientID] = one.header["t"]
		}
	}
	var lost []record
	for i := 0; i+1 < len(pairs); i += 2 {
		id, ticket := pairs[i], pairs[i+1]
		if owned[id] != ticket && s.reconciler.old(suspect{"list", instance, id, ticket}, now, s.age) {
			lost = append(lost, record{instance: instance, clientID: id, ticket: ticket})
		}
	}
	if len(lost) == 0 {
		return nil
	}
	t := s.trip()
	s.forget(ctx, t, lost)
	if err := t.send(ctx); err != nil {
		return err
	}
	did.Forgotten += len(lost)
	return nil
}
