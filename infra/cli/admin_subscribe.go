package cli

import (
	"context"
	"errors"
	"fmt"

	"lmqgate/functions/admin"
)

const subscribeHelp = `Subscribes a client to FILTER on its behalf, or gives its subscription new options. A client that is connected, to whichever
instance, gets messages at once; one that is away gets those from now on when it is back, if its session is kept. What the
client itself may subscribe to does not matter. With NAMESRV_ADDR the position of one that is away is found at the brokers,
otherwise by the time of messages. Quote FILTER: # begins a comment in a shell.
`

// subscribe subscribes a client.
func (c *adminCommand) subscribe(ctx context.Context, args []string) error {
	qos := c.set.Uint("qos", 1, "0, 1 or 2")
	handling := c.set.Uint("retain-handling", 0, "0: send retained messages; 1: if the subscription is new; 2: none")
	asPublished := c.set.Bool("retain-as-published", false, "keep the retain flag of messages")
	noLocal := c.set.Bool("no-local", false, "not what the client itself publishes")
	identifier := c.set.Uint("identifier", 0, "subscription identifier")
	rest, err := c.parse(args, 2, 2, "subscribe [flags] ID FILTER", subscribeHelp)
	switch {
	case err != nil:
		return err
	case *qos > 2:
		return c.wrong("--qos %d: give 0, 1 or 2", *qos)
	case *handling > 2:
		return c.wrong("--retain-handling %d: give 0, 1 or 2", *handling)
	case *identifier > 268_435_455:
		return c.wrong("--identifier %d: the largest is 268435455", *identifier)
	}
	o := admin.Options{QoS: byte(*qos), RetainHandling: byte(*handling), RetainAsPublished: *asPublished, NoLocal: *noLocal, ID: uint32(*identifier)}
	return c.open(ctx, true, func(ctx context.Context, a *admin.Admin) error {
		done, err := a.Subscribe(ctx, rest[0], rest[1], o)
		if err != nil || c.json {
			return c.changed(rest, &done, err)
		}
		was := "is subscribed to"
		if done.Existed {
			was = "was subscribed and has new options of"
		}
		_, err = fmt.Fprintf(c.out, "%s %s %s (%s, QoS %d)\n", plain(rest[0]), was, plain(rest[1]), c.where(&done), done.QoS)
		return err
	})
}

const unsubscribeHelp = `Ends a client's subscription to FILTER, whoever made it. The client is not told; it may subscribe again. Quote FILTER.
`

// unsubscribe ends a subscription of a client.
func (c *adminCommand) unsubscribe(ctx context.Context, args []string) error {
	rest, err := c.parse(args, 2, 2, "unsubscribe [flags] ID FILTER", unsubscribeHelp)
	if err != nil {
		return err
	}
	return c.open(ctx, false, func(ctx context.Context, a *admin.Admin) error {
		done, err := a.Unsubscribe(ctx, rest[0], rest[1])
		if err != nil || c.json {
			return c.changed(rest, &done, err)
		}
		was := "is no longer subscribed to"
		if !done.Existed {
			was = "was not subscribed to"
		}
		_, err = fmt.Fprintf(c.out, "%s %s %s (%s)\n", plain(rest[0]), was, plain(rest[1]), c.where(&done))
		return err
	})
}

// where says where the client is.
func (c *adminCommand) where(s *admin.Subscribed) string {
	if s.State == admin.Connected {
		return "connected to " + plain(s.Instance)
	}
	return s.State
}

// changed is the end of a command that failed, or is to print JSON.
func (c *adminCommand) changed(rest []string, done *admin.Subscribed, err error) error {
	id, filter := plain(rest[0]), plain(rest[1])
	switch {
	case err == nil:
		return printSafeJSON(c.out, done)
	case errors.Is(err, admin.ErrNoClient):
		return c.unknown(rest[0])
	case errors.Is(err, admin.ErrUnconfirmed):
		return fmt.Errorf("the instance of %s does not answer within %v: does it live? (`lmqgate instances`) It may have been done", id, c.timeout)
	case errors.Is(err, admin.ErrFilter):
		return fmt.Errorf("%s is not a topic filter, or not with these options", filter)
	case errors.Is(err, admin.ErrPrivate):
		return fmt.Errorf("%s is not for %s: what is sent to a client goes to that client only, and the gateway's own clients are left alone", filter, id)
	case errors.Is(err, admin.ErrShared):
		return fmt.Errorf("%s: a shared subscription can be made for a client that is connected, where shared subscriptions are on", filter)
	case errors.Is(err, admin.ErrTooMany):
		return fmt.Errorf("%s has as many subscriptions as it may (MAX_SUBSCRIPTIONS), or there are too many filters (MAX_FILTERS)", id)
	}
	return err
}
