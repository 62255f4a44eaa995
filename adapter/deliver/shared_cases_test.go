package deliver

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"

	"lmqgate/adapter/packet"
	"lmqgate/meta/registry"
	"lmqgate/meta/session"
)

// got takes what clients have received since the last look, all together, sorted.
func got(conns ...*conn) []string {
	var all []string
	for _, c := range conns {
		all = append(all, c.link.publishes()...)
	}
	slices.Sort(all)
	return all
}

func wantAll(t *testing.T, what string, have []string, want ...string) {
	t.Helper()
	slices.Sort(want)
	if !slices.Equal(have, want) {
		t.Errorf("%s: got %v, want %v", what, have, want)
	}
}

// TestSharedOnce: each message goes to one member of each group, and to each plain subscription.
func TestSharedOnce(t *testing.T) {
	inShared(t, Config{}, func(t *testing.T, w *sharedWorld) {
		one, two, plain := w.on(0, "one"), w.on(1, "two"), w.clean(1, "plain")
		one.subscribe(t, 1, "$share/g/t/+", "t/+")
		two.subscribe(t, 1, "$share/g/t/+", "$share/h/t/+", "$share/g/t/1")
		plain.subscribe(t, 0, "t/#")
		w.publish("t/1", 1, "a", "b", "c")
		w.publish("t", 1, "d")
		w.settled()
		wantAll(t, "all", got(one, two, plain),
			"a/1", "a/1", "a/1", "a/1", "b/1", "b/1", "b/1", "b/1", "c/1", "c/1", "c/1", "c/1", // g, h, g of t/1, plain of one
			"a/0", "b/0", "c/0", "d/0")
	})
}

// TestSharedLife: a new group gets nothing old; while it has a member, an offline one included, messages wait; a group
// that has ended leaves nothing to the next of its name.
func TestSharedLife(t *testing.T) {
	inShared(t, Config{}, func(t *testing.T, w *sharedWorld) {
		keep := w.clean(1, "keep")
		keep.subscribe(t, 0, "t")
		w.publish("t", 1, "old")
		w.settled()
		one := w.on(0, "one")
		one.subscribe(t, 1, "$share/g/t")
		w.publish("t", 1, "a")
		w.settled()
		one.want(t, "a/1")
		one.Puback(1)
		one.leave(t)
		w.publish("t", 1, "b", "c")
		w.settled()
		one = w.on(1, "one")
		w.settled()
		wantAll(t, "waited", got(one), "b/1", "c/1")

		one.unsubscribe(t, "$share/g/t")
		w.publish("t", 1, "nobody's")
		two := w.on(0, "two")
		two.subscribe(t, 1, "$share/g/t")
		one.leave(t) // b and c were not acknowledged
		w.publish("t", 1, "d")
		time.Sleep(2 * time.Minute)
		w.settled()
		wantAll(t, "next life", got(two), "d/1")
		w.log.mu.Lock()
		defer w.log.mu.Unlock()
		if len(w.pops.ended) != 1 {
			t.Errorf("groups ended at brokers: %v", w.pops.ended)
		}
	})
}

// TestSharedLeaves: what a member has not acknowledged goes to another one as soon as it leaves, as a first delivery.
func TestSharedLeaves(t *testing.T) {
	for _, persistent := range []bool{false, true} {
		inShared(t, Config{}, func(t *testing.T, w *sharedWorld) {
			one := w.instances[0].connect("one", Options{Persistent: persistent}, w.link())
			two := w.on(1, "two")
			one.subscribe(t, 1, "$share/g/t")
			w.publish("t", 1, "a", "b")
			w.settled()
			one.want(t, "a/1", "b/1")
			one.Puback(1)
			two.subscribe(t, 1, "$share/g/t")
			w.settled()
			two.want(t)
			one.leave(t)
			time.Sleep(3 * time.Second)
			w.settled()
			two.want(t, "b/1")
			two.Puback(1)
			if out := w.out("one"); len(out) > 0 {
				t.Errorf("kept with the session: %v", out)
			}
			time.Sleep(time.Minute)
			wantAll(t, "again", got(two))
		})
	}
}

// TestSharedDies: what an instance had when it died comes back when its time is over.
func TestSharedDies(t *testing.T) {
	inShared(t, Config{}, func(t *testing.T, w *sharedWorld) {
		one, two := w.on(0, "one"), w.on(1, "two")
		one.subscribe(t, 1, "$share/g/t")
		w.publish("t", 1, "a")
		w.settled()
		one.want(t, "a/1")
		two.subscribe(t, 1, "$share/g/t")
		w.kill(0)
		time.Sleep(35 * time.Second)
		w.settled()
		two.want(t, "a/1")
	})
}

// TestSharedProlonged: a message in the window of a live member stays there however long it takes.
func TestSharedProlonged(t *testing.T) {
	inShared(t, Config{}, func(t *testing.T, w *sharedWorld) {
		one, two := w.clean(0, "one"), w.clean(1, "two")
		one.subscribe(t, 1, "$share/g/t")
		w.publish("t", 1, "a", "b")
		w.settled()
		one.want(t, "a/1", "b/1")
		two.subscribe(t, 1, "$share/g/t")
		for range 5 {
			time.Sleep(time.Minute)
		}
		one.Puback(1)
		one.unsubscribe(t, "$share/g/t") // what is in flight stays in flight [MQTT-3.10.4-3]
		for range 5 {
			time.Sleep(time.Minute)
		}
		one.Puback(2)
		time.Sleep(time.Minute)
		wantAll(t, "prolonged", got(one, two))
	})
}

// TestSharedQoS2: from the moment its entry is written a message stays with the session [MQTT-4.8.2-4].
func TestSharedQoS2(t *testing.T) {
	inShared(t, Config{}, func(t *testing.T, w *sharedWorld) {
		one, two := w.on(0, "one"), w.on(1, "two")
		one.Subscribe(context.Background(), []session.Subscription{{Filter: "$share/g/t/+", QoS: 2, ID: 7, RetainAsPublished: true}})
		w.publish("t/1", 2, "a", "b", "c")
		w.settled()
		one.want(t, "a/2", "b/2", "c/2")
		one.Pubrec(2, packet.Success)
		w.settled()
		one.Pubcomp(2)
		w.settled()
		two.subscribe(t, 2, "$share/g/t/+")
		one = w.resume(one)
		time.Sleep(time.Minute)
		w.settled()
		two.want(t)
		if p, ok := one.link.next().(*packet.Publish); !ok || string(p.Payload) != "a" || !p.DUP || p.PacketID != 1 || !slices.Equal(p.SubscriptionIDs, []uint32{7}) {
			t.Errorf("resent: %+v", p)
		}
		one.want(t, "c/2/dup")
		one.Pubrec(1, packet.UnspecifiedError) // discarded [MQTT-4.8.2-6]
		one.Pubrec(3, packet.Success)
		w.settled()
		one.Pubcomp(3)
		time.Sleep(time.Minute)
		w.settled()
		two.want(t)
		if out := w.out("one"); len(out) > 0 {
			t.Errorf("kept: %v", out)
		}
	})
}

// TestSharedQoS2Unwritten: a message whose entry was not written goes to another member.
func TestSharedQoS2Unwritten(t *testing.T) {
	inShared(t, Config{}, func(t *testing.T, w *sharedWorld) {
		one, two := w.on(0, "one"), w.on(1, "two")
		one.subscribe(t, 2, "$share/g/t")
		two.subscribe(t, 2, "$share/g/t")
		two.link.drain(true)
		two.Wake()
		time.Sleep(5 * time.Second) // no POP is held for it any more
		w.crash(one)
		w.publish("t", 2, "a", "b")
		w.settled()
		again := w.on(1, "one") // fences the first
		again.unsubscribe(t, "$share/g/t")
		one.leave(t)
		two.link.drain(false)
		two.Wake()
		time.Sleep(time.Minute)
		w.settled()
		two.want(t, "a/2", "b/2")
	})
}

// TestSharedQoS2Clean: a message that may have reached a session which ended goes to nobody else [MQTT-4.8.2-5].
func TestSharedQoS2Clean(t *testing.T) {
	inShared(t, Config{}, func(t *testing.T, w *sharedWorld) {
		one, two := w.clean(0, "one"), w.clean(1, "two")
		one.subscribe(t, 2, "$share/g/t")
		w.publish("t", 2, "a")
		w.settled()
		one.want(t, "a/2")
		two.subscribe(t, 2, "$share/g/t")
		one.leave(t)
		time.Sleep(time.Minute)
		w.settled()
		two.want(t)
	})
}

// TestSharedSlow: a member whose link is full, or whose window is, gets no more than it can hold; the others get the rest.
func TestSharedSlow(t *testing.T) {
	for _, full := range []bool{false, true} {
		inShared(t, Config{}, func(t *testing.T, w *sharedWorld) {
			slow := w.instances[0].connect("slow", Options{ReceiveMaximum: 3}, w.link())
			quick := w.clean(0, "quick")
			slow.subscribe(t, 1, "$share/g/t")
			quick.subscribe(t, 1, "$share/g/t")
			slow.link.drain(full)
			all := map[string]int{}
			for i := range 60 {
				w.publish("t", 1, fmt.Sprint(i))
				w.settled()
				for p, ok := quick.link.next().(*packet.Publish); ok; p, ok = quick.link.next().(*packet.Publish) {
					all[string(p.Payload)]++
					quick.Puback(p.PacketID)
				}
			}
			held := slow.link.publishes()
			if want := map[bool]int{false: 3, true: 0}[full]; len(held) != want || len(all) != 60-want {
				t.Errorf("full %v: the slow one got %d, the quick one %d", full, len(held), len(all))
			}
			slow.link.drain(false)
			slow.Wake()
		})
	}
}

// TestSharedStuck: what was popped for a member whose window has been filled meanwhile goes to a member elsewhere.
func TestSharedStuck(t *testing.T) {
	inShared(t, Config{Window: 1}, func(t *testing.T, w *sharedWorld) {
		one, two := w.clean(0, "one"), w.clean(1, "two")
		one.subscribe(t, 1, "$share/g/t", "plain")
		time.Sleep(time.Second) // a POP is held
		publish(w.log, w.reg, "a", w.message("plain", 1, "mine"), false)
		w.publish("t", 1, "a")
		w.settled()
		wantAll(t, "full", got(one), "mine/1")
		two.subscribe(t, 1, "$share/g/t")
		time.Sleep(6 * time.Second)
		w.settled()
		two.want(t, "a/1")
	})
}

// TestSharedQoS0: with QoS 0 nothing comes twice, and no window counts.
func TestSharedQoS0(t *testing.T) {
	inShared(t, Config{Window: 1}, func(t *testing.T, w *sharedWorld) {
		one := w.clean(0, "one")
		one.subscribe(t, 0, "$share/g/t")
		w.publish("t", 2, "a", "b", "c")
		w.settled()
		wantAll(t, "QoS 0", got(one), "a/0", "b/0", "c/0")
		one.leave(t)
		two := w.clean(1, "two")
		two.subscribe(t, 0, "$share/g/t")
		time.Sleep(time.Minute)
		two.want(t)
	})
}

// TestSharedPuback: a message that a member refused is not sent to another one [MQTT-4.8.2-6].
func TestSharedPuback(t *testing.T) {
	inShared(t, Config{}, func(t *testing.T, w *sharedWorld) {
		one := w.clean(0, "one")
		one.subscribe(t, 2, "$share/g/t")
		w.publish("t", 1, "a")
		w.publish("t", 2, "b")
		w.settled()
		one.want(t, "a/1", "b/2")
		one.Puback(1) // whatever its reason code
		one.Pubrec(2, packet.QuotaExceeded)
		two := w.clean(1, "two")
		two.subscribe(t, 2, "$share/g/t")
		one.leave(t)
		time.Sleep(time.Minute)
		w.settled()
		two.want(t)
	})
}

// TestSharedUnsubscribe: after UNSUBACK nothing new comes.
func TestSharedUnsubscribe(t *testing.T) {
	inShared(t, Config{}, func(t *testing.T, w *sharedWorld) {
		one, two := w.on(0, "one"), w.on(0, "two")
		one.subscribe(t, 1, "$share/g/t")
		two.subscribe(t, 1, "$share/g/t")
		two.unsubscribe(t, "$share/g/t")
		w.publish("t", 1, "a", "b", "c", "d")
		w.settled()
		wantAll(t, "left", got(two))
		wantAll(t, "stayed", got(one), "a/1", "b/1", "c/1", "d/1")
		if codes := two.Unsubscribe(context.Background(), []string{"$share/g/t", "t"}); codes[0] != packet.NoSubscriptionExisted || codes[1] != packet.NoSubscriptionExisted {
			t.Errorf("again: %v", codes)
		}
	})
}

func (c *conn) codes(filters ...string) []packet.ReasonCode {
	var asks []session.Subscription
	for _, f := range filters {
		asks = append(asks, session.Subscription{Filter: f, QoS: 1})
	}
	return c.Subscribe(context.Background(), asks)
}

// TestSharedRefused: what is refused is refused filter by filter, and nothing of it stays.
func TestSharedRefused(t *testing.T) {
	inWorld(t, Config{}, func(t *testing.T, w *world) {
		c := w.connect("c")
		if codes := c.codes("a", "$share/g/a"); codes[0] != 1 || codes[1] != packet.SharedSubscriptionsNotSupported {
			t.Errorf("without POP: %v", codes)
		}
	})
	inShared(t, Config{Shared: Shared{Max: 2}}, func(t *testing.T, w *sharedWorld) {
		c := w.on(0, "c")
		codes := c.codes("$share/a/t", "$share/b/t", "t", "$share/c/t", "$share/b/t")
		if want := []packet.ReasonCode{1, 1, 1, packet.QuotaExceeded, 1}; !slices.Equal(codes, want) {
			t.Errorf("beyond the instance's limit: %v", codes)
		}
	})
	inShared(t, Config{Shared: Shared{PerFilter: 2}}, func(t *testing.T, w *sharedWorld) {
		c, d := w.on(0, "c"), w.on(1, "d")
		codes := c.codes("$share/a/t", "$share/b/t", "$share/a/u")
		if want := []packet.ReasonCode{1, 1, 1}; !slices.Equal(codes, want) {
			t.Errorf("within the filter's limit: %v", codes)
		}
		if codes := d.codes("$share/c/t", "$share/b/t"); codes[0] != packet.QuotaExceeded || codes[1] != 1 {
			t.Errorf("beyond the filter's limit: %v", codes)
		}
		w.settled()
		if have := w.reg.held(); !slices.Equal(have, []string{"c $share/a/t", "c $share/a/u", "c $share/b/t", "d $share/b/t"}) {
			t.Errorf("held: %v", have)
		}
		d.unsubscribe(t, "$share/b/t")
		c.unsubscribe(t, "$share/b/t")
		if codes := d.codes("$share/c/t"); codes[0] != 1 {
			t.Errorf("after a group has ended: %v", codes)
		}
	})
	inShared(t, Config{}, func(t *testing.T, w *sharedWorld) {
		c := w.on(0, "c")
		w.reg.failing(errors.New("no redis"))
		if codes := c.codes("$share/a/t"); codes[0] != packet.UnspecifiedError {
			t.Errorf("without Redis: %v", codes)
		}
		w.reg.failing(nil)
		w.settled()
		if n := len(w.instances[0].hub.shares); n > 0 {
			t.Errorf("%d groups left", n)
		}
	})
}

func (r *fakeRegistry) held() []string {
	r.mu.Lock()
	defer r.mu.Unlock()
	var list []string
	for k := range r.holds {
		list = append(list, k[1]+" "+k[0])
	}
	slices.Sort(list)
	return list
}

// TestSharedBrokers: a broker that appears later is read from its beginning; on one that was away when the group began,
// what is older is left out.
func TestSharedBrokers(t *testing.T) {
	inShared(t, Config{}, func(t *testing.T, w *sharedWorld) {
		keep := w.clean(1, "keep")
		keep.subscribe(t, 0, "t")
		w.log.appear("b")
		publish(w.log, w.reg, "b", w.message("t", 1, "old"), false)
		time.Sleep(5 * time.Second)
		w.log.setDown("b", true)
		one := w.on(0, "one")
		one.subscribe(t, 1, "$share/g/t")
		time.Sleep(time.Second)
		w.log.setDown("b", false)
		publish(w.log, w.reg, "b", w.message("t", 1, "new"), false)
		w.log.appear("c")
		publish(w.log, w.reg, "c", w.message("t", 1, "early"), false)
		w.instances[0].hub.BrokersAdded([]string{"c"})
		time.Sleep(10 * time.Second)
		w.settled()
		wantAll(t, "both", got(one), "new/1", "early/1")
	})
}

// TestSharedTooLarge: a message goes to a member that takes its size, and to nobody if none does.
func TestSharedTooLarge(t *testing.T) {
	inShared(t, Config{}, func(t *testing.T, w *sharedWorld) {
		small := w.link()
		small.limit = 100
		one, two := w.instances[0].connect("one", Options{}, small), w.clean(0, "two")
		one.subscribe(t, 1, "$share/g/t")
		big := strings.Repeat("x", 200)
		w.publish("t", 1, big, "a")
		w.settled()
		wantAll(t, "alone", got(one), "a/1")
		two.subscribe(t, 1, "$share/g/t")
		for range 3 { // one by one: two has room each time
			w.publish("t", 1, big)
			w.settled()
		}
		wantAll(t, "beside another", got(two), big+"/1", big+"/1", big+"/1")
		w.publish("t", 1, "b", "c")
		w.settled()
		wantAll(t, "small ones", got(one, two), "b/1", "c/1")
	})
}

// TestSharedExpired: an expired message is nobody's.
func TestSharedExpired(t *testing.T) {
	inShared(t, Config{}, func(t *testing.T, w *sharedWorld) {
		one := w.on(0, "one")
		one.subscribe(t, 1, "$share/g/t")
		one.leave(t)
		m := w.message("t", 1, "short")
		m.Properties.HasExpiry, m.Properties.Expiry, m.BornMillis = true, 5, time.Now().UnixMilli()
		publish(w.log, w.reg, "a", m, false)
		w.publish("t", 1, "long")
		time.Sleep(10 * time.Second)
		one = w.on(1, "one")
		w.settled()
		wantAll(t, "waited", got(one), "long/1")
	})
}

// TestSharedBeginnerDies: another member takes over a beginning that was not finished, and waits for none that is.
func TestSharedBeginnerDies(t *testing.T) {
	inShared(t, Config{Subscribe: 30 * time.Second}, func(t *testing.T, w *sharedWorld) {
		ctx := context.Background()
		dead := (&Session{clientID: "dead"}).hold(session.Subscription{Filter: "$share/g/t", HoldEpoch: 1})
		if err := w.reg.Hold(ctx, []registry.Hold{dead}); err != nil {
			t.Fatal(err)
		}
		if _, _, err := w.reg.Join(ctx, "$share/g/t", beginLease, 9); err != nil {
			t.Fatal(err)
		}
		began := time.Now()
		one, two := w.on(0, "one"), w.on(1, "two")
		one.subscribe(t, 1, "$share/g/t")
		if d := time.Since(began); d < beginLease || d > beginLease+time.Second {
			t.Errorf("taken over after %v", d)
		}
		began = time.Now()
		two.subscribe(t, 1, "$share/g/t")
		if d := time.Since(began); d > time.Second {
			t.Errorf("joined after %v", d)
		}
		w.publish("t", 1, "a")
		w.settled()
		wantAll(t, "both", got(one, two), "a/1")
	})
}

// TestSharedLost: a registry that has lost a group gets it back from its members; one begun anew meanwhile is taken over.
func TestSharedLost(t *testing.T) {
	inShared(t, Config{}, func(t *testing.T, w *sharedWorld) {
		one, two := w.on(0, "one"), w.on(1, "two")
		one.subscribe(t, 1, "$share/g/t")
		lose := func() {
			w.reg.mu.Lock()
			defer w.reg.mu.Unlock()
			clear(w.reg.lives)
		}
		lose()
		w.instances[0].hub.Reasserted()
		w.settled()
		two.subscribe(t, 1, "$share/g/t")
		one.link.drain(true)
		one.Wake()
		time.Sleep(5 * time.Second) // no POP is held for it any more
		w.publish("t", 1, "a")
		w.settled()
		wantAll(t, "same group", got(one, two), "a/1")
		two.Puback(1)

		two.unsubscribe(t, "$share/g/t")
		lose()
		two.subscribe(t, 1, "$share/g/t")
		time.Sleep(5 * time.Minute)
		one.link.drain(false)
		one.Wake()
		w.publish("t", 1, "b", "c")
		w.settled()
		if all := got(one, two); len(all) != 2 {
			t.Errorf("groups differ: %v", all)
		}
	})
}

// TestSharedFair: equal members get about the same, on whichever instance.
func TestSharedFair(t *testing.T) {
	const n = 10_000
	for _, burst := range []int{1, 8, n} {
		backlog := burst == n
		inShared(t, Config{}, func(t *testing.T, w *sharedWorld) {
			var members []*conn
			for i := range 4 {
				c := w.clean(i%2, fmt.Sprint("m", i))
				if i == 3 {
					c = w.clean(0, "m3") // three on one instance
				}
				c.subscribe(t, 1, "$share/g/t")
				c.link.drain(backlog)
				c.Wake()
				members = append(members, c)
			}
			clients := make([]*client, 4)
			for i := range clients {
				clients[i] = newClient(t, packet.V5, 64)
				clients[i].connected()
			}
			for i := range n {
				w.publish("t", 1, fmt.Sprint(i))
				if !backlog && i%burst == 0 {
					time.Sleep(time.Duration(burst+4) * time.Millisecond / 2)
					for j, c := range members {
						clients[j].finish(c, c.link)
					}
				}
			}
			for _, c := range members {
				c.link.drain(false)
				c.Wake()
			}
			for range 20 * n {
				busy := false
				time.Sleep(time.Millisecond)
				for j, c := range members {
					busy = clients[j].finish(c, c.link) || busy
				}
				if total := len(clients[0].got) + len(clients[1].got) + len(clients[2].got) + len(clients[3].got); !busy && total >= n {
					break
				}
			}
			all := map[string]int{}
			for i, c := range clients {
				for p, k := range c.got {
					all[p] += k
				}
				if share := 100 * len(c.got) / n; share < 15 || share > 35 {
					t.Errorf("%d at a time: member %d got %d %%", burst, i, share)
				}
			}
			if len(all) != n {
				t.Errorf("%d of %d came", len(all), n)
			}
		})
	}
}

// TestSharedTiming ends a connection at every moment around a delivery: a QoS 1 message comes, a QoS 2 message comes once.
func TestSharedTiming(t *testing.T) {
	for qos := byte(1); qos <= 2; qos++ {
		for _, crash := range []bool{false, true} {
			for d := time.Duration(0); d < 8*time.Millisecond; d += 100 * time.Microsecond {
				inShared(t, Config{}, func(t *testing.T, w *sharedWorld) {
					one, two := w.on(0, "one"), w.on(1, "two")
					one.subscribe(t, qos, "$share/g/t")
					two.subscribe(t, qos, "$share/g/t")
					two.link.drain(true)
					two.Wake()
					time.Sleep(5 * time.Second) // no POP is held for it any more
					first, second := newClient(t, packet.V5, 64), newClient(t, packet.V5, 64)
					first.connected()
					second.connected()
					w.publish("t", qos, "a")
					for at := time.Duration(0); at < d; at += 100 * time.Microsecond {
						first.finish(one, one.link)
						time.Sleep(100 * time.Microsecond)
					}
					first.finish(one, one.link)
					old := one
					if crash {
						w.crash(one)
						one = w.on(0, "one")
						old.leave(t)
					} else {
						one.leave(t)
						one = w.on(0, "one")
					}
					first.connected()
					two.link.drain(false)
					two.Wake()
					for range 60 {
						first.finish(one, one.link)
						second.finish(two, two.link)
						time.Sleep(time.Second)
					}
					if n := first.got["a"] + second.got["a"]; n == 0 || n > 1 && qos == 2 {
						t.Errorf("QoS %d, crash %v, after %v: came %d times", qos, crash, d, n)
					}
				})
			}
		}
	}
}

// TestSharedNoRoom: nothing is asked for while no member has room.
func TestSharedNoRoom(t *testing.T) {
	inShared(t, Config{Window: 2}, func(t *testing.T, w *sharedWorld) {
		one := w.clean(0, "one")
		one.subscribe(t, 1, "$share/g/t")
		held := func() int {
			w.log.mu.Lock()
			defer w.log.mu.Unlock()
			return w.views[0].held
		}
		w.settled()
		if n := held(); n != 1 {
			t.Errorf("%d POPs with room", n)
		}
		one.link.drain(true)
		one.Wake()
		time.Sleep(5 * time.Second)
		if n := held(); n != 0 {
			t.Errorf("%d POPs while the link is full", n)
		}
		one.link.drain(false)
		one.Wake()
		w.publish("t", 1, "a", "b", "c")
		time.Sleep(5 * time.Second)
		wantAll(t, "window", got(one), "a/1", "b/1")
		if n := held(); n != 0 {
			t.Errorf("%d POPs while the window is full", n)
		}
		one.Puback(2)
		w.settled()
		wantAll(t, "room", got(one), "c/1")
	})
}
