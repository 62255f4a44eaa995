package tracing

import (
	"strings"
	"sync/atomic"
	"time"

	"go.opentelemetry.io/otel/attribute"
	"go.opentelemetry.io/otel/codes"
	"go.opentelemetry.io/otel/trace"

	"lmqgate/adapter/deliver"
	"lmqgate/meta/message"
)

// maxDeliveries bounds the spans deliver of one message on one instance: a message to a whole fleet is one trace, and the
// spans of others have to fit into the queue too.
const maxDeliveries = 64

// received is a message that was read from RocketMQ and whose trace is sampled.
type received struct {
	t      *Tracer
	parent trace.SpanContext
	at     time.Time
	m      *message.Message
	lmq    string
	left   atomic.Int32
}

// Received takes the context out of a RocketMQ message: subscribers of MQTT 5.0 find it in the user properties of m. The
// Trace is nil for a message without one, or that is not sampled.
func (t *Tracer) Received(m *message.Message, prop func(name string) string, lmq string) deliver.Trace {
	parent, state := prop(message.PropTraceParent), prop(message.PropTraceState)
	c := decode(parent, state)
	if !c.IsValid() {
		return nil
	}
	parent, state = encode(c)
	m.Properties.User = replaced(m.Properties.User, parent, state, true)
	if !c.IsSampled() {
		return nil
	}
	r := &received{t: t, parent: c, at: time.Now(), m: m, lmq: lmq}
	r.left.Store(maxDeliveries)
	return r
}

// firstLevel is the topic as span names have it, which must be few.
func firstLevel(topic string) string {
	first, _, _ := strings.Cut(strings.TrimPrefix(topic, "/"), "/")
	return first
}

// Deliver implements deliver.Trace.
func (r *received) Deliver(clientID string, qos byte, again bool) deliver.Delivering {
	if r.left.Add(-1) < 0 {
		return nil
	}
	_, span := r.t.tracer.Start(remote(r.parent), "deliver "+firstLevel(r.m.Topic), trace.WithSpanKind(trace.SpanKindConsumer),
		trace.WithTimestamp(r.at), trace.WithLinks(trace.Link{SpanContext: r.parent}))
	span.AddEvent("written")
	span.SetAttributes(
		attribute.String("messaging.system", "rocketmq"), attribute.String("messaging.operation.name", "deliver"),
		attribute.String("messaging.operation.type", "process"), attribute.String("messaging.destination.name", r.m.Topic),
		attribute.String("messaging.destination.subscription.name", r.lmq), attribute.String("messaging.message.id", r.m.Key),
		attribute.String("messaging.client.id", clientID), attribute.Int("messaging.message.body.size", len(r.m.Payload)),
		attribute.Int("messaging.mqtt.qos", int(qos)), attribute.Bool("messaging.mqtt.dup", again),
	)
	return delivering{span}
}

// delivering is the span of one copy.
type delivering struct{ span trace.Span }

// Acked implements deliver.Delivering.
func (d delivering) Acked() { d.span.End() }

// Lost implements deliver.Delivering.
func (d delivering) Lost() {
	d.span.SetStatus(codes.Error, "the connection ended before the client acknowledged")
	d.span.SetAttributes(attribute.String("error.type", "unacknowledged"))
	d.span.End()
}
