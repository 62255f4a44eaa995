package gateway

import (
	"lmqgate/adapter/dispatch"
	"lmqgate/adapter/kvcompat"
)

// others has messages dispatched to Java gateways' clients too, where LMQ_KV_COMPAT says that there are any.
func (g *Gateway) others() dispatch.Others {
	if !g.cfg.KVCompat {
		return nil
	}
	g.compat = kvcompat.New(g.rocket, kvcompat.Config{Logger: g.log, Registerer: g.reg})
	return g.compat
}

// addressees are who can be sent something point to point. With Java gateways beside this one it may be any client, since
// nobody knows theirs.
func (g *Gateway) addressees() dispatch.Clients {
	if g.cfg.KVCompat {
		return nil
	}
	return g.own
}
