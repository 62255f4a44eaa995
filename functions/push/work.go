package push

import (
	"context"
	"errors"
	"fmt"
	"hash/maphash"
	"math/rand/v2"
	"strconv"
	"sync"
	"time"

	"lmqgate/meta/message"
	"lmqgate/meta/push"
	"lmqgate/meta/topic"
)

var seed = maphash.MakeSeed()

// work reads and delivers, until ctx ends or something comes in between. What is under way then may end, unless the job is dropped.
func (j *job) work(ctx context.Context, t push.Target) error {
	keys := make([][]byte, 0, len(t.Secrets))
	for _, text := range t.Secrets {
		key, err := decodeSecret(text)
		if err != nil {
			return err
		}
		keys = append(keys, key)
	}
	ctx, cancel := context.WithCancelCause(ctx)
	defer cancel(nil)
	j.note(func() { j.under++ })
	reading, err := j.s.cfg.Reader.Open(ctx, request(&t))
	j.note(func() { j.under-- })
	if err != nil {
		return err
	}
	defer reading.Close()
	j.note(func() { j.state.Stopped, j.newsy = "", true })
	j.s.tell(ctx, j) // whoever wrote this version waits for it
	hard, abort := context.WithCancel(j.hard)
	defer abort()
	c := &courier{j: j, t: &t, keys: keys, reading: reading, ctx: ctx, hard: hard, cancel: cancel}
	lanes := make([]chan message.Arrival, max(1, t.Concurrency))
	var all sync.WaitGroup
	for i := range lanes {
		lanes[i] = make(chan message.Arrival, 1)
		all.Go(func() {
			for a := range lanes[i] {
				c.deliver(a)
			}
		})
	}
	go func() { // another version
		select {
		case <-j.fresh:
			cancel(errChanged)
		case <-ctx.Done():
		}
	}()
	err = c.read(lanes)
	if errors.Is(err, message.ErrTakenOver) {
		abort() // nobody hears of what comes of it
	}
	cancel(err)
	for _, lane := range lanes {
		close(lane)
	}
	all.Wait()
	return context.Cause(ctx)
}

var errChanged = errors.New("the target was changed")

// courier delivers the messages of one reading.
type courier struct {
	j       *job
	t       *push.Target
	keys    [][]byte
	reading message.Reading
	ctx     context.Context // ends when no further attempt is to be made
	hard    context.Context // ends attempts
	cancel  context.CancelCauseFunc
}

// read hands messages to the lane of their topic.
func (c *courier) read(lanes []chan message.Arrival) error {
	for {
		a, err := c.reading.Next(c.ctx)
		if err != nil {
			return err
		}
		c.j.note(func() { c.j.under++ })
		select {
		case lanes[maphash.String(seed, a.Message.Topic)%uint64(len(lanes))] <- a:
		case <-c.ctx.Done():
			c.j.note(func() { c.j.under-- })
			return c.ctx.Err()
		}
	}
}

// deliver returns when a message was taken or given up, and acknowledged; or without that when there is to be no further
// attempt: it is in the log.
func (c *courier) deliver(a message.Arrival) {
	defer c.j.note(func() {})
	defer c.j.note(func() { c.j.under-- })
	e := newEvent(a)
	backoff := time.Duration(c.t.MinBackoff) * time.Millisecond
	for attempt := 1; ; attempt++ {
		if !c.wait(c.j.pause()) {
			return
		}
		began := time.Now()
		o := c.j.s.post(c.hard, c.t, c.keys, e, attempt)
		c.j.s.metrics.attempt(o, time.Since(began))
		switch {
		case o.verdict == taken:
			c.j.delivered(o)
			c.j.s.metrics.messages.WithLabelValues("delivered").Inc()
			c.reading.Ack(a.ID)
			return
		case c.ctx.Err() != nil: // the attempt may have been cut short
			return
		case o.verdict == refused && c.t.Name != EventsTarget:
			c.cancel(&goneError{o.words})
			return
		}
		c.j.failed(o)
		c.j.s.cfg.Logger.Debug("push attempt failed", "target", c.t.Name, "id", e.id, "attempt", attempt, "status", o.status, "error", o.words)
		if c.over(a.Message, attempt) {
			if c.giveUp(a, attempt, o) {
				c.reading.Ack(a.ID)
			}
			return
		}
		if !c.wait(backoff/2 + rand.N(backoff/2+1)) {
			return
		}
		backoff = min(2*backoff, time.Duration(c.t.MaxBackoff)*time.Millisecond)
	}
}

// pause is for how long the target wants nothing.
func (j *job) pause() time.Duration {
	j.mu.Lock()
	defer j.mu.Unlock()
	return j.paused.Sub(j.s.cfg.Now())
}

// wait waits before an attempt and reports whether it is to be made.
func (c *courier) wait(d time.Duration) bool {
	if d > 0 && c.ctx.Err() == nil {
		c.j.note(func() { c.j.waits++ })
		rest(c.ctx, d)
		c.j.note(func() { c.j.waits-- })
	}
	return c.ctx.Err() == nil
}

// over reports whether a message is not to be tried again.
func (c *courier) over(m *message.Message, attempts int) bool {
	age := c.j.s.cfg.Now().UnixMilli() - m.BornMillis
	return c.t.MaxAttempts > 0 && attempts >= c.t.MaxAttempts || c.t.MaxAge > 0 && age >= c.t.MaxAge
}

// giveUp publishes a message to the dead-letter topic, or drops it where there is none. false: there was no time for it.
func (c *courier) giveUp(a message.Arrival, attempts int, o outcome) bool {
	s := c.j.s
	dead := "dropped"
	if c.t.DeadLetter != "" {
		m, err := letter(c.t, a.Message, attempts, o)
		if err != nil { // as only a change of the longest topic names does
			s.cfg.Logger.Warn("the dead-letter topic does not take a message", "target", c.t.Name, "topic", c.t.DeadLetter, "error", err)
		}
		for pause := firstPause; err == nil; pause = min(2*pause, lastPause) {
			err := s.publish(c.ctx, m)
			if err == nil {
				dead = "dead_letter"
				break
			}
			if errors.Is(err, message.ErrRefused) {
				s.cfg.Logger.Warn("the dead-letter topic does not take a message", "target", c.t.Name, "topic", c.t.DeadLetter, "error", err)
				break
			}
			if !c.wait(pause) {
				return false
			}
		}
	}
	s.metrics.messages.WithLabelValues(dead).Inc()
	s.cfg.Logger.Warn("push gave up a message", "target", c.t.Name, "id", a.Message.Key, "topic", a.Message.Topic, "attempts", attempts, "reason", o.words, "outcome", dead)
	c.j.note(func() { c.j.state.Dead++; c.j.newsy = true })
	return true
}

// letter is what is published of a message that was given up: itself, with the reason in front of its user properties.
// It is the target's tenant's.
func letter(t *push.Target, m *message.Message, attempts int, o outcome) (*message.Message, error) {
	space, err := topic.SpaceOf(t.Tenant)
	if err != nil {
		return nil, err
	}
	d := &message.Message{Topic: t.DeadLetter, Payload: m.Payload, QoS: 1, Properties: m.Properties}
	d.Properties.Expiry, d.Properties.HasExpiry = 0, false
	d.Properties.User = append([]message.UserProperty{
		{Key: "push-target", Value: t.Name},
		{Key: "push-topic", Value: m.Topic},
		{Key: "push-id", Value: m.Key},
		{Key: "push-attempts", Value: strconv.Itoa(attempts)},
		{Key: "push-status", Value: strconv.Itoa(o.status)},
		{Key: "push-reason", Value: fmt.Sprintf("%.300s", o.words)},
	}, m.Properties.User...)
	return d, d.Mount(space)
}

// publish waits for the broker's answer.
func (s *Service) publish(ctx context.Context, m *message.Message) error {
	done := make(chan error, 1)
	s.cfg.Lanes.NewLane().Publish(&message.Publication{
		Message: m, Abandoned: func() bool { return ctx.Err() != nil }, Done: func(_ message.Result, err error) { done <- err },
	})
	return <-done // each is answered within PUBLISH_TIMEOUT
}
