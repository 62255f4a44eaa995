// Package app is for RocketMQ applications in Go that exchange messages with MQTT clients.
//
// A Client publishes like an MQTT client does: it asks the registry in Redis which filters somebody subscribes to, wildcards
// included, and sends one RocketMQ message that the broker indexes for all of them. No application has to write dispatch
// lists by hand.
//
//	c, err := app.Open(ctx, app.Config{
//		RocketMQ: rocketmq.Config{NameServers: []string{"rocketmq:9876"}},
//		Redis:    redisstore.Config{URL: "redis://redis:6379"},
//	})
//	_, err = c.Publish(ctx, &message.Message{Topic: "room/1/light", Payload: []byte("on"), QoS: 1})
//
// A topic `first/p2p/<client id>/...` reaches that client without any subscription, also one that is away and has a
// session.
//
// What MQTT clients publish is an ordinary RocketMQ message in the topic that the MQTT topic's first level names: consume it
// with a consumer group and Subscribe, or with any consumer and Decode. Requests and answers (MQTT 5.0 section 4.10) are
// Reply and Replies.
//
// Records makes the messages for an application that has a producer of its own and knows the filters.
package app

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"sync"

	"lmqgate/adapter/rocketmq"
	"lmqgate/meta/redisstore"
	"lmqgate/meta/registry"
	"lmqgate/meta/retain"
	"lmqgate/meta/topic"
)

// DefaultFallback is the RocketMQ topic of MQTT topics whose first level cannot be one, as FALLBACK_TOPIC of a gateway.
const DefaultFallback = "MQTT_OTHER"

// ErrNoRedis says that this needs Config.Redis.
var ErrNoRedis = errors.New("no redis configured")

// Config says which RocketMQ and which Redis; those of the gateway.
type Config struct {
	RocketMQ rocketmq.Config
	// Redis is where the gateway's instances keep what is subscribed to; with an empty URL the client knows Filters only, and
	// cannot retain.
	Redis redisstore.Config
	// Retained bounds retained messages; like the gateway's.
	Retained redisstore.RetainConfig
	// Filters get messages that match them whether or not somebody subscribes; without Redis they are, with the message's own
	// topic, all that get one.
	Filters []string
	// Fallback is FALLBACK_TOPIC of the gateway; empty is DefaultFallback.
	Fallback string
	// FirstTopics is FIRST_TOPICS of the gateway; empty is any.
	FirstTopics []string
	// NoP2P is P2P=false of the gateway: topics `first/p2p/...` are like any other.
	NoP2P  bool
	Logger *slog.Logger
}

// Client publishes to MQTT clients. It is safe for concurrent use.
type Client struct {
	cfg     Config
	rocket  *rocketmq.Client
	store   *redisstore.Store // nil: no Redis
	retain  retain.Store
	matcher *registry.Matcher
	stop    context.CancelFunc
	running sync.WaitGroup
}

// Open makes a client. It waits until RocketMQ's cluster is known, or ctx ends; Redis is asked at the first Publish.
func Open(ctx context.Context, cfg Config) (*Client, error) {
	for _, f := range cfg.Filters {
		if err := topic.ValidFilter(f); err != nil {
			return nil, fmt.Errorf("filter %q: %w", f, err)
		}
	}
	if cfg.Fallback == "" {
		cfg.Fallback = DefaultFallback
	}
	if cfg.Logger == nil {
		cfg.Logger = slog.New(slog.DiscardHandler)
	}
	if cfg.RocketMQ.Logger == nil {
		cfg.RocketMQ.Logger = cfg.Logger
	}
	c := &Client{cfg: cfg}
	var life context.Context
	life, c.stop = context.WithCancel(context.WithoutCancel(ctx))
	err := c.open(ctx, life)
	if err != nil {
		_ = c.Close(ctx)
		return nil, err
	}
	return c, nil
}

func (c *Client) open(ctx, life context.Context) (err error) {
	if c.cfg.Redis.URL != "" {
		if c.store, err = redisstore.Open(c.cfg.Redis); err != nil {
			return err
		}
		if c.retain, err = c.store.Retained(c.cfg.Retained); err != nil {
			return err
		}
		c.matcher = registry.NewMatcher(c.store, registry.Config{Logger: c.cfg.Logger})
		c.running.Go(func() { _ = c.matcher.Run(life) }) // ends with life only
	}
	if c.rocket, err = rocketmq.New(c.cfg.RocketMQ); err != nil {
		return err
	}
	if err = c.rocket.Start(ctx); err != nil {
		return err
	}
	return c.rocket.Ready(ctx)
}

// Close waits for what is being sent, or until ctx ends, and disconnects.
func (c *Client) Close(ctx context.Context) error {
	var errs []error
	if c.rocket != nil {
		errs = append(errs, c.rocket.Close(ctx))
	}
	c.stop()
	c.running.Wait()
	if c.store != nil {
		errs = append(errs, c.store.Close())
	}
	return errors.Join(errs...)
}
