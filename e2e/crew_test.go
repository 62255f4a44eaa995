package e2e

import (
	"fmt"
	"slices"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"lmqgate/adapter/packet"
)

// crew is a group of members of one shared subscription, with all that they got. Messages are told apart by their payloads,
// which begin with the fleet's first topic.
type crew struct {
	t       *testing.T
	f       *fleet
	filter  string // the whole of it, `$share/...`
	members []*device
}

// newCrew is a group without members yet, of a filter below the fleet's first topic.
func newCrew(f *fleet, group, rest string) *crew {
	return &crew{t: f.t, f: f, filter: "$share/" + f.first + group + "/" + f.topic("%s", rest)}
}

// join connects one more member, whose session outlives its connections.
func (c *crew) join(id string, at *instance, qos byte) *device {
	c.t.Helper()
	d := connected(c.t, c.f.first+"-"+id, version(len(c.members)), []string{at.tcp, at.ws()}[len(c.members)%2])
	must(c.t, d.subscribe(qos, c.filter))
	c.members = append(c.members, d)
	return d
}

// arrived are the payloads that all members have got so far.
func (c *crew) arrived() []string {
	var all []string
	for _, d := range c.members {
		all = append(all, payloads(d.received(with(c.f.first)))...)
	}
	return all
}

// complete waits until the messages 0 to n-1 of a load have arrived.
func (c *crew) complete(n int) {
	c.t.Helper()
	c.has(numbered(c.f.first+" ", n))
}

// has waits until all of wanted has arrived, each at some member.
func (c *crew) has(wanted []string) {
	c.t.Helper()
	deadline := time.Now().Add(2 * soon)
	eventually(c.t, 3*soon, func() error {
		got := firsts(c.arrived())
		seen := make(map[string]bool, len(got))
		for _, p := range got {
			seen[p] = true
		}
		if !slices.ContainsFunc(wanted, func(p string) bool { return !seen[p] }) {
			return nil
		}
		err := fmt.Errorf("group %s: %s", c.filter, difference(wanted, got))
		if time.Now().After(deadline) {
			return fatal{err}
		}
		return err
	})
}

// once requires that got is the messages 0 to n-1 of a load, each once and in whatever order.
func (c *crew) once(n int, got []string) {
	c.t.Helper()
	if diff := difference(slices.Sorted(slices.Values(numbered(c.f.first+" ", n))), slices.Sorted(slices.Values(got))); diff != "" {
		c.t.Errorf("group %s: %s", c.filter, diff)
		c.trace(diff)
	}
}

// trace tells where the messages went that a difference names.
func (c *crew) trace(diff string) {
	c.t.Helper()
	for _, d := range c.members {
		if s := describe(d.received(with(c.f.first)), diff); s != "" {
			c.t.Logf("%s:\n%s", d.id, s)
		}
	}
}

// load is a number of publishers with a topic each.
type load struct {
	t          *testing.T
	f          *fleet
	qos        byte
	topics     []string
	publishers []*device
	sent       int
}

// moment is what happens in the midst of a load.
type moment struct {
	after int // so many acknowledged messages
	do    func()
}

// newLoad connects publishers to topics right below that one. They stay connected to any instance that lives.
func (f *fleet) newLoad(below string, qos byte) *load {
	f.t.Helper()
	var topics []string
	for n := range 8 {
		topics = append(topics, f.topic("%s/%d", below, n))
	}
	return f.newLoadOn(topics, qos)
}

func (f *fleet) newLoadOn(topics []string, qos byte) *load {
	f.t.Helper()
	l := &load{t: f.t, f: f, qos: qos, topics: topics}
	pick := f.living()
	for _, topic := range topics {
		d := newDevice(f.t, "pub-"+topic, packet.V5)
		d.keep(pick)
		l.publishers = append(l.publishers, d)
	}
	for _, d := range l.publishers {
		d.await(soon, "a connection", func() bool { return d.link != nil })
	}
	return l
}

// living returns the addresses of instances that are not known to be gone, in turns.
func (f *fleet) living() func() string {
	instances := slices.Clone(f.instances)
	var turn atomic.Int64
	return func() string {
		alive := slices.DeleteFunc(slices.Clone(instances), (*instance).isExited)
		if len(alive) == 0 {
			return "127.0.0.1:1"
		}
		return alive[int(turn.Add(1))%len(alive)].tcp
	}
}

// pour publishes n messages and returns when all are acknowledged to the end; moments come in their order.
func (l *load) pour(n int, moments ...moment) {
	l.t.Helper()
	acked := make(chan packet.ReasonCode, n)
	var work sync.WaitGroup
	for p, d := range l.publishers {
		work.Go(func() {
			for m := l.sent + p; m < l.sent+n; m += len(l.publishers) {
				d.publish(l.topics[p], l.qos, fmt.Sprintf("%s %d", l.f.first, m), func(c packet.ReasonCode) { acked <- c })
			}
		})
	}
	for count := range n {
		for len(moments) > 0 && moments[0].after <= count {
			moments[0].do()
			moments = moments[1:]
		}
		if c := take(l.t, acked); c != packet.Success {
			l.t.Errorf("a PUBLISH below %s was answered with %v", l.topics[0], c)
		}
	}
	work.Wait()
	l.sent += n
	for _, d := range l.publishers {
		d.flushed(2 * soon)
		d.sane()
	}
}
