package admin

import "strings"

// matches reports whether text matches a pattern in which `*` stands for any text, also none and also with slashes; other
// characters stand for themselves. The empty pattern matches all.
func matches(pattern, text string) bool {
	if pattern == "" {
		return true
	}
	parts := strings.Split(pattern, "*")
	if len(parts) == 1 {
		return pattern == text
	}
	first, last := parts[0], parts[len(parts)-1]
	rest, ok := strings.CutPrefix(text, first)
	if !ok {
		return false
	}
	for _, part := range parts[1 : len(parts)-1] {
		_, after, found := strings.Cut(rest, part)
		if !found {
			return false
		}
		rest = after
	}
	return strings.HasSuffix(rest, last)
}

// literal reports whether the pattern names one thing.
func literal(pattern string) bool { return pattern != "" && !strings.Contains(pattern, "*") }
