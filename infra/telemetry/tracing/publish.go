package tracing

import (
	"context"
	"errors"
	"strconv"
	"sync"
	"time"

	"go.opentelemetry.io/otel/attribute"
	"go.opentelemetry.io/otel/codes"
	"go.opentelemetry.io/otel/trace"

	"lmqgate/adapter/dispatch"
	"lmqgate/meta/message"
)

var _ dispatch.Tracer = (*Tracer)(nil)

// publication is one PUBLISH on its way into the log.
type publication struct {
	t    *Tracer
	m    *message.Message
	span trace.Span // publish

	mu   sync.Mutex // protects send
	send trace.Span // nil until it is sent
}

// Publish implements dispatch.Tracer.
func (t *Tracer) Publish(m *message.Message, rocketTopic string, arrived time.Time) dispatch.Trace {
	parent := decode(extract(m.Properties.User))
	if !parent.IsValid() { // of an HTTP request, or a message that was relayed
		parent = decode(m.TraceParent, m.TraceState)
	}
	_, span := t.tracer.Start(remote(parent), "publish "+rocketTopic,
		trace.WithSpanKind(trace.SpanKindServer), trace.WithTimestamp(arrived))
	p := &publication{t: t, m: m, span: span}
	if span.IsRecording() {
		span.SetAttributes(
			attribute.String("messaging.system", "mqtt"), attribute.String("messaging.operation.name", "publish"),
			attribute.String("messaging.destination.name", m.Topic), attribute.String("messaging.message.id", m.Key),
			attribute.Int("messaging.message.body.size", len(m.Payload)), attribute.Int("messaging.mqtt.qos", int(m.QoS)),
			attribute.Bool("messaging.mqtt.retain", m.Retain),
		)
		if m.Publisher != "" {
			span.SetAttributes(attribute.String("messaging.client.id", m.Publisher))
		}
	}
	return p
}

// Matched implements dispatch.Trace.
func (p *publication) Matched(began time.Time, queues int) {
	if p.span.IsRecording() {
		_, match := p.t.tracer.Start(p.context(), "match", trace.WithTimestamp(began))
		match.SetAttributes(attribute.Int("lmqgate.queues", queues))
		match.End()
	}
}

// Sending implements dispatch.Trace.
func (p *publication) Sending(at message.Place) {
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.send != nil {
		return // again: it keeps its context
	}
	_, p.send = p.t.tracer.Start(p.context(), "send "+at.Topic, trace.WithSpanKind(trace.SpanKindProducer))
	if p.send.IsRecording() {
		p.send.SetAttributes(
			attribute.String("messaging.system", "rocketmq"), attribute.String("messaging.operation.name", "send"),
			attribute.String("messaging.operation.type", "send"), attribute.String("messaging.destination.name", at.Topic),
			attribute.String("messaging.destination.partition.id", partition(at)), attribute.String("messaging.message.id", p.m.Key),
			attribute.String("messaging.rocketmq.message.tag", message.TagCommon), attribute.Int("messaging.message.body.size", len(p.m.Payload)),
		)
	}
	parent, state := encode(p.send.SpanContext())
	p.m.TraceParent, p.m.TraceState = parent, state
	p.m.Properties.User = replaced(p.m.Properties.User, parent, state, false)
}

// Done implements dispatch.Trace.
func (p *publication) Done(err error, queues int) {
	p.mu.Lock()
	send := p.send
	p.mu.Unlock()
	for _, span := range []trace.Span{send, p.span} {
		if span == nil {
			continue
		}
		if err != nil && !errors.Is(err, message.ErrNotRetained) {
			span.SetStatus(codes.Error, err.Error())
			span.SetAttributes(attribute.String("error.type", kindOf(err)))
		}
		span.SetAttributes(attribute.Int("lmqgate.queues", queues))
		span.End()
	}
}

func (p *publication) context() context.Context {
	return trace.ContextWithSpan(context.Background(), p.span)
}

// partition names a RocketMQ queue: each broker has its own of a number.
func partition(at message.Place) string { return at.Broker + "/" + strconv.Itoa(at.Queue) }

// kindOf is an error as an attribute with few values.
func kindOf(err error) string {
	switch {
	case errors.Is(err, message.ErrRefused):
		return "refused"
	case errors.Is(err, message.ErrBusy):
		return "busy"
	case errors.Is(err, message.ErrAbandoned):
		return "abandoned"
	case errors.Is(err, message.ErrUnavailable):
		return "unavailable"
	}
	return "_OTHER"
}
