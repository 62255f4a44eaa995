package publish

import (
	"bytes"
	"encoding/base64"
	"encoding/json"
	"fmt"
	"maps"
	"net/http"
	"net/url"
	"slices"
	"strconv"
	"strings"
	"unicode/utf8"

	"lmqgate/functions/web"
	"lmqgate/meta/message"
)

// Message is one as callers write it in JSON.
type Message struct {
	Topic      string          `json:"topic"`
	Payload    json.RawMessage `json:"payload"`  // a string; any other JSON value stands for its own text
	Encoding   string          `json:"encoding"` // "plain" (default), or "base64" of a string
	QoS        *byte           `json:"qos"`      // 0 to 2, 1 if absent
	Retain     bool            `json:"retain"`
	Properties Properties      `json:"properties"`
}

// Properties are those of MQTT 5.0.
type Properties struct {
	ContentType     string     `json:"content_type"`
	ResponseTopic   string     `json:"response_topic"`
	CorrelationData string     `json:"correlation_data"` // base64
	Expiry          *uint32    `json:"expiry"`           // seconds
	UserProperties  [][]string `json:"user_properties"`  // pairs of name and value
}

// maxUser bounds user properties, as many as the broker's limit of properties may take.
const maxUser = 100

// message checks what JSON said.
func (h *Handler) message(in *Message) (*message.Message, error) {
	m := &message.Message{Topic: in.Topic, QoS: 1, Retain: in.Retain}
	if in.QoS != nil {
		m.QoS = *in.QoS
	}
	var err error
	if m.Payload, err = payload(in.Payload, in.Encoding); err != nil {
		return nil, err
	}
	p := &m.Properties
	p.ContentType, p.ResponseTopic = in.Properties.ContentType, in.Properties.ResponseTopic
	if in.Encoding != "base64" && len(m.Payload) > 0 {
		p.HasFormat, p.PayloadFormat = true, 1
	}
	if in.Properties.CorrelationData != "" {
		if p.CorrelationData, err = base64.StdEncoding.DecodeString(in.Properties.CorrelationData); err != nil {
			return nil, web.Refuse(http.StatusBadRequest, "correlation_data is no base64")
		}
	}
	if in.Properties.Expiry != nil {
		p.HasExpiry, p.Expiry = true, *in.Properties.Expiry
	}
	for _, u := range in.Properties.UserProperties {
		if len(u) != 2 {
			return nil, web.Refuse(http.StatusBadRequest, "user_properties are pairs of name and value")
		}
		p.User = append(p.User, message.UserProperty{Key: u[0], Value: u[1]})
	}
	return m, checkProperties(m)
}

func payload(raw json.RawMessage, encoding string) ([]byte, error) {
	var text string
	isText := len(raw) > 0 && raw[0] == '"'
	if isText {
		if err := json.Unmarshal(raw, &text); err != nil {
			return nil, web.Refuse(http.StatusBadRequest, "the payload is no JSON string")
		}
	}
	switch encoding {
	case "", "plain":
		if isText || len(raw) == 0 || string(raw) == "null" {
			return []byte(text), nil
		}
		var b bytes.Buffer
		if err := json.Compact(&b, raw); err != nil {
			return nil, web.Refuse(http.StatusBadRequest, "the payload is no JSON")
		}
		return b.Bytes(), nil
	case "base64":
		b, err := base64.StdEncoding.DecodeString(text)
		if err != nil || !isText {
			return nil, web.Refuse(http.StatusBadRequest, "the payload is no base64")
		}
		return b, nil
	}
	return nil, web.Refuse(http.StatusBadRequest, "encoding is plain or base64")
}

// raw makes a message of the path, the query and the body.
func (h *Handler) raw(w http.ResponseWriter, r *http.Request) (*message.Message, error) {
	m := &message.Message{Topic: strings.TrimPrefix(r.URL.Path, topicsPath), QoS: 1} // unescaped as a whole: %2F is a slash
	if err := query(m, r.URL.Query()); err != nil {
		return nil, err
	}
	if m.Properties.ContentType == "" {
		m.Properties.ContentType = r.Header.Get("Content-Type")
	}
	m.Properties.User = append(m.Properties.User, userHeaders(r.Header)...)
	if err := checkProperties(m); err != nil {
		return nil, err
	}
	var err error
	m.Payload, err = web.Body(w, r, int64(h.cfg.MaxPayload))
	return m, err
}

// userHeaders are the user properties that stand in headers, in the order of their names, which are lower case: HTTP does not
// tell whether they were.
func userHeaders(h http.Header) (user []message.UserProperty) {
	for _, name := range slices.Sorted(maps.Keys(h)) {
		key, ok := strings.CutPrefix(name, web.UserHeader)
		if !ok || key == "" {
			continue
		}
		for _, v := range h[name] {
			user = append(user, message.UserProperty{Key: strings.ToLower(key), Value: v})
		}
	}
	return user
}

// query reads the parameters of a raw publication.
func query(m *message.Message, q url.Values) error {
	p := &m.Properties
	for name, values := range q {
		v := values[0]
		if len(values) > 1 && name != "user_property" {
			return web.Refuse(http.StatusBadRequest, "%.50q is given more than once", name)
		}
		var err error
		switch name {
		case "qos":
			var n uint64
			n, err = strconv.ParseUint(v, 10, 8)
			m.QoS = byte(n)
		case "retain":
			m.Retain, err = strconv.ParseBool(v)
		case "expiry":
			var n uint64
			n, err = strconv.ParseUint(v, 10, 32)
			p.HasExpiry, p.Expiry = true, uint32(n)
		case "content_type":
			p.ContentType = v
		case "response_topic":
			p.ResponseTopic = v
		case "correlation_data":
			p.CorrelationData, err = base64.StdEncoding.DecodeString(v)
		case "user_property":
			for _, one := range values {
				key, value, ok := strings.Cut(one, "=")
				if !ok {
					err = fmt.Errorf("no =")
				}
				p.User = append(p.User, message.UserProperty{Key: key, Value: value})
			}
		default:
			return web.Refuse(http.StatusBadRequest, "unknown parameter %.50q; there are qos, retain, expiry (seconds), content_type, response_topic, "+
				"correlation_data (base64) and user_property (name=value, several)", name)
		}
		if err != nil {
			return web.Refuse(http.StatusBadRequest, "the parameter %s is malformed", name)
		}
	}
	return nil
}

// checkProperties looks for what MQTT cannot carry.
func checkProperties(m *message.Message) error {
	p := &m.Properties
	texts := []string{p.ContentType, p.ResponseTopic}
	for _, u := range p.User {
		texts = append(texts, u.Key, u.Value)
	}
	switch {
	case m.QoS > 2:
		return web.Refuse(http.StatusBadRequest, "qos is 0, 1 or 2")
	case len(p.User) > maxUser:
		return web.Refuse(http.StatusBadRequest, "more than %d user properties", maxUser)
	case strings.ContainsAny(p.ResponseTopic, "+#"):
		return web.Refuse(http.StatusBadRequest, "the response topic has a wildcard")
	case len(p.CorrelationData) > 65535, slices.ContainsFunc(texts, func(s string) bool {
		return len(s) > 65535 || strings.ContainsRune(s, 0) || !utf8.ValidString(s)
	}):
		return web.Refuse(http.StatusBadRequest, "a property is longer than 65535 bytes, has NUL, or is no UTF-8")
	}
	return nil
}
