package admin

import (
	"context"
	"net/http"
	"net/url"
	"strconv"
	"strings"

	"lmqgate/functions/web"
)

// subscribe takes the options from the query: PUT means the same each time.
func (h *HTTP) subscribe(ctx context.Context, r *http.Request) (any, error) {
	q, limit, err := query(r, "qos", "no_local", "retain_as_published", "retain_handling", "identifier")
	switch {
	case err != nil:
		return nil, err
	case limit != 0:
		return nil, web.Refuse(http.StatusBadRequest, "there is no limit here")
	}
	filter, err := subscription(r)
	if err != nil {
		return nil, err
	}
	o := Options{QoS: 1}
	for name, into := range map[string]*bool{"no_local": &o.NoLocal, "retain_as_published": &o.RetainAsPublished} {
		if v, given := q[name]; given {
			if *into, err = strconv.ParseBool(v); err != nil {
				return nil, web.Refuse(http.StatusBadRequest, "%s is true or false", name)
			}
		}
	}
	for name, most := range map[string]uint64{"qos": 2, "retain_handling": 2, "identifier": maxIdentifier} {
		v, given := q[name]
		if !given {
			continue
		}
		n, err := strconv.ParseUint(v, 10, 32)
		if err != nil || n > most {
			return nil, web.Refuse(http.StatusBadRequest, "%s is a number from 0 to %d", name, most)
		}
		switch name {
		case "qos":
			o.QoS = byte(n)
		case "retain_handling":
			o.RetainHandling = byte(n)
		case "identifier":
			o.ID = uint32(n)
		}
	}
	return h.cfg.Admin.Subscribe(ctx, r.PathValue("id"), filter, o)
}

func (h *HTTP) unsubscribe(ctx context.Context, r *http.Request) (any, error) {
	if _, limit, err := query(r); err != nil || limit != 0 {
		return nil, web.Refuse(http.StatusBadRequest, "there are no parameters here")
	}
	filter, err := subscription(r)
	if err != nil {
		return nil, err
	}
	return h.cfg.Admin.Unsubscribe(ctx, r.PathValue("id"), filter)
}

// subscription is the filter at the path's end, as it was written: filters may have empty levels.
func subscription(r *http.Request) (string, error) {
	_, after, _ := strings.Cut(strings.TrimPrefix(r.URL.EscapedPath(), "/v1/admin/clients/"), "/subscriptions/")
	filter, err := url.PathUnescape(after)
	if err != nil || filter == "" {
		return "", web.Refuse(http.StatusBadRequest, "the path ends with no topic filter")
	}
	return filter, nil
}
