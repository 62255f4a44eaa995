package gateway

import (
	"bufio"
	"encoding/json"
	"errors"
	"io"
	"net"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/alicebob/miniredis/v2"
	"github.com/go-jose/go-jose/v4"

	"lmqgate/adapter/packet"
	"lmqgate/infra/minimq"
	"lmqgate/meta/message"
)

// granted subscribes and returns the code.
func (c *peer) granted(filter string) packet.ReasonCode {
	c.t.Helper()
	c.send(&packet.Subscribe{PacketID: 1, Filters: []packet.Subscription{{Filter: filter, QoS: 1}}})
	ack, ok := c.next().(*packet.Suback)
	if !ok {
		c.t.Fatal("no SUBACK")
	}
	return ack.Codes[0]
}

// acked publishes with QoS 1 and returns the code of PUBACK.
func (c *peer) acked(name string, retain bool) packet.ReasonCode {
	c.t.Helper()
	c.send(&packet.Publish{Topic: name, Payload: []byte("x"), QoS: 1, PacketID: 9, Retain: retain})
	ack, ok := c.next().(*packet.Puback)
	if !ok {
		c.t.Fatal("no PUBACK")
	}
	return ack.Code
}

// TestRules: what rules forbid is refused wherever it can be asked for.
func TestRules(t *testing.T) {
	noLeaks(t)
	g := start(t, load(t, `ACL_RULES=[{"permission":"deny","action":"retain","topic":"home/%c/fleeting"},{"permission":"allow","action":"all","topic":"home/%c/#"}]`))
	p, _ := dial(t, g, connect("c1", 0))
	for filter, want := range map[string]packet.ReasonCode{
		"home/c1/#": 1, "home/c1/a": 1, "home/c2/a": packet.NotAuthorized, "home/#": packet.NotAuthorized, "#": packet.NotAuthorized,
		"$share/g/home/c2/#": packet.NotAuthorized, "+/c1/#": packet.NotAuthorized,
	} {
		if got := p.granted(filter); got != want {
			t.Errorf("SUBSCRIBE to %s: %v, want %v", filter, got, want)
		}
	}
	q, _ := dial(t, g, connect("c2", 0))
	for _, c := range []struct {
		name   string
		retain bool
		want   packet.ReasonCode
	}{
		{"home/c2/a", false, packet.NoMatchingSubscribers},
		{"home/c1/a", false, packet.NotAuthorized},
		{"other", false, packet.NotAuthorized},
		{"home/c2/fleeting", false, packet.NoMatchingSubscribers},
		{"home/c2/fleeting", true, packet.NotAuthorized},
	} {
		if got := q.acked(c.name, c.retain); got != c.want && !(c.want == packet.NoMatchingSubscribers && got == packet.Success) {
			t.Errorf("PUBLISH to %s, retain %v: %v, want %v", c.name, c.retain, got, c.want)
		}
	}
	for _, w := range []packet.Will{{Topic: "home/c1/will"}, {Topic: "home/c3/fleeting", Retain: true}} {
		will := connect("c3", 0)
		will.Will = &w
		if _, ack := dial(t, g, will); ack.Code != packet.NotAuthorized {
			t.Errorf("a will for %s: %v", w.Topic, ack.Code)
		}
	}
	conn, err := net.Dial("tcp", g.TCPAddr().String())
	must(t, err)
	defer conn.Close()
	_ = conn.SetDeadline(time.Now().Add(patience))
	old := &peer{t: t, conn: conn, dec: packet.NewDecoder(conn, 0)}
	old.dec.SetVersion(packet.V311)
	b, err := packet.AppendWithin(nil, &packet.Connect{Version: packet.V311, ClientID: "c4", CleanStart: true}, packet.V311, 0)
	must(t, err)
	s, err := packet.AppendWithin(nil, &packet.Subscribe{PacketID: 1, Filters: []packet.Subscription{{Filter: "home/c1/#"}}}, packet.V311, 0)
	must(t, err)
	_, err = conn.Write(append(b, s...))
	must(t, err)
	_ = old.next() // CONNACK
	if suback, ok := old.next().(*packet.Suback); !ok || byte(suback.Codes[0]) != 0x80 {
		t.Errorf("SUBACK before 5.0: %+v", suback)
	}
}

// TestRulesChange: subscriptions that are not allowed any more end with the next connection, before anything is delivered to
// them, and nobody holds their filters.
func TestRulesChange(t *testing.T) {
	noLeaks(t)
	redis, mq := miniredis.RunT(t), minimq.Run(t)
	env := []string{env("REDIS_URL", "redis://"+redis.Addr()), env("NAMESRV_ADDR", mq.Addr()), "AUTH=anonymous"}
	before := start(t, load(t, env...))
	after := start(t, load(t, append(env, `ACL_RULES=[{"permission":"deny","action":"subscribe","topic":"secret/#"},{"permission":"allow","action":"all","topic":"#"}]`)...))
	p, _ := dial(t, before, connect("c1", 3600))
	p.subscribe("secret/+", 1)
	p.subscribe("open/+", 1)
	_ = p.conn.Close()
	q, _ := dial(t, before, connect("c2", 0))
	q.says("secret/x", "hidden")
	q.says("open/x", "shown")
	resumed := connect("c1", 3600)
	p, ack := dial(t, after, resumed)
	if !ack.SessionPresent {
		t.Fatal("no session")
	}
	if got, ok := p.next().(*packet.Publish); !ok || string(got.Payload) != "shown" {
		t.Fatalf("got %+v", got)
	}
	for deadline := time.Now().Add(patience); ; {
		filters, _, err := after.store.Filters(t.Context(), "", 100)
		if err != nil {
			t.Fatal(err)
		}
		if len(filters) == 1 && filters[0] == "open/+" {
			break
		}
		if time.Now().After(deadline) {
			t.Fatalf("held are %v", filters)
		}
	}
	_, st, err := after.store.Peek(t.Context(), "c1")
	if err != nil || len(st.Subscriptions) != 1 {
		t.Errorf("%+v, %v", st.Subscriptions, err)
	}
}

// tokenOf signs claims with a secret.
func tokenOf(t *testing.T, secret string, claims map[string]any) string {
	t.Helper()
	s, err := jose.NewSigner(jose.SigningKey{Algorithm: jose.HS256, Key: []byte(secret)}, nil)
	must(t, err)
	text, err := json.Marshal(claims)
	must(t, err)
	signed, err := s.Sign(text)
	must(t, err)
	token, err := signed.CompactSerialize()
	must(t, err)
	return token
}

// TestTokens: one token lets a client in over MQTT and HTTP, to what it allows and no further; when AUTH brings one that
// allows less, subscriptions end.
func TestTokens(t *testing.T) {
	noLeaks(t)
	const secret = "0123456789abcdef0123456789abcdef"
	g := start(t, load(t, "AUTH=jwt", "AUTH_JWT_SECRET="+secret, "AUTH_JWT_CLIENT_ID_CLAIM=cid"))
	until := time.Now().Add(time.Hour).Unix()
	token := tokenOf(t, secret, map[string]any{"sub": "ann", "cid": "c1", "exp": until, "acl": map[string]any{"all": []string{"ann/#"}}})
	login := func(id, password string) *packet.Connect {
		c := connect(id, 0)
		c.HasPassword, c.Password = true, []byte(password)
		return c
	}
	for id, password := range map[string]string{"c1": token + "x", "c2": token, "c3": "", "c4": tokenOf(t, "another secret of 32 bytes or so", map[string]any{"sub": "ann", "cid": "c4", "exp": until})} {
		if _, ack := dial(t, g, login(id, password)); ack.Code != packet.BadUserNameOrPassword {
			t.Errorf("%s: %v", id, ack.Code)
		}
	}
	by := connect("c1", 0)
	by.Properties.AuthMethod, by.Properties.AuthData = "JWT", []byte(token)
	p, ack := dial(t, g, by)
	if ack.Code != packet.Success {
		t.Fatal(ack.Code)
	}
	if a, b := p.granted("ann/#"), p.granted("bob/#"); a != 1 || b != packet.NotAuthorized {
		t.Errorf("%v, %v", a, b)
	}
	post := func(topic, token string) (int, string) {
		t.Helper()
		r, err := http.NewRequest(http.MethodPost, "http://"+g.HTTPAddr().String()+"/v1/topics/"+topic, strings.NewReader("hello"))
		must(t, err)
		r.Header.Set("Authorization", "Bearer "+token)
		resp, err := http.DefaultClient.Do(r)
		must(t, err)
		defer resp.Body.Close()
		body, _ := io.ReadAll(resp.Body)
		return resp.StatusCode, string(body)
	}
	defer http.DefaultClient.CloseIdleConnections()
	for _, c := range []struct {
		topic, token string
		want         int
	}{{"ann/x", token, 200}, {"bob/x", token, 403}, {"ann/x", "x", 401}, {"ann/x", token[:len(token)-2], 401}} {
		if status, body := post(c.topic, c.token); status != c.want {
			t.Errorf("POST to %s: %d %s", c.topic, status, body)
		}
	}
	p.receive("hello")
	// Over SSE with the same token.
	r, err := http.NewRequest(http.MethodGet, "http://"+g.HTTPAddr().String()+"/v1/stream?filter=ann/%2B&format=raw", nil)
	must(t, err)
	r.Header.Set("Authorization", "Bearer "+token)
	resp, err := http.DefaultClient.Do(r)
	must(t, err)
	if resp.StatusCode != http.StatusOK {
		t.Fatalf("stream: %d", resp.StatusCode)
	}
	post("ann/y", token)
	lines := bufio.NewScanner(resp.Body)
	for lines.Scan() && lines.Text() != "data: hello" {
	}
	if lines.Err() != nil {
		t.Error(lines.Err())
	}
	_ = resp.Body.Close()
	p.receive("hello")
	less := tokenOf(t, secret, map[string]any{"sub": "ann", "cid": "c1", "exp": until, "acl": map[string]any{"all": []string{"ann/y"}}})
	p.send(&packet.Auth{Code: packet.ReAuthenticate, Method: "JWT", Data: []byte(less)})
	if a, ok := p.next().(*packet.Auth); !ok || a.Code != packet.Success {
		t.Fatalf("AUTH answered with %+v", a)
	}
	if code := p.granted("ann/y"); code != 1 {
		t.Error(code)
	}
	post("ann/x", token)
	post("ann/y", token)
	if got := p.receive("hello"); got.Topic != "ann/y" {
		t.Errorf("got %s", got.Topic)
	}
}

// TestRulesFileChanges: what a new file forbids ends at once, for clients that are there, for streams, and for who comes back; a broken
// file changes nothing.
func TestRulesFileChanges(t *testing.T) {
	noLeaks(t)
	name := filepath.Join(t.TempDir(), "rules.json")
	write := func(text string) { must(t, os.WriteFile(name, []byte(text), 0o600)) }
	write(`[{"permission":"allow","action":"all","topic":"#"}]`)
	g := start(t, load(t, "ACL_RULES_FILE="+name, `ACL_RULES=[{"permission":"deny","action":"all","topic":"never"}]`))
	lasting, _ := dial(t, g, connect("lasting", 3600))
	c, _ := dial(t, g, connect("c", 0))
	for _, p := range []*peer{lasting, c} {
		if a, b, no := p.granted("secret/#"), p.granted("open/#"), p.granted("never"); a.Failed() || b.Failed() || no != packet.NotAuthorized {
			t.Fatal(a, b, no)
		}
	}
	r := readingOf(t, g, message.ReadRequest{Name: "$http/r", Filters: []string{"secret/+"}})
	lasting.send(&packet.Disconnect{})
	lasting.next()

	write(`[{"permission":"allow","action":"all"`)
	g.rulesFile.look()
	publisher, _ := dial(t, g, connect("publisher", 0))
	publisher.says("secret/a", "1")
	reads(t, r, "1")
	if p, ok := c.next().(*packet.Publish); !ok || string(p.Payload) != "1" {
		t.Fatalf("%+v", p)
	}
	c.send(&packet.Puback{PacketID: 1})

	write(`[{"permission":"deny","action":"subscribe","topic":"secret/#"},{"permission":"allow","action":"all","topic":"#"}]`)
	g.rulesFile.look()
	if _, err := r.Next(t.Context()); !errors.Is(err, message.ErrNotAllowed) {
		t.Errorf("the stream: %v", err)
	}
	publisher.says("secret/a", "2")
	publisher.says("open/a", "3")
	again, _ := dial(t, g, connect("lasting", 3600))
	for name, p := range map[string]*peer{"c": c, "lasting": again} { // of lasting "1" waited, which it may not read any more
		if m, ok := p.next().(*packet.Publish); !ok || string(m.Payload) != "3" {
			t.Errorf("%s got %+v", name, m)
		}
		if code := p.granted("secret/a"); code != packet.NotAuthorized {
			t.Errorf("%s: %v", name, code)
		}
	}
}

// TestPublishRateOverHTTP: HTTP callers have the rates of clients, and are told when to come again.
func TestPublishRateOverHTTP(t *testing.T) {
	noLeaks(t)
	defer http.DefaultClient.CloseIdleConnections()
	g := start(t, load(t, "PUBLISH_RATE=1"))
	for n := 0; ; n++ {
		resp, err := http.Post("http://"+g.HTTPAddr().String()+"/v1/topics/a", "text/plain", strings.NewReader("x"))
		must(t, err)
		_ = resp.Body.Close()
		if resp.StatusCode == http.StatusTooManyRequests {
			if n == 0 || resp.Header.Get("Retry-After") == "" {
				t.Errorf("after %d: %v", n, resp.Header)
			}
			return
		}
		if resp.StatusCode != http.StatusOK || n > 1000 {
			t.Fatalf("request %d: %s", n, resp.Status)
		}
	}
}
