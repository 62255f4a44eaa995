package client

import (
	"strings"
	"testing"
	"time"

	"lmqgate/adapter/packet"
	"lmqgate/meta/access"
	"lmqgate/meta/message"
)

// rules are an access.Authorizer.
type rules func(id access.Identity, clientID string, a access.Action, topic string) bool

func (r rules) Allowed(id access.Identity, clientID string, a access.Action, topic string) bool {
	return r(id, clientID, a, topic)
}

// noSecrets forbids what begins with "secret", and everybody but "eve" to publish to "eve/...".
func noSecrets(id access.Identity, clientID string, a access.Action, topic string) bool {
	if clientID != "c" {
		return false
	}
	if strings.HasPrefix(topic, "eve/") && a == access.Publish {
		return id.Username == "eve"
	}
	return !strings.HasPrefix(topic, "secret")
}

// TestAccess: what is forbidden, in both dialects.
func TestAccess(t *testing.T) {
	v4 := packet.V311
	will := func(topic string) func(*packet.Connect) {
		return func(c *packet.Connect) { c.Will = &packet.Will{Topic: topic} }
	}
	user := func(c *packet.Connect) { c.HasUsername, c.Username = true, "eve" }
	utf := func(p *packet.Publish) *packet.Publish {
		p.Properties.HasFormat, p.Properties.PayloadFormat = true, 1
		return p
	}
	for _, tt := range []struct {
		name   string
		v      packet.Version
		send   []any
		want   string
		stored int
	}{
		{"allowed", v5, []any{connect(v5, "c"), pub(1, 1, "t", "")}, "CONNACK 00, PUBACK 1", 1},
		{"QoS 1", v5, []any{connect(v5, "c"), pub(1, 1, "secret/x", ""), pub(1, 2, "t", "")}, "CONNACK 00, PUBACK 1 87, PUBACK 2", 1},
		{
			"QoS 2", v5,
			[]any{connect(v5, "c"), pub(2, 1, "secret/x", ""), pub(2, 1, "t", ""), &packet.Pubrel{PacketID: 1}},
			"CONNACK 00, PUBREC 1 87, PUBREC 1, PUBCOMP 1", 1,
		},
		{"QoS 0", v5, []any{connect(v5, "c"), pub(0, 0, "secret/x", "")}, "CONNACK 00, DISCONNECT 87, closed 87", 0},
		{"QoS 0, 3.1.1", v4, []any{connect(v4, "c"), pub(0, 0, "secret/x", "")}, "CONNACK 00, closed 87", 0},
		{"QoS 1, 3.1.1", v4, []any{connect(v4, "c"), pub(1, 1, "secret/x", "")}, "CONNACK 00, closed 87", 0},
		{"QoS 2, 3.1.1", v4, []any{connect(v4, "c"), pub(2, 1, "secret/x", "")}, "CONNACK 00, closed 87", 0},
		{
			"by alias", v5,
			[]any{connect(v5, "c"), &packet.Publish{Topic: "secret", TopicAlias: 1, QoS: 1, PacketID: 1}, &packet.Publish{TopicAlias: 1, QoS: 1, PacketID: 2}},
			"CONNACK 00, PUBACK 1 87, PUBACK 2 87", 0,
		},
		{"by user", v5, []any{connect(v5, "c"), pub(1, 1, "eve/x", "")}, "CONNACK 00, PUBACK 1 87", 0},
		{"by the right user", v5, []any{connect(v5, "c", user), pub(1, 1, "eve/x", "")}, "CONNACK 00, PUBACK 1", 1},
		{"$SYS", v5, []any{connect(v5, "c"), pub(1, 1, "$SYS/x", ""), pub(2, 2, "$SYS", "")}, "CONNACK 00, PUBACK 1 87, PUBREC 2 87", 0},
		{"$SYS, 3.1.1", v4, []any{connect(v4, "c"), pub(1, 1, "$SYS/x", "")}, "CONNACK 00, closed 87", 0},
		{"other $ topics", v5, []any{connect(v5, "c"), pub(1, 1, "$x/y", "")}, "CONNACK 00, PUBACK 1", 1},

		{"SUBSCRIBE", v5, []any{connect(v5, "c"), subscribe(1, "a", "secret/#", "$share/g/secret", "$share/secret/a")}, "CONNACK 00, SUBACK 1 01 87 87 01", 0},
		{"SUBSCRIBE, 3.1.1", v4, []any{connect(v4, "c"), subscribe(1, "a", "secret/#")}, "CONNACK 00, SUBACK 1 01 80", 0},
		{"SUBSCRIBE, all forbidden", v5, []any{connect(v5, "c"), subscribe(1, "secret")}, "CONNACK 00, SUBACK 1 87", 0},

		{"will", v5, []any{connect(v5, "c", will("t"))}, "CONNACK 00", 0},
		{"will, forbidden", v5, []any{connect(v5, "c", will("secret"))}, "CONNACK 87, closed 87", 0},
		{"will, forbidden, 3.1.1", v4, []any{connect(v4, "c", will("secret"))}, "CONNACK 05, closed 87", 0},
		{"will to $SYS", v5, []any{connect(v5, "c", will("$SYS/x"))}, "CONNACK 87, closed 87", 0},

		{"payload format", v5, []any{connect(v5, "c"), utf(pub(1, 1, "t", "gr\u00fcn"))}, "CONNACK 00, PUBACK 1", 1},
		{"payload format, QoS 1", v5, []any{connect(v5, "c"), utf(pub(1, 1, "t", "\xff")), pub(1, 2, "t", "\xff")}, "CONNACK 00, PUBACK 1 99, PUBACK 2", 1},
		{"payload format, QoS 2", v5, []any{connect(v5, "c"), utf(pub(2, 1, "t", "\xff"))}, "CONNACK 00, PUBREC 1 99", 0},
		{"payload format, QoS 0", v5, []any{connect(v5, "c"), utf(pub(0, 0, "t", "\xff"))}, "CONNACK 00, DISCONNECT 99, closed 99", 0},
		{"payload format of a will", v5, []any{connect(v5, "c", func(c *packet.Connect) {
			c.Will = &packet.Will{Topic: "w", Payload: []byte("\xff"), Properties: packet.Properties{HasFormat: true, PayloadFormat: 1}}
		})}, "CONNACK 99, closed 99", 0},
	} {
		t.Run(tt.name, func(t *testing.T) {
			runWith(t, Config{}, func(d *Deps) { d.Access = rules(noSecrets) }, func(t *testing.T, r *rig) {
				r.dial(tt.v, false, nil).send(tt.send...).want(tt.want)
				if n := len(r.log.stored()); n != tt.stored {
					t.Errorf("%d stored", n)
				}
			})
		})
	}
}

// TestRefusedKeepOrder: refused PUBLISHes are answered in their turn, count against Receive Maximum until then, and cannot
// pile up.
func TestRefusedKeepOrder(t *testing.T) {
	deps := func(d *Deps) { d.Access = rules(noSecrets) }
	runWith(t, Config{ReceiveMaximum: 3}, deps, func(t *testing.T, r *rig) {
		release := r.log.hold()
		p := r.dial(v5, false, nil).send(connect(v5, "c"), pub(1, 1, "t", ""), pub(1, 2, "secret", ""), pub(1, 3, "secret", ""))
		p.want("CONNACK 00")
		release()
		p.want("PUBACK 1, PUBACK 2 87, PUBACK 3 87")
		defer r.log.hold()()
		p.send(pub(1, 1, "t", ""), pub(1, 2, "secret", ""), pub(1, 3, "secret", ""), pub(1, 4, "secret", "")).want("DISCONNECT 93, closed 93")
	})
	runWith(t, Config{ReceiveMaximum: 65535}, deps, func(t *testing.T, r *rig) {
		release := r.log.hold()
		p := r.dial(v5, false, nil).send(connect(v5, "c"), pub(2, 1, "t", ""))
		for range 2 * maxAcks {
			p.send(pub(2, 2, "secret", ""))
		}
		p.want("CONNACK 00")
		if n := len(p.out); n < maxAcks-1 || n > maxAcks {
			t.Errorf("%d PUBLISHes are held back", n)
		}
		release()
		if n := strings.Count(p.take(), "PUBREC 2 87"); n != 2*maxAcks {
			t.Errorf("%d refused", n)
		}
	})
}

// TestPermissionLost: a packet id of QoS 2 that was let through once is let through to its end.
func TestPermissionLost(t *testing.T) {
	allowed := true
	deps := func(d *Deps) {
		d.Access = rules(func(access.Identity, string, access.Action, string) bool { return allowed })
	}
	runWith(t, Config{}, deps, func(t *testing.T, r *rig) {
		p := r.dial(v5, false, nil).send(connect(v5, "c"), pub(2, 1, "t", "x"))
		p.want("CONNACK 00, PUBREC 1")
		allowed = false
		again := pub(2, 1, "t", "x")
		again.DUP = true
		p.send(again, &packet.Pubrel{PacketID: 1}, pub(2, 1, "t", "y")).want("PUBREC 1, PUBCOMP 1, PUBREC 1 87")
		equal(t, "stored", r.log.stored(), []string{"t x"})
	})
}

// TestNotRetained: a message that could not be retained is published all the same.
func TestNotRetained(t *testing.T) {
	j := &journal{}
	run(t, Config{Logger: newLogger(j)}, func(t *testing.T, r *rig) {
		r.log.verdict = func(*message.Message) (time.Duration, bool, error) { return 0, true, message.ErrNotRetained }
		for v, want := range map[packet.Version]string{
			packet.V311: "CONNACK 00, PUBACK 1, PUBREC 2, PUBCOMP 2", v5: "CONNACK 00, PUBACK 1 97, PUBREC 2 97, PUBCOMP 2 92",
		} {
			p := r.dial(v, false, nil).send(connect(v, "c"+v.String()), pub(0, 0, "t", ""), pub(1, 1, "t", ""), pub(2, 2, "t", ""))
			time.Sleep(2 * time.Second)
			p.send(&packet.Pubrel{PacketID: 2}).want(want)
		}
	})
	if n := j.count("WARN a message was not retained"); n == 0 || n > 2 {
		t.Errorf("%d warnings", n)
	}
}

// TestRetainedAfterSuback: retained messages are asked for once SUBACK is queued, and only if there may be any.
func TestRetainedAfterSuback(t *testing.T) {
	run(t, Config{}, func(t *testing.T, r *rig) {
		r.deliver.retained = func() { r.deliver.last().link.Send(pub(0, 0, "old", "x")) }
		p := r.dial(v5, false, nil).send(connect(v5, "c"), subscribe(1, "a"), subscribe(2, "#/a"), subscribe(3, "b", "#/a"))
		p.want("CONNACK 00, SUBACK 1 01, PUBLISH old x, SUBACK 2 8f, SUBACK 3 01 8f, PUBLISH old x")
	})
}
