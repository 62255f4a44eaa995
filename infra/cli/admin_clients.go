package cli

import (
	"context"
	"errors"
	"fmt"
	"strconv"

	"lmqgate/functions/admin"
)

const clientsHelp = `Lists clients: who is connected, and whose session is kept. PATTERN is a client id; * in it stands for any text.
EXPIRES says in how long the session of a client that is away ends.
`

// clients lists clients.
func (c *adminCommand) clients(ctx context.Context, args []string) error {
	var q admin.ClientQuery
	var connected, away bool
	c.set.StringVar(&q.User, "user", "", "only those with this user `name`, * for any text")
	c.set.StringVar(&q.Instance, "instance", "", "only those that this instance serves or served last, * for any text")
	c.set.BoolVar(&connected, "connected", false, "only those connected now")
	c.set.BoolVar(&away, "away", false, "only those not connected, whose session is kept")
	c.paging(&q.Limit, &q.Cursor)
	rest, err := c.parse(args, 0, 1, "clients [flags] [PATTERN]", clientsHelp)
	switch {
	case err != nil:
		return err
	case connected && away:
		return c.wrong("--connected and --away exclude each other")
	case q.Limit < 1:
		return c.wrong("--limit %d: give a number of clients", q.Limit)
	case connected:
		q.State = admin.Connected
	case away:
		q.State = admin.Away
	}
	if len(rest) > 0 {
		q.Pattern = rest[0]
	}
	return c.open(ctx, false, func(ctx context.Context, a *admin.Admin) error {
		out, want := admin.Clients{Clients: []admin.Client{}}, q.Limit
		seen := make(map[string]bool)
		for {
			q.Limit = min(want-len(out.Clients), admin.MaxPage)
			page, err := a.Clients(ctx, q)
			if err != nil {
				return err
			}
			for _, one := range page.Clients {
				if !seen[one.ID] {
					seen[one.ID] = true
					out.Clients = append(out.Clients, one)
				}
			}
			out.Next, q.Cursor = page.Next, page.Next
			if page.Next == "" || len(out.Clients) >= want {
				break
			}
		}
		if c.json {
			return printSafeJSON(c.out, out)
		}
		return c.printClients(out)
	})
}

// paging adds the flags of lists.
func (c *adminCommand) paging(limit *int, cursor *string) {
	c.set.IntVar(limit, "limit", 100, "about how many to list")
	c.set.StringVar(cursor, "cursor", "", "go on where an earlier call ended, as it said")
}

func (c *adminCommand) printClients(page admin.Clients) error {
	g := c.grid(c.full, column{"CLIENT", 32}, column{"STATE", 0}, column{"SINCE", 0}, column{"EXPIRES", 0}, column{"MQTT", 0},
		column{"USER", 14}, column{"ADDRESS", 15}, column{"INSTANCE", 16})
	now := c.now()
	for i := range page.Clients {
		one := &page.Clients[i]
		expires := ago(now, one.Expires)
		if one.State == admin.Away && one.Expires == nil {
			expires = "never"
		}
		g.add(one.ID, one.State, ago(now, one.Since), expires, one.Protocol, one.User, one.Address, one.Instance)
	}
	return c.finish(g, len(page.Clients), "client", page.Next)
}

// finish prints a list and, beside it, how many there are and how to go on.
func (c *adminCommand) finish(g *grid, n int, noun, next string) error {
	if n > 0 {
		if err := g.print(c.out); err != nil {
			return err
		}
	}
	switch {
	case next != "":
		fmt.Fprintf(c.err, "%s, and perhaps more: add --cursor '%s', or a larger --limit\n", count(n, noun), plain(next))
	case n == 0:
		fmt.Fprintf(c.err, "no %s (looked in the Redis of REDIS_URL, REDIS_PREFIX=%q)\n", noun, c.prefix())
	default:
		fmt.Fprintln(c.err, count(n, noun))
	}
	return nil
}

const clientHelp = `Shows one client: its connection, its session, and how far behind each subscription is. LAG counts messages that the
client has not acknowledged; it needs NAMESRV_ADDR (and ROCKETMQ_ACCESS_KEY, ROCKETMQ_SECRET_KEY if the brokers ask).
`

// client shows one client.
func (c *adminCommand) client(ctx context.Context, args []string) error {
	rest, err := c.parse(args, 1, 1, "client [flags] ID", clientHelp)
	if err != nil {
		return err
	}
	return c.open(ctx, true, func(ctx context.Context, a *admin.Admin) error {
		d, err := a.Client(ctx, rest[0])
		switch {
		case errors.Is(err, admin.ErrNoClient):
			return c.unknown(rest[0])
		case err != nil:
			return err
		case c.json:
			return printSafeJSON(c.out, d)
		}
		return c.printClient(&d)
	})
}

// unknown is the error for a client id that is not there.
func (c *adminCommand) unknown(id string) error {
	return fmt.Errorf("client %s has neither a connection nor a session (REDIS_PREFIX=%q); `lmqgate clients 'PART*'` searches", strconv.Quote(id), c.prefix())
}
