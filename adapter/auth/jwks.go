package auth

import (
	"context"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net/http"
	"net/url"
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
	jwksStale   = 24 * time.Hour
)

// JWKS are the keys at a URL (RFC 7517). They are fetched when they are first needed, when they are old, and when a token
// names a key that is not among them, one fetch at a time and not more often than every ten seconds. While the URL is away the
// old ones go on, but not for longer than MaxStale: one of them may have been given up. Safe for concurrent use.
type JWKS struct {
	cfg JWKSConfig

	mu       sync.Mutex // protects the fields below
	keys     StaticKeys
	fetched  time.Time     // successfully
	tried    time.Time     // last
	failed   bool          // then
	fetching chan struct{} // closed when the fetch under way is over; nil: none
}

// JWKSConfig says where keys are fetched.
type JWKSConfig struct {
	URL      string
	Client   *http.Client  // redirects are not followed; nil: one with a time-out of 5 s
	MaxStale time.Duration // after which keys do not count that could not be fetched again; default a day
	Logger   *slog.Logger
	Now      func() time.Time // nil: time.Now
}

// NewJWKS returns the keys at a URL; nothing is fetched yet.
func NewJWKS(cfg JWKSConfig) *JWKS {
	own := http.Client{}
	if cfg.Client != nil {
		own = *cfg.Client
	}
	own.CheckRedirect = func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse }
	if own.Timeout <= 0 {
		own.Timeout = jwksTimeout
	}
	cfg.Client = &own
	if cfg.MaxStale <= 0 {
		cfg.MaxStale = jwksStale
	}
	if cfg.Now == nil {
		cfg.Now = time.Now
	}
	return &JWKS{cfg: cfg}
}

// Find implements Keys. While the URL is away, a key that is not known is access.ErrUnavailable: it may be a new one.
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
	if s.stale() || s.failed && len(found) == 0 {
		return nil, fmt.Errorf("keys for tokens could not be fetched: %w", access.ErrUnavailable)
	}
	return found, nil
}

// stale reports whether there are no keys, or none that count still. Called under s.mu.
func (s *JWKS) stale() bool { return s.fetched.IsZero() || s.cfg.Now().Sub(s.fetched) > s.cfg.MaxStale }

// look finds keys among those that are there, and begins a fetch if it is time for one. wait is closed when the fetch under way
// is over, nil without one.
func (s *JWKS) look(kid string) (found []jose.JSONWebKey, wait <-chan struct{}) {
	s.mu.Lock()
	defer s.mu.Unlock()
	now := s.cfg.Now()
	if !s.stale() {
		found, _ = s.keys.Find(context.Background(), kid)
	}
	due := now.Sub(s.fetched) > jwksFresh || len(found) == 0
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
	s.fetching, s.failed = nil, err != nil
	if err != nil {
		s.cfg.Logger.Warn("fetching keys for tokens failed, those that are known go on for a while",
			"url", s.shown(), "error", err, "keys", len(s.keys), "max_stale", s.cfg.MaxStale)
		return
	}
	if len(keys) != len(s.keys) || slices.ContainsFunc(keys, func(k jose.JSONWebKey) bool {
		return !slices.ContainsFunc(s.keys, func(old jose.JSONWebKey) bool { return old.KeyID == k.KeyID })
	}) {
		s.cfg.Logger.Info("keys for tokens", "url", s.shown(), "keys", len(keys))
	}
	s.keys, s.fetched = keys, s.cfg.Now()
}

// shown is the URL for logs: without what may be a secret in it.
func (s *JWKS) shown() string {
	u, err := url.Parse(s.cfg.URL)
	if err != nil {
		return "malformed"
	}
	return (&url.URL{Scheme: u.Scheme, Host: u.Host, Path: u.Path}).String()
}

func (s *JWKS) get() (StaticKeys, error) {
	resp, err := s.cfg.Client.Get(s.cfg.URL)
	if said := (*url.Error)(nil); errors.As(err, &said) {
		return nil, said.Err // without the URL
	}
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
