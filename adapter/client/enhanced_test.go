package client

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"lmqgate/adapter/packet"
	"lmqgate/meta/access"
)

// steps offers the method "STEPS": the client says who it is and how many rounds it wants, and then "next" or something
// else, as in "ann 2", "next", "next".
type steps struct{}

func (*steps) Methods() []string { return []string{"STEPS"} }

func (*steps) Begin(l *access.Login, method string) (access.Exchange, error) {
	switch {
	case method == "LIMITED":
		return nil, access.ErrLimited
	case method == "DOWN":
		return nil, access.ErrUnavailable
	case method != "STEPS":
		return nil, access.ErrIgnore
	}
	return &exchange{login: l}, nil
}

type exchange struct {
	login *access.Login
	name  string
	left  int
}

func (x *exchange) Next(ctx context.Context, data []byte) ([]byte, *access.Identity, error) {
	switch said := string(data); {
	case x.name == "" && strings.HasPrefix(said, "slow"):
		<-ctx.Done()
		return nil, nil, ctx.Err()
	case x.name == "":
		if _, err := fmt.Sscanf(said, "%s %d", &x.name, &x.left); err != nil {
			return nil, nil, fmt.Errorf("bad first message: %w", access.ErrDenied)
		}
	case said == "next":
		x.left--
	case said == "broken":
		return nil, nil, errors.New("database is away")
	default:
		return nil, nil, fmt.Errorf("wrong answer: %w", access.ErrDenied)
	}
	if x.left == 0 {
		name, tenant, _ := strings.Cut(x.name, "@")
		return []byte("hello " + name), &access.Identity{Username: name, Tenant: tenant, Method: "steps"}, nil
	}
	return []byte(fmt.Sprint(x.left)), nil, nil
}

func auth(code packet.ReasonCode, data string) *packet.Auth {
	return &packet.Auth{Code: code, Method: "STEPS", Data: []byte(data)}
}

func next(data string) *packet.Auth { return auth(packet.ContinueAuthentication, data) }

func again(data string) *packet.Auth { return auth(packet.ReAuthenticate, data) }

// by asks for enhanced authentication.
func by(method, data string) func(*packet.Connect) {
	return func(c *packet.Connect) { c.Properties.AuthMethod, c.Properties.AuthData = method, []byte(data) }
}

// TestEnhanced: AUTH before CONNACK and after it.
func TestEnhanced(t *testing.T) {
	other := &packet.Auth{Code: packet.ContinueAuthentication, Method: "OTHER"}
	in := connect(v5, "c", by("STEPS", "ann 1"))
	const welcome = "AUTH 18 STEPS 1, CONNACK 00 STEPS hello ann, "
	for _, tt := range []struct {
		name string
		send []any
		want string
	}{
		{"at once", []any{connect(v5, "c", by("STEPS", "ann 0"))}, "CONNACK 00 STEPS hello ann"},
		{"two rounds", []any{connect(v5, "c", by("STEPS", "ann 2")), next("next"), next("next")}, "AUTH 18 STEPS 2, AUTH 18 STEPS 1, CONNACK 00 STEPS hello ann"},
		{"as many rounds as there may be", append([]any{connect(v5, "c", by("STEPS", "ann 15"))}, repeat(next("next"), 15)...), "CONNACK 00 STEPS hello ann"},
		{"too many rounds", append([]any{connect(v5, "c", by("STEPS", "ann 16"))}, repeat(next("next"), 16)...), "CONNACK 87, closed 87"},
		{"unknown method", []any{connect(v5, "c", by("SCRAM", ""))}, "CONNACK 8c, closed 8c"},
		{"method away", []any{connect(v5, "c", by("DOWN", ""))}, "CONNACK 88, closed 88"},
		{"too many failures", []any{connect(v5, "c", by("LIMITED", ""))}, "CONNACK 9f, closed 9f"},
		{"denied at once", []any{connect(v5, "c", by("STEPS", "?"))}, "CONNACK 87, closed 87"},
		{"denied later", []any{in, next("wrong")}, "AUTH 18 STEPS 1, CONNACK 87, closed 87"},
		{"undecided", []any{in, next("broken")}, "AUTH 18 STEPS 1, CONNACK 88, closed 88"},
		{"another method", []any{in, other}, "AUTH 18 STEPS 1, CONNACK 8c, closed 8c"},
		{"begun again", []any{in, again("ann 1")}, "AUTH 18 STEPS 1, CONNACK 82, closed 82"},
		{"PUBLISH before CONNACK", []any{in, pub(0, 0, "t", "")}, "AUTH 18 STEPS 1, CONNACK 82, closed 82"},
		{"PINGREQ before CONNACK", []any{in, &packet.Pingreq{}}, "AUTH 18 STEPS 1, CONNACK 82, closed 82"},
		{"DISCONNECT before CONNACK", []any{in, &packet.Disconnect{}}, "AUTH 18 STEPS 1, closed 00"},
		{"garbage before CONNACK", []any{in, []byte{0, 0}}, "AUTH 18 STEPS 1, CONNACK 81, closed 81"},
		{"AUTH without a method in CONNECT", []any{connect(v5, "c"), again("ann 0")}, "CONNACK 00, DISCONNECT 82, closed 82"},

		{"once more", []any{in, next("next"), again("ann 0"), &packet.Pingreq{}}, welcome + "AUTH 00 STEPS hello ann, PINGRESP"},
		{"once more, twice", []any{in, next("next"), again("ann 0"), again("ann 0")}, welcome + "AUTH 00 STEPS hello ann, AUTH 00 STEPS hello ann"},
		{
			"everything goes on meanwhile",
			[]any{in, next("next"), again("ann 1"), pub(1, 3, "t", ""), next("next")},
			welcome + "AUTH 18 STEPS 1, PUBACK 3, AUTH 00 STEPS hello ann",
		},
		{"once more, denied", []any{in, next("next"), again("ann 1"), next("wrong")}, welcome + "AUTH 18 STEPS 1, DISCONNECT 87, closed 87"},
		{"once more, undecided", []any{in, next("next"), again("ann 1"), next("broken")}, welcome + "AUTH 18 STEPS 1, DISCONNECT 89, closed 88"},
		{"once more, as another user", []any{in, next("next"), again("bob 0")}, welcome + "DISCONNECT 87, closed 87"},
		{"once more, in another tenant", []any{in, next("next"), again("ann@acme 0")}, welcome + "DISCONNECT 87, closed 87"},
		{"once more, another method", []any{in, next("next"), other}, welcome + "DISCONNECT 8c, closed 8c"},
		{"continued though not begun", []any{in, next("next"), next("next")}, welcome + "DISCONNECT 82, closed 82"},
		{"begun twice", []any{in, next("next"), again("ann 1"), again("ann 1")}, welcome + "AUTH 18 STEPS 1, DISCONNECT 82, closed 82"},
		{"success of a client", []any{in, next("next"), auth(packet.Success, "")}, welcome + "DISCONNECT 82, closed 82"},
		{"once more, too many rounds", append([]any{in, next("next"), again("ann 99")}, repeat(next("next"), 16)...), welcome + "DISCONNECT 87, closed 87"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			runWith(t, Config{}, func(d *Deps) { d.Enhanced = &steps{} }, func(t *testing.T, r *rig) {
				p := r.dial(v5, false, nil).send(tt.send...)
				got := p.take()
				if strings.Contains(tt.name, "many rounds") { // the rounds are not what matters
					parts := strings.Split(got, ", AUTH 18 STEPS ")
					_, end, _ := strings.Cut(parts[len(parts)-1], ", ")
					got = end
					if strings.HasPrefix(tt.want, welcome) {
						got = welcome + end
					}
				}
				if got != tt.want {
					t.Errorf("got  %q\nwant %q", got, tt.want)
				}
			})
		})
	}
}

func repeat(p packet.Packet, n int) []any {
	var list []any
	for range n {
		list = append(list, p)
	}
	return list
}

// TestEnhancedIdentity: the exchange says who the client is, whatever the user name of CONNECT; the verifier of passwords is
// not asked.
func TestEnhancedIdentity(t *testing.T) {
	var who []access.Identity
	seen := func(id access.Identity, _ string, _ access.Action, _ string) bool {
		who = append(who, id)
		return true
	}
	deps := func(d *Deps) { d.Enhanced, d.Access = &steps{}, rules(seen) }
	runWith(t, Config{}, deps, func(t *testing.T, r *rig) {
		r.verify = func(*access.Login) error { return access.ErrDenied }
		p := r.dial(v5, false, nil).send(connect(v5, "c", by("STEPS", "ann 0"), func(c *packet.Connect) {
			c.HasUsername, c.Username = true, "root"
		}), pub(1, 1, "t", ""))
		p.want("CONNACK 00 STEPS hello ann, PUBACK 1")
		if u := r.store.users["c"]; u != "ann" {
			t.Errorf("user %q", u)
		}
		equal(t, "asked about", who, []access.Identity{{Username: "ann", Method: "steps"}})
	})
}

// TestEnhancedTime: an exchange that takes too long ends the connection, whoever is waited for, also one that begins anew.
func TestEnhancedTime(t *testing.T) {
	deps := func(d *Deps) { d.Enhanced = &steps{} }
	for name, first := range map[string]string{"client": "ann 1", "exchange": "slow"} {
		t.Run(name, func(t *testing.T) {
			runWith(t, Config{AuthTimeout: 3 * time.Second}, deps, func(t *testing.T, r *rig) {
				start := time.Now()
				p := r.dial(v5, false, nil).send(connect(v5, "c", by("STEPS", first)))
				<-p.served
				if took := time.Since(start); took != 3*time.Second {
					t.Errorf("took %v", took)
				}
				if r.srv.Len() != 0 {
					t.Error("still there")
				}
			})
			runWith(t, Config{AuthTimeout: 3 * time.Second}, deps, func(t *testing.T, r *rig) {
				p := r.dial(v5, false, nil).send(connect(v5, "c", by("STEPS", "ann 0")))
				p.want("CONNACK 00 STEPS hello ann")
				time.Sleep(time.Hour) // nothing is due
				synctest.Wait()
				start := time.Now()
				p.send(again(first))
				<-p.served
				if took := time.Since(start); took < 3*time.Second || took > 5*time.Second {
					t.Errorf("took %v", took)
				}
			})
		})
	}
}

// TestDrainDuringExchange: a client that is authenticating holds nothing up.
func TestDrainDuringExchange(t *testing.T) {
	runWith(t, Config{}, func(d *Deps) { d.Enhanced = &steps{} }, func(t *testing.T, r *rig) {
		p := r.dial(v5, false, nil).send(connect(v5, "c", by("STEPS", "ann 1")))
		p.want("AUTH 18 STEPS 1")
		r.stop()
		p.send(next("next")).want("CONNACK 9c, closed 9c")
	})
}
