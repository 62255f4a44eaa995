package chaos

import (
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"time"

	"github.com/redis/go-redis/v9"

	"lmqgate/e2e/history"
	"lmqgate/e2e/parts"
)

func redisFaults() []Fault {
	lag := []string{
		"writes that Redis had answered and the replica had not: a subscription or session made in that time, an acknowledgement (the message comes again), " +
			"a retained message, a will's end",
	}
	return []Fault{
		{Name: "redis killed, written through", Needs: Needs{Redis: OneRedis}, Run: redisKilled},
		{
			Name: "redis killed, written every second", Needs: Needs{Redis: OneRedis, Fsync: "everysec"}, Run: redisKilled,
			Loses: []string{"nothing when only the process dies; what Redis wrote in the last second when the machine does"},
		},
		{Name: "redis full", Needs: Needs{Redis: OneRedis}, Run: redisFull},
		{Name: "redis fails over", Needs: Needs{Redis: Replica}, Run: redisFailsOver(false)},
		{
			Name: "redis rolled back", Needs: Needs{Redis: Replica}, Run: redisFailsOver(true), Loses: lag,
			Excuses: []history.Rule{history.Lost, history.Twice, history.Session, history.WillRule, history.RetainRule, history.Uninvited},
		},
		{Name: "sentinel fails over", Needs: Needs{Redis: Sentinel}, Run: sentinelFailsOver},
		{Name: "redis cluster moves slots", Needs: Needs{Redis: Cluster}, Run: moveSlots},
	}
}

// redisKilled ends Redis as a crash does; it comes back with what its append-only file has.
func redisKilled(ctx context.Context, w *World, r *rand.Rand) error {
	w.event("kill", "redis")
	w.Redis[0].Kill()
	rest(ctx, between(r, 0, 2*time.Second))
	w.Redis[0].Start()
	w.event("start", "redis")
	return w.mended(ctx)
}

// redisFull has Redis refuse whatever needs memory, as with noeviction at its limit.
func redisFull(ctx context.Context, w *World, r *rand.Rand) (err error) {
	c := redis.NewClient(&redis.Options{Addr: w.Redis[0].Addr})
	defer c.Close()
	w.event("full", "redis")
	if err := c.ConfigSet(ctx, "maxmemory", "1").Err(); err != nil {
		return fmt.Errorf("fill redis: %w", err)
	}
	rest(ctx, between(r, time.Second, 4*time.Second))
	if err := c.ConfigSet(context.WithoutCancel(ctx), "maxmemory", "0").Err(); err != nil {
		return fmt.Errorf("empty redis: %w", err)
	}
	w.event("mend", "redis")
	return w.mended(ctx)
}

// redisFailsOver kills the master and moves the proxies to the replica. If it lags, the replica has not followed for the
// last while. The old master returns as a replica of the new one, so that the next failover goes the other way.
func redisFailsOver(lags bool) func(context.Context, *World, *rand.Rand) error {
	return func(ctx context.Context, w *World, r *rand.Rand) error {
		within, cancel := context.WithTimeout(context.WithoutCancel(ctx), mendLimit)
		defer cancel()
		old, next := w.Redis[0], w.Redis[1]
		c := redis.NewClient(&redis.Options{Addr: next.Addr})
		defer c.Close()
		if err := inSync(within, next); err != nil {
			return err
		}
		if lags {
			w.event("detach", "the replica of redis")
			if err := c.ReplicaOf(within, "NO", "ONE").Err(); err != nil {
				return fmt.Errorf("detach replica: %w", err)
			}
			rest(ctx, between(r, 500*time.Millisecond, 2*time.Second))
		} else if err := drained(within, w, old); err != nil {
			return err
		}
		w.event("fail over", "redis, lagging: %v", lags)
		old.Kill()
		if err := c.ReplicaOf(within, "NO", "ONE").Err(); err != nil {
			return fmt.Errorf("promote replica: %w", err)
		}
		for _, p := range w.RedisWays {
			p.Move(next.Addr)
			p.Mend()
		}
		w.event("mend", "redis")
		w.Redis[0], w.Redis[1] = next, old
		old.Start()
		if err := follow(within, old, next); err != nil {
			return err
		}
		return w.mended(ctx)
	}
}

// drained keeps clients from the master and waits until the replica has all that the master answered: what a planned
// failover does.
func drained(ctx context.Context, w *World, old *parts.RedisServer) error {
	for _, p := range w.RedisWays {
		p.Refuse()
	}
	c := redis.NewClient(&redis.Options{Addr: old.Addr, ReadTimeout: mendLimit})
	defer c.Close()
	if err := c.Set(ctx, "failover", "1", time.Minute).Err(); err != nil { // moves the offset at once, not with the next ping
		return fmt.Errorf("drain redis: %w", err)
	}
	return eventually(ctx, func() error {
		info, err := c.InfoMap(ctx, "replication").Result()
		if err != nil {
			return err
		}
		section := info["Replication"]
		if offsetOf(section["slave0"]) != section["master_repl_offset"] {
			return fmt.Errorf("the replica is at %q, the master at %s", section["slave0"], section["master_repl_offset"])
		}
		return nil
	})
}

// follow makes one Redis the replica of another and waits until it is in sync.
func follow(ctx context.Context, replica, of *parts.RedisServer) error {
	c := redis.NewClient(&redis.Options{Addr: replica.Addr})
	defer c.Close()
	host, port := hostPort(of.Addr)
	if err := c.ReplicaOf(ctx, host, port).Err(); err != nil {
		return fmt.Errorf("follow: %w", err)
	}
	return inSync(ctx, replica)
}

// sentinelFailsOver kills the master and waits until the Sentinel has promoted the replica and knows the old master as one.
func sentinelFailsOver(ctx context.Context, w *World, _ *rand.Rand) error {
	within, cancel := context.WithTimeout(context.WithoutCancel(ctx), mendLimit)
	defer cancel()
	s := redis.NewSentinelClient(&redis.Options{Addr: w.Watch.Addr})
	defer s.Close()
	w.event("kill", "the master of redis")
	old, next := w.Redis[0], w.Redis[1]
	old.Kill()
	err := eventually(within, func() error {
		at, err := s.GetMasterAddrByName(within, master).Result()
		if err != nil {
			return err
		}
		if len(at) != 2 || at[0]+":"+at[1] != next.Addr {
			return fmt.Errorf("the master is still %v", at)
		}
		return nil
	})
	w.event("fail over", "redis by its sentinel")
	w.Redis[0], w.Redis[1] = next, old
	old.Start()
	if err != nil {
		return fmt.Errorf("fail over: %w", err)
	}
	return errors.Join(w.watched(within), w.mended(ctx))
}
