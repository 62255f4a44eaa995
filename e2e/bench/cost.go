package main

import (
	"fmt"
	"os"
	"strings"
	"sync"
	"sync/atomic"
	"time"

	"lmqgate/adapter/packet"
)

// tally is the row "redis": what each thing that clients do costs at Redis.
type tally struct {
	b     *bench
	gs    [2]*instance
	quiet counters // what the two instances do by themselves in a second
	table strings.Builder
}

// redisCost counts calls of Redis. They are exact but for what sharing does, which depends on how busy the machine is.
func (b *bench) redisCost() error {
	t := &tally{b: b}
	prefix := b.prefix()
	for i := range t.gs {
		g, err := b.run(prefix, "STATUS_INTERVAL=0")
		if err != nil {
			return err
		}
		defer g.kill()
		t.gs[i] = g
	}
	t.table.WriteString("| | round trips | commands and scripts sent | executed, with those in scripts | writes among them | bytes to Redis | from Redis |\n|---|---|---|---|---|---|---|\n")
	for _, step := range []func() error{t.warm, t.idle, t.connects, t.subscribes, t.publishes, t.retained, t.deliveries, t.loaded} {
		if err := step(); err != nil {
			return err
		}
	}
	text := "For one of each; what instances do by themselves is left out.\n\n" + t.table.String()
	fmt.Printf("\n%s\n", text)
	if b.readme == "" {
		return nil
	}
	return between(b.readme, "<!-- redis:begin -->", "<!-- redis:end -->", "\n\n"+text+"\n")
}

// between replaces what stands between two marks in a file.
func between(file, begin, end, text string) error {
	page, err := os.ReadFile(file)
	if err != nil {
		return err
	}
	before, rest, found := strings.Cut(string(page), begin)
	_, after, ended := strings.Cut(rest, end)
	if !found || !ended {
		return fmt.Errorf("%s has no %s ... %s", file, begin, end)
	}
	return os.WriteFile(file, []byte(before+begin+text+end+after), 0o644)
}

// measure runs what does something n times, and writes its share down.
func (t *tally) measure(name string, n int, run func() error) error {
	before, err := t.b.count(t.gs[:]...)
	if err != nil {
		return err
	}
	if err := run(); err != nil {
		return fmt.Errorf("%s: %w", name, err)
	}
	time.Sleep(200 * time.Millisecond) // what is committed lazily
	after, err := t.b.count(t.gs[:]...)
	if err != nil {
		return err
	}
	d := after.since(before)
	own := t.quiet.times(d.seconds())
	for command, count := range own.named {
		d.named[command] -= count
	}
	per := func(all, own float64) string { return tidy(max(0, all-own) / float64(n)) }
	fmt.Fprintf(&t.table, "| %s | %s | %s | %s | %s | %s | %s |\n", name, per(d.trips, own.trips), per(d.sent, own.sent), per(d.run, own.run),
		per(d.writes, own.writes), per(d.in, own.in), per(d.out, own.out))
	if t.b.verbose {
		fmt.Printf("%s: %s\n", name, d.times(1/float64(n)).names())
	}
	return nil
}

// tidy leaves out digits that background work makes worthless.
func tidy(f float64) string {
	switch {
	case f >= 20:
		return fmt.Sprintf("%.0f", f)
	case f < 0.005:
		return "0"
	}
	return strings.TrimSuffix(strings.TrimRight(fmt.Sprintf("%.2f", f), "0"), ".")
}

// warm has the scripts loaded, so that none is sent whole in a measurement, and topics and connections opened.
func (t *tally) warm() error {
	topic := t.b.topic()
	for i := range 4 {
		c, err := dial(t.gs[i%2].tcp, connectOptions{id: "warm", expiry: uint32(i % 3 * 60)})
		if err != nil {
			return err
		}
		for _, filter := range []string{topic, topic + "/+"} {
			if err := c.subscribe(filter, 2); err != nil {
				return err
			}
		}
		go c.read()
		for qos := range byte(3) {
			if err := c.published(topic, qos, uint16(qos)+1, i == 0); err != nil {
				return err
			}
		}
		if err := c.ask(&packet.Unsubscribe{PacketID: 2, Filters: []string{topic}}); err != nil {
			return err
		}
		c.leave()
	}
	return nil
}

// idle is what two instances do by themselves.
func (t *tally) idle() error {
	time.Sleep(time.Second)
	before, err := t.b.count(t.gs[:]...)
	if err != nil {
		return err
	}
	time.Sleep(15 * time.Second)
	after, err := t.b.count(t.gs[:]...)
	if err != nil {
		return err
	}
	d := after.since(before)
	t.quiet = d.times(1 / d.seconds())
	return nil
}

const costClients = 50

// each runs f for a number of clients, one after the other.
func each(f func(i int) error) func() error {
	return func() error {
		for i := range costClients {
			if err := f(i); err != nil {
				return err
			}
		}
		return nil
	}
}

func (t *tally) connects() error {
	base := t.b.topic()
	clients := make([]*mqtt, costClients)
	at := func(g *instance, expiry uint32) func() error {
		return each(func(i int) (err error) {
			clients[i], err = dial(g.tcp, connectOptions{id: fmt.Sprintf("%s-%d-%d", base, min(expiry, 1), i), expiry: expiry})
			return err
		})
	}
	subscribe := func() error {
		return each(func(i int) error { return clients[i].subscribe(fmt.Sprintf("%s/%d", base, i), 1) })()
	}
	leave := func() error { return each(func(i int) error { clients[i].leave(); return nil })() }
	g := t.gs[0]
	for _, m := range []struct {
		name string
		run  func() error
	}{
		{"CONNECT, clean session", at(g, 0)},
		{"DISCONNECT, clean session", leave},
		{"CONNECT, lasting session, new", at(g, 600)},
		{"", subscribe},
		{"DISCONNECT, lasting session", leave},
		{"CONNECT, lasting session with 1 subscription, resumed", at(g, 600)},
		{"CONNECT, the same, taken over from another instance", at(t.gs[1], 600)},
		{"", leave},
		{"", at(g, 0)},
		{"", subscribe},
		{"DISCONNECT, clean session with 1 subscription", leave},
	} {
		var err error
		if m.name == "" {
			err = m.run()
			time.Sleep(200 * time.Millisecond)
		} else {
			err = t.measure(m.name, costClients, m.run)
		}
		if err != nil {
			return err
		}
	}
	return nil
}

func (t *tally) subscribes() error {
	for _, expiry := range []uint32{0, 600} {
		base := t.b.topic()
		c, err := dial(t.gs[0].tcp, connectOptions{id: base, expiry: expiry})
		if err != nil {
			return err
		}
		go c.read()
		filter := func(i, j int, suffix string) string { return fmt.Sprintf("%s/%d/%d%s", base, i, j, suffix) }
		kind := map[bool]string{true: "clean", false: "lasting"}[expiry == 0]
		for _, m := range []struct {
			name, suffix string
			n            int
		}{{"1 filter", "", 1}, {"1 filter with a wildcard", "/+", 1}, {"10 filters", "/x", 10}} {
			err := t.measure(fmt.Sprintf("SUBSCRIBE, %s, %s session", m.name, kind), costClients, each(func(i int) error {
				p := &packet.Subscribe{PacketID: 7}
				for j := range m.n {
					p.Filters = append(p.Filters, packet.Subscription{Filter: filter(i, j, m.suffix), QoS: 1})
				}
				return c.ask(p)
			}))
			if err != nil {
				return err
			}
		}
		err = t.measure(fmt.Sprintf("UNSUBSCRIBE, 1 filter, %s session", kind), costClients, each(func(i int) error {
			return c.ask(&packet.Unsubscribe{PacketID: 8, Filters: []string{filter(i, 0, "")}})
		}))
		if err != nil {
			return err
		}
		c.leave()
		time.Sleep(time.Second) // the filters of a clean session are released
	}
	return nil
}

func (t *tally) publishes() error {
	for _, expiry := range []uint32{0, 600} {
		topic := t.b.topic()
		c, err := dial(t.gs[0].tcp, connectOptions{id: topic, expiry: expiry})
		if err != nil {
			return err
		}
		go c.read()
		kind := map[bool]string{true: "clean", false: "lasting"}[expiry == 0]
		for qos := range byte(3) {
			err := t.measure(fmt.Sprintf("PUBLISH QoS %d, one at a time, %s session, nobody subscribes", qos, kind), 4*costClients, func() error {
				for i := range 4 * costClients {
					if err := c.published(topic, qos, uint16(i+1), false); err != nil {
						return err
					}
					if qos == 0 {
						time.Sleep(3 * time.Millisecond) // so that they are not together either
					}
				}
				return nil
			})
			if err != nil {
				return err
			}
		}
		c.leave()
	}
	return nil
}

func (t *tally) retained() error {
	base := t.b.topic()
	c, err := dial(t.gs[0].tcp, connectOptions{id: base})
	if err != nil {
		return err
	}
	defer c.leave()
	go c.read()
	err = t.measure("PUBLISH QoS 1 retained, one at a time", costClients, each(func(i int) error {
		return c.published(fmt.Sprintf("%s/%d", base, i), 1, uint16(i+1), true)
	}))
	if err != nil {
		return err
	}
	var count atomic.Int64
	sub, err := dial(t.gs[0].tcp, connectOptions{id: base + "s", got: func(*packet.Publish, time.Time) { count.Add(1) }})
	if err != nil {
		return err
	}
	defer sub.leave()
	return t.measure("retained message sent after SUBSCRIBE, one of 50", costClients, func() error {
		if err := sub.subscribe(base+"/+", 1); err != nil {
			return err
		}
		go sub.read()
		return until(func() bool { return count.Load() >= costClients })
	})
}

// until waits for what clients see.
func until(done func() bool) error {
	for end := time.Now().Add(30 * time.Second); !done(); time.Sleep(time.Millisecond) {
		if time.Now().After(end) {
			return fmt.Errorf("nothing more came for 30 s")
		}
	}
	return nil
}

// deliveries counts what a message from one client to another costs in all, and what each of many deliveries of it adds.
func (t *tally) deliveries() error {
	for _, subs := range []int{1, 100} {
		for _, expiry := range []uint32{0, 600} {
			for qos := range byte(3) {
				if err := t.delivered(subs, expiry, qos); err != nil {
					return err
				}
			}
		}
	}
	return nil
}

func (t *tally) delivered(subs int, expiry uint32, qos byte) error {
	topic := t.b.topic()
	var count atomic.Int64
	for i := range subs {
		sub, err := dial(t.gs[0].tcp, connectOptions{id: fmt.Sprint(topic, i), expiry: expiry, got: func(*packet.Publish, time.Time) { count.Add(1) }})
		if err != nil {
			return err
		}
		defer sub.leave()
		if err := sub.subscribe(topic, qos); err != nil {
			return err
		}
		go sub.read()
	}
	pub, err := dial(t.gs[0].tcp, connectOptions{id: topic + "p"})
	if err != nil {
		return err
	}
	defer pub.leave()
	go pub.read()
	kind := map[bool]string{true: "clean", false: "lasting"}[expiry == 0]
	messages := max(20, 100/subs)
	name := fmt.Sprintf("message QoS %d from a clean to a %s session, one at a time, in all", qos, kind)
	if subs > 1 {
		name = fmt.Sprintf("delivery QoS %d of a message to %d %s sessions, the PUBLISH shared by them", qos, subs, kind)
	}
	return t.measure(name, messages*subs, func() error {
		for i := range messages {
			if err := pub.published(topic, qos, uint16(i+1), false); err != nil {
				return err
			}
			if err := until(func() bool { return count.Load() >= int64((i+1)*subs) }); err != nil {
				return err
			}
			time.Sleep(8 * time.Millisecond) // longer than anything is committed lazily
		}
		return nil
	})
}

// loaded is what messages cost while many are under way.
func (t *tally) loaded() error {
	for _, expiry := range []uint32{0, 600} {
		list, stop, err := t.b.pairs(t.gs[0].tcp, 100, expiry)
		defer stop()
		if err != nil {
			return err
		}
		const each = 50
		kind := map[bool]string{true: "clean", false: "lasting"}[expiry == 0]
		err = t.measure(fmt.Sprintf("message QoS 1, 100 pairs of clients at once, to %s sessions, in all", kind), each*len(list), func() error {
			var wg sync.WaitGroup
			errs := make(chan error, len(list))
			for _, p := range list {
				wg.Go(func() {
					for i := range each {
						if err := p.pub.published(p.topic, 1, uint16(i+1), false); err != nil {
							errs <- err
							return
						}
					}
				})
			}
			wg.Wait()
			select {
			case err := <-errs:
				return err
			default:
			}
			return until(func() bool {
				n := int64(0)
				for _, p := range list {
					n += p.count.Load()
				}
				return n >= int64(each*len(list))
			})
		})
		if err != nil {
			return err
		}
	}
	return nil
}
