package cli

import (
	"context"
	"strconv"
	"time"

	"lmqgate/functions/admin"
)

const instancesHelp = `Lists the instances of the gateway. One that is "dead" has not renewed its lease; others take over its sessions, and it is gone
from the list when they have. LEASE says when that ends, or did. UP, SUBSCRIPTIONS and VERSION
are what the instance reported last (STATUS_INTERVAL).
`

// instances lists instances.
func (c *adminCommand) instances(ctx context.Context, args []string) error {
	if _, err := c.parse(args, 0, 0, "instances [flags]", instancesHelp); err != nil {
		return err
	}
	return c.open(ctx, false, func(ctx context.Context, a *admin.Admin) error {
		out, err := a.Instances(ctx)
		if err != nil {
			return err
		}
		if c.json {
			return printSafeJSON(c.out, out)
		}
		g := c.grid(c.full, column{"INSTANCE", 32}, column{"STATE", 0}, column{"LEASE", 0}, column{"CLIENTS", 0}, column{"SUBSCRIPTIONS", 0}, column{"UP", 0}, column{"VERSION", 28})
		for _, i := range out.Instances {
			state, lease := "live", "ends in "+ago(c.now(), i.Lease)
			if !i.Live {
				state, lease = "DEAD", "ended "+ago(c.now(), i.Lease)+" ago"
			}
			subscriptions, up, version := "", "", ""
			if f := i.Figures; f != nil {
				subscriptions, up, version = strconv.FormatInt(f.Subscriptions, 10), span(time.Duration(f.Uptime)*time.Second), f.Version
			}
			g.add(i.ID, state, lease, strconv.FormatInt(i.Sessions, 10), subscriptions, up, version)
		}
		return c.finish(g, len(out.Instances), "instance", "")
	})
}
