package rocketmq

import (
	"context"
	"errors"
	"fmt"
	"strings"

	"lmqgate/adapter/rocketmq/remoting"
)

const (
	retryPrefix = "%RETRY%"
	// maxRetryTopic is the longest name of a retry topic: with a longer one the
	// broker drops messages that come back.
	maxRetryTopic = 255
)

// ErrGroupName: the group's name cannot be used for POP on the LMQ.
var ErrGroupName = errors.New("bad group name")

// retryTopic is where messages of an LMQ come back that a group did not
// acknowledge.
func retryTopic(group, lmq string) string { return retryPrefix + group + "_" + lmq }

func isRetryTopic(topic string) bool { return strings.HasPrefix(topic, retryPrefix) }

// CheckGroup tells whether group may POP from the LMQ named lmq: it begins with
// `%LMQ%`, has no '@' (the broker's separator), and leaves room in the name of
// the retry topic. Errors wrap ErrGroupName.
func CheckGroup(group, lmq string) error {
	switch {
	case !strings.HasPrefix(group, LMQPrefix) || len(group) == len(LMQPrefix):
		return fmt.Errorf("group %q does not begin with %s: %w", group, LMQPrefix, ErrGroupName)
	case strings.ContainsAny(group, "@ \x01\x02"):
		return fmt.Errorf("group %q has a character that brokers use: %w", group, ErrGroupName)
	case len(retryTopic(group, lmq)) > maxRetryTopic:
		return fmt.Errorf("retry topic of %s and %s exceeds %d bytes: %w", group, lmq, maxRetryTopic, ErrGroupName)
	}
	return nil
}

// BeginGroup commits the maximum offset of l as that of group, which must not
// have members yet: the first POP of a group without an offset is handed old
// messages. It waits for the broker until ctx ends.
func (c *Client) BeginGroup(ctx context.Context, group string, l LMQ) error {
	if err := CheckGroup(group, l.Name); err != nil {
		return fmt.Errorf("begin group: %w", err)
	}
	end, err := c.MaxOffset(ctx, l)
	if err != nil {
		return fmt.Errorf("begin group %s: %w", group, err)
	}
	if err := c.CommitConsumerOffset(ctx, l.Broker, group, l.Name, 0, end); err != nil {
		return fmt.Errorf("begin group: %w", err)
	}
	return nil
}

// GroupOffset returns the offset of the next message of l that group is handed;
// ok is false if the group has none, because it was never begun or has ended.
// It runs ahead of what is acknowledged, and lags some milliseconds behind POPs.
func (c *Client) GroupOffset(ctx context.Context, group string, l LMQ) (offset int64, ok bool, err error) {
	return c.QueryConsumerOffset(ctx, l.Broker, group, l.Name, 0)
}

// EndGroup deletes what l's broker keeps of group: the retry topic of (group,
// l), and the group's offsets in all LMQs of that broker. No member may POP any
// more. Messages that are out, neither acknowledged nor back, make the retry
// topic again when their time is over; end the group once more then.
func (c *Client) EndGroup(ctx context.Context, group string, l LMQ) error {
	if err := CheckGroup(group, l.Name); err != nil {
		return fmt.Errorf("end group: %w", err)
	}
	topic := retryTopic(group, l.Name)
	good := func(a *remoting.Command) bool { return a.Code == remoting.Success }
	cmd := remoting.NewRequest(remoting.DeleteTopicInBroker, map[string]string{"topic": topic}, nil)
	if _, err := c.insist(ctx, l.Broker, cmd, good); err != nil {
		return fmt.Errorf("end group: delete %s at %s: %w", topic, l.Broker, err)
	}
	cmd = remoting.NewRequest(remoting.DeleteSubscriptionGroup, map[string]string{"groupName": group, "cleanOffset": "true"}, nil)
	if _, err := c.insist(ctx, l.Broker, cmd, good); err != nil {
		return fmt.Errorf("end group: delete offsets of %s at %s: %w", group, l.Broker, err)
	}
	if err := c.names.all(ctx, remoting.NewRequest(remoting.DeleteTopicInNamesrv, map[string]string{"topic": topic}, nil)); err != nil {
		return fmt.Errorf("end group: delete route of %s: %w", topic, err)
	}
	return nil
}
