package deliver

import (
	"fmt"
	"slices"
	"testing"
	"time"

	"lmqgate/adapter/packet"
	"lmqgate/meta/message"
	"lmqgate/meta/session"
	"lmqgate/meta/topic"
)

// tell stores messages to one client, at a broker.
func (w *world) tell(broker, id string, qos byte, payloads ...string) {
	for _, p := range payloads {
		w.log.add(broker, w.message("t/p2p/"+id+"/x", qos, p), []string{topic.P2PLMQ(id)})
	}
}

// drain acknowledges all there is until nothing more comes, and returns the payloads in the order of their first arrival
// and how often each came without having been finished before.
func (c *conn) drain(w *world) (order []string) {
	for {
		w.settled()
		n := 0
		for p := c.link.next(); p != nil; p = c.link.next() {
			n++
			switch p := p.(type) {
			case *packet.Publish:
				order = append(order, string(p.Payload))
				switch p.QoS {
				case 1:
					c.Puback(p.PacketID)
				case 2:
					c.Pubrec(p.PacketID, packet.Success)
				}
			case *packet.Pubrel:
				c.Pubcomp(p.PacketID)
			}
		}
		if n == 0 {
			return order
		}
	}
}

// TestOwnQueue: a client gets what is sent to it without subscribing, at the message's QoS, in order, and nothing that was
// sent before it had a session; away, it finds all of it when it comes back, also on another instance.
func TestOwnQueue(t *testing.T) {
	inWorld(t, Config{P2P: true}, func(t *testing.T, w *world) {
		w.tell("a", "c", 1, "before")
		w.settled()
		c := w.connect("c")
		if got := w.kept("c", topic.OwnFilter); got.Next != 1 {
			t.Errorf("begins at %d before CONNACK, want 1", got.Next)
		}
		w.tell("a", "c", 0, "q0")
		w.tell("a", "c", 1, "q1")
		w.tell("a", "c", 2, "q2")
		w.tell("a", "other", 1, "not for c")
		if got := c.drain(w); !slices.Equal(got, []string{"q0", "q1", "q2"}) {
			t.Errorf("got %v", got)
		}
		c.end()
		const n = 1000
		for i := range n {
			w.tell("a", "c", 1, fmt.Sprint("m", i))
		}
		c = w.resume(c)
		if got := c.drain(w); !slices.Equal(got, numbered("m", 0, n)) {
			t.Errorf("got %d messages back, or in another order, of %d that waited", len(got), n)
		}
		if out, end := w.out("c"), w.kept("c", topic.OwnFilter); len(out) > 0 || end.Next != n+4 {
			t.Errorf("kept: %v in flight, position %d", out, end.Next)
		}
	})
}

// TestOwnQueueCrash: what was not acknowledged when an instance died comes again with DUP and its packet id, and QoS 2 once.
func TestOwnQueueCrash(t *testing.T) {
	inWorld(t, Config{P2P: true}, func(t *testing.T, w *world) {
		c := w.connect("c")
		w.tell("a", "c", 1, "one")
		w.tell("a", "c", 2, "two", "three")
		w.settled()
		ids := c.link.flights()
		if len(ids) != 3 {
			t.Fatalf("got %v", ids)
		}
		c.Pubrec(ids["two"], packet.Success)
		w.settled()
		c = w.resume(c)
		w.settled()
		released := false
		var got []string
		for p := c.link.next(); p != nil; p = c.link.next() {
			switch p := p.(type) {
			case *packet.Pubrel:
				released = p.PacketID == ids["two"]
				c.Pubcomp(p.PacketID)
			case *packet.Publish:
				got = append(got, string(p.Payload))
				if !p.DUP || p.PacketID != ids[string(p.Payload)] {
					t.Errorf("%s came with DUP %v and id %d, was %d", p.Payload, p.DUP, p.PacketID, ids[string(p.Payload)])
				}
				if p.QoS == 1 {
					c.Puback(p.PacketID)
				} else {
					c.Pubrec(p.PacketID, packet.Success)
				}
			}
		}
		if !released || !slices.Equal(got, []string{"one", "three"}) {
			t.Errorf("sent again %v, PUBREL %v", got, released)
		}
		if more := c.drain(w); len(more) > 0 {
			t.Errorf("came once more: %v", more)
		}
		if out := w.out("c"); len(out) > 0 {
			t.Errorf("still in flight: %v", out)
		}
	})
}

// TestOwnQueueOnNewBroker: a broker that appears while the client is away is read from when the session began, another one
// while it is connected.
func TestOwnQueueOnNewBroker(t *testing.T) {
	inWorld(t, Config{P2P: true}, func(t *testing.T, w *world) {
		c := w.connect("c")
		c.end()
		time.Sleep(time.Hour)
		w.log.appear("b")
		w.tell("b", "c", 1, "away")
		c = w.resume(c)
		if got := c.drain(w); !slices.Equal(got, []string{"away"}) {
			t.Errorf("got %v", got)
		}
		w.log.appear("d")
		for _, in := range w.instances {
			in.hub.BrokersAdded([]string{"d"})
		}
		w.tell("d", "c", 1, "here")
		if got := c.drain(w); !slices.Equal(got, []string{"here"}) {
			t.Errorf("got %v", got)
		}
	})
}

// TestOwnQueueAndSubscriptions: a message comes once, with the identifiers of the client's subscriptions that match, also
// where an application has dispatched it to both. An UNSUBSCRIBE does not end the client's own.
func TestOwnQueueAndSubscriptions(t *testing.T) {
	inWorld(t, Config{P2P: true}, func(t *testing.T, w *world) {
		c := w.connect("c")
		if code := c.Subscribe(t.Context(), []session.Subscription{{Filter: "t/p2p/c/#", QoS: 0, ID: 7}, {Filter: "u", ID: 9}}); code[0].Failed() || code[1].Failed() {
			t.Fatal(code)
		}
		see := func(payload string, qos byte, ids ...uint32) {
			t.Helper()
			w.settled()
			got := c.link.inboxOf(t)
			if len(got) != 1 || string(got[0].Payload) != payload || got[0].QoS != qos || !slices.Equal(got[0].SubscriptionIDs, ids) {
				t.Fatalf("got %v", got)
			}
			if qos == 1 {
				c.Puback(got[0].PacketID)
			}
		}
		w.tell("a", "c", 1, "once")
		see("once", 1, 7)
		w.log.add("a", w.message("u", 1, "both"), []string{topic.LMQ("u"), topic.P2PLMQ("c")})
		see("both", 1, 9)
		c.unsubscribe(t, "t/p2p/c/#", "u")
		w.tell("a", "c", 1, "still")
		see("still", 1)
		w.log.add("a", &message.Message{Topic: "t/p2p/d", Key: "k", Payload: []byte("of another")}, []string{topic.P2PLMQ("c")})
		w.log.add("a", &message.Message{Topic: "/p2p/c", Key: "l", Payload: []byte("unnamed")}, []string{topic.P2PLMQ("c")})
		see("unnamed", 0)
	})
}

// TestNoOwnQueue: nothing is read for a client that cannot be addressed, nor where it is switched off; one watch for one
// that can, and nothing is written for it when the session ends with its connection.
func TestNoOwnQueue(t *testing.T) {
	for name, c := range map[string]struct {
		cfg     Config
		id      string
		watches int
	}{
		"on":          {Config{P2P: true}, "c", 1},
		"off":         {Config{}, "c", 0},
		"two levels":  {Config{P2P: true}, "a/b", 0},
		"a wildcard":  {Config{P2P: true}, "a+", 0},
		"not a topic": {Config{P2P: true}, "a\x00", 0},
	} {
		t.Run(name, func(t *testing.T) {
			inWorld(t, c.cfg, func(t *testing.T, w *world) {
				w.instances[0].connect(c.id, Options{}, w.link())
				w.settled()
				if n := w.openWatches(); n != c.watches {
					t.Errorf("%d watches, want %d", n, c.watches)
				}
				w.store.mu.Lock()
				defer w.store.mu.Unlock()
				if w.store.writes > 0 {
					t.Errorf("%d writes", w.store.writes)
				}
			})
		})
	}
}

// TestOwnQueueWithoutBroker: a broker that does not answer holds up the first that connects, for a moment, not everybody; what
// it gets for a client later is not lost.
func TestOwnQueueWithoutBroker(t *testing.T) {
	inWorld(t, Config{P2P: true}, func(t *testing.T, w *world) {
		w.log.setDown("a", true)
		began := time.Now()
		c := w.connect("c0")
		if d := time.Since(began); d > 3*time.Second {
			t.Errorf("the first waited %v", d)
		}
		began = time.Now()
		for i := range 100 {
			w.connect(fmt.Sprint("c", i+1))
		}
		if d := time.Since(began); d > 0 {
			t.Errorf("the others waited %v", d)
		}
		time.Sleep(time.Minute)
		w.log.setDown("a", false)
		w.tell("a", "c0", 1, "late")
		time.Sleep(time.Minute)
		if got := c.drain(w); !slices.Equal(got, []string{"late"}) {
			t.Errorf("got %v", got)
		}
	})
}

// TestForeignSubscription: a session that subscribed to another client's messages when these were ordinary gets none of them
// now; nor is a message that expired while the client was away delivered.
func TestForeignSubscription(t *testing.T) {
	inWorld(t, Config{}, func(t *testing.T, w *world) {
		c := w.connect("c")
		c.subscribe(t, 1, "/p2p/d", "u")
		c.end()
		w.start(Config{P2P: true})
		c = w.instances[2].connect("c", Options{Persistent: true}, w.link())
		d := w.instances[2].connect("d", Options{Persistent: true}, w.link())
		w.log.add("a", w.message("/p2p/d", 1, "for d"), []string{topic.P2PLMQ("d")})
		w.publish("u", 1, "for c")
		if got := c.drain(w); !slices.Equal(got, []string{"for c"}) {
			t.Errorf("c got %v", got)
		}
		if got := d.drain(w); !slices.Equal(got, []string{"for d"}) {
			t.Errorf("d got %v", got)
		}
		d.end()
		other := w.message("t/p2p/d", 1, "lasting")
		short := w.message("t/p2p/d", 1, "too late")
		for _, m := range []*message.Message{short, other} {
			m.Properties.HasExpiry, m.Properties.Expiry, m.BornMillis = true, 3600, time.Now().UnixMilli()
		}
		short.Properties.Expiry = 1
		w.log.add("a", short, []string{topic.P2PLMQ("d")})
		w.log.add("a", other, []string{topic.P2PLMQ("d")})
		time.Sleep(time.Minute)
		d = w.instances[2].connect("d", Options{Persistent: true}, w.link())
		if got := d.drain(w); !slices.Equal(got, []string{"lasting"}) {
			t.Errorf("d got %v", got)
		}
	})
}
