package cli

import (
	"context"
	"errors"
	"fmt"
	"strconv"

	"lmqgate/functions/admin"
	"lmqgate/meta/retain"
	"lmqgate/meta/topic"
)

const retainedHelp = `Lists the retained messages whose topics match FILTER, by the rules of MQTT; without FILTER all but those that begin with $.
With --get or --delete FILTER is one topic. A deletion is not told to clients that are subscribed.
`

// retained lists, shows and deletes retained messages.
func (c *adminCommand) retained(ctx context.Context, args []string) error {
	limit, cursor := 0, ""
	c.paging(&limit, &cursor)
	get := c.set.Bool("get", false, "show the retained message of one topic, with its payload")
	raw := c.set.Bool("raw", false, "with --get: write the payload alone, as it is")
	remove := c.set.Bool("delete", false, "delete the retained message of one topic")
	rest, err := c.parse(args, 0, 1, "retained [flags] [FILTER]", retainedHelp)
	if err != nil {
		return err
	}
	filter := "#"
	if len(rest) > 0 {
		filter = rest[0]
	}
	one := *get || *remove
	switch {
	case *get && *remove:
		return c.wrong("--get and --delete exclude each other")
	case *raw && (!*get || c.json):
		return c.wrong("--raw goes with --get, and without --json")
	case one && (len(rest) == 0 || topic.ValidName(filter) != nil):
		return c.wrong("give one topic, without wildcards")
	case topic.ValidFilter(filter) != nil:
		return c.wrong("%s is not a topic filter: %v", plain(filter), topic.ValidFilter(filter))
	case limit < 1:
		return c.wrong("--limit %d: give a number of messages", limit)
	}
	return c.open(ctx, false, func(ctx context.Context, a *admin.Admin) error {
		if !one {
			return c.listRetained(ctx, a, filter, cursor, limit)
		}
		do := a.RetainedGet
		if *remove {
			do = a.RetainedDelete
		}
		r, err := do(ctx, filter)
		switch {
		case errors.Is(err, retain.ErrNotFound):
			return fmt.Errorf("topic %s has no retained message (REDIS_PREFIX=%q)", strconv.Quote(filter), c.prefix())
		case err != nil:
			return err
		case *raw:
			_, err := c.out.Write(r.Payload)
			return err
		case c.json:
			return printSafeJSON(c.out, r)
		case *remove:
			_, err := fmt.Fprintf(c.out, "deleted the retained message of %s, %s\n", plain(filter), count(r.Bytes, "byte"))
			return err
		}
		return c.printRetained(&r)
	})
}

func (c *adminCommand) listRetained(ctx context.Context, a *admin.Admin, filter, cursor string, limit int) error {
	out := admin.RetainedPage{Retained: []admin.Retained{}}
	for {
		page, err := a.RetainedMatch(ctx, filter, cursor, min(limit-len(out.Retained), admin.MaxPage))
		if err != nil {
			return err
		}
		out.Retained, out.Next = append(out.Retained, page.Retained...), page.Next
		out.Unreadable = out.Unreadable || page.Unreadable
		if cursor = page.Next; cursor == "" || len(out.Retained) >= limit {
			break
		}
	}
	if c.json {
		return printSafeJSON(c.out, out)
	}
	g := c.grid(c.full, column{"TOPIC", 52}, column{"QOS", 0}, column{"BYTES", 0}, column{"AGE", 0}, column{"EXPIRES", 0}, column{"PUBLISHER", 32})
	for _, r := range out.Retained {
		g.add(r.Topic, strconv.Itoa(int(r.QoS)), strconv.Itoa(r.Bytes), ago(c.now(), r.Published), ago(c.now(), r.Expires), r.Publisher)
	}
	if out.Unreadable {
		fmt.Fprintln(c.err, "some were written by a newer gateway and are left out")
	}
	return c.finish(g, len(out.Retained), "retained message", out.Next)
}

// mostPayload is how many bytes of a payload are shown to people.
const mostPayload = 4096

func (c *adminCommand) printRetained(r *admin.Retained) error {
	line := func(name, value string) { fmt.Fprintf(c.out, "%-10s %s\n", name, value) }
	line("topic", plain(r.Topic))
	line("qos", strconv.Itoa(int(r.QoS)))
	if r.Published != nil {
		line("published", fmt.Sprintf("%s ago, by %s", ago(c.now(), r.Published), orDash(r.Publisher)))
	}
	if r.Expires != nil {
		line("expires", "in "+ago(c.now(), r.Expires))
	}
	line("key", orDash(r.Key))
	payload, more := r.Payload, ""
	if len(payload) > mostPayload {
		payload, more = payload[:mostPayload], fmt.Sprintf(" ... (%d of %d bytes; --raw writes all)", mostPayload, len(r.Payload))
	}
	line("payload", plain(string(payload))+more)
	return nil
}
