package redisstore

import (
	"context"
	"fmt"
	"time"

	"github.com/redis/go-redis/v9"

	"lmqgate/meta/registry"
)

var _ registry.Owners = (*Store)(nil)

// ownedPage is about how many holders are looked at in one round trip.
const ownedPage = 128

// Owned says which messages belong to a member already; see registry.Owners. Entries are looked at before what is
// finished: a member writes them in the other order, so none is missed in between.
func (s *Store) Owned(ctx context.Context, filter string, keys []string) ([]bool, error) {
	who := holderOf(filter, "")
	if who.group == "" {
		return nil, fmt.Errorf("%q is no shared subscription", filter)
	}
	owned := make([]bool, len(keys))
	places := make(map[string][]int, len(keys))
	for i, k := range keys {
		places[k] = append(places[k], i)
	}
	for cursor := uint64(0); ; {
		holds, next, err := s.Holders(ctx, filter, cursor, ownedPage)
		if err != nil {
			return nil, fmt.Errorf("find owners: %w", err)
		}
		if err := s.ownedBy(ctx, filter, holds, places, owned); err != nil {
			return nil, fmt.Errorf("find owners: %w", err)
		}
		if cursor = next; cursor == 0 {
			break
		}
	}
	pipe := s.client.Pipeline()
	done := make([]*redis.FloatCmd, len(keys))
	at := s.keys.slotOf(who.filter).finished(who.filter)
	for i, k := range keys {
		done[i] = pipe.ZScore(ctx, at, finishedMember(who.group, k))
	}
	if cmds, err := pipe.Exec(ctx); err != nil {
		if err := spread(cmds, err); err != nil {
			return nil, fmt.Errorf("find finished messages: %w", err)
		}
	}
	for i, cmd := range done {
		owned[i] = owned[i] || cmd.Err() == nil
	}
	return owned, nil
}

// ownedBy marks the messages that are in flight with some holders.
func (s *Store) ownedBy(ctx context.Context, filter string, holds []registry.Hold, places map[string][]int, owned []bool) error {
	if len(holds) == 0 {
		return nil
	}
	pipe := s.client.Pipeline()
	outs := make([]*redis.StringSliceCmd, len(holds))
	for i, h := range holds {
		outs[i] = pipe.HVals(ctx, s.keys.session(h.ClientID)+":out")
	}
	if _, err := pipe.Exec(ctx); err != nil {
		return err
	}
	for _, cmd := range outs {
		for _, value := range cmd.Val() {
			o, err := decodeOutbound(value)
			if err != nil {
				return err
			}
			if o.Filter != filter {
				continue
			}
			for _, i := range places[o.Key] {
				owned[i] = true
			}
		}
	}
	return nil
}

// Finished notes messages whose exchange is over; see registry.Owners.
func (s *Store) Finished(ctx context.Context, filter string, keys []string, keep time.Duration) error {
	who := holderOf(filter, "")
	if who.group == "" {
		return fmt.Errorf("%q is no shared subscription", filter)
	}
	args := []any{keep.Milliseconds()}
	for _, k := range keys {
		args = append(args, finishedMember(who.group, k))
	}
	t := s.trip()
	t.run(ctx, s.scripts.finished, []string{s.keys.slotOf(who.filter).finished(who.filter)}, args...)
	if err := t.send(ctx); err != nil {
		return fmt.Errorf("note finished messages: %w", err)
	}
	return nil
}

// finishedMember names a message of a group; neither part has a NUL.
func finishedMember(group, key string) string { return group + "\x00" + key }
