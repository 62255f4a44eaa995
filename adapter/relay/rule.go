package relay

import (
	"fmt"
	"strings"

	"lmqgate/meta/message"
	"lmqgate/meta/topic"
)

// Rule says under which MQTT topics the messages of a RocketMQ topic appear.
type Rule struct {
	Topic   string // of RocketMQ
	Pattern string // an MQTT topic with placeholders
}

// defaultFirst is the first level where a rule does not name an MQTT topic.
const defaultFirst = "relay"

// ParseRule reads `topic` or `topic=pattern`. A pattern is an MQTT topic in which {topic}, {tag}, {key} (the first one) and
// {property:NAME} stand for what a message has; without one it is `relay/{topic}`. Its first level cannot be the RocketMQ
// topic: consumers of that topic would read every message twice.
func ParseRule(s string) (Rule, error) {
	name, pattern, given := strings.Cut(s, "=")
	r := Rule{Topic: strings.TrimSpace(name), Pattern: strings.TrimSpace(pattern)}
	if !given {
		r.Pattern = defaultFirst + "/{topic}"
	}
	if topic.ValidName(r.Topic) != nil || topic.RocketMQTopic(r.Topic, "", nil) != r.Topic {
		return Rule{}, fmt.Errorf("%q is no name of a RocketMQ topic", r.Topic)
	}
	sample, err := r.fill(func(string) (string, bool) { return "x", true })
	if err != nil {
		return Rule{}, err
	}
	if err := topic.ValidName(sample); err != nil {
		return Rule{}, fmt.Errorf("%q is no MQTT topic: %w", r.Pattern, err)
	}
	first := topic.First(sample)
	switch {
	case strings.Contains(topic.First(r.Pattern), "{"):
		return Rule{}, fmt.Errorf("%q: the first level has to be a name, since it is the RocketMQ topic of what is relayed", r.Pattern)
	case topic.RocketMQTopic(first, r.Topic, nil) == r.Topic:
		return Rule{}, fmt.Errorf("%q: consumers of the RocketMQ topic %s would read each message twice; choose another first level", r.Pattern, r.Topic)
	case strings.HasPrefix(first, "$"):
		return Rule{}, fmt.Errorf("%q: topics that begin with $ are the gateway's own", r.Pattern)
	}
	return r, nil
}

// fill replaces the placeholders.
func (r Rule) fill(value func(name string) (string, bool)) (string, error) {
	var b strings.Builder
	for rest := r.Pattern; ; {
		before, behind, found := strings.Cut(rest, "{")
		b.WriteString(before)
		if !found {
			return b.String(), nil
		}
		name, after, closed := strings.Cut(behind, "}")
		if property, is := strings.CutPrefix(name, "property:"); !closed || name != "topic" && name != "tag" && name != "key" && (!is || property == "") {
			return "", fmt.Errorf("%q: placeholders are {topic}, {tag}, {key} and {property:NAME}", r.Pattern)
		}
		v, ok := value(name)
		if !ok {
			return "", fmt.Errorf("the message has no %s", name)
		}
		b.WriteString(v)
		rest = after
	}
}

// name is the MQTT topic of a message; the error says why it has none.
func (r Rule) name(prop func(string) string) (string, error) {
	name, err := r.fill(func(placeholder string) (v string, ok bool) {
		switch placeholder {
		case "topic":
			v = r.Topic
		case "tag":
			v = prop(message.PropTags)
		case "key":
			v, _, _ = strings.Cut(prop(message.PropKeys), " ")
		default:
			v = prop(strings.TrimPrefix(placeholder, "property:"))
		}
		return v, v != ""
	})
	if err != nil {
		return "", err
	}
	if err := topic.ValidName(name); err != nil {
		return "", fmt.Errorf("%.100q: %w", name, err)
	}
	return name, nil
}
