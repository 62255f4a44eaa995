package gateway

import (
	"context"
	"fmt"
	"net/http"
	"time"

	"lmqgate/functions/admin"
	"lmqgate/functions/openapi"
	"lmqgate/functions/outgoing"
	"lmqgate/functions/push"
	"lmqgate/functions/tick"
)

// openPush makes what pushes messages to URLs; nil where it is off.
func (g *Gateway) openPush() (*push.Service, error) {
	if !g.cfg.Offers("push") {
		return nil, nil
	}
	allow, err := outgoing.ParseAllow(g.cfg.PushAllow)
	if err != nil {
		return nil, fmt.Errorf("configure push: %w", err)
	}
	g.outgoing = outgoing.New(allow)
	return push.New(push.Config{
		Store: g.store.Pushes(), Reader: g.reader, Lanes: lanes{g.dispatch}, Client: g.outgoing, Instance: g.id,
		Events: g.cfg.EventsTarget, Now: g.now, Logger: g.log, Registerer: g.reg,
	}), nil
}

// openOperators makes what only operators may call; nil: nothing.
func (g *Gateway) openOperators() http.Handler {
	if !g.cfg.Admin {
		return nil
	}
	mux := http.NewServeMux()
	mux.Handle("/v1/admin/", g.openAdmin())
	mux.Handle(openapi.Path, openapi.New(g.operated()...)) // reached where ADMIN_ADDR gives operators a listener of their own
	if g.push != nil {
		h := g.push.Handler(g.operator())
		mux.Handle("/v1/push", h)
		mux.Handle("/v1/push/", h)
	}
	return admin.AsWritten(mux)
}

// stopPush lets requests under way end, for a while: what is not answered then is sent again by another instance.
func (g *Gateway) stopPush(ctx context.Context) {
	if g.push == nil {
		return
	}
	left := pushStop
	if end, ok := ctx.Deadline(); ok {
		left = min(left, time.Until(end)/4)
	}
	ctx, cancel := context.WithTimeout(ctx, left)
	defer cancel()
	g.push.Stop(ctx)
	g.outgoing.Close()
}

// pushStop is how long requests under way may take when the instance ends.
const pushStop = 5 * time.Second

// tickPush delivers what has waited.
func (g *Gateway) tickPush(ctx context.Context) (tick.Done, error) {
	delivered, waiting := g.push.Settle(ctx)
	return tick.Done{Counts: map[string]int{"pushed": delivered, "pushes_waiting": waiting}, More: waiting > 0 || ctx.Err() != nil}, nil
}
