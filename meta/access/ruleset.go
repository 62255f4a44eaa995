package access

import (
	"slices"
	"sync/atomic"

	"lmqgate/meta/topic"
)

// And allows what all of them allow, and an operator's identity to read whatever there is.
type And []Authorizer

var _ Authorizer = And(nil)

// Allowed implements Authorizer.
func (a And) Allowed(id Identity, clientID string, action Action, name string) bool {
	if id.Operator && action == Subscribe {
		return true
	}
	for _, one := range a {
		if !one.Allowed(id, clientID, action, name) {
			return false
		}
	}
	return true
}

// RuleSet is an Authorizer by rules: first those of the identity, then those of everybody. The first rule that covers an action
// and topic decides. Where none does, an identity with rules of its own, be the list empty, may not, others may if Default says so.
//
// A subscription is allowed exactly if every topic that its filter matches is, be it by several rules together. Questions
// about so many rules with wildcards that the answer would take long are answered with no.
//
// Topics of tenants, as those see them who have none, are allowed by a rule that names `$tenant`, never by Default. A tenant's
// own names, which are asked about for its clients, are topics like any other.
//
// In a rule %c is the client id, which proves as much as the authentication binds it, and %u the user name, if that was
// verified. A value fills a rule only if it can be (part of) one level: not empty, not with '/', '+', '#', NUL or '%', not
// with a '$' in front of a first level. With any other value a rule that allows covers nothing, and one that forbids covers
// that level whatever it is.
type RuleSet struct {
	Everybody []Rule
	Default   bool
}

var _ Authorizer = (*RuleSet)(nil)

// Live is an Authorizer by rules that change. Make it with NewLive; it is safe for concurrent use.
type Live struct{ set atomic.Pointer[RuleSet] }

var _ Authorizer = (*Live)(nil)

// NewLive returns one with these rules.
func NewLive(rules *RuleSet) *Live {
	l := &Live{}
	l.Set(rules)
	return l
}

// Set puts rules in the place of those that were there.
func (l *Live) Set(rules *RuleSet) { l.set.Store(rules) }

// Allowed implements Authorizer.
func (l *Live) Allowed(id Identity, clientID string, a Action, name string) bool {
	return l.set.Load().Allowed(id, clientID, a, name)
}

// Allowed implements Authorizer. Of a shared subscription it takes the whole filter as well as the one inside. For Publish
// and Retain it does not allocate.
func (s *RuleSet) Allowed(id Identity, clientID string, a Action, name string) bool {
	byDefault := s.Default && id.Rules == nil && !ofTenants(name)
	if len(id.Rules) == 0 && len(s.Everybody) == 0 {
		return byDefault
	}
	lists := [2][]Rule{id.Rules, s.Everybody}
	v := valuesOf(&id, clientID)
	if a == Subscribe {
		return subscribable(name, lists, &v, byDefault)
	}
	for _, rules := range lists {
		for i := range rules {
			if r := &rules[i]; slices.Contains(r.Actions, a) && v.covers(r, name) {
				return r.Allow
			}
		}
	}
	return byDefault
}

func ofTenants(name string) bool {
	if name == "" || name[0] != '$' {
		return false
	}
	if _, inner, shared, err := topic.ParseShared(name); err == nil && shared {
		name = inner
	}
	return topic.Reserves(name)
}
