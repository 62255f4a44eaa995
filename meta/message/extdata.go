package message

import (
	"encoding/base64"
	"encoding/json"
	"strconv"
	"strings"
	"unicode/utf8"

	"lmqgate/meta/topic"
)

// Names inside extData, a JSON object of strings. All but the last are those of the Java gateway and of its MQTT 5
// branch. Java turns correlation data into UTF-8, which loses other bytes: where it would, they stand in base64 under
// a name of our own beside it. User properties are `[{"key":"k","value":"v"},...]`, which keeps order and repetition.
const (
	extRealTopic       = "mqttRealTopic"
	extFormat          = "payloadFormatIndicator"
	extExpiry          = "messageExpiryInterval"
	extResponseTopic   = "responseTopic"
	extCorrelation     = "correlationData"
	extUser            = "mqtt5UserProperty"
	extContentType     = "contentType"
	extCorrelationData = "LMQGATE_correlationData"
)

type userPair struct {
	Key   string `json:"key"`
	Value string `json:"value"`
}

// encodeExt writes extData. Without properties it is `{"qosLevel":"1"}`, as Java writes it.
func encodeExt(qos, realTopic string, p *Properties) string {
	b := make([]byte, 0, 256)
	b = append(b, `{"qosLevel":"`...)
	b = append(b, qos...)
	b = append(b, '"')
	if realTopic != "" {
		b = appendPair(b, extRealTopic, realTopic)
	}
	if p.HasFormat {
		b = appendPair(b, extFormat, strconv.Itoa(int(p.PayloadFormat)))
	}
	if p.HasExpiry {
		b = appendPair(b, extExpiry, strconv.FormatUint(uint64(p.Expiry), 10))
	}
	if p.ResponseTopic != "" {
		b = appendPair(b, extResponseTopic, p.ResponseTopic)
	}
	if p.CorrelationData != nil {
		b = appendPair(b, extCorrelation, string(p.CorrelationData))
		if !utf8.Valid(p.CorrelationData) {
			b = appendPair(b, extCorrelationData, base64.StdEncoding.EncodeToString(p.CorrelationData))
		}
	}
	if len(p.User) > 0 {
		b = appendPair(b, extUser, encodeUser(p.User))
	}
	if p.ContentType != "" {
		b = appendPair(b, extContentType, p.ContentType)
	}
	return string(append(b, '}'))
}

func encodeUser(user []UserProperty) string {
	b := []byte{'['}
	for i, u := range user {
		if i > 0 {
			b = append(b, ',')
		}
		b = append(b, `{"key":`...)
		b = appendString(b, u.Key)
		b = append(b, `,"value":`...)
		b = appendString(b, u.Value)
		b = append(b, '}')
	}
	return string(append(b, ']'))
}

func appendPair(b []byte, name, value string) []byte {
	b = append(b, ',', '"')
	b = append(b, name...)
	b = append(b, '"', ':')
	return appendString(b, value)
}

// appendString appends s as a JSON string; all but the usual characters are left to encoding/json.
func appendString(b []byte, s string) []byte {
	for i := range len(s) {
		if c := s[i]; c < ' ' || c >= utf8.RuneSelf || strings.IndexByte(`"\<>&`, c) >= 0 {
			quoted, _ := json.Marshal(s) // a string always has a JSON form
			return append(b, quoted...)
		}
	}
	b = append(b, '"')
	b = append(b, s...)
	return append(b, '"')
}

// ext is extData as read; absent values are "".
type ext struct {
	realTopic, qos string
	props          Properties
}

// decodeExt reads extData as any writer may have made it: what is malformed is left out, never an error.
func decodeExt(s string) ext {
	if qos, ok := bareQoS(s); ok {
		return ext{qos: qos}
	}
	var values map[string]any
	if s == "" || json.Unmarshal([]byte(s), &values) != nil {
		return ext{}
	}
	e := ext{realTopic: text(values[extRealTopic]), qos: text(values[PropQoS])}
	p := &e.props
	if f := text(values[extFormat]); f == "0" || f == "1" {
		p.PayloadFormat, p.HasFormat = f[0]-'0', true
	}
	p.Expiry, p.HasExpiry = decodeExpiry(text(values[extExpiry]))
	if t := text(values[extResponseTopic]); topic.ValidName(t) == nil { // [MQTT-3.3.2-14]
		p.ResponseTopic = t
	}
	p.ContentType = mqttString(text(values[extContentType]))
	p.CorrelationData = decodeCorrelation(values)
	p.User = decodeUser(text(values[extUser]))
	return e
}

// bareQoS recognises `{"qosLevel":"1"}`, what nearly every message has.
func bareQoS(s string) (string, bool) {
	const before, after = `{"qosLevel":"`, `"}`
	if len(s) != len(before)+1+len(after) || s[:len(before)] != before || s[len(before)+1:] != after {
		return "", false
	}
	return s[len(before) : len(before)+1], true
}

// text returns a JSON string or number as text: writers with loose types exist.
func text(v any) string {
	switch v := v.(type) {
	case string:
		return v
	case float64:
		return strconv.FormatFloat(v, 'f', -1, 64)
	}
	return ""
}

// decodeExpiry reads seconds; Java writes the upper half of the range as negative numbers.
func decodeExpiry(s string) (uint32, bool) {
	n, err := strconv.ParseInt(s, 10, 64)
	if err != nil || n < -1<<31 || n >= 1<<32 {
		return 0, false
	}
	return uint32(n), true
}

func decodeCorrelation(values map[string]any) []byte {
	if exact, ok := values[extCorrelationData].(string); ok {
		if b, err := base64.StdEncoding.DecodeString(exact); err == nil {
			return b
		}
	}
	if s, ok := values[extCorrelation].(string); ok {
		return []byte(s)
	}
	return nil
}

func decodeUser(s string) []UserProperty {
	var pairs []userPair
	if s == "" || json.Unmarshal([]byte(s), &pairs) != nil {
		return nil
	}
	var user []UserProperty
	for _, p := range pairs {
		if mqttString(p.Key) == p.Key && mqttString(p.Value) == p.Value {
			user = append(user, UserProperty(p))
		}
	}
	return user
}

// mqttString returns s, or "" if no MQTT packet can carry it: U+0000 is not allowed [MQTT-1.5.4-2], and length is 16 bits.
func mqttString(s string) string {
	if len(s) > topic.MaxBytes || strings.IndexByte(s, 0) >= 0 {
		return ""
	}
	return s
}
