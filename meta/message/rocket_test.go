package message

import (
	"bytes"
	"encoding/json"
	"maps"
	"os"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"lmqgate/meta/topic"
)

// golden is testdata/java-gateway-messages.json.
type golden struct {
	Messages []struct {
		MQTT struct {
			Topic, Payload string
			QoS            byte
			Retain         bool
		}
		RocketMQ struct {
			Topic, Body string
			Dispatch    []string `json:"dispatch_in_any_order"`
			Properties  map[string]string
		}
	}
}

func loadGolden(t *testing.T) golden {
	t.Helper()
	b, err := os.ReadFile("testdata/java-gateway-messages.json")
	if err != nil {
		t.Fatal(err)
	}
	var g golden
	if err := json.Unmarshal(b, &g); err != nil {
		t.Fatal(err)
	}
	if len(g.Messages) != 8 {
		t.Fatalf("%d golden messages", len(g.Messages))
	}
	return g
}

// With retain, one property of ours comes on top of what the Java gateway writes.
func TestEncodeAsJava(t *testing.T) {
	for _, g := range loadGolden(t).Messages {
		m := &Message{Topic: g.MQTT.Topic, Payload: []byte(g.MQTT.Payload), QoS: g.MQTT.QoS, Retain: g.MQTT.Retain}
		r := Encode(m)
		want := maps.Clone(g.RocketMQ.Properties)
		if m.Retain {
			want[PropRetain] = "true"
		}
		if diff := cmp.Diff(want, r.Properties); diff != "" {
			t.Errorf("%s: %s", m.Topic, diff)
		}
		if string(r.Body) != g.RocketMQ.Body {
			t.Errorf("%s: body %q", m.Topic, r.Body)
		}
		if got := topic.RocketMQTopic(m.Topic, "other", nil); got != g.RocketMQ.Topic {
			t.Errorf("%s: RocketMQ topic %q", m.Topic, got)
		}
		lmq := topic.LMQ(m.Topic)
		if id, ok := topic.P2P(m.Topic); ok {
			lmq = topic.P2PLMQ(id)
		}
		if !slices.Contains(g.RocketMQ.Dispatch, lmq) {
			t.Errorf("%s: LMQ %q is not in %q", m.Topic, lmq, g.RocketMQ.Dispatch)
		}
	}
}

func TestDecodeOfJava(t *testing.T) {
	for _, g := range loadGolden(t).Messages {
		properties := maps.Clone(g.RocketMQ.Properties)
		properties[PropDispatch] = strings.Join(g.RocketMQ.Dispatch, ",")
		properties[PropKey] = "K"
		m, err := Decode([]byte(g.RocketMQ.Body), lookup(properties))
		if err != nil {
			t.Fatal(err)
		}
		if m.Topic != g.MQTT.Topic || string(m.Payload) != g.MQTT.Payload || m.QoS != g.MQTT.QoS || m.Retain || m.Key != "K" {
			t.Errorf("got %+v, want %+v", m, g.MQTT)
		}
	}
}

func lookup(properties map[string]string) func(string) string {
	return func(key string) string { return properties[key] }
}

func TestRoundTrip(t *testing.T) {
	everything := Properties{
		PayloadFormat: 1, HasFormat: true, Expiry: 1<<32 - 1, HasExpiry: true, ContentType: `text/"<html>"`,
		ResponseTopic: "reply/é", CorrelationData: []byte{0, 1, 0xff, 2},
		User: []UserProperty{{"b", "1"}, {"a", "\x01\x02\n"}, {"b", "1"}, {"", ""}, {"☀", "<&>\u2028"}},
	}
	for name, m := range map[string]Message{
		"plain":                  {Topic: "a/b", Payload: []byte("x"), QoS: 1},
		"retained":               {Topic: "a", Payload: []byte("x"), QoS: 2, Retain: true},
		"empty payload":          {Topic: "a/b"},
		"payload like the empty": {Topic: "a/b", Payload: []byte(EmptyBody)},
		"everything":             {Topic: "a/b", Payload: []byte{0xff}, Properties: everything, Publisher: "c\x01/%é"},
		"zero values":            {Topic: "a/b", Properties: Properties{HasFormat: true, HasExpiry: true, CorrelationData: []byte{}}},
		"text correlation":       {Topic: "a/b", Properties: Properties{CorrelationData: []byte("id-1\x01")}},
		"separators in topic":    {Topic: "a/\x01\x02/b%,"},
	} {
		t.Run(name, func(t *testing.T) {
			r := Encode(&m)
			if len(r.Body) == 0 {
				t.Error("RocketMQ refuses empty bodies")
			}
			for k, v := range r.Properties {
				if strings.ContainsAny(k+v, separators) || v == "" {
					t.Errorf("property %q=%q breaks the wire format", k, v)
				}
			}
			got, err := Decode(r.Body, lookup(r.Properties))
			if err != nil {
				t.Fatal(err)
			}
			if diff := cmp.Diff(&m, got); diff != "" {
				t.Error(diff)
			}
		})
	}
}

// What RocketMQ applications that know the MQTT 5 branch of the Java gateway read.
func TestExtDataNames(t *testing.T) {
	r := Encode(&Message{Topic: "a", QoS: 1, Properties: Properties{
		PayloadFormat: 1, HasFormat: true, Expiry: 60, HasExpiry: true, ContentType: "c", ResponseTopic: "r",
		CorrelationData: []byte("\xffid"), User: []UserProperty{{"k", "1"}, {"k", "2"}},
	}})
	want := map[string]string{
		"qosLevel": "1", "payloadFormatIndicator": "1", "messageExpiryInterval": "60", "contentType": "c",
		"responseTopic": "r", "correlationData": "\uFFFDid", "LMQGATE_correlationData": "/2lk",
		"mqtt5UserProperty": `[{"key":"k","value":"1"},{"key":"k","value":"2"}]`,
	}
	var got map[string]string
	if err := json.Unmarshal([]byte(r.Properties[PropExtData]), &got); err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Error(diff)
	}
}

func TestPart(t *testing.T) {
	r := Encode(&Message{Topic: "a", Payload: []byte("x")})
	first, third := r.Part(0), r.Part(2)
	if first.Properties[PropTags] != TagCommon || first.Properties[PropPart] != "" {
		t.Errorf("part 0: %v", first.Properties)
	}
	if third.Properties[PropTags] != TagPart || third.Properties[PropPart] != "2" || !bytes.Equal(third.Body, r.Body) {
		t.Errorf("part 2: %v", third.Properties)
	}
}

func BenchmarkEncode(b *testing.B) {
	m := &Message{Topic: "sensors/kitchen/temperature", Payload: []byte("21.5"), QoS: 1}
	b.ReportAllocs()
	for b.Loop() {
		Encode(m)
	}
}

func BenchmarkDecode(b *testing.B) {
	r := Encode(&Message{Topic: "sensors/kitchen/temperature", Payload: []byte("21.5"), QoS: 1})
	prop := lookup(r.Properties)
	b.ReportAllocs()
	for b.Loop() {
		if _, err := Decode(r.Body, prop); err != nil {
			b.Fatal(err)
		}
	}
}
