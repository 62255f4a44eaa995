package redisstore

import (
	"context"
	"fmt"
	"slices"

	"github.com/redis/go-redis/v9"

	"lmqgate/meta/registry"
)

// holdsPerScript bounds how long one script keeps Redis busy.
const holdsPerScript = 256

// Hold records holdings: one pipeline, a script for each registry slot they touch; see registry.Store.
func (s *Store) Hold(ctx context.Context, holds []registry.Hold) error {
	if err := s.hold(ctx, holds); err != nil {
		return fmt.Errorf("hold filters: %w", err)
	}
	return nil
}

func (s *Store) hold(ctx context.Context, holds []registry.Hold) error {
	t := s.trip()
	var (
		slots   []slot
		replies []*redis.Cmd
	)
	for at, group := range s.bySlot(holds) {
		for part := range slices.Chunk(group, holdsPerScript) {
			token, err := s.token()
			if err != nil {
				return err
			}
			keys, args := []string{at.head, at.set(), at.log(), at.count(s.id), at.named()}, []any{token, s.logLength(at), countTTL.Milliseconds()}
			keys, args = addHolds(keys, args, at, part)
			slots = append(slots, at)
			replies = append(replies, t.run(ctx, s.scripts.hold, keys, args...))
		}
	}
	if len(replies) == 0 {
		return nil
	}
	err := t.send(ctx)
	var errs errorSet
	errs.add(err)
	for i, cmd := range replies {
		if cmd.Err() != nil {
			continue // send has returned it
		}
		r := newReply(cmd)
		if err := r.code(); err != nil {
			errs.add(err)
			continue
		}
		if n := r.uint(); r.err == nil {
			s.ledger.told(slots[i], n)
		}
		errs.add(r.err)
	}
	return errs.err()
}

// Release removes holdings whose stored tag is not newer; see registry.Store.
func (s *Store) Release(ctx context.Context, holds []registry.Hold) error {
	if err := s.release(ctx, holds); err != nil {
		return fmt.Errorf("release filters: %w", err)
	}
	return nil
}

func (s *Store) release(ctx context.Context, holds []registry.Hold) error {
	t := s.trip()
	var (
		replies []*redis.Cmd
		parts   [][]registry.Hold
	)
	for at, group := range s.bySlot(holds) {
		for part := range slices.Chunk(group, holdsPerScript) {
			token, err := s.token()
			if err != nil {
				return err
			}
			keys, args := []string{at.head, at.set(), at.log()}, []any{token, s.logLength(at)}
			keys, args = addHolds(keys, args, at, part)
			parts = append(parts, part)
			replies = append(replies, t.run(ctx, s.scripts.release, keys, args...))
		}
	}
	if len(replies) == 0 {
		return nil
	}
	var errs errorSet
	errs.add(t.send(ctx))
	for i, reply := range replies {
		if reply.Err() == nil { // else send has returned it
			errs.add(s.tellEnded(reply, parts[i]))
		}
	}
	return errs.err()
}

// logLength is how many entries the change log of a slot keeps: exact filters have none.
func (s *Store) logLength(at slot) int {
	if at == s.keys.wildcards() {
		return s.maxLog
	}
	return 0
}

// newest keeps the newest of several tags for the same filter and client id: a script compares with what was stored
// before it ran.
func newest(holds []registry.Hold) []registry.Hold {
	type name struct{ filter, clientID string }
	at := make(map[name]int, len(holds))
	kept := make([]registry.Hold, 0, len(holds))
	for _, h := range holds {
		n := name{h.Filter, h.ClientID}
		i, again := at[n]
		if !again {
			at[n] = len(kept)
			kept = append(kept, h)
		} else if h.Epoch > kept[i].Epoch || (h.Epoch == kept[i].Epoch && h.Seq > kept[i].Seq) {
			kept[i] = h
		}
	}
	return kept
}

func (s *Store) bySlot(holds []registry.Hold) map[slot][]registry.Hold {
	groups := make(map[slot][]registry.Hold)
	for _, h := range newest(holds) {
		at := s.keys.slotOf(holderOf(h.Filter, "").filter)
		groups[at] = append(groups[at], h)
	}
	return groups
}

// addHolds adds holdings to the keys and arguments of hold.lua or release.lua.
func addHolds(keys []string, args []any, at slot, holds []registry.Hold) ([]string, []any) {
	keys, args = slices.Grow(keys, 2*len(holds)), slices.Grow(args, 5*len(holds))
	for _, h := range holds {
		who := holderOf(h.Filter, h.ClientID)
		keys = append(keys, at.holders(who.filter), at.groups(who.filter))
		args = append(args, who.filter, who.field, h.Epoch, h.Seq, who.group)
	}
	return keys, args
}
