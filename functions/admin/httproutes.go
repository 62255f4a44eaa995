package admin

import (
	"context"
	"net/http"
	"strconv"

	"lmqgate/functions/web"
	"lmqgate/meta/topic"
)

func (h *HTTP) clients(ctx context.Context, r *http.Request) (any, error) {
	q, limit, err := query(r, "pattern", "user", "instance", "state", "cursor")
	if err != nil {
		return nil, err
	}
	switch q["state"] {
	case "", Connected, Away, Ended:
	default:
		return nil, web.Refuse(http.StatusBadRequest, "state is %s, %s or %s", Connected, Away, Ended)
	}
	return h.cfg.Admin.Clients(ctx, ClientQuery{
		Pattern: q["pattern"], User: q["user"], Instance: q["instance"], State: q["state"], Cursor: q["cursor"], Limit: limit,
	})
}

func (h *HTTP) client(ctx context.Context, r *http.Request) (any, error) {
	return h.cfg.Admin.Client(ctx, r.PathValue("id"))
}

func (h *HTTP) kick(ctx context.Context, r *http.Request) (any, error) {
	q, _, err := query(r, "end_session")
	if err != nil {
		return nil, err
	}
	end := false
	if v, given := q["end_session"]; given {
		if end, err = strconv.ParseBool(v); err != nil {
			return nil, web.Refuse(http.StatusBadRequest, "end_session is true or false")
		}
	}
	return h.cfg.Admin.Kick(ctx, r.PathValue("id"), end)
}

func (h *HTTP) filters(ctx context.Context, r *http.Request) (any, error) {
	q, limit, err := query(r, "pattern", "cursor")
	if err != nil {
		return nil, err
	}
	return h.cfg.Admin.Filters(ctx, FilterQuery{Pattern: q["pattern"], Cursor: q["cursor"], Limit: limit})
}

func (h *HTTP) subscribers(ctx context.Context, r *http.Request) (any, error) {
	q, limit, err := query(r, "filter", "cursor")
	if err != nil {
		return nil, err
	}
	if topic.ValidFilter(q["filter"]) != nil {
		return nil, web.Refuse(http.StatusBadRequest, "say filter=, a topic filter with # as %%23")
	}
	return h.cfg.Admin.Subscribers(ctx, q["filter"], q["cursor"], limit)
}

func (h *HTTP) topics(ctx context.Context, r *http.Request) (any, error) {
	if _, _, err := query(r); err != nil {
		return nil, err
	}
	return h.cfg.Admin.Topics(ctx)
}

func (h *HTTP) instances(ctx context.Context, r *http.Request) (any, error) {
	if _, _, err := query(r); err != nil {
		return nil, err
	}
	return h.cfg.Admin.Instances(ctx)
}

func (h *HTTP) retained(ctx context.Context, r *http.Request) (any, error) {
	q, limit, err := query(r, "filter", "cursor")
	if err != nil {
		return nil, err
	}
	filter, given := q["filter"]
	if !given {
		filter = "#"
	}
	if _, _, shared, _ := topic.ParseShared(filter); topic.ValidFilter(filter) != nil || shared {
		return nil, web.Refuse(http.StatusBadRequest, "filter is a topic filter with # as %%23, not a shared one")
	}
	return h.cfg.Admin.RetainedMatch(ctx, filter, q["cursor"], limit)
}

const retainedPath = "/v1/admin/retained/"

func (h *HTTP) retainedGet(ctx context.Context, r *http.Request) (any, error) {
	name, err := rest(r, retainedPath)
	if err != nil {
		return nil, err
	}
	return h.cfg.Admin.RetainedGet(ctx, name)
}

func (h *HTTP) retainedDelete(ctx context.Context, r *http.Request) (any, error) {
	name, err := rest(r, retainedPath)
	if err != nil {
		return nil, err
	}
	return h.cfg.Admin.RetainedDelete(ctx, name)
}
