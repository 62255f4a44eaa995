package e2e

import (
	"fmt"
	"testing"
	"time"

	"lmqgate/adapter/packet"
)

// TestExpiry: a session ends when its expiry interval has passed after the connection, and its filters with it.
func TestExpiry(t *testing.T) {
	t.Parallel()
	onEach(t, func(t *testing.T, b backend) {
		f := start(t, 2, b)
		w := dialed(t, f.instances[0].tcp, packet.V5)
		c := session("short")
		c.Properties.SessionExpiry = 2
		w.connect(t, c)
		w.subscribe(t, 1, f.topic("x"), f.topic("+"))
		w.send(&packet.Disconnect{})
		w.wantEnd(t)
		publisher := connected(t, "publisher", packet.V5, f.instances[1].tcp)
		publisher.publish(f.topic("x"), 1, "", func(c packet.ReasonCode) {
			if c != packet.Success {
				t.Errorf("PUBACK %v while the session lives", c)
			}
		})
		publisher.unheard(f.topic("x")) // a sweep comes every few seconds
		w = dialed(t, f.instances[1].tcp, packet.V5)
		if w.connect(t, c).SessionPresent {
			t.Error("session present is 1 after the session expired")
		}
	})
}

// TestDeadInstance: what a killed instance leaves is swept by another: the filters of its clean sessions go, persistent
// sessions stay.
func TestDeadInstance(t *testing.T) {
	t.Parallel()
	onEach(t, func(t *testing.T, b backend) {
		f := start(t, 2, b)
		clean, kept := newDevice(t, "clean", packet.V5), newDevice(t, "kept", packet.V5)
		clean.clean = true
		must(t, clean.connect(f.instances[0].tcp))
		must(t, clean.subscribe(1, f.topic("clean/+"), f.topic("clean/x")))
		must(t, kept.connect(f.instances[0].tcp))
		must(t, kept.subscribe(1, f.topic("kept/+"), f.topic("kept/x")))
		f.instances[0].kill()
		publisher := connected(t, "publisher", packet.V5, f.instances[1].tcp)
		n := 0
		eventually(t, 2*soon, func() error {
			got := make(chan packet.ReasonCode, 1)
			publisher.publish(f.topic("clean/x"), 1, "", func(c packet.ReasonCode) { got <- c })
			publisher.publish(f.topic("kept/x"), 1, fmt.Sprint(n), nil)
			n++
			if c := take(t, got); c != packet.NoMatchingSubscribers {
				return fmt.Errorf("PUBACK %v", c)
			}
			return nil
		})
		publisher.flushed(soon)
		must(t, kept.connect(f.instances[1].tcp))
		gotExactly(t, kept, "", numbered("", n))
		kept.sane()
	})
}

// TestPausedInstance: an instance that was stopped for longer than its lease must not act for the sessions it had when it
// goes on: it closes their connections and acknowledges nothing (decision 5).
func TestPausedInstance(t *testing.T) {
	t.Parallel()
	onEach(t, func(t *testing.T, b backend) {
		f := start(t, 2, b)
		paused, other := f.instances[0], f.instances[1]
		old := dialed(t, paused.tcp, packet.V5)
		old.connect(t, session("client"))
		old.subscribe(t, 1, f.topic("x"))
		bystander := dialed(t, paused.tcp, packet.V5)
		bystander.connect(t, session("bystander"))

		paused.pause()
		began := time.Now()
		defer paused.resume()
		old.send(&packet.Publish{QoS: 1, PacketID: 7, Topic: f.topic("x"), Payload: []byte("through the paused one")})
		d := connected(t, "client", packet.V5, other.tcp)
		if !d.present[0] {
			t.Error("session present is 0")
		}
		publisher := connected(t, "publisher", packet.V5, other.tcp)
		publisher.publish(f.topic("x"), 1, "one", nil)
		gotExactly(t, d, "", []string{"one"})
		<-time.After(time.Until(began.Add(16 * time.Second))) // longer than the lease
		paused.resume()
		for name, w := range map[string]*wire{"client": old, "bystander": bystander} {
			for _, p := range w.wantEnd(t) {
				if p.Type() != packet.DISCONNECT && p.Type() != packet.PUBLISH { // a message may come once more, an acknowledgement not
					t.Errorf("the paused instance sent %s a %v", name, p.Type())
				}
			}
		}
		publisher.publish(f.topic("x"), 1, "two", nil)
		gotInOrder(t, d, "", []string{"one", "two"})
		d.sane()
		eventually(t, soon, func() error { return get("http://"+paused.http+"/health/ready", nil) })
		d.disconnect()
		must(t, d.connect(paused.tcp))
		publisher.publish(f.topic("x"), 1, "three", nil)
		gotInOrder(t, d, "", []string{"one", "two", "three"})
		d.sane()
	})
}
