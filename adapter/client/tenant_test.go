package client

import (
	"context"
	"fmt"
	"slices"
	"strings"
	"testing"
	"testing/synctest"

	"lmqgate/adapter/packet"
	"lmqgate/meta/access"
	"lmqgate/meta/session"
)

// ofTenants finds the tenant in front of the user name, and in the whole of it where there is no '/'.
type ofTenants struct{}

func (ofTenants) Verify(_ context.Context, l *access.Login) (access.Identity, error) {
	tenant, user, _ := strings.Cut(l.Username, "/")
	return access.Identity{Username: user, Method: "test", Tenant: tenant}, nil
}

func of(user string) func(*packet.Connect) {
	return func(c *packet.Connect) { c.HasUsername, c.Username = true, user }
}

// TestTenantNames: rules and answers are about a tenant's own names; what is kept is in its space.
func TestTenantNames(t *testing.T) {
	var asked []string
	deps := func(d *Deps) {
		d.Verifier = ofTenants{}
		d.Access = rules(func(id access.Identity, clientID string, a access.Action, topic string) bool {
			asked = append(asked, fmt.Sprintf("%s %s %d %s", id.Username, clientID, a, topic))
			return true
		})
	}
	runWith(t, Config{P2P: true, TopicAliases: 2}, deps, func(t *testing.T, r *rig) {
		p := r.dial(v5, false, nil)
		p.send(connect(v5, "c", of("acme/ann"), func(c *packet.Connect) { c.Will = &packet.Will{Topic: "w"} })).want("CONNACK 00")
		p.send(pub(1, 1, "t/x", "1"), &packet.Publish{Topic: "t/y", TopicAlias: 1, QoS: 1, PacketID: 2}, &packet.Publish{TopicAlias: 1, QoS: 1, PacketID: 3})
		p.want("PUBACK 1, PUBACK 2, PUBACK 3")
		p.send(subscribe(1, "t/#", "$share/g/t", "x/p2p/c/#", "x/p2p/d/#", "$SYS/#", "$tenant/beta/#", "$share/g/$tenant/beta/t"))
		p.want("SUBACK 1 01 01 01 87 87 87 87")
		p.send(pub(1, 4, "$tenant/beta/t", ""), pub(2, 5, "$x", "")).want("PUBACK 4 87, PUBREC 5 87")
		c := r.srv.settled("$tenant/acme/c")
		if c == nil {
			t.Fatal("the client is not there under its tenant's id")
		}
		want := []string{"$share/g/$tenant/acme/t", "$tenant/acme/t/#", "$tenant/acme/x/p2p/c/#"}
		if !slices.Equal(c.filters, want) {
			t.Errorf("has %q", c.filters)
		}
		p.send(&packet.Unsubscribe{PacketID: 6, Filters: []string{"t/#", "$share/g/t", "$SYS/#"}})
		synctest.Wait()
		if !slices.Equal(c.filters, want[2:]) {
			t.Errorf("has %q after UNSUBSCRIBE", c.filters)
		}
		for _, line := range asked {
			if strings.Contains(line, "$") || !strings.HasPrefix(line, "ann c ") {
				t.Errorf("the rules were asked about %q", line)
			}
		}
		stored := r.log.stored()
		if len(stored) != 3 {
			t.Errorf("stored %q", stored)
		}
		for _, line := range stored {
			if !strings.Contains(line, "$tenant/acme/t/") {
				t.Errorf("stored %q", line)
			}
		}
		// The same id of another tenant, and of nobody, take nothing over.
		r.dial(v5, false, nil).send(connect(v5, "c", of("beta/ann"))).want("CONNACK 00")
		r.dial(v5, false, nil).send(connect(v5, "c", of("/ann"))).want("CONNACK 00")
		if r.srv.Len() != 3 {
			t.Errorf("%d clients", r.srv.Len())
		}
		for _, id := range []string{"$tenant/acme/c", "$tenant", "$tenant/"} {
			r.dial(v5, false, nil).send(connect(v5, id, of("/ann"))).want("CONNACK 85, closed 85")
			r.dial(v5, false, nil).send(connect(v5, id, of("beta/ann"))).want("CONNACK 85, closed 85")
		}
		r.dial(v5, false, nil).send(connect(v5, "d", of("a b/ann"))).want("CONNACK 86, closed 86")
		r.dial(v5, false, nil).send(connect(v5, strings.Repeat("d", 65530), of("acme/ann"))).want("CONNACK 85, closed 85")
	})
}

// TestTenantKeepsItsSpace: neither an operator nor a session of other days lets a tenant's client out of its space.
func TestTenantKeepsItsSpace(t *testing.T) {
	runWith(t, Config{MaxSubscriptions: 9}, func(d *Deps) { d.Verifier, d.Access = ofTenants{}, access.And{} }, func(t *testing.T, r *rig) {
		r.dial(v5, false, nil).send(connect(v5, "c", of("acme/ann"), lasting)).want("CONNACK 00")
		c := r.srv.settled("$tenant/acme/c")
		for filter, want := range map[string]packet.ReasonCode{
			"$tenant/acme/#": 0, "$share/g/$tenant/acme/x": 0,
			"#": packet.NotAuthorized, "$tenant/beta/x": packet.NotAuthorized, "$share/g/x": packet.NotAuthorized, "$tenant/+/x": packet.NotAuthorized,
		} {
			w := session.Word{Kind: session.WordSubscribe, ClientID: c.id, Reply: filter, Subscription: session.Subscription{Filter: filter}}
			if code, absent := c.carryOut(w); code != byte(want) || absent {
				t.Errorf("%s: %02x %v", filter, code, absent)
			}
		}
		st := session.State{Subscriptions: []session.Subscription{
			{Filter: "#", Granted: true}, {Filter: "$tenant/beta/x", Granted: true}, {Filter: "x"}, {Filter: "$tenant/acme/x", Granted: true}, {Filter: "$tenant/acme/y"},
		}}
		if c.revoke(&st); len(st.Subscriptions) != 2 || st.Subscriptions[0].Filter != "$tenant/acme/x" {
			t.Errorf("kept %+v", st.Subscriptions)
		}
	})
}
