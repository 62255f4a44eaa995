package dispatch

import (
	"context"
	"errors"
	"fmt"

	"lmqgate/meta/message"
	"lmqgate/meta/retain"
	"lmqgate/meta/topic"
)

// Retainer keeps retained messages. retain.Store is one; its doc says in which order writes take effect.
type Retainer interface {
	// SetAll keeps each of the messages as the retained one of its topic, or removes that if the payload is empty, in the
	// order given. It returns the error of each, as many as there are messages. retain.ErrLimit, ErrTooLarge and ErrFormat
	// are final, with any other one the write is tried again.
	SetAll(ctx context.Context, messages []*message.Message) []error
}

// logged goes on with a job that is in the log whole. lane.mu is held.
func (d *Dispatcher) logged(j *job) {
	j.stage = stageSucceeded
	m := j.pub.Message
	if !m.Retain || d.cfg.Retainer == nil {
		return
	}
	if d.private(m) {
		d.metrics.keep.results[keptNotP2P].Inc()
		return
	}
	j.stage, j.retries, j.cause = stageRetain, 0, nil
}

// private reports whether a message is for one client only, who gets it without subscribing: were it retained, others
// would find it by a wildcard. To remove one that was kept before such topics were private is harmless.
func (d *Dispatcher) private(m *message.Message) bool {
	if !d.cfg.P2P || len(m.Payload) == 0 {
		return false
	}
	_, ok := topic.P2P(m.Topic)
	return ok
}

// keep has the head's message kept with those of other lines that wait at this moment.
func (d *Dispatcher) keep(j *job) {
	d.failpoint(FailBeforeRetain)
	d.keeper.want(j)
}

// keepable copies the message of a job that waits to be kept, or ends the job and returns false: once the publisher has
// gone or its time is over it repeats the message, maybe on another instance, and goes on; a late write would put the old
// one back in the place of a newer one.
func (d *Dispatcher) keepable(j *job, into *message.Message) bool {
	gone := j.pub.Abandoned != nil && j.pub.Abandoned()
	l := j.lane
	l.mu.Lock()
	if j.finished || j.op != opRetain {
		l.mu.Unlock()
		return false
	}
	late := !j.deadline.After(d.cfg.Now())
	if !gone && !late {
		*into = *j.pub.Message
		l.mu.Unlock()
		return true
	}
	j.op, j.expired = opNone, j.expired || late
	if gone {
		j.failed = message.ErrAbandoned
	}
	l.mu.Unlock()
	d.pump(l, j.line)
	return false
}

// kept takes the outcome of a retained write.
func (d *Dispatcher) kept(j *job, err error) {
	if err == nil {
		d.failpoint(FailAfterRetain)
	}
	l := j.lane
	l.mu.Lock()
	if j.finished || j.op != opRetain {
		l.mu.Unlock()
		return
	}
	j.op = opNone
	switch k := keptOf(j.pub.Message, err); k {
	case notInTime:
		j.cause = err
		d.metrics.keep.retries.Inc()
		d.pause(j, d.cfg.backoff(j.retries))
		j.retries++
	default:
		d.metrics.keep.results[k].Inc()
		j.stage = stageSucceeded
		if err != nil {
			j.failed = fmt.Errorf("%w: %w", message.ErrNotRetained, err)
		}
	}
	l.mu.Unlock()
	d.pump(l, j.line)
}

// keptOf says what became of a retained write; notInTime is that it may be tried again.
func keptOf(m *message.Message, err error) kept {
	switch {
	case err == nil && len(m.Payload) == 0:
		return keptRemoved
	case err == nil:
		return keptNew
	case errors.Is(err, retain.ErrLimit):
		return overLimit
	case errors.Is(err, retain.ErrTooLarge):
		return tooLarge
	case errors.Is(err, retain.ErrFormat):
		return otherFormat
	default:
		return notInTime
	}
}

// unkeptOf says why a publication ended that was in the log and not yet kept.
func unkeptOf(err error) kept {
	if errors.Is(err, message.ErrAbandoned) {
		return notAnyMore
	}
	return notInTime
}
