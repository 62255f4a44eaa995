// Package relay publishes the messages of RocketMQ producers that know nothing of MQTT to MQTT clients (RELAY_TOPICS).
//
// Of each RocketMQ topic one instance at a time, the owner of its lease, reads all queues and publishes what it finds: as
// an MQTT message to the topic that the Rule names, which the gateway matches and dispatches like any other. A position is
// committed, for the consumer group Group, when the broker has acknowledged the copies of all messages before it. So every
// message is relayed at least once; after an instance died or lost the lease, some are relayed twice, with the same UNIQ_KEY.
// Messages of a queue that get the same MQTT topic keep their order.
//
// What a gateway wrote, or an application that writes for MQTT clients, is left out: tag MQTT_COMMON or MQTT_PART, property
// originMqttTopic or INNER_MULTI_DISPATCH. A message that can never be published is left out too, and counted.
package relay

import (
	"context"
	"log/slog"
	"sync"
	"time"

	"github.com/prometheus/client_golang/prometheus"

	"lmqgate/meta/message"
)

// Group is the consumer group whose positions say how far relaying is. Its prefix spares the broker a configuration.
const Group = "%LMQ%lmqgate-relay"

// Record is a message as it was read.
type Record struct {
	Offset     int64
	Body       []byte
	Broken     error // why Body cannot be trusted
	Properties func(yield func(key, value string) bool)
}

// prop returns a property, "" if there is none.
func (r *Record) prop(key string) string {
	for k, v := range r.Properties {
		if k == key {
			return v
		}
	}
	return ""
}

// Page is what a read found.
type Page struct {
	Records []Record
	Next    int64 // where to go on
	Max     int64 // the offset that the next message gets
}

// Log reads RocketMQ. Safe for concurrent use.
type Log interface {
	// Queues returns the queues of a topic on all brokers; none if it does not exist.
	Queues(ctx context.Context, topic string) ([]message.Place, error)
	// Read reads on from an offset; it may wait for a while until there is something. An offset that the queue does not have
	// any more is no error: the page says where to go on.
	Read(ctx context.Context, at message.Place, offset int64) (Page, error)
	// End is the offset that the next message gets.
	End(ctx context.Context, at message.Place) (int64, error)
	// Position returns the committed position; false: there is none.
	Position(ctx context.Context, group string, at message.Place) (int64, bool, error)
	// Commit commits a position.
	Commit(ctx context.Context, group string, at message.Place, offset int64) error
}

// Leases has one owner at a time for each name.
type Leases interface {
	Lease(ctx context.Context, name, owner string, ttl time.Duration) (bool, error)
}

// Config of a Relay.
type Config struct {
	Rules     []Rule
	Beginning bool   // a queue without a position is read from its beginning, not its end
	Instance  string // the owner's name
	Logger    *slog.Logger
	// Registerer gets the metrics; nil keeps them unregistered.
	Registerer prometheus.Registerer
}

// Times of a relay.
const (
	leaseTime  = 15 * time.Second
	leaseEvery = 5 * time.Second
	firstPause = 100 * time.Millisecond
	mostPause  = 5 * time.Second
)

// Relay relays while Run runs.
type Relay struct {
	cfg     Config
	log     Log
	leases  Leases
	lanes   message.Lanes
	metrics *metrics
}

// New makes a relay.
func New(log Log, leases Leases, lanes message.Lanes, cfg Config) *Relay {
	if cfg.Logger == nil {
		cfg.Logger = slog.New(slog.DiscardHandler)
	}
	return &Relay{cfg: cfg, log: log, leases: leases, lanes: lanes, metrics: newMetrics(cfg.Registerer)}
}

// Run relays until ctx ends, and gives up its leases then.
func (r *Relay) Run(ctx context.Context) {
	var all sync.WaitGroup
	for _, rule := range r.cfg.Rules {
		all.Go(func() { r.own(ctx, rule) })
	}
	all.Wait()
}

// own relays a topic whenever it has the lease for it.
func (r *Relay) own(ctx context.Context, rule Rule) {
	name := "relay:" + rule.Topic
	var work *worker // nil: another instance has the lease
	var until time.Time
	defer func() {
		if work == nil {
			return
		}
		work.stop()
		last, cancel := context.WithTimeout(context.WithoutCancel(ctx), time.Second)
		defer cancel()
		if _, err := r.leases.Lease(last, name, r.cfg.Instance, 0); err != nil { // another one takes over when it ends
			r.cfg.Logger.Debug("giving up a relay failed", "rocketmq_topic", rule.Topic, "error", err)
		}
	}()
	look := time.NewTicker(leaseEvery)
	defer look.Stop()
	for {
		asked := time.Now()
		mine, err := r.lease(ctx, name)
		switch {
		case err != nil:
			r.cfg.Logger.Debug("asking for the lease of a relay failed", "rocketmq_topic", rule.Topic, "error", err)
			mine = work != nil && time.Now().Before(until)
		case mine:
			until = asked.Add(leaseTime - leaseEvery/5)
		}
		switch {
		case ctx.Err() != nil:
			return
		case mine && work == nil:
			r.cfg.Logger.Info("relaying", "rocketmq_topic", rule.Topic, "to", rule.Pattern)
			work = r.start(ctx, rule)
		case !mine && work != nil:
			r.cfg.Logger.Info("relaying has passed to another instance", "rocketmq_topic", rule.Topic)
			work.stop()
			work = nil
		}
		if work != nil {
			work.spread(ctx)
		}
		select {
		case <-look.C:
		case <-ctx.Done():
			return
		}
	}
}

func (r *Relay) lease(ctx context.Context, name string) (bool, error) {
	ctx, cancel := context.WithTimeout(ctx, leaseEvery/2)
	defer cancel()
	return r.leases.Lease(ctx, name, r.cfg.Instance, leaseTime)
}
