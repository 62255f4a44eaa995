package app

import (
	"context"
	"errors"
	"fmt"
	"time"

	"lmqgate/adapter/rocketmq"
	"lmqgate/meta/message"
)

const (
	findTime  = 5 * time.Second        // of one attempt to look a message up
	settleGap = 300 * time.Millisecond // between the two look-ups that must both miss
)

// UnknownError says that nobody knows whether a message is stored: there was no answer in time, and none to the look-up by its
// key before ctx ended. Or it is known to be stored for some of its readers only, which happens to messages with so many
// readers that they are sent in parts. It is message.ErrUnavailable too.
//
// To publish the message again with this Key is safe for subscriptions with QoS 2, which take it once; others may get it twice.
type UnknownError struct {
	Key    string // UNIQ_KEY of the message
	Topic  string // of RocketMQ
	Broker string // where it was sent to, "" if the part in question was not sent
	Stored int    // parts that are certainly stored
	Err    error  // why it is not known, or why the rest was not sent
}

// Error implements error.
func (e *UnknownError) Error() string {
	if e.Stored > 0 {
		return fmt.Sprintf("message %s is stored for some of its readers, the others are not known: %v", e.Key, e.Err)
	}
	return fmt.Sprintf("message %s may be stored in topic %s at broker %s or not: %v", e.Key, e.Topic, e.Broker, e.Err)
}

// Unwrap returns message.ErrUnavailable and the cause.
func (e *UnknownError) Unwrap() []error { return []error{message.ErrUnavailable, e.Err} }

// errUnsettled marks what remained unknown.
var errUnsettled = errors.New("outcome unknown")

// settled sends a part until it is known to be stored or not to be: after an unknown outcome it is looked up by its key, and
// sent again only if it is missing, with the same key to the same queue. The error is errUnsettled if ctx ended before.
func (c *Client) settled(ctx context.Context, at rocketmq.Queue, p message.Part) error {
	for {
		since := time.Now()
		err := c.sendPart(ctx, at, p)
		if err == nil || notStored(err) {
			return err
		}
		found, failed := c.find(ctx, at, p, since)
		if failed != nil {
			return fmt.Errorf("%w: %w", errUnsettled, errors.Join(err, failed))
		}
		c.cfg.Logger.Debug("looked up a message of unknown outcome", "topic", at.Topic, "key", p.Key, "broker", at.Broker, "found", found, "error", err)
		if found {
			return nil
		}
	}
}

// notStored reports whether the error of a send says that the message is certainly not stored.
func notStored(err error) bool {
	for _, certain := range []error{
		rocketmq.ErrRejected, rocketmq.ErrBusy, rocketmq.ErrNoBroker, rocketmq.ErrDispatchList, rocketmq.ErrProperties, rocketmq.ErrIllegal, rocketmq.ErrNoTopic,
	} {
		if errors.Is(err, certain) {
			return !errors.Is(err, rocketmq.ErrUnknown)
		}
	}
	return false
}

// find tells whether a part that was sent at since is stored. A miss counts once a second look-up confirmed it: the first
// shows that the broker answers again, but the send may still be waiting there.
func (c *Client) find(ctx context.Context, at rocketmq.Queue, p message.Part, since time.Time) (bool, error) {
	key := p.Key
	if _, split := p.Properties[message.PropKeys]; split {
		key = message.PartKey(key, p.Dispatch)
	}
	for missed := false; ; {
		attempt, cancel := context.WithTimeout(ctx, findTime)
		found, err := c.rocket.FindKey(attempt, at.Broker, at.Topic, key, since)
		cancel()
		switch {
		case err == nil && (found || missed):
			return found, nil
		case err == nil:
			missed = true
		case ctx.Err() != nil, errors.Is(err, rocketmq.ErrStopped):
			return false, err
		default:
			missed = false // the broker was away
		}
		select {
		case <-ctx.Done():
			return false, ctx.Err()
		case <-time.After(settleGap):
		}
	}
}
