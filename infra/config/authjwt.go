package config

import (
	"net"
	"net/netip"
	"net/url"
	"slices"
	"strings"
	"time"

	"lmqgate/adapter/auth"
)

// checkJWT reads the keys of AUTH=jwt.
func (c *Config) checkJWT(set map[string]string, wrong *Problems) {
	if secret := c.JWTSecret.Reveal(); secret != "" {
		wrong.must(set, "AUTH_JWT_SECRET", len(secret) >= 32 && len(secret) <= 4096)
	}
	if c.JWTKeysFile != "" {
		text, err := readSmall(c.JWTKeysFile)
		if err == nil {
			c.JWTKeys, err = auth.ParseKeys([]byte(text))
		}
		if err != nil {
			wrong.add("AUTH_JWT_KEYS_FILE", "%v; give %s", err, accepts("AUTH_JWT_KEYS_FILE"))
		}
	}
	if c.JWTJWKSURL != "" {
		wrong.must(set, "AUTH_JWT_JWKS_URL", isSafeURL(c.JWTJWKSURL, isLoopback))
	}
	wrong.must(set, "AUTH_JWT_JWKS_MAX_STALE", c.JWTJWKSMaxStale >= 10*time.Minute && c.JWTJWKSMaxStale <= 720*time.Hour)
	wrong.must(set, "AUTH_JWT_COOKIE", !strings.ContainsAny(c.JWTCookie, "=;, \t\"\\"))
	used := slices.Contains(c.Auth, "jwt")
	if used && set["AUTH_JWT_SECRET"] == "" && set["AUTH_JWT_KEYS_FILE"] == "" && set["AUTH_JWT_JWKS_URL"] == "" {
		wrong.add("AUTH_JWT_JWKS_URL", "is not set while AUTH has jwt; give %s, AUTH_JWT_KEYS_FILE or AUTH_JWT_SECRET", accepts("AUTH_JWT_JWKS_URL"))
	}
	for _, v := range vars {
		if strings.HasPrefix(v.Name, "AUTH_JWT_") && set[v.Name] != "" && !used {
			c.Warnings = append(c.Warnings, v.Name+": is not used, since AUTH does not have jwt")
		}
	}
	if used && len(c.JWTAudience) == 0 && len(c.JWTIssuers) == 0 && c.JWTSecret == "" && !c.Embedded {
		c.Warnings = append(c.Warnings, "AUTH_JWT_AUDIENCE, AUTH_JWT_ISSUER: neither is set: every token of these keys is accepted, also one made for another service")
	}
}

// checkCallback looks at AUTH=http and mtls.
func (c *Config) checkCallback(set map[string]string, wrong *Problems) {
	switch used := slices.Contains(c.Auth, "http"); {
	case c.AuthHTTPURL != "":
		wrong.must(set, "AUTH_HTTP_URL", isSafeURL(c.AuthHTTPURL, isPrivate))
		if !used {
			c.Warnings = append(c.Warnings, "AUTH_HTTP_URL: is not used, since AUTH does not have http")
		}
	case used:
		wrong.add("AUTH_HTTP_URL", "is not set while AUTH has http; give %s", accepts("AUTH_HTTP_URL"))
	}
	if token := c.AuthHTTPToken.Reveal(); token != "" {
		wrong.must(set, "AUTH_HTTP_TOKEN", !strings.ContainsFunc(token, func(r rune) bool { return r <= ' ' || r > '~' }))
	}
	wrong.must(set, "AUTH_MTLS_USERNAME", slices.Contains([]string{"cn", "dns", "uri", "email"}, c.AuthMTLSUsername))
	if slices.Contains(c.Auth, "mtls") && c.TLSClientCAFile == "" {
		wrong.add("TLS_CLIENT_CA_FILE", "is not set while AUTH has mtls; give %s", accepts("TLS_CLIENT_CA_FILE"))
	}
	wrong.must(set, "AUTH_FAILURES", c.AuthFailures >= 0 && c.AuthFailures <= 100_000)
}

// isSafeURL reports whether a secret may be sent to a URL: by https, or by http to a host of which plain says so.
func isSafeURL(text string, plain func(host string) bool) bool {
	u, err := url.Parse(text)
	if err != nil || u.Host == "" || u.User != nil || u.Fragment != "" {
		return false
	}
	return u.Scheme == "https" || u.Scheme == "http" && plain(u.Hostname())
}

func isLoopback(host string) bool {
	ip := net.ParseIP(host)
	return host == "localhost" || ip != nil && ip.IsLoopback()
}

// isPrivate takes addresses of private networks, and names that only such can have: without a dot, or of a cluster.
func isPrivate(host string) bool {
	if ip, err := netip.ParseAddr(host); err == nil {
		return ip.IsPrivate() || ip.IsLoopback() || ip.IsLinkLocalUnicast()
	}
	return !strings.Contains(host, ".") || strings.HasSuffix(host, ".internal") || strings.HasSuffix(host, ".local") || strings.HasSuffix(host, ".svc")
}
