package gateway

import (
	"context"
	"time"

	"lmqgate/adapter/deliver"
	"lmqgate/adapter/rocketmq"
	"lmqgate/meta/registry"
)

// pops lets shared subscriptions consume through the RocketMQ client.
type pops struct {
	c   *rocketmq.Client
	log messageLog
}

var _ deliver.Pops = pops{}

// shared is how shared subscriptions are served.
func (g *Gateway) shared() deliver.Shared {
	g.store.OnGroupEnd(func(filter string, l registry.Life) { g.hub.GroupEnded(filter, l) })
	return deliver.Shared{Pops: pops{g.rocket, messageLog{g.rocket, g.tracer}}, Groups: g.store, Owners: g.store, Invisible: g.cfg.SharedRedelivery, Max: g.cfg.MaxGroups}
}

func lmq(r deliver.Ref) rocketmq.LMQ { return rocketmq.LMQ{Broker: r.Broker, Name: r.LMQ} }

func (p pops) Pop(r deliver.PopRequest, done func([]deliver.Popped, int64, error)) (cancel func()) {
	return p.c.Pop(rocketmq.PopRequest{
		LMQ: lmq(r.Ref), Group: r.Group, Max: r.Max, Invisible: r.Invisible, Wait: r.Wait,
	}, func(messages []rocketmq.Popped, rest int64, err error) {
		got := make([]deliver.Popped, len(messages))
		for i, m := range messages {
			got[i] = deliver.Popped{Entry: p.log.entry(m.PulledMessage), Handle: m.Handle, Again: m.Reconsume > 0}
		}
		done(got, rest, err)
	})
}

func (p pops) Ack(h deliver.Handle, done func(error)) { p.c.AckPopped(handle(h), done) }

func (p pops) Return(h deliver.Handle, after time.Duration, done func(deliver.Handle, error)) {
	p.c.ReturnPopped(handle(h), after, func(h rocketmq.Handle, err error) { done(h, err) })
}

// handle is what Pop gave out; any other one names nothing.
func handle(h deliver.Handle) rocketmq.Handle {
	known, _ := h.(rocketmq.Handle)
	return known
}

func (p pops) BeginGroup(ctx context.Context, group string, r deliver.Ref) error {
	return p.c.BeginGroup(ctx, group, lmq(r))
}

func (p pops) EndGroup(ctx context.Context, group string, r deliver.Ref) error {
	return p.c.EndGroup(ctx, group, lmq(r))
}

func (p pops) GroupName(parts ...string) string { return rocketmq.GroupName(parts...) }
