package redisstore

import (
	"context"
	"fmt"
	"sync"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/redis/go-redis/v9"

	"lmqgate/meta/registry"
)

const (
	namedFresh = 10 * time.Second // how long a count is good while far from the limit
	namedClose = time.Second      // and from nine tenths of it on
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
	cfg   NamedConfig
	gauge prometheus.Gauge

	mu     sync.Mutex // protects the fields below
	count  int64
	at     time.Time
	warned bool
}

var _ registry.Limit = (*Named)(nil)

// Named returns the count of filters of this store.
func (s *Store) Named(cfg NamedConfig) (*Named, error) {
	if cfg.Now == nil {
		cfg.Now = time.Now
	}
	n := &Named{s: s, cfg: cfg, gauge: prometheus.NewGauge(prometheus.GaugeOpts{
		Name: "lmqgate_filters_named", Help: "Filters that were ever subscribed to, about: each is a queue whose name brokers keep for ever.",
	})}
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
func (n *Named) Count(ctx context.Context) (int64, error) {
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
	n.mu.Lock()
	defer n.mu.Unlock()
	n.count, n.at = sum, n.cfg.Now()
	if near := n.cfg.Max > 0 && sum >= n.cfg.Max/10*8; near && !n.warned {
		n.warned = true
		n.s.log.Warn("nearly as many filters were subscribed to as brokers are to know queues; beyond MAX_FILTERS new ones are refused",
			"filters", sum, "limit", n.cfg.Max)
	}
	return sum, nil
}

// full reports whether the limit is reached, by a count that is fresh enough.
func (n *Named) full(ctx context.Context) (bool, error) {
	n.mu.Lock()
	count, age := n.count, n.cfg.Now().Sub(n.at)
	asked := !n.at.IsZero()
	n.mu.Unlock()
	fresh := namedFresh
	if count >= n.cfg.Max/10*9 {
		fresh = namedClose
	}
	if !asked || age >= fresh {
		var err error
		if count, err = n.Count(ctx); err != nil {
			return false, err
		}
	}
	return count >= n.cfg.Max, nil
}

// Refused tells which of the filters are too many; see registry.Limit.
func (n *Named) Refused(ctx context.Context, filters []string) ([]bool, error) {
	refused := make([]bool, len(filters))
	if n.cfg.Max <= 0 || len(filters) == 0 {
		return refused, nil
	}
	full, err := n.full(ctx)
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
