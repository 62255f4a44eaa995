package message

import (
	"errors"
	"testing"

	"github.com/google/go-cmp/cmp"

	"lmqgate/meta/topic"
)

func TestDecodeTopic(t *testing.T) {
	hashed := topic.LMQ("t/a,b")
	for _, c := range []struct {
		name       string
		properties map[string]string
		want       string // "" = ErrNotMQTT
	}{
		{"real topic first", map[string]string{PropExtData: `{"mqttRealTopic":"r"}`, PropTopic: "o", PropDispatch: "%LMQ%l"}, "r"},
		{"then the origin", map[string]string{PropExtData: `{}`, PropTopic: "o/", PropDispatch: "%LMQ%l"}, "o/"},
		{"then the last LMQ", map[string]string{PropDispatch: "%LMQ%a%b%,%LMQ%t%r1%"}, "t/r1"},
		{"without wildcard", map[string]string{PropDispatch: "%LMQ%t%r1%,%LMQ%t%+%,%LMQ%#"}, "t/r1"},
		{"of one level", map[string]string{PropDispatch: "%LMQ%t"}, "t"},
		{"with a leading slash", map[string]string{PropDispatch: "%LMQ%%t%x%"}, "/t/x"},
		{"a slash alone", map[string]string{PropDispatch: "%LMQ%%"}, "/"},
		{"not a hashed one", map[string]string{PropDispatch: "%LMQ%t%r1%," + hashed}, "t/r1"},
		{"nothing but hashed", map[string]string{PropDispatch: hashed}, ""},
		{"only wildcards", map[string]string{PropDispatch: "%LMQ%t%+%"}, ""},
		{"no LMQ prefix", map[string]string{PropDispatch: "foo"}, ""},
		{"empty names", map[string]string{PropDispatch: ",,%LMQ%,"}, ""},
		{"plain RocketMQ message", map[string]string{PropTags: "x", "KEYS": "k"}, ""},
		{"real topic with a wildcard", map[string]string{PropExtData: `{"mqttRealTopic":"r/#"}`, PropTopic: "o"}, "o"},
		{"real topic with NUL", map[string]string{PropExtData: `{"mqttRealTopic":"r\u0000"}`, PropTopic: "o"}, "o"},
		{"origin with a wildcard", map[string]string{PropTopic: "o/+", PropDispatch: "%LMQ%l"}, "l"},
		{"malformed extData", map[string]string{PropExtData: `{"mqttRealTopic":`, PropTopic: "o"}, "o"},
	} {
		m, err := Decode([]byte("x"), lookup(c.properties))
		if c.want == "" {
			if !errors.Is(err, ErrNotMQTT) || m != nil {
				t.Errorf("%s: %+v, %v", c.name, m, err)
			}
			continue
		}
		if err != nil || m.Topic != c.want {
			t.Errorf("%s: %+v, %v; want %q", c.name, m, err, c.want)
		}
	}
}

func TestDecodeQoS(t *testing.T) {
	for _, c := range []struct {
		ext, property string
		want          byte
	}{
		{`{"qosLevel":"1"}`, "2", 1},
		{`{"qosLevel":"0","x":"y"}`, "2", 0},
		{`{"qosLevel":1}`, "", 1},
		{`{"qosLevel":"7"}`, "1", 1},
		{`{"qosLevel":"3"}`, "", 2},
		{`{"qosLevel":null}`, "0", 0},
		{`[]`, "0", 0},
		{`not JSON`, "1", 1},
		{"", "0", 0},
		{"", "-1", 2},
		{"", "", 2},
	} {
		m, err := Decode(nil, lookup(map[string]string{PropTopic: "t", PropExtData: c.ext, PropQoS: c.property}))
		if err != nil || m.QoS != c.want {
			t.Errorf("extData %q, property %q: %+v, %v", c.ext, c.property, m, err)
		}
	}
}

// What no MQTT packet could carry is left out.
func TestDecodeProperties(t *testing.T) {
	for ext, want := range map[string]Properties{
		`{"messageExpiryInterval":"-1"}`:                                                  {Expiry: 1<<32 - 1, HasExpiry: true}, // as Java writes it
		`{"messageExpiryInterval":60}`:                                                    {Expiry: 60, HasExpiry: true},
		`{"messageExpiryInterval":"4294967296"}`:                                          {},
		`{"payloadFormatIndicator":"2"}`:                                                  {},
		`{"responseTopic":"a/#","contentType":"x\u0000"}`:                                 {},
		`{"correlationData":"é"}`:                                                         {CorrelationData: []byte("é")},
		`{"correlationData":"x","LMQGATE_correlationData":"!"}`:                           {CorrelationData: []byte("x")},
		`{"mqtt5UserProperty":"[{\"key\":\"a\",\"value\":\"\\u0000\"},{\"key\":\"b\"}]"}`: {User: []UserProperty{{"b", ""}}},
		`{"mqtt5UserProperty":"{}"}`:                                                      {},
		`{"mqtt5UserProperty":["a"],"contentType":{"a":1}}`:                               {},
	} {
		m, err := Decode(nil, lookup(map[string]string{PropTopic: "t", PropExtData: ext}))
		if err != nil {
			t.Fatal(err)
		}
		if diff := cmp.Diff(want, m.Properties); diff != "" {
			t.Errorf("%s: %s", ext, diff)
		}
	}
}

func TestDecodeEmptyBody(t *testing.T) {
	for _, c := range []struct{ flag, body, want string }{
		{"true", EmptyBody, ""},
		{"TRUE", EmptyBody, ""},
		{"false", EmptyBody, EmptyBody},
		{"", EmptyBody, EmptyBody},
		{"true", "x", "x"},
	} {
		m, err := Decode([]byte(c.body), lookup(map[string]string{PropTopic: "t", PropEmpty: c.flag}))
		if err != nil || string(m.Payload) != c.want {
			t.Errorf("IS_EMPTY_MSG=%q, body %q: %q, %v", c.flag, c.body, m.Payload, err)
		}
	}
}

// Whatever is decoded is encoded such that decoding gives it again.
func FuzzDecode(f *testing.F) {
	f.Add([]byte("x"), `{"qosLevel":"1"}`, "a/b", "%LMQ%a%b%", "true", "true", "c%2F")
	f.Add([]byte(EmptyBody), `{"mqtt5UserProperty":"[{\"key\":\"a\",\"value\":\"b\"}]","correlationData":"x"}`, "", "%LMQ%t", "true", "", "")
	f.Add([]byte{}, `{"mqttRealTopic":"\u0001","messageExpiryInterval":"-1","LMQGATE_correlationData":"/2lk"}`, "", "", "", "", "")
	f.Fuzz(func(t *testing.T, body []byte, ext, origin, list, empty, retain, publisher string) {
		m, err := Decode(body, lookup(map[string]string{
			PropExtData: ext, PropTopic: origin, PropDispatch: list, PropEmpty: empty, PropRetain: retain, PropPublisher: publisher,
		}))
		if err != nil {
			if !errors.Is(err, ErrNotMQTT) {
				t.Fatal(err)
			}
			return
		}
		if topic.ValidName(m.Topic) != nil || m.QoS > 2 {
			t.Fatalf("%+v", m)
		}
		r := Encode(m)
		again, err := Decode(r.Body, lookup(r.Properties))
		if err != nil {
			t.Fatal(err)
		}
		if len(m.Payload) == 0 {
			m.Payload = nil
		}
		if diff := cmp.Diff(m, again); diff != "" {
			t.Error(diff)
		}
	})
}
