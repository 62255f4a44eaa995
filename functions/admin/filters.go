package admin

import (
	"cmp"
	"context"
	"slices"
	"strconv"

	"lmqgate/meta/topic"
)

// Filter is a topic filter that somebody subscribes to.
type Filter struct {
	Filter      string `json:"filter"`
	Subscribers int64  `json:"subscribers"` // clients, also those that are away; members of groups count
	Groups      int64  `json:"groups"`      // of shared subscriptions
	LMQ         string `json:"lmq"`
}

// FilterQuery says which filters are wanted.
type FilterQuery struct {
	Pattern string // with `*`
	Cursor  string
	Limit   int // 0 = 100
}

// FilterPage is one page; see Clients.
type FilterPage struct {
	Filters []Filter `json:"filters"`
	Next    string   `json:"next"`
}

// Filters lists filters with their number of subscribers.
func (a *Admin) Filters(ctx context.Context, q FilterQuery) (FilterPage, error) {
	limit := page(q.Limit)
	out := FilterPage{Filters: []Filter{}}
	if literal(q.Pattern) {
		all, err := a.count(ctx, []string{q.Pattern})
		for _, f := range all {
			if f.Subscribers > 0 {
				out.Filters = append(out.Filters, f)
			}
		}
		return out, err
	}
	out.Next = q.Cursor
	var names []string
	seen := make(map[string]bool)
	for looked := 0; looked < looksPerCall; {
		found, next, err := a.cfg.Filters.Filters(ctx, out.Next, min(limit, scanPage))
		if err != nil {
			return FilterPage{}, err
		}
		looked += max(len(found), 1)
		for _, f := range found {
			if matches(q.Pattern, f) && !seen[f] {
				seen[f] = true
				names = append(names, f)
			}
		}
		if out.Next = next; next == "" || len(names) >= limit {
			break
		}
	}
	slices.Sort(names)
	var err error
	if out.Filters, err = a.count(ctx, names); err != nil {
		return FilterPage{}, err
	}
	return out, nil
}

// count makes entries of filters.
func (a *Admin) count(ctx context.Context, names []string) ([]Filter, error) {
	all := make([]Filter, 0, len(names))
	for part := range slices.Chunk(names, scanPage) {
		counts, err := a.cfg.Filters.Counts(ctx, part)
		if err != nil {
			return nil, err
		}
		for i, f := range part {
			all = append(all, Filter{Filter: f, Subscribers: counts[i].Holders, Groups: counts[i].Groups, LMQ: topic.LMQ(f)})
		}
	}
	return all, nil
}

// Subscriber is a client that holds a filter.
type Subscriber struct {
	ClientID string `json:"client_id"`
	Filter   string `json:"filter"` // with `$share/group/` for a member of a group
}

// SubscriberPage is one page; see Clients.
type SubscriberPage struct {
	Subscribers []Subscriber `json:"subscribers"`
	Next        string       `json:"next"`
}

// Subscribers lists who subscribes to a filter; of `$share/group/filter` only the members of that group.
func (a *Admin) Subscribers(ctx context.Context, filter, cursor string, limit int) (SubscriberPage, error) {
	at := uint64(0)
	if cursor != "" {
		var err error
		if at, err = strconv.ParseUint(cursor, 10, 64); err != nil {
			return SubscriberPage{}, errCursor(cursor)
		}
	}
	limit = page(limit)
	out := SubscriberPage{Subscribers: []Subscriber{}}
	seen := make(map[Subscriber]bool)
	for looked := 0; looked < looksPerCall; {
		holds, next, err := a.cfg.Filters.Holders(ctx, filter, at, min(limit, scanPage))
		if err != nil {
			return SubscriberPage{}, err
		}
		looked += max(len(holds), 1)
		for _, h := range holds {
			if s := (Subscriber{ClientID: h.ClientID, Filter: h.Filter}); !seen[s] {
				seen[s] = true
				out.Subscribers = append(out.Subscribers, s)
			}
		}
		if at = next; at == 0 || len(out.Subscribers) >= limit {
			break
		}
	}
	if at != 0 {
		out.Next = strconv.FormatUint(at, 10)
	}
	slices.SortFunc(out.Subscribers, func(a, b Subscriber) int {
		return cmp.Or(cmp.Compare(a.ClientID, b.ClientID), cmp.Compare(a.Filter, b.Filter))
	})
	return out, nil
}
