// Package dispatch brings an accepted PUBLISH into the log: topic -> matching filters -> light message queues (LMQ) ->
// one RocketMQ message that names them all.
//
// The life of a publication: it is admitted (inflight.go), its filters are asked for and its queue is chosen at once
// (prepare.go), and when it stands at the head of its line (lane.go) it is encoded, sent part by part (send.go) and, where
// an outcome is unknown, settled (settle.go) before anything behind it goes out.
//
// What is promised:
//   - Publications of one lane and topic enter the log in the order of Publish; different topics do not wait for each other.
//   - Done(nil) comes after the broker's acknowledgement of every part and, for a publication with Message.Retain, after the
//     retained message was kept or removed; nothing behind it on its line goes out before (keep.go).
//   - QoS 2: stored once, also over unknown outcomes, under one key in one queue. QoS 1: at least once. QoS 0: sent once.
//   - A publication of QoS 1 or 2 ends within Config.PublishTimeout of its arrival. One that fails takes those waiting behind
//     it on its line along, since its publisher will send it again and order must hold then; see Lane.
//   - Nothing is sent, or sent again, once Publication.Abandoned says that the publisher has gone.
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
	return err
}

// failpoint calls the hook of crash tests.
func (d *Dispatcher) failpoint(name string) {
	if d.cfg.Failpoint != nil {
		d.cfg.Failpoint(name)
	}
}
