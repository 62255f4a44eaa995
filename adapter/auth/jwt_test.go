package auth

import (
	"context"
	"crypto"
	"crypto/ecdsa"
	"crypto/ed25519"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/rsa"
	"crypto/x509"
	"encoding/base64"
	"encoding/json"
	"encoding/pem"
	"errors"
	"log/slog"
	"maps"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/go-jose/go-jose/v4"

	"lmqgate/meta/access"
)

const jwtSecret = "0123456789abcdef0123456789abcdef0123456789abcdef0123456789abcdef"

func jwtNow() time.Time { return time.Unix(1_795_000_000, 0) }

// sign makes a token.
func sign(t *testing.T, alg jose.SignatureAlgorithm, key any, claims map[string]any, header ...string) string {
	t.Helper()
	opt := &jose.SignerOptions{}
	for i := 0; i < len(header); i += 2 {
		opt.WithHeader(jose.HeaderKey(header[i]), header[i+1])
	}
	s, err := jose.NewSigner(jose.SigningKey{Algorithm: alg, Key: key}, opt)
	if err != nil {
		t.Fatal(err)
	}
	text, err := json.Marshal(claims)
	if err != nil {
		t.Fatal(err)
	}
	signed, err := s.Sign(text)
	if err != nil {
		t.Fatal(err)
	}
	token, err := signed.CompactSerialize()
	if err != nil {
		t.Fatal(err)
	}
	return token
}

// with adds claims to those of a good token; nil takes one away.
func with(more map[string]any) map[string]any {
	c := map[string]any{"sub": "ann", "exp": jwtNow().Add(time.Hour).Unix(), "iss": "https://issuer", "aud": "mqtt", "cid": "c1"}
	maps.Copy(c, more)
	maps.DeleteFunc(c, func(_ string, v any) bool { return v == nil })
	return c
}

func newJWT(t *testing.T, cfg JWTConfig) *JWT {
	t.Helper()
	cfg.Now = jwtNow
	j, err := NewJWT(cfg)
	if err != nil {
		t.Fatal(err)
	}
	return j
}

func byPassword(token string) *access.Login {
	return &access.Login{ClientID: "c1", HasPassword: true, Password: []byte(token), Transport: "tcp"}
}

func TestJWTClaims(t *testing.T) {
	j := newJWT(t, JWTConfig{
		Secret: []byte(jwtSecret), Issuers: []string{"https://issuer"}, Audience: []string{"mqtt", "other"}, ClientIDClaim: "cid", TenantClaim: "org", ACLClaim: "acl",
	})
	for name, c := range map[string]struct {
		claims map[string]any
		words  string // "": accepted
	}{
		"good":              {nil, ""},
		"several audiences": {map[string]any{"aud": []string{"x", "mqtt"}}, ""},
		"several ids":       {map[string]any{"cid": []string{"c0", "c1"}}, ""},
		"tenant":            {map[string]any{"org": "acme"}, ""},
		"rules":             {map[string]any{"acl": map[string]any{"pub": []string{"a/#"}}}, ""},
		"nearly expired":    {map[string]any{"exp": jwtNow().Add(-29 * time.Second).Unix()}, ""},
		"expired":           {map[string]any{"exp": jwtNow().Add(-30 * time.Second).Unix()}, "expired"},
		"no exp":            {map[string]any{"exp": nil}, "no claim exp"},
		"exp is text":       {map[string]any{"exp": "tomorrow"}, "exp is no time"},
		"exp is huge":       {map[string]any{"exp": 1e300}, "exp is no time"},
		"not yet":           {map[string]any{"nbf": jwtNow().Add(31 * time.Second).Unix()}, "not valid yet"},
		"about now":         {map[string]any{"nbf": jwtNow().Add(30 * time.Second).Unix()}, ""},
		"issuer":            {map[string]any{"iss": "https://issuer.evil"}, "issuer"},
		"no issuer":         {map[string]any{"iss": nil}, "issuer"},
		"audience":          {map[string]any{"aud": []string{"x"}}, "audience"},
		"no audience":       {map[string]any{"aud": nil}, "audience"},
		"no user":           {map[string]any{"sub": nil}, "no claim sub"},
		"user is a number":  {map[string]any{"sub": 7}, "no claim sub"},
		"another client":    {map[string]any{"cid": "c2"}, "client id"},
		"no client":         {map[string]any{"cid": nil}, "client id"},
		"odd tenant":        {map[string]any{"org": "a/b"}, "tenant"},
		"tenant is a list":  {map[string]any{"org": []string{"a"}}, "tenant"},
		"odd rules":         {map[string]any{"acl": "everything"}, "rules"},
	} {
		id, err := j.Verify(t.Context(), byPassword(sign(t, jose.HS256, []byte(jwtSecret), with(c.claims))))
		switch {
		case c.words == "" && (err != nil || id.Username != "ann" || id.Method != "jwt" || id.Expires.IsZero()):
			t.Errorf("%s: %+v, %v", name, id, err)
		case c.words != "" && (!errors.Is(err, access.ErrDenied) || !strings.Contains(err.Error(), c.words)):
			t.Errorf("%s: %+v, %v", name, id, err)
		}
		if name == "tenant" && id.Tenant != "acme" || name == "rules" && len(id.Rules) != 1 {
			t.Errorf("%s: %+v", name, id)
		}
	}
}

// rsaKeys are two, made once: with the race detector that takes seconds.
var rsaKeys = sync.OnceValue(func() (two [2]*rsa.PrivateKey) {
	for i := range two {
		two[i], _ = rsa.GenerateKey(rand.Reader, 2048)
	}
	return two
})

// keyPairs are keys of all kinds, with the algorithms that they make.
func keyPairs(t *testing.T) map[jose.SignatureAlgorithm]crypto.Signer {
	t.Helper()
	r, err := rsaKeys()[0], error(nil)
	all := map[jose.SignatureAlgorithm]crypto.Signer{jose.RS256: r, jose.RS512: r, jose.PS256: r, jose.PS384: r}
	for alg, curve := range map[jose.SignatureAlgorithm]elliptic.Curve{jose.ES256: elliptic.P256(), jose.ES384: elliptic.P384(), jose.ES512: elliptic.P521()} {
		if all[alg], err = ecdsa.GenerateKey(curve, rand.Reader); err != nil {
			t.Fatal(err)
		}
	}
	if _, all[jose.EdDSA], err = ed25519.GenerateKey(rand.Reader); err != nil {
		t.Fatal(err)
	}
	return all
}

func TestJWTAlgorithms(t *testing.T) {
	pairs := keyPairs(t)
	for alg, pair := range pairs {
		der, err := x509.MarshalPKIXPublicKey(pair.Public())
		if err != nil {
			t.Fatal(err)
		}
		keys, err := ParseKeys(pem.EncodeToMemory(&pem.Block{Type: "PUBLIC KEY", Bytes: der}))
		if err != nil {
			t.Fatal(err)
		}
		j := newJWT(t, JWTConfig{Keys: []Keys{keys}})
		if _, err := j.Verify(t.Context(), byPassword(sign(t, alg, pair, with(nil)))); err != nil {
			t.Errorf("%s: %v", alg, err)
		}
		for other, key := range pairs {
			_, one := key.(*rsa.PrivateKey)
			_, two := pair.(*rsa.PrivateKey)
			if other != alg && !(one && two) {
				if _, err := j.Verify(t.Context(), byPassword(sign(t, other, key, with(nil)))); !errors.Is(err, access.ErrDenied) {
					t.Errorf("%s by a key of %s: %v", other, alg, err)
				}
			}
		}
	}
}

// TestJWTAttacks: tokens made by somebody who knows the public key, and everything else that is public.
func TestJWTAttacks(t *testing.T) {
	pairs := keyPairs(t)
	key := pairs[jose.RS256]
	der, _ := x509.MarshalPKIXPublicKey(key.Public())
	text := pem.EncodeToMemory(&pem.Block{Type: "PUBLIC KEY", Bytes: der})
	keys, err := ParseKeys(text)
	if err != nil {
		t.Fatal(err)
	}
	j := newJWT(t, JWTConfig{Keys: []Keys{keys}})
	both := newJWT(t, JWTConfig{Keys: []Keys{keys}, Secret: []byte(jwtSecret)})
	good := sign(t, jose.RS256, key, with(nil))
	parts := strings.Split(good, ".")
	b64 := func(s string) string { return base64.RawURLEncoding.EncodeToString([]byte(s)) }
	own := rsaKeys()[1]
	embedded := func(header string, value any) string {
		h, _ := json.Marshal(map[string]any{"alg": "RS256", header: value})
		s := sign(t, jose.RS256, own, with(nil))
		return b64(string(h)) + s[strings.Index(s, "."):]
	}
	for name, token := range map[string]string{
		"alg none":               b64(`{"alg":"none"}`) + "." + parts[1] + ".",
		"alg None":               b64(`{"alg":"None"}`) + "." + parts[1] + "." + parts[2],
		"no signature":           parts[0] + "." + parts[1] + ".",
		"public key as secret":   sign(t, jose.HS256, text, with(nil)),
		"DER as secret":          sign(t, jose.HS256, der, with(nil)),
		"other claims":           parts[0] + "." + b64(`{"sub":"root","exp":9999999999}`) + "." + parts[2],
		"own key":                sign(t, jose.RS256, own, with(nil)),
		"own key, known kid":     sign(t, jose.RS256, own, with(nil), "kid", ""),
		"kid as path":            sign(t, jose.RS256, own, with(nil), "kid", "../../../../dev/null"),
		"own key in jwk":         embedded("jwk", jose.JSONWebKey{Key: own.Public()}),
		"own keys in jku":        embedded("jku", "https://evil/keys"),
		"own keys in x5u":        embedded("x5u", "https://evil/cert"),
		"unknown critical":       embedded("crit", []string{"x"}),
		"JSON serialization":     `{"payload":"` + parts[1] + `","signatures":[{"protected":"` + parts[0] + `","signature":"` + parts[2] + `"}]}`,
		"four parts":             good + ".x",
		"five parts (encrypted)": good + ".x.y",
		"spaces":                 parts[0] + ". " + parts[1] + "." + parts[2],
		"long":                   sign(t, jose.RS256, key, with(map[string]any{"x": strings.Repeat("x", maxToken)})),
		"list of claims":         b64(`{"alg":"HS256"}`) + "." + b64(`[]`) + "." + parts[2],
		"empty":                  "..",
	} {
		for _, v := range []*JWT{j, both} {
			l := &access.Login{ClientID: "c1", Transport: "ws", Header: http.Header{"Authorization": {"Bearer " + token}}}
			id, err := v.Verify(t.Context(), l)
			if !errors.Is(err, access.ErrDenied) {
				t.Errorf("%s: %+v, %v", name, id, err)
				continue
			}
			if len(token) > 20 && strings.Contains(err.Error(), token[len(token)-12:]) {
				t.Errorf("%s: the error repeats the token: %v", name, err)
			}
		}
	}
	if _, err := j.Verify(t.Context(), byPassword(good)); err != nil {
		t.Error(err)
	}
	if _, err := ParseKeys(pem.EncodeToMemory(&pem.Block{Type: "PRIVATE KEY", Bytes: der})); err == nil {
		t.Error("a private key is taken")
	}
	if _, err := ParseKeys([]byte(`{"keys":[{"kty":"oct","k":"c2VjcmV0"}]}`)); err == nil {
		t.Error("a symmetric key is taken as a public one")
	}
}

func TestJWTComesFrom(t *testing.T) {
	j := newJWT(t, JWTConfig{Secret: []byte(jwtSecret), Cookie: "session"})
	token := sign(t, jose.HS512, []byte(jwtSecret), with(nil))
	header := func(kv ...string) http.Header { return http.Header{kv[0]: {kv[1]}} }
	for name, l := range map[string]*access.Login{
		"password":    {HasPassword: true, Password: []byte(token)},
		"header":      {Transport: "ws", Header: header("Authorization", "bearer "+token)},
		"subprotocol": {Transport: "ws", Header: header("Sec-Websocket-Protocol", "mqtt, bearer."+token)},
		"cookie":      {Transport: "ws", Header: header("Cookie", "a=b; session="+token)},
		"http cookie": {Transport: "http", Header: header("Cookie", "session="+token)},
	} {
		if id, err := j.Verify(t.Context(), l); err != nil || id.Username != "ann" {
			t.Errorf("%s: %+v, %v", name, id, err)
		}
	}
	for name, l := range map[string]*access.Login{
		"nothing": {}, "a password": {HasPassword: true, Password: []byte("hunter2")}, "basic": {Transport: "ws", Header: header("Authorization", "Basic YTpi")},
		"cookie": {Transport: "ws", Header: header("Cookie", "other="+token)},
	} {
		if _, err := j.Verify(t.Context(), l); !errors.Is(err, access.ErrIgnore) {
			t.Errorf("%s: %v", name, err)
		}
	}
	x, err := j.Begin(&access.Login{ClientID: "c1"}, JWTMethod)
	if err != nil {
		t.Fatal(err)
	}
	if _, id, err := x.Next(t.Context(), []byte(token)); err != nil || id == nil || id.Username != "ann" {
		t.Errorf("%+v, %v", id, err)
	}
	if _, _, err := x.Next(t.Context(), []byte(token[1:])); !errors.Is(err, access.ErrDenied) {
		t.Errorf("%v", err)
	}
	if _, err := (Methods{j}).Begin(&access.Login{}, "SCRAM-SHA-256"); !errors.Is(err, access.ErrIgnore) {
		t.Errorf("%v", err)
	}
}

// TestJWKSRotates: a key that an issuer takes into use is found, one that it gives up is not accepted any more, and while the
// URL is away the old ones go on.
func TestJWKSRotates(t *testing.T) {
	pairs := keyPairs(t)
	var set atomic.Pointer[jose.JSONWebKeySet]
	var fetches atomic.Int32
	publish := func(algs ...jose.SignatureAlgorithm) {
		s := &jose.JSONWebKeySet{Keys: []jose.JSONWebKey{{Key: []byte(jwtSecret), KeyID: "oct"}}}
		for _, alg := range algs {
			s.Keys = append(s.Keys, jose.JSONWebKey{Key: pairs[alg].Public(), KeyID: string(alg), Use: "sig"})
		}
		set.Store(s)
	}
	srv := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		fetches.Add(1)
		s := set.Load()
		if s == nil {
			http.Redirect(w, r, "/elsewhere", http.StatusFound)
			return
		}
		_ = json.NewEncoder(w).Encode(s)
	}))
	defer srv.Close()
	now := jwtNow()
	keys := NewJWKS(JWKSConfig{URL: srv.URL, Client: srv.Client(), MaxStale: time.Hour, Logger: slog.New(slog.DiscardHandler), Now: func() time.Time { return now }})
	j := newJWT(t, JWTConfig{Keys: []Keys{keys}})
	try := func(alg jose.SignatureAlgorithm) error {
		_, err := j.Verify(t.Context(), byPassword(sign(t, alg, pairs[alg], with(nil), "kid", string(alg))))
		return err
	}
	if err := try(jose.ES256); !errors.Is(err, access.ErrUnavailable) {
		t.Errorf("while there are no keys: %v", err)
	}
	publish(jose.ES256)
	if err := try(jose.ES256); !errors.Is(err, access.ErrUnavailable) || fetches.Load() != 1 {
		t.Errorf("at once: %v, %d fetches", err, fetches.Load())
	}
	now = now.Add(jwksAgain)
	if err := try(jose.ES256); err != nil {
		t.Error(err)
	}
	publish(jose.ES256, jose.EdDSA)
	if err := try(jose.EdDSA); !errors.Is(err, access.ErrDenied) {
		t.Errorf("fetched more often than every %v: %v", jwksAgain, err)
	}
	now = now.Add(jwksAgain)
	for _, alg := range []jose.SignatureAlgorithm{jose.EdDSA, jose.ES256} {
		if err := try(alg); err != nil {
			t.Errorf("%s: %v", alg, err)
		}
	}
	set.Store(nil)
	now = now.Add(2 * jwksFresh)
	if err := try(jose.ES256); err != nil {
		t.Errorf("while the URL is away: %v", err)
	}
	publish(jose.EdDSA)
	now = now.Add(2 * jwksFresh)
	_ = try(jose.EdDSA) // begins the fetch, and does not wait for it
	for deadline := time.Now().Add(time.Minute); try(jose.ES256) == nil; {
		if time.Now().After(deadline) {
			t.Fatal("a key that was given up is accepted")
		}
		time.Sleep(time.Millisecond)
	}
	if err := try(jose.EdDSA); err != nil {
		t.Error(err)
	}
	if got := sign(t, jose.HS256, []byte(jwtSecret), with(nil), "kid", "oct"); true {
		if _, err := j.Verify(context.Background(), byPassword(got)); !errors.Is(err, access.ErrDenied) {
			t.Errorf("a symmetric key of the set: %v", err)
		}
	}
}

func FuzzJWT(f *testing.F) {
	j, err := NewJWT(JWTConfig{Secret: []byte(jwtSecret), Now: jwtNow})
	if err != nil {
		f.Fatal(err)
	}
	f.Add("eyJhbGciOiJIUzI1NiJ9.e30.x")
	f.Add("..")
	f.Fuzz(func(t *testing.T, token string) {
		if id, err := j.identify(t.Context(), &access.Login{}, token); err == nil {
			t.Errorf("%q is accepted as %+v", token, id)
		}
	})
}
