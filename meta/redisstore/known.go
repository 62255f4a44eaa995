package redisstore

import (
	"context"
	"fmt"

	"github.com/redis/go-redis/v9"
)

// Known reports of each client whether it has a session, connected or not. One whose expiry has passed counts until it is
// swept, one of a format that this build cannot read does too.
func (s *Store) Known(ctx context.Context, clientIDs []string) ([]bool, error) {
	t := s.trip()
	known := t.known(ctx, s.keys, clientIDs)
	if err := t.send(ctx); err != nil {
		return nil, fmt.Errorf("look for sessions: %w", err)
	}
	return known(), nil
}

// known asks which clients have a session; the answer may be called after send.
func (t *trip) known(ctx context.Context, k keys, clientIDs []string) (answer func() []bool) {
	headers := make([]*redis.SliceCmd, len(clientIDs))
	for i, id := range clientIDs {
		headers[i] = t.pipe.HMGet(ctx, k.session(id), "f", "q")
	}
	return func() []bool {
		known := make([]bool, len(clientIDs))
		for i, h := range headers {
			v := h.Val()
			known[i] = len(v) == 2 && v[0] != nil && v[1] == nil
		}
		return known
	}
}
