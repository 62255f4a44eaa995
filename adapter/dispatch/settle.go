package dispatch

import (
	"context"
	"fmt"
	"sync"

	"lmqgate/meta/message"
)

// finders run look-ups, a bounded number at a time for each broker, so that one that does not answer holds up no other's.
type finders struct {
	mu     sync.Mutex // protects all below
	pools  map[string]*workers
	closed bool
}

// at returns the broker's workers, nil after close. There are as many as the cluster ever had brokers.
func (f *finders) at(broker string) *workers {
	f.mu.Lock()
	defer f.mu.Unlock()
	w := f.pools[broker]
	if w == nil && !f.closed {
		if f.pools == nil {
			f.pools = make(map[string]*workers)
		}
		w = &workers{limit: findersMax}
		f.pools[broker] = w
	}
	return w
}

// close returns when every look-up has ended; their context must have.
func (f *finders) close() {
	f.mu.Lock()
	f.closed = true
	f.mu.Unlock()
	for _, w := range f.pools { // not written to any more
		w.close()
	}
}

// find looks up what the stage asks for. Each look-up has a goroutine, a bounded number at a time.
func (d *Dispatcher) find(j *job) {
	key := j.pub.Message.Key
	switch j.stage {
	case stageWasSplit:
		key += message.MarkPart
	case stageWasWhole:
		key += message.MarkLast
	case stageLookUp:
		if _, split := j.parts[j.sent].Properties[message.PropKeys]; split {
			key = message.PartKey(key, j.parts[j.sent].Dispatch)
		}
	}
	at := j.at
	d.failpoint(FailBeforeFind)
	pool := d.finders.at(at.Broker)
	if pool == nil {
		return // Close has ended the job already
	}
	pool.run(func() {
		ctx, cancel := context.WithTimeout(d.ctx, findTimeout)
		defer cancel()
		found, err := d.producer.Find(ctx, at.Broker, at.Topic, key, j.since)
		d.looked(j, found, err)
	})
}

// looked takes the answer of a look-up.
//
// A miss counts once it was confirmed by a second one, SettleGap later: the first shows that the broker answers again, but
// a send that it had received before may still be waiting there.
func (d *Dispatcher) looked(j *job, found bool, err error) {
	l := j.lane
	l.mu.Lock()
	if j.finished || j.op != opFind {
		l.mu.Unlock()
		return
	}
	j.op = opNone
	switch {
	case err != nil:
		j.cause = fmt.Errorf("look up key: %w", err)
		d.pause(j, d.cfg.backoff(j.retries))
		j.retries++
	case found:
		j.retries, j.missed = 0, 0
		d.stored(j)
	case j.missed == 0:
		j.retries, j.missed = 0, 1
		d.pause(j, d.cfg.SettleGap)
	default:
		j.missed = 0
		d.absent(j)
	}
	l.mu.Unlock()
	d.cfg.Logger.Debug("looked up a message of unknown outcome",
		"topic", j.pub.Message.Topic, "key", j.pub.Message.Key, "broker", j.at.Broker, "found", found, "error", err)
	d.pump(l, j.line)
}

// stored goes on after a look-up that found the key. lane.mu is held.
func (d *Dispatcher) stored(j *job) {
	switch j.stage {
	case stageRepeat:
		j.stage = stageWasSplit
	case stageWasSplit:
		j.stage = stageWasWhole
	case stageWasWhole:
		d.metrics.found.Inc()
		d.logged(j)
	default:
		d.metrics.found.Inc()
		d.acknowledged(j)
	}
}

// absent goes on after a look-up that found nothing. lane.mu is held.
func (d *Dispatcher) absent(j *job) {
	switch j.stage {
	case stageWasSplit:
		d.metrics.found.Inc()
		d.logged(j)
	case stageWasWhole:
		j.resumed, j.stage = true, stageEncode
	default:
		d.metrics.sentAgain.Inc()
		j.stage = stageSend
	}
}
