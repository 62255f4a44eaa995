package gateway

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"math/rand/v2"
	"time"

	"lmqgate/meta/redisstore"
	"lmqgate/meta/registry"
	"lmqgate/meta/session"
)

// Times and sizes of the sweeps, which every instance makes and any may miss.
const (
	sweepEvery     = 5 * time.Second
	sweepLongest   = 30 * time.Second // between two while they fail
	sweepTime      = time.Minute      // for one; what is left waits for the next
	sweepBatch     = 200
	reconcileEvery = time.Minute
	reconcileBatch = 500
)

// sweepStore is what a sweeper works on.
type sweepStore interface {
	session.Instances
	session.Sweeper
	Release(ctx context.Context, holds []registry.Hold) error
	Reconcile(ctx context.Context, limit int) (redisstore.Reconciled, error)
}

// sweeper ends what nobody owns any more: sessions whose instance died or whose expiry passed; and it hands out wills
// whose time has come. Any number of instances may do so at once, and any number of goroutines of one.
type sweeper struct {
	store sweepStore
	self  string // this instance, which is never dead to itself
	wills func(...session.DueWill)
	swept func(instance string, ended []session.Ended) // told of the clients of a dead instance
	over  func(session.Ended)                          // told of a session that is over, maybe more than once
	calm  func() bool                                  // whether the log knows already that the store is away
	log   *slog.Logger
}

// swept counts what a sweep did.
type swept struct {
	instances int // dead ones
	detached  int // their sessions that go on without a connection
	ended     int // sessions that are over
	wills     int // handed out to be published
}

// pace is how long to wait after so many failures in a row: three to five quarters of every, doubled with each failure, so
// that instances that began together, or met the same failure, do not come back together.
func pace(every time.Duration, failures int) time.Duration {
	d := min(every<<min(failures, 8), max(every, sweepLongest))
	return d*3/4 + rand.N(d/2)
}

// paced calls fn again and again until ctx ends.
func paced(ctx context.Context, every time.Duration, fn func(ctx context.Context) error) {
	for failures := 0; ; {
		t := time.NewTimer(pace(every, failures))
		select {
		case <-ctx.Done():
			t.Stop()
			return
		case <-t.C:
		}
		one, cancel := context.WithTimeout(ctx, sweepTime)
		if fn(one) != nil {
			failures++
		} else {
			failures = 0
		}
		cancel()
	}
}

// run sweeps until ctx ends.
func (s *sweeper) run(ctx context.Context) {
	paced(ctx, sweepEvery, func(one context.Context) error {
		_, err := s.once(one)
		s.failed(ctx, "sweeping sessions failed, again in a moment", err)
		return err
	})
}

// reconcile mends slowly what crashes leave, until ctx ends.
func (s *sweeper) reconcile(ctx context.Context) {
	paced(ctx, reconcileEvery, func(one context.Context) error {
		_, err := s.store.Reconcile(one, reconcileBatch)
		s.failed(ctx, "reconciling failed, again in a while", err)
		return err
	})
}

// failed says what went wrong, unless it is told elsewhere that the store is away.
func (s *sweeper) failed(ctx context.Context, words string, err error) {
	if err == nil || ctx.Err() != nil {
		return
	}
	level := slog.LevelWarn
	if s.calm != nil && s.calm() {
		level = slog.LevelDebug
	}
	s.log.Log(ctx, level, words, "error", err)
}

// once makes one sweep. What fails for one instance keeps nobody from the rest; the error has all that went wrong.
func (s *sweeper) once(ctx context.Context) (did swept, err error) {
	dead, err := s.store.Dead(ctx)
	if err != nil {
		return did, err
	}
	var errs []error
	for _, id := range dead {
		if id == s.self {
			continue
		}
		did.instances++
		s.log.Info("sweeping the sessions of an instance that is gone", "instance", id)
		errs = append(errs, s.all(ctx, &did, func() ([]session.Ended, bool, error) {
			ended, more, err := s.store.Orphans(ctx, id, sweepBatch)
			s.swept(id, ended)
			for _, e := range ended {
				if !e.Over {
					did.detached++
				}
			}
			return ended, more, err
		}))
		if ctx.Err() != nil {
			return did, errors.Join(errs...)
		}
	}
	errs = append(errs, s.all(ctx, &did, func() ([]session.Ended, bool, error) {
		return s.store.Expired(ctx, time.Time{}, sweepBatch)
	}))
	return did, errors.Join(errs...)
}

// all ends sessions batch by batch, releases their filters and publishes the wills whose time has come. What came with an
// error is handled like the rest: sessions of an unknown format must not hold up others.
func (s *sweeper) all(ctx context.Context, did *swept, next func() ([]session.Ended, bool, error)) error {
	var unknown error
	for {
		ended, more, err := next()
		if e := s.release(ctx, did, ended); e != nil {
			return errors.Join(err, e)
		}
		switch {
		case errors.Is(err, session.ErrFormat) && len(ended) > 0:
			unknown = err
		case err != nil:
			return err
		}
		if !more || ctx.Err() != nil {
			return errors.Join(unknown, ctx.Err())
		}
	}
}

// release gives back the filters of sessions that are over, and publishes wills.
func (s *sweeper) release(ctx context.Context, did *swept, ended []session.Ended) error {
	var holds []registry.Hold
	var over []string
	for _, e := range ended {
		did.wills += len(e.Wills)
		s.wills(e.Wills...)
		if !e.Over {
			continue
		}
		over = append(over, e.ClientID)
		s.over(e)
		for _, sub := range e.Subscriptions {
			holds = append(holds, registry.Hold{Filter: sub.Filter, ClientID: e.ClientID, Epoch: uint64(sub.HoldEpoch), Seq: sub.HoldSeq})
		}
	}
	if len(over) == 0 {
		return nil
	}
	if err := s.store.Release(ctx, holds); err != nil {
		return fmt.Errorf("release filters of ended sessions: %w", err)
	}
	if err := s.store.Settled(ctx, over); err != nil {
		return fmt.Errorf("settle ended sessions: %w", err)
	}
	did.ended += len(over)
	return nil
}

// openSweeper makes the sweeper of this instance.
func (g *Gateway) openSweeper() *sweeper {
	return &sweeper{
		store: g.store, self: g.id, wills: g.wills.Publish, swept: g.sweptClients, over: g.expired,
		calm: func() bool { return !g.monitor.up(redisCheck) }, log: g.log,
	}
}
