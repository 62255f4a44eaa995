package relay

import (
	"errors"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"lmqgate/meta/message"
	"lmqgate/meta/topic"
)

func TestParseRule(t *testing.T) {
	for _, tt := range []struct {
		in, pattern string // pattern "": refused
	}{
		{"orders", "relay/{topic}"},
		{" orders = shop/new ", "shop/new"},
		{"orders=shop/{tag}/{key}/{property:city}", "shop/{tag}/{key}/{property:city}"},
		{"", ""},
		{"orders=", ""},
		{"or/ders", ""},
		{"or+ders", ""},
		{"orders=orders/x", ""},  // consumers of orders would read it again
		{"orders={topic}/x", ""}, // the same
		{"orders={tag}/x", ""},   // could be the same
		{"orders=$SYS/x", ""},    // not ours
		{"orders=shop/#", ""},    // a filter
		{"orders=shop/{}", ""},   // no such placeholder
		{"orders=shop/{tag", ""}, // not closed
		{"orders=shop/{property:}", ""},
		{"relay", ""}, // would appear as relay/relay, in the RocketMQ topic that is read
		{"%RETRY%g", ""},
	} {
		r, err := ParseRule(tt.in)
		if (err == nil) != (tt.pattern != "") || r.Pattern != tt.pattern {
			t.Errorf("%q: %+v, %v", tt.in, r, err)
		}
	}
}

// record is one with these properties: name, value, ...
func record(body string, properties ...string) Record {
	return Record{Body: []byte(body), Properties: func(yield func(k, v string) bool) {
		for pair := range slices.Chunk(properties, 2) {
			if !yield(pair[0], pair[1]) {
				return
			}
		}
	}}
}

func TestMessage(t *testing.T) {
	r, err := ParseRule("orders=shop/{tag}/{key}/{property:city}")
	if err != nil {
		t.Fatal(err)
	}
	key := strings.Repeat("A", 32)
	rec := record("body", "TAGS", "new", "KEYS", "k1 k2", "UNIQ_KEY", key, "city", "Graz", "WAIT", "true", "a", "b", "CLUSTER", "c", "traceparent", "00-1")
	got, became, err := r.message(&rec)
	if err != nil || became != outcomeRelayed {
		t.Fatal(became, err)
	}
	want := &message.Message{
		Topic: "shop/new/k1/Graz", Payload: []byte("body"), QoS: 1, Key: key, TraceParent: "00-1",
		Properties: message.Properties{User: []message.UserProperty{
			{Key: "rocketmq-topic", Value: "orders"},
			{Key: "rocketmq-tag", Value: "new"},
			{Key: "rocketmq-keys", Value: "k1 k2"},
			{Key: "a", Value: "b"},
			{Key: "city", Value: "Graz"},
		}},
	}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("(-want +got)\n%s", diff)
	}
	full := []string{"TAGS", "new", "KEYS", "k", "city", "Graz"}
	for name, tt := range map[string]struct {
		rec  Record
		want outcome
	}{
		"no tag":      {record("x", full[2:]...), outcomeTopic},
		"wildcard":    {record("x", "TAGS", "#", "KEYS", "k", "city", "+"), outcomeTopic},
		"all":         {record("x", full...), outcomeRelayed},
		"common":      {record("x", append([]string{"TAGS", "MQTT_COMMON"}, full[2:]...)...), outcomeMQTT},
		"part":        {record("x", append([]string{"TAGS", "MQTT_PART"}, full[2:]...)...), outcomeMQTT},
		"with topic":  {record("x", append(full, "originMqttTopic", "a/b")...), outcomeMQTT},
		"dispatched":  {record("x", append(full, "INNER_MULTI_DISPATCH", "%LMQ%a%")...), outcomeMQTT},
		"broken body": {Record{Broken: errors.New("checksum"), Properties: record("x", full...).Properties}, outcomeBroken},
	} {
		m, got, err := r.message(&tt.rec)
		if got != tt.want || (m != nil) != (got == outcomeRelayed) || (err != nil) != (got == outcomeTopic || got == outcomeBroken) {
			t.Errorf("%s: %v, %s, %v", name, m, got, err)
		}
	}
}

// FuzzRule: whatever a rule and a message are, what is published has a valid topic outside the RocketMQ topic.
func FuzzRule(f *testing.F) {
	f.Add("orders=shop/{tag}", "new", "k")
	f.Add("orders", "", "")
	f.Add("orders=a/{property:x}/{key}", "\x00", "a+b")
	f.Fuzz(func(t *testing.T, rule, tag, key string) {
		r, err := ParseRule(rule)
		if err != nil {
			return
		}
		rec := record("x", "TAGS", tag, "KEYS", key, "x", tag)
		m, _, _ := r.message(&rec)
		if m == nil {
			return
		}
		if err := topic.ValidName(m.Topic); err != nil {
			t.Errorf("%q: topic %q: %v", rule, m.Topic, err)
		}
		if topic.RocketMQTopic(m.Topic, "FALLBACK", nil) == r.Topic {
			t.Errorf("%q: %q is read again", rule, m.Topic)
		}
	})
}
