package deliver

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"lmqgate/adapter/packet"
	"lmqgate/meta/message"
	"lmqgate/meta/session"
	"lmqgate/meta/topic"
)

// numbered is n payloads with a prefix.
func numbered(prefix string, from, n int) []string {
	list := make([]string, n)
	for i := range list {
		list[i] = fmt.Sprint(prefix, from+i)
	}
	return list
}

func with(list []string, suffix string) []string {
	out := slices.Clone(list)
	for i := range out {
		out[i] += suffix
	}
	return out
}

// flights returns the packet ids of what the inbox holds, by payload.
func (l *fakeLink) flights() map[string]uint16 {
	ids := map[string]uint16{}
	for p := l.next(); p != nil; p = l.next() {
		if pub, ok := p.(*packet.Publish); ok {
			ids[string(pub.Payload)] = pub.PacketID
		}
	}
	return ids
}

func TestReceiveMaximum(t *testing.T) {
	inWorld(t, Config{}, func(t *testing.T, w *world) {
		c := w.instances[0].connect("c", Options{Persistent: true, ReceiveMaximum: 2}, w.link())
		c.subscribe(t, 1, "t", "u")
		w.publish("t", 1, "1", "2", "3")
		w.publish("u", 1, "4")
		w.settled()
		ids := c.link.flights()
		if len(ids) != 2 {
			t.Fatalf("%d messages sent, Receive Maximum is 2", len(ids))
		}
		c.Puback(9999) // nothing of ours
		for len(ids) > 0 {
			for payload, id := range ids {
				delete(ids, payload)
				c.Puback(id)
			}
			w.settled()
			for payload, id := range c.link.flights() {
				ids[payload] = id
			}
		}
		w.wantDone("c")
	})
}

// TestResend: what was unacknowledged comes first and in its order, with DUP and its packet id, within a Receive Maximum
// that is lower now.
func TestResend(t *testing.T) {
	inWorld(t, Config{}, func(t *testing.T, w *world) {
		c := w.connect("c")
		c.subscribe(t, 1, "t")
		w.publish("t", 1, numbered("m", 0, 6)...)
		w.settled()
		ids := c.link.flights()
		c.Puback(ids["m1"])
		w.settled()
		w.crash(c)
		w.publish("t", 1, "m6")
		c = w.instances[1].connect("c", Options{Persistent: true, ReceiveMaximum: 2}, w.link())
		w.settled()
		var got []string
		for range 10 {
			again := c.link.inboxOf(t)
			for _, p := range again {
				got = append(got, string(p.Payload))
				if p.DUP != (string(p.Payload) != "m6") {
					t.Errorf("%s has DUP %v", p.Payload, p.DUP)
				}
				if id := ids[string(p.Payload)]; id != 0 && id != p.PacketID {
					t.Errorf("%s came with id %d, then with %d", p.Payload, id, p.PacketID)
				}
			}
			for _, p := range again {
				c.Puback(p.PacketID)
			}
			w.settled()
		}
		if want := []string{"m0", "m2", "m3", "m4", "m5", "m6"}; !slices.Equal(got, want) {
			t.Errorf("got %v, want %v", got, want)
		}
		w.wantDone("c")
	})
}

func (l *fakeLink) inboxOf(t *testing.T) []*packet.Publish {
	var list []*packet.Publish
	for p := l.next(); p != nil; p = l.next() {
		pub, ok := p.(*packet.Publish)
		if !ok {
			t.Errorf("got %T", p)
			continue
		}
		list = append(list, pub)
	}
	return list
}

// TestResendWithBrokerDown: what is to be sent again from a broker that is away holds up that broker's messages only.
func TestResendWithBrokerDown(t *testing.T) {
	inWorld(t, Config{CatchUps: 1}, func(t *testing.T, w *world) {
		w.log.appear("b")
		c := w.connect("c")
		c.subscribe(t, 1, "t", "u")
		w.publish("t", 1, "a1")
		publish(w.log, w.reg, "b", w.message("u", 1, "b1"), false)
		w.settled()
		w.log.setDown("a", true)
		c = w.resume(c)
		publish(w.log, w.reg, "b", w.message("u", 1, "b2"), false)
		w.settled()
		c.want(t, "b1/1/dup", "b2/1")
		w.publish("t", 1, "a2")
		w.log.setDown("a", false)
		time.Sleep(time.Minute)
		c.want(t, "a1/1/dup", "a2/1")
	})
}

// TestQoS2Takeover: in every state of the exchange another instance goes on without a second copy.
func TestQoS2Takeover(t *testing.T) {
	for _, state := range []string{"sent", "received", "released", "completed"} {
		t.Run(state, func(t *testing.T) {
			inWorld(t, Config{}, func(t *testing.T, w *world) {
				cl := newClient(t, packet.V5, 64)
				c := w.connect("c")
				cl.connected()
				c.subscribe(t, 2, "t")
				w.publish("t", 2, "m")
				w.settled()
				for i, s := range []string{"sent", "received", "released", "completed"} {
					if i > 0 && cl.look(c.link) {
						cl.answer(c, 0)
					}
					if s == state {
						break
					}
					w.settled()
				}
				c = w.resume(c)
				cl.connected()
				for range 5 {
					w.settled()
					cl.finish(c, c.link)
				}
				if cl.got["m"] != 1 {
					t.Errorf("came %d times", cl.got["m"])
				}
				if len(cl.received) > 0 {
					t.Error("the client still waits for PUBREL")
				}
				w.wantDone("c")
			})
		})
	}
}

// TestQoS2WaitsForTheStore: PUBLISH leaves after its entry is kept, and the messages behind it keep their order.
func TestQoS2WaitsForTheStore(t *testing.T) {
	inWorld(t, Config{}, func(t *testing.T, w *world) {
		c := w.connect("c")
		c.subscribe(t, 2, "t")
		w.store.mu.Lock()
		w.store.fail = func(session.Change) (bool, bool) { return true, false }
		w.store.mu.Unlock()
		w.publish("t", 2, "1", "2")
		w.settled()
		c.want(t)
		w.store.mu.Lock()
		w.store.fail = nil
		w.store.mu.Unlock()
		w.publish("t", 2, "3")
		time.Sleep(5 * time.Second)
		c.want(t, "1/2", "2/2", "3/2")
	})
}

// TestOverlap: the first subscription delivers with the highest QoS and all identifiers; the second one's position
// waits for the acknowledgement.
func TestOverlap(t *testing.T) {
	inWorld(t, Config{}, func(t *testing.T, w *world) {
		c := w.connect("c")
		for i, f := range []string{"t/#", "t/+", "t/a"} {
			c.Subscribe(t.Context(), []session.Subscription{{Filter: f, QoS: byte(i), ID: uint32(i + 1)}})
		}
		w.publish("t/a", 2, "m")
		w.settled()
		got := c.link.inboxOf(t)
		if len(got) != 1 || got[0].QoS != 2 {
			t.Fatalf("got %v", got)
		}
		slices.Sort(got[0].SubscriptionIDs)
		if !slices.Equal(got[0].SubscriptionIDs, []uint32{1, 2, 3}) {
			t.Errorf("identifiers %v", got[0].SubscriptionIDs)
		}
		for _, f := range []string{"t/#", "t/+", "t/a"} {
			if k := w.kept("c", f); k.Next != 0 {
				t.Errorf("%s passed the message before it was acknowledged: %+v", f, k)
			}
		}
		c.Pubrec(got[0].PacketID, packet.Success)
		w.settled()
		c.link.next()
		c.Pubcomp(got[0].PacketID)
		w.settled()
		w.wantDone("c")
	})
}

// TestOwnerUnsubscribed: messages that the owner did not deliver go to who stepped over them, those in flight do not.
func TestOwnerUnsubscribed(t *testing.T) {
	for _, crash := range []bool{false, true} {
		t.Run(fmt.Sprint("crash=", crash), func(t *testing.T) {
			inWorld(t, Config{Window: 2}, func(t *testing.T, w *world) {
				c := w.connect("c")
				c.subscribe(t, 1, "t/#")
				c.subscribe(t, 1, "t/a")
				w.publish("t/a", 1, numbered("m", 0, 5)...)
				w.settled()
				ids := c.link.flights() // m0 and m1 fill the window
				c.unsubscribe(t, "t/#")
				w.settled()
				if crash {
					c = w.resume(c)
					w.settled()
					c.want(t, "m0/1/dup", "m1/1/dup")
				}
				c.Puback(ids["m0"])
				c.Puback(ids["m1"])
				w.settled()
				c.want(t, "m2/1", "m3/1")
			})
		})
	}
}

// TestAckedOutOfOrder: acknowledged messages behind one that is not are not sent again, whatever is acknowledged when.
func TestAckedOutOfOrder(t *testing.T) {
	inWorld(t, Config{}, func(t *testing.T, w *world) {
		c := w.connect("c")
		c.subscribe(t, 1, "t")
		w.publish("t", 1, numbered("m", 0, 8)...)
		w.settled()
		ids := c.link.flights()
		for _, m := range []string{"m1", "m2", "m5", "m7"} {
			c.Puback(ids[m])
		}
		w.settled()
		k := w.kept("c", "t")
		if want := []session.Range{{First: 1, Last: 2}, {First: 5, Last: 5}, {First: 7, Last: 7}}; k.Next != 0 || !slices.Equal(k.Acked, want) {
			t.Errorf("kept at %d %v", k.Next, k.Acked)
		}
		c = w.resume(c)
		w.settled()
		c.want(t, "m0/1/dup", "m3/1/dup", "m4/1/dup", "m6/1/dup")
		c.Puback(ids["m0"]) // the floor comes to stand before one that was acknowledged on the earlier connection
		w.settled()
		c = w.resume(c)
		w.settled()
		c.want(t, "m3/1/dup", "m4/1/dup", "m6/1/dup")
		for _, m := range []string{"m3", "m4", "m6"} {
			c.Puback(ids[m])
		}
		w.settled()
		w.wantDone("c")
	})
}

// TestRestoredFloor: an acknowledged offset right at the floor is kept as such.
func TestRestoredFloor(t *testing.T) {
	c := &cursor{session: &Session{hub: &Hub{}}, sub: &subscription{}}
	c.restore(session.Cursor{Next: 5, Acked: []session.Range{{First: 6, Last: 7}}})
	c.insert(pend{offset: 5, state: pendInflight})
	c.next = 6
	c.finish(5)
	if s := c.snapshot(); s.Next != 6 || !slices.Equal(s.Acked, []session.Range{{First: 6, Last: 7}}) {
		t.Errorf("kept at %d %v", s.Next, s.Acked)
	}
}

// TestGone: unacknowledged messages that retention removed end their exchange; the rest goes on.
func TestGone(t *testing.T) {
	inWorld(t, Config{}, func(t *testing.T, w *world) {
		c := w.connect("c")
		c.subscribe(t, 2, "t")
		w.publish("t", 1, "one")
		w.publish("t", 2, "two")
		w.publish("t", 1, "three")
		w.settled()
		ids := c.link.flights()
		w.crash(c)
		w.log.expire("a", topic.LMQ("t"), 2)
		c = w.instances[1].connect("c", Options{Persistent: true}, w.link())
		w.settled()
		var rel *packet.Pubrel
		for p := c.link.next(); p != nil; p = c.link.next() {
			switch p := p.(type) {
			case *packet.Pubrel:
				rel = p
			case *packet.Publish:
				if string(p.Payload) != "three" {
					t.Errorf("got %s", p.Payload)
				}
			}
		}
		if rel == nil || rel.PacketID != ids["two"] {
			t.Fatalf("PUBREL %v: the client would take %d for received for ever", rel, ids["two"])
		}
		c.Pubcomp(rel.PacketID)
		c.Puback(ids["three"])
		w.settled()
		w.wantDone("c")
	})
}

// TestExpiredLog: a cursor whose next messages were removed goes on behind them, and so does who waited for it.
func TestExpiredLog(t *testing.T) {
	inWorld(t, Config{Window: 1, RingMessages: 1, PullMax: 1}, func(t *testing.T, w *world) {
		c := w.connect("c")
		c.subscribe(t, 1, "t/#")
		c.subscribe(t, 1, "t/a")
		w.publish("t/a", 1, numbered("m", 0, 10)...)
		w.settled()
		ids := c.link.flights()
		w.log.expire("a", topic.LMQ("t/#"), 8)
		got := []string{}
		for len(ids) > 0 {
			for m, id := range ids {
				got = append(got, m)
				c.Puback(id)
			}
			w.settled()
			ids = c.link.flights()
		}
		w.settled()
		if slices.Sort(got); !slices.Equal(got, numbered("m", 0, 10)) {
			t.Errorf("got %v", got)
		}
		w.wantDone("c")
	})
}

// TestQueueReset: cursors at the end, behind it and coming back find their place in a queue that restarted at 0.
func TestQueueReset(t *testing.T) {
	for _, when := range []string{"live", "lagging", "resumed"} {
		t.Run(when, func(t *testing.T) {
			inWorld(t, Config{Window: 4, RingMessages: 2, PullMax: 2}, func(t *testing.T, w *world) {
				cl := newClient(t, packet.V5, 4)
				c := w.connect("c")
				cl.connected()
				c.subscribe(t, 2, "t")
				w.publish("t", 2, numbered("x", 0, 5)...)
				for range 20 {
					w.settled()
					cl.finish(c, c.link)
				}
				w.publish("t", 2, numbered("y", 0, 4)...)
				w.settled()
				if when != "lagging" {
					for range 20 {
						w.settled()
						cl.finish(c, c.link)
					}
				}
				if when == "resumed" {
					w.crash(c)
				}
				w.log.renumber("a", topic.LMQ("t"), 6)
				w.publish("t", 2, numbered("z", 0, 4)...)
				if when == "resumed" {
					c = w.instances[1].connect("c", Options{Persistent: true}, w.link())
					cl.connected()
				}
				for range 60 {
					w.settled()
					cl.finish(c, c.link)
				}
				for _, m := range slices.Concat(numbered("x", 0, 5), numbered("y", 0, 4), numbered("z", 0, 4)) {
					if cl.got[m] != 1 {
						t.Errorf("%s came %d times", m, cl.got[m])
					}
				}
				w.wantDone("c")
			})
		})
	}
}

// TestResetWhileRelocating: a takeover while the place is being looked for does not go back to the beginning.
func TestResetWhileRelocating(t *testing.T) {
	inWorld(t, Config{}, func(t *testing.T, w *world) {
		c := w.connect("c")
		c.subscribe(t, 0, "t")
		w.publish("t", 0, numbered("x", 0, 5)...)
		w.settled()
		c.want(t, with(numbered("x", 0, 5), "/0")...)
		w.store.mu.Lock()
		k := session.CursorKey{Filter: "t", Broker: "a"}
		kept := w.store.sessions["c"].cursors[k]
		kept.Begin, kept.Next = unknown, unknown
		w.store.sessions["c"].cursors[k] = kept
		w.store.mu.Unlock()
		c = w.resume(c)
		w.publish("t", 0, "y")
		w.settled()
		c.want(t, "y/0")
	})
}

// TestBrokerAppears: a broker that comes later is read from where the subscription began.
func TestBrokerAppears(t *testing.T) {
	inWorld(t, Config{}, func(t *testing.T, w *world) {
		c := w.connect("c")
		w.log.appear("b")
		w.log.known = []string{"a"}
		w.log.add("b", w.message("t", 1, "old"), []string{topic.LMQ("t")})
		time.Sleep(time.Minute)
		c.subscribe(t, 1, "t")
		w.log.add("b", w.message("t", 1, "new"), []string{topic.LMQ("t")})
		w.settled()
		c.want(t)
		w.log.appear("b")
		w.instances[0].hub.BrokersAdded([]string{"b"})
		w.settled()
		c.want(t, "new/1")
		// It goes again: the position is kept for the day it comes back.
		w.log.mu.Lock()
		w.log.known = []string{"a"}
		w.log.mu.Unlock()
		c = w.resume(c)
		w.settled()
		c.want(t)
		w.log.appear("b")
		w.instances[1].hub.BrokersAdded([]string{"b"})
		w.settled()
		c.want(t, "new/1/dup")
	})
}

// TestSubscribeFails at each of its steps: nothing of it stays, and a later try succeeds.
func TestSubscribeFails(t *testing.T) {
	for _, step := range []string{"hold", "write", "write, unknown"} {
		t.Run(step, func(t *testing.T) {
			inWorld(t, Config{Subscribe: time.Second}, func(t *testing.T, w *world) {
				c := w.connect("c")
				w.settled()
				fails := true
				switch step {
				case "hold":
					w.reg.failing(errors.New("no route"))
				default:
					w.store.mu.Lock()
					w.store.fail = func(session.Change) (bool, bool) { return fails && step == "write", fails && step != "write" }
					w.store.mu.Unlock()
				}
				codes := c.Subscribe(t.Context(), []session.Subscription{{Filter: "t", QoS: 1}})
				if !codes[0].Failed() || c.Subscriptions() != 0 {
					t.Errorf("SUBACK %v, %d subscriptions", codes[0], c.Subscriptions())
				}
				w.store.mu.Lock()
				fails = false
				w.store.mu.Unlock()
				w.reg.failing(nil)
				time.Sleep(10 * time.Second)
				w.store.mu.Lock()
				n := len(w.store.sessions["c"].subs) + len(w.store.sessions["c"].cursors)
				w.store.mu.Unlock()
				if n > 0 {
					t.Errorf("%d subscriptions and cursors kept", n)
				}
				if n := len(w.reg.match("t")); n > 0 {
					t.Error("the filter is held")
				}
				c.subscribe(t, 1, "t")
				w.publish("t", 1, "m")
				w.settled()
				c.want(t, "m/1")
			})
		})
	}
}

// TestSubscribeWithBrokerDown: the others' messages come, and those of the absent one once it is back.
func TestSubscribeWithBrokerDown(t *testing.T) {
	inWorld(t, Config{}, func(t *testing.T, w *world) {
		w.log.appear("b")
		w.log.setDown("b", true)
		c := w.connect("c")
		c.subscribe(t, 1, "t")
		w.publish("t", 1, "a")
		w.settled()
		c.want(t, "a/1")
		publish(w.log, w.reg, "b", w.message("t", 1, "b"), false)
		w.log.setDown("b", false)
		time.Sleep(time.Minute)
		c.want(t, "b/1")
	})
}

// TestParts: a split message comes once, also when its turn comes again after a full window.
func TestParts(t *testing.T) {
	inWorld(t, Config{Window: 1}, func(t *testing.T, w *world) {
		c := w.connect("c")
		c.subscribe(t, 1, "t/a", "t/+")
		for i := range 4 {
			publish(w.log, w.reg, "a", w.message("t/a", 1, fmt.Sprint("m", i)), true)
		}
		var got []string
		for range 10 {
			w.settled()
			for m, id := range c.link.flights() {
				got = append(got, m)
				c.Puback(id)
			}
		}
		if slices.Sort(got); !slices.Equal(got, numbered("m", 0, 4)) {
			t.Errorf("got %v", got)
		}
		w.wantDone("c")
	})
}

// TestLinkFull: deliveries wait for the link, and go on when it says so.
func TestLinkFull(t *testing.T) {
	inWorld(t, Config{}, func(t *testing.T, w *world) {
		c := w.connect("c")
		c.subscribe(t, 0, "t")
		c.link.drain(true)
		w.publish("t", 0, numbered("m", 0, 100)...)
		w.settled()
		c.want(t)
		if !c.link.drain(false) {
			t.Fatal("nobody asked")
		}
		c.Wake()
		w.settled()
		c.want(t, with(numbered("m", 0, 100), "/0")...)
	})
}

// TestUndeliverable: what the client cannot be sent counts as delivered and takes no place in the window.
func TestUndeliverable(t *testing.T) {
	inWorld(t, Config{Window: 1}, func(t *testing.T, w *world) {
		link := w.link()
		link.limit = 100
		c := w.instances[0].connect("c", Options{Persistent: true}, link)
		c.subscribe(t, 1, "t")
		w.publish("t", 1, strings.Repeat("x", 200))
		m := w.message("t", 1, "bad")
		m.Properties = message.Properties{ContentType: strings.Repeat("y", 1<<17)}
		publish(w.log, w.reg, "a", m, false)
		w.publish("t", 1, "small")
		w.settled()
		ids := link.flights()
		if len(ids) != 1 || ids["small"] == 0 {
			t.Fatalf("got %v", ids)
		}
		c.Puback(ids["small"])
		w.settled()
		w.wantDone("c")
	})
}

// TestPacketIDs: they wrap around, are reserved before use, and none is used twice at a time.
func TestPacketIDs(t *testing.T) {
	inWorld(t, Config{}, func(t *testing.T, w *world) {
		c := w.connect("c")
		c.subscribe(t, 1, "t", "u")
		w.publish("u", 1, "stays") // keeps its id over the wrap
		w.settled()
		stays := c.link.flights()["stays"]
		seen := map[uint16]bool{stays: true}
		const n = 66_000
		for i := 0; i < n; i += 60 {
			w.publish("t", 1, numbered("m", i, 60)...)
			for range 3 {
				time.Sleep(20 * time.Millisecond)
				synctest.Wait()
				for m, id := range c.link.flights() {
					if id == 0 || id == stays {
						t.Fatalf("%s has packet id %d", m, id)
					}
					seen[id] = true
					c.Puback(id)
				}
			}
		}
		w.settled()
		if len(seen) != 65_535 {
			t.Errorf("%d ids were used", len(seen))
		}
		c.Puback(stays)
		w.settled()
		w.wantDone("c")
	})
}

// TestCloseWhileBusy: closing in the midst of everything neither hangs nor leaves anything behind.
func TestCloseWhileBusy(t *testing.T) {
	inWorld(t, Config{PullMax: 2, RingMessages: 2}, func(t *testing.T, w *world) {
		for i := range 20 {
			c := w.instances[i%2].connect(fmt.Sprint("c", i), Options{Persistent: i%3 > 0}, w.link())
			c.subscribe(t, byte(i%3), "t/#", "t/a")
			w.publish("t/a", 2, numbered("m", 0, 20)...)
			done := make(chan error, 2)
			go func() { done <- c.Close(context.Background()) }()
			go func() { done <- c.Close(context.Background()) }()
			for id := range uint16(300) {
				c.Puback(id + 1)
				c.Pubrec(id+1, packet.Success)
				c.Wake()
			}
			<-done
			<-done
		}
	})
}

// TestCrowded: a subscription that stepped over more messages than it may remember goes on when their owner goes.
func TestCrowded(t *testing.T) {
	inWorld(t, Config{Window: 1}, func(t *testing.T, w *world) {
		c := w.connect("c")
		c.subscribe(t, 1, "z")
		c.subscribe(t, 1, "t/#")
		c.subscribe(t, 1, "t/a")
		w.publish("z", 1, "z") // fills the window: the owner delivers none
		w.settled()
		z := c.link.flights()["z"]
		const n = 1100 // beyond maxPends
		w.publish("t/a", 1, numbered("m", 0, n)...)
		w.settled()
		c.unsubscribe(t, "t/#")
		c.Puback(z)
		var got []string
		for range 2 * n {
			for _, p := range c.link.inboxOf(t) {
				got = append(got, string(p.Payload))
				c.Puback(p.PacketID)
			}
			time.Sleep(10 * time.Millisecond)
			synctest.Wait()
		}
		if !slices.Equal(got, numbered("m", 0, n)) {
			t.Errorf("got %d messages, last %v", len(got), got[max(0, len(got)-3):])
		}
		w.wantDone("c")
	})
}
