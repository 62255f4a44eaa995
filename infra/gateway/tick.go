package gateway

import (
	"context"
	"net/http"

	"lmqgate/functions/tick"
)

// openTick makes what POST /v1/tick runs; nil where it is off.
func (g *Gateway) openTick() http.Handler {
	if !g.cfg.Tick {
		return nil
	}
	g.tick = tick.New(tick.Config{Token: g.cfg.TickToken.Reveal(), Logger: g.log}, g.tasks()...)
	return g.tick
}

// tasks are the kinds of work that wait for an instance.
func (g *Gateway) tasks() []tick.Task {
	list := []tick.Task{{Name: "sessions", Run: g.tickSessions}, {Name: "reconcile", Run: g.tickReconcile}}
	if g.push != nil {
		list = append(list, tick.Task{Name: "push", Run: g.tickPush})
	}
	return list
}

// tickSessions sweeps, and waits for the wills that were handed out by this sweep or by another one shortly before.
func (g *Gateway) tickSessions(ctx context.Context) (tick.Done, error) {
	before := g.wills.Left()
	did, err := g.sweeper.once(ctx)
	waiting := g.wills.Wait(ctx)
	later := int(g.wills.Left() - before)
	return tick.Done{Counts: map[string]int{
		"dead_instances": did.instances, "detached": did.detached, "ended": did.ended,
		"wills": did.wills, "wills_waiting": waiting, "wills_later": later,
	}, More: err != nil || waiting+later > 0}, err
}

func (g *Gateway) tickReconcile(ctx context.Context) (tick.Done, error) {
	did, err := g.store.Reconcile(ctx, reconcileBatch)
	return tick.Done{Counts: map[string]int{
		"released": did.Released, "asserted": did.Asserted, "detached": did.Detached, "forgotten": did.Forgotten,
	}}, err
}
