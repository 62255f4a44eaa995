package auth

import (
	"bytes"
	"crypto"
	"encoding/json"
	"errors"
	"fmt"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/go-jose/go-jose/v4"

	"lmqgate/meta/access"
)

// TestJWKSPoisoned: whatever comes from the URL beside a key set leaves the keys as they were, for MaxStale and no longer; what the
// URL has that is secret is not in the log.
func TestJWKSPoisoned(t *testing.T) {
	pair := keyPairs(t)[jose.ES256]
	good, err := json.Marshal(jose.JSONWebKeySet{Keys: []jose.JSONWebKey{{Key: pair.Public(), KeyID: "k"}}})
	if err != nil {
		t.Fatal(err)
	}
	evil, err := json.Marshal(jose.JSONWebKeySet{Keys: []jose.JSONWebKey{{Key: keyPairs(t)[jose.ES256].Public(), KeyID: "k"}}})
	if err != nil {
		t.Fatal(err)
	}
	var answer atomic.Pointer[http.HandlerFunc]
	says := func(h http.HandlerFunc) { answer.Store(&h) }
	text := func(status int, body string) http.HandlerFunc {
		return func(w http.ResponseWriter, _ *http.Request) {
			w.WriteHeader(status)
			_, _ = w.Write([]byte(body))
		}
	}
	srv := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if r.URL.Path == "/evil" {
			_, _ = w.Write(evil)
			return
		}
		(*answer.Load())(w, r)
	}))
	defer srv.Close()
	var log bytes.Buffer
	now := jwtNow()
	keys := NewJWKS(JWKSConfig{
		URL: srv.URL + "/keys?key=url-secret", Client: srv.Client(), MaxStale: time.Hour,
		Logger: slog.New(slog.NewTextHandler(&log, nil)), Now: func() time.Time { return now },
	})
	find := func(kid string) (int, error) {
		found, err := keys.Find(t.Context(), kid)
		return len(found), err
	}
	says(text(200, string(good)))
	if n, err := find("k"); n != 1 || err != nil {
		t.Fatal(n, err)
	}
	for name, h := range map[string]http.HandlerFunc{
		"redirect":  func(w http.ResponseWriter, r *http.Request) { http.Redirect(w, r, "/evil", http.StatusFound) },
		"status":    text(500, string(evil)),
		"huge":      text(200, `{"keys":[`+strings.Repeat(" ", maxJWKS)+`]}`),
		"many":      text(200, `{"keys":[`+strings.Repeat(`{"kty":"EC"},`, maxKeys)+`{}]}`),
		"none":      text(200, `{"keys":[]}`),
		"malformed": text(200, string(good[:len(good)-1])),
		"symmetric": text(200, `{"keys":[{"kty":"oct","kid":"k","k":"c2VjcmV0"}]}`),
		"a page":    text(200, "<html>sign in</html>"),
	} {
		says(h)
		now = now.Add(jwksAgain)
		if n, err := find("unknown"); n != 0 || !errors.Is(err, access.ErrUnavailable) { // waits for a fetch
			t.Errorf("%s: unknown key: %d, %v", name, n, err)
		}
		found, err := keys.Find(t.Context(), "k")
		if err != nil || len(found) != 1 || !found[0].Key.(interface{ Equal(x crypto.PublicKey) bool }).Equal(pair.Public()) {
			t.Errorf("%s: %v, %v", name, found, err)
		}
	}
	now = now.Add(time.Hour)
	if n, err := find("k"); n != 0 || !errors.Is(err, access.ErrUnavailable) {
		t.Errorf("older than MaxStale: %d, %v", n, err)
	}
	if n, err := find(""); n != 0 || !errors.Is(err, access.ErrUnavailable) {
		t.Errorf("older than MaxStale: %d, %v", n, err)
	}
	says(text(200, string(good)))
	now = now.Add(jwksAgain)
	if n, err := find("k"); n != 1 || err != nil {
		t.Errorf("when the URL is back: %d, %v", n, err)
	}
	srv.Close()
	now = now.Add(jwksAgain)
	_, _ = find("unknown") // the connection is refused: an error that has the URL in it
	if strings.Contains(log.String(), "url-secret") || !strings.Contains(log.String(), "/keys") {
		t.Errorf("the log: %s", &log)
	}
}

// TestJWKSFlood: key ids that tokens invent have the URL fetched once in ten seconds.
func TestJWKSFlood(t *testing.T) {
	var fetches atomic.Int32
	set, err := json.Marshal(jose.JSONWebKeySet{Keys: []jose.JSONWebKey{{Key: keyPairs(t)[jose.ES256].Public(), KeyID: "k"}}})
	if err != nil {
		t.Fatal(err)
	}
	srv := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
		fetches.Add(1)
		_, _ = w.Write(set)
	}))
	defer srv.Close()
	now := jwtNow()
	keys := NewJWKS(JWKSConfig{URL: srv.URL, Client: srv.Client(), Logger: slog.New(slog.DiscardHandler), Now: func() time.Time { return now }})
	for round := range 3 {
		for n := range 200 {
			if found, err := keys.Find(t.Context(), fmt.Sprintf("made up %d", n)); len(found) != 0 || err != nil {
				t.Fatal(found, err)
			}
		}
		if got := fetches.Load(); int(got) != round+1 {
			t.Fatalf("%d fetches after %d floods", got, round+1)
		}
		now = now.Add(jwksAgain)
	}
}
