// Package dispatch brings an accepted PUBLISH into the log: topic -> matching filters -> light message queues (LMQ) ->
// one RocketMQ message that names them all.
//
// The life of a publication: it is admitted (inflight.go), its filters are asked for and its queue is chosen at once
// (prepare.go), and when it stands at the head of its line (lane.go) it is encoded, sent part by part (send.go) and, where
// an outcome is unknown, settled (settle.go) before anything behind it goes out. One with Message.Retain is kept first, when
// it stands at the head, and its filters are asked for only then (keep.go).
//
// What is promised:
//   - Publications of one lane and topic enter the log in the order of Publish; different topics do not wait for each other.
//   - Done(nil) comes after the broker's acknowledgement of every part. A publication with Message.Retain was kept, or the
//     retained message removed, before it was matched. So whoever begins to subscribe at any moment finds it: early enough
//     for the match it comes live, and later it is in the store already. Whoever got it live finds nothing older there.
//   - QoS 2: stored once, also over unknown outcomes, under one key in one queue. QoS 1: at least once. QoS 0: sent once.
//   - A publication of QoS 1 or 2 ends within Config.PublishTimeout of its arrival. One that fails takes those waiting behind
//     it on its line along, since its publisher will send it again and order must hold then; see Lane.
//   - Nothing is kept, sent, or sent again, once Publication.Abandoned says that the publisher has gone or the time is over.
//
// What is not promised of a publication with Message.Retain:
//   - One that fails may be kept all the same: the broker refused it, no route or no registry was there for it in time, its
//     publisher went or the instance died in between. Then new subscriptions get it and those that were there do not, until
//     it is published again; the former retained message does not come back. QoS 1 and 2, and wills, are repeated after all
//     but a refusal, and the repeat is kept anew, in front of its match and of its look-up. Only what the broker alone knows
//     is refused so late, and a list of filters that leaves no room beside properties that nearly fill the message: other
//     properties that are too long, a RocketMQ topic that does not exist, and an error of Prepare come before it is kept.
//   - One that the store does not take for good (retain.ErrLimit, ErrTooLarge, ErrFormat) is matched and sent after that was
//     said, and Done gets message.ErrNotRetained. So is one of QoS 0 that could not be written within 5 s of its arrival, or
//     half of Config.PublishTimeout if that is less. New subscriptions do not find them then, or find an older message.
//
// Locks: Lane.mu protects the lane, its lines and their jobs. It is never held while calling out.
package dispatch

import (
	"context"
	"fmt"

	"lmqgate/meta/message"
)

var (
	_ message.Lanes     = (*Dispatcher)(nil)
	_ message.Lane      = (*Lane)(nil)
	_ message.Publisher = (*Dispatcher)(nil)
)

// Dispatcher publishes for all clients of an instance. Safe for concurrent use.
type Dispatcher struct {
	cfg      Config
	matcher  Matcher
	producer Producer
	metrics  *metrics
	inflight *inflight
	picks    *picks
	finders  finders
	keeper   *keeper
	knower   *knower

	ctx  context.Context // ends with Close; the life of look-ups, not of a call
	stop context.CancelFunc
}

// New returns a Dispatcher; Close ends it.
func New(m Matcher, p Producer, cfg Config) *Dispatcher {
	cfg = cfg.withDefaults()
	ctx, stop := context.WithCancel(context.Background())
	d := &Dispatcher{
		cfg: cfg, matcher: m, producer: p, metrics: newMetrics(cfg.Registerer),
		ctx: ctx, stop: stop,
	}
	d.inflight = newInflight(cfg, d.metrics, d.expire)
	d.picks = &picks{d: d, workers: workers{limit: pickersMax}}
	d.keeper = &keeper{d: d, workers: workers{limit: 1}}
	d.knower = &knower{d: d, workers: workers{limit: 1}}
	return d
}

// NewLane returns the lane of one publisher. An idle lane holds no memory but itself and needs no closing.
func (d *Dispatcher) NewLane() message.Lane { return &Lane{d: d} }

// Publish publishes a message of its own order: calls do not wait for each other. It returns what Done is given, or when
// ctx ends; then the outcome is unknown and the publication goes on.
// The message is copied; its payload must not change until the outcome is known.
func (d *Dispatcher) Publish(ctx context.Context, m *message.Message) (message.Result, error) {
	type outcome struct {
		r   message.Result
		err error
	}
	own := *m
	done := make(chan outcome, 1)
	d.NewLane().Publish(&message.Publication{
		Message: &own,
		Done:    func(r message.Result, err error) { done <- outcome{r, err} },
	})
	select {
	case o := <-done:
		return o.r, o.err
	case <-ctx.Done():
		return message.Result{}, fmt.Errorf("publish: %w", ctx.Err())
	}
}

// Close refuses new publications and waits for those under way. When ctx ends first, all that are left end with
// message.ErrUnavailable and the error says how many. It returns after every Done was called and every goroutine has
// ended. Call it after the publishers' connections have stopped reading and before the producer closes.
func (d *Dispatcher) Close(ctx context.Context) error {
	idle := d.inflight.close()
	var err error
	select {
	case <-idle:
	case <-ctx.Done():
		left := d.inflight.all()
		err = fmt.Errorf("close dispatch: %d publications given up: %w", len(left), ctx.Err())
		d.expire(left)
		<-idle
	}
	d.stop()
	d.inflight.stop()
	d.finders.close()
	d.picks.workers.close()
	d.keeper.workers.close()
	d.knower.workers.close()
	return err
}

// failpoint calls the hook of crash tests.
func (d *Dispatcher) failpoint(name string) {
	if d.cfg.Failpoint != nil {
		d.cfg.Failpoint(name)
	}
}
