package dispatch

import (
	"errors"
	"fmt"
	"time"

	"lmqgate/meta/message"
)

// encode makes the message, or the parts of it, of a job that has come to the head of its line.
func (d *Dispatcher) encode(j *job) {
	if j.trace != nil {
		j.trace.Sending(j.at)
	}
	parts, err := d.partsOf(j.pub.Message, j.lmqs, j.resumed)
	l := j.lane
	l.mu.Lock()
	defer l.mu.Unlock()
	switch {
	case err != nil:
		j.failed = err
		return
	case j.resumed:
		j.parts, j.stage = parts, stageLookUp
		return
	case j.pub.Repeat:
		j.stage = stageRepeat
	default:
		j.stage = stageSend
	}
	j.parts = parts
	d.metrics.shape(len(j.lmqs), len(parts))
}

// send sends the next part, unless its publisher has gone or its time is over.
func (d *Dispatcher) send(j *job) {
	if gone, late := j.over(d.cfg.Now()); gone || late {
		j.lane.mu.Lock()
		defer j.lane.mu.Unlock()
		j.giveUp(gone, late)
		return
	}
	part := &j.parts[j.sent]
	part.Place = j.at
	d.failpoint(FailBeforeSend)
	d.producer.Send(part, func(err error) { d.answered(j, err) })
}

// answered takes the outcome of a send.
func (d *Dispatcher) answered(j *job, err error) {
	if err == nil {
		d.failpoint(FailAfterSend)
	}
	l := j.lane
	l.mu.Lock()
	if j.finished || j.op != opSend {
		l.mu.Unlock()
		return
	}
	j.op = opNone
	if err == nil {
		d.acknowledged(j)
	} else {
		d.unsent(j, fmt.Errorf("send: %w", err))
	}
	again := j.op == opNone && !j.placed && j.failed == nil
	l.mu.Unlock()
	if again {
		d.place(j)
		return
	}
	d.pump(l, j.line)
}

// acknowledged goes on to the next part. lane.mu is held.
func (d *Dispatcher) acknowledged(j *job) {
	j.sent++
	j.retries, j.missed = 0, 0
	switch {
	case j.sent == len(j.parts):
		d.logged(j)
	case j.resumed:
		j.stage = stageLookUp
	default:
		j.stage = stageSend
	}
}

// unsent decides what becomes of a job after a failed send. lane.mu is held.
func (d *Dispatcher) unsent(j *job, err error) {
	j.cause = err
	switch {
	case errors.Is(err, ErrIllegal):
		j.failed = fmt.Errorf("%w: %w", message.ErrRefused, err)
	case errors.Is(err, ErrNoTopic) && !j.pinned():
		d.fallBack(j, err)
	case errors.Is(err, ErrNoTopic) && !j.unknown && j.sent == 0:
		j.failed = fmt.Errorf("%w: %w", message.ErrRefused, err)
	case errors.Is(err, ErrRejected), errors.Is(err, ErrNoTopic):
		d.resend(j)
	default:
		d.doubt(j)
	}
}

// resend tries a part that is not stored again after a pause. lane.mu is held.
func (d *Dispatcher) resend(j *job) {
	if !j.reliable() {
		j.failed = j.unavailable("publish")
		return
	}
	j.placed = j.pinned() // else chosen anew: the broker may be gone
	d.metrics.retries.Inc()
	d.pause(j, d.cfg.backoff(j.retries))
	j.retries++
}

// doubt begins to settle a part whose outcome is unknown. lane.mu is held.
func (d *Dispatcher) doubt(j *job) {
	j.unknown = true
	if !j.reliable() {
		j.failed = j.unavailable("publish")
		return
	}
	j.stage, j.retries, j.missed = stageLookUp, 0, 0
}

// pause lets the head rest. lane.mu is held.
func (d *Dispatcher) pause(j *job, t time.Duration) {
	j.op = opPause
	time.AfterFunc(t, func() {
		j.lane.mu.Lock()
		if j.finished {
			j.lane.mu.Unlock()
			return
		}
		j.op = opNone
		placed := j.placed
		j.lane.mu.Unlock()
		if !placed {
			d.place(j)
			return
		}
		d.pump(j.lane, j.line)
	})
}
