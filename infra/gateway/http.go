package gateway

import (
	"context"
	"encoding/json"
	"net/http"
	"time"

	"lmqgate/functions/admin"
	"lmqgate/functions/openapi"
	"lmqgate/infra/telemetry"
)

// mux is everything on PORT.
func (g *Gateway) mux() http.Handler {
	mux := &routes{ServeMux: http.NewServeMux()}
	mux.Handle(g.cfg.WSPath, g.transport)
	mux.HandleFunc("GET /health/live", g.live)
	mux.HandleFunc("GET /health/ready", g.ready)
	mux.HandleFunc("GET /{$}", g.root)
	if g.cfg.MetricsAddr == "main" {
		mux.Handle("GET /metrics", telemetry.Handler(g.reg))
	}
	g.edge = g.openEdge()
	if h := g.openTick(); h != nil {
		mux.Handle("/v1/tick", g.edge.Wrap("tick", h))
	}
	g.openFunctions(mux, g.edge)
	g.openConsole(mux, g.edge)
	if g.cfg.Admin && g.cfg.AdminAddr == "" { // not behind the edge: no page of another origin has business there
		h := g.openOperators()
		for _, path := range []string{"/v1/admin/", "/v1/push", "/v1/push/"} {
			mux.Handle(path, h)
		}
	}
	mux.Handle(openapi.Path, g.edge.Wrap("openapi", openapi.New(g.described()...)))
	g.patterns = mux.patterns
	return admin.AsWritten(g.asWritten(mux))
}

// root tells a person who opened the address in a browser where they are.
func (g *Gateway) root(w http.ResponseWriter, _ *http.Request) {
	w.Header().Set("Content-Type", "text/plain; charset=utf-8")
	_, _ = w.Write([]byte("lmqgate: MQTT over WebSocket at " + g.cfg.WSPath + ", health at /health/live and /health/ready\n"))
	if g.cfg.Console {
		_, _ = w.Write([]byte("A page to try it with: /console\n"))
	}
}

// live looks at the process only.
func (g *Gateway) live(w http.ResponseWriter, _ *http.Request) {
	writeHealth(w, map[string]string{"process": "ok"}, true)
}

// readyTime bounds one answer of readiness.
const readyTime = 3 * time.Second

// ready looks at what serving a client needs. Who asks may be anybody, so it says nothing that tells of the inside.
func (g *Gateway) ready(w http.ResponseWriter, r *http.Request) { g.readiness(w, r, false) }

// readyInside is ready for the operator, with the errors.
func (g *Gateway) readyInside(w http.ResponseWriter, r *http.Request) { g.readiness(w, r, true) }

func (g *Gateway) readiness(w http.ResponseWriter, r *http.Request, inside bool) {
	ctx, cancel := context.WithTimeout(r.Context(), readyTime)
	defer cancel()
	state := map[string]string{}
	ok := true
	for _, f := range g.monitor.look(ctx) {
		state[f.name] = f.public
		if f.err == nil {
			continue
		}
		ok = false
		if inside {
			state[f.name] += ", since " + f.since.UTC().Format(time.RFC3339) + ": " + f.err.Error()
		}
	}
	if !g.lease.Valid() {
		state["lease"], ok = "the heartbeat in redis has lapsed", false
	}
	if g.draining.Load() {
		state["drain"], ok = "this instance is going away", false
	}
	writeHealth(w, state, ok)
}

func writeHealth(w http.ResponseWriter, state map[string]string, ok bool) {
	w.Header().Set("Content-Type", "application/json")
	w.Header().Set("Cache-Control", "no-store")
	if !ok {
		w.WriteHeader(http.StatusServiceUnavailable)
	}
	_ = json.NewEncoder(w).Encode(struct {
		Status string            `json:"status"`
		Checks map[string]string `json:"checks"`
	}{map[bool]string{true: "ok", false: "unavailable"}[ok], state})
}
