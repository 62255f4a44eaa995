package auth

import (
	"context"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net/http"
	"slices"
	"sync"
	"time"

	"github.com/go-jose/go-jose/v4"

	"lmqgate/meta/access"
)

// Times and bounds of a key set that is fetched.
const (
	jwksFresh   = 10 * time.Minute // after which it is fetched again, by who needs it next
	jwksAgain   = 10 * time.Second // least time between two fetches, whatever key ids tokens name
	jwksTimeout = 5 * time.Second
	maxJWKS     = 1 << 20 // bytes
)

// JWKS are the keys at a URL (RFC 7517). They are fetched when they are first needed, when they are old, and when a token
// names a key that is not among them, one fetch at a time and not more often than every ten seconds. While the URL is away the
// old ones go on. Safe for concurrent use.
type JWKS struct {
	url    string
	client *http.Client
	log    *slog.Logger
	now    func() time.Time

	mu       sync.Mutex // protects the fields below
	keys     StaticKeys
	fetched  time.Time     // successfully
	tried    time.Time     // last
	fetching chan struct{} // closed when the fetch under way is over; nil: none
}

// NewJWKS returns the keys at a URL; nothing is fetched yet. client's redirects are not followed. now is nil for time.Now.
func NewJWKS(url string, client *http.Client, log *slog.Logger, now func() time.Time) *JWKS {
	own := *client
	own.CheckRedirect = func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse }
	if own.Timeout <= 0 {
		own.Timeout = jwksTimeout
	}
	if now == nil {
		now = time.Now
	}
	return &JWKS{url: url, client: &own, log: log, now: now}
}

// Find implements Keys.
func (s *JWKS) Find(ctx context.Context, kid string) ([]jose.JSONWebKey, error) {
	found, wait := s.look(kid)
	if wait != nil && len(found) == 0 { // who has a key need not wait for newer ones
		select {
		case <-wait:
			found, _ = s.look(kid)
		case <-ctx.Done():
			return nil, fmt.Errorf("keys for tokens: %w", errors.Join(access.ErrUnavailable, ctx.Err()))
		}
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.fetched.IsZero() {
		return nil, fmt.Errorf("keys for tokens could not be fetched: %w", access.ErrUnavailable)
	}
	return found, nil
}

// look finds keys among those that are there, and begins a fetch if it is time for one. wait is closed when the fetch under way
// is over, nil without one.
func (s *JWKS) look(kid string) (found []jose.JSONWebKey, wait <-chan struct{}) {
	s.mu.Lock()
	defer s.mu.Unlock()
	now := s.now()
	found, _ = s.keys.Find(context.Background(), kid)
	due := s.fetched.IsZero() || now.Sub(s.fetched) > jwksFresh || len(found) == 0
	if due && s.fetching == nil && (s.tried.IsZero() || now.Sub(s.tried) >= jwksAgain) {
		s.tried, s.fetching = now, make(chan struct{})
		go s.fetch(s.fetching)
	}
	return found, s.fetching
}

// fetch gets the keys; it ends within the client's timeout.
func (s *JWKS) fetch(over chan struct{}) {
	keys, err := s.get()
	s.mu.Lock()
	defer s.mu.Unlock()
	defer close(over)
	s.fetching = nil
	if err != nil {
		s.log.Warn("fetching keys for tokens failed, those that are known go on", "url", s.url, "error", err, "keys", len(s.keys))
		return
	}
	if len(keys) != len(s.keys) || slices.ContainsFunc(keys, func(k jose.JSONWebKey) bool {
		return !slices.ContainsFunc(s.keys, func(old jose.JSONWebKey) bool { return old.KeyID == k.KeyID })
	}) {
		s.log.Info("keys for tokens", "url", s.url, "keys", len(keys))
	}
	s.keys, s.fetched = keys, s.now()
}

func (s *JWKS) get() (StaticKeys, error) {
	resp, err := s.client.Get(s.url)
	if err != nil {
		return nil, err
	}
	defer resp.Body.Close()
	if resp.StatusCode != http.StatusOK {
		return nil, fmt.Errorf("status %s", resp.Status)
	}
	body, err := io.ReadAll(io.LimitReader(resp.Body, maxJWKS+1))
	switch {
	case err != nil:
		return nil, err
	case len(body) > maxJWKS:
		return nil, fmt.Errorf("over %d bytes", maxJWKS)
	}
	return ParseKeys(body)
}
