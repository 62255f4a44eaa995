package rocketmq

import (
	"context"
	"errors"
	"fmt"
	"strconv"
	"sync"
	"time"

	"lmqgate/adapter/rocketmq/remoting"
)

const (
	askTimeout    = 5 * time.Second
	askRetryFirst = 20 * time.Millisecond
	askRetryLimit = 2 * time.Second
	// askersMax is how many offsets of one list are asked for at a time.
	askersMax = 16
)

// errRefused wraps an answer that asking again will not change.
var errRefused = errors.New("refused by broker")

// MaxOffsets returns, for each queue, the offset the next message will get. It
// is read from the index, which lags behind acknowledged sends by some
// milliseconds. A queue that does not exist has 0. Busy or missing brokers are
// asked again until ctx ends.
func (c *Client) MaxOffsets(ctx context.Context, queues []LMQ) ([]int64, error) {
	return c.offsets(ctx, remoting.GetMaxOffset, queues)
}

// MinOffsets returns, for each queue, the offset of the oldest message left.
func (c *Client) MinOffsets(ctx context.Context, queues []LMQ) ([]int64, error) {
	return c.offsets(ctx, remoting.GetMinOffset, queues)
}

// MinOffset is MinOffsets for one queue.
func (c *Client) MinOffset(ctx context.Context, l LMQ) (int64, error) {
	return c.offset(ctx, remoting.GetMinOffset, l)
}

// MaxOffset is MaxOffsets for one queue.
func (c *Client) MaxOffset(ctx context.Context, l LMQ) (int64, error) {
	return c.offset(ctx, remoting.GetMaxOffset, l)
}

func (c *Client) offsets(ctx context.Context, code int32, queues []LMQ) ([]int64, error) {
	out := make([]int64, len(queues))
	ctx, cancel := context.WithCancelCause(ctx)
	defer cancel(nil)
	next := make(chan int)
	var wg sync.WaitGroup
	for range min(askersMax, len(queues)) {
		wg.Go(func() {
			for i := range next {
				v, err := c.offset(ctx, code, queues[i])
				if err != nil {
					cancel(err)
					return
				}
				out[i] = v
			}
		})
	}
feed:
	for i := range queues {
		select {
		case next <- i:
		case <-ctx.Done():
			break feed
		}
	}
	close(next)
	wg.Wait()
	if ctx.Err() != nil {
		return nil, context.Cause(ctx)
	}
	return out, nil
}

// MaxQueueOffset is MaxOffset for a queue of an ordinary topic.
func (c *Client) MaxQueueOffset(ctx context.Context, q Queue) (int64, error) {
	return c.queueOffset(ctx, remoting.GetMaxOffset, q)
}

func (c *Client) offset(ctx context.Context, code int32, l LMQ) (int64, error) {
	return c.queueOffset(ctx, code, Queue{Broker: l.Broker, Topic: l.Name})
}

func (c *Client) queueOffset(ctx context.Context, code int32, q Queue) (int64, error) {
	answer, err := c.insist(ctx, q.Broker, remoting.NewRequest(code, map[string]string{"topic": q.Topic, "queueId": strconv.Itoa(q.ID)}, nil),
		func(a *remoting.Command) bool { return a.Code == remoting.Success && hasOffset(a) })
	if err != nil {
		return 0, fmt.Errorf("offset of %s at %s: %w", q.Topic, q.Broker, err)
	}
	v, _ := strconv.ParseInt(answer.Ext["offset"], 10, 64)
	return v, nil
}

// SearchOffset returns the offset of the first message of l stored at or after t.
func (c *Client) SearchOffset(ctx context.Context, l LMQ, t time.Time) (int64, error) {
	cmd := remoting.NewRequest(remoting.SearchOffsetByTimestamp, map[string]string{
		"topic": l.Name, "queueId": "0", "timestamp": strconv.FormatInt(t.UnixMilli(), 10),
	}, nil)
	answer, err := c.insist(ctx, l.Broker, cmd, func(a *remoting.Command) bool { return a.Code == remoting.Success && hasOffset(a) })
	if err != nil {
		return 0, fmt.Errorf("search offset of %s at %s: %w", l.Name, l.Broker, err)
	}
	v, _ := strconv.ParseInt(answer.Ext["offset"], 10, 64)
	return v, nil
}

// QueryConsumerOffset returns the offset committed for group on a queue; ok is
// false if there is none.
func (c *Client) QueryConsumerOffset(ctx context.Context, broker, group, topic string, queueID int) (offset int64, ok bool, err error) {
	cmd := remoting.NewRequest(remoting.QueryConsumerOffset, map[string]string{
		"consumerGroup": group, "topic": topic, "queueId": strconv.Itoa(queueID), "setZeroIfNotFound": "false",
	}, nil)
	answer, err := c.insist(ctx, broker, cmd, func(a *remoting.Command) bool {
		return a.Code == remoting.QueryNotFound || a.Code == remoting.Success && hasOffset(a)
	})
	if err != nil {
		return 0, false, fmt.Errorf("query offset of %s in %s at %s: %w", group, topic, broker, err)
	}
	if answer.Code == remoting.QueryNotFound {
		return 0, false, nil
	}
	offset, _ = strconv.ParseInt(answer.Ext["offset"], 10, 64)
	return offset, true, nil
}

// CommitConsumerOffset commits offset for group on a queue.
func (c *Client) CommitConsumerOffset(ctx context.Context, broker, group, topic string, queueID int, offset int64) error {
	cmd := remoting.NewRequest(remoting.UpdateConsumerOffset, map[string]string{
		"consumerGroup": group, "topic": topic, "queueId": strconv.Itoa(queueID), "commitOffset": strconv.FormatInt(offset, 10),
	}, nil)
	if _, err := c.insist(ctx, broker, cmd, func(a *remoting.Command) bool { return a.Code == remoting.Success }); err != nil {
		return fmt.Errorf("commit offset of %s in %s at %s: %w", group, topic, broker, err)
	}
	return nil
}

func hasOffset(a *remoting.Command) bool {
	v, err := strconv.ParseInt(a.Ext["offset"], 10, 64)
	return err == nil && v >= 0
}

// insist asks broker until an answer is good, with a backoff, until ctx ends.
// Few such calls are under way at a time.
func (c *Client) insist(ctx context.Context, broker string, cmd *remoting.Command, good func(*remoting.Command) bool) (*remoting.Command, error) {
	for n := 1; ; n++ {
		answer, err := c.askOnce(ctx, broker, cmd)
		if err == nil && good(answer) {
			return answer, nil
		}
		if err == nil {
			err = answerError(answer)
			if final(answer.Code) || errors.Is(err, ErrLogin) || errors.Is(err, ErrPermission) {
				return nil, fmt.Errorf("%w: %w", errRefused, err)
			}
		}
		if errors.Is(err, ErrStopped) {
			return nil, err
		}
		if sleep(ctx, backoff(n, askRetryFirst, askRetryLimit)) != nil {
			return nil, fmt.Errorf("%w, last: %w", context.Cause(ctx), err)
		}
	}
}

// final tells the codes that asking again does not change.
func final(code int32) bool {
	switch code {
	case remoting.NoPermission, remoting.RequestNotSupported, remoting.TopicNotExist, remoting.SubscriptionGroupNone:
		return true
	}
	return false
}

func (c *Client) askOnce(ctx context.Context, broker string, cmd *remoting.Command) (*remoting.Command, error) {
	select {
	case c.asking <- struct{}{}:
		defer func() { <-c.asking }()
	case <-ctx.Done():
		return nil, context.Cause(ctx)
	}
	ctx, cancel := context.WithTimeout(ctx, askTimeout)
	defer cancel()
	return c.Call(ctx, broker, cmd)
}
