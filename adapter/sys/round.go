package sys

import (
	"context"
	"errors"
	"fmt"
	"time"

	"lmqgate/meta/message"
	"lmqgate/meta/status"
)

// round reports the figures of this instance, and publishes them, and those of the cluster if it is this one's turn.
func (p *Publisher) round(ctx context.Context) error {
	ctx, cancel := context.WithTimeout(ctx, min(p.cfg.Interval, roundMost))
	defer cancel()
	own := p.deps.Figures()
	own.Instance, own.Version = p.cfg.Instance, p.cfg.Version
	own.Uptime = int64(p.cfg.Now().Sub(p.started) / time.Second)
	topics := ofInstance(own)
	all, err := p.exchange(ctx, own)
	if err == nil && len(all) > 0 && all[0].Instance == p.cfg.Instance {
		topics = append(topics, p.cluster(ctx, all)...)
	}
	return errors.Join(err, p.publish(ctx, topics))
}

// exchange tells the others and asks about them.
func (p *Publisher) exchange(ctx context.Context, own status.Figures) ([]status.Figures, error) {
	if err := p.deps.Peers.Report(ctx, own, lifetimes*p.cfg.Interval); err != nil {
		return nil, err
	}
	return p.deps.Peers.All(ctx)
}

// cluster counts what no instance can count alone. What cannot be counted now is left out of this round.
func (p *Publisher) cluster(ctx context.Context, all []status.Figures) []topic {
	count := func(what string, fn func(context.Context) (int64, error)) int64 {
		if fn == nil {
			return -1
		}
		n, err := fn(ctx)
		if err != nil {
			p.cfg.Logger.Debug("counting for status topics failed", "what", what, "error", err)
			return -1
		}
		return n
	}
	return ofCluster(all, p.cfg.Version, count("retained messages", p.deps.Retained), count("sessions", p.deps.Sessions))
}

// publish sets the retained message of every topic, and sends those that somebody subscribes to.
func (p *Publisher) publish(ctx context.Context, topics []topic) error {
	wanted, err := p.wanted(ctx, topics)
	errs := []error{err}
	var silent []*message.Message
	done := make(chan error, len(topics))
	sent := 0
	for i, t := range topics {
		m := p.message(t)
		if !wanted[i] {
			silent = append(silent, m)
			continue
		}
		sent++
		p.lane.Publish(&message.Publication{Message: m, Done: func(_ message.Result, err error) { done <- err }})
	}
	if len(silent) > 0 {
		errs = append(errs, first("retain", p.deps.Retain.SetAll(ctx, silent)))
	}
	for range sent {
		select {
		case err := <-done:
			errs = append(errs, err)
		case <-ctx.Done():
			return errors.Join(append(errs, fmt.Errorf("publish status: %w", ctx.Err()))...)
		}
	}
	return errors.Join(errs...)
}

// message is the retained message of a topic, for as long as it is to be believed.
func (p *Publisher) message(t topic) *message.Message {
	seconds := (lifetimes*p.cfg.Interval + time.Second - 1) / time.Second
	return &message.Message{
		Topic: t.name, Payload: []byte(t.value), Retain: true, BornMillis: p.cfg.Now().UnixMilli(),
		Properties: message.Properties{HasExpiry: true, Expiry: uint32(min(seconds, 1<<31))},
	}
}

// wanted asks which topics somebody subscribes to. Those of which it does not learn that count as not wanted.
func (p *Publisher) wanted(ctx context.Context, topics []topic) ([]bool, error) {
	type answer struct {
		i    int
		some bool
		err  error
	}
	answers := make(chan answer, len(topics))
	for i, t := range topics {
		p.deps.Matcher.Match(t.name, func(filters []string, err error) { answers <- answer{i, len(filters) > 0, err} })
	}
	wanted := make([]bool, len(topics))
	var failed error
	for range topics {
		select {
		case a := <-answers:
			wanted[a.i] = a.some
			if a.err != nil && failed == nil {
				failed = fmt.Errorf("match status topic: %w", a.err)
			}
		case <-ctx.Done():
			return wanted, fmt.Errorf("match status topics: %w", ctx.Err())
		}
	}
	return wanted, failed
}

// leave takes back what this instance said of itself. Those who subscribe are not told; what the cluster's topics say
// is for the next instance to put right.
func (p *Publisher) leave(ctx context.Context) error {
	topics := ofInstance(status.Figures{Instance: p.cfg.Instance})
	empty := make([]*message.Message, len(topics))
	for i, t := range topics {
		empty[i] = &message.Message{Topic: t.name, Retain: true, BornMillis: p.cfg.Now().UnixMilli()}
	}
	return errors.Join(p.deps.Peers.Forget(ctx, p.cfg.Instance), first("remove", p.deps.Retain.SetAll(ctx, empty)))
}

// first returns the first of the errors, which tend to be all the same.
func first(what string, errs []error) error {
	for _, err := range errs {
		if err != nil {
			return fmt.Errorf("%s status: %w", what, err)
		}
	}
	return nil
}
