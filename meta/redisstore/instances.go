package redisstore

import (
	"context"
	"fmt"
	"time"

	"github.com/redis/go-redis/v9"
)

// Beat extends the lease of an instance by the clock of Redis. In the same trip it takes sessions that were taken over
// from other instances off those instances' lists, and enters into due what Attach could not.
func (s *Store) Beat(ctx context.Context, instance string, ttl time.Duration) error {
	s.mu.Lock()
	stale, hints := s.stale, s.hints
	s.stale, s.hints = nil, nil
	s.mu.Unlock()

	t := s.trip()
	beat := t.run(ctx, s.scripts.instBeat, []string{s.keys.instances()}, instance, millis(ttl))
	s.forget(ctx, t, stale)
	if len(hints) > 0 {
		t.pipe.ZAddLT(ctx, s.keys.due(), hints...)
	}
	_ = t.send(ctx) // the removals and entries may fail: Reconcile does them too
	if err := beat.Err(); err != nil {
		return fmt.Errorf("beat: %w", err)
	}
	return nil
}

// Leave ends the lease and forgets the instance, or leaves it among the dead while it has sessions.
func (s *Store) Leave(ctx context.Context, instance string) error {
	t := s.trip()
	t.run(ctx, s.scripts.instEnd, []string{s.keys.instances()}, instance)
	if err := t.send(ctx); err != nil {
		return fmt.Errorf("leave: %w", err)
	}
	if err := s.dropIfEmpty(ctx, instance); err != nil {
		return fmt.Errorf("leave: %w", err)
	}
	return nil
}

// dropIfEmpty forgets a dead instance that has no sessions.
func (s *Store) dropIfEmpty(ctx context.Context, instance string) error {
	n, err := s.client.HLen(ctx, s.keys.owned(instance)).Result()
	if err != nil || n > 0 {
		return err
	}
	t := s.trip()
	t.run(ctx, s.scripts.instDrop, []string{s.keys.instances()}, instance)
	return t.send(ctx)
}

// Dead lists instances that are registered but whose lease has ended.
func (s *Store) Dead(ctx context.Context) ([]string, error) {
	_, leases, err := s.leases(ctx)
	if err != nil {
		return nil, fmt.Errorf("list dead instances: %w", err)
	}
	return leases.names(false), nil
}

// Live lists the instances whose lease has not ended.
func (s *Store) Live(ctx context.Context) ([]string, error) {
	_, leases, err := s.leases(ctx)
	if err != nil {
		return nil, fmt.Errorf("list live instances: %w", err)
	}
	return leases.names(true), nil
}

// leased is an instance and the end of its lease.
type leased struct {
	instance string
	end      time.Time
	live     bool
}

type leases []leased

func (l leases) names(live bool) []string {
	var names []string
	for _, one := range l {
		if one.live == live {
			names = append(names, one.instance)
		}
	}
	return names
}

// leases returns the clock of Redis and all instances, the longest dead first.
func (s *Store) leases(ctx context.Context) (time.Time, leases, error) {
	t := s.trip()
	cmd := t.run(ctx, s.scripts.instList, []string{s.keys.instances()})
	if err := t.send(ctx); err != nil {
		return time.Time{}, nil, err
	}
	r := newReply(cmd)
	now := r.millis()
	var all leases
	for r.err == nil && len(r.items) > 0 {
		one := leased{instance: r.string(), end: r.millis()}
		one.live = one.end.After(now)
		all = append(all, one)
	}
	return now, all, r.err
}

// lease reads the answer of inst_lease.lua: the clock, and the end of the lease, zero when there is none.
func lease(cmd *redis.Cmd) (now, end time.Time, err error) {
	r := newReply(cmd)
	now = r.millis()
	if ms := r.optional(); ms > 0 {
		end = time.UnixMilli(int64(ms))
	}
	return now, end, r.err
}
