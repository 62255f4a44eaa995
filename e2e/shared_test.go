package e2e

import (
	"fmt"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"lmqgate/adapter/packet"
)

// TestSharedFairness: equal members of a group on two instances get equal parts, and each message goes to one of them.
func TestSharedFairness(t *testing.T) {
	onEach(t, func(t *testing.T, b backend) {
		f := start(t, 2, b)
		c := newCrew(f, "crew", "load/+")
		for n := range 4 {
			c.join(fmt.Sprint("member-", n), f.instances[n%2], 1)
		}
		n := scale(1000, 3000, 10_000)
		began := time.Now()
		f.newLoad("load", 1).pour(n)
		c.complete(n)
		took := time.Since(began)
		c.once(n, c.arrived())
		var shares []string
		for _, d := range c.members {
			share := 100 * float64(len(d.received(with(f.first)))) / float64(n)
			shares = append(shares, fmt.Sprintf("%.1f %%", share))
			if share < 15 || share > 35 {
				t.Errorf("%s got %.1f %% of %d messages", d.id, share, n)
			}
			must(t, d.unsubscribe(c.filter))
			d.sane()
		}
		popped, returned, lapsed := 0.0, 0.0, 0.0
		for _, i := range f.instances {
			popped += i.metric("lmqgate_shared_popped_total")
			returned += i.metric("lmqgate_shared_returned_total")
			lapsed += i.metric("lmqgate_shared_lapsed_total")
		}
		if lapsed > 0 || popped-returned != float64(n) {
			t.Errorf("%v messages popped, %v of them returned, %v lapsed; %d were published", popped, returned, lapsed, n)
		}
		t.Logf("%d messages in %.1f s, shares %s; %v popped, %v returned", n, took.Seconds(), strings.Join(shares, ", "), popped, returned)
	})
}

// TestSharedBeside: two groups and a plain subscriber of the same messages each get all of them; what one group acknowledges
// is not taken from another.
func TestSharedBeside(t *testing.T) {
	t.Parallel()
	onEach(t, func(t *testing.T, b backend) {
		f := start(t, 2, b)
		crews := []*crew{newCrew(f, "one", "load/+"), newCrew(f, "two", "load/#")}
		for n := range 5 {
			crews[n%2].join(fmt.Sprint("member-", n), f.instances[n%2], 1+byte(n%2))
		}
		plain := connected(t, "plain", packet.V311, f.instances[0].ws())
		must(t, plain.subscribe(1, f.topic("load/+")))
		n := scale(100, 400, 4000)
		f.newLoad("load", 2).pour(n)
		for _, c := range crews {
			c.complete(n)
			c.once(n, c.arrived())
			for _, d := range c.members {
				d.sane()
			}
		}
		plain.gets(2*soon, n, with(f.first))
		crews[0].once(n, payloads(plain.received(with(f.first))))
		plain.sane()
	})
}

// TestSharedAnew: a group that lost its last member begins anew with the next one: what its members had not acknowledged, and
// what was published meanwhile, is not for the new group.
func TestSharedAnew(t *testing.T) {
	t.Parallel()
	ways := map[string]func(w *wire, filter string){
		"unsubscribed": func(w *wire, filter string) { w.send(&packet.Unsubscribe{PacketID: 3, Filters: []string{filter}}) },
		"disconnected": func(w *wire, _ string) { w.send(&packet.Disconnect{}) },
		"cut":          func(w *wire, _ string) { w.cut() },
	}
	onEach(t, func(t *testing.T, b backend) {
		f := start(t, 2, b, "SHARED_REDELIVERY=10s")
		var work sync.WaitGroup
		for _, way := range sortedKeys(ways) {
			work.Go(func() { t.Run(way, func(t *testing.T) { f.anew(t, way, ways[way]) }) })
		}
		work.Wait()
	})
}

func (f *fleet) anew(t *testing.T, way string, leave func(w *wire, filter string)) {
	topic := f.topic("anew/%s", way)
	filter := "$share/crew/" + topic
	publisher := connected(t, "publisher-"+way, packet.V5, f.instances[0].tcp)
	var old []*wire
	for n := range 2 {
		w := dialed(t, f.instances[n].tcp, packet.V5)
		w.connect(t, packet.Connect{ClientID: fmt.Sprintf("old-%s-%d", way, n), CleanStart: true})
		w.subscribe(t, 1, filter)
		old = append(old, w)
	}
	for n := range 10 {
		publisher.publish(topic, 1, fmt.Sprint("before ", n), nil)
	}
	publisher.flushed(soon)
	for _, w := range old { // both have some, unacknowledged
		want[*packet.Publish](t, w)
	}
	for _, w := range old {
		leave(w, filter)
	}
	publisher.unheard(topic)
	for n := range 10 {
		publisher.publish(topic, 1, fmt.Sprint("meanwhile ", n), nil)
	}
	publisher.flushed(soon)
	begun := time.Now()
	d := connected(t, "new-"+way, packet.V5, f.instances[1].tcp)
	must(t, d.subscribe(1, filter))
	publisher.publish(topic, 1, "new 0", nil)
	d.gets(soon, 1, with("new 0"))
	<-time.After(time.Until(begun.Add(14 * time.Second))) // what was not acknowledged would be back
	publisher.publish(topic, 1, "new 1", nil)
	gotExactly(t, d, "", numbered("new ", 2))
	d.sane()
}

// TestSharedWaits: messages for a group whose members have sessions but are all away wait for the first that returns, at
// another instance than the one that died.
func TestSharedWaits(t *testing.T) {
	t.Parallel()
	onEach(t, func(t *testing.T, b backend) {
		f := start(t, 2, b, "SHARED_REDELIVERY=10s")
		var crews []*crew
		for _, qos := range []byte{1, 2} {
			c := newCrew(f, "crew", fmt.Sprintf("q%d/+", qos))
			for n := range 3 {
				c.join(fmt.Sprintf("q%d-member-%d", qos, n), f.instances[n%2], qos)
			}
			c.members[0].disconnect()
			c.members[1].cut()
			crews = append(crews, c)
		}
		f.instances[0].kill() // the third members of both groups are away now
		n := scale(20, 100, 1000)
		for i, c := range crews {
			load := f.newLoad(fmt.Sprintf("q%d", i+1), 2)
			load.pour(n)
			for _, d := range c.members {
				if list := d.received(with(f.first)); len(list) > 0 {
					t.Errorf("%s got %d messages while it was away", d.id, len(list))
				}
			}
			must(t, c.members[1].connect(f.instances[1].ws()))
			c.complete(n)
			c.once(n, c.arrived())
			c.members[1].sane()
		}
	})
}

// TestSharedApplication: what a RocketMQ application dispatches to the LMQ of a filter goes to one member of its group.
func TestSharedApplication(t *testing.T) {
	t.Parallel()
	onEach(t, func(t *testing.T, b backend) {
		f := start(t, 2, b)
		c := newCrew(f, "crew", "r1")
		c.join("member-0", f.instances[0], 1)
		c.join("member-1", f.instances[1], 2)
		f.newLoadOn([]string{f.topic("r1")}, 1).pour(1) // the RocketMQ topic exists
		list := make([]rocketMessage, 20)
		for n := range list {
			list[n] = rocketMessage{f.first, "MQ2MQTT", fmt.Appendf(nil, "%s app %d", f.first, n), map[string]string{
				"INNER_MULTI_DISPATCH": "%LMQ%" + f.first + "%r1%", "extData": fmt.Sprintf(`{"mqttRealTopic":%q,"qosLevel":"1"}`, f.topic("r1")),
			}}
		}
		f.produce(list...)
		wanted := append(numbered(f.first+" app ", len(list)), f.first+" 0")
		c.has(wanted)
		got := c.arrived()
		slices.Sort(got)
		if diff := difference(slices.Sorted(slices.Values(wanted)), got); diff != "" {
			t.Error(diff)
		}
		for _, d := range c.members {
			for _, a := range d.received(nil) {
				if a.topic != f.topic("r1") || a.qos != 1 {
					t.Errorf("%q came under %s with QoS %d", a.payload, a.topic, a.qos)
				}
			}
			d.sane()
		}
	})
}
