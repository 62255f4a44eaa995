package e2e

import (
	"compress/gzip"
	"encoding/hex"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync"
	"testing"

	collector "go.opentelemetry.io/proto/otlp/collector/trace/v1"
	"google.golang.org/protobuf/proto"

	"lmqgate/adapter/packet"
)

// span is one that a collector was sent.
type span struct {
	instance, name, trace, id, parent string
	attributes                        map[string]string
}

// spans is an OpenTelemetry collector that keeps everything.
type spans struct {
	url string
	mu  sync.Mutex // protects got
	got []span
}

func collect(t *testing.T) *spans {
	t.Helper()
	s := &spans{}
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if err := s.take(r); err != nil {
			t.Errorf("collector: %v", err)
			w.WriteHeader(http.StatusBadRequest)
		}
	}))
	t.Cleanup(server.Close)
	s.url = server.URL
	return s
}

func (s *spans) take(r *http.Request) error {
	body := io.Reader(r.Body)
	if r.Header.Get("Content-Encoding") == "gzip" {
		var err error
		if body, err = gzip.NewReader(r.Body); err != nil {
			return err
		}
	}
	b, err := io.ReadAll(body)
	if err != nil {
		return err
	}
	if r.URL.Path != "/v1/traces" || r.Header.Get("Content-Type") != "application/x-protobuf" {
		return fmt.Errorf("%s with %s", r.URL.Path, r.Header.Get("Content-Type"))
	}
	var req collector.ExportTraceServiceRequest
	if err := proto.Unmarshal(b, &req); err != nil {
		return err
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	for _, rs := range req.ResourceSpans {
		instance := ""
		for _, a := range rs.Resource.Attributes {
			if a.Key == "service.instance.id" {
				instance = a.Value.GetStringValue()
			}
		}
		for _, ss := range rs.ScopeSpans {
			for _, sp := range ss.Spans {
				one := span{
					instance: instance, name: sp.Name, trace: hex.EncodeToString(sp.TraceId), id: hex.EncodeToString(sp.SpanId),
					parent: hex.EncodeToString(sp.ParentSpanId), attributes: map[string]string{},
				}
				for _, a := range sp.Attributes {
					one.attributes[a.Key] = a.Value.GetStringValue()
				}
				s.got = append(s.got, one)
			}
		}
	}
	return nil
}

// of waits until a trace has a span with each of the names and returns these.
func (s *spans) of(t *testing.T, trace string, names ...string) map[string]span {
	t.Helper()
	found := map[string]span{}
	eventually(t, soon, func() error {
		s.mu.Lock()
		defer s.mu.Unlock()
		clear(found)
		for _, sp := range s.got {
			if sp.trace == trace {
				found[sp.name] = sp
			}
		}
		for _, n := range names {
			if _, ok := found[n]; !ok {
				return fmt.Errorf("trace %s lacks %q: %v", trace, n, found)
			}
		}
		return nil
	})
	return found
}

// traceOf are the parts of a traceparent.
func traceOf(t *testing.T, parent string) (trace, span, flags string) {
	t.Helper()
	part := strings.Split(parent, "-")
	if len(part) != 4 {
		t.Fatalf("traceparent %q", parent)
	}
	return part[1], part[2], part[3]
}

func userProperty(p packet.Properties, key string) string {
	for _, u := range p.User {
		if u.Key == key {
			return u.Value
		}
	}
	return ""
}

// TestTrace: one trace spans a publisher on an instance, RocketMQ, a subscriber on another one and a RocketMQ application;
// what that application publishes within a trace of its own goes on in it.
func TestTrace(t *testing.T) {
	t.Parallel()
	onEach(t, func(t *testing.T, b backend) {
		c := collect(t)
		f := start(t, 2, b, "OTEL_EXPORTER_OTLP_ENDPOINT="+c.url, "OTEL_BSP_SCHEDULE_DELAY=100")
		subscriber := dialed(t, f.instances[1].ws(), packet.V5)
		subscriber.connect(t, packet.Connect{ClientID: "subscriber", CleanStart: true})
		subscriber.subscribe(t, 1, f.topic("x"))
		publisher := dialed(t, f.instances[0].tcp, packet.V5)
		publisher.connect(t, packet.Connect{ClientID: "publisher", CleanStart: true})

		const theirs, parent = "4bf92f3577b34da6a3ce929d0e0e4736", "00f067aa0ba902b7"
		publisher.send(&packet.Publish{Topic: f.topic("x"), QoS: 1, PacketID: 1, Payload: []byte("followed"), Properties: packet.Properties{
			User: []packet.UserProperty{{Key: "a", Value: "1"}, {Key: "traceparent", Value: "00-" + theirs + "-" + parent + "-01"}, {Key: "tracestate", Value: "vendor=1"}},
		}})
		want[*packet.Puback](t, publisher)
		got := want[*packet.Publish](t, subscriber)
		acknowledge(t, subscriber, got)
		trace, sent, flags := traceOf(t, userProperty(got.Properties, "traceparent"))
		all := c.of(t, theirs, "publish "+f.first, "match", "send "+f.first, "deliver "+f.first)
		publish, send, deliver := all["publish "+f.first], all["send "+f.first], all["deliver "+f.first]
		if trace != theirs || sent != send.id || flags != "01" || userProperty(got.Properties, "tracestate") != "vendor=1" || userProperty(got.Properties, "a") != "1" {
			t.Errorf("delivered with %v, send is %s", got.Properties.User, send.id)
		}
		if publish.parent != parent || send.parent != publish.id || deliver.parent != send.id {
			t.Errorf("parents: publish %s, send %s, deliver %s", publish.parent, send.parent, deliver.parent)
		}
		if publish.instance == deliver.instance || publish.instance == "" {
			t.Errorf("published at %q, delivered at %q", publish.instance, deliver.instance)
		}
		if deliver.attributes["messaging.client.id"] != "subscriber" || send.attributes["messaging.system"] != "rocketmq" ||
			publish.attributes["messaging.message.id"] != deliver.attributes["messaging.message.id"] {
			t.Errorf("attributes: %v, %v, %v", publish.attributes, send.attributes, deliver.attributes)
		}

		m := take(t, f.consume(f.first, "MQTT_COMMON"))
		if m.Properties["traceparent"] != "00-"+theirs+"-"+send.id+"-01" || m.Properties["tracestate"] != "vendor=1" {
			t.Errorf("a RocketMQ application gets %v", m.Properties)
		}
		const another = "0af7651916cd43dd8448eb211c80319c"
		f.produce(rocketMessage{f.first, "MQ2MQTT", []byte("from an application"), map[string]string{
			"INNER_MULTI_DISPATCH": "%LMQ%" + f.first + "%x%", "originMqttTopic": f.topic("x"), "qosLevel": "1",
			"traceparent": "00-" + another + "-b7ad6b7169203331-01",
		}})
		got = want[*packet.Publish](t, subscriber)
		acknowledge(t, subscriber, got)
		if trace, _, _ := traceOf(t, userProperty(got.Properties, "traceparent")); trace != another {
			t.Errorf("the application's message came with %v", got.Properties.User)
		}
		if d := c.of(t, another, "deliver "+f.first)["deliver "+f.first]; d.parent != "b7ad6b7169203331" {
			t.Errorf("deliver is a child of %s", d.parent)
		}
	})
}

// TestTraceOff: without a collector a client's trace context is a user property like any other, RocketMQ messages have
// none, and a RocketMQ application's is no user property.
func TestTraceOff(t *testing.T) {
	t.Parallel()
	onEach(t, func(t *testing.T, b backend) {
		f := start(t, 1, b)
		c := dialed(t, f.instances[0].tcp, packet.V5)
		c.connect(t, packet.Connect{ClientID: "c", CleanStart: true})
		c.subscribe(t, 0, f.topic("x"))
		user := []packet.UserProperty{{Key: "traceparent", Value: "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01"}, {Key: "tracestate", Value: "v=1"}}
		c.send(&packet.Publish{Topic: f.topic("x"), Payload: []byte("x"), Properties: packet.Properties{User: user}})
		if got := want[*packet.Publish](t, c); !sameProperties(got.Properties, packet.Properties{User: user}) {
			t.Errorf("got %v", got.Properties.User)
		}
		if m := take(t, f.consume(f.first, "MQTT_COMMON")); m.Properties["traceparent"] != "" || m.Properties["tracestate"] != "" {
			t.Errorf("a RocketMQ application gets %v", m.Properties)
		}
	})
}

// TestTraceCollectorAway: a collector that is not there costs spans and a warning, no message.
func TestTraceCollectorAway(t *testing.T) {
	t.Parallel()
	gone := httptest.NewServer(nil)
	gone.Close()
	f := start(t, 1, mini, "OTEL_EXPORTER_OTLP_ENDPOINT="+gone.URL, "OTEL_BSP_SCHEDULE_DELAY=10", "OTEL_EXPORTER_OTLP_TIMEOUT=100")
	d := connected(t, "d", packet.V5, f.instances[0].tcp)
	must(t, d.subscribe(1, f.topic("#")))
	d.publish(f.topic("x"), 1, "x", nil)
	d.flushed(soon)
	if !d.gets(soon, 1, nil) {
		t.Error("the message did not come")
	}
	eventually(t, soon, func() error {
		if f.instances[0].metric("lmqgate_trace_spans_failed_total") == 0 {
			return errors.New("no span failed")
		}
		return nil
	})
	d.disconnect()
}
