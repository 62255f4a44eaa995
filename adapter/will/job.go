package will

import (
	"context"
	"errors"
	"sync"
	"time"

	"lmqgate/meta/message"
	"lmqgate/meta/session"
)

// job is one will under way.
type job struct {
	p    *Publisher
	will session.DueWill

	mu        sync.Mutex // protects all below
	place     message.Place
	confirmed time.Time   // when the claim was last confirmed: the moment before it was asked for; zero = not, or lost
	renewal   *time.Timer // confirms the claim again, nil before the first time
	over      bool        // Done was called, or Close gave up
}

// begin gives the will to a lane of its own. What its message says of the time counts from now: a delayed will is
// published now, so its expiry interval begins now.
func (j *job) begin() {
	m := *j.will.Message
	m.BornMillis = j.p.cfg.Now().UnixMilli()
	if j.will.Repeat {
		j.p.metrics.repeated.Inc()
	}
	j.p.lanes.NewLane().Publish(&message.Publication{
		Message: &m, Place: j.will.Place, Repeat: j.will.Repeat, Since: j.will.Since,
		Prepare: j.prepare, Abandoned: j.abandoned, Done: j.done,
	})
}

// prepare records the place where the will is going to be sent; nothing is sent before.
func (j *job) prepare(_ string, place message.Place, ready func(error)) {
	j.mu.Lock()
	j.place = place
	j.mu.Unlock()
	if !j.p.placers.run(func() { ready(j.confirm()) }) {
		ready(errClosed)
	}
}

// confirm records the place, which begins the time of the claim anew, and has it done again in a while.
//
// The fence counts from before the call: how long the answer took, or this process slept over it, is not known.
func (j *job) confirm() error {
	j.mu.Lock()
	place, over := j.place, j.over
	j.mu.Unlock()
	if over {
		return errClosed
	}
	asked := j.p.cfg.Now()
	ctx, cancel := context.WithTimeout(j.p.ctx, j.p.cfg.Fence)
	defer cancel()
	err := j.p.store.PlaceWill(ctx, j.will, place)
	j.mu.Lock()
	defer j.mu.Unlock()
	switch {
	case j.over:
		return errClosed
	case errors.Is(err, session.ErrFenced):
		j.confirmed = time.Time{}
		return err
	case err != nil && j.confirmed.IsZero():
		return err
	case err == nil:
		j.confirmed = asked
	}
	if j.renewal == nil {
		j.renewal = time.AfterFunc(j.p.cfg.Fence/3, func() { j.p.placers.run(func() { _ = j.confirm() }) })
	} else {
		j.renewal.Reset(j.p.cfg.Fence / 3)
	}
	return nil
}

// abandoned reports whether the will may not be sent any more by this claim.
func (j *job) abandoned() bool {
	j.mu.Lock()
	defer j.mu.Unlock()
	return j.over || j.confirmed.IsZero() || elapsed(j.confirmed, j.p.cfg.Now()) > j.p.cfg.Fence
}

// elapsed is the time between two moments by the clock that advanced more: while a machine is suspended the monotonic
// one may stand still.
func elapsed(from, to time.Time) time.Duration {
	return max(to.Sub(from), to.Round(0).Sub(from.Round(0)))
}

// giveUp makes sure that nothing is sent any more. p.mu is held.
func (j *job) giveUp() {
	j.mu.Lock()
	defer j.mu.Unlock()
	j.over = true
	if j.renewal != nil {
		j.renewal.Stop()
	}
}

// done takes the outcome.
func (j *job) done(_ message.Result, err error) {
	j.mu.Lock()
	over := j.over
	j.over = true
	if j.renewal != nil {
		j.renewal.Stop()
	}
	j.mu.Unlock()
	if !over {
		j.p.ended(j, err)
	}
}

// ended decides what becomes of a will after its publication.
func (p *Publisher) ended(j *job, err error) {
	log := p.cfg.Logger.With("client_id", j.will.ClientID, "topic", j.will.Message.Topic)
	final := true
	switch {
	case err == nil:
		p.metrics.published.Inc()
	case errors.Is(err, message.ErrNotRetained): // it is in the log all the same
		p.metrics.published.Inc()
		log.Warn("will was published but not retained", "error", err)
	case errors.Is(err, message.ErrRefused):
		p.metrics.refused.Inc()
		log.Warn("will cannot be published", "error", err)
	case errors.Is(err, session.ErrFenced):
		p.metrics.lost.Inc()
		final = false
	default:
		p.metrics.left.Inc()
		log.Debug("publishing a will failed, it is tried again in a moment", "error", err)
		final = false
	}
	p.mu.Lock()
	delete(p.underWay, j)
	if final {
		p.done = append(p.done, j.will)
	} else {
		p.left++
		p.release(&j.will)
	}
	begin := final && !p.keeping
	p.keeping = p.keeping || begin
	p.mu.Unlock()
	if begin {
		p.keeper.run(p.forget)
	}
	p.fill()
}
