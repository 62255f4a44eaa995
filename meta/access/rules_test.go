package access

import (
	"errors"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
)

func TestParseRules(t *testing.T) {
	all := []Action{Publish, Subscribe, Retain}
	for text, want := range map[string][]Rule{
		`[]`: {},
		`{}`: {}, // not nil, see RuleSet
		`[{"permission":"allow","action":"publish","topic":"a/%u/#"},{"permission":"Deny","action":"ALL","topic":"#"}]`: {
			{Allow: true, Actions: []Action{Publish}, Topic: "a/%u/#"}, {Actions: all, Topic: "#"},
		},
		` {"pub":["p"],"sub":["s/+"],"all":["x/%c"]}`: {
			{Allow: true, Actions: []Action{Publish, Retain}, Topic: "p"},
			{Allow: true, Actions: []Action{Subscribe}, Topic: "s/+"},
			{Allow: true, Actions: all, Topic: "x/%c"},
		},
	} {
		got, err := ParseRules([]byte(text))
		if err != nil {
			t.Errorf("%s: %v", text, err)
		}
		if d := cmp.Diff(want, got); d != "" {
			t.Errorf("%s: %s", text, d)
		}
	}
}

func TestParseRulesRefuses(t *testing.T) {
	for _, text := range []string{
		``, `"a"`, `[{"permission":"allow","action":"publish"}]`, `[{"permission":"maybe","action":"publish","topic":"a"}]`,
		`[{"permission":"allow","action":"read","topic":"a"}]`, `[{"permission":"allow","action":"publish","topic":"a/#/b"}]`,
		`[{"permission":"allow","action":"publish","topic":"a","qos":1}]`, `{"pub":["a+"]}`, `{"sub":["$share/g/a"]}`, `{"publish":["a"]}`, `{"pub":"a"}`,
		`{"pub":[` + strings.Repeat(`"a",`, maxRules) + `"a"]}`,
	} {
		if rules, err := ParseRules([]byte(text)); !errors.Is(err, ErrRules) {
			t.Errorf("%.80s: %v, %v", text, rules, err)
		}
	}
}

// TestRulesEnd: what stands behind a list of rules is not silently left out.
func TestRulesEnd(t *testing.T) {
	for text, ok := range map[string]bool{
		`[]`: true, ` {"sub":["a"]} `: true,
		`[][{"permission":"deny","action":"all","topic":"#"}]`: false, `{"sub":["a"]}{"pub":["b"]}`: false, `{} x`: false, `[]]`: false,
	} {
		if _, err := ParseRules([]byte(text)); (err == nil) != ok {
			t.Errorf("%s: %v", text, err)
		}
	}
}
