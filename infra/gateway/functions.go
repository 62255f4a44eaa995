package gateway

import (
	"net/http"

	"lmqgate/functions/stream"
	"lmqgate/functions/web"
)

// openFunctions adds what FUNCTIONS offers to HTTP callers.
func (g *Gateway) openFunctions(mux *http.ServeMux) {
	if g.cfg.Offers("stream") {
		g.stream = stream.New(stream.Config{
			Reader: g.reader, Guard: g.guard(), Resume: g.cfg.StreamResume, Logger: g.log, Registerer: g.reg,
		})
		mux.Handle("/v1/stream", g.stream)
		mux.Handle("/v1/messages", g.stream)
	}
}

// guard lets HTTP callers in by the chain and the rules that MQTT clients have.
func (g *Gateway) guard() *web.Guard {
	return &web.Guard{Verifier: g.verifier, Access: g.access, Address: g.transport.ClientAddr}
}
