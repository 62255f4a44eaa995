package outgoing_test

import (
	"errors"
	"net/http"
	"net/http/httptest"
	"net/netip"
	"strings"
	"testing"

	"lmqgate/functions/outgoing"
)

func TestPublic(t *testing.T) {
	for addr, want := range map[string]bool{
		"8.8.8.8": true, "1.1.1.1": true, "172.15.0.1": true, "172.32.0.1": true, "100.63.0.1": true, "2606:4700::1111": true, "2a00:1450::1": true,
		"64:ff9b::808:808": true, "::ffff:8.8.8.8": true,
		"127.0.0.1": false, "127.9.9.9": false, "0.0.0.0": false, "10.1.2.3": false, "172.16.0.1": false, "172.31.255.255": false, "192.168.1.1": false,
		"169.254.169.254": false, "169.254.170.2": false, "100.100.100.200": false, "168.63.129.16": false, "192.0.0.192": false, "198.18.0.1": false,
		"224.0.0.1": false, "239.1.1.1": false, "240.0.0.1": false, "255.255.255.255": false, "203.0.113.5": false,
		"::": false, "::1": false, "fe80::1": false, "fe80::1%eth0": false, "fc00::1": false, "fd00:ec2::254": false, "ff02::1": false, "fec0::1": false,
		"::ffff:127.0.0.1": false, "::ffff:169.254.169.254": false, "::127.0.0.1": false, "64:ff9b::7f00:1": false, "64:ff9b::a9fe:a9fe": false,
		"64:ff9b:1::1": false, "2002:7f00:1::": false, "2001:0:1::": false, "2001:db8::1": false, "100::1": false, "3fff::1": false,
	} {
		if got := outgoing.Public(netip.MustParseAddr(addr)); got != want {
			t.Errorf("%s: %v, want %v", addr, got, want)
		}
	}
	if outgoing.Public(netip.Addr{}) {
		t.Error("no address is public")
	}
}

func allow(t *testing.T, list ...string) outgoing.Allow {
	t.Helper()
	a, err := outgoing.ParseAllow(list)
	if err != nil {
		t.Fatal(err)
	}
	return a
}

func TestCheck(t *testing.T) {
	some := allow(t, "10.0.0.0/8", "127.0.0.1", "hooks.internal", "*.svc.local")
	for text, want := range map[string][2]bool{ // without and with what is allowed
		"https://example.com/a?b=c":            {true, true},
		"https://example.com:8443":             {true, true},
		"https://8.8.8.8/":                     {true, true},
		"http://example.com/":                  {false, true}, // it may lead to 10.0.0.0/8: looked at when it is dialled
		"http://8.8.8.8/":                      {false, false},
		"http://10.1.2.3/":                     {false, true},
		"https://10.1.2.3/":                    {false, true},
		"https://192.168.1.1/":                 {false, false},
		"https://[::1]/":                       {false, false},
		"https://[::ffff:127.0.0.1]/":          {false, true},
		"https://[fe80::1%25lo]/":              {false, false},
		"http://hooks.internal/":               {false, true},
		"http://HOOKS.internal./":              {false, true},
		"http://a.b.svc.local:80/":             {false, true},
		"https://127.0.0.1:9/":                 {false, true},
		"ftp://example.com/":                   {false, false},
		"https:example.com":                    {false, false},
		"https://":                             {false, false},
		"https://:443/":                        {false, false},
		"https://u:p@example.com/":             {false, false},
		"https://example.com/#x":               {false, false},
		"https://example.com/\n":               {false, false},
		"gopher://example.com/":                {false, false},
		"//example.com/":                       {false, false},
		"https://" + strings.Repeat("a", 3000): {false, false},
	} {
		for i, a := range []outgoing.Allow{{}, some} {
			if err := outgoing.New(a).Check(text); (err == nil) != want[i] {
				t.Errorf("%q, allowed %v: %v, want %v", text, i == 1, err, want[i])
			}
		}
	}
}

func TestParseAllowRefuses(t *testing.T) {
	for _, one := range []string{"", "*", "*.", ".x", "*x", "a b", "10.0.0.0/40", "http://x", "x:80", "::ffff:10.0.0.0/104", "ü"} {
		if a, err := outgoing.ParseAllow([]string{one}); err == nil {
			t.Errorf("%q: %+v", one, a)
		}
	}
}

// TestDial: what a name leads to is looked at when it is dialled.
func TestDial(t *testing.T) {
	hits := 0
	s := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		hits++
		http.Redirect(w, r, "/elsewhere", http.StatusFound)
	}))
	defer s.Close()
	t.Setenv("HTTP_PROXY", s.URL) // not looked at
	port := s.URL[strings.LastIndex(s.URL, ":"):]
	for _, c := range []struct {
		url   string
		allow []string
		ok    bool
	}{
		{s.URL, nil, false},
		{"http://localhost" + port, nil, false},
		{"https://localhost" + port, nil, false},
		{"http://127.0.0.1" + port, []string{"10.0.0.0/8"}, false},
		{"http://localhost" + port, []string{"example.com"}, false},
		{"http://0.0.0.0" + port, []string{"127.0.0.1"}, false},
		{s.URL, []string{"127.0.0.0/8"}, true},
		{"http://localhost" + port, []string{"localhost"}, true},
		{"http://localhost" + port, []string{"127.0.0.0/8", "::1"}, true},
	} {
		client := outgoing.New(allow(t, c.allow...))
		before := hits
		r, err := http.NewRequestWithContext(t.Context(), http.MethodGet, c.url, nil)
		if err != nil {
			t.Fatal(err)
		}
		answer, err := client.RoundTrip(r)
		if err == nil {
			_ = answer.Body.Close()
		}
		switch {
		case c.ok && (err != nil || answer.StatusCode != http.StatusFound || hits != before+1):
			t.Errorf("%s allowing %v: %v, %d calls", c.url, c.allow, err, hits-before)
		case !c.ok && (!errors.Is(err, outgoing.ErrForbidden) || hits != before):
			t.Errorf("%s allowing %v: %v, %d calls", c.url, c.allow, err, hits-before)
		}
		client.Close()
	}
}
