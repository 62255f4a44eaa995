package push

import (
	"testing"

	"lmqgate/meta/message"
	"lmqgate/meta/push"
)

// TestDeadLettersOfTenants: a message of a tenant's target, which is read by the tenant's own names, is given up into its space.
func TestDeadLettersOfTenants(t *testing.T) {
	m := &message.Message{Topic: "T/x", Properties: message.Properties{ResponseTopic: "T/r"}}
	d, err := letter(&push.Target{Name: "n", Tenant: "acme", DeadLetter: "T/dead"}, m, 1, outcome{})
	if err != nil || d.Topic != "$tenant/acme/T/dead" || d.Properties.ResponseTopic != "$tenant/acme/T/r" {
		t.Errorf("%+v, %v", d, err)
	}
	if d, err = letter(&push.Target{Name: "n", DeadLetter: "T/dead"}, m, 1, outcome{}); err != nil || d.Topic != "T/dead" || d.Properties.ResponseTopic != "T/r" {
		t.Errorf("%+v, %v", d, err)
	}
	if _, err = letter(&push.Target{Name: "n", Tenant: "a/b", DeadLetter: "T/dead"}, m, 1, outcome{}); err == nil {
		t.Error("a tenant that is none")
	}
}
