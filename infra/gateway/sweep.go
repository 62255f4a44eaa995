package gateway

import (
	"context"
	"math/rand/v2"
	"time"

	"lmqgate/meta/registry"
	"lmqgate/meta/session"
)

// Times and sizes of the sweeps, which every instance makes and any may miss.
const (
	sweepEvery     = 5 * time.Second
	sweepBatch     = 200
	reconcileEvery = time.Minute
	reconcileBatch = 500
)

// jittered waits about d; false when ctx ended.
func jittered(ctx context.Context, d time.Duration) bool {
	t := time.NewTimer(d*3/4 + rand.N(d/2))
	defer t.Stop()
	select {
	case <-ctx.Done():
		return false
	case <-t.C:
		return true
	}
}

// sweep ends sessions whose instance died or whose expiry passed.
func (g *Gateway) sweep(ctx context.Context) {
	for jittered(ctx, sweepEvery) {
		if err := g.sweepOnce(ctx); err != nil && ctx.Err() == nil {
			g.log.Warn("sweeping sessions failed, again in a moment", "error", err)
		}
	}
}

func (g *Gateway) sweepOnce(ctx context.Context) error {
	dead, err := g.store.Dead(ctx)
	if err != nil {
		return err
	}
	for _, id := range dead {
		g.log.Info("sweeping the sessions of an instance that is gone", "instance", id)
		err := g.sweepAll(ctx, func() ([]session.Ended, bool, error) {
			ended, more, err := g.store.Orphans(ctx, id, sweepBatch)
			g.swept(id, ended)
			return ended, more, err
		})
		if err != nil {
			return err
		}
	}
	return g.sweepAll(ctx, func() ([]session.Ended, bool, error) { return g.store.Expired(ctx, time.Time{}, sweepBatch) })
}

// sweepAll ends sessions batch by batch, releases their filters and publishes the wills whose time has come.
func (g *Gateway) sweepAll(ctx context.Context, next func() ([]session.Ended, bool, error)) error {
	for {
		ended, more, err := next()
		if err != nil {
			return err
		}
		if err := g.release(ctx, ended); err != nil {
			return err
		}
		if !more || ctx.Err() != nil {
			return ctx.Err()
		}
	}
}

// swept tells that the clients of a dead instance are gone.
func (g *Gateway) swept(instance string, ended []session.Ended) {
	if g.presence == nil || len(ended) == 0 {
		return
	}
	ids := make([]string, len(ended))
	for i, e := range ended {
		ids[i] = e.ClientID
	}
	g.presence.Swept(instance, ids)
}

// release gives back the filters of sessions that are over, and publishes wills.
func (g *Gateway) release(ctx context.Context, ended []session.Ended) error {
	var holds []registry.Hold
	var over []string
	for _, e := range ended {
		g.wills.Publish(e.Wills...)
		if !e.Over {
			continue
		}
		over = append(over, e.ClientID)
		for _, sub := range e.Subscriptions {
			holds = append(holds, registry.Hold{Filter: sub.Filter, ClientID: e.ClientID, Epoch: uint64(sub.HoldEpoch), Seq: sub.HoldSeq})
		}
	}
	if len(over) == 0 {
		return nil
	}
	if err := g.store.Release(ctx, holds); err != nil {
		return err
	}
	return g.store.Settled(ctx, over)
}

// reconcile mends slowly what crashes leave.
func (g *Gateway) reconcile(ctx context.Context) {
	for jittered(ctx, reconcileEvery) {
		if _, err := g.store.Reconcile(ctx, reconcileBatch); err != nil && ctx.Err() == nil {
			g.log.Warn("reconciling failed, again in a while", "error", err)
		}
	}
}
