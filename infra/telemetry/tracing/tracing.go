// Package tracing follows messages from PUBLISH over RocketMQ to delivery, and connects, as OpenTelemetry spans.
//
//	client's span ..> publish (SERVER) -> send (PRODUCER) ..> RocketMQ ..> deliver (CONSUMER), one a subscriber
//
// W3C Trace Context travels as user properties `traceparent` and `tracestate` of PUBLISH and CONNECT, and as properties of the
// same names of a RocketMQ message. Subscribers of MQTT 5.0 and RocketMQ applications are handed the context of the span
// send. A span's end is: publish, when the client is acknowledged; deliver, when the client acknowledges, with QoS 0 when the
// message was written, or when the connection ended before.
//
// Sampling is decided where a trace begins and kept to by all that follow. Spans wait in a bounded queue and are dropped
// when it is full: a collector that is away costs spans, nothing else.
package tracing

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"strconv"
	"strings"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/client_golang/prometheus/promauto"
	"go.opentelemetry.io/otel/attribute"
	"go.opentelemetry.io/otel/exporters/otlp/otlptrace/otlptracehttp"
	"go.opentelemetry.io/otel/sdk/resource"
	sdk "go.opentelemetry.io/otel/sdk/trace"
	"go.opentelemetry.io/otel/trace"
)

// Config is what the OTEL_ variables say that lmqgate reads itself; further ones (OTEL_BSP_, OTEL_SPAN_, timeout, certificate and
// compression of the exporter) are read by the OpenTelemetry SDK.
type Config struct {
	Endpoint   string            // URL that spans are posted to
	Headers    map[string]string // of these requests
	Sampler    string            // as OTEL_TRACES_SAMPLER names it, "" = parentbased_always_on
	Ratio      float64           // of a traceidratio sampler
	Service    string            // service.name
	Version    string            // service.version
	Instance   string            // service.instance.id
	Logger     *slog.Logger
	Registerer prometheus.Registerer
}

// Metrics count what became of spans. They are there whether or not tracing is on.
type Metrics struct{ exported, failed prometheus.Counter }

// NewMetrics registers them.
func NewMetrics(r prometheus.Registerer) *Metrics {
	f := promauto.With(r)
	return &Metrics{
		exported: f.NewCounter(prometheus.CounterOpts{Name: "lmqgate_trace_spans_exported_total", Help: "Spans that the OpenTelemetry collector took."}),
		failed:   f.NewCounter(prometheus.CounterOpts{Name: "lmqgate_trace_spans_failed_total", Help: "Spans that it did not take; those dropped before because the queue was full are not counted."}),
	}
}

// Tracer makes spans. Safe for concurrent use.
type Tracer struct {
	provider *sdk.TracerProvider
	tracer   trace.Tracer
}

// ErrSampler says that a sampler is not known.
var ErrSampler = errors.New("unknown sampler")

// New returns a Tracer; Close ends it. The collector need not be up.
func New(ctx context.Context, cfg Config, m *Metrics) (*Tracer, error) {
	sampler, err := samplerOf(cfg.Sampler, cfg.Ratio)
	if err != nil {
		return nil, err
	}
	opts := []otlptracehttp.Option{otlptracehttp.WithEndpointURL(cfg.Endpoint)}
	if len(cfg.Headers) > 0 {
		opts = append(opts, otlptracehttp.WithHeaders(cfg.Headers))
	}
	exporter, err := otlptracehttp.New(ctx, opts...)
	if err != nil {
		return nil, fmt.Errorf("make trace exporter: %w", err)
	}
	p := sdk.NewTracerProvider(
		sdk.WithSampler(sampler),
		sdk.WithBatcher(&exporting{exporter, cfg.Logger, m}),
		sdk.WithResource(resource.NewSchemaless(
			attribute.String("service.name", cfg.Service), attribute.String("service.version", cfg.Version),
			attribute.String("service.instance.id", cfg.Instance),
		)),
	)
	return &Tracer{provider: p, tracer: p.Tracer("lmqgate", trace.WithInstrumentationVersion(cfg.Version))}, nil
}

// Close exports what waits, as far as ctx allows.
func (t *Tracer) Close(ctx context.Context) error {
	if err := t.provider.Shutdown(ctx); err != nil {
		return fmt.Errorf("close tracing: %w", err)
	}
	return nil
}

// Samplers are the names that OTEL_TRACES_SAMPLER may have.
var samplers = map[string]func(ratio float64) sdk.Sampler{
	"always_on":                func(float64) sdk.Sampler { return sdk.AlwaysSample() },
	"always_off":               func(float64) sdk.Sampler { return sdk.NeverSample() },
	"traceidratio":             sdk.TraceIDRatioBased,
	"parentbased_always_on":    func(float64) sdk.Sampler { return sdk.ParentBased(sdk.AlwaysSample()) },
	"parentbased_always_off":   func(float64) sdk.Sampler { return sdk.ParentBased(sdk.NeverSample()) },
	"parentbased_traceidratio": func(r float64) sdk.Sampler { return sdk.ParentBased(sdk.TraceIDRatioBased(r)) },
}

func samplerOf(name string, ratio float64) (sdk.Sampler, error) {
	if name == "" {
		name = "parentbased_always_on"
	}
	make, ok := samplers[name]
	if !ok {
		return nil, fmt.Errorf("%w %s", ErrSampler, strconv.Quote(name))
	}
	return make(ratio), nil
}

// exporting counts and logs failures instead of handing them to the SDK, which has one handler for the whole process.
type exporting struct {
	sdk.SpanExporter
	log *slog.Logger
	m   *Metrics
}

// ExportSpans implements sdk.SpanExporter.
func (e *exporting) ExportSpans(ctx context.Context, spans []sdk.ReadOnlySpan) error {
	if err := e.SpanExporter.ExportSpans(ctx, spans); err != nil {
		e.m.failed.Add(float64(len(spans)))
		e.log.Warn("the trace collector took no spans", "spans", len(spans), "error", err)
		return nil
	}
	e.m.exported.Add(float64(len(spans)))
	return nil
}

// Names of the context in properties, W3C Trace Context.
const (
	parentKey = "traceparent"
	stateKey  = "tracestate"
)

// decode reads a context; an invalid one is not valid.
func decode(parent, state string) trace.SpanContext {
	part := strings.Split(parent, "-")
	if len(part) < 4 || len(part[0]) != 2 || part[0] == "ff" || part[0] == "00" && len(part) != 4 || len(part[3]) != 2 {
		return trace.SpanContext{}
	}
	flags, err := strconv.ParseUint(part[3], 16, 8)
	if err != nil || strings.ToLower(parent) != parent {
		return trace.SpanContext{}
	}
	id, err := trace.TraceIDFromHex(part[1])
	if err != nil {
		return trace.SpanContext{}
	}
	span, err := trace.SpanIDFromHex(part[2])
	if err != nil {
		return trace.SpanContext{}
	}
	ts, err := trace.ParseTraceState(state)
	if err != nil {
		ts = trace.TraceState{} // the parent counts without it, as the specification says
	}
	return trace.NewSpanContext(trace.SpanContextConfig{
		TraceID: id, SpanID: span, TraceFlags: trace.TraceFlags(flags) & trace.FlagsSampled, TraceState: ts, Remote: true,
	})
}

// encode writes a context.
func encode(c trace.SpanContext) (parent, state string) {
	return "00-" + c.TraceID().String() + "-" + c.SpanID().String() + "-" + (c.TraceFlags() & trace.FlagsSampled).String(), c.TraceState().String()
}

func remote(c trace.SpanContext) context.Context {
	return trace.ContextWithRemoteSpanContext(context.Background(), c)
}
