package gateway

import (
	"net/http"

	"lmqgate/functions/openapi"
)

// routes is a ServeMux that knows what it was given.
type routes struct {
	*http.ServeMux
	patterns []string
}

// Handle implements what http.ServeMux does.
func (r *routes) Handle(pattern string, h http.Handler) {
	r.patterns = append(r.patterns, pattern)
	r.ServeMux.Handle(pattern, h)
}

// HandleFunc implements what http.ServeMux does.
func (r *routes) HandleFunc(pattern string, h func(http.ResponseWriter, *http.Request)) {
	r.Handle(pattern, http.HandlerFunc(h))
}

// described are the parts of the description that PORT offers.
func (g *Gateway) described() []openapi.Part {
	parts := []openapi.Part{openapi.Health}
	for _, p := range []struct {
		part openapi.Part
		on   bool
	}{
		{openapi.Publish, g.cfg.Offers("publish")}, {openapi.Stream, g.cfg.Offers("stream")}, {openapi.Tick, g.cfg.Tick}, {openapi.Metrics, g.cfg.MetricsAddr == "main"},
	} {
		if p.on {
			parts = append(parts, p.part)
		}
	}
	if g.cfg.Admin && g.cfg.AdminAddr == "" {
		parts = append(parts, g.operated()...)
	}
	return parts
}

// operated are those that operators may call.
func (g *Gateway) operated() []openapi.Part {
	parts := []openapi.Part{openapi.Admin}
	if g.push != nil {
		parts = append(parts, openapi.Push)
	}
	return parts
}
