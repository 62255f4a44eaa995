package stream

import (
	"net/http"
	"slices"
	"strconv"
	"strings"
	"time"

	"lmqgate/functions/web"
	"lmqgate/meta/message"
)

// asked is what a request asks for.
type asked struct {
	filters  []string // sorted, so that their order makes no other stream
	ticket   string   // which of the caller's streams of these filters
	shown    string   // position and seal, as the caller shows them
	from     message.Position
	seal     *seal
	raw      bool // payloads as they are, without JSON around them
	lines    bool // newline-delimited JSON
	retained bool
	wait     time.Duration
	max      int
}

// sessionPrefix begins the client id of every stream.
const sessionPrefix = "$http/"

// name is the client id of the stream's session. Nobody who is somebody else, or asks for other filters, gets the same.
func (a *asked) name(c *web.Caller) string {
	return sessionPrefix + sessionKey(12, c.Tenant, c.Method, c.Username, c.ClientID) + "/" + sessionKey(8, a.filters...) + "/" + a.ticket
}

// id is how the caller can go on behind a position: in Last-Event-ID or after=.
func (a *asked) id(p message.Position) string {
	return a.ticket + "." + string(p) + "." + a.seal.of(p)
}

// Bounds of a long poll's page.
const (
	defaultPage = 100
	maxPage     = 1000
)

func (h *Handler) parse(r *http.Request) (*asked, error) {
	q := r.URL.Query()
	a := &asked{filters: slices.Compact(slices.Sorted(slices.Values(q["filter"]))), max: defaultPage}
	switch {
	case len(a.filters) == 0:
		return nil, web.Refuse(http.StatusBadRequest, "say filter=, a topic filter with # as %%23; several are possible")
	case len(a.filters) > h.cfg.MaxFilters:
		return nil, web.Refuse(http.StatusBadRequest, "more than %d filters", h.cfg.MaxFilters)
	}
	for name := range q {
		if !slices.Contains([]string{"filter", "format", "retained", "after", "last_event_id", "wait", "max"}, name) {
			return nil, web.Refuse(http.StatusBadRequest, "unknown parameter %.50q; there are filter, format, retained, after, wait and max", name)
		}
	}
	switch format := q.Get("format"); format {
	case "", "json":
	case "raw":
		a.raw = true
	default:
		return nil, web.Refuse(http.StatusBadRequest, "format is json or raw")
	}
	for name, into := range map[string]*bool{"retained": &a.retained} {
		if v := q.Get(name); v != "" {
			on, err := strconv.ParseBool(v)
			if err != nil {
				return nil, web.Refuse(http.StatusBadRequest, "%s is true or false", name)
			}
			*into = on
		}
	}
	a.lines = accepts(r, "application/x-ndjson")
	if err := h.parsePage(a, q.Get("wait"), q.Get("max")); err != nil {
		return nil, err
	}
	return a, a.resume(r)
}

func (h *Handler) parsePage(a *asked, wait, most string) error {
	if wait != "" {
		d, err := time.ParseDuration(wait)
		if seconds, numeric := strconv.ParseFloat(wait, 64); numeric == nil {
			d, err = time.Duration(seconds*float64(time.Second)), nil
		}
		if err != nil || d < 0 {
			return web.Refuse(http.StatusBadRequest, "wait is a number of seconds, or a duration such as 20s")
		}
		a.wait = min(d, h.cfg.MaxWait)
	}
	if most != "" {
		n, err := strconv.Atoi(most)
		if err != nil || n < 1 {
			return web.Refuse(http.StatusBadRequest, "max is a number from 1 to %d", maxPage)
		}
		a.max = min(n, maxPage)
	}
	return nil
}

// resume reads where the caller stands. What a browser says by itself counts before what stands in its URL.
func (a *asked) resume(r *http.Request) error {
	id := r.Header.Get("Last-Event-ID")
	for _, name := range []string{"after", "last_event_id"} {
		if id == "" {
			id = r.URL.Query().Get(name)
		}
	}
	if id == "" {
		a.ticket = newTicket()
		return nil
	}
	ticket, position, ok := strings.Cut(id, ".")
	if !ok || len(ticket) != 12 || strings.Trim(ticket, "abcdefghijklmnopqrstuvwxyz234567") != "" || position == "" {
		return web.Refuse(http.StatusBadRequest, "Last-Event-ID or after= is no id of a message; begin without one")
	}
	a.ticket, a.shown = ticket, position
	return nil
}

// accepts reports whether Accept names a type.
func accepts(r *http.Request, kind string) bool {
	for _, one := range strings.Split(strings.Join(r.Header.Values("Accept"), ","), ",") {
		name, _, _ := strings.Cut(one, ";")
		if strings.EqualFold(strings.TrimSpace(name), kind) {
			return true
		}
	}
	return false
}
