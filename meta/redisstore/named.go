package redisstore

import (
	"context"
	"fmt"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/redis/go-redis/v9"

	"lmqgate/meta/registry"
)

// NamedConfig bounds the filters that were ever held.
type NamedConfig struct {
	Max        int64 // on all instances together; 0 = no bound
	Registerer prometheus.Registerer
	Now        func() time.Time // nil = time.Now
}

// Named counts the filters that anybody ever held and says when there are too many: a broker keeps the name of each one's
// queue for ever. The count is that of HyperLogLogs, one a registry slot, which the hold script feeds when a filter gets its
// first holder: about 1 % off, never falling. It is asked for at most every ten seconds, when something is subscribed to or
// Count is called, so instances that subscribe to very many new filters at once exceed the limit by what they do in that time.
type Named struct {
	s     *Store
	quota quota
	gauge prometheus.Gauge
}

var _ registry.Limit = (*Named)(nil)

// Named returns the count of filters of this store.
func (s *Store) Named(cfg NamedConfig) (*Named, error) {
	if cfg.Now == nil {
		cfg.Now = time.Now
	}
	n := &Named{s: s, gauge: prometheus.NewGauge(prometheus.GaugeOpts{
		Name: "lmqgate_filters_named", Help: "Filters that were ever subscribed to, about: each is a queue whose name brokers keep for ever.",
	})}
	n.quota = quota{max: cfg.Max, now: cfg.Now, ask: n.ask, near: func(count int64) {
		s.log.Warn("nearly as many filters were subscribed to as brokers are to know queues; beyond MAX_FILTERS new ones are refused",
			"filters", count, "limit", cfg.Max)
	}}
	if cfg.Registerer == nil {
		return n, nil
	}
	var err error
	n.gauge, err = registered(cfg.Registerer, n.gauge)
	return n, err
}

// slots are all parts of the registry.
func (k keys) slots() []slot {
	all := []slot{k.wildcards()}
	for i := range exactShards {
		all = append(all, k.exact(i))
	}
	return all
}

// Count asks how many filters there are, and sets the metric.
func (n *Named) Count(ctx context.Context) (int64, error) { return n.quota.current(ctx) }

func (n *Named) ask(ctx context.Context) (int64, error) {
	t := n.s.trip()
	var counts []*redis.IntCmd
	for _, at := range n.s.keys.slots() {
		counts = append(counts, t.pipe.PFCount(ctx, at.named()))
	}
	if err := t.send(ctx); err != nil {
		return 0, fmt.Errorf("count filters: %w", err)
	}
	sum := int64(0)
	for _, c := range counts {
		sum += c.Val()
	}
	n.gauge.Set(float64(sum))
	return sum, nil
}

// Refused tells which of the filters are too many; see registry.Limit.
func (n *Named) Refused(ctx context.Context, filters []string) ([]bool, error) {
	refused := make([]bool, len(filters))
	if n.quota.max <= 0 || len(filters) == 0 {
		return refused, nil
	}
	full, err := n.quota.full(ctx)
	if err != nil || !full {
		return refused, err
	}
	t := n.s.trip()
	held := make([]*redis.BoolCmd, len(filters))
	for i, f := range filters {
		filter := holderOf(f, "").filter
		held[i] = t.pipe.SIsMember(ctx, n.s.keys.slotOf(filter).set(), filter)
	}
	if err := t.send(ctx); err != nil {
		return nil, fmt.Errorf("ask for held filters: %w", err)
	}
	for i := range held {
		refused[i] = !held[i].Val()
	}
	return refused, nil
}
