package auth

import (
	"context"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/json"
	"errors"
	"net/http"
	"net/http/httptest"
	"net/netip"
	"net/url"
	"strings"
	"sync"
	"testing"
	"time"

	"lmqgate/meta/access"
)

// asker is a callback of an operator's.
type asker struct {
	mu     sync.Mutex // protects the fields below
	asked  []map[string]string
	status int
	answer string
	token  string
}

func (a *asker) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	a.mu.Lock()
	defer a.mu.Unlock()
	var body map[string]string
	_ = json.NewDecoder(r.Body).Decode(&body)
	a.asked, a.token = append(a.asked, body), r.Header.Get("Authorization")
	if a.status == http.StatusFound {
		w.Header().Set("Location", "/allow")
	}
	w.WriteHeader(a.status)
	_, _ = w.Write([]byte(a.answer))
}

func (a *asker) says(status int, answer string) {
	a.mu.Lock()
	defer a.mu.Unlock()
	a.status, a.answer = status, answer
}

func (a *asker) times() int {
	a.mu.Lock()
	defer a.mu.Unlock()
	return len(a.asked)
}

func TestCallback(t *testing.T) {
	a := &asker{}
	srv := httptest.NewServer(a)
	defer srv.Close()
	now := jwtNow()
	for name, c := range map[string]struct {
		status int
		answer string
		err    error
	}{
		"allow":            {200, `{"result":"allow","is_superuser":true}`, nil},
		"expires":          {200, `{"result":"allow","expire_at":1795000060,"acl":{"sub":["a/#"]},"client_attrs":{"tenant":"acme"}}`, nil},
		"rules as a list":  {200, `{"result":"allow","acl":[{"permission":"deny","action":"all","topic":"#"}]}`, nil},
		"deny":             {200, `{"result":"deny"}`, access.ErrDenied},
		"ignore":           {200, `{"result":"ignore"}`, access.ErrIgnore},
		"has expired":      {200, `{"result":"allow","expire_at":1795000000}`, access.ErrDenied},
		"no result":        {200, `{}`, access.ErrUnavailable},
		"another result":   {200, `{"result":"ALLOW!"}`, access.ErrUnavailable},
		"no JSON":          {200, `allow`, access.ErrUnavailable},
		"bad rules":        {200, `{"result":"allow","acl":"all"}`, access.ErrUnavailable},
		"bad tenant":       {200, `{"result":"allow","client_attrs":{"tenant":"a/b"}}`, access.ErrUnavailable},
		"too long":         {200, `{"result":"allow","x":"` + strings.Repeat("x", maxCallbackAnswer) + `"}`, access.ErrUnavailable},
		"not found":        {404, `{"result":"allow"}`, access.ErrUnavailable},
		"error":            {500, `{"result":"allow"}`, access.ErrUnavailable},
		"somewhere else":   {302, `{"result":"allow"}`, access.ErrUnavailable},
		"nothing to allow": {204, ``, access.ErrUnavailable},
	} {
		a.says(c.status, c.answer)
		v := NewCallback(CallbackConfig{URL: srv.URL, Token: "t0ken", Client: srv.Client(), Now: func() time.Time { return now }})
		l := &access.Login{ClientID: "c1", Username: "ann", Password: []byte("s3cret"), HasPassword: true, Transport: "ws", Address: netip.MustParseAddr("192.0.2.1")}
		id, err := v.Verify(t.Context(), l)
		if c.err == nil && (err != nil || id.Username != "ann" || id.Method != "http") || c.err != nil && !errors.Is(err, c.err) {
			t.Errorf("%s: %+v, %v", name, id, err)
		}
		if err != nil && strings.Contains(err.Error(), "s3cret") {
			t.Errorf("%s: the error has the password: %v", name, err)
		}
		if name == "expires" && (id.Tenant != "acme" || len(id.Rules) != 1 || !id.Expires.Equal(now.Add(time.Minute))) {
			t.Errorf("%s: %+v", name, id)
		}
	}
	last := a.asked[len(a.asked)-1]
	if a.token != "Bearer t0ken" || last["client_id"] != "c1" || last["username"] != "ann" || last["password"] != "s3cret" || last["transport"] != "ws" || last["address"] != "192.0.2.1" {
		t.Errorf("asked %v with %q", last, a.token)
	}
}

// TestCallbackRemembers: an answer counts for the very same credentials only, and not for ever; an answer that none was, never.
func TestCallbackRemembers(t *testing.T) {
	a := &asker{}
	srv := httptest.NewServer(a)
	defer srv.Close()
	now := jwtNow()
	v := NewCallback(CallbackConfig{URL: srv.URL, Client: srv.Client(), Now: func() time.Time { return now }})
	try := func(id, user, password string, asked bool) error {
		t.Helper()
		before := a.times()
		_, err := v.Verify(t.Context(), &access.Login{ClientID: id, Username: user, Password: []byte(password)})
		if (a.times() > before) != asked {
			t.Errorf("%s %s %s: asked %v", id, user, password, !asked)
		}
		return err
	}
	a.says(200, `{"result":"allow"}`)
	_ = try("c", "u", "p", true)
	if err := try("c", "u", "p", false); err != nil {
		t.Error(err)
	}
	a.says(200, `{"result":"deny"}`)
	for _, other := range [][3]string{{"c2", "u", "p"}, {"c", "u2", "p"}, {"c", "u", "p2"}, {"cu", "", "p"}, {"c", "", "up"}} {
		if err := try(other[0], other[1], other[2], true); !errors.Is(err, access.ErrDenied) {
			t.Errorf("%v: %v", other, err)
		}
	}
	_ = try("c", "u", "p2", false)
	now = now.Add(callbackAllowed)
	if err := try("c", "u", "p", true); !errors.Is(err, access.ErrDenied) {
		t.Errorf("%v", err)
	}
	a.says(500, "")
	now = now.Add(callbackAllowed)
	for range 2 {
		if err := try("c", "u", "p", true); !errors.Is(err, access.ErrUnavailable) {
			t.Errorf("%v", err)
		}
	}
	a.says(200, `{"result":"allow"}`)
	for i := range maxCallbackCache + 100 {
		v.keep([32]byte{byte(i), byte(i >> 8), byte(i >> 16)}, heard{until: now.Add(time.Hour)})
	}
	if n := len(v.cache); n > maxCallbackCache {
		t.Errorf("%d are remembered", n)
	}
}

// verdicts is a Verifier that knows one password.
type verdicts struct{ asked int }

func (v *verdicts) Verify(_ context.Context, l *access.Login) (access.Identity, error) {
	v.asked++
	switch string(l.Password) {
	case "right":
		return access.Identity{Username: l.Username}, nil
	case "away":
		return access.Identity{}, access.ErrUnavailable
	}
	return access.Identity{}, access.ErrDenied
}

func TestLimited(t *testing.T) {
	now := jwtNow()
	under := &verdicts{}
	v := &Limited{Verifier: under, Failures: 3, Every: time.Second, Now: func() time.Time { return now }}
	try := func(at, user, password string, want error) {
		t.Helper()
		_, err := v.Verify(t.Context(), &access.Login{Username: user, Password: []byte(password), Address: netip.MustParseAddr(at)})
		if !errors.Is(err, want) || want == nil && err != nil || want == access.ErrDenied && errors.Is(err, access.ErrLimited) {
			t.Errorf("%s %s %s: %v, want %v", at, user, password, err, want)
		}
	}
	for range 3 {
		try("192.0.2.1", "ann", "guess", access.ErrDenied)
	}
	before := under.asked
	try("192.0.2.1", "ann", "right", access.ErrLimited) // not even looked at
	if under.asked != before {
		t.Error("the verifier was asked")
	}
	try("192.0.2.2", "ann", "right", nil) // ann herself, elsewhere
	try("192.0.2.1", "bob", "right", nil) // another one behind the same address
	now = now.Add(time.Second)
	try("192.0.2.1", "ann", "guess", access.ErrDenied)
	try("192.0.2.1", "ann", "guess", access.ErrLimited)
	now = now.Add(time.Second)
	try("192.0.2.1", "ann", "right", nil)
	for n := range 30 {
		try("2001:db8::1", string(rune('a'+n)), "guess", access.ErrDenied)
	}
	try("2001:db8::2", "zoe", "right", access.ErrLimited) // the same network
	try("2001:db8:0:1::1", "zoe", "right", nil)
	for range 100 {
		try("192.0.2.9", "eve", "away", access.ErrUnavailable) // is nobody's failure
	}
	for n := range 3 * maxLimited {
		v.count([]string{"a" + time.Duration(n).String()})
	}
	if n := len(v.failed); n > maxLimited {
		t.Errorf("%d are remembered", n)
	}
}

func TestMTLS(t *testing.T) {
	u, _ := url.Parse("spiffe://x/ann")
	cert := &x509.Certificate{
		Subject: pkix.Name{CommonName: "ann"}, DNSNames: []string{"ann.example"}, URIs: []*url.URL{u}, EmailAddresses: []string{"ann@example"}, NotAfter: jwtNow(),
	}
	for from, want := range map[string]string{"cn": "ann", "dns": "ann.example", "uri": "spiffe://x/ann", "email": "ann@example"} {
		id, err := MTLS{from}.Verify(t.Context(), &access.Login{Username: "root", Certificate: []*x509.Certificate{cert}})
		if err != nil || id.Username != want || id.Method != "mtls" || !id.Expires.Equal(jwtNow()) {
			t.Errorf("%s: %+v, %v", from, id, err)
		}
		if _, err := (MTLS{from}).Verify(t.Context(), &access.Login{Certificate: []*x509.Certificate{{}}}); !errors.Is(err, access.ErrDenied) {
			t.Errorf("%s without a name: %v", from, err)
		}
		if _, err := (MTLS{from}).Verify(t.Context(), &access.Login{}); !errors.Is(err, access.ErrIgnore) {
			t.Errorf("%s without a certificate: %v", from, err)
		}
	}
}
