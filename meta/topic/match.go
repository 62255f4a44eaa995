package topic

import "strings"

// IsWildcard reports whether the filter contains '+' or '#'.
func IsWildcard(filter string) bool { return strings.ContainsAny(filter, "+#") }

// Match reports whether a valid filter (without `$share/<group>/`) matches a valid topic name, strictly by MQTT: levels
// are compared byte by byte, so `a/b` and `a/b/` differ; `a/#` matches `a` [MQTT-4.7.1-2]; a filter that begins with a
// wildcard matches no name that begins with '$' [MQTT-4.7.2-1]. It does not allocate.
func Match(filter, name string) bool {
	if startsWild(filter) && strings.HasPrefix(name, "$") {
		return false
	}
	for {
		level, filterRest, filterMore := strings.Cut(filter, "/")
		if level == "#" && !filterMore {
			return true
		}
		nameLevel, nameRest, nameMore := strings.Cut(name, "/")
		if level != "+" && level != nameLevel {
			return false
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

func startsWild(filter string) bool {
	return filter != "" && (filter[0] == '+' || filter[0] == '#')
}
