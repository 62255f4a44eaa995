package chaos

import (
	"context"
	"fmt"
	"math/rand/v2"
	"net"
	"strings"
	"time"

	"github.com/redis/go-redis/v9"
)

func hostPort(addr string) (host, port string) {
	host, port, _ = net.SplitHostPort(addr)
	return host, port
}

// offsetOf finds "offset=N" in what INFO says of a replica.
func offsetOf(replica string) string {
	_, rest, _ := strings.Cut(replica, "offset=")
	at, _, _ := strings.Cut(rest, ",")
	return at
}

// moveSlots moves all slots that hold keys from one master to another while clients use them, key by key as redis-cli does.
func moveSlots(ctx context.Context, w *World, r *rand.Rand) error {
	within, cancel := context.WithTimeout(context.WithoutCancel(ctx), mendLimit)
	defer cancel()
	from := r.IntN(len(w.Redis))
	m := slotMove{addr: w.Redis[(from+1)%len(w.Redis)].Addr}
	m.from = redis.NewClient(&redis.Options{Addr: w.Redis[from].Addr})
	defer m.from.Close()
	m.to = redis.NewClient(&redis.Options{Addr: m.addr})
	defer m.to.Close()
	for _, s := range w.Redis {
		c := redis.NewClient(&redis.Options{Addr: s.Addr})
		defer c.Close()
		m.all = append(m.all, c)
	}
	w.event("move slots", "from redis %d", from+1)
	if err := m.run(within); err != nil {
		return err
	}
	w.event("moved slots", "from redis %d", from+1)
	return w.mended(ctx)
}

type slotMove struct {
	from, to *redis.Client
	all      []*redis.Client
	addr     string // of to
}

func (m *slotMove) run(ctx context.Context) error {
	fromID, err := m.from.Do(ctx, "CLUSTER", "MYID").Text()
	if err != nil {
		return fmt.Errorf("ask for node: %w", err)
	}
	toID, err := m.to.Do(ctx, "CLUSTER", "MYID").Text()
	if err != nil {
		return fmt.Errorf("ask for node: %w", err)
	}
	ranges, err := m.ranges(ctx, fromID)
	if err != nil {
		return err
	}
	for _, s := range ranges {
		for slot := s.Start; slot <= s.End; slot++ {
			n, err := m.from.ClusterCountKeysInSlot(ctx, int(slot)).Result()
			if err != nil {
				return fmt.Errorf("count keys: %w", err)
			}
			if n == 0 {
				continue
			}
			if err := m.slot(ctx, int(slot), fromID, toID); err != nil {
				return fmt.Errorf("move slot %d: %w", slot, err)
			}
		}
	}
	return nil
}

// ranges are the slots of a master.
func (m *slotMove) ranges(ctx context.Context, id string) ([]redis.SlotRange, error) {
	shards, err := m.from.ClusterShards(ctx).Result()
	if err != nil {
		return nil, fmt.Errorf("list slots: %w", err)
	}
	for _, s := range shards {
		for _, n := range s.Nodes {
			if n.ID == id {
				return s.Slots, nil
			}
		}
	}
	return nil, fmt.Errorf("no shard has node %s", id)
}

// slot moves one slot: IMPORTING, MIGRATING, all keys, then the owner.
func (m *slotMove) slot(ctx context.Context, slot int, fromID, toID string) error {
	if err := m.to.Do(ctx, "CLUSTER", "SETSLOT", slot, "IMPORTING", fromID).Err(); err != nil {
		return err
	}
	if err := m.from.Do(ctx, "CLUSTER", "SETSLOT", slot, "MIGRATING", toID).Err(); err != nil {
		return err
	}
	host, port := hostPort(m.addr)
	for {
		keys, err := m.from.ClusterGetKeysInSlot(ctx, slot, 10).Result()
		if err != nil {
			return err
		}
		if len(keys) == 0 {
			break
		}
		for _, key := range keys {
			if err := m.from.Migrate(ctx, host, port, key, 0, 5*time.Second).Err(); err != nil {
				return err
			}
		}
	}
	for _, c := range append([]*redis.Client{m.to, m.from}, m.all...) {
		if err := c.Do(ctx, "CLUSTER", "SETSLOT", slot, "NODE", toID).Err(); err != nil {
			return err
		}
	}
	return nil
}
