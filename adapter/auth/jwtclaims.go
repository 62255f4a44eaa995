package auth

import (
	"encoding/json"
	"math"
	"slices"
	"strings"
	"time"
	"unicode/utf8"

	"lmqgate/meta/access"
	"lmqgate/meta/topic"
)

// claims are a token's, not looked at yet.
type claims map[string]json.RawMessage

// text reads a claim that is a text.
func (c claims) text(name string) (string, bool) {
	var s string
	raw, ok := c[name]
	if !ok || json.Unmarshal(raw, &s) != nil {
		return "", false
	}
	return s, true
}

// texts reads a claim that is a text or a list of them.
func (c claims) texts(name string) []string {
	if s, ok := c.text(name); ok {
		return []string{s}
	}
	var list []string
	if json.Unmarshal(c[name], &list) != nil {
		return nil
	}
	return list
}

// maxNumericDate bounds times, in seconds since 1970: the year 36812.
const maxNumericDate = 1 << 40

// time reads a NumericDate; ok is false where it is absent, err where it is none.
func (c claims) time(name string) (at time.Time, ok bool, err error) {
	raw, ok := c[name]
	if !ok {
		return at, false, nil
	}
	var seconds float64
	if err := json.Unmarshal(raw, &seconds); err != nil || math.IsNaN(seconds) || seconds < 0 || seconds > maxNumericDate {
		return at, false, badToken("its %s is no time", name)
	}
	whole, part := math.Modf(seconds)
	return time.Unix(int64(whole), int64(part*1e9)), true, nil
}

// validUser reports whether a name could be a user name of CONNECT [MQTT-3.1.3-11] [MQTT-1.5.4-2].
func validUser(name string) bool {
	return name != "" && len(name) <= math.MaxUint16 && utf8.ValidString(name) && !strings.Contains(name, "\x00")
}

// accept checks the claims of a token whose signature is right (RFC 7519 section 4.1).
func (j *JWT) accept(l *access.Login, c claims) (id access.Identity, err error) {
	expires, err := j.inTime(c)
	if err != nil {
		return id, err
	}
	if iss, _ := c.text("iss"); len(j.cfg.Issuers) > 0 && !slices.Contains(j.cfg.Issuers, iss) {
		return id, badToken("another issuer")
	}
	if aud := c.texts("aud"); len(j.cfg.Audience) > 0 && !slices.ContainsFunc(aud, func(a string) bool { return slices.Contains(j.cfg.Audience, a) }) {
		return id, badToken("for another audience")
	}
	name, ok := c.text(j.cfg.UsernameClaim)
	if !ok || !validUser(name) {
		return id, badToken("has no claim %s that names a user", j.cfg.UsernameClaim)
	}
	// Over HTTP nobody need have a client id; who shows one is bound to it.
	if claim := j.cfg.ClientIDClaim; claim != "" && (l.Transport != "http" || l.ClientID != "") && !slices.Contains(c.texts(claim), l.ClientID) {
		return id, badToken("the client id is not that of the claim %s", claim)
	}
	id = access.Identity{Username: name, Method: "jwt", Expires: expires}
	if raw, given := c[j.cfg.TenantClaim]; j.cfg.TenantClaim != "" && given && string(raw) != "null" {
		if id.Tenant, ok = c.text(j.cfg.TenantClaim); !ok || !topic.ValidTenant(id.Tenant) {
			return id, badToken("its claim %s names no tenant", j.cfg.TenantClaim)
		}
	}
	if raw, given := c[j.cfg.ACLClaim]; j.cfg.ACLClaim != "" && given && string(raw) != "null" {
		if id.Rules, err = access.ParseRules(raw); err != nil {
			return id, badToken("its claim %s is no list of rules", j.cfg.ACLClaim)
		}
	}
	return id, nil
}

// inTime returns when the token ends: one that counts only since clocks differ ends when it does not count any more.
func (j *JWT) inTime(c claims) (time.Time, error) {
	now := j.cfg.Now()
	expires, ok, err := c.time("exp")
	switch {
	case err != nil:
		return expires, err
	case !ok:
		return expires, badToken("has no claim exp")
	case !now.Before(expires.Add(j.cfg.Skew)):
		return expires, badToken("has expired")
	}
	begins, ok, err := c.time("nbf")
	switch {
	case err != nil:
		return expires, err
	case ok && now.Add(j.cfg.Skew).Before(begins):
		return expires, badToken("is not valid yet")
	}
	if !now.Before(expires) {
		expires = expires.Add(j.cfg.Skew)
	}
	return expires, nil
}
