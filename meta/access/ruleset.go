package access

import (
	"slices"
	"strings"

	"lmqgate/meta/topic"
)

// And allows what all of them allow.
type And []Authorizer

var _ Authorizer = And(nil)

// Allowed implements Authorizer.
func (a And) Allowed(id Identity, clientID string, action Action, name string) bool {
	for _, one := range a {
		if !one.Allowed(id, clientID, action, name) {
			return false
		}
	}
	return true
}

// RuleSet is an Authorizer by rules: first those of the identity, then those of everybody. The first rule that has something to
// say of an action decides. Where none has, an identity with rules of its own, or with an empty list of them, may not, others may if Default says so.
//
// A subscription is allowed by a rule whose filter covers all that the subscription's matches, and forbidden by one that
// covers any of it. Several allowing rules that cover it only together do not allow it.
type RuleSet struct {
	Everybody []Rule
	Default   bool
}

var _ Authorizer = (*RuleSet)(nil)

// Allowed implements Authorizer. Of a shared subscription it takes the whole filter as well as the one inside.
func (s *RuleSet) Allowed(id Identity, clientID string, a Action, name string) bool {
	if id.Rules == nil && len(s.Everybody) == 0 {
		return s.Default
	}
	if a == Subscribe {
		if _, inner, shared, err := topic.ParseShared(name); err == nil && shared {
			name = inner
		}
	}
	for _, rules := range [2][]Rule{id.Rules, s.Everybody} {
		for i := range rules {
			if r := &rules[i]; slices.Contains(r.Actions, a) && r.decides(&id, clientID, a, name) {
				return r.Allow
			}
		}
	}
	return s.Default && id.Rules == nil
}

// decides reports whether the rule has something to say of a topic name or filter.
func (r *Rule) decides(id *Identity, clientID string, a Action, name string) bool {
	filter, ok := r.filled(id, clientID)
	switch {
	case !ok:
		return false
	case r.Allow && a == Subscribe:
		return topic.Covers(filter, name)
	case a == Subscribe:
		return topic.Overlaps(filter, name)
	}
	return topic.Match(filter, name)
}

// filled is the rule's filter with %c and %u filled in. A user name that nobody has verified fills nothing. A value with
// characters that mean something in filters cannot widen what is allowed; what is forbidden it may.
func (r *Rule) filled(id *Identity, clientID string) (filter string, ok bool) {
	filter = r.Topic
	if !strings.Contains(filter, "%") {
		return filter, true
	}
	for _, p := range [2]struct {
		mark, value string
		known       bool
	}{{"%c", clientID, clientID != ""}, {"%u", id.Username, id.Username != "" && id.Method != MethodAnonymous}} {
		if !strings.Contains(filter, p.mark) {
			continue
		}
		if !p.known || r.Allow && strings.ContainsAny(p.value, "/+#\x00%") {
			return "", false
		}
		filter = strings.ReplaceAll(filter, p.mark, p.value)
	}
	if topic.ValidFilter(filter) != nil {
		return "#", !r.Allow
	}
	return filter, true
}
