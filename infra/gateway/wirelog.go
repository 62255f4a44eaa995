package gateway

import (
	"context"
	"strings"

	"lmqgate/adapter/deliver"
	"lmqgate/adapter/rocketmq"
	"lmqgate/infra/telemetry/tracing"
	"lmqgate/meta/message"
)

// messageLog lets deliver read through the RocketMQ client. Messages are decoded once for all sessions.
type messageLog struct {
	c      *rocketmq.Client
	tracer *tracing.Tracer // nil: off
}

var _ deliver.Log = messageLog{}

func brokerNames(list []rocketmq.Broker) []string {
	names := make([]string, len(list))
	for i, b := range list {
		names[i] = b.Name
	}
	return names
}

func (l messageLog) Brokers() []string { return brokerNames(l.c.Brokers()) }

func (l messageLog) Boot(broker string) uint64 { return l.c.Boot(broker) }

func (l messageLog) MaxOffsets(ctx context.Context, broker string, lmqs []string) ([]int64, error) {
	refs := make([]rocketmq.LMQ, len(lmqs))
	for i, name := range lmqs {
		refs[i] = rocketmq.LMQ{Broker: broker, Name: name}
	}
	return l.c.MaxOffsets(ctx, refs)
}

func (l messageLog) Pull(ctx context.Context, r deliver.Ref, offset int64, limit int) (deliver.Batch, error) {
	res, err := l.c.Pull(ctx, rocketmq.LMQ{Broker: r.Broker, Name: r.LMQ}, offset, limit)
	if err != nil {
		return deliver.Batch{}, err
	}
	return l.batch(res), nil
}

func (l messageLog) Watch(r deliver.Ref, offset int64, fn func(deliver.Batch) bool) deliver.Watch {
	return l.c.Watch(rocketmq.LMQ{Broker: r.Broker, Name: r.LMQ}, offset, sink{l, fn})
}

type sink struct {
	log messageLog
	fn  func(deliver.Batch) bool
}

func (s sink) Pulled(r rocketmq.PullResult) bool { return s.fn(s.log.batch(r)) }

// batch turns a pull's answer into what deliver works with.
func (l messageLog) batch(r rocketmq.PullResult) deliver.Batch {
	b := deliver.Batch{Next: r.Next, Min: r.Min, Max: r.Max, Moved: r.Status == rocketmq.OffsetMoved, Boot: r.Boot}
	if len(r.Messages) > 0 {
		b.Entries = make([]*deliver.Entry, len(r.Messages))
	}
	for i, m := range r.Messages {
		b.Entries[i] = l.entry(m)
	}
	return b
}

// entry decodes one message. One that is none of ours to deliver stays as a place in the queue.
func (l messageLog) entry(m *rocketmq.PulledMessage) *deliver.Entry {
	prop := func(name string) string {
		v, _ := m.Properties.Get(name)
		return v
	}
	e := &deliver.Entry{
		Offset: m.LMQOffset, Key: m.Key, StoreMillis: m.StoreMillis,
		Dispatch: prop(message.PropDispatch), Offsets: prop(message.PropOffsets), Part: prop(message.PropPart) != "",
	}
	if strings.HasPrefix(m.Topic, "%DLQ%") {
		return e // a consumer group's dead letter keeps its dispatch list and enters the queues once more
	}
	msg, err := message.Decode(m.Body, prop)
	if err != nil {
		return e
	}
	msg.Key, msg.StoreMillis, msg.BornMillis = m.Key, m.StoreMillis, m.BornMillis
	e.Message = msg
	if l.tracer != nil {
		e.Trace = l.tracer.Received(msg, prop, m.Topic)
	}
	return e
}
