package redisstore

import (
	"context"
	_ "embed"
	"fmt"
	"time"
)

//go:embed lua/lease.lua
var leaseSource string

func (k keys) lease(name string) string { return k.prefix + "lease:" + name }

// Lease takes or prolongs a lease that has one owner at a time; with ttl 0 it gives it up. It reports whether the owner has it
// now. It is no fence: an owner that was paused may act for a moment beside the next one.
func (s *Store) Lease(ctx context.Context, name, owner string, ttl time.Duration) (bool, error) {
	t := s.trip()
	cmd := t.run(ctx, s.scripts.lease, []string{s.keys.lease(name)}, owner, ttl.Milliseconds())
	if err := t.send(ctx); err != nil {
		return false, fmt.Errorf("lease %s: %w", name, err)
	}
	n, err := cmd.Int()
	if err != nil {
		return false, fmt.Errorf("lease %s: %w", name, err)
	}
	return n == 1, nil
}
