package dispatch

import (
	"errors"

	"lmqgate/meta/message"
)

// pump does what the head of a line can do now, and goes on until there is nothing: an operation's result, a timer or
// Publish calls it again. One goroutine at a time is in it for a line, so Done is called in the line's order.
func (d *Dispatcher) pump(l *Lane, ln *line) {
	l.mu.Lock()
	defer l.mu.Unlock()
	if ln.pumping {
		return // it looks again before it leaves
	}
	ln.pumping = true
	for ln.head != nil {
		j := ln.head
		step := j.step()
		if step == nil {
			break
		}
		l.mu.Unlock()
		step(d, j)
		l.mu.Lock()
	}
	ln.pumping = false
	if ln.head == nil {
		l.drop(ln)
	}
}

// step decides what the head does next, nil if it waits. lane.mu is held.
func (j *job) step() func(*Dispatcher, *job) {
	switch {
	case j.stage == stageSucceeded, j.failed != nil, j.expired, j.line.broken:
		return (*Dispatcher).finish
	case j.op != opNone, !j.placed, !j.ready, !j.matched && j.stage != stageRetain:
		return nil
	}
	switch j.stage {
	case stageEncode:
		return (*Dispatcher).encode
	case stageSend:
		j.op = opSend
		return (*Dispatcher).send
	case stageRetain:
		j.op = opRetain
		return (*Dispatcher).keep
	default:
		j.op = opFind
		return (*Dispatcher).find
	}
}

// finish takes the head off its line and tells its publisher.
func (d *Dispatcher) finish(j *job) {
	l, m := j.lane, j.pub.Message
	l.mu.Lock()
	err := j.outcome()
	j.line.removeHead()
	j.finished = true
	if j.reliable() && breaks(err) {
		j.line.broken = true
	}
	l.mu.Unlock()

	r := message.Result{}
	if err == nil || errors.Is(err, message.ErrNotRetained) {
		r = message.Result{Key: m.Key, Queues: len(j.lmqs)}
		d.metrics.seconds.Observe(d.cfg.Now().Sub(j.arrived).Seconds())
	}
	d.metrics.count(m.QoS, err, j.unknown)
	if j.stage == stageRetain && j.sound {
		d.metrics.keep.results[unkeptOf(err)].Inc()
	}
	if j.trace != nil {
		j.trace.Done(err, len(j.lmqs))
	}
	j.pub.Done(r, err)
	d.inflight.release(j)
}

// outcome is what Done will be given. lane.mu is held.
func (j *job) outcome() error {
	switch {
	case j.stage == stageSucceeded:
		return j.unkept
	case j.failed != nil:
		return j.failed
	case j.expired && j.stage == stageRetain:
		return j.unavailable("retained message not kept in time")
	case j.expired:
		return j.unavailable("publish not done in time")
	default:
		return j.unavailable("publish behind a failed one")
	}
}

// breaks reports whether an error breaks the line. A message that is refused, or sent and not retained, will not come
// again, so those behind it go on.
func breaks(err error) bool {
	return err != nil && !errors.Is(err, message.ErrRefused) && !errors.Is(err, message.ErrNotRetained)
}

// expire ends jobs whatever they wait for.
func (d *Dispatcher) expire(jobs []*job) {
	for _, j := range jobs {
		j.lane.mu.Lock()
		j.expired = true
		j.lane.mu.Unlock()
		d.pump(j.lane, j.line)
	}
}
