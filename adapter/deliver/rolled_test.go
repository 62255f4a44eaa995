package deliver

import (
	"slices"
	"testing"
	"time"

	"lmqgate/adapter/packet"
	"lmqgate/meta/topic"
)

// rolled runs test with a client that got x0..x4 of topic t and acknowledged those it is told to.
func rolled(t *testing.T, cfg Config, acked []string, test func(w *world, cl *client, c *conn)) {
	t.Helper()
	inWorld(t, cfg, func(t *testing.T, w *world) {
		cl := newClient(t, packet.V5, 16)
		c := w.connect("c")
		cl.connected()
		c.subscribe(t, 1, "t")
		for _, m := range numbered("x", 0, 5) {
			w.publish("t", 1, m)
			time.Sleep(2 * time.Millisecond) // one in a millisecond
		}
		w.settled()
		ids := c.link.flights()
		if len(ids) != 5 {
			t.Fatalf("in flight: %v", ids)
		}
		for _, m := range acked {
			c.Puback(ids[m])
		}
		w.settled()
		test(w, cl, c)
	})
}

// TestRegrownBehindWatch: a broker that loses its end while a pull is held there, and has as many messages again, or more,
// before the next answer, gives each of them out, at whatever offset it stands.
func TestRegrownBehindWatch(t *testing.T) {
	for name, again := range map[string]int{"to the same end": 2, "beyond it": 4, "below it": 1} {
		t.Run(name, func(t *testing.T) {
			rolled(t, Config{}, numbered("x", 0, 5), func(w *world, _ *client, c *conn) {
				w.log.setDown("a", true)
				w.log.rollBack("a", 2)
				w.publish("t", 1, numbered("y", 0, again)...)
				w.settled()
				w.log.setDown("a", false)
				w.settled()
				c.wantQoS1(t, numbered("y", 0, again)...)
			})
		})
	}
}

// TestRestartKeepsPlace: a broker that restarts and loses nothing costs no second copy.
func TestRestartKeepsPlace(t *testing.T) {
	rolled(t, Config{}, numbered("x", 0, 5), func(w *world, _ *client, c *conn) {
		for range 3 {
			w.log.rollBack("a", 0)
			w.publish("t", 1, "y")
			w.settled()
			c.wantQoS1(t, "y")
			for _, id := range c.link.flights() {
				c.Puback(id)
			}
		}
	})
}

// TestRegrownBehindAcknowledged: what is acknowledged, or in flight, behind the lowest unacknowledged message is known by
// more than its offset: other messages that stand there after a takeover are delivered, those that are still there are not
// delivered twice.
func TestRegrownBehindAcknowledged(t *testing.T) {
	rolled(t, Config{}, []string{"x1", "x2", "x4"}, func(w *world, _ *client, c *conn) {
		w.crash(c)
		w.log.rollBack("a", 2)
		time.Sleep(5 * time.Millisecond)
		w.publish("t", 1, numbered("y", 0, 3)...)
		w.settled()
		c = w.instances[1].connect("c", Options{Persistent: true}, w.link())
		var got []string
		for range 10 {
			w.settled()
			for p := c.link.next(); p != nil; p = c.link.next() {
				if p, ok := p.(*packet.Publish); ok {
					got = append(got, string(p.Payload))
					c.Puback(p.PacketID)
				}
			}
		}
		if want := []string{"x0", "y0", "y1", "y2"}; !slices.Equal(got, want) {
			t.Errorf("got %v, want %v: x3 is lost, x1 and x2 were acknowledged", got, want)
		}
		w.wantDone("c")
	})
}

// TestRegrownWhereSubscriptionBegins: a subscription that has seen no message yet knows the one in front of it all the same.
func TestRegrownWhereSubscriptionBegins(t *testing.T) {
	inWorld(t, Config{}, func(t *testing.T, w *world) {
		other := w.connect("o")
		other.subscribe(t, 0, "t")
		w.publish("t", 1, numbered("x", 0, 5)...)
		time.Sleep(10 * time.Second)
		c := w.instances[1].connect("c", Options{Persistent: true}, w.link())
		c.subscribe(t, 1, "t")
		w.settled()
		w.log.rollBack("a", 3)
		w.publish("t", 1, numbered("y", 0, 4)...)
		w.settled()
		c.wantQoS1(t, numbered("y", 0, 4)...)
	})
}

// TestRegrownBeforeResume: the same with the session away; there is only the time of the message in front of it to go by.
func TestRegrownBeforeResume(t *testing.T) {
	inWorld(t, Config{}, func(t *testing.T, w *world) {
		other := w.connect("o")
		other.subscribe(t, 0, "t")
		w.publish("t", 1, numbered("x", 0, 5)...)
		time.Sleep(10 * time.Second)
		c := w.instances[1].connect("c", Options{Persistent: true}, w.link())
		c.subscribe(t, 1, "t")
		w.settled()
		w.crash(c)
		time.Sleep(time.Minute)
		w.log.rollBack("a", 3)
		w.publish("t", 1, numbered("y", 0, 4)...)
		c = w.instances[0].connect("c", Options{Persistent: true}, w.link())
		w.settled()
		c.wantQoS1(t, numbered("y", 0, 4)...)
	})
}

// TestAllExpired: a session that comes back to a queue of which retention left nothing neither spins nor misses what comes.
func TestAllExpired(t *testing.T) {
	rolled(t, Config{}, numbered("x", 0, 5), func(w *world, _ *client, c *conn) {
		w.crash(c)
		w.log.expire("a", topic.LMQ("t"), 5)
		c = w.instances[1].connect("c", Options{Persistent: true}, w.link())
		w.settled()
		before := w.log.pulled()
		time.Sleep(10 * time.Second)
		if n := w.log.pulled() - before; n > 10 {
			t.Errorf("%d pulls in ten seconds of an empty queue", n)
		}
		w.publish("t", 1, "y")
		w.settled()
		c.wantQoS1(t, "y")
	})
}

// wantQoS1 is want for messages of QoS 1.
func (c *conn) wantQoS1(t *testing.T, want ...string) {
	t.Helper()
	for i := range want {
		want[i] += "/1"
	}
	c.want(t, want...)
}
