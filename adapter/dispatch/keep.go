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

// retains reports whether a message is to be kept before it is matched and sent.
func (d *Dispatcher) retains(m *message.Message) bool {
	return m.Retain && d.cfg.Retainer != nil && !d.private(m)
}

// logged ends a job that is in the log whole. lane.mu is held.
func (d *Dispatcher) logged(j *job) {
	j.stage = stageSucceeded
	if m := j.pub.Message; m.Retain && d.cfg.Retainer != nil && d.private(m) {
		d.metrics.keep.results[keptNotP2P].Inc()
	}
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

// keep has the head's message kept with those of other lines that wait at this moment. One that the log would refuse
// whatever its filters are is refused before.
func (d *Dispatcher) keep(j *job) {
	if !j.sound {
		if _, err := d.partsOf(j.pub.Message, nil, false); err != nil {
			j.lane.mu.Lock()
			defer j.lane.mu.Unlock()
			j.op, j.failed = opNone, err
			return
		}
		j.sound = true
	}
	d.failpoint(FailBeforeRetain)
	d.keeper.want(j)
}

// keepable copies the message of a job that waits to be kept. It returns false, and goes on with the job, if that is over
// or has waited for long enough.
func (d *Dispatcher) keepable(j *job, into *message.Message) bool {
	gone, late := j.over(d.cfg.Now())
	l := j.lane
	l.mu.Lock()
	if j.finished || j.op != opRetain {
		l.mu.Unlock()
		return false
	}
	if !gone && !late {
		weary, cause := j.retries > 0 && !d.patient(j), j.cause
		*into = *j.pub.Message
		l.mu.Unlock()
		if weary {
			d.kept(j, cause)
		}
		return !weary
	}
	j.giveUp(gone, late)
	l.mu.Unlock()
	d.pump(l, j.line)
	return false
}

// kept takes the outcome of a retained write. What is kept, and what is not kept for good, is matched now and sent.
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
	k := keptOf(j.pub.Message, err)
	if k == notInTime && d.patient(j) {
		j.cause = err
		d.metrics.keep.retries.Inc()
		d.pause(j, d.cfg.backoff(j.retries))
		j.retries++
		l.mu.Unlock()
		return
	}
	d.metrics.keep.results[k].Inc()
	if err != nil {
		j.unkept = fmt.Errorf("%w: %w", message.ErrNotRetained, err)
	}
	j.stage, j.retries, j.cause = stageEncode, 0, nil
	l.mu.Unlock()
	d.match(j)
}

// patient reports whether a failed write is tried again. Of QoS 0 nobody waits for the end, while its subscribers wait for
// the message: after a while it goes to them without being kept.
func (d *Dispatcher) patient(j *job) bool {
	return j.reliable() || d.cfg.Now().Sub(j.arrived) < min(keepPatience, d.cfg.PublishTimeout/2)
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

// unkeptOf says why a publication ended that waited to be kept.
func unkeptOf(err error) kept {
	if errors.Is(err, message.ErrAbandoned) {
		return notAnyMore
	}
	return notInTime
}
