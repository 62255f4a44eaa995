package app

import (
	"context"
	"errors"
	"fmt"
	"slices"

	rocketclient "github.com/apache/rocketmq-client-go/v2"
	"github.com/apache/rocketmq-client-go/v2/consumer"
	"github.com/apache/rocketmq-client-go/v2/primitive"

	"lmqgate/meta/message"
	"lmqgate/meta/topic"
)

// Selector picks MQTT messages, each once, among others of a RocketMQ topic.
var Selector = consumer.MessageSelector{Type: consumer.TAG, Expression: message.TagCommon}

// Subscribe has a consumer of rocketmq-client-go call handle with the messages of MQTT clients that match one of the filters. Call
// it once, before the consumer's Start: RocketMQ wants all members of a consumer group to subscribe to the same.
//
// The filters' first levels must be names, since a RocketMQ topic cannot be a wildcard; what tenants have is read with
// `$tenant/<tenant>/` before them. An error of handle has RocketMQ
// deliver the message again later; handle is called from several goroutines, and as RocketMQ promises at least once. Its
// context is the consumer's.
func Subscribe(c rocketclient.PushConsumer, filters []string, handle func(context.Context, *message.Message) error) error {
	topics := make(map[string][]string)
	for _, f := range filters {
		if err := topic.ValidFilter(f); err != nil {
			return fmt.Errorf("filter %q: %w", f, err)
		}
		own, _ := topic.SpaceIn(f).Unmount(f)
		if first := topic.First(own); first == "+" || first == "#" {
			return fmt.Errorf("filter %q: a consumer reads RocketMQ topics, so the first level must be a name", f)
		}
		t := topic.RocketMQTopic(f, DefaultFallback, nil)
		topics[t] = append(topics[t], f)
	}
	if len(topics) == 0 {
		return errors.New("no filter")
	}
	for t, own := range topics {
		err := c.Subscribe(t, Selector, func(ctx context.Context, records ...*primitive.MessageExt) (consumer.ConsumeResult, error) {
			for _, r := range records {
				m, err := Decode(r)
				if err != nil || !slices.ContainsFunc(own, func(f string) bool { return topic.Match(f, m.Topic) }) {
					continue
				}
				if err := handle(ctx, m); err != nil {
					return consumer.ConsumeRetryLater, err
				}
			}
			return consumer.ConsumeSuccess, nil
		})
		if err != nil {
			return fmt.Errorf("subscribe to %s: %w", t, err)
		}
	}
	return nil
}
