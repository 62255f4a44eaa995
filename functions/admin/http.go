package admin

import (
	"context"
	"errors"
	"log/slog"
	"net/http"
	"net/url"
	"slices"
	"strconv"
	"strings"
	"time"

	"lmqgate/functions/web"
	"lmqgate/meta/retain"
	"lmqgate/meta/topic"
)

// HTTPConfig of an HTTP.
type HTTPConfig struct {
	Admin    *Admin
	Operator *web.Operator // who may call
	Time     time.Duration // of one request; 0 is 20 s
	Logger   *slog.Logger  // has a line for each change; nil: nothing is logged
}

// HTTP is the HTTP face of an Admin, under /v1/admin/. Its answers are the structs of this package as JSON; errors are problem
// documents (RFC 9457). It is safe for concurrent use.
type HTTP struct {
	cfg      HTTPConfig
	mux      *http.ServeMux
	patterns []string
}

var _ http.Handler = (*HTTP)(nil)

// NewHTTP returns the handler.
func NewHTTP(cfg HTTPConfig) *HTTP {
	if cfg.Time <= 0 {
		cfg.Time = 20 * time.Second
	}
	if cfg.Logger == nil {
		cfg.Logger = slog.New(slog.DiscardHandler)
	}
	h := &HTTP{cfg: cfg, mux: http.NewServeMux()}
	for pattern, fn := range map[string]func(context.Context, *http.Request) (any, error){
		"GET /v1/admin/clients":                                   h.clients,
		"GET /v1/admin/clients/{id}":                              h.client,
		"DELETE /v1/admin/clients/{id}":                           h.kick,
		"PUT /v1/admin/clients/{id}/subscriptions/{filter...}":    h.subscribe,
		"DELETE /v1/admin/clients/{id}/subscriptions/{filter...}": h.unsubscribe,

		"GET /v1/admin/filters":                h.filters,
		"GET /v1/admin/subscribers":            h.subscribers,
		"GET /v1/admin/topics":                 h.topics,
		"GET /v1/admin/instances":              h.instances,
		"GET /v1/admin/retained":               h.retained,
		"GET /v1/admin/retained/{topic...}":    h.retainedGet,
		"DELETE /v1/admin/retained/{topic...}": h.retainedDelete,
	} {
		h.mux.HandleFunc(pattern, func(w http.ResponseWriter, r *http.Request) { h.answer(w, r, fn) })
		h.patterns = append(h.patterns, pattern)
	}
	for _, pattern := range []string{"/", "/v1/admin/retained", "/v1/admin/clients/{id}/subscriptions"} { // the last ones would be sent on to what ends with a slash
		h.mux.HandleFunc(pattern, func(w http.ResponseWriter, _ *http.Request) {
			web.Refuse(http.StatusNotFound, "there is no such thing under /v1/admin, or not with this method").Write(w)
		})
	}
	return h
}

// AsWritten refuses what is asked for under a path that an http.ServeMux would change and send the caller on to: that would be
// another topic.
func AsWritten(next http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		at := r.URL.EscapedPath()
		if strings.HasPrefix(at, "/v1/admin/") && (strings.Contains(at, "//") || strings.Contains(at+"/", "/./") || strings.Contains(at+"/", "/../")) {
			web.Refuse(http.StatusBadRequest, "write an empty level, or one of dots, behind %%2F: a%%2F%%2Fb, a%%2F.%%2Fb").Write(w)
			return
		}
		next.ServeHTTP(w, r)
	})
}

// Patterns are the requests that there are, as an http.ServeMux writes them, in no particular order.
func (h *HTTP) Patterns() []string { return slices.Clone(h.patterns) }

// ServeHTTP implements http.Handler.
func (h *HTTP) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	if !h.cfg.Operator.Admits(w, r) {
		return
	}
	h.mux.ServeHTTP(w, r)
}

func (h *HTTP) answer(w http.ResponseWriter, r *http.Request, fn func(context.Context, *http.Request) (any, error)) {
	ctx, cancel := context.WithTimeout(r.Context(), h.cfg.Time)
	defer cancel()
	body, err := fn(ctx, r)
	if r.Method != http.MethodGet {
		h.cfg.Logger.Info("admin", "method", r.Method, "path", r.URL.EscapedPath(), "query", r.URL.RawQuery, "address", h.cfg.Operator.Caller(r), "error", err)
	}
	if err != nil {
		web.Fail(w, h.problem(err))
		return
	}
	web.OK(w, body)
}

// problem is what the caller is told.
func (h *HTTP) problem(err error) error {
	var p *web.Problem
	switch {
	case errors.As(err, &p):
		return p
	case errors.Is(err, ErrNoClient):
		return web.Refuse(http.StatusNotFound, "no such client: neither a connection nor a session")
	case errors.Is(err, retain.ErrNotFound):
		return web.Refuse(http.StatusNotFound, "this topic has no retained message")
	case errors.Is(err, ErrUnconfirmed):
		return web.Later(http.StatusGatewayTimeout, 5, "the instance of the client does not answer, and the client is still connected; what was asked for may have been done")
	case errors.Is(err, ErrFilter):
		return web.Refuse(http.StatusBadRequest, "%v", err)
	case errors.Is(err, ErrPrivate):
		return web.Refuse(http.StatusForbidden, "what is sent to a client goes to that client only, and the gateway's own clients are left alone")
	case errors.Is(err, ErrShared):
		return web.Refuse(http.StatusConflict, "a shared subscription can be made for a client that is connected, where shared subscriptions are on")
	case errors.Is(err, ErrTooMany):
		return web.Refuse(http.StatusConflict, "the client has as many subscriptions as it may, or there are too many filters").Of("too-many")
	case errors.Is(err, ErrFailed):
		return web.Later(http.StatusServiceUnavailable, 2, "the instance of the client could not do it, try again")
	case errors.Is(err, ErrCursor):
		return web.Refuse(http.StatusBadRequest, "%v", err)
	}
	h.cfg.Logger.Warn("admin: a request failed", "error", err)
	return web.Later(http.StatusServiceUnavailable, 5, "the session store does not answer, try again")
}

// query reads parameters that are known, each at most once.
func query(r *http.Request, known ...string) (map[string]string, int, error) {
	out, limit := make(map[string]string), 0
next:
	for name, values := range r.URL.Query() {
		if len(values) > 1 {
			return nil, 0, web.Refuse(http.StatusBadRequest, "%.50q is given more than once", name)
		}
		if name == "limit" {
			n, err := strconv.Atoi(values[0])
			if err != nil || n < 1 || n > MaxPage {
				return nil, 0, web.Refuse(http.StatusBadRequest, "limit is a number from 1 to %d", MaxPage)
			}
			limit = n
			continue
		}
		for _, k := range known {
			if name == k {
				out[name] = values[0]
				continue next
			}
		}
		return nil, 0, web.Refuse(http.StatusBadRequest, "unknown parameter %.50q; there are %s", name, strings.Join(append(known, "limit"), ", "))
	}
	return out, limit, nil
}

// rest is what stands behind a prefix of the path, as it was written: topics may have empty levels.
func rest(r *http.Request, prefix string) (string, error) {
	name, err := url.PathUnescape(strings.TrimPrefix(r.URL.EscapedPath(), prefix))
	if err != nil || topic.ValidName(name) != nil {
		return "", web.Refuse(http.StatusBadRequest, "the path ends with no topic name")
	}
	return name, nil
}
