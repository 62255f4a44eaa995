package web

import (
	"context"
	"encoding/json"
	"errors"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"

	"lmqgate/meta/access"
)

// door lets in who says sesame, and keeps the login.
type door struct{ l *access.Login }

func (d *door) Verify(_ context.Context, l *access.Login) (access.Identity, error) {
	d.l = l
	switch string(l.Password) {
	case "sesame":
		return access.Identity{Username: l.Username, Method: "door"}, nil
	case "away":
		return access.Identity{}, access.ErrUnavailable
	}
	return access.Identity{}, access.ErrDenied
}

func TestGuard(t *testing.T) {
	for name, c := range map[string]struct {
		authorization string
		status        int // 0: let in
		user          string
	}{
		"bearer":    {"Bearer sesame", 0, ""},
		"lower":     {"bearer  sesame ", 0, ""},
		"basic":     {"Basic YW5uOnNlc2FtZQ==", 0, "ann"},
		"nothing":   {"", 401, ""},
		"wrong":     {"Bearer mehl", 401, ""},
		"malformed": {"Basic %%", 401, ""},
		"digest":    {"Digest sesame", 401, ""},
		"away":      {"Bearer away", 503, ""},
	} {
		d := &door{}
		r := httptest.NewRequest("GET", "/", nil)
		r.Header.Set("Authorization", c.authorization)
		r.Header.Set(ClientIDHeader, "c1")
		w := httptest.NewRecorder()
		caller, err := (&Guard{Verifier: d}).Caller(r)
		if err != nil {
			Challenge(w, err)
		}
		switch {
		case c.status == 0 && (err != nil || caller.Username != c.user || caller.ClientID != "c1" || d.l.Transport != "http" || !d.l.Address.IsValid()):
			t.Errorf("%s: %+v, %v, %+v", name, caller, err, d.l)
		case c.status != 0 && (err == nil || w.Code != c.status || w.Header().Get("Content-Type") != "application/problem+json"):
			t.Errorf("%s: %d, %v", name, w.Code, err)
		case c.status == 401 && len(w.Header().Values("WWW-Authenticate")) != 2:
			t.Errorf("%s: no challenge", name)
		case c.status == 503 && w.Header().Get("Retry-After") == "":
			t.Errorf("%s: no Retry-After", name)
		}
	}
}

func TestFailTellsNothing(t *testing.T) {
	w := httptest.NewRecorder()
	Fail(w, errors.New("dial 10.0.0.1: secret"))
	if w.Code != 500 || strings.Contains(w.Body.String(), "secret") {
		t.Errorf("%d %s", w.Code, w.Body)
	}
	var p Problem
	if err := json.Unmarshal(w.Body.Bytes(), &p); err != nil || p.Status != 500 || p.Title == "" {
		t.Errorf("%+v, %v", p, err)
	}
}

func TestBodies(t *testing.T) {
	var into struct{ A int }
	for body, status := range map[string]int{
		`{"a":1}`: 0, `{"a":1} `: 0, `{"a":1}{}`: 400, `{"b":1}`: 400, `{`: 400, ``: 400, "{\"a\xff\":1}": 400, `{"a":"` + strings.Repeat("x", 100) + `"}`: 413,
	} {
		err := JSON(httptest.NewRecorder(), httptest.NewRequest("POST", "/", strings.NewReader(body)), 50, &into)
		var p *Problem
		if status == 0 && err != nil || status != 0 && (!errors.As(err, &p) || p.Status != status) {
			t.Errorf("%.20q: %v", body, err)
		}
	}
	if b, err := Body(httptest.NewRecorder(), httptest.NewRequest("POST", "/", strings.NewReader("12345")), 5); err != nil || string(b) != "12345" {
		t.Errorf("%q, %v", b, err)
	}
	var p *Problem
	if _, err := Body(httptest.NewRecorder(), httptest.NewRequest("POST", "/", strings.NewReader("123456")), 5); !errors.As(err, &p) || p.Status != http.StatusRequestEntityTooLarge {
		t.Errorf("%v", err)
	}
}
