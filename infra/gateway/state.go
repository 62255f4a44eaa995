package gateway

import (
	"context"
	"log/slog"
	"math"

	"github.com/prometheus/client_golang/prometheus"

	"lmqgate/infra/telemetry"
)

// registerState registers the metrics of the instance as a whole.
func (g *Gateway) registerState() {
	gauge := func(name, help string, value func() float64) {
		g.reg.MustRegister(prometheus.NewGaugeFunc(prometheus.GaugeOpts{Name: name, Help: help}, value))
	}
	counter := func(name, help string, value func() float64) {
		g.reg.MustRegister(prometheus.NewCounterFunc(prometheus.CounterOpts{Name: name, Help: help}, value))
	}
	yes := func(b bool) float64 {
		if b {
			return 1
		}
		return 0
	}
	counter("lmqgate_received_bytes_total", "Bytes that clients sent, below WebSocket frames and TLS.", func() float64 { return float64(g.traffic.In.Load()) })
	counter("lmqgate_sent_bytes_total", "Bytes sent to clients, below WebSocket frames and TLS.", func() float64 { return float64(g.traffic.Out.Load()) })
	gauge("lmqgate_lease_valid", "Whether the heartbeat in Redis is recent enough for the instance to act for its sessions, 1 or 0.", func() float64 { return yes(g.lease.Valid()) })
	counter("lmqgate_lease_lapses_total", "Times the lease had ended, after which all clients were disconnected.", func() float64 { return float64(g.lapses.Load()) })
	gauge("lmqgate_draining", "Whether the instance is going away, 1 or 0.", func() float64 { return yes(g.draining.Load()) })
	gauge("lmqgate_connections_max", "MAX_CONNECTIONS: clients that may be connected at once.", func() float64 { return float64(g.cfg.MaxConnections) })
	gauge("lmqgate_retained_messages", "Retained messages of all instances, as the status topics counted them last; NaN on instances that did not.", func() float64 {
		if n := g.kept.Load(); n > 0 {
			return float64(n - 1)
		}
		return math.NaN()
	})
}

// countRetained counts retained messages for the status topics and remembers the number.
func (g *Gateway) countRetained(ctx context.Context) (int64, error) {
	n, err := g.retained.Count(ctx)
	if err == nil {
		g.kept.Store(n + 1)
	}
	return n, err
}

//go:generate go run ./metricstable ../telemetry/METRICS.md

// Everything is the environment of a gateway that has every metric there is, on free ports.
var Everything = []string{"PORT=0", "BIND_ADDR=127.0.0.1", "MQTT_TCP_ADDR=127.0.0.1:0", "PRESENCE_EVENTS=true", "LMQ_KV_COMPAT=true", "RELAY_TOPICS=orders", "METRICS_ADDR=main"}

// Metrics lists what the instance measures. For METRICS.md; call it after Start.
func (g *Gateway) Metrics() []telemetry.Metric { return g.reg.Metrics() }

// follow says of which clients each packet is logged.
func (g *Gateway) follow() func(clientID string) bool {
	if g.cfg.LogLevel <= slog.LevelDebug {
		return func(string) bool { return true }
	}
	if len(g.cfg.LogClients) == 0 {
		return nil
	}
	return telemetry.Follow(g.cfg.LogClients).Client
}
