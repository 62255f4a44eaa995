package admin

import (
	"regexp"
	"strings"
	"testing"
)

func TestMatches(t *testing.T) {
	for _, tt := range []struct {
		pattern, text string
		want          bool
	}{
		{"", "", true},
		{"", "anything", true},
		{"*", "", true},
		{"*", "a/b", true},
		{"phone", "phone", true},
		{"phone", "phone-7", false},
		{"phone-*", "phone-", true},
		{"phone-*", "phone-7", true},
		{"phone-*", "my-phone-7", false},
		{"*-7", "phone-7", true},
		{"*-7", "phone-77x", false},
		{"a*a", "a", false}, // the two stand for two characters
		{"a*a", "aa", true},
		{"a*b*c", "a-b-c", true},
		{"a*b*c", "abbc", true},
		{"a*b*c", "ac", false},
		{"a*b*b", "a-b", false},
		{"a**b", "ab", true},
		{"*é*", "café au lait", true},
		{"a?c", "abc", false}, // only `*` is special
		{"a?c", "a?c", true},
		{"[ab]*", "[ab]c", true},
		{"chat/*", "chat/room/1", true},
	} {
		if got := matches(tt.pattern, tt.text); got != tt.want {
			t.Errorf("matches(%q, %q) is %v", tt.pattern, tt.text, got)
		}
	}
}

func TestLiteral(t *testing.T) {
	for pattern, want := range map[string]bool{"": false, "*": false, "a*": false, "a": true, "a/#": true} {
		if got := literal(pattern); got != want {
			t.Errorf("literal(%q) is %v", pattern, got)
		}
	}
}

// FuzzMatches compares with a regular expression, which is slower and obviously right.
func FuzzMatches(f *testing.F) {
	f.Add("a*b*c", "a-b-c")
	f.Add("*aa*a", "aaa")
	f.Add("", "x")
	f.Fuzz(func(t *testing.T, pattern, text string) {
		if len(pattern) > 100 || len(text) > 1000 {
			return
		}
		parts := strings.Split(pattern, "*")
		for i := range parts {
			parts[i] = regexp.QuoteMeta(parts[i])
		}
		re, err := regexp.Compile(`(?s)\A` + strings.Join(parts, ".*") + `\z`)
		if err != nil {
			return // not UTF-8
		}
		if want := pattern == "" || re.MatchString(text); matches(pattern, text) != want {
			t.Errorf("matches(%q, %q) is %v", pattern, text, !want)
		}
	})
}
