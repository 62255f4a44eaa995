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
	"lmqgate/meta/retain"
	"lmqgate/meta/session"
)

// inRetainedWorld is inWorld with a store of retained messages.
func inRetainedWorld(t *testing.T, cfg Config, test func(t *testing.T, w *world, r *fakeRetained)) {
	inWorldWith(t, func() (Config, *fakeRetained) {
		r := newFakeRetained()
		cfg.Retained = r
		return cfg, r
	}, test)
}

// keep makes messages retained, with their topics as payloads.
func (w *world) keep(r *fakeRetained, qos byte, topics ...string) {
	for _, name := range topics {
		r.set(w.message(name, qos, name))
	}
}

// ask subscribes and sends SUBACK.
func (c *conn) ask(t *testing.T, subs ...session.Subscription) {
	t.Helper()
	for _, code := range c.Subscribe(context.Background(), subs) {
		if code.Failed() {
			t.Fatalf("subscribe: %v", code)
		}
	}
	c.Retained()
}

// wantWalked checks that no subscription waits for retained messages, in memory and in the store.
func (w *world) wantWalked(c *conn) {
	w.t.Helper()
	c.mu.Lock()
	if c.walks != nil {
		w.t.Errorf("walks are left: %+v", c.walks)
	}
	c.mu.Unlock()
	w.store.mu.Lock()
	defer w.store.mu.Unlock()
	for _, sub := range w.store.sessions[c.clientID].subs {
		if sub.Retained || sub.RetainedAt != "" {
			w.t.Errorf("%s is kept as waiting for retained messages at %q", sub.Filter, sub.RetainedAt)
		}
	}
}

// finish acknowledges all that comes, and returns what came as "payload/qos[/dup]".
func (w *world) finish(c *conn) (got []string) {
	for idle := 0; idle < 3; idle++ {
		w.settled()
		for p := c.link.next(); p != nil; p = c.link.next() {
			idle = 0
			switch p := p.(type) {
			case *packet.Publish:
				s := fmt.Sprintf("%s/%d", p.Payload, p.QoS)
				if p.DUP {
					s += "/dup"
				}
				got = append(got, s)
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
	}
	return got
}

// TestRetained: what one subscription gets, and how.
func TestRetained(t *testing.T) {
	old := session.Subscription{Filter: "t/+", QoS: 1, RetainHandling: 2}
	for name, c := range map[string]struct {
		before  []session.Subscription
		ask     session.Subscription
		version packet.Version
		limit   int
		change  func(m *message.Message)
		want    string // what of message t/a arrives, "" = it does not
	}{
		"QoS of the subscription":      {ask: session.Subscription{Filter: "t/+", QoS: 0}, want: "t/a QoS 0"},
		"QoS of the message":           {ask: session.Subscription{Filter: "t/+", QoS: 2}, want: "t/a QoS 1"},
		"exact filter":                 {ask: session.Subscription{Filter: "t/a", QoS: 1}, want: "t/a QoS 1"},
		"MQTT 3.1.1":                   {ask: session.Subscription{Filter: "t/+", QoS: 1}, version: packet.V311, want: "t/a QoS 1"},
		"identifier":                   {ask: session.Subscription{Filter: "t/+", QoS: 1, ID: 7}, want: "t/a QoS 1 [7]"},
		"identifier of one of two":     {before: []session.Subscription{{Filter: "#", ID: 3, RetainHandling: 2}}, ask: session.Subscription{Filter: "t/+", ID: 7}, want: "t/a QoS 0 [7]"},
		"not retain as published":      {ask: session.Subscription{Filter: "t/+", RetainAsPublished: false}, want: "t/a QoS 0"},
		"handling 1, new":              {ask: session.Subscription{Filter: "t/+", RetainHandling: 1}, want: "t/a QoS 0"},
		"handling 1, another one":      {before: []session.Subscription{{Filter: "#", RetainHandling: 2}}, ask: session.Subscription{Filter: "t/+", RetainHandling: 1}, want: "t/a QoS 0"},
		"handling 1, existing":         {before: []session.Subscription{old}, ask: session.Subscription{Filter: "t/+", RetainHandling: 1}},
		"handling 0, existing":         {before: []session.Subscription{old}, ask: session.Subscription{Filter: "t/+"}, want: "t/a QoS 0"},
		"handling 2":                   {ask: session.Subscription{Filter: "t/+", RetainHandling: 2}},
		"no match":                     {ask: session.Subscription{Filter: "t"}},
		"shared":                       {ask: session.Subscription{Filter: "$share/g/t/+"}},
		"no local, own":                {ask: session.Subscription{Filter: "t/+", NoLocal: true}, change: func(m *message.Message) { m.Publisher = "c" }},
		"no local, another's":          {ask: session.Subscription{Filter: "t/+", NoLocal: true}, change: func(m *message.Message) { m.Publisher = "d" }, want: "t/a QoS 0"},
		"own, without no local":        {ask: session.Subscription{Filter: "t/+"}, change: func(m *message.Message) { m.Publisher = "c" }, want: "t/a QoS 0"},
		"too large":                    {ask: session.Subscription{Filter: "t/+", QoS: 1}, limit: 50, change: func(m *message.Message) { m.Properties.ContentType = strings.Repeat("x", 50) }},
		"not to be encoded":            {ask: session.Subscription{Filter: "t/+", QoS: 1}, change: func(m *message.Message) { m.Properties.ContentType = strings.Repeat("x", 1<<17) }},
		"expired":                      {ask: session.Subscription{Filter: "t/+"}, change: func(m *message.Message) { m.Properties.HasExpiry, m.Properties.Expiry = true, 60 }},
		"time left":                    {ask: session.Subscription{Filter: "t/+"}, change: func(m *message.Message) { m.Properties.HasExpiry, m.Properties.Expiry = true, 1000 }, want: "t/a QoS 0 expiry 900"},
		"flag missing in what is kept": {ask: session.Subscription{Filter: "t/+"}, change: func(m *message.Message) { m.Retain = false }, want: "t/a QoS 0"},
	} {
		for _, persistent := range []bool{true, false} {
			t.Run(fmt.Sprint(name, "/persistent=", persistent), func(t *testing.T) {
				inRetainedWorld(t, Config{}, func(t *testing.T, w *world, r *fakeRetained) {
					m := w.message("t/a", 1, "t/a")
					m.BornMillis, m.Retain = time.Now().UnixMilli(), true
					if c.change != nil {
						c.change(m)
					}
					r.set(m)
					time.Sleep(100 * time.Second)
					link := w.link()
					link.limit = c.limit
					if c.version != 0 {
						link.version = c.version
					}
					conn := w.instances[0].connect("c", Options{Persistent: persistent}, link)
					if len(c.before) > 0 {
						conn.ask(t, c.before...)
					}
					conn.Subscribe(t.Context(), []session.Subscription{c.ask})
					w.settled()
					conn.want(t) // SUBACK first [MQTT-3.8.4-1]
					conn.Retained()
					w.settled()
					var got string
					for _, p := range link.inboxOf(t) {
						got += fmt.Sprintf("%s QoS %d", p.Payload, p.QoS)
						if len(p.SubscriptionIDs) > 0 {
							got += fmt.Sprint(" ", p.SubscriptionIDs)
						}
						if p.Properties.HasExpiry {
							got += fmt.Sprint(" expiry ", p.Properties.Expiry)
						}
						if !p.Retain || p.DUP {
							t.Errorf("RETAIN %v, DUP %v", p.Retain, p.DUP)
						}
						conn.Puback(p.PacketID)
					}
					if got != c.want {
						t.Errorf("got %q, want %q", got, c.want)
					}
					w.settled()
					w.wantWalked(conn)
					w.wantNoFlights("c")
				})
			})
		}
	}
}

func (w *world) wantNoFlights(id string) {
	w.t.Helper()
	if out := w.out(id); len(out) > 0 {
		w.t.Errorf("messages in flight are kept: %v", out)
	}
}

// TestRetainedTwiceInOneSubscribe: it is as if they were asked for one after the other [MQTT-3.8.4-5].
func TestRetainedTwiceInOneSubscribe(t *testing.T) {
	inRetainedWorld(t, Config{}, func(t *testing.T, w *world, r *fakeRetained) {
		w.keep(r, 0, "t")
		c := w.connect("c")
		c.ask(t, session.Subscription{Filter: "t"}, session.Subscription{Filter: "t", RetainHandling: 1})
		w.settled()
		c.want(t, "t/0")
	})
}

// TestRetainedPages: all of them come within the window, once, also if pages are short or empty and sessions move.
func TestRetainedPages(t *testing.T) {
	for _, qos := range []byte{0, 1, 2} {
		for _, window := range []int{1, 3, 100} {
			for _, moves := range []bool{false, true} {
				t.Run(fmt.Sprintf("qos=%d/window=%d/moves=%v", qos, window, moves), func(t *testing.T) {
					inRetainedWorld(t, Config{Window: window, WalkPage: 7}, func(t *testing.T, w *world, r *fakeRetained) {
						names := numbered("t/", 100, 60)
						w.keep(r, qos, names...)
						w.keep(r, qos, numbered("s/", 100, 30)...)
						n := 0
						r.trim = func() int { n++; return n % 9 }
						cl := newClient(t, packet.V5, window)
						c := w.connect("c")
						cl.connected()
						c.Subscribe(t.Context(), []session.Subscription{{Filter: "t/#", QoS: 2}})
						if moves { // before SUBACK left, or the client saw it
							c = w.resume(c)
							cl.connected()
						}
						c.Retained()
						for i := range 400 {
							time.Sleep(time.Millisecond)
							for range i % 5 {
								cl.look(c.link)
								if len(cl.owing) > 0 {
									cl.answer(c, 0)
								}
							}
							if moves && i%23 == 7 {
								for qos == 0 && cl.look(c.link) { // else lost with the connection
								}
								w.crash(c)
								c = w.instances[i%2].connect("c", Options{Persistent: true}, w.link())
								cl.connected()
							}
						}
						for range 20 {
							w.settled()
							cl.finish(c, c.link)
						}
						for _, name := range names {
							if got := cl.got[name]; got == 0 || got > 1 && (!moves || qos == 2) {
								t.Errorf("%s came %d times", name, got)
							}
						}
						if len(cl.got) != len(names) {
							t.Errorf("%d topics came, want %d", len(cl.got), len(names))
						}
						w.wantWalked(c)
						w.wantDone("c")
					})
				})
			}
		}
	}
}

// TestRetainedResend: a message in flight is sent again from what the session keeps, with DUP, RETAIN and the identifier,
// though neither store nor broker has it.
func TestRetainedResend(t *testing.T) {
	for _, qos := range []byte{1, 2} {
		t.Run(fmt.Sprint("qos=", qos), func(t *testing.T) {
			inRetainedWorld(t, Config{}, func(t *testing.T, w *world, r *fakeRetained) {
				m := w.message("t", qos, "m")
				m.Properties.ContentType, m.Properties.HasExpiry, m.Properties.Expiry = "text", true, 1000
				m.BornMillis = time.Now().UnixMilli()
				r.set(m)
				c := w.connect("c")
				c.ask(t, session.Subscription{Filter: "t", QoS: 2, ID: 9})
				w.settled()
				first := c.link.inboxOf(t)
				r.set(w.message("t", 0, ""))
				w.log.setDown("a", true)
				time.Sleep(100 * time.Second)
				c = w.resume(c)
				w.settled()
				again := c.link.inboxOf(t)
				if len(first) != 1 || len(again) != 1 {
					t.Fatalf("got %v, then %v", first, again)
				}
				f, a := first[0], again[0]
				if !a.DUP || !a.Retain || a.PacketID != f.PacketID || a.QoS != qos || string(a.Payload) != "m" ||
					a.Properties.ContentType != "text" || a.Properties.Expiry != 900 || !slices.Equal(a.SubscriptionIDs, []uint32{9}) {
					t.Errorf("got %+v, then %+v", f, a)
				}
				if got := w.finish(c); qos == 1 {
					c.Puback(a.PacketID)
				} else if len(got) == 0 {
					c.Pubrec(a.PacketID, packet.Success)
				}
				w.log.setDown("a", false)
				w.finish(c)
				w.wantNoFlights("c")
				w.wantWalked(c)
			})
		})
	}
}

// TestRetainedUnreadable: a kept message of an unknown format ends its exchange and holds up nothing.
func TestRetainedUnreadable(t *testing.T) {
	inRetainedWorld(t, Config{}, func(t *testing.T, w *world, r *fakeRetained) {
		w.keep(r, 1, "t/1", "t/2")
		c := w.connect("c")
		c.ask(t, session.Subscription{Filter: "t/+", QoS: 1})
		w.settled()
		w.crash(c)
		w.store.mu.Lock()
		for id, o := range w.store.sessions["c"].out {
			if strings.Contains(string(o.Message), "t/1") {
				o.Message = []byte{99}
				w.store.sessions["c"].out[id] = o
			}
		}
		w.store.mu.Unlock()
		c = w.instances[1].connect("c", Options{Persistent: true}, w.link())
		w.publish("t/3", 1, "live")
		if got := w.finish(c); !slices.Equal(got, []string{"t/2/1/dup", "live/1"}) {
			t.Errorf("got %v", got)
		}
		w.wantDone("c")
	})
}

// TestRetainedBeforeLive: what was read is sent before any message that came later, whatever takes its time.
func TestRetainedBeforeLive(t *testing.T) {
	for _, slow := range []string{"read", "write", "window", "taken over"} {
		t.Run(slow, func(t *testing.T) {
			cfg := Config{}
			if slow == "window" {
				cfg.Window = 1
			}
			inRetainedWorld(t, cfg, func(t *testing.T, w *world, r *fakeRetained) {
				w.keep(r, 1, "t")
				c := w.connect("c")
				c.ask(t, session.Subscription{Filter: "other", QoS: 1})
				c.Subscribe(t.Context(), []session.Subscription{{Filter: "t", QoS: 1}})
				w.settled()
				goOn := func() {}
				switch slow {
				case "read":
					goOn = r.hold()
				case "write":
					fails := true
					w.store.mu.Lock()
					w.store.fail = func(session.Change) (bool, bool) { return fails, false }
					w.store.mu.Unlock()
					goOn = func() {
						w.store.mu.Lock()
						fails = false
						w.store.mu.Unlock()
					}
				}
				c.Retained()
				w.settled()
				if slow == "taken over" {
					w.crash(c)
				}
				w.publish("t", 1, "new")
				w.publish("other", 0, "news")
				w.settled()
				want := []string{"t/1", "new/1", "news/0"}
				if slow == "taken over" {
					c = w.instances[1].connect("c", Options{Persistent: true, ReceiveMaximum: 1}, w.link())
					want = []string{"t/1/dup", "new/1", "news/0"}
				} else if slow != "window" {
					c.want(t)
				}
				goOn()
				time.Sleep(5 * time.Second)
				got := w.finish(c)
				slices.Sort(got[1:])
				if !slices.Equal(got, want) {
					t.Errorf("got %v, want %v", got, want)
				}
				w.wantWalked(c)
				w.wantDone("c")
			})
		})
	}
}

// TestRetainedStoreFails: live messages go on while the store does not answer, and the retained ones come when it does.
func TestRetainedStoreFails(t *testing.T) {
	for _, how := range []string{"error", "hangs", "others wait"} {
		t.Run(how, func(t *testing.T) {
			inRetainedWorld(t, Config{Walks: 1}, func(t *testing.T, w *world, r *fakeRetained) {
				w.keep(r, 1, numbered("t/", 0, 5)...)
				goOn := func() { r.failing(nil) }
				if r.failing(errors.New("no route")); how == "hangs" {
					r.failing(nil)
					goOn = r.hold()
				}
				var all []*conn
				for i := range 3 {
					c := w.connect(fmt.Sprint("c", i))
					c.ask(t, session.Subscription{Filter: "t/#", QoS: 1})
					all = append(all, c)
				}
				time.Sleep(time.Minute)
				w.publish("t/9", 1, "live")
				time.Sleep(100 * time.Millisecond)
				synctest.Wait()
				for _, c := range all {
					ids := c.link.flights()
					if len(ids) != 1 || ids["live"] == 0 {
						t.Errorf("%s got %v", c.clientID, ids)
					}
					c.Puback(ids["live"])
				}
				if n, _ := r.counts(); n > 200 {
					t.Errorf("the store was asked %d times", n)
				}
				goOn()
				time.Sleep(20 * time.Second)
				for _, c := range all {
					if got := w.finish(c); !slices.Equal(got, with(numbered("t/", 0, 5), "/1")) {
						t.Errorf("%s got %v", c.clientID, got)
					}
					w.wantWalked(c)
					w.wantDone(c.clientID)
				}
			})
		})
	}
}

// TestRetainedFormat: a message that cannot be read is left out, its page is not; a cursor of another build begins anew.
func TestRetainedFormat(t *testing.T) {
	inRetainedWorld(t, Config{}, func(t *testing.T, w *world, r *fakeRetained) {
		w.keep(r, 0, "t/1", "t/2")
		r.failing(fmt.Errorf("some: %w", retain.ErrFormat))
		c := w.connect("c")
		c.ask(t, session.Subscription{Filter: "t/+"})
		w.settled()
		c.want(t, "t/1/0", "t/2/0")
		w.wantWalked(c)
		w.crash(c)
		w.store.mu.Lock()
		sub := w.store.sessions["c"].subs["t/+"]
		sub.Retained, sub.RetainedAt = true, "?"
		w.store.sessions["c"].subs["t/+"] = sub
		w.store.mu.Unlock()
		c = w.instances[1].connect("c", Options{Persistent: true}, w.link())
		w.settled()
		c.want(t, "t/1/0", "t/2/0")
		w.wantWalked(c)
	})
}

// TestRetainedLinkFull: a client that does not read costs nothing but its cursor, and gets the rest when it does.
func TestRetainedLinkFull(t *testing.T) {
	for _, qos := range []byte{0, 2} {
		t.Run(fmt.Sprint("qos=", qos), func(t *testing.T) {
			inRetainedWorld(t, Config{Walks: 1, WalkPage: 10}, func(t *testing.T, w *world, r *fakeRetained) {
				names := numbered("t/", 100, 50)
				w.keep(r, qos, names...)
				deaf, c := w.connect("deaf"), w.connect("c")
				release := r.hold()
				deaf.ask(t, session.Subscription{Filter: "t/#", QoS: 2})
				w.settled()
				deaf.link.drain(true) // with the first page being read
				release()
				w.settled()
				deaf.want(t)
				deaf.mu.Lock()
				if deaf.walks.page != nil || deaf.walks.state != walkRests {
					t.Errorf("%+v", deaf.walks)
				}
				deaf.mu.Unlock()
				reads, _ := r.counts()
				w.settled()
				if again, _ := r.counts(); again > reads {
					t.Error("it is read again and again")
				}
				c.ask(t, session.Subscription{Filter: "t/#", QoS: 2})
				want := with(names, fmt.Sprint("/", qos))
				if got := w.finish(c); !slices.Equal(got, want) {
					t.Errorf("the other one got %v", got)
				}
				if !deaf.link.drain(false) {
					t.Fatal("nobody asked")
				}
				deaf.Wake()
				if got := w.finish(deaf); !slices.Equal(got, want) {
					t.Errorf("got %v", got)
				}
				w.wantWalked(deaf)
			})
		})
	}
}

// TestRetainedLargePages: few large messages are asked for at a time, and many again when they are small.
func TestRetainedLargePages(t *testing.T) {
	inRetainedWorld(t, Config{WalkBytes: 1000}, func(t *testing.T, w *world, r *fakeRetained) {
		var want []string
		for i := range 300 {
			name := fmt.Sprint("t/", 1000+i)
			m := w.message(name, 1, name)
			if i < 20 {
				m.Payload = []byte(strings.Repeat("x", 100+100*i))
			}
			r.set(m)
			want = append(want, fmt.Sprintf("%s/1", m.Payload))
		}
		sent := 0
		c := w.connect("c")
		r.after = func(string) {
			c.link.mu.Lock()
			bytes := 0
			for _, p := range c.link.inbox[min(sent, len(c.link.inbox)):] {
				bytes += len(p.(*packet.Publish).Payload)
			}
			if n := len(c.link.inbox) - sent; bytes > 1000 && n > 1 {
				t.Errorf("%d messages of %d bytes were sent at once", n, bytes)
			}
			sent = len(c.link.inbox)
			c.link.mu.Unlock()
		}
		c.ask(t, session.Subscription{Filter: "t/#", QoS: 0})
		w.settled()
		reads, _ := r.counts()
		for i := range want {
			want[i] = strings.TrimSuffix(want[i], "1") + "0"
		}
		c.want(t, want...)
		if reads > 60 {
			t.Errorf("%d reads", reads)
		}
		w.wantWalked(c)
	})
}

// TestRetainedHerd: however many subscribe at once, few pages are in memory at a time.
func TestRetainedHerd(t *testing.T) {
	inRetainedWorld(t, Config{Walks: 3, WalkPage: 5}, func(t *testing.T, w *world, r *fakeRetained) {
		names := numbered("t/", 100, 20)
		w.keep(r, 2, names...)
		in := w.instances[0]
		var all []*conn
		for i := range 100 {
			c := in.connect(fmt.Sprint("c", i), Options{Persistent: i%2 == 0}, w.link())
			c.Subscribe(t.Context(), []session.Subscription{{Filter: "#", QoS: byte(i % 3)}})
			all = append(all, c)
		}
		for _, c := range all {
			c.Retained()
		}
		_ = all[50].Close(t.Context())
		for i, c := range all {
			if got := w.finish(c); i != 50 && !slices.Equal(got, with(names, fmt.Sprint("/", i%3))) {
				t.Errorf("%s got %v", c.clientID, got)
			}
		}
		if _, most := r.counts(); most > 3 {
			t.Errorf("%d pages were read at a time", most)
		}
		if n := in.hub.walkers.queued() + in.hub.walkers.taken; n > 0 {
			t.Errorf("%d places are taken or waited for", n)
		}
	})
}

// TestRetainedSubscribeAgain: during a walk it begins anew, or goes on as it was where no retained messages are asked for.
func TestRetainedSubscribeAgain(t *testing.T) {
	for handling := range byte(3) {
		t.Run(fmt.Sprint("handling=", handling), func(t *testing.T) {
			inRetainedWorld(t, Config{Window: 2, WalkPage: 2}, func(t *testing.T, w *world, r *fakeRetained) {
				names := numbered("t/", 1, 5)
				w.keep(r, 1, names...)
				c := w.connect("c")
				c.ask(t, session.Subscription{Filter: "t/#", QoS: 1})
				w.settled() // t/1 and t/2 fill the window
				c.ask(t, session.Subscription{Filter: "t/#", QoS: 1, RetainHandling: handling})
				w.settled()
				want := append([]string{"t/1", "t/2"}, names...)
				if handling > 0 {
					want = names
				}
				if got := w.finish(c); !slices.Equal(got, with(want, "/1")) {
					t.Errorf("got %v", got)
				}
				w.wantWalked(c)
				w.wantDone("c")
			})
		})
	}
}

// TestRetainedUnsubscribe ends the walk; what is in flight stays so [MQTT-3.10.4-3].
func TestRetainedUnsubscribe(t *testing.T) {
	for _, during := range []string{"read", "window"} {
		t.Run(during, func(t *testing.T) {
			inRetainedWorld(t, Config{Window: 2, WalkPage: 2}, func(t *testing.T, w *world, r *fakeRetained) {
				w.keep(r, 1, numbered("t/", 1, 5)...)
				w.keep(r, 1, "u")
				goOn := func() {}
				want := []string{"t/1/1", "t/2/1", "u/1"}
				if during == "read" {
					goOn, want = r.hold(), []string{"u/1"}
				}
				c := w.connect("c")
				c.ask(t, session.Subscription{Filter: "t/#", QoS: 1}, session.Subscription{Filter: "u", QoS: 1})
				w.settled()
				c.unsubscribe(t, "t/#")
				goOn()
				if got := w.finish(c); !slices.Equal(got, want) {
					t.Errorf("got %v, want %v", got, want)
				}
				w.wantWalked(c)
				w.wantDone("c")
			})
		})
	}
}

// TestRetainedSubscribeFails: nothing is sent for a subscription that was refused; a walk that was under way goes on.
func TestRetainedSubscribeFails(t *testing.T) {
	for _, had := range []string{"nothing", "subscription", "walk"} {
		t.Run(had, func(t *testing.T) {
			inRetainedWorld(t, Config{Window: 1, Subscribe: time.Second}, func(t *testing.T, w *world, r *fakeRetained) {
				w.keep(r, 1, "t/1", "t/2")
				c := w.connect("c")
				switch had {
				case "subscription":
					c.ask(t, session.Subscription{Filter: "t/#", QoS: 1, RetainHandling: 2})
				case "walk":
					c.ask(t, session.Subscription{Filter: "t/#", QoS: 1})
				}
				w.settled()
				fails := true
				w.store.mu.Lock()
				w.store.fail = func(session.Change) (bool, bool) { return fails, false }
				w.store.mu.Unlock()
				codes := c.Subscribe(t.Context(), []session.Subscription{{Filter: "t/#", QoS: 1}})
				if !codes[0].Failed() {
					t.Fatal("granted")
				}
				c.Retained()
				w.store.mu.Lock()
				fails = false
				w.store.mu.Unlock()
				time.Sleep(5 * time.Second)
				got := w.finish(c)
				if n := len(got); n > 0 != (had == "walk") || n > 0 && !slices.Contains(got, "t/2/1") {
					t.Errorf("got %v", got)
				}
				w.wantWalked(c)
			})
		})
	}
}

// TestRetainedCleanSession writes neither messages nor how far it got.
func TestRetainedCleanSession(t *testing.T) {
	inRetainedWorld(t, Config{WalkPage: 2}, func(t *testing.T, w *world, r *fakeRetained) {
		names := numbered("t/", 1, 9)
		w.keep(r, 2, names...)
		c := w.instances[0].connect("c", Options{}, w.link())
		var changes []session.Change
		w.store.mu.Lock()
		w.store.wrote = func(_ string, _ *stored, ch *session.Change) { changes = append(changes, *ch) }
		w.store.mu.Unlock()
		c.ask(t, session.Subscription{Filter: "t/#", QoS: 2})
		if got := w.finish(c); !slices.Equal(got, with(names, "/2")) {
			t.Errorf("got %v", got)
		}
		if len(changes) != 1 || len(changes[0].SetSubs) != 1 || changes[0].SetSubs[0].Retained || len(changes[0].SetOut) > 0 {
			t.Errorf("wrote %+v", changes)
		}
	})
}

// TestRetainedClose in every state of a page leaves nothing behind.
func TestRetainedClose(t *testing.T) {
	inRetainedWorld(t, Config{Walks: 2, WalkPage: 3, Window: 4}, func(t *testing.T, w *world, r *fakeRetained) {
		w.keep(r, 2, numbered("t/", 1, 30)...)
		n := 0
		r.fail = func() error {
			if n++; n%5 == 0 {
				return errors.New("no route")
			}
			return nil
		}
		in := w.instances[0]
		for i := range 120 {
			c := in.connect(fmt.Sprint("c", i), Options{Persistent: i%3 > 0}, w.link())
			c.ask(t, session.Subscription{Filter: "#", QoS: byte(i % 4 % 3)}, session.Subscription{Filter: "t/+", QoS: 1})
			for range i % 7 {
				time.Sleep(time.Duration(i) * 30 * time.Microsecond)
				for _, id := range c.link.flights() {
					c.Puback(id)
				}
			}
			_ = c.Close(t.Context())
			c.Retained()
		}
		time.Sleep(10 * time.Second)
		synctest.Wait()
		if n := in.hub.walkers.queued() + in.hub.walkers.taken; n > 0 {
			t.Errorf("%d places are taken or waited for", n)
		}
	})
}
