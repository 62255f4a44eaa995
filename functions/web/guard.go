package web

import (
	"context"
	"errors"
	"math"
	"net/http"
	"net/netip"
	"strings"
	"time"
	"unicode/utf8"

	"lmqgate/meta/access"
	"lmqgate/meta/topic"
)

// ClientIDHeader names the MQTT client id that a caller wants to be seen as, for methods of authentication that bind one
// (the HMAC of RocketMQ MQTT, claims of a token).
const ClientIDHeader = "X-Mqtt-Client-Id"

// verifyTime bounds one verification.
const verifyTime = 5 * time.Second

// Guard finds out who calls and what they may do, by the chain and the rules that MQTT clients have. Safe for concurrent
// use.
type Guard struct {
	Verifier access.Verifier
	Access   access.Authorizer // nil: everything is allowed
	// Address tells the caller's real address behind proxies; nil: that of the connection.
	Address func(r *http.Request) netip.Addr
}

// Caller is who calls.
type Caller struct {
	access.Identity
	Space    topic.Space // of the tenant; what the caller says and sees is without it
	ClientID string
	Address  netip.Addr

	access access.Authorizer
}

// May reports whether the caller is allowed something.
func (c *Caller) May(a access.Action, topic string) bool {
	return c.access == nil || c.access.Allowed(c.Identity, c.ClientID, a, topic)
}

// Caller verifies a request: a bearer token (which is the password of a login without user name), or Basic with user name
// and password. The error is a *Problem; challenge it with WriteChallenge.
func (g *Guard) Caller(r *http.Request) (*Caller, error) {
	if len(r.Header.Values("Authorization")) > 1 || len(r.Header.Values(ClientIDHeader)) > 1 {
		return nil, Refuse(http.StatusBadRequest, "say Authorization and %s once", ClientIDHeader)
	}
	l := &access.Login{ClientID: r.Header.Get(ClientIDHeader), Transport: "http", Address: g.address(r), Header: r.Header}
	scheme, said, _ := strings.Cut(r.Header.Get("Authorization"), " ")
	switch {
	case scheme == "":
	case strings.EqualFold(scheme, "Bearer"):
		l.HasPassword, l.Password = true, []byte(strings.TrimSpace(said))
	case strings.EqualFold(scheme, "Basic"):
		name, password, ok := r.BasicAuth()
		if !ok {
			return nil, unauthorized("the Authorization header is malformed")
		}
		l.HasUsername, l.Username, l.HasPassword, l.Password = true, name, true, []byte(password)
	default:
		return nil, unauthorized("say Authorization: Bearer or Basic")
	}
	if topic.Reserves(l.ClientID) {
		return nil, Refuse(http.StatusBadRequest, "client ids that begin with %s/ are the gateway's own", topic.TenantLevel)
	}
	if !validText(l.ClientID) || !validText(l.Username) {
		return nil, Refuse(http.StatusBadRequest, "client id and user name are UTF-8 of 65535 bytes at most, without U+0000")
	}
	if r.TLS != nil && len(r.TLS.VerifiedChains) > 0 {
		l.Certificate = r.TLS.VerifiedChains[0]
	}
	ctx, cancel := context.WithTimeout(r.Context(), verifyTime)
	defer cancel()
	id, err := g.Verifier.Verify(ctx, l)
	switch {
	case errors.Is(err, access.ErrLimited):
		return nil, Later(http.StatusTooManyRequests, 30, "too many failed logins, try again later")
	case errors.Is(err, access.ErrDenied):
		return nil, unauthorized("the credentials were refused")
	case err != nil:
		return nil, Later(http.StatusServiceUnavailable, 5, "authentication is unavailable, try again")
	}
	space, err := topic.SpaceOf(id.Tenant)
	if err != nil {
		return nil, unauthorized("the credentials were refused")
	}
	return &Caller{Identity: id, Space: space, ClientID: l.ClientID, Address: l.Address, access: g.Access}, nil
}

// validText reports whether MQTT could carry a text [MQTT-1.5.4-1] [MQTT-1.5.4-2].
func validText(s string) bool {
	return len(s) <= math.MaxUint16 && utf8.ValidString(s) && !strings.Contains(s, "\x00")
}

func unauthorized(detail string) *Problem { return Refuse(http.StatusUnauthorized, "%s", detail) }

// Challenge answers with the problem in err, with WWW-Authenticate where it is one of missing or wrong credentials.
func Challenge(w http.ResponseWriter, err error) {
	var p *Problem
	if errors.As(err, &p) && p.Status == http.StatusUnauthorized {
		w.Header().Add("WWW-Authenticate", `Bearer realm="lmqgate"`)
		w.Header().Add("WWW-Authenticate", `Basic realm="lmqgate", charset="UTF-8"`)
	}
	Fail(w, err)
}

func (g *Guard) address(r *http.Request) netip.Addr {
	if g.Address != nil {
		return g.Address(r)
	}
	at, _ := netip.ParseAddrPort(r.RemoteAddr)
	return at.Addr().Unmap()
}
