package relay

import (
	"context"
	"errors"
	"sync"
	"time"

	"lmqgate/meta/message"
)

// worker relays one topic: a goroutine for each queue.
type worker struct {
	r      *Relay
	rule   Rule
	life   context.Context
	end    context.CancelFunc
	work   sync.WaitGroup
	queues map[message.Place]bool // those that are being read
}

func (r *Relay) start(ctx context.Context, rule Rule) *worker {
	w := &worker{r: r, rule: rule, queues: make(map[message.Place]bool)}
	w.life, w.end = context.WithCancel(ctx)
	return w
}

// stop returns when nothing is read, published or committed any more.
func (w *worker) stop() {
	w.end()
	w.work.Wait()
	w.r.metrics.forget(w.rule.Topic)
}

// spread begins to read queues that are new.
func (w *worker) spread(ctx context.Context) {
	ctx, cancel := context.WithTimeout(ctx, leaseEvery/2)
	defer cancel()
	queues, err := w.r.log.Queues(ctx, w.rule.Topic)
	if err != nil {
		w.r.cfg.Logger.Debug("looking for the queues of a relayed topic failed", "rocketmq_topic", w.rule.Topic, "error", err)
		return
	}
	for _, q := range queues {
		if w.queues[q] {
			continue
		}
		w.queues[q] = true
		w.work.Go(func() { w.read(q) })
	}
}

// read relays a queue until the worker ends.
func (w *worker) read(q message.Place) {
	lane := w.r.lanes.NewLane()
	offset, ok := int64(0), false
	w.insist("position", func() (err error) {
		offset, ok, err = w.r.log.Position(w.life, Group, q)
		if err != nil || ok {
			return err
		}
		if !w.r.cfg.Beginning {
			if offset, err = w.r.log.End(w.life, q); err != nil {
				return err
			}
		}
		return w.r.log.Commit(w.life, Group, q, offset) // whoever comes next begins where this one did
	})
	for w.life.Err() == nil {
		var p Page
		w.insist("read", func() (err error) {
			p, err = w.r.log.Read(w.life, q, offset)
			return err
		})
		if w.life.Err() != nil {
			return
		}
		w.publish(lane, p.Records)
		if w.life.Err() != nil {
			return // not all of them may be published
		}
		w.r.metrics.lag(w.rule.Topic, q, p.Max-p.Next)
		if p.Next == offset {
			continue
		}
		offset = p.Next
		w.insist("commit", func() error { return w.r.log.Commit(w.life, Group, q, offset) })
	}
}

// insist repeats a step, with pauses, until it works or the worker ends.
func (w *worker) insist(what string, step func() error) {
	for pause := firstPause; ; pause = min(2*pause, mostPause) {
		err := step()
		if err == nil || w.life.Err() != nil {
			return
		}
		w.r.metrics.failed(w.rule.Topic)
		w.r.cfg.Logger.Debug("relaying is held up", "rocketmq_topic", w.rule.Topic, "step", what, "error", err)
		w.rest(pause)
	}
}

func (w *worker) rest(pause time.Duration) {
	t := time.NewTimer(pause)
	defer t.Stop()
	select {
	case <-t.C:
	case <-w.life.Done():
	}
}

// publish returns when all records are published or left out for good, or the worker ends. What failed is published again,
// and what came behind it with the same topic after it.
func (w *worker) publish(lane message.Lane, records []Record) {
	var list []*message.Message
	for i := range records {
		m, outcome, err := w.rule.message(&records[i])
		if m != nil {
			list = append(list, m)
			continue
		}
		w.skip(outcome, records[i].Offset, err)
	}
	for pause := firstPause; len(list) > 0; pause = min(2*pause, mostPause) {
		errs := make([]error, len(list))
		var all sync.WaitGroup
		for i, m := range list {
			all.Add(1)
			lane.Publish(&message.Publication{
				Message: m, Abandoned: func() bool { return w.life.Err() != nil },
				Done: func(_ message.Result, err error) { errs[i] = err; all.Done() },
			})
		}
		all.Wait() // each is answered within PUBLISH_TIMEOUT
		again := list[:0]
		held := make(map[string]bool)
		for i, m := range list {
			switch err := errs[i]; {
			case errors.Is(err, message.ErrRefused):
				w.skip(outcomeRefused, 0, err)
			case err != nil:
				held[m.Topic] = true
				again = append(again, m)
			case held[m.Topic]: // it overtook one that failed: publish it once more, behind that
				again = append(again, m)
			default:
				w.r.metrics.count(w.rule.Topic, outcomeRelayed)
			}
		}
		if list = again; w.life.Err() != nil {
			return
		}
		if len(list) > 0 {
			w.r.metrics.failed(w.rule.Topic)
			w.rest(pause)
		}
	}
}

// skip counts a message that is not relayed, and tells the log of those that somebody may miss.
func (w *worker) skip(o outcome, offset int64, err error) {
	w.r.metrics.count(w.rule.Topic, o)
	if o != outcomeMQTT {
		w.r.cfg.Logger.Warn("message not relayed", "rocketmq_topic", w.rule.Topic, "offset", offset, "reason", string(o), "error", err)
	}
}
