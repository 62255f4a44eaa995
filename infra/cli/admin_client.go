package cli

import (
	"fmt"
	"maps"
	"slices"
	"strconv"
	"strings"

	"lmqgate/functions/admin"
	"lmqgate/infra/config"
	"lmqgate/meta/topic"
)

// prefix is REDIS_PREFIX, the first suspect when something is not found.
func (c *adminCommand) prefix() string {
	cfg, _ := config.LoadStore(c.environ) // it was loaded before
	return cfg.RedisPrefix
}

// printClient prints one client: first what whoever is on call asks first.
func (c *adminCommand) printClient(d *admin.Detail) error {
	now := c.now()
	line := func(name, value string) { fmt.Fprintf(c.out, "%-14s %s\n", name, value) }
	line("client", plain(d.ID))
	switch d.State {
	case admin.Connected:
		line("state", fmt.Sprintf("connected for %s to %s, from %s", ago(now, d.Since), orDash(d.Instance), orDash(d.Address)))
	case admin.Away:
		ends := "never ends"
		if d.Expires != nil {
			ends = "ends in " + ago(now, d.Expires)
			if d.Expires.Before(now) {
				ends = "is over, an instance is about to end it"
			}
		}
		line("state", fmt.Sprintf("away, session %s; last connected %s ago to %s, from %s", ends, ago(now, d.Since), orDash(d.Instance), orDash(d.Address)))
	default:
		line("state", "session has ended, its subscriptions are being released")
	}
	line("login", fmt.Sprintf("user %s, MQTT %s, epoch %d", orDash(d.User), orDash(d.Protocol), d.Epoch))
	line("expiry", expiry(d.Expiry))
	line("behind", c.behind(d))
	line("in flight", fmt.Sprintf("%d to the client, %d QoS 2 from it", len(d.Out), len(d.In)))
	for _, w := range d.Wills {
		line("will", c.will(&w))
	}
	for _, broker := range slices.Sorted(maps.Keys(d.LagErrors)) {
		line("lag unknown", plain(broker+": "+d.LagErrors[broker]))
	}
	fmt.Fprintf(c.out, "\n%s\n", count(subscriptionsOf(d), "subscription"))
	if err := c.subscriptionGrid(d).print(c.out); err != nil {
		return err
	}
	return c.printInFlight(d)
}

// subscriptionsOf is the number of subscriptions, the client's own queue left out.
func subscriptionsOf(d *admin.Detail) (n int) {
	for _, s := range d.Subscriptions {
		if !s.Own {
			n++
		}
	}
	return n
}

func orDash(s string) string {
	if s == "" {
		return "-"
	}
	return plain(s)
}

func expiry(text string) string {
	switch text {
	case "0s":
		return "the session ends with the connection; it keeps no cursors"
	case "never":
		return "the session is kept for ever"
	}
	return "the session is kept for " + text + " after the connection"
}

// behind says how many messages wait, or why that is not known.
func (c *adminCommand) behind(d *admin.Detail) string {
	cfg, _ := config.LoadStore(c.environ)
	switch {
	case d.Behind != nil && len(d.LagErrors) > 0:
		return fmt.Sprintf("at least %s (not all brokers answer)", count(int(*d.Behind), "message"))
	case d.Behind != nil:
		return count(int(*d.Behind), "message")
	case cfg.EmbeddedRocketMQ:
		return "not known: set NAMESRV_ADDR to see it"
	case len(d.LagErrors) > 0:
		return "not known: RocketMQ does not answer"
	}
	return "not known: the session has no cursor"
}

func (c *adminCommand) will(w *admin.Will) string {
	text := fmt.Sprintf("%s, QoS %d, %s", plain(w.Topic), w.QoS, count(w.Bytes, "byte"))
	if w.Retain {
		text += ", retained"
	}
	switch w.Stage {
	case "connection":
		text += "; published if the connection breaks"
		if w.Delay != "0s" {
			text += ", " + w.Delay + " later"
		}
	case "publishing":
		text += "; being published"
	default:
		text += "; published in " + ago(c.now(), w.At) + " unless the client returns"
	}
	return text
}

// subscriptionGrid has a line for each cursor.
func (c *adminCommand) subscriptionGrid(d *admin.Detail) *grid {
	g := c.grid(c.full, column{"FILTER", 48}, column{"QOS", 0}, column{"BROKER", 20}, column{"NEXT", 0}, column{"END", 0}, column{"LAG", 0})
	for i := range d.Subscriptions {
		s := &d.Subscriptions[i]
		qos, filter := strconv.Itoa(int(s.QoS)), queueName(s.Filter)
		if s.Shared {
			g.add(filter, qos, "(group's)", "", "", "")
			continue
		}
		if len(s.Cursors) == 0 {
			g.add(filter, qos, "", "", "", "")
		}
		for _, at := range s.Cursors {
			g.add(filter, qos, at.Broker, strconv.FormatInt(at.Next, 10), number(at.Max), number(at.Lag))
		}
	}
	if len(d.Subscriptions) == 0 {
		g.titles = nil
	}
	return g
}

// queueName is what stands for a filter, or for the client's own queue.
func queueName(filter string) string {
	if filter == topic.OwnFilter {
		return ownQueue
	}
	return filter
}

// mostInFlight is how many messages in flight are printed each way for people.
const mostInFlight = 20

func (c *adminCommand) printInFlight(d *admin.Detail) error {
	if len(d.Out) > 0 {
		g := c.grid(c.full, column{"ID", 0}, column{"QOS", 0}, column{"STATE", 0}, column{"FILTER", 36}, column{"BROKER", 20}, column{"OFFSET", 0})
		for _, o := range d.Out[:min(len(d.Out), mostInFlight)] {
			g.add(strconv.Itoa(int(o.PacketID)), strconv.Itoa(int(o.QoS)), o.State, queueName(o.Filter), o.Broker, strconv.FormatInt(o.Offset, 10))
		}
		fmt.Fprintf(c.out, "\nin flight to the client%s\n", first(len(d.Out)))
		if err := g.print(c.out); err != nil {
			return err
		}
	}
	if len(d.In) == 0 {
		return nil
	}
	g := c.grid(c.full, column{"ID", 0}, column{"STORED", 0}, column{"ROCKETMQ TOPIC", 36}, column{"BROKER", 20}, column{"AGE", 0})
	for _, in := range d.In[:min(len(d.In), mostInFlight)] {
		stored := "not yet"
		if in.Stored {
			stored = "yes"
		}
		g.add(strconv.Itoa(int(in.PacketID)), stored, in.Topic, in.Broker, ago(c.now(), in.At))
	}
	fmt.Fprintf(c.out, "\nQoS 2 from the client, not released%s\n", first(len(d.In)))
	return g.print(c.out)
}

// first says that not all are printed.
func first(n int) string {
	if n <= mostInFlight {
		return ""
	}
	return strings.TrimSpace(fmt.Sprintf(", the first %d of %d (--json has all)", mostInFlight, n))
}
