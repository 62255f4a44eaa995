package e2e

import (
	"fmt"
	"math/rand/v2"
	"os"
	"slices"
	"strconv"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"lmqgate/adapter/packet"
)

// seeds returns those to run: LMQGATE_TEST_SEED, or n random ones.
func seeds(t *testing.T, n int) []uint64 {
	t.Helper()
	if s := os.Getenv("LMQGATE_TEST_SEED"); s != "" {
		seed, err := strconv.ParseUint(s, 10, 64)
		must(t, err)
		return []uint64{seed}
	}
	list := make([]uint64, n)
	for i := range list {
		list[i] = rand.Uint64N(1_000_000)
	}
	return list
}

// crowd is a load of persistent clients in groups: in a group everybody publishes, or gets what all its publishers send.
// The devices find their way to a living instance by themselves.
type crowd struct {
	f           *fleet
	t           *testing.T
	groups      int
	publishers  []*device
	subscribers []*device
	messages    int // of each publisher with each QoS
	acked       atomic.Int64

	mu      sync.Mutex // protects what follows
	rng     *rand.Rand
	places  []*instance // where clients may go
	settled bool        // connected and subscribed
}

// newCrowd connects clients to the first of the instances and subscribes. When it is gone they go to the others, even while
// they are still being connected.
func newCrowd(f *fleet, seed uint64, groups, publishers, subscribers, messages int) *crowd {
	c := &crowd{
		f: f, t: f.t, rng: rand.New(rand.NewPCG(seed, 0)), groups: groups, messages: messages,
		places: slices.Clone(f.instances),
	}
	for g := range groups {
		for i := range publishers {
			d := newDevice(c.t, fmt.Sprintf("pub-%d-%d", g, i), version(g+i))
			d.window = 1 + c.random(12)
			c.publishers = append(c.publishers, d)
		}
		for i := range subscribers {
			d := newDevice(c.t, fmt.Sprintf("sub-%d-%d", g, i), version(g+i))
			if c.random(3) == 0 {
				d.receiveMax = uint16(1 + c.random(20))
			}
			c.subscribers = append(c.subscribers, d)
		}
	}
	for _, d := range c.all() {
		d.keep(c.pick)
	}
	var work sync.WaitGroup
	for i, d := range c.subscribers {
		root := f.topic("g%d/", i/subscribers)
		filters := [][]string{{root + "#"}, {root + "+/+"}, {root + "+/q1", root + "#"}}[i%3]
		work.Go(func() { d.subscribed(2, filters...) })
	}
	for _, d := range c.publishers {
		work.Go(func() { d.await(soon, "a connection", func() bool { return d.link != nil }) })
	}
	work.Wait()
	c.mu.Lock()
	defer c.mu.Unlock()
	c.settled = true
	return c
}

func (c *crowd) all() []*device { return append(slices.Clone(c.publishers), c.subscribers...) }

// pick returns an address of a living instance: of the first one to begin with, later of any.
func (c *crowd) pick() string {
	c.mu.Lock()
	defer c.mu.Unlock()
	alive := slices.DeleteFunc(slices.Clone(c.places), (*instance).isExited)
	if len(alive) == 0 {
		return "127.0.0.1:1"
	}
	i := alive[0]
	if c.settled {
		i = alive[c.rng.IntN(len(alive))]
	}
	return []string{i.tcp, i.ws()}[c.rng.IntN(2)]
}

// joined lets clients go to one more instance.
func (c *crowd) joined(i *instance) {
	i.ready()
	c.mu.Lock()
	defer c.mu.Unlock()
	c.places = append(c.places, i)
}

// random returns a number below n.
func (c *crowd) random(n int) int {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.rng.IntN(n)
}

// total is the number of messages to be published.
func (c *crowd) total() int { return len(c.publishers) * 2 * c.messages }

// prefix is how the payloads of one publisher and QoS begin.
func (c *crowd) prefix(d *device, qos byte) string {
	return fmt.Sprintf("%s %s q%d ", c.f.first, d.id, qos)
}

func (c *crowd) group(d *device) int {
	var g, i int
	_, err := fmt.Sscanf(d.id[4:], "%d-%d", &g, &i)
	must(c.t, err)
	return g
}

// publish publishes everything and calls at once the acknowledged ones reach its number.
func (c *crowd) publish(number int, at func()) {
	reached := make(chan struct{})
	var work sync.WaitGroup
	for _, d := range c.publishers {
		work.Go(func() {
			for m := range c.messages {
				for qos := byte(1); qos <= 2; qos++ {
					topic := c.f.topic("g%d/%s/q%d", c.group(d), d.id, qos)
					d.publish(topic, qos, fmt.Sprintf("%s%d", c.prefix(d, qos), m), func(packet.ReasonCode) {
						if c.acked.Add(1) == int64(number) {
							close(reached)
						}
					})
				}
			}
		})
	}
	select {
	case <-reached:
	case <-time.After(2 * soon):
		c.t.Errorf("only %d of %d publishes acknowledged", c.acked.Load(), c.total())
	}
	at()
	work.Wait()
	for _, d := range c.publishers {
		d.flushed(2 * soon)
	}
}

// check holds the records of all devices against what MQTT promises. A last message on each topic marks the end of what
// may still come.
func (c *crowd) check() {
	c.t.Helper()
	last := fmt.Sprintf("%s end ", c.f.first)
	for _, d := range c.publishers {
		for qos := byte(1); qos <= 2; qos++ {
			d.publish(c.f.topic("g%d/%s/q%d", c.group(d), d.id, qos), qos, fmt.Sprintf("%s%s q%d", last, d.id, qos), nil)
		}
	}
	for _, d := range c.publishers {
		d.flushed(2 * soon)
		d.sane()
	}
	perGroup := len(c.publishers) / c.groups
	for _, s := range c.subscribers {
		if !s.gets(2*soon, 2*perGroup, with(last)) {
			c.t.Errorf("%s: the last messages did not come", s.id)
		}
		for _, d := range c.publishers[c.group(s)*perGroup : (c.group(s)+1)*perGroup] {
			c.compare(s, d)
		}
		s.sane()
	}
	repeated, connects := 0, 0
	for _, s := range c.subscribers {
		distinct := len(firsts(payloads(s.received(nil))))
		s.mu.Lock()
		repeated += s.packets - distinct
		connects += s.connects
		s.mu.Unlock()
	}
	c.t.Logf("%d messages, %d subscribers on %d connections, %d PUBLISH packets repeated", c.total(), len(c.subscribers), connects, repeated)
}

// compare looks at what one subscriber got of one publisher: QoS 1 at least once, QoS 2 exactly once, in order.
func (c *crowd) compare(s, d *device) {
	c.t.Helper()
	for qos := byte(1); qos <= 2; qos++ {
		prefix := c.prefix(d, qos)
		list := s.received(with(prefix))
		got := payloads(list)
		if qos == 1 {
			got = firsts(got)
		}
		if diff := difference(numbered(prefix, c.messages), got); diff != "" {
			c.t.Errorf("%s, messages %s...: %s\n%s", s.id, prefix, diff, describe(list, diff))
		}
	}
}

// describe lists the arrivals that a difference names.
func describe(list []arrival, diff string) string {
	var b strings.Builder
	for _, a := range list {
		if strings.Contains(diff, a.payload+" (") {
			fmt.Fprintf(&b, "    %q on connection %d, packet id %d, QoS %d, DUP %v\n", a.payload, a.connection, a.id, a.qos, a.dup)
		}
	}
	return b.String()
}

// random returns a source of its own for each pair of numbers.
func random(seed uint64, a, b int) *rand.Rand {
	return rand.New(rand.NewPCG(seed, uint64(a)<<32|uint64(b)))
}
