package e2e

import (
	"fmt"
	"slices"
	"testing"
	"time"

	"lmqgate/adapter/packet"
)

// TestTakeover: a client that connects on another instance takes its session with it; the old connection is told
// [MQTT-3.1.4-3] and what it had not acknowledged comes again, with DUP and its packet id [MQTT-4.4.0-1].
func TestTakeover(t *testing.T) {
	t.Parallel()
	onEach(t, func(t *testing.T, b backend) {
		f := start(t, 2, b)
		publisher := connected(t, "publisher", packet.V5, f.instances[0].tcp)
		for _, v := range []packet.Version{packet.V5, packet.V311} {
			for at, name := range []string{"the same instance", "the other instance"} {
				t.Run(fmt.Sprintf("%v on %s", v, name), func(t *testing.T) {
					takeover(t, f, publisher, v, f.instances[0], f.instances[at])
				})
			}
		}
	})
}

func takeover(t *testing.T, f *fleet, publisher *device, v packet.Version, from, to *instance) {
	id := fmt.Sprintf("taken-%v-%s", v, to.name[9:])
	topic := f.topic("%s", id)
	old := dialed(t, from.ws(), v)
	old.connect(t, session(id))
	old.subscribe(t, 2, topic)
	publisher.publish(topic, 1, "one", nil)
	publisher.flushed(soon)
	publisher.publish(topic, 2, "two", nil)
	publisher.flushed(soon)
	publisher.publish(topic, 2, "three", nil)
	publisher.flushed(soon)
	first := want[*packet.Publish](t, old)
	second := want[*packet.Publish](t, old)
	third := want[*packet.Publish](t, old)
	if first.DUP || second.DUP || first.PacketID == second.PacketID || string(first.Payload)+string(second.Payload)+string(third.Payload) != "onetwothree" {
		t.Errorf("got %+v, %+v and %+v", first, second, third)
	}
	old.send(&packet.Pubrec{PacketID: third.PacketID}) // half of an exchange
	if r := want[*packet.Pubrel](t, old); r.PacketID != third.PacketID {
		t.Errorf("PUBREL %d, want %d", r.PacketID, third.PacketID)
	}

	w := dialed(t, to.tcp, v)
	if !w.connect(t, session(id)).SessionPresent {
		t.Error("session present is 0")
	}
	goodbye := old.wantEnd(t)
	if v == packet.V5 {
		if len(goodbye) != 1 || goodbye[0].Type() != packet.DISCONNECT || goodbye[0].(*packet.Disconnect).Code != packet.SessionTakenOver {
			t.Errorf("the old connection got %v", goodbye)
		}
	} else if len(goodbye) > 0 {
		t.Errorf("the old connection got %v", goodbye)
	}
	var again []*packet.Publish
	released := false
	for range 3 { // PUBLISH packets have an order among themselves, PUBREL packets too
		switch p, err := w.next(soon); p := p.(type) {
		case *packet.Publish:
			again = append(again, p)
		case *packet.Pubrel:
			released = p.PacketID == third.PacketID
		default:
			t.Fatalf("on the new connection: %v %v", p, err)
		}
	}
	if !released || len(again) != 2 {
		t.Fatalf("sent again: %v, PUBREL of the third: %v", again, released)
	}
	for i, before := range []*packet.Publish{first, second} {
		if !again[i].DUP || again[i].PacketID != before.PacketID || string(again[i].Payload) != string(before.Payload) || again[i].QoS != before.QoS {
			t.Errorf("message %d: sent again as %+v, was %+v", i+1, again[i], before)
		}
	}
	w.send(&packet.Pubcomp{PacketID: third.PacketID}, &packet.Puback{PacketID: first.PacketID}, &packet.Pubrec{PacketID: second.PacketID})
	want[*packet.Pubrel](t, w)
	w.send(&packet.Pubcomp{PacketID: second.PacketID})
	publisher.publish(topic, 1, "four", nil)
	if p := want[*packet.Publish](t, w); string(p.Payload) != "four" || p.DUP {
		t.Errorf("then came %+v", p)
	}
	publisher.flushed(soon)
	w.cut()
}

// TestCleanStart discards the session: subscriptions, messages, state.
func TestCleanStart(t *testing.T) {
	t.Parallel()
	onEach(t, func(t *testing.T, b backend) {
		f := start(t, 2, b)
		for _, v := range []packet.Version{packet.V5, packet.V311} {
			id := fmt.Sprintf("cleaned-%v", v)
			d := connected(t, id, v, f.instances[0].tcp)
			must(t, d.subscribe(1, f.topic("x")))
			d.disconnect()
			publisher := connected(t, "publisher", packet.V5, f.instances[0].tcp)
			publisher.publish(f.topic("x"), 1, "before", nil)
			publisher.flushed(soon)

			d.clean = true
			must(t, d.connect(f.instances[1].tcp))
			must(t, d.subscribe(1, f.topic("y")))
			publisher.unheard(f.topic("x"))
			publisher.publish(f.topic("y"), 1, "after", nil)
			gotExactly(t, d, "", []string{"after"})
			if d.present[1] {
				t.Errorf("%v: session present is 1 after clean start", v)
			}
			d.disconnect()
			publisher.disconnect()
		}
	})
}

// TestTakeoverFrom: a client is served by another instance at once whatever has become of the one that had it: it lives,
// it stands still, or it has just died. Nothing is lost, QoS 2 stays exactly once, and the old connection's will is published
// once, or not at all if it has a delay and the session goes on.
func TestTakeoverFrom(t *testing.T) {
	t.Parallel()
	onEach(t, func(t *testing.T, b backend) {
		for _, state := range []string{"alive", "stalled", "dead"} {
			t.Run(state, func(t *testing.T) {
				t.Parallel()
				takeoverFrom(t, start(t, 2, b), state)
			})
		}
	})
}

func takeoverFrom(t *testing.T, f *fleet, state string) {
	owner, other := f.instances[0], f.instances[1]
	mourner := f.mourner(other)
	type mortal struct {
		id    string
		clean bool
		old   *wire
	}
	var mortals []mortal
	var due []string
	for n, name := range []string{"at-once", "at-once-clean", "delayed", "delayed-clean"} {
		m := mortal{id: name, clean: n%2 == 1}
		m.old = f.mortal(t, []string{owner.tcp, owner.ws()}[n%2], packet.V5, name, kept, delayed(uint32(n/2*3600)))
		mortals = append(mortals, m)
		if name != "delayed" {
			due = append(due, name)
		}
	}
	c := newCrowd(f, seeds(t, 1)[0], 2, 2, 3, scale(20, 40, 200))
	var took []time.Duration
	var stood time.Duration
	c.publish(c.total()/3, func() {
		c.mu.Lock()
		c.places = []*instance{other}
		c.mu.Unlock()
		began := time.Now()
		switch state {
		case "stalled":
			owner.pause()
		case "dead":
			owner.kill()
		}
		for _, m := range mortals {
			w := dialed(t, other.tcp, packet.V5)
			w.connect(t, packet.Connect{ClientID: f.first + "-" + m.id, CleanStart: m.clean, Properties: packet.ConnectProperties{SessionExpiry: 3600}})
		}
		for n, d := range c.all() {
			at := time.Now()
			if err := d.connect([]string{other.tcp, other.ws()}[n%2]); err != nil { // while the owner is as it is
				t.Errorf("%s: %v", d.id, err)
			}
			took = append(took, time.Since(at))
		}
		if state == "stalled" {
			stood = time.Since(began)
			owner.resume()
		}
	})
	for _, m := range mortals {
		var codes []packet.ReasonCode
		for _, p := range m.old.wantEnd(t) {
			if d, ok := p.(*packet.Disconnect); ok {
				codes = append(codes, d.Code)
			}
		}
		switch {
		case state == "dead":
			if len(codes) > 0 {
				t.Errorf("%s: told %v by the dead", m.id, codes)
			}
		case stood > 8*time.Second: // its lease may have ended
		case len(codes) != 1 || codes[0] != packet.SessionTakenOver:
			t.Errorf("%s: the old connection was told %v", m.id, codes)
		}
	}
	c.check()
	f.lastWill(t, mourner, &due)
	eachWill(t, mourner, due)
	slices.Sort(took)
	t.Logf("owner %s: CONNECT to CONNACK p50 %v, most %v, of %d", state, took[len(took)/2], took[len(took)-1], len(took))
}
