package gateway

import (
	"context"
	"encoding/json"
	"net/http"
	"time"

	"lmqgate/infra/telemetry"
)

// mux is everything on PORT.
func (g *Gateway) mux() http.Handler {
	mux := http.NewServeMux()
	mux.Handle(g.cfg.WSPath, g.transport)
	mux.HandleFunc("GET /health/live", g.live)
	mux.HandleFunc("GET /health/ready", g.ready)
	mux.HandleFunc("GET /{$}", g.root)
	if g.cfg.MetricsAddr == "main" {
		mux.Handle("GET /metrics", telemetry.Handler(g.reg))
	}
	return mux
}

// root tells a person who opened the address in a browser where they are.
func (g *Gateway) root(w http.ResponseWriter, _ *http.Request) {
	w.Header().Set("Content-Type", "text/plain; charset=utf-8")
	_, _ = w.Write([]byte("lmqgate: MQTT over WebSocket at " + g.cfg.WSPath + ", health at /health/live and /health/ready\n"))
}

// live looks at the process only.
func (g *Gateway) live(w http.ResponseWriter, _ *http.Request) {
	writeHealth(w, map[string]string{"process": "ok"}, true)
}

// ready looks at what serving a client needs.
func (g *Gateway) ready(w http.ResponseWriter, r *http.Request) {
	ctx, cancel := context.WithTimeout(r.Context(), 3*time.Second)
	defer cancel()
	state := map[string]string{}
	ok := true
	check := func(name string, err error) {
		state[name] = "ok"
		if err != nil {
			state[name], ok = err.Error(), false
		}
	}
	redis := make(chan error, 1)
	go func() { redis <- g.store.Ping(ctx) }()
	check("rocketmq", g.rocket.Ready(ctx))
	check("redis", <-redis)
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
