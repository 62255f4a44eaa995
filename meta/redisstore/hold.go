package redisstore

import (
	"context"
	"fmt"

	"github.com/redis/go-redis/v9"

	"lmqgate/meta/registry"
	"lmqgate/meta/session"
)

// holdsPerScript bounds how long one script keeps Redis busy.
const holdsPerScript = 256

// Hold records holdings: one pipeline, a script for each registry slot they touch; see registry.Store.
func (s *Store) Hold(ctx context.Context, holds []registry.Hold) error {
	if err := s.change(ctx, s.scripts.hold, holds); err != nil {
		return fmt.Errorf("hold filters: %w", err)
	}
	return nil
}

// Release removes holdings whose stored tag is not newer; see registry.Store.
func (s *Store) Release(ctx context.Context, holds []registry.Hold) error {
	if err := s.change(ctx, s.scripts.release, holds); err != nil {
		return fmt.Errorf("release filters: %w", err)
	}
	return nil
}

func (s *Store) change(ctx context.Context, sc script, holds []registry.Hold) error {
	if len(holds) == 0 {
		return nil
	}
	t := s.trip()
	var replies []*redis.Cmd
	for at, group := range s.bySlot(newest(holds)) {
		for len(group) > 0 {
			n := min(len(group), holdsPerScript)
			token, err := s.token()
			if err != nil {
				return err
			}
			length := 0
			if at == s.keys.wildcards() {
				length = s.maxLog
			}
			keys, args := holdArgs(at, group[:n], token, length)
			replies = append(replies, t.run(ctx, sc, keys, args...))
			group = group[n:]
		}
	}
	if err := t.send(ctx); err != nil {
		return err
	}
	for _, reply := range replies {
		code, err := reply.Uint64()
		if err != nil {
			return err
		}
		if code != codeDone {
			return session.ErrFormat
		}
	}
	return nil
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
	for _, h := range holds {
		at := s.keys.slotOf(h.Filter)
		groups[at] = append(groups[at], h)
	}
	return groups
}

// holdArgs are the keys and arguments of hold.lua and release.lua.
func holdArgs(at slot, holds []registry.Hold, token string, length int) ([]string, []any) {
	keys := make([]string, 0, 3+len(holds))
	keys = append(keys, at.head, at.set(), at.log())
	args := make([]any, 0, 2+4*len(holds))
	args = append(args, token, length)
	for _, h := range holds {
		keys = append(keys, at.holders(h.Filter))
		args = append(args, h.Filter, h.ClientID, h.Epoch, h.Seq)
	}
	return keys, args
}
