package rocketmq

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strconv"
	"strings"
	"time"

	"lmqgate/adapter/rocketmq/remoting"
)

const (
	// CanaryTag is the tag of FindKey's own messages.
	CanaryTag = "LMQGATE_CANARY"
	// settleAfter is how long after a send a broker may still store it: requests
	// wait 200 ms in its queue at most.
	settleAfter = time.Second
	// keySkew is how far the broker's clock may be off ours, or that of the instance which sent the message.
	keySkew = 2 * time.Hour
)

// FindKey tells whether the message of topic with UNIQ_KEY key, or with that
// word in KEYS, sent at since, is stored at broker. The broker indexes keys behind the write, so a message of
// our own, which no LMQ gets, is sent there first, and the answer counts from
// when that one is found: the index runs in the log's order. It waits until ctx
// ends for both.
func (c *Client) FindKey(ctx context.Context, broker, topic, key string, since time.Time) (bool, error) {
	if now := time.Now(); since.After(now) { // by a clock that was wrong
		since = now
	}
	if found, err := c.queryKey(ctx, broker, topic, key, since); err == nil && found {
		return true, nil // no need to know how far the index is
	}
	if err := sleep(ctx, settleAfter-time.Since(since)); err != nil {
		return false, fmt.Errorf("find key %s at %s: %w", key, broker, err)
	}
	canary, err := c.sendCanary(ctx, broker)
	if err != nil {
		return false, fmt.Errorf("find key %s at %s: %w", key, broker, err)
	}
	for n := 1; ; n++ {
		found, err := c.queryKey(ctx, broker, c.cfg.CanaryTopic, canary, since)
		if err == nil && found {
			break
		}
		if sleep(ctx, backoff(n, 5*time.Millisecond, 500*time.Millisecond)) != nil {
			return false, fmt.Errorf("find key %s at %s: canary %s not indexed: %w", key, broker, canary, errors.Join(context.Cause(ctx), err))
		}
	}
	for n := 1; ; n++ {
		found, err := c.queryKey(ctx, broker, topic, key, since)
		if err == nil {
			return found, nil
		}
		if sleep(ctx, backoff(n, askRetryFirst, askRetryLimit)) != nil {
			return false, fmt.Errorf("find key %s at %s: %w", key, broker, errors.Join(context.Cause(ctx), err))
		}
	}
}

// sendCanary stores a message at broker and returns its key.
func (c *Client) sendCanary(ctx context.Context, broker string) (string, error) {
	for n := 1; ; n++ {
		key, err := c.tryCanary(ctx, broker, "")
		if err == nil {
			return key, nil
		}
		if sleep(ctx, backoff(n, askRetryFirst, askRetryLimit)) != nil {
			return "", fmt.Errorf("send canary: %w", errors.Join(context.Cause(ctx), err))
		}
	}
}

// tryCanary stores a message at broker, also at one that is stalled, dispatched to lmq unless that is empty.
func (c *Client) tryCanary(ctx context.Context, broker, lmq string) (string, error) {
	queues, err := c.Queues(ctx, c.cfg.CanaryTopic)
	if err != nil {
		return "", err
	}
	for _, q := range queues {
		if q.Broker != broker {
			continue
		}
		m := &OutMessage{Queue: q, Tag: CanaryTag, Key: NewKey(), Body: []byte(CanaryTag)}
		if lmq != "" {
			m.Dispatch = []string{lmq}
		}
		done := make(chan error, 1)
		c.send(m, func(_ SendResult, err error) { done <- err })
		select {
		case err := <-done:
			return m.Key, err
		case <-ctx.Done():
			return "", context.Cause(ctx)
		}
	}
	return "", c.plantCanary(ctx, broker)
}

// plantCanary makes the canaries' topic at a broker that does not have it because it was away when the topic was made. The
// error is there in any case: no canary was sent.
func (c *Client) plantCanary(ctx context.Context, broker string) error {
	missing := fmt.Errorf("topic %s has no queue at %s: %w", c.cfg.CanaryTopic, broker, ErrNoTopic)
	if !c.cfg.TopicAutoCreate {
		return missing
	}
	if err := c.topics.createAt(ctx, c.cfg.CanaryTopic, broker); err != nil {
		return errors.Join(missing, err)
	}
	c.topics.forget(c.cfg.CanaryTopic)
	return missing
}

// queryKey asks the broker's index once.
func (c *Client) queryKey(ctx context.Context, broker, topic, key string, since time.Time) (bool, error) {
	answer, err := c.askOnce(ctx, broker, remoting.NewRequest(remoting.QueryMessage, map[string]string{
		"topic": topic, "key": key, "maxNum": "32", "_UNIQUE_KEY_QUERY": "true",
		"beginTimestamp": strconv.FormatInt(since.Add(-keySkew).UnixMilli(), 10),
		"endTimestamp":   strconv.FormatInt(time.Now().Add(keySkew).UnixMilli(), 10),
	}, nil))
	if err != nil {
		return false, err
	}
	switch answer.Code {
	case remoting.QueryNotFound:
		return false, nil
	case remoting.Success:
	default:
		return false, fmt.Errorf("query key: %w", answerError(answer))
	}
	messages, err := remoting.DecodeMessages(answer.Body)
	for _, m := range messages { // the index goes by hash: others may come along
		unique, _ := m.Properties.Get(remoting.PropertyUniqueKey)
		keys, _ := m.Properties.Get("KEYS")
		if m.Topic == topic && (unique == key || slices.Contains(strings.Fields(keys), key)) {
			return true, nil
		}
	}
	return false, err
}
