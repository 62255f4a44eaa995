package topic

import "strings"

// Covers reports whether the filter wide matches every topic name that the filter narrow matches; both are valid, without
// $share. It may say no of filters that cover each other only by several ways of writing the same, never wrongly yes.
func Covers(wide, narrow string) bool {
	w, n := levelsOf(wide), levelsOf(narrow)
	if len(w) == 2 && w[0] == "+" && w[1] == "#" { // the same as "#": a name has a first level
		w = w[1:]
	}
	if (w[0] == "#" || w[0] == "+") && strings.HasPrefix(n[0], "$") { // [MQTT-4.7.2-1]
		return false
	}
	for i := range w {
		switch {
		case w[i] == "#":
			return true
		case i == len(n) || n[i] == "#":
			return false
		case w[i] != "+" && w[i] != n[i]:
			return false
		}
	}
	return len(w) == len(n) || len(n) < len(w)
}

// Overlaps reports whether there is a topic name that both filters match; both are valid, without $share.
func Overlaps(one, two string) bool {
	a, b := levelsOf(one), levelsOf(two)
	wild := func(level string) bool { return level == "#" || level == "+" }
	if wild(a[0]) && strings.HasPrefix(b[0], "$") || wild(b[0]) && strings.HasPrefix(a[0], "$") {
		return false
	}
	for i := 0; ; i++ {
		switch {
		case i < len(a) && a[i] == "#", i < len(b) && b[i] == "#": // also of the level before [MQTT-4.7.1-2]
			return true
		case i == len(a) || i == len(b):
			return len(a) == len(b)
		case a[i] != b[i] && a[i] != "+" && b[i] != "+":
			return false
		}
	}
}

// levelsOf splits a filter. "/#" becomes "/+/#": the name that it matches beyond that is empty, so none.
func levelsOf(filter string) []string {
	if filter == "/#" {
		return []string{"", "+", "#"}
	}
	return strings.Split(filter, "/")
}
