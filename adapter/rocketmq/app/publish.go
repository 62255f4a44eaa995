package app

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"time"

	"lmqgate/adapter/rocketmq"
	"lmqgate/meta/message"
	"lmqgate/meta/topic"
)

var _ message.Publisher = (*Client)(nil)

// pauses between two attempts to send what was certainly not stored.
const (
	firstPause = 50 * time.Millisecond
	mostPause  = 2 * time.Second
)

// Publish sends a message to all MQTT clients that subscribe to its topic, and to RocketMQ consumers of it. When it returns
// without error the broker has stored the message; with Retain set it has been kept as the retained message of its topic
// before (an empty payload removes that), which needs Redis. It tries again what a broker refused for a moment until ctx
// ends.
//
// A send whose outcome is unknown (no answer in time, connection lost) is looked up by the message's key until ctx ends; what is
// missing is sent again, what is there is not. If ctx ends before that is known, the error is an *UnknownError. Any other error
// says that no client gets the message: message.ErrUnavailable that RocketMQ or Redis does not answer, message.ErrRefused that
// it will never be taken. One to be retained may be kept all the same. Publisher of the message is nobody's client id unless set.
func (c *Client) Publish(ctx context.Context, m *message.Message) (message.Result, error) {
	if err := topic.ValidName(m.Topic); err != nil {
		return message.Result{}, fmt.Errorf("publish to %q: %w", m.Topic, err)
	}
	if m.QoS > 2 {
		return message.Result{}, fmt.Errorf("publish to %q: QoS %d", m.Topic, m.QoS)
	}
	own := *m
	if own.Key == "" {
		own.Key = rocketmq.NewKey()
	}
	if own.BornMillis == 0 {
		own.BornMillis = time.Now().UnixMilli()
	}
	r := message.Result{Key: own.Key}
	lmqs, err := c.queues(ctx, &own)
	if err != nil {
		return r, fmt.Errorf("publish to %q: %w", m.Topic, err)
	}
	r.Queues = len(lmqs)
	parts, err := message.Parts(&own, lmqs, room, false)
	if err != nil {
		return r, fmt.Errorf("publish to %q: %w", m.Topic, err)
	}
	if err := c.send(ctx, own.Topic, parts); err != nil {
		return r, fmt.Errorf("publish to %q: %w", m.Topic, err)
	}
	return r, nil
}

func room(properties map[string]string) int {
	return rocketmq.DispatchRoom(message.TagCommon, properties)
}

// queues keeps a message that is to be retained, and then, never the other way round, finds who gets it: whoever subscribes
// in between finds what was kept.
func (c *Client) queues(ctx context.Context, m *message.Message) ([]string, error) {
	private := ""
	if id, ok := topic.P2P(m.Topic); ok && !c.cfg.NoP2P {
		private = id
	}
	if m.Retain && (private == "" || len(m.Payload) == 0) { // what is for one client is not kept: others would find it by a wildcard
		if c.retain == nil {
			return nil, fmt.Errorf("retain: %w", ErrNoRedis)
		}
		if err := c.retain.Set(ctx, m); err != nil {
			return nil, fmt.Errorf("retain: %w: %w", message.ErrUnavailable, err)
		}
	}
	if private != "" {
		return []string{topic.P2PLMQ(private)}, nil
	}
	filters := []string{m.Topic}
	if c.matcher != nil {
		found, err := c.matcher.MatchWait(ctx, m.Topic)
		if err != nil {
			return nil, fmt.Errorf("ask who subscribes: %w: %w", message.ErrUnavailable, err)
		}
		filters = slices.Clone(found)
	}
	for _, f := range c.cfg.Filters {
		if topic.Match(f, m.Topic) {
			filters = append(filters, f)
		}
	}
	return topic.Queues(filters), nil
}

// send sends the parts one after the other to one queue.
func (c *Client) send(ctx context.Context, name string, parts []message.Part) error {
	stored := 0
	at, err := c.place(ctx, name)
	for pause := firstPause; stored < len(parts); pause = min(2*pause, mostPause) {
		if err == nil {
			err = c.settled(ctx, at, parts[stored])
		}
		if err == nil {
			stored, pause = stored+1, firstPause
			continue
		}
		if errors.Is(err, errUnsettled) {
			return &UnknownError{Key: parts[stored].Key, Topic: at.Topic, Broker: at.Broker, Stored: stored, Err: err}
		}
		final := finally(err)
		if final == nil {
			select {
			case <-ctx.Done():
				final = fmt.Errorf("%w: %w", message.ErrUnavailable, err)
			case <-time.After(pause):
				at, err = c.place(ctx, name)
				continue
			}
		}
		if stored > 0 {
			return &UnknownError{Key: parts[stored].Key, Topic: at.Topic, Stored: stored, Err: final}
		}
		return final
	}
	return nil
}

// finally is the error to return after one that says that nothing was stored, nil if another attempt may help.
func finally(err error) error {
	switch {
	case errors.Is(err, rocketmq.ErrDispatchList), errors.Is(err, rocketmq.ErrProperties), errors.Is(err, rocketmq.ErrIllegal), errors.Is(err, rocketmq.ErrNoTopic):
		return fmt.Errorf("%w: %w", message.ErrRefused, err)
	case errors.Is(err, rocketmq.ErrRejected), errors.Is(err, rocketmq.ErrBusy), errors.Is(err, rocketmq.ErrNoBroker):
		return nil
	default:
		return fmt.Errorf("%w: %w", message.ErrUnavailable, err)
	}
}

// place chooses the queue as the gateway does: by the MQTT topic, so that messages of one topic keep their order.
func (c *Client) place(ctx context.Context, name string) (rocketmq.Queue, error) {
	q, err := c.rocket.PickQueue(ctx, c.RocketMQTopic(name), name)
	if errors.Is(err, rocketmq.ErrNoTopic) {
		q, err = c.rocket.PickQueue(ctx, c.cfg.Fallback, name)
	}
	return q, err
}

// sendPart sends once. A caller who had gone before has nothing sent.
func (c *Client) sendPart(ctx context.Context, at rocketmq.Queue, p message.Part) error {
	if err := ctx.Err(); err != nil {
		return fmt.Errorf("%w: %w", rocketmq.ErrRejected, err)
	}
	done := make(chan error, 1)
	c.rocket.Send(&rocketmq.OutMessage{
		Queue: at, Tag: p.Tag, Key: p.Key, Properties: p.Properties, Dispatch: p.Dispatch, Body: p.Body,
	}, func(_ rocketmq.SendResult, err error) { done <- err })
	select {
	case err := <-done:
		return err
	case <-ctx.Done(): // Send keeps the part, which nobody changes
		return ctx.Err()
	}
}

// RocketMQTopic names the RocketMQ topic of an MQTT topic name or filter.
func (c *Client) RocketMQTopic(name string) string {
	var allowed func(string) bool
	if len(c.cfg.FirstTopics) > 0 {
		allowed = func(first string) bool { return slices.Contains(c.cfg.FirstTopics, first) }
	}
	return topic.RocketMQTopic(name, c.cfg.Fallback, allowed)
}
