package gateway

import (
	"context"
	"errors"
	"time"

	"lmqgate/adapter/relay"
	"lmqgate/adapter/rocketmq"
	"lmqgate/meta/message"
)

// openRelay makes what publishes the messages of RELAY_TOPICS.
func (g *Gateway) openRelay() *relay.Relay {
	return relay.New(relayLog{g.rocket}, g.store, lanes{g.dispatch}, relay.Config{
		Rules: g.cfg.Relay, Beginning: g.cfg.RelayFrom == "beginning", Instance: g.id, Logger: g.log, Registerer: g.reg,
	})
}

// relayHold is how long a broker holds a read that finds nothing.
const relayHold = 15 * time.Second

// relayLog is the RocketMQ client as relay wants it.
type relayLog struct{ c *rocketmq.Client }

var _ relay.Log = relayLog{}

func queueAt(at message.Place) rocketmq.Queue {
	return rocketmq.Queue{Topic: at.Topic, Broker: at.Broker, ID: at.Queue}
}

func (l relayLog) Queues(ctx context.Context, topic string) ([]message.Place, error) {
	queues, err := l.c.Queues(ctx, topic)
	if errors.Is(err, rocketmq.ErrNoTopic) {
		return nil, nil
	}
	places := make([]message.Place, len(queues))
	for i, q := range queues {
		places[i] = message.Place{Topic: q.Topic, Broker: q.Broker, Queue: q.ID}
	}
	return places, err
}

func (l relayLog) Read(ctx context.Context, at message.Place, offset int64) (relay.Page, error) {
	r, err := l.c.PullQueue(ctx, queueAt(at), offset, 0, relayHold)
	if err != nil {
		return relay.Page{}, err
	}
	p := relay.Page{Next: r.Next, Max: r.Max, Records: make([]relay.Record, len(r.Messages))}
	for i, m := range r.Messages {
		p.Records[i] = relay.Record{Offset: m.QueueOffset, Body: m.Body, Broken: m.Err, Properties: m.Properties.All()}
	}
	if r.Status == rocketmq.NoNew {
		p.Next = offset
	}
	return p, nil
}

func (l relayLog) End(ctx context.Context, at message.Place) (int64, error) {
	return l.c.MaxQueueOffset(ctx, queueAt(at))
}

func (l relayLog) Position(ctx context.Context, group string, at message.Place) (int64, bool, error) {
	return l.c.QueryConsumerOffset(ctx, at.Broker, group, at.Topic, at.Queue)
}

func (l relayLog) Commit(ctx context.Context, group string, at message.Place, offset int64) error {
	return l.c.CommitConsumerOffset(ctx, at.Broker, group, at.Topic, at.Queue, offset)
}
