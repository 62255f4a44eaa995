package e2e

import (
	"crypto/hmac"
	"crypto/sha256"
	"encoding/base64"
	"encoding/json"
	"net/url"
	"slices"
	"strings"
	"testing"
	"time"

	"lmqgate/adapter/packet"
)

const tenantSecret = "0123456789abcdef0123456789abcdef"

// jwt is a token of HS256 with these claims.
func jwt(t *testing.T, claims map[string]any) string {
	t.Helper()
	claims["exp"] = time.Now().Add(time.Hour).Unix()
	body, err := json.Marshal(claims)
	must(t, err)
	text := base64.RawURLEncoding.EncodeToString([]byte(`{"alg":"HS256"}`)) + "." + base64.RawURLEncoding.EncodeToString(body)
	mac := hmac.New(sha256.New, []byte(tenantSecret))
	mac.Write([]byte(text))
	return text + "." + base64.RawURLEncoding.EncodeToString(mac.Sum(nil))
}

// member is a client with a token. It acknowledges what it gets and remembers it.
type member struct {
	t    *testing.T
	w    *wire
	last uint16 // packet id
	got  []*packet.Publish
}

// joins connects; what CONNECT has more is in dress.
func joins(t *testing.T, at *instance, id, token string, dress func(*packet.Connect)) *member {
	t.Helper()
	m := &member{t: t, w: dialed(t, at.tcp, packet.V5)}
	c := session(id)
	c.Version, c.KeepAlive, c.HasPassword, c.Password = packet.V5, 60, true, []byte(token)
	if dress != nil {
		dress(&c)
	}
	m.w.send(&c)
	if ack := want[*packet.Connack](t, m.w); ack.Code != packet.Success {
		t.Fatalf("%s: CONNACK %v %s", id, ack.Code, ack.Properties.Reason)
	}
	return m
}

// next is the next packet but for messages.
func (m *member) next() packet.Packet {
	m.t.Helper()
	for {
		p, err := m.w.next(soon)
		if err != nil {
			m.t.Fatal(err)
		}
		message, ok := p.(*packet.Publish)
		if !ok {
			return p
		}
		m.took(message)
	}
}

func (m *member) took(p *packet.Publish) {
	m.got = append(m.got, p)
	if p.QoS == 1 {
		m.w.send(&packet.Puback{PacketID: p.PacketID})
	}
}

// subscribe returns the codes for the filters.
func (m *member) subscribe(filters ...string) []packet.ReasonCode {
	m.t.Helper()
	m.last++
	s := &packet.Subscribe{PacketID: m.last}
	for _, f := range filters {
		s.Filters = append(s.Filters, packet.Subscription{Filter: f, QoS: 1})
	}
	m.w.send(s)
	ack, ok := m.next().(*packet.Suback)
	if !ok || len(ack.Codes) != len(filters) {
		m.t.Fatalf("no SUBACK for %v", filters)
	}
	return ack.Codes
}

// publish returns the code of PUBACK.
func (m *member) publish(p packet.Publish) packet.ReasonCode {
	m.t.Helper()
	m.last++
	p.QoS, p.PacketID = 1, m.last
	m.w.send(&p)
	ack, ok := m.next().(*packet.Puback)
	if !ok {
		m.t.Fatalf("no PUBACK for %s", p.Topic)
	}
	return ack.Code
}

// until waits for a message and returns it.
func (m *member) until(payload string) *packet.Publish {
	m.t.Helper()
	for {
		if i := slices.IndexFunc(m.got, func(p *packet.Publish) bool { return string(p.Payload) == payload }); i >= 0 {
			return m.got[i]
		}
		p, err := m.w.next(soon)
		if err != nil {
			m.t.Fatalf("waiting for %q: %v", payload, err)
		}
		if message, ok := p.(*packet.Publish); ok {
			m.took(message)
		}
	}
}

// sawNothing wants no message of which the payload begins so.
func (m *member) sawNothing(who, prefix string) {
	m.t.Helper()
	for _, p := range m.got {
		if strings.HasPrefix(string(p.Payload), prefix) {
			m.t.Errorf("%s got %q on %q", who, p.Payload, p.Topic)
		}
	}
}

// tenantScene is two tenants, and a client without one, on a fleet.
type tenantScene struct {
	*fleet
	acme, beta string // tenants
}

func (s *tenantScene) token(t *testing.T, tenant, user string, more ...any) string {
	claims := map[string]any{"sub": user}
	if tenant != "" {
		claims["org"] = tenant
	}
	for i := 0; i < len(more); i += 2 {
		claims[more[i].(string)] = more[i+1]
	}
	return jwt(t, claims)
}

// TestTenants: tenants on one fleet use the same topics and the same client ids without meeting, whatever one of them tries.
func TestTenants(t *testing.T) {
	t.Parallel()
	onEach(t, func(t *testing.T, b backend) {
		f := start(t, 2, b, "AUTH=jwt", "AUTH_JWT_SECRET="+tenantSecret, "AUTH_JWT_TENANT_CLAIM=org", "TENANT_SEPARATOR=/")
		s := &tenantScene{f, f.first + "-acme", f.first + "-beta"}
		s.meet(t)
		s.callers(t)
	})
}

// meet is over MQTT: both tenants have a client "phone" that subscribes to everything it can.
func (s *tenantScene) meet(t *testing.T) {
	one, two := s.instances[0], s.instances[1]
	acme := joins(t, one, "phone", s.token(t, s.acme, "ann"), nil)
	if code := acme.publish(packet.Publish{Topic: "T/kept", Payload: []byte("acme kept"), Retain: true}); code.Failed() {
		t.Fatal(code)
	}
	beta := joins(t, two, "phone", s.token(t, "", s.beta+"/ann"), nil) // its tenant stands in its user name
	plain := joins(t, one, "$phone", s.token(t, "", "nobody"), nil)
	root := joins(t, two, "root", s.token(t, "", "root", "acl", []map[string]string{{"permission": "allow", "action": "all", "topic": "$tenant/#"}}), nil)

	everything := []string{"#", "+/#", "/#", "+/+", "T/#", "../#", s.acme + "/#", "+/p2p/#", "$share/g/#", "$share/g/+/x"}
	for who, m := range map[string]*member{"acme": acme, "beta": beta, "plain": plain} {
		for i, code := range m.subscribe(everything...) {
			if code.Failed() {
				t.Errorf("%s: %s: %v", who, everything[i], code)
			}
		}
	}
	theirs := []string{"$tenant/" + s.acme + "/#", "$tenant/#", "$tenant/+/T/x", "$share/g/$tenant/" + s.acme + "/#", "T/p2p/tab/#", "$SYS/#"}
	for who, m := range map[string]*member{"beta": beta, "plain": plain} {
		for i, code := range m.subscribe(theirs...) {
			if code != packet.NotAuthorized {
				t.Errorf("%s: %s: %v", who, theirs[i], code)
			}
		}
	}
	for _, code := range root.subscribe("$tenant/"+s.acme+"/#", "$tenant/+/T/x") {
		if code.Failed() {
			t.Error("root", code)
		}
	}
	if kept := acme.until("acme kept"); kept.Topic != "T/kept" || !kept.Retain {
		t.Errorf("%+v", kept)
	}
	if kept := root.until("acme kept"); kept.Topic != "$tenant/"+s.acme+"/T/kept" {
		t.Errorf("%+v", kept)
	}

	for _, name := range []string{"T/x", "/x", "/", "T//x/", "../" + s.beta + "/T/x", s.beta + "/T/x", "p2p/phone/x", "/T/p2p/phone"} {
		p := packet.Publish{Topic: name, Payload: []byte("acme " + name), Properties: packet.Properties{ResponseTopic: "T/answer"}}
		if code := acme.publish(p); code != packet.Success {
			t.Errorf("%s: %v", name, code)
		}
		got := acme.until("acme " + name)
		if got.Topic != name || got.Properties.ResponseTopic != "T/answer" {
			t.Errorf("%s came back as %+v", name, got)
		}
	}
	if got := root.until("acme T/x"); got.Topic != "$tenant/"+s.acme+"/T/x" || got.Properties.ResponseTopic != "$tenant/"+s.acme+"/T/answer" {
		t.Errorf("%+v", got)
	}
	for _, name := range []string{"$tenant/" + s.acme + "/T/x", "$tenant/" + s.acme, "$SYS/x"} {
		for who, m := range map[string]*member{"beta": beta, "plain": plain} {
			if code := m.publish(packet.Publish{Topic: name, Payload: []byte("forged")}); code != packet.NotAuthorized {
				t.Errorf("%s: %s: %v", who, name, code)
			}
		}
	}
	s.impersonate(t)
	s.dies(t, acme)

	// What is told to each at last comes through the same instances as what was said before.
	for who, m := range map[string]*member{"beta": beta, "plain": plain, "acme": acme} {
		if code := m.publish(packet.Publish{Topic: "T/x", Payload: []byte(who + " last")}); code != packet.Success {
			t.Errorf("%s: %v", who, code)
		}
		m.until(who + " last")
	}
	root.until("acme last")
	beta.sawNothing("beta", "acme")
	beta.sawNothing("beta", "plain")
	plain.sawNothing("plain", "acme")
	plain.sawNothing("plain", "beta")
	for _, other := range []string{"beta", "plain", "forged"} {
		acme.sawNothing("acme", other)
	}
}

// impersonate tries to be another tenant's client.
func (s *tenantScene) impersonate(t *testing.T) {
	for _, id := range []string{"$tenant/" + s.acme + "/phone", "$tenant/x", "$tenant"} {
		for _, token := range []string{s.token(t, "", "nobody"), s.token(t, s.beta, "bob")} {
			w := dialed(t, s.instances[0].tcp, packet.V5)
			c := session(id)
			c.Version, c.HasPassword, c.Password = packet.V5, true, []byte(token)
			w.send(&c)
			if ack := want[*packet.Connack](t, w); ack.Code != packet.ClientIdentifierNotValid {
				t.Errorf("%s: CONNACK %v", id, ack.Code)
			}
		}
	}
	for _, token := range []string{s.token(t, s.acme+"/x", "bob"), s.token(t, "+", "bob"), s.token(t, "", "+/bob"), s.token(t, "", "/bob"), s.token(t, "", s.acme+"/")} {
		w := dialed(t, s.instances[0].tcp, packet.V5)
		c := session("x")
		c.Version, c.HasPassword, c.Password = packet.V5, true, []byte(token)
		w.send(&c)
		if ack := want[*packet.Connack](t, w); ack.Code != packet.BadUserNameOrPassword {
			t.Errorf("CONNACK %v for a tenant that is none", ack.Code)
		}
	}
}

// dies has a client of beta die with a will for everybody's topic, and one of acme.
func (s *tenantScene) dies(t *testing.T, acme *member) {
	for tenant, payload := range map[string]string{s.beta: "beta will", s.acme: "acme will"} {
		m := joins(t, s.instances[1], "mortal", s.token(t, tenant, "bob"), func(c *packet.Connect) {
			c.Will = &packet.Will{Topic: "T/will", Payload: []byte(payload), QoS: 1, Retain: true}
			c.Properties.SessionExpiry = 0
		})
		m.w.send(&packet.Disconnect{Code: packet.DisconnectWithWill})
	}
	if will := acme.until("acme will"); will.Topic != "T/will" {
		t.Errorf("%+v", will)
	}
	w := dialed(t, s.instances[0].tcp, packet.V5)
	c := session("mortal")
	c.Version, c.HasPassword, c.Password = packet.V5, true, []byte(s.token(t, s.beta, "bob"))
	c.Will = &packet.Will{Topic: "$tenant/" + s.acme + "/T/will", Payload: []byte("forged")}
	w.send(&c)
	if ack := want[*packet.Connack](t, w); ack.Code != packet.NotAuthorized {
		t.Errorf("CONNACK %v for a will elsewhere", ack.Code)
	}
}

// callers is over HTTP: what is sent to one client comes there only, and keys and positions of one tenant are nothing to another.
func (s *tenantScene) callers(t *testing.T) {
	at := "http://" + s.instances[0].http
	acme, beta := "Authorization: Bearer "+s.token(t, s.acme, "srv"), "Authorization: Bearer "+s.token(t, s.beta, "srv")
	read := func(who, status string, q url.Values) (p page) {
		t.Helper()
		c, err := curl(t, "--header", who, "--get", at+"/v1/messages?"+q.Encode())
		must(t, err)
		if !strings.HasPrefix(c.head, "http/1.1 "+status) {
			t.Fatalf("%s\n%s", c.head, c.body)
		}
		must(t, json.Unmarshal([]byte(c.body), &p))
		return p
	}
	filter := url.Values{"filter": {"W/#"}, "wait": {"0"}}
	from, fromBeta := read(acme, "200", filter).Next, read(beta, "200", filter).Next
	key := "Idempotency-Key: one and the same"
	a := posted(t, 200, "--header", acme, "--header", key, "--data-binary", "acme", at+"/v1/topics/W/x")
	b := posted(t, 200, "--header", beta, "--header", key, "--data-binary", "beta", at+"/v1/topics/W/x")
	if again := posted(t, 200, "--header", acme, "--header", key, "--data-binary", "acme", at+"/v1/topics/W/x"); again.ID != a.ID || a.ID == b.ID {
		t.Errorf("%+v, %+v, repeated %+v", a, b, again)
	}
	if a.Topic != "W/x" || b.Topic != "W/x" {
		t.Errorf("%+v, %+v", a, b)
	}
	posted(t, 403, "--header", beta, "--data-binary", "forged", at+"/v1/topics/$tenant/"+s.acme+"/W/x")
	posted(t, 400, "--header", beta, "--header", "X-Mqtt-Client-Id: $tenant/"+s.acme+"/phone", "--data-binary", "forged", at+"/v1/topics/W/x")

	behind := func(next string) url.Values {
		return url.Values{"filter": {"W/#"}, "wait": {"30"}, "after": {next}}
	}
	if p := read(acme, "200", behind(from)); p.Gap || len(p.Messages) != 1 || p.Messages[0].Topic != "W/x" || p.Messages[0].Payload != "acme" {
		t.Errorf("%+v", p)
	}
	read(beta, "400", behind(from))
	if p := read(beta, "200", behind(fromBeta)); p.Gap || len(p.Messages) != 1 || p.Messages[0].Payload != "beta" {
		t.Errorf("%+v", p)
	}
	read(beta, "403", url.Values{"filter": {"$tenant/" + s.acme + "/#"}})
	read(beta, "403", url.Values{"filter": {"$share/g/$tenant/" + s.acme + "/#"}})

	// Point to point: "tab" of acme gets it, "tab" of beta does not.
	tab := joins(t, s.instances[0], "tab", s.token(t, s.acme, "ann"), nil)
	other := joins(t, s.instances[1], "tab", s.token(t, s.beta, "ann"), nil)
	if p := posted(t, 200, "--header", acme, "--data-binary", "acme to tab", at+"/v1/topics/T/p2p/tab/x"); p.Queues != 1 {
		t.Errorf("%+v", p)
	}
	if got := tab.until("acme to tab"); got.Topic != "T/p2p/tab/x" {
		t.Errorf("%+v", got)
	}
	posted(t, 200, "--header", beta, "--data-binary", "beta to tab", at+"/v1/topics/T/p2p/tab/x")
	other.until("beta to tab")
	other.sawNothing("beta's", "acme")
	tab.publish(packet.Publish{Topic: "T/p2p/tab/x", Payload: []byte("myself")})
	tab.until("myself")
	tab.sawNothing("acme's", "beta")
}
