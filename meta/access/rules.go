package access

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"strings"

	"lmqgate/meta/topic"
)

// Rule allows or forbids actions on the topics that a filter covers. The first rule of a list that covers an action decides.
type Rule struct {
	Allow   bool
	Actions []Action
	// Topic is a topic filter, in which %c stands for the client id and %u for the verified user name, each as a whole level or
	// within one. "" never appears.
	Topic string
}

// maxRules bounds the rules of one list.
const maxRules = 1000

// ErrRules says that a text is not a list of rules; what is wrong stands before it.
var ErrRules = errors.New(`rules are a JSON list of {"permission":"allow"|"deny","action":"publish"|"subscribe"|"retain"|"all","topic":"a/%u/#"}, ` +
	`or {"pub":["a/#"],"sub":["a/#"],"all":["b/#"]}`)

// ParseRules reads rules from JSON, in either form that ErrRules shows. The second form allows only, and retaining with it
// where publishing is. An empty list is not nil: nothing is allowed by it.
func ParseRules(text []byte) ([]Rule, error) {
	text = bytes.TrimSpace(text)
	if len(text) > 0 && text[0] == '{' {
		return parseRuleLists(text)
	}
	var list []struct {
		Permission string `json:"permission"`
		Action     string `json:"action"`
		Topic      string `json:"topic"`
	}
	d := json.NewDecoder(bytes.NewReader(text))
	d.DisallowUnknownFields()
	if err := decodeAll(d, &list); err != nil {
		return nil, fmt.Errorf("%v: %w", err, ErrRules)
	}
	if len(list) > maxRules {
		return nil, fmt.Errorf("more than %d rules: %w", maxRules, ErrRules)
	}
	rules := make([]Rule, 0, len(list))
	for i, one := range list {
		actions, ok := ruleActions[strings.ToLower(one.Action)]
		if permission := strings.ToLower(one.Permission); !ok || permission != "allow" && permission != "deny" {
			return nil, fmt.Errorf("rule %d: unknown action or permission: %w", i+1, ErrRules)
		}
		if err := validRuleTopic(one.Topic); err != nil {
			return nil, fmt.Errorf("rule %d: %w", i+1, err)
		}
		rules = append(rules, Rule{Allow: strings.EqualFold(one.Permission, "allow"), Actions: actions, Topic: one.Topic})
	}
	return rules, nil
}

// decodeAll decodes the only value there is.
func decodeAll(d *json.Decoder, into any) error {
	if err := d.Decode(into); err != nil {
		return err
	}
	if _, err := d.Token(); !errors.Is(err, io.EOF) {
		return errors.New("something stands behind it")
	}
	return nil
}

var ruleActions = map[string][]Action{
	"publish": {Publish}, "subscribe": {Subscribe}, "retain": {Retain}, "all": {Publish, Subscribe, Retain},
}

func parseRuleLists(text []byte) ([]Rule, error) {
	var lists struct {
		Pub []string `json:"pub"`
		Sub []string `json:"sub"`
		All []string `json:"all"`
	}
	d := json.NewDecoder(bytes.NewReader(text))
	d.DisallowUnknownFields()
	if err := decodeAll(d, &lists); err != nil {
		return nil, fmt.Errorf("%v: %w", err, ErrRules)
	}
	if len(lists.Pub)+len(lists.Sub)+len(lists.All) > maxRules {
		return nil, fmt.Errorf("more than %d rules: %w", maxRules, ErrRules)
	}
	rules := []Rule{} // not nil: who has no right at all has rules
	for _, part := range []struct {
		topics  []string
		actions []Action
	}{{lists.Pub, []Action{Publish, Retain}}, {lists.Sub, []Action{Subscribe}}, {lists.All, ruleActions["all"]}} {
		for _, name := range part.topics {
			if err := validRuleTopic(name); err != nil {
				return nil, err
			}
			rules = append(rules, Rule{Allow: true, Actions: part.actions, Topic: name})
		}
	}
	return rules, nil
}

func validRuleTopic(filter string) error {
	if topic.ValidFilter(filter) != nil {
		return fmt.Errorf("%.100q is not a topic filter: %w", filter, ErrRules)
	}
	if strings.HasPrefix(filter, "$share/") { // it would cover nothing: subscriptions are looked at without it
		return fmt.Errorf("%.100q is of a shared subscription, give the filter inside: %w", filter, ErrRules)
	}
	return nil
}
