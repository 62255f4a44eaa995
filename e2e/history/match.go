package history

import "strings"

// shared splits a filter of a shared subscription, section 4.8.2; group is "" for any other one.
func shared(filter string) (group, plain string) {
	rest, ok := strings.CutPrefix(filter, "$share/")
	if !ok {
		return "", filter
	}
	group, plain, _ = strings.Cut(rest, "/")
	return group, plain
}

// matches tells whether a topic is one of a filter's, section 4.7. It is written from the specification and has nothing in
// common with the gateway's own.
func matches(filter, topic string) bool {
	_, filter = shared(filter)
	f, t := strings.Split(filter, "/"), strings.Split(topic, "/")
	if strings.HasPrefix(topic, "$") && f[0] != t[0] {
		return false
	}
	for i, level := range f {
		switch {
		case level == "#":
			return true
		case i == len(t):
			return false
		case level != "+" && level != t[i]:
			return false
		}
	}
	return len(f) == len(t)
}
