package access

import (
	"strings"

	"lmqgate/meta/topic"
)

// values fill the placeholders of rules; "" fills none.
type values struct{ client, user string }

func valuesOf(id *Identity, clientID string) (v values) {
	if fills(clientID) {
		v.client = clientID
	}
	if id.Method != MethodAnonymous && id.Method != "" && fills(id.Username) {
		v.user = id.Username
	}
	return v
}

func fills(s string) bool { return s != "" && !strings.ContainsAny(s, "/+#\x00%") }

// next cuts a template of a level behind its first placeholder: what stands before it, what fills it, and the rest.
func (v *values) next(level string) (before, value, rest string, found bool) {
	for i := 0; i+1 < len(level); i++ {
		if level[i] != '%' {
			continue
		}
		switch level[i+1] {
		case 'c':
			return level[:i], v.client, level[i+2:], true
		case 'u':
			return level[:i], v.user, level[i+2:], true
		}
	}
	return level, "", "", false
}

// fill is a template of a level with its placeholders filled. ok is false if a value cannot.
func (v *values) fill(level string, first bool) (filled string, ok bool) {
	before, value, rest, found := v.next(level)
	if !found {
		return level, true
	}
	var b strings.Builder
	for found {
		if value == "" || first && b.Len() == 0 && before == "" && value[0] == '$' {
			return "", false
		}
		b.WriteString(before)
		b.WriteString(value)
		before, value, rest, found = v.next(rest)
	}
	b.WriteString(before)
	return b.String(), true
}

// is reports whether fill of the template is this level.
func (v *values) is(template, level string, first bool) (equal, ok bool) {
	left, equal := level, true
	for begin := true; ; begin = false {
		before, value, rest, found := v.next(template)
		if !found {
			return equal && left == before, true
		}
		if value == "" || first && begin && before == "" && value[0] == '$' {
			return false, false
		}
		if equal {
			if left, equal = strings.CutPrefix(left, before); equal {
				left, equal = strings.CutPrefix(left, value)
			}
		}
		template = rest
	}
}

// covers reports whether a rule covers a topic name.
func (v *values) covers(r *Rule, name string) bool {
	filter := r.Topic
	if !strings.Contains(filter, "%") {
		return topic.Match(filter, name)
	}
	if filter[0] == '+' && strings.HasPrefix(name, "$") { // [MQTT-4.7.2-1]
		return false
	}
	for first := true; ; first = false {
		level, filterRest, filterMore := strings.Cut(filter, "/")
		if level == "#" {
			return true
		}
		nameLevel, nameRest, nameMore := strings.Cut(name, "/")
		if level != "+" {
			equal, ok := v.is(level, nameLevel, first)
			if !ok && r.Allow || ok && !equal {
				return false
			}
		}
		if !nameMore {
			return !filterMore || filterRest == "#" // the parent of '#'
		}
		if !filterMore {
			return false
		}
		filter, name = filterRest, nameRest
	}
}
