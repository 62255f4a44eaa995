package cli

import (
	"context"
	"errors"
	"fmt"

	"lmqgate/functions/admin"
)

const kickHelp = `Disconnects a client (MQTT 5.0: DISCONNECT with 0x98, Administrative action) and waits until it is. Its session is kept, and
nothing keeps it from connecting again. With --end-session the session is over as well: subscriptions and messages that
wait are gone, and the next CONNECT begins anew.
`

// kick disconnects a client.
func (c *adminCommand) kick(ctx context.Context, args []string) error {
	end := c.set.Bool("end-session", false, "end the session too; its messages are lost to the client")
	rest, err := c.parse(args, 1, 1, "kick [flags] ID", kickHelp)
	if err != nil {
		return err
	}
	return c.open(ctx, false, func(ctx context.Context, a *admin.Admin) error {
		k, err := a.Kick(ctx, rest[0], *end)
		switch {
		case errors.Is(err, admin.ErrNoClient):
			return c.unknown(rest[0])
		case errors.Is(err, admin.ErrUnconfirmed):
			return fmt.Errorf("%s is still connected to %s after %v: does that instance live? (`lmqgate instances`) "+
				"If it is dead, others release the client within half a minute", plain(rest[0]), plain(k.Instance), c.timeout)
		case err != nil:
			return err
		case c.json:
			return printSafeJSON(c.out, k)
		}
		_, err = fmt.Fprintf(c.out, "%s %s\n", plain(rest[0]), c.kicked(&k))
		return err
	})
}

// kicked says what was done.
func (c *adminCommand) kicked(k *admin.Kicked) string {
	text := "was not connected"
	if k.Disconnected {
		text = "is disconnected from " + plain(k.Instance)
	}
	switch {
	case k.SessionEnded:
		text += "; its session is over"
		if k.Released > 0 {
			text += ", " + count(k.Released, "subscription") + " released"
		}
	case k.Returned: // it has a connection again
	case k.Expires != nil:
		text += "; its session is kept for another " + ago(c.now(), k.Expires)
	default:
		text += "; its session is kept for ever"
	}
	if k.Returned {
		text += "; it has connected again already"
	}
	return text
}
