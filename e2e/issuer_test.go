package e2e

import (
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"encoding/json"
	"fmt"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/coder/websocket"
	"github.com/go-jose/go-jose/v4"

	"lmqgate/adapter/packet"
)

// issuer issues tokens and publishes the keys that it has in use.
type issuer struct {
	t   *testing.T
	url string

	mu      sync.Mutex // protects the fields below
	keys    map[string]*ecdsa.PrivateKey
	listed  []string // key ids
	away    bool
	fetches int
	shown   []string // all tokens, which no log shall have
}

func newIssuer(t *testing.T) *issuer {
	i := &issuer{t: t, keys: make(map[string]*ecdsa.PrivateKey)}
	srv := httptest.NewServer(i)
	t.Cleanup(srv.Close)
	i.url = srv.URL
	return i
}

// ServeHTTP answers with the JWK Set.
func (i *issuer) ServeHTTP(w http.ResponseWriter, _ *http.Request) {
	i.mu.Lock()
	defer i.mu.Unlock()
	i.fetches++
	if i.away {
		http.Error(w, "away", http.StatusBadGateway)
		return
	}
	var set jose.JSONWebKeySet
	for _, kid := range i.listed {
		set.Keys = append(set.Keys, jose.JSONWebKey{Key: i.keys[kid].Public(), KeyID: kid, Use: "sig", Algorithm: "ES256"})
	}
	_ = json.NewEncoder(w).Encode(set)
}

// lists says which keys are published from now on.
func (i *issuer) lists(kids ...string) {
	i.mu.Lock()
	defer i.mu.Unlock()
	i.listed, i.away = kids, len(kids) == 0
	for _, kid := range kids {
		i.key(kid)
	}
}

// key makes a key when it is first named. Called under i.mu.
func (i *issuer) key(kid string) *ecdsa.PrivateKey {
	if i.keys[kid] == nil {
		key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
		must(i.t, err)
		i.keys[kid] = key
	}
	return i.keys[kid]
}

func (i *issuer) fetched() int {
	i.mu.Lock()
	defer i.mu.Unlock()
	return i.fetches
}

// token issues one that lasts for a time.
func (i *issuer) token(kid, user string, lasts time.Duration) string {
	i.t.Helper()
	i.mu.Lock()
	defer i.mu.Unlock()
	s, err := jose.NewSigner(jose.SigningKey{Algorithm: jose.ES256, Key: i.key(kid)}, (&jose.SignerOptions{}).WithHeader("kid", kid))
	must(i.t, err)
	text, err := json.Marshal(map[string]any{"sub": user, "iss": "https://issuer.test", "exp": float64(time.Now().Add(lasts).UnixMilli()) / 1000})
	must(i.t, err)
	signed, err := s.Sign(text)
	must(i.t, err)
	token, err := signed.CompactSerialize()
	must(i.t, err)
	i.shown = append(i.shown, token)
	return token
}

// keptFromLogs looks for secrets, whole and in part, in all that an instance wrote.
func keptFromLogs(t *testing.T, i *instance, secrets ...string) {
	t.Helper()
	log := i.log.String()
	if !strings.Contains(log, `"level":"DEBUG"`) {
		t.Error("the log is not that of LOG_LEVEL=debug")
	}
	for _, s := range secrets {
		if part := s[strings.LastIndex(s, ".")+1:]; strings.Contains(log, part) {
			t.Errorf("the log has the secret %q in it", part)
		}
	}
}

// loginCode connects by user name and password and returns what CONNACK says.
func loginCode(t *testing.T, addr, user, password string) packet.ReasonCode {
	t.Helper()
	w := dialed(t, addr, packet.V5)
	defer w.cut()
	w.send(&packet.Connect{
		Version: packet.V5, ClientID: "login-" + strings.ToLower(rand.Text()[:8]), CleanStart: true,
		HasUsername: user != "", Username: user, HasPassword: password != "", Password: []byte(password),
	})
	return want[*packet.Connack](t, w).Code
}

// alive has a PINGREQ answered.
func (w *wire) alive(t *testing.T) {
	t.Helper()
	w.send(&packet.Pingreq{})
	want[*packet.Pingresp](t, w)
}

// TestIssuer: an issuer changes its key while clients are connected, and goes away for a while; tokens that name made-up keys do
// not have it asked again and again.
func TestIssuer(t *testing.T) {
	t.Parallel()
	is := newIssuer(t)
	is.lists("old")
	f := start(t, 1, mini, "AUTH=jwt,anonymous", "AUTH_JWT_JWKS_URL="+is.url, "AUTH_JWT_ISSUER=https://issuer.test", "AUTH_FAILURES=0", "LOG_LEVEL=debug")
	i := f.instances[0]
	old, next, newest := is.token("old", "ann", time.Hour), is.token("new", "ann", time.Hour), is.token("newest", "ann", time.Hour)
	stays := dialed(t, i.tcp, packet.V5)
	stays.connect(t, packet.Connect{ClientID: "stays", CleanStart: true, HasPassword: true, Password: []byte(old)})
	// becomes waits until a token is answered with a code. Each try that fails names a key that is not known.
	tries := 0
	becomes := func(token string, want packet.ReasonCode) {
		t.Helper()
		eventually(t, soon, func() error {
			tries++
			if got := loginCode(t, i.tcp, "", token); got != want {
				return fmt.Errorf("CONNACK %v, want %v", got, want)
			}
			return nil
		})
	}
	began := time.Now()
	is.lists("new") // the old one is withdrawn
	becomes(next, packet.Success)
	if code := loginCode(t, i.tcp, "", old); code != packet.BadUserNameOrPassword {
		t.Errorf("a key that was withdrawn: CONNACK %v", code)
	}
	stays.alive(t)

	is.lists() // away
	becomes(newest, packet.ServerUnavailable)
	if code := loginCode(t, i.tcp, "", next); code != packet.Success {
		t.Errorf("a known key while the issuer is away: CONNACK %v", code)
	}
	is.lists("new")
	if most := 2 + int(time.Since(began)/(10*time.Second)); is.fetched() > most {
		t.Errorf("the issuer was asked %d times for %d logins, want %d times at most", is.fetched(), tries, most)
	}
	i.terminate()
	keptFromLogs(t, i, is.shown...)
}

// upgraded opens a WebSocket with header fields and subprotocols and connects without a password.
func upgraded(t *testing.T, url string, header http.Header, protocols ...string) (code packet.ReasonCode, status int) {
	t.Helper()
	c, resp, err := websocket.Dial(t.Context(), url, &websocket.DialOptions{HTTPHeader: header, Subprotocols: append(protocols, "mqtt")})
	if err != nil {
		if resp == nil {
			t.Fatal(err)
		}
		return 0, resp.StatusCode
	}
	w := &wire{conn: websocket.NetConn(t.Context(), c, websocket.MessageBinary), v: packet.V5, changed: make(chan struct{})}
	go w.read()
	defer w.cut()
	w.send(&packet.Connect{Version: packet.V5, ClientID: "ws-" + strings.ToLower(rand.Text()[:8]), CleanStart: true})
	return want[*packet.Connack](t, w).Code, http.StatusSwitchingProtocols
}

// TestTokenPlaces: a token counts wherever browsers and functions can put it, and a wrong one nowhere makes an anonymous client.
func TestTokenPlaces(t *testing.T) {
	t.Parallel()
	is := newIssuer(t)
	is.lists("k")
	f := start(t, 1, mini, "AUTH=jwt,anonymous", "AUTH_JWT_JWKS_URL="+is.url, "AUTH_JWT_COOKIE=sid", "WS_ORIGINS=app.test", "AUTH_FAILURES=0", "LOG_LEVEL=debug",
		`ACL_RULES=[{"permission":"allow","action":"all","topic":"%u/#"}]`)
	i := f.instances[0]
	token := is.token("k", "ann", time.Hour)
	wrong := is.token("k", "ann", -time.Hour)
	origin := func(h http.Header, origin string) http.Header {
		h.Set("Origin", origin)
		return h
	}
	field := func(name, value string) http.Header { return http.Header{name: {value}} }
	for name, c := range map[string]struct {
		header    http.Header
		protocols []string
		code      packet.ReasonCode
		status    int
	}{
		"nothing":               {nil, nil, packet.Success, 101},
		"header":                {field("Authorization", "Bearer "+token), nil, packet.Success, 101},
		"wrong header":          {field("Authorization", "Bearer "+wrong), nil, packet.BadUserNameOrPassword, 101},
		"garbage header":        {field("Authorization", "Bearer header-garbage"), nil, packet.BadUserNameOrPassword, 101},
		"basic":                 {field("Authorization", "Basic dXNlcjpiYXNpYy1zZWNyZXQ="), nil, packet.BadUserNameOrPassword, 101},
		"subprotocol":           {nil, []string{"bearer." + token}, packet.Success, 101},
		"wrong subprotocol":     {nil, []string{"bearer." + wrong}, packet.BadUserNameOrPassword, 101},
		"cookie":                {origin(field("Cookie", "sid="+token), "https://app.test"), nil, packet.Success, 101},
		"wrong cookie":          {origin(field("Cookie", "sid="+wrong), "https://app.test"), nil, packet.BadUserNameOrPassword, 101},
		"cookie, another page":  {origin(field("Cookie", "sid="+token), "https://evil.test"), nil, 0, 403},
		"nothing, another page": {origin(http.Header{}, "https://evil.test"), nil, 0, 403},
	} {
		if code, status := upgraded(t, i.ws(), c.header, c.protocols...); code != c.code || status != c.status {
			t.Errorf("%s: CONNACK %v, status %d", name, code, status)
		}
	}
	for password, code := range map[string]packet.ReasonCode{token: packet.Success, wrong: packet.BadUserNameOrPassword, "password-garbage": packet.BadUserNameOrPassword, "": packet.Success} {
		if got := loginCode(t, i.tcp, "ann", password); got != code {
			t.Errorf("password %.20q: %v", password, got)
		}
	}
	to := "http://" + i.http + "/v1/topics/"
	posted(t, 200, "-H", "Authorization: Bearer "+token, "--data-binary", "x", to+"ann/x")
	posted(t, 200, "--user", "whoever:"+token, "--data-binary", "x", to+"ann/x")
	posted(t, 403, "-H", "Authorization: Bearer "+token, "--data-binary", "x", to+"bob/x")
	posted(t, 401, "-H", "Authorization: Bearer "+wrong, "--data-binary", "x", to+"ann/x")
	posted(t, 401, "-H", "Authorization: Bearer bearer-garbage", "--data-binary", "x", to+"ann/x")
	posted(t, 401, "--user", "ann:basic-garbage", "--data-binary", "x", to+"ann/x")
	posted(t, 401, "-H", "Authorization: Digest digest-garbage", "--data-binary", "x", to+"ann/x")
	posted(t, 403, "--user-agent", "nobody", "--data-binary", "x", to+"ann/x") // anonymous: %u is nobody
	i.terminate()
	keptFromLogs(t, i, append(is.shown, "header-garbage", "password-garbage", "bearer-garbage", "basic-garbage", "digest-garbage", "basic-secret",
		"dXNlcjpiYXNpYy1zZWNyZXQ")...)
}

// TestTokenEnds: a connection ends with its token, with 0x87, unless AUTH has renewed it.
func TestTokenEnds(t *testing.T) {
	t.Parallel()
	is := newIssuer(t)
	is.lists("k")
	f := start(t, 1, mini, "AUTH=jwt", "AUTH_JWT_JWKS_URL="+is.url)
	at := f.instances[0]
	const lasts = 4 * time.Second
	// A token may end before a slow machine has connected with it; it counts for 30 s more then, and ends after these.
	renews := dialed(t, at.ws(), packet.V5)
	short := is.token("k", "ann", lasts)
	renews.connect(t, packet.Connect{ClientID: "renews", CleanStart: true, Properties: packet.ConnectProperties{AuthMethod: "JWT", AuthData: []byte(short)}})
	renews.send(&packet.Auth{Code: packet.ReAuthenticate, Method: "JWT", Data: []byte(is.token("k", "ann", time.Hour))})
	if a := want[*packet.Auth](t, renews); a.Code != packet.Success {
		t.Fatalf("AUTH %v", a.Code)
	}
	ends := dialed(t, at.tcp, packet.V5)
	ends.connect(t, packet.Connect{ClientID: "ends", CleanStart: true, HasPassword: true, Password: []byte(is.token("k", "ann", lasts))})
	before := dialed(t, at.tcp, packet.V311)
	before.connect(t, packet.Connect{ClientID: "before", CleanStart: true, HasUsername: true, HasPassword: true, Password: []byte(is.token("k", "ann", lasts))})
	if got := ends.wantEnd(t); len(got) != 1 || got[0].Type() != packet.DISCONNECT || got[0].(*packet.Disconnect).Code != packet.NotAuthorized {
		t.Errorf("at the end of the token came %v, want DISCONNECT 0x87", got)
	}
	if got := before.wantEnd(t); len(got) != 0 {
		t.Errorf("MQTT 3.1.1 got %v", got)
	}
	renews.alive(t) // whose first token has ended before theirs
	renews.send(&packet.Auth{Code: packet.ReAuthenticate, Method: "JWT", Data: []byte(is.token("k", "bob", time.Hour))})
	if rest := renews.wantEnd(t); len(rest) != 1 || rest[0].Type() != packet.DISCONNECT || rest[0].(*packet.Disconnect).Code != packet.NotAuthorized {
		t.Errorf("another user's token: %v", rest)
	}
}
