package gateway

import (
	"context"
	"errors"
	"time"

	"lmqgate/adapter/overload"
	"lmqgate/functions/publish"
	"lmqgate/functions/stream"
	"lmqgate/functions/web"
)

// openFunctions adds what FUNCTIONS offers to HTTP callers, behind the edge.
func (g *Gateway) openFunctions(mux *routes, edge *web.Edge) {
	if g.cfg.Offers("publish") {
		h := publish.New(publish.Config{
			Lanes: lanes{g.dispatch}, Guard: g.guard(), Requests: g.store.Requests(), Admit: g.admitPublish, Pace: g.pacePublish, MaxPayload: g.cfg.MaxPacketSize,
			Now: g.now, Logger: g.log, Registerer: g.reg,
		})
		g.topics = edge.Wrap("publish", h)
		for _, path := range []string{topicsPath, "/v1/publish", "/v1/publish/batch"} {
			mux.Handle(path, g.topics)
		}
	}
	if g.cfg.Offers("stream") {
		g.stream = stream.New(stream.Config{
			Reader: g.reader, Guard: g.guard(), Resume: g.cfg.StreamResume,
			Secret: func(ctx context.Context) ([]byte, error) { return g.store.Seed(ctx, "positions") },
			Logger: g.log, Registerer: g.reg,
		})
		mux.Handle("/v1/stream", edge.Wrap("stream", g.stream))
		mux.Handle("/v1/messages", edge.Wrap("stream", g.stream))
	}
}

// pacePublish holds HTTP callers to the rates that MQTT clients have.
func (g *Gateway) pacePublish(caller *web.Caller, payload int) time.Duration {
	return g.clients.MayPublish(caller.Identity, caller.Address, payload)
}

// admitPublish says why nothing can be published over HTTP now.
func (g *Gateway) admitPublish() error {
	if g.draining.Load() {
		return errors.New("this instance is going away, try again")
	}
	if g.memory.Stage() >= overload.Refuse {
		return errors.New("this instance is overloaded, try again")
	}
	return g.available()
}

// guard lets HTTP callers in by the chain and the rules that MQTT clients have.
func (g *Gateway) guard() *web.Guard {
	return &web.Guard{Verifier: g.verifier, Access: g.access, Address: g.transport.ClientAddr}
}
