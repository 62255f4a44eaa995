package e2e

import (
	"testing"

	"lmqgate/adapter/packet"
)

// TestHMAC: the authentication of RocketMQ MQTT, password = Base64(HMAC-SHA1(key, client id)).
func TestHMAC(t *testing.T) {
	t.Parallel()
	f := start(t, 1, mini, "AUTH=hmac", "AUTH_USERNAME=user", "AUTH_SECRET_KEY=secret")
	const good = "aUq9EIQtFh3bxU34oNV89k0NvMk=" // of client id abc
	for _, c := range []struct {
		name, id, user, password string
		ok                       bool
	}{
		{"good", "abc", "user", good, true},
		{"another client id", "abd", "user", good, false},
		{"another user", "abc", "root", good, false},
		{"wrong password", "abc", "user", "secret", false},
		{"nothing", "abc", "", "", false},
	} {
		for _, v := range []packet.Version{packet.V311, packet.V5} {
			for _, addr := range []string{f.instances[0].tcp, f.instances[0].ws()} {
				w := dialed(t, addr, v)
				w.send(&packet.Connect{
					Version: v, ClientID: c.id, CleanStart: true, HasUsername: c.user != "", Username: c.user,
					HasPassword: c.password != "", Password: []byte(c.password),
				})
				t.Logf("%s, %v at %s", c.name, v, addr)
				ack := want[*packet.Connack](t, w)
				code := ack.Code
				switch {
				case c.ok && code != packet.Success:
					t.Errorf("%s, %v: CONNACK %v", c.name, v, code)
				case !c.ok && v == packet.V5 && code != packet.BadUserNameOrPassword:
					t.Errorf("%s, %v: CONNACK %v, want 0x86", c.name, v, code)
				case !c.ok && v == packet.V311 && code != 4:
					t.Errorf("%s, %v: CONNACK %d, want 4", c.name, v, code)
				}
				if !c.ok {
					w.wantEnd(t)
				}
				w.cut()
			}
		}
	}
}
