package gateway

import (
	"context"
	"fmt"

	"lmqgate/adapter/client"
	"lmqgate/adapter/dispatch"
	"lmqgate/infra/telemetry"
	"lmqgate/infra/telemetry/tracing"
)

// openTracing makes the tracer where an OTEL_ variable names a collector.
func (g *Gateway) openTracing(ctx context.Context) error {
	m := tracing.NewMetrics(g.reg)
	t := g.cfg.Tracing()
	if t.Endpoint == "" {
		return nil
	}
	var err error
	g.tracer, err = tracing.New(ctx, tracing.Config{
		Endpoint: t.Endpoint, Headers: t.Headers, Sampler: t.Sampler, Ratio: t.Ratio, Service: t.Service,
		Version: telemetry.ReadBuild().Version, Instance: g.id, Logger: g.log,
	}, m)
	if err != nil {
		return fmt.Errorf("open tracing: %w", err)
	}
	g.log.Info("tracing is on", "sampler", t.Sampler)
	return nil
}

// closeTracing exports the last spans, as far as the collector takes them in a second.
func (g *Gateway) closeTracing() {
	if g.tracer == nil {
		return
	}
	ctx, cancel := context.WithTimeout(context.Background(), lastWords)
	defer cancel()
	if err := g.tracer.Close(ctx); err != nil {
		g.log.Info("some spans were not exported", "error", err)
	}
}

// publishes follows publications; nil if tracing is off.
func (g *Gateway) publishes() dispatch.Tracer {
	if g.tracer == nil {
		return nil
	}
	return g.tracer
}

// connects follows connects; nil if tracing is off.
func (g *Gateway) connects() func(client.Connected) string {
	if g.tracer == nil {
		return nil
	}
	return g.tracer.Connected
}
