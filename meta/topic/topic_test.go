package topic

import (
	"errors"
	"strings"
	"testing"
)

func TestValidName(t *testing.T) {
	for _, c := range []struct {
		name string
		want error
	}{
		{"a", nil},
		{"/", nil},
		{"a//b/", nil},
		{"$SYS/x", nil},
		{" ", nil},
		{"温度/1", nil},
		{strings.Repeat("a", 65535), nil},
		{"", ErrEmpty},
		{strings.Repeat("a", 65536), ErrTooLong},
		{"a\x00b", ErrNUL},
		{"a\xff", ErrUTF8},
		{"a\xed\xa0\x80", ErrUTF8}, // surrogate U+D800 [MQTT-1.5.4-1]
		{"a/+", ErrWildcard},
		{"a#", ErrWildcard},
	} {
		if err := ValidName(c.name); !errors.Is(err, c.want) {
			t.Errorf("ValidName(%.20q) = %v, want %v", c.name, err, c.want)
		}
	}
}

func TestValidFilter(t *testing.T) {
	for _, c := range []struct {
		filter string
		want   error
	}{
		{"#", nil},
		{"+", nil},
		{"/", nil},
		{"+/+", nil},
		{"/+", nil},
		{"sport/+/player1", nil},
		{"sport/tennis/#", nil},
		{"+/tennis/#", nil},
		{"$share", nil},
		{"$sharex/y", nil},
		{"$share/g/a", nil},
		{"$share/g/#", nil},
		{"$share/g//", nil},
		{strings.Repeat("a", 65535), nil},
		{"", ErrEmpty},
		{strings.Repeat("a", 65536), ErrTooLong},
		{"a\x00", ErrNUL},
		{"\xc0\x80", ErrUTF8},
		{"sport/tennis#", ErrHash},
		{"sport/tennis/#/ranking", ErrHash},
		{"#/", ErrHash},
		{"##", ErrHash},
		{"sport+", ErrPlus},
		{"a/b+/c", ErrPlus},
		{"++", ErrPlus},
		{"$share/", ErrShare},
		{"$share//a", ErrShare},
		{"$share/g", ErrShare},
		{"$share/g/", ErrShare},
		{"$share/g+/a", ErrShare},
		{"$share/#/a", ErrShare},
		{"$share/g/$share/h/a", ErrShare},
		{"$share/g/a#", ErrHash},
	} {
		if err := ValidFilter(c.filter); !errors.Is(err, c.want) {
			t.Errorf("ValidFilter(%.20q) = %v, want %v", c.filter, err, c.want)
		}
	}
}

func TestParseShared(t *testing.T) {
	for _, c := range []struct {
		filter, group, inner string
		shared               bool
	}{
		{"a/b", "", "a/b", false},
		{"$share", "", "$share", false},
		{"$share/g/a/+", "g", "a/+", true},
		{"$share/g//a", "g", "/a", true},
	} {
		group, inner, shared, err := ParseShared(c.filter)
		if group != c.group || inner != c.inner || shared != c.shared || err != nil {
			t.Errorf("ParseShared(%q) = %q, %q, %v, %v", c.filter, group, inner, shared, err)
		}
	}
}

func TestLevels(t *testing.T) {
	for s, want := range map[string]int{"a": 1, "a/b": 2, "/": 2, "a/b/": 3} {
		if got := Levels(s); got != want {
			t.Errorf("Levels(%q) = %d, want %d", s, got, want)
		}
	}
}

func FuzzValid(f *testing.F) {
	for _, s := range []string{"a/b", "$share/g/+/#", "#", "a\x00", "+a", ""} {
		f.Add(s)
	}
	f.Fuzz(func(t *testing.T, s string) {
		name, filter := ValidName(s) == nil, ValidFilter(s) == nil
		_, inner, shared, err := ParseShared(s)
		if name && !filter && err == nil {
			t.Errorf("%q is a name but not a filter", s)
		}
		if filter && shared && ValidFilter(inner) != nil {
			t.Errorf("%q is a filter, its inner %q is not", s, inner)
		}
		if name && !shared && err == nil && !Match(s, s) {
			t.Errorf("%q does not match itself", s)
		}
	})
}
