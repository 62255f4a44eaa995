package redisstore

import (
	"context"
	_ "embed"
	"errors"
	"fmt"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/redis/go-redis/v9"

	"lmqgate/meta/message"
	"lmqgate/meta/retain"
)

//go:embed lua/retain_count.lua
var retainCountSource string

//go:embed lua/retain_read.lua
var retainReadSource string

//go:embed lua/retain_set.lua
var retainSetSource string

//go:embed lua/retain_walk.lua
var retainWalkSource string

const (
	defaultRetained        = 1_000_000
	defaultRetainedPayload = 256 << 10
	retainSweep            = 100 // expired entries that a count removes from each index
)

// RetainConfig bounds what is retained. The zero value is sane.
type RetainConfig struct {
	MaxCount   int64 // topics with a retained message; 0 = 1,000,000
	MaxPayload int   // bytes of one payload; 0 = 256 KiB

	Clock      func() time.Time      // the one that BornMillis of the messages is taken from; nil = time.Now
	Registerer prometheus.Registerer // nil = no metrics
}

// Retained implements retain.Store on the Redis of a Store. It is safe for concurrent use.
type Retained struct {
	store      *Store
	maxPayload int
	now        func() time.Time
	quota      *retainQuota
	metrics    *retainMetrics

	count, read, set, walk script
}

var _ retain.Store = (*Retained)(nil)

// Retained makes the store of retained messages. Several on the same Redis, in one process or many, share their data.
func (s *Store) Retained(cfg RetainConfig) (*Retained, error) {
	r := &Retained{
		store: s, maxPayload: cfg.MaxPayload, now: cfg.Clock,
		count: s.scripts.retainCount, read: s.scripts.retainRead, set: s.scripts.retainSet, walk: s.scripts.retainWalk,
	}
	if r.maxPayload <= 0 {
		r.maxPayload = defaultRetainedPayload
	}
	if r.now == nil {
		r.now = time.Now
	}
	limit := cfg.MaxCount
	if limit <= 0 {
		limit = defaultRetained
	}
	r.quota = newRetainQuota(limit)
	var err error
	if r.metrics, err = newRetainMetrics(cfg.Registerer); err != nil {
		return nil, fmt.Errorf("open retained messages: %w", err)
	}
	return r, nil
}

// lifetime is how long a message is still to be kept, by the clock that BornMillis is from: Redis is told the time left,
// so that its own clock may differ.
func (r *Retained) lifetime(m *message.Message) (left time.Duration, expires bool) {
	if !m.Properties.HasExpiry {
		return 0, false
	}
	waited := max(r.now().Sub(time.UnixMilli(m.BornMillis)), 0)
	return time.Duration(m.Properties.Expiry)*time.Second - waited, true
}

// Get reads one message; see retain.Store.
func (r *Retained) Get(ctx context.Context, name string) (*message.Message, error) {
	m, err := r.get(ctx, name)
	if err != nil {
		return nil, fmt.Errorf("get retained message: %w", err)
	}
	return m, nil
}

func (r *Retained) get(ctx context.Context, name string) (*message.Message, error) {
	value, err := r.store.client.Get(ctx, r.store.keys.retained(retainShard(name)).value(name)).Result()
	if errors.Is(err, redis.Nil) {
		return nil, retain.ErrNotFound
	}
	if err != nil {
		return nil, err
	}
	m, err := decodeRetained(name, value)
	if err != nil {
		return nil, err
	}
	if m.Expired(r.now()) {
		return nil, retain.ErrNotFound
	}
	return m, nil
}

// Count adds up all indexes in one round trip; see retain.Store.
func (r *Retained) Count(ctx context.Context) (int64, error) {
	t := r.store.trip()
	var counts [retainShards]*redis.Cmd
	for i := range counts {
		slot := r.store.keys.retained(i)
		counts[i] = t.run(ctx, r.count, []string{slot.index(), slot.expiry()}, retainSweep)
	}
	if err := t.send(ctx); err != nil {
		return 0, fmt.Errorf("count retained messages: %w", err)
	}
	var total int64
	for _, cmd := range counts {
		n, err := cmd.Int64()
		if err != nil {
			return 0, fmt.Errorf("count retained messages: %w", err)
		}
		total += n
	}
	return total, nil
}
