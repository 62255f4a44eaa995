package access

import (
	"strings"
	"testing"

	"lmqgate/meta/topic"
)

func rulesOf(t *testing.T, text string) []Rule {
	t.Helper()
	rules, err := ParseRules([]byte(text))
	if err != nil {
		t.Fatal(err)
	}
	return rules
}

func TestRuleSet(t *testing.T) {
	everybody := rulesOf(t, `[
		{"permission":"deny","action":"all","topic":"secret/#"},
		{"permission":"allow","action":"publish","topic":"home/%u/%c/#"},
		{"permission":"allow","action":"subscribe","topic":"home/%u/#"},
		{"permission":"allow","action":"subscribe","topic":"news/+"},
		{"permission":"deny","action":"retain","topic":"#"},
		{"permission":"allow","action":"all","topic":"open/#"}]`)
	s := &RuleSet{Everybody: everybody}
	ann := Identity{Username: "ann", Method: "jwt"}
	for _, c := range []struct {
		id     Identity
		client string
		a      Action
		name   string
		want   bool
	}{
		{ann, "c1", Publish, "home/ann/c1/x", true},
		{ann, "c1", Publish, "home/ann/c1", true},
		{ann, "c1", Publish, "home/ann/c2/x", false},
		{ann, "c1", Publish, "home/bob/c1/x", false},
		{Identity{Username: "ann", Method: MethodAnonymous}, "c1", Publish, "home/ann/c1/x", false}, // so she says
		{Identity{Username: "+", Method: "jwt"}, "c1", Subscribe, "home/bob/x", false},
		{Identity{Username: "#", Method: "jwt"}, "c1", Subscribe, "home/#", false},
		{Identity{Username: "ann/x", Method: "jwt"}, "c1", Subscribe, "home/ann/x/y", false},
		{Identity{Username: "%c", Method: "jwt"}, "bob", Publish, "home/bob/bob/x", false},
		{ann, "#", Publish, "home/ann/x", false},
		{ann, "c1", Subscribe, "home/ann/#", true},
		{ann, "c1", Subscribe, "home/ann/+/temp", true},
		{ann, "c1", Subscribe, "home/+/temp", false},
		{ann, "c1", Subscribe, "home/#", false},
		{ann, "c1", Subscribe, "#", false},
		{ann, "c1", Subscribe, "$share/g/home/ann/#", true},
		{ann, "c1", Subscribe, "$share/g/home/#", false},
		{ann, "c1", Subscribe, "news/sport", true},
		{ann, "c1", Subscribe, "news/+", true},
		{ann, "c1", Subscribe, "news/#", false},
		{ann, "c1", Subscribe, "+/sport", false},
		{ann, "c1", Subscribe, "secret/x", false},
		{ann, "c1", Publish, "open/x", true},
		{ann, "c1", Retain, "open/x", false},
		{ann, "c1", Publish, "other", false},
	} {
		if got := s.Allowed(c.id, c.client, c.a, c.name); got != c.want {
			t.Errorf("%s as %s, %d %s: %v", c.id.Username, c.client, c.a, c.name, got)
		}
	}
	// A wildcard must not reach what is forbidden by a rule before the one that allows.
	wide := &RuleSet{Everybody: rulesOf(t, `[{"permission":"deny","action":"subscribe","topic":"a/secret/#"},{"permission":"allow","action":"all","topic":"#"}]`)}
	for name, want := range map[string]bool{
		"#": false, "a/#": false, "+/secret": false, "a/+": false, "+/+/x": false, "a/b": true, "b/#": true, "+": true, "a": true, "$SYS/x": false,
	} {
		if got := wide.Allowed(ann, "c", Subscribe, name); got != want {
			t.Errorf("%s: %v", name, got)
		}
	}
	// Rules of one's own go first, and end the list.
	own := Identity{Username: "ann", Method: "jwt", Rules: rulesOf(t, `{"sub":["secret/ann"]}`)}
	open := &RuleSet{Everybody: everybody, Default: true}
	for name, want := range map[string]bool{"secret/ann": true, "secret/bob": false, "elsewhere": false, "news/x": true} {
		if got := open.Allowed(own, "c", Subscribe, name); got != want {
			t.Errorf("own rules, %s: %v", name, got)
		}
	}
	if !open.Allowed(ann, "c", Subscribe, "elsewhere") || !(&RuleSet{Default: true}).Allowed(ann, "c", Publish, "x") || (&RuleSet{}).Allowed(ann, "c", Publish, "x") {
		t.Error("defaults")
	}
	if (And{open, NewStatusRule(nil)}).Allowed(ann, "c", Subscribe, "$SYS/#") || !(And{open, NewStatusRule(nil)}).Allowed(ann, "c", Subscribe, "elsewhere") {
		t.Error("and")
	}
}

// TestNoRights: an identity whose list of rules is empty may nothing of its own, whatever others may by default; only one without
// a list is as others are.
func TestNoRights(t *testing.T) {
	for _, everybody := range []string{`[]`, `{"sub":["news"]}`} {
		s := &RuleSet{Everybody: rulesOf(t, everybody), Default: true}
		for _, own := range []string{`[]`, `{}`, `{"pub":[],"sub":[]}`} {
			if s.Allowed(Identity{Username: "ann", Method: "jwt", Rules: rulesOf(t, own)}, "c", Subscribe, "elsewhere") {
				t.Errorf("%s beside %s allows everything", own, everybody)
			}
		}
		if !s.Allowed(Identity{Username: "ann", Method: "jwt"}, "c", Subscribe, "elsewhere") {
			t.Errorf("no rules beside %s allow nothing", everybody)
		}
	}
}

// FuzzRuleSet: whatever a client is called and subscribes to, it does not reach a topic that it may not subscribe to by itself.
func FuzzRuleSet(f *testing.F) {
	f.Add("ann", "c1", "home/+/x", "home/bob/x")
	f.Add("#", "+", "#", "home/bob/x")
	rules, err := ParseRules([]byte(`[{"permission":"deny","action":"all","topic":"home/%u/secret/#"},{"permission":"allow","action":"all","topic":"home/%u/%c/#"},` +
		`{"permission":"allow","action":"all","topic":"+/open/%u-%c"}]`))
	if err != nil {
		f.Fatal(err)
	}
	s := &RuleSet{Everybody: rules}
	f.Fuzz(func(t *testing.T, user, client, filter, name string) {
		id := Identity{Username: user, Method: "jwt"}
		if topic.ValidFilter(filter) != nil || strings.HasPrefix(filter, "$share/") || topic.ValidName(name) != nil || !topic.Match(filter, name) {
			return
		}
		if s.Allowed(id, client, Subscribe, filter) && !s.Allowed(id, client, Subscribe, name) {
			t.Errorf("%q as %q reaches %q by %q", user, client, name, filter)
		}
	})
}
