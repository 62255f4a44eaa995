package e2e

import (
	"bytes"
	"context"
	"crypto/hmac"
	"crypto/sha1"
	"encoding/base64"
	"fmt"
	"strings"
	"testing"

	"github.com/eclipse/paho.golang/packets"
	"github.com/eclipse/paho.golang/paho"
	"github.com/xdg-go/scram"

	"lmqgate/adapter/packet"
)

// hmacPassword is the password of AUTH=hmac for a client id.
func hmacPassword(clientID, key string) []byte {
	mac := hmac.New(sha1.New, []byte(key))
	mac.Write([]byte(clientID))
	return []byte(base64.StdEncoding.EncodeToString(mac.Sum(nil)))
}

// scramUser has the command make a line for AUTH_SCRAM_USERS.
func scramUser(t *testing.T, user, password string) string {
	t.Helper()
	binary, err := binaries.race()
	must(t, err)
	cmd := command(binary, "scram", "--iterations", "4096", user)
	cmd.Stdin = strings.NewReader(password + "\n")
	var complaints bytes.Buffer
	cmd.Stderr = &complaints
	line, err := cmd.Output()
	if err != nil {
		t.Fatalf("lmqgate scram: %v\n%s", err, complaints.String())
	}
	if !bytes.HasSuffix(line, []byte("\n")) || bytes.Count(line, []byte("\n")) != 1 || bytes.Contains(line, []byte(password)) {
		t.Errorf("lmqgate scram printed %q", line)
	}
	return strings.TrimSpace(string(line))
}

// scramFleet lets in alice with the password "pencil" and bob with "pässwörd, long".
func scramFleet(t *testing.T, n int, b backend, env ...string) *fleet {
	t.Helper()
	users := scramUser(t, "alice", "pencil") + "," + scramUser(t, "bob", "pässwörd, long")
	return start(t, n, b, append([]string{"AUTH=scram", "AUTH_SCRAM_USERS=" + users}, env...)...)
}

// handshake is the client's side of SCRAM over a connection, done by somebody else's library.
type handshake struct {
	t    testing.TB
	w    *wire
	conv *scram.ClientConversation
}

func newHandshake(t testing.TB, w *wire, user, password string) *handshake {
	t.Helper()
	c, err := scram.SHA256.NewClient(user, password, "")
	must(t, err)
	return &handshake{t, w, c.NewConversation()}
}

func (h *handshake) step(words []byte) []byte {
	h.t.Helper()
	answer, err := h.conv.Step(string(words))
	must(h.t, err)
	return []byte(answer)
}

// connect goes through the exchange up to CONNACK. The server's proof is checked if it is a success.
func (h *handshake) connect(c packet.Connect) *packet.Connack {
	h.t.Helper()
	c.Version, c.Properties.AuthMethod, c.Properties.AuthData = packet.V5, scramMethod, h.step(nil)
	h.w.send(&c)
	h.answer(c.Properties.AuthMethod)
	ack := want[*packet.Connack](h.t, h.w)
	if ack.Code == packet.Success {
		h.proven(ack.Properties.AuthMethod, ack.Properties.AuthData)
	}
	return ack
}

// answer takes the server's challenge and answers it.
func (h *handshake) answer(method string) {
	h.t.Helper()
	ask := want[*packet.Auth](h.t, h.w)
	if ask.Code != packet.ContinueAuthentication || ask.Method != method {
		h.t.Fatalf("AUTH %+v", ask)
	}
	h.w.send(&packet.Auth{Code: packet.ContinueAuthentication, Method: method, Data: h.step(ask.Data)})
}

// proven requires that the server has shown that it knows the user.
func (h *handshake) proven(method string, data []byte) {
	h.t.Helper()
	h.step(data)
	if method != scramMethod || !h.conv.Valid() {
		h.t.Errorf("the server does not prove itself: method %q, data %q", method, data)
	}
}

// TestScram: who gets in with AUTH=scram, and what others are told.
func TestScram(t *testing.T) {
	t.Parallel()
	onEach(t, func(t *testing.T, b backend) {
		f := scramFleet(t, 2, b)
		for n, i := range f.instances { // also whom the other instance has seen, and with whose seed
			for user, password := range map[string]string{"alice": "pencil", "bob": "pässwörd, long"} {
				w := dialed(t, []string{i.tcp, i.ws()}[n], packet.V5)
				h := newHandshake(t, w, user, password)
				if ack := h.connect(packet.Connect{ClientID: user, CleanStart: true}); ack.Code != packet.Success {
					t.Fatalf("%s: CONNACK %v", user, ack.Code)
				}
				w.subscribe(t, 1, f.topic("%s", user))
			}
			for _, c := range []struct{ name, user, password string }{
				{"wrong password", "alice", "pen"},
				{"another user's password", "alice", "pässwörd, long"},
				{"unknown user", "mallory", "pencil"},
			} {
				w := dialed(t, i.tcp, packet.V5)
				h := newHandshake(t, w, c.user, c.password)
				ack := h.connect(packet.Connect{ClientID: "intruder", CleanStart: true})
				if ack.Code != packet.NotAuthorized || ack.Properties.AuthData != nil {
					t.Errorf("%s: CONNACK %+v, want 0x87 and no proof", c.name, ack)
				}
				w.wantEnd(t)
			}
			for _, first := range []string{"n,,n=,r=abc", "n,,r=abc", "y,,n=alice,r=", "p=tls-unique,,n=alice,r=abc", "n,,n=alice"} {
				w := dialed(t, i.tcp, packet.V5)
				w.send(&packet.Connect{Version: packet.V5, ClientID: "c", CleanStart: true, Properties: packet.ConnectProperties{AuthMethod: scramMethod, AuthData: []byte(first)}})
				for _, p := range w.wantEnd(t) {
					if ack, ok := p.(*packet.Connack); !ok || ack.Code != packet.NotAuthorized {
						t.Errorf("begun with %q: got %+v", first, p)
					}
				}
			}
			for method, data := range map[string]string{"SCRAM-SHA-1": "n,,n=alice,r=abc", "PLAIN": "\x00alice\x00pencil", "scram-sha-256": "n,,n=alice,r=abc"} {
				w := dialed(t, i.tcp, packet.V5)
				w.send(&packet.Connect{Version: packet.V5, ClientID: "c", CleanStart: true, Properties: packet.ConnectProperties{AuthMethod: method, AuthData: []byte(data)}})
				if ack := want[*packet.Connack](t, w); ack.Code != packet.BadAuthenticationMethod {
					t.Errorf("method %s: CONNACK %v, want 0x8C", method, ack.Code)
				}
				w.wantEnd(t)
			}
			for _, v := range []packet.Version{packet.V311, packet.V5} {
				for _, password := range []string{"pencil", string(hmacPassword("c", "pencil"))} {
					w := dialed(t, i.tcp, v)
					w.send(&packet.Connect{Version: v, ClientID: "c", CleanStart: true, HasUsername: true, Username: "alice", HasPassword: true, Password: []byte(password)})
					ack := want[*packet.Connack](t, w)
					if v == packet.V311 && ack.Code != 4 && ack.Code != 5 || v == packet.V5 && ack.Code != packet.BadUserNameOrPassword && ack.Code != packet.NotAuthorized {
						t.Errorf("%v with a plain password: CONNACK %v", v, ack.Code)
					}
					w.wantEnd(t)
				}
			}
		}
	})
}

// TestScramTellsNothing: the challenge of somebody who does not exist looks like that of somebody who does: the same from
// every instance and at every time, with as many iterations and as long a salt.
func TestScramTellsNothing(t *testing.T) {
	t.Parallel()
	f := scramFleet(t, 2, mini)
	challenge := func(at *instance, user string) (salt, iterations string) {
		w := dialed(t, at.tcp, packet.V5)
		w.send(&packet.Connect{
			Version: packet.V5, ClientID: "c-" + user, CleanStart: true,
			Properties: packet.ConnectProperties{AuthMethod: scramMethod, AuthData: []byte("n,,n=" + user + ",r=fyko")},
		})
		ask := want[*packet.Auth](t, w)
		w.cut()
		fields := strings.Split(string(ask.Data), ",")
		if len(fields) != 3 || !strings.HasPrefix(fields[0], "r=fyko") || len(fields[0]) < len("r=fyko")+16 {
			t.Fatalf("challenge %q", ask.Data)
		}
		return fields[1], fields[2]
	}
	salts := map[string]bool{}
	for _, user := range []string{"alice", "bob", "mallory", "nobody"} {
		salt, iterations := challenge(f.instances[0], user)
		again, _ := challenge(f.instances[0], user)
		other, _ := challenge(f.instances[1], user)
		if salt != again || salt != other {
			t.Errorf("%s: salts %s, %s and %s", user, salt, again, other)
		}
		if len(salt) != len("s=")+24 || iterations != "i=4096" {
			t.Errorf("%s: %s, %s", user, salt, iterations)
		}
		salts[salt] = true
	}
	if len(salts) != 4 {
		t.Errorf("%d salts of 4 users", len(salts))
	}
}

// TestScramAgain: a client authenticates again while messages flow both ways; nothing of them is lost, held up or repeated.
// Another user than in CONNECT, and a wrong password, end the connection.
func TestScramAgain(t *testing.T) {
	t.Parallel()
	onEach(t, func(t *testing.T, b backend) {
		f := scramFleet(t, 2, b)
		w := dialed(t, f.instances[0].ws(), packet.V5)
		newHandshake(t, w, "alice", "pencil").connect(packet.Connect{ClientID: "again", CleanStart: true})
		w.subscribe(t, 1, f.topic("again"))
		other := dialed(t, f.instances[1].tcp, packet.V5)
		newHandshake(t, other, "bob", "pässwörd, long").connect(packet.Connect{ClientID: "other", CleanStart: true})

		const rounds, perRound = 5, 10
		got, acked := []string{}, 0
		// take handles messages until an AUTH comes, or there is nothing more to wait for.
		take := func(enough func() bool) *packet.Auth {
			for !enough() {
				p, err := w.next(soon)
				must(t, err)
				switch p := p.(type) {
				case *packet.Auth:
					return p
				case *packet.Publish:
					got = append(got, string(p.Payload))
					acknowledge(t, w, p)
				case *packet.Puback:
					acked++
				default:
					t.Fatalf("got %v: %+v", p.Type(), p)
				}
			}
			return nil
		}
		never := func() bool { return false }
		publish := func(round, part int) {
			for n := range perRound {
				text := fmt.Sprintf("%d %d %d", round, part, n)
				other.send(&packet.Publish{QoS: 0, Topic: f.topic("again"), Payload: []byte("other " + text)})
				w.send(&packet.Publish{QoS: 1, PacketID: uint16(1 + (round*2+part)*perRound + n), Topic: f.topic("again"), Payload: []byte("own " + text)})
			}
		}
		for round := range rounds {
			h := newHandshake(t, w, "alice", "pencil")
			publish(round, 0)
			w.send(&packet.Auth{Code: packet.ReAuthenticate, Method: scramMethod, Data: h.step(nil)})
			ask := take(never)
			publish(round, 1)
			w.send(&packet.Auth{Code: packet.ContinueAuthentication, Method: scramMethod, Data: h.step(ask.Data)})
			done := take(never)
			if done.Code != packet.Success {
				t.Fatalf("round %d: AUTH %v", round, done.Code)
			}
			h.proven(done.Method, done.Data)
			if p := take(func() bool { return acked >= (round+1)*2*perRound }); p != nil { // keeps within Receive Maximum
				t.Fatalf("AUTH %+v out of turn", p)
			}
		}
		const all = rounds * 2 * perRound
		take(func() bool { return len(got) >= 2*all && acked >= all })
		if len(firsts(got)) != 2*all || len(got) != 2*all || acked != all {
			t.Errorf("%d messages, %d of them different, %d acknowledgements; want %d, %d and %d", len(got), len(firsts(got)), acked, 2*all, 2*all, all)
		}

		for _, c := range []struct{ name, user, password string }{{"another user", "bob", "pässwörd, long"}, {"wrong password", "alice", "x"}} {
			w := dialed(t, f.instances[0].tcp, packet.V5)
			newHandshake(t, w, "alice", "pencil").connect(packet.Connect{ClientID: "change", CleanStart: true})
			h := newHandshake(t, w, c.user, c.password)
			w.send(&packet.Auth{Code: packet.ReAuthenticate, Method: scramMethod, Data: h.step(nil)})
			h.answer(scramMethod)
			rest := w.wantEnd(t)
			if len(rest) != 1 || rest[0].Type() != packet.DISCONNECT || rest[0].(*packet.Disconnect).Code != packet.NotAuthorized {
				t.Errorf("%s: got %v, want DISCONNECT 0x87", c.name, rest)
			}
		}
	})
}

// TestScramBesideHMAC: AUTH=scram,hmac lets in by either, and by no mixture.
func TestScramBesideHMAC(t *testing.T) {
	t.Parallel()
	f := scramFleet(t, 1, mini, "AUTH=scram,hmac", "AUTH_USERNAME=user", "AUTH_SECRET_KEY=secret")
	at := f.instances[0].tcp
	if ack := newHandshake(t, dialed(t, at, packet.V5), "bob", "pässwörd, long").connect(packet.Connect{ClientID: "bob's", CleanStart: true}); ack.Code != packet.Success {
		t.Errorf("scram: CONNACK %v", ack.Code)
	}
	if ack := newHandshake(t, dialed(t, at, packet.V5), "user", "secret").connect(packet.Connect{ClientID: "c", CleanStart: true}); ack.Code != packet.NotAuthorized {
		t.Errorf("the user of hmac with scram, which has users of its own: CONNACK %v", ack.Code)
	}
	for _, v := range []packet.Version{packet.V311, packet.V5} {
		for password, ok := range map[string]bool{string(hmacPassword("c", "secret")): true, "secret": false, string(hmacPassword("d", "secret")): false} {
			w := dialed(t, at, v)
			w.send(&packet.Connect{Version: v, ClientID: "c", CleanStart: true, HasUsername: true, Username: "user", HasPassword: true, Password: []byte(password)})
			if ack := want[*packet.Connack](t, w); (ack.Code == packet.Success) != ok {
				t.Errorf("%v, hmac: CONNACK %v, want success %v", v, ack.Code, ok)
			}
			w.cut()
		}
	}
}

// pahoScram lets Eclipse Paho authenticate.
type pahoScram struct {
	conv *scram.ClientConversation
	done chan struct{}
}

// Authenticate implements paho.Auther.
func (p *pahoScram) Authenticate(a *paho.Auth) *paho.Auth {
	answer, _ := p.conv.Step(string(a.Properties.AuthData))
	return &paho.Auth{ReasonCode: packets.AuthContinueAuthentication, Properties: &paho.AuthProperties{AuthMethod: scramMethod, AuthData: []byte(answer)}}
}

// Authenticated implements paho.Auther.
func (p *pahoScram) Authenticated() { p.done <- struct{}{} }

// TestScramPaho: Eclipse Paho's own handling of AUTH, for CONNECT and again.
func TestScramPaho(t *testing.T) {
	t.Parallel()
	f := scramFleet(t, 1, mini)
	client, err := scram.SHA256.NewClient("alice", "pencil", "")
	must(t, err)
	auth := &pahoScram{client.NewConversation(), make(chan struct{}, 4)}
	conn, err := open(f.instances[0].tcp)
	must(t, err)
	t.Cleanup(func() { _ = conn.Close() })
	c := paho.NewClient(paho.ClientConfig{Conn: packets.NewThreadSafeConn(conn), PacketTimeout: soon, AuthHandler: auth})
	ctx, cancel := context.WithTimeout(t.Context(), soon)
	defer cancel()
	first, err := auth.conv.Step("")
	must(t, err)
	ack, err := c.Connect(ctx, &paho.Connect{
		ClientID: "paho", CleanStart: true, KeepAlive: 60, Properties: &paho.ConnectProperties{AuthMethod: scramMethod, AuthData: []byte(first)},
	})
	must(t, err)
	take(t, auth.done)
	if _, err := auth.conv.Step(string(ack.Properties.AuthData)); err != nil || !auth.conv.Valid() {
		t.Errorf("the server's proof %q: %v", ack.Properties.AuthData, err)
	}
	auth.conv = client.NewConversation()
	first, err = auth.conv.Step("")
	must(t, err)
	again, err := c.Authenticate(ctx, &paho.Auth{
		ReasonCode: packets.AuthReauthenticate, Properties: &paho.AuthProperties{AuthMethod: scramMethod, AuthData: []byte(first)},
	})
	if err != nil || !again.Success {
		t.Errorf("authenticated again: %+v, %v", again, err)
	}
	take(t, auth.done)
	must(t, c.Disconnect(&paho.Disconnect{}))
}
