package inside

import (
	"errors"
	"testing"

	"lmqgate/adapter/packet"
	"lmqgate/meta/access"
	"lmqgate/meta/message"
	"lmqgate/meta/topic"
)

// TestTenantReads: a reading for a tenant asks for filters in its space, sees messages by its own names, and none of others.
func TestTenantReads(t *testing.T) {
	space, err := topic.SpaceOf("acme")
	if err != nil {
		t.Fatal(err)
	}
	if in, err := mounted(space, []string{"T/#", "$share/g/T"}); err != nil || in[0] != "$tenant/acme/T/#" || in[1] != "$share/g/$tenant/acme/T" {
		t.Errorf("%q, %v", in, err)
	}
	for filter, code := range map[string]packet.ReasonCode{
		"$tenant/beta/#": packet.NotAuthorized, "$share/g/$tenant/beta/#": packet.NotAuthorized, "$SYS/#": packet.NotAuthorized,
		"a#": packet.TopicFilterInvalid, "$share//a": packet.TopicFilterInvalid,
	} {
		var refused *message.FilterError
		if _, err := mounted(space, []string{filter}); !errors.As(err, &refused) || refused.Code != byte(code) {
			t.Errorf("%s: %v", filter, err)
		}
	}
	g := &reading{space: space}
	m := &message.Message{Topic: "$tenant/acme/T/x"}
	if a := (message.Arrival{Message: m}); !g.unmount(&a) || a.Message.Topic != "T/x" || m.Topic != "$tenant/acme/T/x" {
		t.Errorf("%+v", a.Message)
	}
	if a := (message.Arrival{Message: &message.Message{Topic: "$tenant/beta/T/x"}}); g.unmount(&a) {
		t.Error("another tenant's message is read")
	}
	q := message.ReadRequest{Name: "$http/x", Filters: []string{"T"}, Identity: access.Identity{Tenant: "a/b"}}
	if _, err := New(Config{}).Open(t.Context(), q); !errors.Is(err, message.ErrNotAllowed) {
		t.Errorf("a tenant that is none: %v", err)
	}
}
