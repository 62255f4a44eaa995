package transport

import (
	"fmt"
	"net/http"
	"net/url"
	"path"
	"strings"
)

// CheckOriginPattern says what is wrong with a pattern of Config.Origins, nil if nothing is.
//
// A pattern is "*" for any page, or a host as path.Match takes it ("example.com", "*.example.com", "localhost:*"),
// or a scheme and a host ("https://*.example.com"). A * also stands for several labels. Case does not matter.
func CheckOriginPattern(pattern string) error {
	if pattern == "" {
		return fmt.Errorf("origin pattern is empty")
	}
	if scheme, host, ok := strings.Cut(pattern, "://"); ok && (scheme == "" || host == "" || strings.Contains(host, "/")) {
		return fmt.Errorf("origin pattern %q: want scheme://host without a path", pattern)
	}
	if _, err := path.Match(pattern, ""); err != nil {
		return fmt.Errorf("origin pattern %q: %w", pattern, err)
	}
	return nil
}

// originAllowed decides whether the page that sent r may connect. Without an Origin header it was no page in a browser.
func originAllowed(r *http.Request, patterns []string) bool {
	origin := r.Header.Get("Origin")
	if origin == "" {
		return true
	}
	u, err := url.Parse(strings.ToLower(origin))
	if err != nil {
		return false
	}
	if u.Host != "" && withoutDefaultPort(u.Host, u.Scheme) == withoutDefaultPort(strings.ToLower(r.Host), u.Scheme) {
		return true
	}
	for _, p := range patterns {
		target := u.Host
		if strings.Contains(p, "://") {
			target = u.Scheme + "://" + u.Host
		}
		// A bad pattern matches nothing; CheckOriginPattern has told its author.
		if ok, err := path.Match(strings.ToLower(p), target); err == nil && ok {
			return true
		}
	}
	return false
}

// withoutDefaultPort takes ":443" or ":80" away where the scheme implies it: browsers leave it out of Origin.
func withoutDefaultPort(host, scheme string) string {
	switch scheme {
	case "https":
		return strings.TrimSuffix(host, ":443")
	case "http":
		return strings.TrimSuffix(host, ":80")
	}
	return host
}
