package tracing

import (
	"time"

	"go.opentelemetry.io/otel/attribute"
	"go.opentelemetry.io/otel/codes"
	"go.opentelemetry.io/otel/trace"

	"lmqgate/adapter/client"
)

// Connected makes the span of a CONNECT that was answered, and returns its trace id, "" if it is not sampled.
func (t *Tracer) Connected(c client.Connected) string {
	_, span := t.tracer.Start(remote(decode(extract(c.User))), "connect", trace.WithSpanKind(trace.SpanKindServer),
		trace.WithTimestamp(time.Now().Add(-c.Took)))
	if !span.IsRecording() {
		span.End()
		return ""
	}
	span.SetAttributes(
		attribute.String("messaging.system", "mqtt"), attribute.String("messaging.operation.name", "connect"),
		attribute.String("messaging.client.id", c.ClientID), attribute.String("network.protocol.name", "mqtt"),
		attribute.String("network.protocol.version", c.Version.String()), attribute.String("client.address", c.Address),
		attribute.String("lmqgate.transport", c.Transport), attribute.Bool("lmqgate.session_present", c.SessionPresent),
		attribute.String("lmqgate.reason_code", c.Code.String()),
	)
	if c.Code.Failed() {
		span.SetStatus(codes.Error, c.Code.String())
		span.SetAttributes(attribute.String("error.type", c.Code.String()))
	}
	id := span.SpanContext().TraceID().String()
	span.End()
	return id
}
