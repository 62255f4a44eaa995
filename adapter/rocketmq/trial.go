package rocketmq

import (
	"context"
	"errors"
	"fmt"
	"time"
)

// trialPulls are those that have to find nothing: time alone may have passed while this process was frozen.
const trialPulls = 10

// Trial is how a message of our own went through a broker.
type Trial struct {
	Sent   time.Time
	Acked  time.Duration // from Sent to the acknowledgement
	Read   time.Duration // from Sent until the message came out of its LMQ
	Stored time.Time     // by the broker's clock
}

// Try sends a message through the index of broker, as canaries do, and waits until it comes out: send, LMQ, pull. The error
// wraps ErrStalled if it was acknowledged and did not come out for 3 s, though the broker answered.
func (c *Client) Try(ctx context.Context, broker string) (Trial, error) {
	l := LMQ{broker, CanaryLMQ}
	from, err := c.MaxOffset(ctx, l)
	if err != nil {
		return Trial{}, fmt.Errorf("try broker %s: %w", broker, err)
	}
	if _, err := c.Queues(ctx, c.cfg.CanaryTopic); err != nil { // so that their look-up is not part of the time
		return Trial{}, fmt.Errorf("try broker %s: %w", broker, err)
	}
	t := Trial{Sent: time.Now()}
	key, err := c.tryCanary(ctx, broker, CanaryLMQ)
	if err != nil {
		return Trial{}, fmt.Errorf("try broker %s: send: %w", broker, err)
	}
	t.Acked = time.Since(t.Sent)
	for n := 1; ; n++ {
		m, next, err := c.find(ctx, l, from, key)
		if m != nil {
			t.Read, t.Stored = time.Since(t.Sent), time.UnixMilli(m.StoreMillis)
			return t, nil
		}
		if errors.Is(err, ErrLogin) || errors.Is(err, ErrPermission) {
			return t, fmt.Errorf("try broker %s: read: %w", broker, err)
		}
		if err == nil && n > trialPulls && time.Since(t.Sent) > canaryPatience {
			return t, fmt.Errorf("try broker %s: %w", broker, ErrStalled)
		}
		if from = next; sleep(ctx, backoff(n, 2*time.Millisecond, 100*time.Millisecond)) != nil {
			return t, fmt.Errorf("try broker %s: read: %w", broker, errors.Join(err, context.Cause(ctx)))
		}
	}
}

// find reads an LMQ from an offset on until it finds the message with key, and returns where to go on.
func (c *Client) find(ctx context.Context, l LMQ, from int64, key string) (*PulledMessage, int64, error) {
	for {
		r, err := c.Pull(ctx, l, from, MaxPull)
		if err != nil {
			return nil, from, err
		}
		for _, m := range r.Messages {
			if m.Key == key {
				return m, r.Next, nil
			}
		}
		switch {
		case r.Status == OffsetMoved && r.Min < r.Max:
		case r.Status == OffsetMoved:
			return nil, min(from, r.Max), nil
		case r.Status == NoNew || r.Next <= from:
			return nil, from, nil
		}
		from = r.Next
	}
}
