package rocketmq

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"time"
	"unicode/utf16"

	"lmqgate/adapter/rocketmq/remoting"
)

const (
	retryPrefix = "%RETRY%"
	// maxPopTopic is the longest name, in bytes, of an LMQ to POP from. When a
	// message comes back, RocketMQ 5.4.0 writes the name of its LMQ behind one
	// signed byte of length: with a longer name the message is handed out and
	// kept from everybody, over and over, but is not in the answer.
	maxPopTopic = 127
	// maxShortTopic is the longest topic of a message whose length is one byte in
	// the log. The broker chooses that form by the number of UTF-16 units and
	// then writes bytes: a retry topic with more bytes but no more units stops
	// its indexing, and messages stored about that time are lost from all LMQs.
	maxShortTopic = 127
	// maxRetryTopic is the longest name of a retry topic: with a longer one the
	// message is not stored when it comes back.
	maxRetryTopic = 255
)

// ErrGroupName: the group cannot POP from the LMQ for the length or characters
// of their names.
var ErrGroupName = errors.New("bad group name")

// retryTopic is where messages of an LMQ come back that a group did not
// acknowledge.
func retryTopic(group, lmq string) string { return retryPrefix + group + "_" + lmq }

func isRetryTopic(topic string) bool { return strings.HasPrefix(topic, retryPrefix) }

// CheckGroup tells whether group may POP from the LMQ named lmq: it begins with
// `%LMQ%`, has none of the broker's separators, and no message that comes back
// is lost or does harm for the length of its names. The LMQ may have 127 bytes,
// of ASCII; with other characters both names together 119 bytes. Errors wrap
// ErrGroupName.
func CheckGroup(group, lmq string) error {
	retry := retryTopic(group, lmq)
	units := 0
	for _, r := range retry {
		units += utf16.RuneLen(r) // invalid bytes are U+FFFD here as there: 1
	}
	switch {
	case !strings.HasPrefix(group, LMQPrefix) || len(group) == len(LMQPrefix):
		return fmt.Errorf("group %q does not begin with %s: %w", group, LMQPrefix, ErrGroupName)
	case strings.ContainsAny(group, "@ \x01\x02"):
		return fmt.Errorf("group %q has a character that brokers use: %w", group, ErrGroupName)
	case len(lmq) > maxPopTopic:
		return fmt.Errorf("lmq of %d bytes, %d at most: %w", len(lmq), maxPopTopic, ErrGroupName)
	case len(retry) > maxRetryTopic:
		return fmt.Errorf("retry topic of %d bytes, %d at most: %w", len(retry), maxRetryTopic, ErrGroupName)
	case len(retry) > maxShortTopic && units <= maxShortTopic:
		return fmt.Errorf("retry topic of %d bytes but %d UTF-16 units: %w", len(retry), units, ErrGroupName)
	}
	return nil
}

// BeginGroup makes group begin at the end of l: it commits the maximum offset,
// since the first POP of a group without an offset is handed old messages, and
// steps over what came back after an earlier life of the group. The group must
// not have members yet. It waits for the broker until ctx ends.
func (c *Client) BeginGroup(ctx context.Context, group string, l LMQ) error {
	if err := CheckGroup(group, l.Name); err != nil {
		return fmt.Errorf("begin group: %w", err)
	}
	if err := c.skipReturned(ctx, group, l); err != nil {
		return fmt.Errorf("begin group %s: %w", group, err)
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

// skipReturned has group step over what is in the retry topic of (group, l). An
// offset there without the topic is left over when the broker committed a POP's
// offset after the topic was deleted: in a new retry topic, which begins at 0,
// it would step over messages of the new life.
func (c *Client) skipReturned(ctx context.Context, group string, l LMQ) error {
	topic := retryTopic(group, l.Name)
	_, ok, err := c.QueryConsumerOffset(ctx, l.Broker, group, topic, 0)
	if err != nil || !ok {
		return err
	}
	end, err := c.MaxOffset(ctx, LMQ{Broker: l.Broker, Name: topic})
	if err == nil {
		err = c.CommitConsumerOffset(ctx, l.Broker, group, topic, 0, end)
	}
	if errors.Is(err, errRefused) && !errors.Is(err, ErrPermission) { // no such topic
		err = c.dropOffsets(ctx, group, l.Broker)
	}
	return err
}

// dropOffsets deletes the offsets of group at broker.
func (c *Client) dropOffsets(ctx context.Context, group, broker string) error {
	cmd := remoting.NewRequest(remoting.DeleteSubscriptionGroup, map[string]string{"groupName": group, "cleanOffset": "true"}, nil)
	if _, err := c.insist(ctx, broker, cmd, func(a *remoting.Command) bool { return a.Code == remoting.Success }); err != nil {
		return fmt.Errorf("delete offsets of %s at %s: %w", group, broker, err)
	}
	return nil
}

// GroupOffset returns the offset of the next message of l that group is handed;
// ok is false if the group has none, because it was never begun or has ended.
// It runs ahead of what is acknowledged, and lags some milliseconds behind POPs.
func (c *Client) GroupOffset(ctx context.Context, group string, l LMQ) (offset int64, ok bool, err error) {
	return c.QueryConsumerOffset(ctx, l.Broker, group, l.Name, 0)
}

// offsetsSettle is how long after a POP the broker may commit its offset.
const offsetsSettle = 100 * time.Millisecond

// EndGroup deletes what l's broker keeps of group: the retry topic of (group,
// l), and the group's offsets in all LMQs of that broker, so a group should be
// of one LMQ. No member may POP any more, and the Wait of Pops that were
// cancelled should be over. Messages that are out, neither acknowledged nor
// back, make the retry topic again when their time is over; end the group once
// more then, or leave them to BeginGroup.
//
// Brokers cannot delete offsets in LMQs with an '@' in their name, and a new
// retry topic with an old offset would lose messages: of such an LMQ all stays.
func (c *Client) EndGroup(ctx context.Context, group string, l LMQ) error {
	if err := CheckGroup(group, l.Name); err != nil {
		return fmt.Errorf("end group: %w", err)
	}
	if strings.Contains(l.Name, "@") {
		return nil
	}
	topic := retryTopic(group, l.Name)
	cmd := remoting.NewRequest(remoting.DeleteTopicInBroker, map[string]string{"topic": topic}, nil)
	if _, err := c.insist(ctx, l.Broker, cmd, func(a *remoting.Command) bool { return a.Code == remoting.Success }); err != nil {
		return fmt.Errorf("end group: delete %s at %s: %w", topic, l.Broker, err)
	}
	if err := sleep(ctx, offsetsSettle); err != nil {
		return fmt.Errorf("end group %s: %w", group, err)
	}
	if err := c.dropOffsets(ctx, group, l.Broker); err != nil {
		return fmt.Errorf("end group: %w", err)
	}
	if err := c.names.all(ctx, remoting.NewRequest(remoting.DeleteTopicInNamesrv, map[string]string{"topic": topic}, nil)); err != nil {
		return fmt.Errorf("end group: delete route of %s: %w", topic, err)
	}
	return nil
}
