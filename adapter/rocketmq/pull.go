package rocketmq

import (
	"context"
	"fmt"
	"strconv"
	"time"

	"lmqgate/adapter/rocketmq/remoting"
)

// MaxPull is the most messages one pull asks for.
const MaxPull = 32

// LMQ is one light message queue: each broker has its own of a name, always
// with queue id 0.
type LMQ struct {
	Broker, Name string
}

// PulledMessage is a message as read from an LMQ. Body and Properties are
// read only: all readers of the queue share them.
type PulledMessage struct {
	remoting.Message
	// LMQOffset is the message's offset in the LMQ it was pulled from; the
	// QueueOffset of the Message is the one in the ordinary queue.
	LMQOffset int64
	// Key is the UNIQ_KEY.
	Key string
}

// Status of a pull.
type Status int

// The ways a pull ends that are no error.
const (
	Found       Status = iota // messages, reading goes on at Next
	NoNew                     // nothing at or behind the offset
	Retry                     // nothing to be had at the offset, go on at Next
	OffsetMoved               // the offset is outside Min..Max
)

// String returns the status as metrics name it.
func (s Status) String() string {
	switch s {
	case Found:
		return "found"
	case NoNew:
		return "no_new"
	case Retry:
		return "retry"
	default:
		return "offset_moved"
	}
}

// PullResult is the answer to a pull. After OffsetMoved, Next is Min: a queue
// that has been reset is read from what is left of it.
type PullResult struct {
	Status         Status
	Boot           uint64 // Client.Boot of the broker when the pull was sent
	Messages       []*PulledMessage
	Next, Min, Max int64
}

// pullTimeout is how long an unsuspended pull may take.
const pullTimeout = 10 * time.Second

// Pull reads at most limit (0 or above MaxPull: MaxPull) messages from offset
// on, without waiting for new ones.
func (c *Client) Pull(ctx context.Context, l LMQ, offset int64, limit int) (PullResult, error) {
	if limit <= 0 || limit > MaxPull {
		limit = MaxPull
	}
	return c.pull(ctx, c.pullRequest(l, offset, limit, 0))
}

// PullQueue reads like Pull from a queue of an ordinary topic. If there is nothing new the broker holds the pull for up to wait,
// at most 30 s.
func (c *Client) PullQueue(ctx context.Context, q Queue, offset int64, limit int, wait time.Duration) (PullResult, error) {
	if limit <= 0 || limit > MaxPull {
		limit = MaxPull
	}
	r := c.pullRequest(LMQ{Broker: q.Broker, Name: q.Topic}, offset, limit, min(wait, maxHold))
	r.QueueID = int32(q.ID)
	return c.pull(ctx, r)
}

// maxHold is the longest that PullQueue has a broker hold a pull.
const maxHold = 30 * time.Second

func (c *Client) pull(ctx context.Context, p *remoting.PullRequest) (PullResult, error) {
	s := c.cluster.link(p.Broker).pullSlot(p.Topic)
	conn, err := s.wait(ctx)
	if err != nil {
		return PullResult{}, fmt.Errorf("pull %s at %s: %w", p.Topic, p.Broker, err)
	}
	boot := c.Boot(p.Broker) // with the connection in hand: never an earlier one's
	type outcome struct {
		answer *remoting.Command
		err    error
	}
	began := time.Now()
	done := make(chan outcome, 1)
	timeout := pullTimeout + time.Duration(p.SuspendMillis)*time.Millisecond
	conn.GoPull(p, timeout, func(a *remoting.Command, err error) { done <- outcome{a, err} })
	select {
	case o := <-done:
		c.metrics.pullSeconds.Observe(time.Since(began).Seconds())
		if o.err != nil {
			c.metrics.answers.WithLabelValues("error").Inc()
			return PullResult{}, fmt.Errorf("pull %s at %s: %w", p.Topic, p.Broker, o.err)
		}
		r, err := parsePull(o.answer, p.Topic, p.Offset)
		if err != nil {
			return PullResult{}, fmt.Errorf("pull %s at %s: %w", p.Topic, p.Broker, err)
		}
		c.metrics.answers.WithLabelValues(r.Status.String()).Inc()
		r.Boot = boot
		return r, nil
	case <-ctx.Done():
		return PullResult{}, fmt.Errorf("pull %s at %s: %w", p.Topic, p.Broker, context.Cause(ctx))
	}
}

func (c *Client) pullRequest(l LMQ, offset int64, limit int, suspend time.Duration) *remoting.PullRequest {
	return &remoting.PullRequest{
		Group: c.cfg.PullGroup, Topic: l.Name, Broker: l.Broker, Offset: offset,
		Max: int32(limit), SuspendMillis: suspend.Milliseconds(),
	}
}

// parsePull reads an answer to a pull of name at offset. Codes that mean
// neither messages nor their absence ("busy" among them) and answers without
// offsets are errors.
func parsePull(a *remoting.Command, name string, offset int64) (PullResult, error) {
	var r PullResult
	switch a.Code {
	case remoting.Success:
		r.Status = Found
	case remoting.PullNotFound:
		r.Status = NoNew
	case remoting.PullRetryImmediately:
		r.Status = Retry
	case remoting.PullOffsetMoved:
		r.Status = OffsetMoved
	default:
		return r, answerError(a)
	}
	for _, f := range []struct {
		key string
		to  *int64
	}{{"nextBeginOffset", &r.Next}, {"minOffset", &r.Min}, {"maxOffset", &r.Max}} {
		v, err := strconv.ParseInt(a.Ext[f.key], 10, 64)
		if err != nil {
			return r, fmt.Errorf("code %d without %s: %s", a.Code, f.key, a.Remark)
		}
		*f.to = v
	}
	if r.Status == OffsetMoved {
		r.Next = r.Min
	}
	if r.Status != Found {
		return r, nil
	}
	return r, r.fill(a.Body, name, offset)
}

// fill decodes the messages. They are contiguous in the queue, so one whose
// properties do not tell its offset has the one behind its predecessor's.
func (r *PullResult) fill(body []byte, name string, offset int64) error {
	messages, err := remoting.DecodeMessages(body)
	if err != nil && len(messages) == 0 {
		return err
	}
	all := make([]PulledMessage, len(messages))
	r.Messages = make([]*PulledMessage, len(messages))
	for i, m := range messages {
		at, ok := lmqOffset(m.Properties, name)
		if !ok {
			at = offset
		}
		key, _ := m.Properties.Get(remoting.PropertyUniqueKey)
		all[i] = PulledMessage{Message: m, LMQOffset: at, Key: key}
		r.Messages[i] = &all[i]
		offset = at + 1
	}
	if err != nil || len(all) > 0 && r.Next < offset {
		r.Next = offset // a cut run: go on behind what is whole
	}
	return nil
}
