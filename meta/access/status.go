package access

import (
	"slices"
	"strings"

	"lmqgate/meta/topic"
)

// First levels of the topics that tell of the gateway itself. Only the gateway publishes to them.
const (
	StatusLevel   = "$SYS"      // status topics
	PresenceLevel = "%SYS_MQTT" // clients that come and go, as Apache RocketMQ MQTT names it
)

// Everybody in the list of NewStatusRule stands for all clients, anonymous ones too.
const Everybody = "*"

// StatusRule allows everything except: nobody may publish to the gateway's own topics ($SYS and %SYS_MQTT), and only
// the named users may subscribe to them. A user name counts only if it was verified: what an anonymous client calls
// itself does not.
type StatusRule struct {
	users     map[string]bool
	everybody bool
}

var _ Authorizer = (*StatusRule)(nil)

// NewStatusRule returns the rule for the users who may read the gateway's own topics; no users: nobody may.
func NewStatusRule(users []string) *StatusRule {
	r := &StatusRule{users: make(map[string]bool, len(users)), everybody: slices.Contains(users, Everybody)}
	for _, name := range users {
		r.users[name] = true
	}
	return r
}

// Allowed implements Authorizer. Of a shared subscription it takes the whole filter as well as the one inside. A filter
// that begins with a wildcard is allowed: it matches no topic of $SYS [MQTT-4.7.2-1], and presence events are dispatched
// to filters that name their first level only.
func (r *StatusRule) Allowed(id Identity, _ string, a Action, name string) bool {
	if a == Subscribe {
		if _, inner, shared, err := topic.ParseShared(name); err == nil && shared {
			name = inner
		}
	}
	switch first, _, _ := strings.Cut(name, "/"); first { // "/$SYS/x" is another topic
	case StatusLevel, PresenceLevel:
		return a == Subscribe && (r.everybody || id.Method != MethodAnonymous && r.users[id.Username])
	}
	return true
}
