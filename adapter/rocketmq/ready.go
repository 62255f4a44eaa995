package rocketmq

import (
	"context"
	"errors"
	"fmt"
	"time"

	"lmqgate/adapter/rocketmq/remoting"
)

const (
	readyTimeout = 5 * time.Second // bounds Ready when its ctx does not
	readyConnect = time.Second     // for a connection to a broker that has none now
)

// Ready tells whether messages can be sent and read: at least one master answers and
// indexes what it stores. With one of several away, or stalled, the topics
// and queues of the others go on, and with no name server those of the masters known. The error says why none answers,
// or why none is known.
func (c *Client) Ready(ctx context.Context) error {
	ctx, cancel := context.WithTimeout(ctx, readyTimeout)
	defer cancel()
	known := c.Brokers()
	failed := c.anyAnswers(ctx, known)
	if len(known) > 0 && failed == nil {
		return nil
	}
	found, err := c.cluster.ask(ctx)
	switch {
	case err != nil && failed != nil:
		return errors.Join(failed, fmt.Errorf("ask for brokers: %w", err))
	case err != nil:
		return fmt.Errorf("ask for brokers: %w", err)
	case len(found) == 0:
		return errors.New("name server knows no broker")
	}
	c.cluster.refreshSoon()
	if failed == nil {
		return errors.New("broker found just now")
	}
	return failed
}

// anyAnswers returns nil as soon as one broker answers a heartbeat, else what is wrong with all.
func (c *Client) anyAnswers(ctx context.Context, brokers []Broker) error {
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	answers := make(chan error, len(brokers))
	for _, b := range brokers {
		go func() {
			if err := c.answers(ctx, b); err != nil {
				answers <- fmt.Errorf("broker %s at %s: %w", b.Name, b.Addr, err)
				return
			}
			answers <- nil
		}()
	}
	var errs []error
	for range brokers {
		err := <-answers
		if err == nil {
			cancel() // the others end at once
		}
		errs = append(errs, err)
	}
	for _, err := range errs {
		if err == nil {
			return nil
		}
	}
	return errors.Join(errs...)
}

func (c *Client) answers(ctx context.Context, b Broker) error {
	slot := c.cluster.link(b.Name).control
	connect, cancel := context.WithTimeout(ctx, readyConnect)
	conn, err := slot.wait(connect)
	cancel()
	if err != nil {
		return errors.Join(err, slot.trouble())
	}
	answer, err := conn.Do(ctx, c.heartbeat())
	if err == nil && answer.Code != remoting.Success {
		err = fmt.Errorf("heartbeat: %w", answerError(answer))
	}
	if since, stalled := c.canaries.is(b.Name); stalled && err == nil {
		err = fmt.Errorf("since %s: %w", since.UTC().Format(time.RFC3339), ErrStalled)
	}
	if err == nil {
		err = c.canaries.refused(b.Name)
	}
	return err
}
