package web

import (
	"net/http"
	"net/url"
	"path"
	"slices"
	"strings"
)

// What other sites' pages may send and read beside what is always allowed.
var (
	corsMethods = "GET, HEAD, POST, PUT, PATCH, DELETE"
	corsHeaders = []string{
		"accept", "authorization", "content-type", "idempotency-key", "last-event-id", "traceparent", "tracestate",
		"x-mqtt-client-id", "x-request-id",
	}
	corsExposed = "Location, Retry-After, WWW-Authenticate, X-Request-Id"
)

// UserHeader begins the names of headers that become user properties of a message.
const UserHeader = "X-Mqtt-User-"

// cors decides whether the page that makes the request may, and reports whether the request goes on. It is refused also
// where the browser would only keep the answer from the page: what it asks for would have been done. Without Origin there
// is no page of another site.
func (e *Edge) cors(w http.ResponseWriter, r *http.Request) (on bool) {
	origin := r.Header.Get("Origin")
	h := w.Header()
	if len(e.cfg.Origins) > 0 {
		h.Add("Vary", "Origin")
	}
	if origin == "" {
		if forged(r) {
			ownless(r)
		}
		return true
	}
	same, listed, any := judge(origin, r.Host, e.cfg.Origins)
	switch {
	case same:
		return true
	case listed:
		h.Set("Access-Control-Allow-Origin", origin)
		h.Set("Access-Control-Allow-Credentials", "true")
	case any: // everybody: nobody's cookies
		ownless(r)
		h.Set("Access-Control-Allow-Origin", "*")
	default:
		Refuse(http.StatusForbidden, "pages of this origin may not call; CORS_ORIGINS lists those that may").Of("origin").Write(w)
		return false
	}
	h.Set("Access-Control-Expose-Headers", corsExposed)
	if r.Method != http.MethodOptions || r.Header.Get("Access-Control-Request-Method") == "" {
		return true
	}
	h.Add("Vary", "Access-Control-Request-Headers")
	h.Set("Access-Control-Allow-Methods", corsMethods)
	if names := allowedHeaders(r.Header.Values("Access-Control-Request-Headers")); names != "" {
		h.Set("Access-Control-Allow-Headers", names)
	}
	h.Set("Access-Control-Max-Age", "600")
	w.WriteHeader(http.StatusNoContent)
	return false
}

// forged reports whether a page of another site has made the browser ask, as with a picture: then there is no Origin. Who
// follows a link asks himself.
func forged(r *http.Request) bool {
	switch r.Header.Get("Sec-Fetch-Site") {
	case "", "none", "same-origin":
		return false
	}
	return r.Header.Get("Sec-Fetch-Mode") != "navigate" || r.Method != http.MethodGet && r.Method != http.MethodHead
}

// ownless takes from a request what a browser adds of itself: cookies and the client's certificate. CORS keeps the answer from
// a page, not the request from being done.
func ownless(r *http.Request) {
	r.Header.Del("Cookie")
	if r.TLS != nil {
		state := *r.TLS // that of the connection stays as it is
		state.PeerCertificates, state.VerifiedChains = nil, nil
		r.TLS = &state
	}
}

// allowedHeaders are those of the headers asked for that a page may send. The names are ours, or checked: none is echoed
// that could not be a header's.
func allowedHeaders(asked []string) string {
	var names []string
	for _, one := range strings.Split(strings.Join(asked, ","), ",") {
		name := strings.ToLower(strings.TrimSpace(one))
		user, isUser := strings.CutPrefix(name, strings.ToLower(UserHeader))
		if slices.Contains(corsHeaders, name) || isUser && user != "" && len(names) < 100 && strings.Trim(user, "abcdefghijklmnopqrstuvwxyz0123456789-_.") == "" {
			names = append(names, name)
		}
	}
	return strings.Join(names, ", ")
}

// judge says whether a page's origin is the gateway's own, listed, or one of any.
func judge(origin, host string, patterns []string) (same, listed, any bool) {
	u, err := url.Parse(strings.ToLower(origin))
	if err != nil {
		return false, false, false
	}
	if u.Host != "" && withoutDefaultPort(u.Host, u.Scheme) == withoutDefaultPort(strings.ToLower(host), u.Scheme) {
		return true, false, false
	}
	for _, p := range patterns {
		p = strings.ToLower(p)
		if p == "*" {
			any = true
			continue
		}
		target := u.Host
		if strings.Contains(p, "://") {
			target = u.Scheme + "://" + u.Host
		}
		if ok, err := path.Match(p, target); err == nil && ok && u.Host != "" {
			listed = true
		}
	}
	return false, listed, any
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
