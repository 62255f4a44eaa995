package auth

import (
	"bytes"
	"context"
	"crypto/hmac"
	"crypto/rand"
	"crypto/sha256"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/netip"
	"net/url"
	"sync"
	"time"
	"unicode/utf8"

	"lmqgate/meta/access"
	"lmqgate/meta/topic"
)

// Bounds of callbacks.
const (
	maxCallbacks      = 64               // at once
	maxCallbacksEach  = maxCallbacks / 2 // of them for one address
	maxCallbackAnswer = 64 << 10
	maxCallbackCache  = 10_000
	callbackAllowed   = time.Minute // for which an answer counts again
	callbackDenied    = 5 * time.Second
	callbackTimeout   = 3 * time.Second
)

// CallbackConfig says whom to ask.
type CallbackConfig struct {
	URL    string
	Token  string       // sent as Authorization: Bearer; "": none
	Client *http.Client // redirects are not followed; nil: one with a time-out of 3 s
	Now    func() time.Time
}

// Callback asks a URL of the operator's whether a client may connect, with a JSON body
//
//	{"client_id", "username", "password", "transport", "address"}
//
// and takes the answer that EMQX takes: {"result": "allow"|"deny"|"ignore", "expire_at": unix seconds, "acl": rules,
// "client_attrs": {"tenant": "..."}}. It fails closed: any other answer, or none in time, lets nobody in, and the client is told
// to try again. Answers count again for a minute (refusals for five seconds), for the same credentials only. Safe for
// concurrent use.
type Callback struct {
	cfg  CallbackConfig
	salt []byte

	mu      sync.Mutex // protects the fields below
	cache   map[[sha256.Size]byte]heard
	seated  int                // who are being asked about
	sitting map[netip.Addr]int // the same by address
}

// heard is an answer.
type heard struct {
	id    access.Identity
	err   error // nil, access.ErrDenied or access.ErrIgnore
	until time.Time
}

var _ access.Verifier = (*Callback)(nil)

// NewCallback returns a verifier.
func NewCallback(cfg CallbackConfig) *Callback {
	if cfg.Now == nil {
		cfg.Now = time.Now
	}
	client := http.Client{Timeout: callbackTimeout}
	if cfg.Client != nil {
		client = *cfg.Client
	}
	client.CheckRedirect = func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse }
	cfg.Client = &client
	return &Callback{cfg: cfg, salt: []byte(rand.Text()), cache: make(map[[sha256.Size]byte]heard), sitting: make(map[netip.Addr]int)}
}

// Verify implements access.Verifier. What JSON cannot tell from something else, as passwords that are no text, is refused.
func (c *Callback) Verify(ctx context.Context, l *access.Login) (access.Identity, error) {
	if !utf8.ValidString(l.ClientID) || !utf8.ValidString(l.Username) || !utf8.Valid(l.Password) {
		return access.Identity{}, fmt.Errorf("callback: client id, user name or password is not UTF-8: %w", access.ErrDenied)
	}
	body, err := json.Marshal(map[string]string{
		"client_id": l.ClientID, "username": l.Username, "password": string(l.Password), "transport": l.Transport, "address": l.Address.String(),
	})
	if err != nil {
		return access.Identity{}, fmt.Errorf("callback: %w", access.ErrDenied)
	}
	key := c.key(body)
	if h, ok := c.cached(key); ok {
		return h.id, h.err
	}
	leave, ok := c.sit(l.Address)
	if !ok {
		return access.Identity{}, fmt.Errorf("callback: %d are asked about already, or %d of this address: %w", maxCallbacks, maxCallbacksEach, access.ErrUnavailable)
	}
	defer leave()
	h, err := c.ask(ctx, l, body)
	if err != nil {
		if said := (*url.Error)(nil); errors.As(err, &said) {
			err = said.Err // without the URL, which may have a key in it
		}
		return access.Identity{}, fmt.Errorf("callback: %w: %w", access.ErrUnavailable, err)
	}
	c.keep(key, h)
	return h.id, h.err
}

// sit takes one of the places to ask, of which an address can have a part only: that of the others stays free while somebody
// floods.
func (c *Callback) sit(at netip.Addr) (leave func(), ok bool) {
	at = network(at)
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.seated >= maxCallbacks || c.sitting[at] >= maxCallbacksEach {
		return nil, false
	}
	c.seated++
	c.sitting[at]++
	return func() {
		c.mu.Lock()
		defer c.mu.Unlock()
		c.seated--
		if c.sitting[at]--; c.sitting[at] == 0 {
			delete(c.sitting, at)
		}
	}, true
}

// key names credentials in the cache, in a way that gives none of them away.
func (c *Callback) key(body []byte) (sum [sha256.Size]byte) {
	m := hmac.New(sha256.New, c.salt)
	m.Write(body)
	m.Sum(sum[:0])
	return sum
}

func (c *Callback) cached(key [sha256.Size]byte) (heard, bool) {
	c.mu.Lock()
	defer c.mu.Unlock()
	h, ok := c.cache[key]
	return h, ok && c.cfg.Now().Before(h.until)
}

// keep caches an answer; a full cache loses what is over, or else any.
func (c *Callback) keep(key [sha256.Size]byte, h heard) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if len(c.cache) >= maxCallbackCache {
		now, tried := c.cfg.Now(), 0
		for k, old := range c.cache {
			if tried++; !now.Before(old.until) || tried == 1 {
				delete(c.cache, k)
			}
			if tried > 100 {
				break
			}
		}
	}
	c.cache[key] = h
}

// verdict is the answer of the callback.
type verdict struct {
	Result   string          `json:"result"`
	ExpireAt *int64          `json:"expire_at"`
	ACL      json.RawMessage `json:"acl"`
	Attrs    struct {
		Tenant string `json:"tenant"`
	} `json:"client_attrs"`
}

func (c *Callback) ask(ctx context.Context, l *access.Login, body []byte) (heard, error) {
	r, err := http.NewRequestWithContext(ctx, http.MethodPost, c.cfg.URL, bytes.NewReader(body))
	if err != nil {
		return heard{}, err
	}
	r.Header.Set("Content-Type", "application/json")
	r.Header.Set("Accept", "application/json")
	if c.cfg.Token != "" {
		r.Header.Set("Authorization", "Bearer "+c.cfg.Token)
	}
	resp, err := c.cfg.Client.Do(r)
	if err != nil {
		return heard{}, err
	}
	defer resp.Body.Close()
	answer, err := io.ReadAll(io.LimitReader(resp.Body, maxCallbackAnswer+1))
	switch {
	case err != nil:
		return heard{}, err
	case resp.StatusCode != http.StatusOK:
		return heard{}, fmt.Errorf("status %s", resp.Status)
	case len(answer) > maxCallbackAnswer:
		return heard{}, fmt.Errorf("an answer of over %d bytes", maxCallbackAnswer)
	}
	var v verdict
	if err := json.Unmarshal(answer, &v); err != nil {
		return heard{}, errors.New("an answer that is no JSON as it is wanted")
	}
	return c.judge(l, &v)
}

// judge reads a verdict.
func (c *Callback) judge(l *access.Login, v *verdict) (heard, error) {
	now := c.cfg.Now()
	switch v.Result {
	case "ignore":
		return heard{err: access.ErrIgnore, until: now.Add(callbackDenied)}, nil
	case "deny":
		return heard{err: fmt.Errorf("refused by the callback: %w", access.ErrDenied), until: now.Add(callbackDenied)}, nil
	case "allow":
	default:
		return heard{}, errors.New(`an answer whose result is neither "allow", "deny" nor "ignore"`)
	}
	h := heard{id: access.Identity{Username: l.Username, Method: "http", Tenant: v.Attrs.Tenant}, until: now.Add(callbackAllowed)}
	if v.Attrs.Tenant != "" && !topic.ValidTenant(v.Attrs.Tenant) {
		return heard{}, errors.New("an answer with a tenant that cannot be one")
	}
	if v.ExpireAt != nil {
		if *v.ExpireAt > maxNumericDate {
			return heard{}, errors.New("an answer whose expire_at is no time in seconds")
		}
		h.id.Expires = time.Unix(*v.ExpireAt, 0)
		if !now.Before(h.id.Expires) {
			return heard{err: fmt.Errorf("refused by the callback, expired: %w", access.ErrDenied), until: now.Add(callbackDenied)}, nil
		}
		if h.id.Expires.Before(h.until) {
			h.until = h.id.Expires
		}
	}
	if len(v.ACL) > 0 && string(v.ACL) != "null" {
		var err error
		if h.id.Rules, err = access.ParseRules(v.ACL); err != nil {
			return heard{}, err
		}
	}
	return h, nil
}
