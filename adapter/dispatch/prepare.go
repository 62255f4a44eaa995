package dispatch

import (
	"errors"
	"fmt"
	"slices"
	"time"

	"lmqgate/meta/message"
	"lmqgate/meta/topic"
)

// match asks for the filters of a job. It begins at or after the arrival, never before: that is the registry's promise
// to subscribers. A message to be retained is matched after it was kept: whoever subscribes too late for this match finds
// it there. A message to one client goes to that client's queue, whatever anybody subscribes to.
func (d *Dispatcher) match(j *job) {
	name := j.line.topic // not the message's: the job may end at any moment
	if d.cfg.P2P {
		if id, ok := topic.P2P(name); ok {
			d.matchOwn(j, id)
			return
		}
	}
	asked := d.cfg.Now()
	d.matcher.Match(name, func(filters []string, err error) {
		d.metrics.match.Observe(d.cfg.Now().Sub(asked).Seconds())
		if err != nil {
			d.retryPrepare(j, fmt.Errorf("match topic: %w", err), d.match)
			return
		}
		lmqs, err := d.withOthers(name, topic.Queues(filters))
		if err != nil {
			d.retryPrepare(j, fmt.Errorf("match topic: %w", err), d.match)
			return
		}
		if j.trace != nil {
			j.trace.Matched(asked, len(lmqs))
		}
		d.matched(j, lmqs)
	})
}

// withOthers adds the queues that are read elsewhere to those of the filters; a name given twice would lose the message there.
func (d *Dispatcher) withOthers(name string, lmqs []string) ([]string, error) {
	if d.cfg.Others == nil {
		return lmqs, nil
	}
	more, err := d.cfg.Others.Queues(name)
	if err != nil || len(more) == 0 {
		return lmqs, err
	}
	lmqs = append(lmqs, more...)
	slices.Sort(lmqs)
	return slices.Compact(lmqs), nil
}

func (d *Dispatcher) matched(j *job, lmqs []string) {
	j.lane.mu.Lock()
	j.lmqs, j.matched = lmqs, true
	j.lane.mu.Unlock()
	d.pump(j.lane, j.line)
}

// place chooses the queue of a job.
func (d *Dispatcher) place(j *job) {
	if j.pub.Place != nil {
		d.placed(j, *j.pub.Place)
		return
	}
	if at, ok := d.producer.TryPick(j.topic, j.pub.Message.Topic); ok {
		d.placed(j, at)
		return
	}
	d.picks.want(j, j.topic)
}

// placed goes on with the queue that was chosen. Where there is a Prepare this happens once: the place is pinned.
func (d *Dispatcher) placed(j *job, at message.Place) {
	prepare := j.pub.Prepare
	j.lane.mu.Lock()
	if j.finished {
		j.lane.mu.Unlock()
		return
	}
	j.at, j.placed = at, true
	j.ready = prepare == nil
	j.lane.mu.Unlock()
	if prepare != nil {
		prepare(j.pub.Message.Key, at, func(err error) { d.prepared(j, err) })
		return
	}
	d.pump(j.lane, j.line)
}

// unplaced is told that there is no route of the RocketMQ topic. One that will not exist is replaced by the fallback.
func (d *Dispatcher) unplaced(j *job, rocketTopic string, err error) {
	err = fmt.Errorf("route of %s: %w", rocketTopic, err)
	if !errors.Is(err, ErrNoTopic) {
		d.retryPrepare(j, err, d.place)
		return
	}
	j.lane.mu.Lock()
	again := d.fallBack(j, err)
	j.lane.mu.Unlock()
	if again {
		d.place(j)
		return
	}
	d.pump(j.lane, j.line)
}

// fallBack turns a job whose RocketMQ topic does not exist to the fallback topic and reports whether a place is to be
// chosen again; without that way out the job is refused. lane.mu is held.
func (d *Dispatcher) fallBack(j *job, err error) bool {
	if j.topic == d.cfg.Fallback {
		j.failed = fmt.Errorf("%w: %w", message.ErrRefused, err)
		return false
	}
	j.topic, j.placed = d.cfg.Fallback, false
	d.metrics.fallbacks.Inc()
	return true
}

// prepared takes Prepare's word.
func (d *Dispatcher) prepared(j *job, err error) {
	j.lane.mu.Lock()
	if err != nil {
		j.failed = err
	}
	j.ready = true
	j.lane.mu.Unlock()
	d.pump(j.lane, j.line)
}

// retryPrepare calls step again after a pause, or gives a QoS 0 message up.
func (d *Dispatcher) retryPrepare(j *job, err error, step func(*job)) {
	j.lane.mu.Lock()
	j.cause = err
	if !j.reliable() {
		j.failed = j.unavailable("publish")
		j.lane.mu.Unlock()
		d.pump(j.lane, j.line)
		return
	}
	pause := d.cfg.backoff(j.tries)
	j.tries++
	j.lane.mu.Unlock()
	time.AfterFunc(pause, func() {
		j.lane.mu.Lock()
		finished := j.finished
		j.lane.mu.Unlock()
		if !finished {
			step(j)
		}
	})
}
