package access

import (
	"math/rand/v2"
	"strings"
	"testing"

	"lmqgate/meta/topic"
)

// list makes rules of words such as "+s a/#" (allow subscribe), "-* b" (deny all).
func list(words ...string) []Rule {
	var rules []Rule
	for _, w := range words {
		how, filter, _ := strings.Cut(w, " ")
		actions := map[byte][]Action{'s': {Subscribe}, 'p': {Publish}, 'r': {Retain}, '*': {Publish, Subscribe, Retain}}[how[1]]
		rules = append(rules, Rule{Allow: how[0] == '+', Actions: actions, Topic: filter})
	}
	return rules
}

// TestRuleSetEdges: values that cannot fill a rule, several rules together, and an identity that may do nothing.
func TestRuleSetEdges(t *testing.T) {
	ann := Identity{Username: "ann", Method: "jwt"}
	claims := Identity{Username: "ann", Method: MethodAnonymous}
	for _, c := range []struct {
		id     Identity
		client string
		rules  []Rule
		open   bool // Default
		a      Action
		topic  string
		want   bool
	}{
		{ann, "c", list("+p u/x-%u-%c/y"), false, Publish, "u/x-ann-c/y", true},
		{ann, "c", list("+p u/%u/#"), false, Publish, "u/anna", false},
		{claims, "c", list("+p u/%u/#"), false, Publish, "u/ann/x", false},
		{claims, "c", list("-p u/%u"), true, Publish, "u/ann", false},
		{claims, "c", list("-p u/%u"), true, Publish, "u/ann/x", true},
		{claims, "c", list("-s u/%u"), true, Subscribe, "u/+", false},
		{Identity{Username: "a\x00", Method: "jwt"}, "c", list("+p u/%u"), false, Publish, "u/a\x00", false},
		{Identity{Username: "", Method: "jwt"}, "c", list("+p u/%u"), false, Publish, "u/", false},
		{ann, "$SYS", list("+* %c/#"), false, Subscribe, "$SYS/x", false},
		{ann, "a/b", list("-* x/%c"), true, Subscribe, "x/y", false},
		{ann, "", list("+p c/%c"), false, Publish, "c/", false},
		{ann, "c", list("+p +/%c"), false, Publish, "$x/c", false},
		{ann, "c", list("+r a"), false, Publish, "a", false},
		{ann, "c", list("+s a", "+s a/+/#"), false, Subscribe, "a/#", true},
		{ann, "c", list("+s a/b", "-s a/+", "+s #"), false, Subscribe, "a/b", true},
		{ann, "c", list("-s a/b", "+s a/#"), false, Subscribe, "a/+/c", true},
		{ann, "c", nil, true, Publish, "$tenant/acme/x", false},
		{ann, "c", nil, true, Subscribe, "$tenant/#", false},
		{ann, "c", nil, true, Subscribe, "$share/g/$tenant/acme/#", false},
		{ann, "c", nil, true, Subscribe, "$tenantry/#", true},
		{ann, "c", list("-p x", "-s x"), true, Subscribe, "$tenant/acme/#", false},
		{ann, "c", list("-p x", "+p #"), true, Publish, "$tenant/acme/x", false},
		{ann, "c", list("+s $tenant/acme/#"), false, Subscribe, "$tenant/acme/#", true},
		{ann, "c", list("+s $tenant/acme/#"), true, Subscribe, "$tenant/+/x", false},
		{ann, "c", list("-s a/b/#"), true, Subscribe, "+/b/c", false},
		{ann, "c", list("+s #", "-s $x/#"), true, Subscribe, "#", true},
		{ann, "c", list("-s +/p2p/+/#", "+s #"), false, Subscribe, "+/p2p/#", false},
		{ann, "c", list("-s a", "+s #"), false, Subscribe, "$share/g/#", false},
		{Identity{Username: "ann", Method: "jwt", Rules: []Rule{}}, "c", nil, true, Publish, "a", false},
	} {
		if got := (&RuleSet{Everybody: c.rules, Default: c.open}).Allowed(c.id, c.client, c.a, c.topic); got != c.want {
			t.Errorf("%q as %q, %d %q of %v: %v", c.id.Username, c.client, c.a, c.topic, c.rules, got)
		}
	}
}

// names are all topic names of up to three levels over a small alphabet; "z" stands for what no rule names.
func names() (all []string) {
	alphabet := []string{"", "a", "b", "$a", "z", "u"}
	var grow func(prefix string, n int)
	grow = func(prefix string, n int) {
		for _, l := range alphabet {
			if name := prefix + l; name != "" {
				all = append(all, name)
			}
			if n > 1 {
				grow(prefix+l+"/", n-1)
			}
		}
	}
	grow("", 4)
	return all
}

func randomFilter(r *rand.Rand, levels []string) string {
	var f []string
	for range 1 + r.IntN(3) {
		f = append(f, levels[r.IntN(len(levels))])
	}
	if r.IntN(3) == 0 {
		f = append(f, "#")
	}
	s := strings.Join(f, "/")
	if s == "" {
		return "+"
	}
	return s
}

// TestSubscribeBruteForce: a filter is allowed exactly if each topic that it matches is, one by one.
func TestSubscribeBruteForce(t *testing.T) {
	r, all := rand.New(rand.NewPCG(1, 2)), names()
	id := Identity{Username: "u", Method: "jwt"}
	allowedOnes := 0
	for range 3000 {
		filter := randomFilter(r, []string{"", "a", "b", "+", "$a"})
		var rules []Rule
		for range r.IntN(6) {
			rules = append(rules, Rule{
				Allow: r.IntN(3) > 0, Actions: []Action{Publish, Subscribe}, Topic: randomFilter(r, []string{"", "a", "b", "+", "+", "$a", "%u"}),
			})
		}
		az := &RuleSet{Everybody: rules, Default: r.IntN(2) == 0}
		want, why := true, ""
		for _, name := range all {
			if topic.Match(filter, name) && !az.Allowed(id, "c", Publish, name) {
				want, why = false, name
				break
			}
		}
		if got := az.Allowed(id, "c", Subscribe, filter); got != want {
			t.Fatalf("%q with %v, default %v: %v; %q is not allowed", filter, rules, az.Default, got, why)
		}
		if want {
			allowedOnes++
		}
	}
	if allowedOnes < 300 || allowedOnes > 2700 {
		t.Errorf("%d of 3000 are allowed: the cases tell too little", allowedOnes)
	}
}

// TestSubscribeIsBounded: rules that make the question hard are answered with no.
func TestSubscribeIsBounded(t *testing.T) {
	var rules []Rule
	for i := range 40 { // each leaves one level at "a" and so halves what is left
		levels := make([]string, 40)
		for j := range levels {
			levels[j] = "+"
		}
		levels[i] = "a"
		rules = append(rules, Rule{Allow: true, Actions: []Action{Subscribe}, Topic: strings.Join(levels, "/")})
		levels[i] = "b"
		rules = append(rules, Rule{Allow: true, Actions: []Action{Subscribe}, Topic: strings.Join(levels, "/")})
	}
	rules = append(rules, list("-s +/+/#", "+s #")...)
	var v values
	lists := [2][]Rule{nil, rules}
	if subscribable(strings.Repeat("+/", 39)+"+", lists, &v, false) {
		t.Error("allowed")
	}
}

func BenchmarkRuleSetPublish(b *testing.B) {
	id := Identity{Username: "ann", Method: "jwt"}
	az := And{NewStatusRule(nil), &RuleSet{Everybody: list("+p x/#", "+p y/+/z", "+p u/%u/#")}}
	b.ReportAllocs()
	for b.Loop() {
		if !az.Allowed(id, "c", Publish, "u/ann/telemetry") {
			b.Fatal("not allowed")
		}
	}
}
