package cli

import (
	"context"
	"fmt"
	"strconv"

	"lmqgate/functions/admin"
)

const filtersHelp = `Lists the topic filters that clients subscribe to, those that are away too. PATTERN is a filter; * in it stands for any
text, while + and # stand for themselves. GROUPS are those of shared subscriptions, whose members count as subscribers.
`

// filters lists filters, or who subscribes to one.
func (c *adminCommand) filters(ctx context.Context, args []string) error {
	var q admin.FilterQuery
	c.paging(&q.Limit, &q.Cursor)
	who := c.set.Bool("clients", false, "list the clients that subscribe to the filter PATTERN ($share/group/filter: the group's)")
	rest, err := c.parse(args, 0, 1, "filters [flags] [PATTERN]", filtersHelp)
	switch {
	case err != nil:
		return err
	case *who && len(rest) == 0:
		return c.wrong("--clients needs a filter")
	case q.Limit < 1:
		return c.wrong("--limit %d: give a number of filters", q.Limit)
	}
	if len(rest) > 0 {
		q.Pattern = rest[0]
	}
	return c.open(ctx, false, func(ctx context.Context, a *admin.Admin) error {
		if *who {
			return c.subscribers(ctx, a, q)
		}
		return c.listFilters(ctx, a, q)
	})
}

func (c *adminCommand) listFilters(ctx context.Context, a *admin.Admin, q admin.FilterQuery) error {
	out, want := admin.FilterPage{Filters: []admin.Filter{}}, q.Limit
	seen := make(map[string]bool)
	for {
		q.Limit = min(want-len(out.Filters), admin.MaxPage)
		page, err := a.Filters(ctx, q)
		if err != nil {
			return err
		}
		for _, f := range page.Filters {
			if !seen[f.Filter] {
				seen[f.Filter] = true
				out.Filters = append(out.Filters, f)
			}
		}
		out.Next, q.Cursor = page.Next, page.Next
		if page.Next == "" || len(out.Filters) >= want {
			break
		}
	}
	if c.json {
		return printSafeJSON(c.out, out)
	}
	g := c.grid(c.full, column{"FILTER", 50}, column{"SUBSCRIBERS", 0}, column{"GROUPS", 0}, column{"LMQ", 44})
	for _, f := range out.Filters {
		g.add(f.Filter, strconv.FormatInt(f.Subscribers, 10), strconv.FormatInt(f.Groups, 10), f.LMQ)
	}
	return c.finish(g, len(out.Filters), "filter", out.Next)
}

func (c *adminCommand) subscribers(ctx context.Context, a *admin.Admin, q admin.FilterQuery) error {
	page, err := a.Subscribers(ctx, q.Pattern, q.Cursor, q.Limit)
	if err != nil {
		return err
	}
	if c.json {
		return printSafeJSON(c.out, page)
	}
	g := c.grid(c.full, column{"CLIENT", 48}, column{"FILTER", 64})
	for _, s := range page.Subscribers {
		g.add(s.ClientID, s.Filter)
	}
	return c.finish(g, len(page.Subscribers), "subscriber", page.Next)
}

const topicsHelp = `Sums up subscriptions by the first level of their filters, which decides in which RocketMQ topic the messages are. + and #
are filters that begin with a wildcard; they read all topics.
`

// topics sums up filters.
func (c *adminCommand) topics(ctx context.Context, args []string) error {
	if _, err := c.parse(args, 0, 0, "topics [flags]", topicsHelp); err != nil {
		return err
	}
	return c.open(ctx, false, func(ctx context.Context, a *admin.Admin) error {
		out, err := a.Topics(ctx)
		if err != nil {
			return err
		}
		if c.json {
			return printSafeJSON(c.out, out)
		}
		g := c.grid(c.full, column{"FIRST LEVEL", 40}, column{"ROCKETMQ TOPIC", 40}, column{"FILTERS", 0}, column{"WILDCARDS", 0}, column{"SUBSCRIPTIONS", 0})
		for _, t := range out.Topics {
			g.add(t.First, t.RocketMQ, strconv.FormatInt(t.Filters, 10), strconv.FormatInt(t.Wildcards, 10), strconv.FormatInt(t.Subscriptions, 10))
		}
		err = c.finish(g, len(out.Topics), "first level", "")
		if !out.Complete {
			fmt.Fprintln(c.err, "there are too many filters to sum up: these figures are of a part of them")
		}
		return err
	})
}
