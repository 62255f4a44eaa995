package chaos

import (
	"context"
	"fmt"
	"strings"

	"github.com/alicebob/miniredis/v2"
	"github.com/redis/go-redis/v9"

	"lmqgate/e2e/parts"
	"lmqgate/infra/minimq"
)

// master is the name under which the Sentinel knows the Redis of a world.
const master = "gate"

// startRedis returns the address to put proxies before, or none and the environment that takes its place.
func (w *World) startRedis() (addr string, env []string) {
	t := w.t
	t.Helper()
	switch top := w.options.Topology; top.Redis {
	case MiniRedis:
		w.MiniRedis = miniredis.NewMiniRedis()
		if err := w.MiniRedis.Start(); err != nil {
			t.Fatalf("start miniredis: %v", err)
		}
		t.Cleanup(w.MiniRedis.Close)
		return w.MiniRedis.Addr(), nil
	case Cluster:
		c := parts.RedisCluster(t)
		w.Redis = c.Nodes
		return "", []string{"REDIS_URL=" + c.URL, "REDIS_CLUSTER=true"}
	default:
		w.Redis = []*parts.RedisServer{parts.Redis(t, parts.RedisOptions{AOF: true, Fsync: top.Fsync})}
		if top.Redis == OneRedis {
			return w.Redis[0].Addr, nil
		}
		w.Redis = append(w.Redis, parts.Redis(t, parts.RedisOptions{AOF: true, ReplicaOf: w.Redis[0].Addr}))
		ctx, cancel := context.WithTimeout(context.Background(), mendLimit)
		defer cancel()
		if err := inSync(ctx, w.Redis[1]); err != nil {
			t.Fatalf("start replica: %v", err)
		}
		if top.Redis == Replica {
			return w.Redis[0].Addr, nil
		}
		w.Watch = parts.Sentinel(t, master, w.Redis[0].Addr)
		if err := w.watched(ctx); err != nil {
			t.Fatalf("start sentinel: %v", err)
		}
		return "", []string{"REDIS_URL=" + w.Watch.URL, "REDIS_SENTINEL_MASTER=" + master}
	}
}

// inSync waits until a replica has what its master had.
func inSync(ctx context.Context, replica *parts.RedisServer) error {
	c := redis.NewClient(&redis.Options{Addr: replica.Addr})
	defer c.Close()
	return eventually(ctx, func() error {
		info, err := c.Info(ctx, "replication").Result()
		if err != nil {
			return err
		}
		if !strings.Contains(info, "role:slave\r\n") || !strings.Contains(info, "master_link_status:up\r\n") {
			return fmt.Errorf("%s is not in sync:\n%s", replica.Addr, info)
		}
		return nil
	})
}

// watched waits until the Sentinel knows a replica of the master.
func (w *World) watched(ctx context.Context) error {
	c := redis.NewSentinelClient(&redis.Options{Addr: w.Watch.Addr})
	defer c.Close()
	return eventually(ctx, func() error {
		list, err := c.Replicas(ctx, master).Result()
		if err != nil {
			return err
		}
		for _, r := range list {
			if r["flags"] == "slave" && r["master-link-status"] == "ok" {
				return nil
			}
		}
		return fmt.Errorf("the sentinel knows no replica: %v", list)
	})
}

// startRocketMQ returns the name server's address. Brokers tell clients the address of a proxy.
func (w *World) startRocketMQ() string {
	t := w.t
	t.Helper()
	n := w.options.Topology.Brokers
	if w.options.Real {
		w.RocketMQ = parts.RocketMQ(t, parts.RocketMQOptions{Brokers: n, Proxied: true, Heap: "512m", Conf: []string{"flushDiskType=SYNC_FLUSH"}})
		for _, b := range w.RocketMQ.Brokers {
			w.MQWays = append(w.MQWays, b.Way)
		}
		return w.RocketMQ.Addr
	}
	w.MiniMQ = minimq.RunWith(t, minimq.Config{Brokers: n, ReorderSends: true})
	for _, b := range w.MiniMQ.Brokers() {
		way := parts.Proxy(t, b.Addr())
		b.Announce(way.Addr)
		w.MQWays = append(w.MQWays, way)
	}
	return w.MiniMQ.Addr()
}
