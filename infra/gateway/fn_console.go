package gateway

import (
	"lmqgate/functions/console"
	"lmqgate/functions/web"
)

// openConsole adds the page for people, if it is wanted.
func (g *Gateway) openConsole(mux *routes, edge *web.Edge) {
	if !g.cfg.Console {
		return
	}
	page, err := console.New(console.Config{
		WSPath: g.cfg.WSPath, Admin: g.cfg.Admin && g.cfg.AdminAddr == "", Token: g.cfg.AdminToken != "",
	})
	if err != nil { // its files are part of the binary
		g.log.Error("there is no console", "error", err)
		return
	}
	h := edge.Wrap("console", page)
	mux.Handle(console.Path, h)
	mux.Handle(console.Path+"/", h)
}
