package auth

import (
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/json"
	"errors"
	"net/http"
	"net/http/httptest"
	"net/netip"
	"strings"
	"testing"
	"time"

	"github.com/go-jose/go-jose/v4"

	"lmqgate/meta/access"
)

// TestCallbackBinary: JSON can say text only. Passwords that are none look alike in it, so one of them would open for all.
func TestCallbackBinary(t *testing.T) {
	a := &asker{}
	srv := httptest.NewServer(a)
	defer srv.Close()
	a.says(200, `{"result":"allow"}`)
	v := NewCallback(CallbackConfig{URL: srv.URL, Client: srv.Client(), Now: jwtNow})
	for _, l := range []*access.Login{
		{ClientID: "c", Username: "ann", HasPassword: true, Password: []byte("\xff\xfe")},
		{ClientID: "c", Username: "ann", HasPassword: true, Password: []byte("\xc0\x80")},
		{ClientID: "c", Username: "ann\xff"},
		{ClientID: "c\xff", Username: "ann"},
	} {
		if _, err := v.Verify(t.Context(), l); !errors.Is(err, access.ErrDenied) {
			t.Errorf("%q %q %q: %v", l.ClientID, l.Username, l.Password, err)
		}
	}
	if n := a.times(); n != 0 {
		t.Errorf("asked %d times", n)
	}
	if _, err := v.Verify(t.Context(), &access.Login{ClientID: "c", Username: "ann", HasPassword: true, Password: []byte("\ufffd\ufffd")}); err != nil {
		t.Errorf("the character itself: %v", err)
	}
}

// TestCallbackExpired: an end of 0 or before is one, and long ago.
func TestCallbackExpired(t *testing.T) {
	a := &asker{}
	srv := httptest.NewServer(a)
	defer srv.Close()
	for at, want := range map[string]error{"0": access.ErrDenied, "-1": access.ErrDenied, "null": nil, "9999999999999999": access.ErrUnavailable} {
		a.says(200, `{"result":"allow","expire_at":`+at+`}`)
		v := NewCallback(CallbackConfig{URL: srv.URL, Client: srv.Client(), Now: jwtNow})
		if id, err := v.Verify(t.Context(), &access.Login{ClientID: "c"}); !errors.Is(err, want) {
			t.Errorf("%s: %+v, %v", at, id, err)
		}
	}
}

// TestCallbackKeepsItsURL: the URL may have a key in its query, which no log is to have.
func TestCallbackKeepsItsURL(t *testing.T) {
	srv := httptest.NewServer(http.NotFoundHandler())
	srv.Close()
	v := NewCallback(CallbackConfig{URL: srv.URL + "/?key=s3cret", Now: jwtNow})
	_, err := v.Verify(t.Context(), &access.Login{ClientID: "c"})
	if !errors.Is(err, access.ErrUnavailable) || strings.Contains(err.Error(), "s3cret") {
		t.Errorf("%v", err)
	}
}

// TestCallbackShares: one address cannot have all places, and a place that is left is free again.
func TestCallbackShares(t *testing.T) {
	v := NewCallback(CallbackConfig{URL: "http://127.0.0.1:1", Now: jwtNow})
	flood, other := netip.MustParseAddr("2001:db8::1"), netip.MustParseAddr("192.0.2.1")
	var leave []func()
	for {
		end, ok := v.sit(flood)
		if !ok {
			break
		}
		leave = append(leave, end)
	}
	if len(leave) != maxCallbacksEach {
		t.Errorf("one address has %d places", len(leave))
	}
	if _, ok := v.sit(netip.MustParseAddr("2001:db8::ffff")); ok {
		t.Error("the same network has more")
	}
	end, ok := v.sit(other)
	if !ok {
		t.Fatal("another address has none")
	}
	for _, one := range append(leave, end) {
		one()
	}
	if len(v.sitting) != 0 || v.seated != 0 {
		t.Errorf("%d addresses, %d places are left", len(v.sitting), v.seated)
	}
	for n := range maxCallbacks {
		if _, ok := v.sit(netip.AddrFrom4([4]byte{10, 0, 0, byte(n)})); !ok {
			t.Fatalf("place %d is not free", n)
		}
	}
	if _, ok := v.sit(other); ok {
		t.Error("there are more places than there are")
	}
}

// TestJWTCookieIsLast: a cookie comes along with whatever a browser sends. It never makes up for a password that is given.
func TestJWTCookieIsLast(t *testing.T) {
	j := newJWT(t, JWTConfig{Secret: []byte(jwtSecret), Cookie: "session"})
	cookie := http.Header{"Cookie": {"session=" + sign(t, jose.HS256, []byte(jwtSecret), with(nil))}}
	for _, transport := range []string{"ws", "http"} {
		l := &access.Login{Transport: transport, HasUsername: true, Username: "root", HasPassword: true, Password: []byte("wrong"), Header: cookie}
		if id, err := j.Verify(t.Context(), l); !errors.Is(err, access.ErrIgnore) {
			t.Errorf("%s: %+v, %v", transport, id, err)
		}
	}
}

// TestJWTSkew: a token that is accepted though it ended a moment ago by our clock does not end at once.
func TestJWTSkew(t *testing.T) {
	j := newJWT(t, JWTConfig{Secret: []byte(jwtSecret)})
	for exp, want := range map[time.Duration]time.Duration{time.Minute: time.Minute, 0: 30 * time.Second, -10 * time.Second: 20 * time.Second} {
		id, err := j.Verify(t.Context(), byPassword(sign(t, jose.HS256, []byte(jwtSecret), with(map[string]any{"exp": jwtNow().Add(exp).Unix()}))))
		if err != nil || id.Expires.Sub(jwtNow()) != want {
			t.Errorf("exp %v: ends after %v, %v", exp, id.Expires.Sub(jwtNow()), err)
		}
	}
}

// TestOddUserNames: what MQTT does not take for a user name is none in a token or certificate either [MQTT-1.5.4-2].
func TestOddUserNames(t *testing.T) {
	j := newJWT(t, JWTConfig{Secret: []byte(jwtSecret)})
	for _, name := range []string{"", "ann\x00root", strings.Repeat("x", 1<<16)} {
		c := &x509.Certificate{Subject: pkix.Name{CommonName: name}}
		if id, err := (MTLS{"cn"}).Verify(t.Context(), &access.Login{Certificate: []*x509.Certificate{c}}); !errors.Is(err, access.ErrDenied) {
			t.Errorf("certificate of %.20q: %.20q, %v", name, id.Username, err)
		}
		if id, err := j.Verify(t.Context(), byPassword(sign(t, jose.HS256, []byte(jwtSecret), with(map[string]any{"sub": name})))); !errors.Is(err, access.ErrDenied) {
			t.Errorf("token of %.20q: %.20q, %v", name, id.Username, err)
		}
	}
	c := &x509.Certificate{Subject: pkix.Name{CommonName: "ann\xff"}}
	if _, err := (MTLS{"cn"}).Verify(t.Context(), &access.Login{Certificate: []*x509.Certificate{c}}); !errors.Is(err, access.ErrDenied) {
		t.Errorf("%v", err)
	}
}

// TestNoRightsGiven: an empty list of rules is one, which gives no rights; null is none, and its owner is as others are.
func TestNoRightsGiven(t *testing.T) {
	j := newJWT(t, JWTConfig{Secret: []byte(jwtSecret), ACLClaim: "acl"})
	a := &asker{}
	srv := httptest.NewServer(a)
	defer srv.Close()
	for given, none := range map[string]bool{`[]`: false, `{}`: false, `{"pub":[]}`: false, `null`: true} {
		id, err := j.Verify(t.Context(), byPassword(sign(t, jose.HS256, []byte(jwtSecret), with(map[string]any{"acl": json.RawMessage(given)}))))
		if err != nil || (id.Rules == nil) != none {
			t.Errorf("token, %s: %#v, %v", given, id.Rules, err)
		}
		a.says(200, `{"result":"allow","acl":`+given+`}`)
		id, err = NewCallback(CallbackConfig{URL: srv.URL, Client: srv.Client(), Now: jwtNow}).Verify(t.Context(), byPassword("x"))
		if err != nil || (id.Rules == nil) != none {
			t.Errorf("callback, %s: %#v, %v", given, id.Rules, err)
		}
	}
}
