package topic

import (
	"math/rand/v2"
	"slices"
	"strings"
	"testing"
)

func TestMatch(t *testing.T) {
	for _, c := range []struct {
		filter, name string
		want         bool
	}{
		{"a/b", "a/b", true},
		{"a/b", "a/b/", false},
		{"a/b/", "a/b", false},
		{"a/b", "A/b", false},
		{"sport/tennis/player1/#", "sport/tennis/player1", true}, // MQTT 5.0, 4.7.1.2
		{"sport/tennis/player1/#", "sport/tennis/player1/ranking", true},
		{"sport/tennis/player1/#", "sport/tennis/player1/score/wimbledon", true},
		{"sport/#", "sport", true},
		{"sport/#", "sports", false},
		{"#", "a/b/c", true},
		{"#", "/", true},
		{"sport/tennis/+", "sport/tennis/player1", true}, // 4.7.1.3
		{"sport/tennis/+", "sport/tennis/player1/ranking", false},
		{"sport/+", "sport", false},
		{"sport/+", "sport/", true},
		{"+/+", "/finance", true},
		{"/+", "/finance", true},
		{"+", "/finance", false},
		{"+/#", "a", true},
		{"+/#", "/", true},
		{"+/b/#", "a", false},
		{"#", "$SYS/x", false}, // 4.7.2
		{"+/monitor/Clients", "$SYS/monitor/Clients", false},
		{"+", "$SYS", false},
		{"$SYS/#", "$SYS/x", true},
		{"$SYS/#", "$SYS", true},
		{"$SYS/monitor/+", "$SYS/monitor/Clients", true},
		{"a/+", "a/$b", true},
		{"/#", "/$b", true},
	} {
		if got := Match(c.filter, c.name); got != c.want {
			t.Errorf("Match(%q, %q) = %v", c.filter, c.name, got)
		}
		if got := treeMatches(c.filter, c.name); got != c.want {
			t.Errorf("Tree with %q, Match(%q) = %v", c.filter, c.name, got)
		}
	}
}

func treeMatches(filter, name string) bool {
	var tree Tree[string]
	tree.Add(filter, filter)
	found := false
	tree.Match(name, func(string) { found = true })
	return found
}

// naive is the specification's text on split levels.
func naive(filter, name string) bool {
	f, n := strings.Split(filter, "/"), strings.Split(name, "/")
	if strings.HasPrefix(name, "$") && (f[0] == "+" || f[0] == "#") {
		return false
	}
	if f[len(f)-1] == "#" {
		f = f[:len(f)-1]
		if len(n) < len(f) {
			return false
		}
		n = n[:len(f)]
	}
	return slices.EqualFunc(f, n, func(f, n string) bool { return f == "+" || f == n })
}

func randomName(r *rand.Rand) string {
	levels := make([]string, 1+r.IntN(4))
	for i := range levels {
		levels[i] = []string{"a", "b", "", "$x"}[r.IntN(4)]
	}
	if s := strings.Join(levels, "/"); s != "" {
		return s
	}
	return "a"
}

func randomFilter(r *rand.Rand) string {
	levels := strings.Split(randomName(r), "/")
	for i := range levels {
		if r.IntN(3) == 0 {
			levels[i] = "+"
		}
	}
	if r.IntN(3) == 0 {
		levels[len(levels)-1] = "#"
	}
	return strings.Join(levels, "/")
}

func TestMatchAgreesWithNaive(t *testing.T) {
	r := rand.New(rand.NewPCG(1, 2))
	matched := 0
	for range 200_000 {
		filter, name := randomFilter(r), randomName(r)
		want := naive(filter, name)
		if want {
			matched++
		}
		if got := Match(filter, name); got != want {
			t.Fatalf("Match(%q, %q) = %v", filter, name, got)
		}
	}
	if matched < 10_000 {
		t.Fatalf("only %d pairs matched: the generator is poor", matched)
	}
}

func FuzzMatch(f *testing.F) {
	f.Add("a/+/#", "a/b")
	f.Add("#", "$x")
	f.Fuzz(func(t *testing.T, filter, name string) {
		if ValidFilter(filter) != nil || ValidName(name) != nil || strings.HasPrefix(filter, SharePrefix) {
			return
		}
		want := naive(filter, name)
		if got := Match(filter, name); got != want {
			t.Errorf("Match(%q, %q) = %v", filter, name, got)
		}
		if got := treeMatches(filter, name); got != want {
			t.Errorf("Tree with %q, Match(%q) = %v", filter, name, got)
		}
	})
}

func BenchmarkMatch(b *testing.B) {
	b.ReportAllocs()
	for b.Loop() {
		if !Match("sensors/+/temperature/#", "sensors/kitchen/temperature/celsius") {
			b.Fatal("no match")
		}
	}
}
