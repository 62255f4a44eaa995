package web

import (
	"crypto/tls"
	"crypto/x509"
	"errors"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
)

// TestGuardOdd: what MQTT would not take as client id or user name (section 1.5.4) is refused, and so is saying twice who one
// is: a proxy may have looked at the other.
func TestGuardOdd(t *testing.T) {
	basic := func(name string) string {
		r := &http.Request{Header: http.Header{}}
		r.SetBasicAuth(name, "sesame")
		return r.Header.Get("Authorization")
	}
	long := strings.Repeat("x", 1<<16)
	for name, c := range map[string]struct {
		authorization, ids []string
		status             int // 0: let in
	}{
		"good":              {[]string{basic("gr\u00fcn")}, []string{"gr\u00fcn"}, 0},
		"twice":             {[]string{"Bearer sesame", "Bearer mehl"}, nil, 400},
		"twice the same":    {[]string{"Bearer sesame", "Bearer sesame"}, nil, 400},
		"two ids":           {[]string{"Bearer sesame"}, []string{"a", "b"}, 400},
		"id not UTF-8":      {[]string{"Bearer sesame"}, []string{"a\xff"}, 400},
		"id with NUL":       {[]string{"Bearer sesame"}, []string{"a\x00"}, 400},
		"long id":           {[]string{"Bearer sesame"}, []string{long}, 400},
		"user not UTF-8":    {[]string{basic("a\xff")}, nil, 400},
		"user with NUL":     {[]string{basic("a\x00b")}, nil, 400},
		"long user":         {[]string{basic(long)}, nil, 400},
		"nobody with an id": {nil, []string{"a\xff"}, 400},
	} {
		r := httptest.NewRequest("GET", "/", nil)
		r.Header["Authorization"], r.Header[ClientIDHeader] = c.authorization, c.ids
		_, err := (&Guard{Verifier: &door{}}).Caller(r)
		var p *Problem
		if c.status == 0 && err != nil || c.status != 0 && (!errors.As(err, &p) || p.Status != c.status) {
			t.Errorf("%s: %v", name, err)
		}
	}
}

// TestForgedBySites: a page that only "*" lets in, or a request that another site made without saying so, does not act as who
// is logged in by a cookie or has a client certificate.
func TestForgedBySites(t *testing.T) {
	for name, c := range map[string]struct {
		headers []string
		kept    bool
	}{
		"no page":         {nil, true},
		"its own page":    {[]string{"Origin", "http://gw.test"}, true},
		"a listed page":   {[]string{"Origin", "https://app.test"}, true},
		"any page":        {[]string{"Origin", "https://evil.test"}, false},
		"a sandbox":       {[]string{"Origin", "null"}, false},
		"typed in":        {[]string{"Sec-Fetch-Site", "none"}, true},
		"an own picture":  {[]string{"Sec-Fetch-Site", "same-origin"}, true},
		"a link":          {[]string{"Sec-Fetch-Site", "cross-site", "Sec-Fetch-Mode", "navigate", ":method", "GET"}, true},
		"a form":          {[]string{"Sec-Fetch-Site", "cross-site", "Sec-Fetch-Mode", "navigate"}, false},
		"another's image": {[]string{"Sec-Fetch-Site", "cross-site"}, false},
		"a sister's":      {[]string{"Sec-Fetch-Site", "same-site"}, false},
	} {
		var seen *http.Request
		h := NewEdge(EdgeConfig{Origins: []string{"*", "app.test"}}).Wrap("x", http.HandlerFunc(func(_ http.ResponseWriter, r *http.Request) { seen = r }))
		r := httptest.NewRequest("POST", "http://gw.test/v1/x", nil)
		state := &tls.ConnectionState{VerifiedChains: [][]*x509.Certificate{{{}}}, PeerCertificates: []*x509.Certificate{{}}}
		r.TLS = state
		r.Header.Set("Cookie", "session=x")
		for i := 0; i < len(c.headers); i += 2 {
			if c.headers[i] == ":method" {
				r.Method = c.headers[i+1]
				continue
			}
			r.Header.Set(c.headers[i], c.headers[i+1])
		}
		h.ServeHTTP(httptest.NewRecorder(), r)
		if cookie, cert := seen.Header.Get("Cookie") != "", len(seen.TLS.VerifiedChains)+len(seen.TLS.PeerCertificates) > 0; cookie != c.kept || cert != c.kept {
			t.Errorf("%s: cookie %v, certificate %v", name, cookie, cert)
		}
		if len(state.VerifiedChains) != 1 {
			t.Errorf("%s: the connection itself has changed", name)
		}
	}
}
