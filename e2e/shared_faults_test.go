package e2e

import (
	"fmt"
	"testing"
	"time"

	"lmqgate/adapter/packet"
)

// hoarder is a member of a group that receives up to limit messages and acknowledges none.
func (c *crew) hoarder(id string, at *instance, qos byte, limit uint16, expiry uint32) *wire {
	c.t.Helper()
	w := dialed(c.t, at.tcp, packet.V5)
	hello := session(id)
	hello.Properties.ReceiveMaximum, hello.Properties.SessionExpiry = limit, expiry
	w.connect(c.t, hello)
	w.subscribe(c.t, qos, c.filter)
	return w
}

// hoarded takes n messages and leaves them unacknowledged.
func (c *crew) hoarded(w *wire, n int) []*packet.Publish {
	c.t.Helper()
	list := make([]*packet.Publish, n)
	for i := range list {
		list[i] = want[*packet.Publish](c.t, w)
	}
	return list
}

// TestSharedMembersGo: with QoS 1 every message that was acknowledged to its publisher reaches some member, although members
// leave, break off with messages that they have not acknowledged, and die with their instance.
func TestSharedMembersGo(t *testing.T) {
	t.Parallel()
	onEach(t, func(t *testing.T, b backend) {
		f := start(t, 2, b, "SHARED_REDELIVERY=10s")
		c := newCrew(f, "crew", "load/+")
		for n := range 4 {
			c.join(fmt.Sprint("member-", n), f.instances[n%2], 1)
		}
		leaver := c.join("leaver", f.instances[1], 1)
		brief := c.hoarder("brief", f.instances[1], 1, 20, 0)
		lasting := c.hoarder("lasting", f.instances[1], 1, 20, 3600)
		doomed := c.hoarder("doomed", f.instances[0], 1, 20, 3600)
		n := scale(400, 2000, 10_000)
		var killed time.Time
		f.newLoad("load", 1).pour(n,
			moment{n / 8, leaver.disconnect},
			moment{n / 4, func() { c.hoarded(brief, 20); brief.cut() }},
			moment{3 * n / 8, func() { c.hoarded(lasting, 20); lasting.cut() }},
			moment{n / 2, func() { c.hoarded(doomed, 20); killed = time.Now(); f.instances[0].kill() }},
			moment{5 * n / 8, func() { must(t, c.members[0].connect(f.instances[1].tcp)) }},
		)
		c.complete(n)
		t.Logf("%d messages, all with some member %.1f s after the kill; %d came more than once", n, time.Since(killed).Seconds(), len(c.arrived())-n)
		for _, d := range c.members {
			d.sane()
		}
	})
}

// TestSharedExactlyOnce: with QoS 2 and members whose sessions last, each message goes to one of them once, although members
// break off, and an instance is stopped or dies. What a member had begun to receive waits for it and goes to nobody else
// [MQTT-4.8.2-4].
func TestSharedExactlyOnce(t *testing.T) {
	t.Parallel()
	faults := map[string]func(f *fleet, c *crew){
		"members break off": func(_ *fleet, c *crew) {
			for _, d := range c.members[1:] {
				d.cut()
			}
		},
		"instance is stopped": func(f *fleet, _ *crew) { f.instances[0].terminate() },
		"instance dies":       func(f *fleet, _ *crew) { f.instances[0].kill() },
	}
	onEach(t, func(t *testing.T, b backend) {
		for _, seed := range seeds(t, scale(1, 1, 10)) {
			for _, name := range sortedKeys(faults) {
				t.Run(fmt.Sprintf("%s, seed %d", name, seed), func(t *testing.T) {
					t.Parallel()
					sharedExactlyOnce(t, b, random(seed, 0, 0).IntN(100), faults[name])
				})
			}
		}
	})
}

func sharedExactlyOnce(t *testing.T, b backend, percent int, fault func(f *fleet, c *crew)) {
	f := start(t, 2, b, "SHARED_REDELIVERY=10s")
	c := newCrew(f, "crew", "load/+")
	pick := f.living()
	for n := range 5 {
		d := c.join(fmt.Sprint("member-", n), f.instances[n%2], 2)
		if n > 0 {
			d.keep(pick)
		}
	}
	napper := c.members[0]
	const held = 5
	w := c.hoarder("hoarder", f.instances[0], 2, held, 3600)
	var before []*packet.Publish
	n := scale(400, 1500, 6000)
	var at time.Time
	f.newLoad("load", 2).pour(n,
		moment{n / 8, napper.cut},
		moment{n/4 + n*percent/200, func() { before = c.hoarded(w, held); at = time.Now(); fault(f, c); w.cut() }},
	)
	<-time.After(time.Until(at.Add(20 * time.Second))) // what the group gets back, it has back
	must(t, napper.connect(f.instances[1].tcp))
	w = dialed(t, f.instances[1].ws(), packet.V5)
	hello := session("hoarder")
	hello.Properties.ReceiveMaximum = held
	if !w.connect(t, hello).SessionPresent {
		t.Fatal("session present is 0")
	}
	returned := map[uint16]*packet.Publish{}
	for _, m := range c.hoarded(w, held) { // a group has no order
		returned[m.PacketID] = m
	}
	kept := &device{id: "hoarder"}
	for _, m := range before {
		again := returned[m.PacketID]
		if again == nil || !again.DUP || again.Topic != m.Topic || string(again.Payload) != string(m.Payload) {
			t.Errorf("sent again as %+v, was %+v", again, m)
		}
		kept.got = append(kept.got, arrival{payload: string(m.Payload), id: m.PacketID, qos: 2, connection: 1})
	}
	c.members = append(c.members, kept)
	c.complete(n)
	c.once(n, c.arrived())
	for _, d := range c.members[:5] {
		d.sane()
	}
	t.Logf("%d messages", n)
}
