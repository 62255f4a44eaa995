package chaos

import (
	"fmt"
	"math/rand/v2"
	"strings"
	"sync"
	"time"

	"lmqgate/adapter/packet"
	"lmqgate/e2e/history"
)

// LoadOptions say what clients do.
type LoadOptions struct {
	Seed  uint64
	Root  string        // first level of all topics
	Scale int           // multiplies the number of clients, 0 means 1
	Pause time.Duration // between two steps of a client on average, 0 means 60 ms
}

// Load is a crowd of clients that do at random what clients do, and record it: publishers with QoS 0, 1 and 2, subscribers
// with lasting and passing sessions that come, go, are cut off, take over from themselves, subscribe and unsubscribe,
// members of shared subscriptions, writers of retained messages, and clients that leave wills.
type Load struct {
	opt    LoadOptions
	rec    *history.Recorder
	places func() []string

	clients []*client
	acts    []func(c *client, stop <-chan struct{}) // of each client
	lasting []func(c *client)                       // what it subscribes to at first

	stop    chan struct{} // ends the acting
	leave   chan struct{} // ends the connections
	acting  sync.WaitGroup
	staying sync.WaitGroup
}

// topics is how many topics of each kind there are.
const topics = 6

// NewLoad makes the clients; places are the addresses they may go to.
func NewLoad(rec *history.Recorder, places func() []string, o LoadOptions) *Load {
	o.Scale = max(1, o.Scale)
	if o.Pause == 0 {
		o.Pause = 60 * time.Millisecond
	}
	l := &Load{opt: o, rec: rec, places: places, stop: make(chan struct{}), leave: make(chan struct{})}
	for n := range o.Scale {
		for i := range 4 {
			l.add(fmt.Sprintf("pub-%d-%d", n, i), false, l.publisher, nil)
		}
		l.add(fmt.Sprintf("pub-clean-%d", n), true, l.publisher, nil)
		for i := range 4 {
			l.add(fmt.Sprintf("sub-%d-%d", n, i), false, l.wanderer, l.subscribed(2, l.filter(i)))
		}
		l.add(fmt.Sprintf("sub-one-%d", n), false, l.wanderer, l.subscribed(1, "/t/#"))
		l.add(fmt.Sprintf("sub-zero-%d", n), false, l.wanderer, l.subscribed(0, "/t/+"))
		l.add(fmt.Sprintf("sub-clean-%d", n), true, l.guest, nil)
		for i := range 2 {
			l.add(fmt.Sprintf("rover-%d-%d", n, i), i == 1, l.rover, nil)
		}
		for i := range 3 {
			l.add(fmt.Sprintf("member-%d-%d", n, i), false, l.wanderer, l.member(n))
		}
		for i := range 2 {
			l.add(fmt.Sprintf("keeper-%d-%d", n, i), false, l.keeper, nil)
			l.add(fmt.Sprintf("mortal-%d-%d", n, i), i == 1, l.mortal, nil)
		}
		l.add(fmt.Sprintf("flapper-%d", n), false, l.flapper, l.subscribed(2, "/t/0"))
	}
	l.add("watcher", false, l.stayer, l.subscribed(2, "/w/#"))
	return l
}

func (l *Load) add(id string, clean bool, act func(*client, <-chan struct{}), first func(*client)) {
	n := len(l.clients)
	v := []packet.Version{packet.V5, packet.V311}[n%3%2]
	c := newClient(l.rec, l.places, l.opt.Root+"-"+id, v, clean, rand.New(rand.NewPCG(l.opt.Seed, uint64(n)+1)))
	if strings.HasPrefix(id, "mortal") {
		c.will = l.will(c)
	}
	l.clients, l.acts, l.lasting = append(l.clients, c), append(l.acts, act), append(l.lasting, first)
}

// filter is one of several forms that match topics of their own, so that no client has two that overlap.
func (l *Load) filter(i int) string { return []string{"/t/0", "/t/+", "/+/1", "/t/#"}[i%4] }

// topic is one to publish to.
func (l *Load) topic(c *client, kind string) string {
	return fmt.Sprintf("%s/%s/%d", l.opt.Root, kind, c.random(topics))
}

// subscribed subscribes until it is granted.
func (l *Load) subscribed(qos byte, filter string) func(*client) {
	return func(c *client) { l.until(c, l.opt.Root+filter, qos) }
}

// member subscribes to a shared subscription of its group.
func (l *Load) member(group int) func(*client) {
	return func(c *client) { l.until(c, fmt.Sprintf("$share/g%d/%s/s/#", group, l.opt.Root), 2) }
}

func (l *Load) until(c *client, filter string, qos byte) {
	for !isOver(l.stop) {
		if c.within(time.Second, l.stop, func() bool { return c.link != nil }) && c.subscribe(filter, qos) {
			return
		}
		c.within(50*time.Millisecond, l.stop, func() bool { return false })
	}
}

// will returns what makes a client's wills.
func (l *Load) will(c *client) func() *packet.Will {
	return func() *packet.Will {
		c.mu.Lock()
		defer c.mu.Unlock()
		w := &packet.Will{Topic: fmt.Sprintf("%s/w/%s", l.opt.Root, c.id), Payload: []byte(c.name()), QoS: byte(1 + c.r.IntN(2))}
		if c.v == packet.V5 && c.r.IntN(3) == 0 {
			w.Delay = uint32(1 + c.r.IntN(4))
		}
		return w
	}
}

// Start lets all clients connect, subscribe and act until Quiesce.
func (l *Load) Start() {
	for i, c := range l.clients {
		l.acting.Go(func() {
			for !isOver(l.stop) && !c.connect() {
				c.within(100*time.Millisecond, l.stop, func() bool { return false })
			}
			if l.lasting[i] != nil {
				ready := make(chan struct{})
				l.acting.Go(func() {
					defer close(ready)
					l.lasting[i](c)
				})
				for !isOver(ready) { // a connection that broke before all was granted is made again
					if c.within(100*time.Millisecond, ready, func() bool { return c.link == nil }) {
						c.connect()
					}
				}
			}
			l.acts[i](c, l.stop)
		})
	}
}

// pause waits for about one step; it reports whether acting goes on.
func (l *Load) pause(c *client, factor int) bool {
	d := time.Duration(c.random(2*int(l.opt.Pause)+1)) * time.Duration(factor)
	c.within(d, l.stop, func() bool { return false })
	return !isOver(l.stop)
}

// back connects a client that is not connected.
func (l *Load) back(c *client) {
	c.mu.Lock()
	off := c.link == nil
	c.mu.Unlock()
	if off && !c.connect() {
		c.within(time.Duration(20+c.random(200))*time.Millisecond, l.stop, func() bool { return false })
	}
}
