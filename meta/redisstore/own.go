package redisstore

import (
	"context"
	"encoding/base64"
	"fmt"
	"hash/fnv"
	"sync"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/redis/go-redis/v9"

	"lmqgate/meta/registry"
)

// ownSaid is how often it is logged that clients are refused a queue of their own.
const ownSaid = time.Minute

// OwnConfig bounds the clients that have a queue of their own.
type OwnConfig struct {
	Max        int64 // different client ids ever, on all instances together; 0 = no bound
	Registerer prometheus.Registerer
	Now        func() time.Time // nil = time.Now
}

// Own counts the client ids that ever had a queue of their own, for point to point messages, and says when there are too many.
// Which ones had is kept, as hashes of 64 bits in sets: a client that is known keeps its queue at the limit, new ones get none,
// and nobody sends them anything point to point. It costs one command when a session begins that has no position in its queue.
type Own struct {
	s       *Store
	quota   quota
	max     int64
	now     func() time.Time
	gauge   prometheus.Gauge
	refused prometheus.Counter

	mu     sync.Mutex // protects the fields below
	said   time.Time
	silent int // refused since then
}

var _ registry.OwnLimit = (*Own)(nil)

// Own returns the count of clients with a queue of their own of this store.
func (s *Store) Own(cfg OwnConfig) (*Own, error) {
	if cfg.Now == nil {
		cfg.Now = time.Now
	}
	o := &Own{
		s: s, max: cfg.Max, now: cfg.Now,
		gauge: prometheus.NewGauge(prometheus.GaugeOpts{
			Name: "lmqgate_p2p_queues_named", Help: "Client ids that ever had a queue of their own for point to point messages: brokers keep the names of these queues.",
		}),
		refused: prometheus.NewCounter(prometheus.CounterOpts{
			Name: "lmqgate_p2p_queues_refused_total", Help: "New sessions that got no queue of their own because of MAX_P2P_QUEUES.",
		}),
	}
	o.quota = quota{max: cfg.Max, now: cfg.Now, ask: o.ask, near: func(count int64) {
		s.log.Warn("nearly as many client ids had a queue of their own as are allowed; beyond MAX_P2P_QUEUES new ones get none: use stable client ids, raise it with the brokers' maxLmqConsumeQueueNum, or set P2P=false",
			"clients", count, "limit", cfg.Max)
	}}
	if cfg.Registerer == nil {
		return o, nil
	}
	var err error
	if o.gauge, err = registered(cfg.Registerer, o.gauge); err == nil {
		o.refused, err = registered(cfg.Registerer, o.refused)
	}
	return o, err
}

// Count asks how many clients there are, and sets the metric.
func (o *Own) Count(ctx context.Context) (int64, error) { return o.quota.current(ctx) }

func (o *Own) ask(ctx context.Context) (int64, error) {
	t := o.s.trip()
	var counts []*redis.IntCmd
	for i := range exactShards {
		counts = append(counts, t.pipe.SCard(ctx, o.s.keys.ownPart(i)))
	}
	if err := t.send(ctx); err != nil {
		return 0, fmt.Errorf("count clients with a queue of their own: %w", err)
	}
	sum := int64(0)
	for _, c := range counts {
		sum += c.Val()
	}
	o.gauge.Set(float64(sum))
	return sum, nil
}

// ownMember is what is kept of a client id: 64 bit FNV-1a, base64.
func ownMember(clientID string) string {
	h := fnv.New64a()
	_, _ = h.Write([]byte(clientID))
	return base64.RawURLEncoding.EncodeToString(h.Sum(nil))
}

// Refused counts a client whose session has no position in its own queue, or tells that it must not have one; see
// registry.OwnLimit.
func (o *Own) Refused(ctx context.Context, clientID string) (bool, error) {
	full, err := o.quota.full(ctx)
	if err != nil {
		return false, err
	}
	if !full {
		return false, o.note(ctx, []string{clientID})
	}
	t := o.s.trip()
	had := t.pipe.SIsMember(ctx, o.s.keys.own(clientID), ownMember(clientID))
	if err := t.send(ctx); err != nil {
		return false, fmt.Errorf("ask whether a client had a queue of its own: %w", err)
	}
	if had.Val() {
		return false, nil
	}
	o.refused.Inc()
	o.say(clientID)
	return true, nil
}

// note counts clients.
func (o *Own) note(ctx context.Context, clientIDs []string) error {
	t := o.s.trip()
	added := make([]*redis.IntCmd, len(clientIDs))
	for i, id := range clientIDs {
		added[i] = t.pipe.SAdd(ctx, o.s.keys.own(id), ownMember(id))
	}
	if err := t.send(ctx); err != nil {
		return fmt.Errorf("count clients with a queue of their own: %w", err)
	}
	sum := int64(0)
	for _, n := range added {
		sum += n.Val()
	}
	o.quota.add(sum)
	return nil
}

// say logs that a client got no queue of its own, once in a while.
func (o *Own) say(clientID string) {
	o.mu.Lock()
	o.silent++
	n := o.silent
	now := o.now()
	due := o.said.IsZero() || now.Sub(o.said) >= ownSaid
	if due {
		o.said, o.silent = now, 0
	}
	o.mu.Unlock()
	if due {
		o.s.log.Warn("a new client gets no queue of its own, since MAX_P2P_QUEUES client ids had one: nothing that is published to first/p2p/<client id> reaches it",
			"client_id", clientID, "limit", o.max, "refused", n)
	}
}

// Known reports of each client whether it has a session, connected or not (see Store.Known), and may be sent something in its
// own queue; who may and was not counted yet is counted.
func (o *Own) Known(ctx context.Context, clientIDs []string) ([]bool, error) {
	t := o.s.trip()
	answer := t.known(ctx, o.s.keys, clientIDs)
	had := make([]*redis.BoolCmd, len(clientIDs))
	for i, id := range clientIDs {
		had[i] = t.pipe.SIsMember(ctx, o.s.keys.own(id), ownMember(id))
	}
	if err := t.send(ctx); err != nil {
		return nil, fmt.Errorf("look for sessions and queues of clients: %w", err)
	}
	known := answer()
	var (
		fresh []string
		at    []int
	)
	for i := range had {
		if known[i] && !had[i].Val() {
			fresh, at = append(fresh, clientIDs[i]), append(at, i)
		}
	}
	if len(fresh) == 0 {
		return known, nil
	}
	full, err := o.quota.full(ctx)
	if err != nil {
		return nil, err
	}
	if !full {
		return known, o.note(ctx, fresh)
	}
	for _, i := range at {
		known[i] = false
	}
	return known, nil
}
