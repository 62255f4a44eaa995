package e2e

import (
	"fmt"
	"slices"
	"sync"
	"testing"
	"time"

	"lmqgate/adapter/packet"
)

// movedGrace is for how long the will of a client that was asked to connect elsewhere waits for it.
const movedGrace = 30 * time.Second

// mourner is a client that gets all wills below the fleet's topic "will".
func (f *fleet) mourner(at *instance) *device {
	f.t.Helper()
	d := connected(f.t, f.first+"-mourner", packet.V5, at.tcp)
	must(f.t, d.subscribe(2, f.topic("will/+")))
	return d
}

// mortal connects a client with a will of its own topic, whose text is the client id.
func (f *fleet) mortal(t testing.TB, addr string, v packet.Version, id string, options ...option) *wire {
	t.Helper()
	w := dialed(t, addr, v)
	c := packet.Connect{ClientID: f.first + "-" + id, CleanStart: true}
	c.Will = &packet.Will{Topic: f.topic("will/%s", id), QoS: 1, Payload: []byte(id)}
	for _, o := range options {
		o(&c)
	}
	w.connect(t, c)
	return w
}

// delayed has the will wait for so many seconds.
func delayed(seconds uint32) option { return func(c *packet.Connect) { c.Will.Delay = seconds } }

// eachWill requires that the mourner gets the wills of these clients, each once, and no other.
func eachWill(t *testing.T, mourner *device, ids []string) {
	t.Helper()
	mourner.gets(2*soon, len(ids), nil)
	got := payloads(mourner.received(nil))
	if diff := difference(slices.Sorted(slices.Values(ids)), slices.Sorted(slices.Values(got))); diff != "" {
		t.Errorf("wills: %s", diff)
	}
	mourner.sane()
}

// TestWillsOfKilledInstance: the wills of an instance that dies are published by another one, each once, and at the time
// that each client asked for; not those of clients that had said goodbye, or are back before their delay is over.
func TestWillsOfKilledInstance(t *testing.T) {
	t.Parallel()
	onEach(t, func(t *testing.T, b backend) {
		f := start(t, 3, b)
		going, at := f.instances[0], f.instances[1]
		mourner := f.mourner(at)
		var ids []string
		var mu sync.Mutex // protects ids
		var work sync.WaitGroup
		for part := range 10 {
			work.Go(func() {
				for n := part * 20; n < part*20+20; n++ {
					id := fmt.Sprintf("client-%d", n)
					w := f.mortal(t, []string{going.tcp, going.ws()}[n%2], version(n), id, func(c *packet.Connect) {
						c.Will.QoS = byte(n % 3)
						if n%4 < 2 {
							kept(c)
						}
					})
					if n%10 == 9 {
						w.send(&packet.Disconnect{})
						w.wantEnd(t)
						continue
					}
					mu.Lock()
					ids = append(ids, id)
					mu.Unlock()
				}
			})
		}
		work.Wait()
		f.mortal(t, going.tcp, packet.V5, "delayed", kept, delayed(5))
		f.mortal(t, going.tcp, packet.V5, "ends-first", lasting(2), delayed(3600))
		f.mortal(t, going.tcp, packet.V5, "no-session", delayed(3600))
		f.mortal(t, going.tcp, packet.V5, "retained", func(c *packet.Connect) { c.Will.Retain = true })
		f.mortal(t, going.tcp, packet.V5, "back-in-time", kept, delayed(30))
		f.mortal(t, going.tcp, packet.V5, "long-delay", kept, delayed(3600))
		ids = append(ids, "delayed", "ends-first", "no-session", "retained")

		began := time.Now()
		going.kill()
		mourner.gets(2*soon, len(ids), nil)
		took := time.Since(began)
		back := dialed(t, at.tcp, packet.V5)
		back.connect(t, packet.Connect{ClientID: f.first + "-back-in-time"})
		<-time.After(time.Until(began.Add(60 * time.Second))) // its time is over, and claims of wills would have lapsed
		eachWill(t, mourner, ids)
		for _, a := range mourner.received(nil) {
			var n int
			if _, err := fmt.Sscanf(a.payload, "client-%d", &n); err == nil && a.qos != byte(n%3) || a.topic != f.topic("will/%s", a.payload) || a.retain {
				t.Errorf("%q came under %s with QoS %d, retain %v", a.payload, a.topic, a.qos, a.retain)
			}
		}
		late := connected(t, f.first+"-late", packet.V311, f.instances[2].tcp)
		must(t, late.subscribe(1, f.topic("will/+")))
		late.gets(soon, 1, nil)
		if got := late.received(nil); len(got) != 1 || got[0].payload != "retained" || !got[0].retain {
			t.Errorf("retained: %+v", got)
		}
		t.Logf("%d wills, the last one %.1f s after the kill", len(ids), took.Seconds())
	})
}

// TestWillsOfDrainedInstance: the wills of clients that SIGTERM sends away are kept back until they have had time to connect
// elsewhere, and are not published if they did, however fast.
func TestWillsOfDrainedInstance(t *testing.T) {
	t.Parallel()
	onEach(t, func(t *testing.T, b backend) {
		f := start(t, 2, b)
		going, at := f.instances[0], f.instances[1]
		mourner := f.mourner(at)
		var stay, move []*wire
		var ids []string
		persistent := func(n int) option {
			return func(c *packet.Connect) {
				if n%4 < 2 {
					kept(c)
				}
			}
		}
		for n := range 12 {
			id := fmt.Sprintf("stays-away-%d", n)
			ids = append(ids, id)
			stay = append(stay, f.mortal(t, going.tcp, version(n), id, persistent(n)))
		}
		const movers = 40
		for n := range movers {
			move = append(move, f.mortal(t, []string{going.tcp, going.ws()}[n%2], version(n), fmt.Sprintf("moves-%d", n), persistent(n)))
		}
		began := time.Now()
		var work sync.WaitGroup
		for n, w := range move {
			work.Go(func() {
				_, _ = w.next(soon) // DISCONNECT or the end of the stream: whichever is first
				again := f.mortal(t, at.tcp, version(n), fmt.Sprintf("moves-%d", n), persistent(n))
				again.send(&packet.Disconnect{})
				again.wantEnd(t)
			})
		}
		if status := going.terminate(); status != 0 {
			t.Errorf("exit status %d", status)
		}
		work.Wait()
		for _, w := range stay {
			w.wantEnd(t)
		}
		eachWill(t, mourner, ids)
		stayed := len(ids)
		f.lastWill(t, mourner, &ids)
		eachWill(t, mourner, ids)
		for _, a := range mourner.received(nil)[:stayed] {
			if after := a.at.Sub(began); after < movedGrace {
				t.Errorf("the will of %s came %.1f s after SIGTERM", a.payload, after.Seconds())
			}
		}
	})
}

// TestWillsOfTakenOver: who takes a client id over, at any instance, ends the old connection, whose will is due at once
// unless it has a delay; a clean start ends the session too, and no delay holds.
func TestWillsOfTakenOver(t *testing.T) {
	t.Parallel()
	onEach(t, func(t *testing.T, b backend) {
		f := start(t, 2, b)
		mourner := f.mourner(f.instances[1])
		var ids []string
		for _, c := range []struct {
			name  string
			delay uint32
			clean bool
			fires bool
		}{
			{"at-once", 0, false, true},
			{"at-once-clean", 0, true, true},
			{"delayed", 3600, false, false},
			{"delayed-clean", 3600, true, true},
		} {
			for n, to := range f.instances {
				id := fmt.Sprintf("%s-%d", c.name, n)
				old := f.mortal(t, f.instances[0].tcp, packet.V5, id, kept, delayed(c.delay))
				w := dialed(t, to.tcp, packet.V5)
				w.connect(t, packet.Connect{ClientID: f.first + "-" + id, CleanStart: c.clean, Properties: packet.ConnectProperties{SessionExpiry: 3600}})
				if got := old.wantEnd(t); len(got) != 1 || got[0].Type() != packet.DISCONNECT || got[0].(*packet.Disconnect).Code != packet.SessionTakenOver {
					t.Errorf("%s: the old connection got %v", id, got)
				}
				if c.fires {
					ids = append(ids, id)
				}
			}
		}
		f.lastWill(t, mourner, &ids)
		eachWill(t, mourner, ids)
	})
}

// lastWill is the fence behind which no will of a connection that ended before can come: another client's will, made known
// after it.
func (f *fleet) lastWill(t testing.TB, mourner *device, ids *[]string) {
	t.Helper()
	id := fmt.Sprintf("last-%d", len(*ids))
	for n, i := range f.instances {
		if i.isExited() {
			continue
		}
		each := fmt.Sprintf("%s-%d", id, n)
		f.mortal(t, i.tcp, packet.V5, each).cut()
		*ids = append(*ids, each)
		mourner.gets(soon, 1, func(a arrival) bool { return a.payload == each })
	}
}

// TestWillOfFailedLogin: a login that fails publishes no will and touches nothing of the client whose id it named.
func TestWillOfFailedLogin(t *testing.T) {
	t.Parallel()
	f := start(t, 2, mini, "AUTH=hmac", "AUTH_USERNAME=user", "AUTH_SECRET_KEY=secret")
	with := func(name string, password []byte) option {
		return func(c *packet.Connect) {
			c.HasUsername, c.Username, c.HasPassword, c.Password = true, name, true, password
		}
	}
	good := func(c *packet.Connect) { with("user", hmacPassword(c.ClientID, "secret"))(c) }
	watch := dialed(t, f.instances[1].tcp, packet.V5)
	c := packet.Connect{ClientID: "watch", CleanStart: true}
	good(&c)
	watch.connect(t, c)
	watch.subscribe(t, 1, f.topic("will/+"))
	victim := f.mortal(t, f.instances[0].tcp, packet.V5, "victim", kept, good)
	victim.subscribe(t, 1, f.topic("to-victim"))
	for _, v := range []packet.Version{packet.V5, packet.V311} {
		for _, i := range f.instances {
			for name, option := range map[string]option{
				"wrong password": with("user", []byte("wrong")), "wrong user": with("other", hmacPassword(f.first+"-victim", "secret")),
				"nothing": func(*packet.Connect) {},
			} {
				w := dialed(t, i.tcp, v)
				c := packet.Connect{Version: v, ClientID: f.first + "-victim", CleanStart: true}
				c.Will = &packet.Will{Topic: f.topic("will/forged"), QoS: 1, Payload: []byte("forged"), Retain: true}
				option(&c)
				w.send(&c)
				if ack := want[*packet.Connack](t, w); ack.Code == packet.Success {
					t.Errorf("%v, %s: let in", v, name)
				}
				w.wantEnd(t)
			}
		}
	}
	victim.send(&packet.Publish{QoS: 1, PacketID: 1, Topic: f.topic("to-victim"), Payload: []byte("still here")})
	for range 2 { // PUBACK, and the message by the subscription made before
		if p, err := victim.next(soon); err != nil || p.Type() != packet.PUBACK && p.Type() != packet.PUBLISH {
			t.Fatalf("the victim got %v, %v", p, err)
		}
	}
	victim.cut()
	if m := want[*packet.Publish](t, watch); string(m.Payload) != "victim" {
		t.Errorf("got the will %q", m.Payload)
	}
	watch.send(&packet.Pingreq{})
	want[*packet.Pingresp](t, watch)
}
