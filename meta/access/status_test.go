package access

import "testing"

func TestStatusRule(t *testing.T) {
	named := NewStatusRule([]string{"ops", "ann"})
	everybody := NewStatusRule([]string{"ops", Everybody})
	nobody := NewStatusRule(nil)
	ops := Identity{Username: "ops", Method: "scram"}
	claims := Identity{Username: "ops", Method: MethodAnonymous}
	for _, c := range []struct {
		rule   *StatusRule
		id     Identity
		action Action
		topic  string
		want   bool
	}{
		{named, ops, Subscribe, "$SYS/#", true},
		{named, ops, Subscribe, "$SYS", true},
		{named, ops, Subscribe, "$share/g/$SYS/broker/version", true},
		{named, ops, Subscribe, "%SYS_MQTT/online_offline_event", true},
		{named, Identity{Username: "ann", Method: "hmac"}, Subscribe, "$SYS/+/clients/#", true},
		{named, Identity{Username: "bob", Method: "hmac"}, Subscribe, "$SYS/#", false},
		{named, Identity{Username: "*", Method: "hmac"}, Subscribe, "$SYS/#", false},
		{named, claims, Subscribe, "$SYS/#", false},
		{named, claims, Subscribe, "$SYS", false},
		{named, claims, Subscribe, "$share/g/$SYS/#", false},
		{named, claims, Subscribe, "%SYS_MQTT/#", false},
		{named, Identity{}, Subscribe, "$SYS/#", false},
		{everybody, claims, Subscribe, "$SYS/#", true},
		{everybody, Identity{}, Subscribe, "$SYS/#", true},
		{nobody, Identity{}, Subscribe, "$SYS/#", false},
		{nobody, ops, Subscribe, "$SYS/#", false},

		{named, ops, Publish, "$SYS/broker/version", false},
		{everybody, ops, Publish, "$SYS", false},
		{everybody, ops, Publish, "%SYS_MQTT/online_offline_event", false},

		{nobody, claims, Subscribe, "#", true},
		{nobody, claims, Subscribe, "+/broker/version", true},
		{nobody, claims, Subscribe, "/$SYS/x", true},
		{nobody, claims, Subscribe, "$SYSTEM/x", true},
		{nobody, claims, Subscribe, "a/$SYS/x", true},
		{nobody, claims, Subscribe, "$share/$SYS/a", true}, // a group of that name
		{nobody, claims, Publish, "a/b", true},
		{nobody, claims, Publish, "$share/g/$SYS/x", true}, // a topic name has no share
		{nobody, claims, Publish, "$other", true},
	} {
		if got := c.rule.Allowed(c.id, "c", c.action, c.topic); got != c.want {
			t.Errorf("Allowed(%+v, %v, %q) = %v", c.id, c.action, c.topic, got)
		}
	}
}
