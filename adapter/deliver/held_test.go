package deliver

import (
	"testing"

	"lmqgate/adapter/packet"
	"lmqgate/meta/topic"
)

// TestDoneWhileBrokerAway: the exchange of a QoS 2 message ends at an instance that does not know the broker it came from. It
// does not come again when the broker is back, neither on that connection nor on a later one.
func TestDoneWhileBrokerAway(t *testing.T) {
	for _, more := range []int{0, 1, 3} {
		inWorld(t, Config{}, func(t *testing.T, w *world) {
			w.log.appear("b")
			c := w.connect("c")
			c.subscribe(t, 2, "t")
			for _, m := range []string{"first", "done"} {
				w.log.add("b", w.message("t", 2, m), []string{topic.LMQ("t")})
			}
			w.settled()
			c.want(t, "first/2", "done/2")
			c.Pubrec(2, packet.Success)
			w.settled()
			c.want(t, "*packet.Pubrel")
			w.log.mu.Lock()
			w.log.known = []string{"a"}
			w.log.mu.Unlock()
			c = w.resume(c)
			w.settled()
			c.link.publishes()
			c.Pubcomp(2)
			w.settled()
			for range more {
				c = w.resume(c)
				w.settled()
				c.link.publishes()
				c.Pubcomp(2)
				w.settled()
			}
			w.log.appear("b")
			for _, i := range w.instances {
				i.hub.BrokersAdded([]string{"b"})
			}
			w.log.add("b", w.message("t", 2, "new"), []string{topic.LMQ("t")})
			w.settled()
			var got []string
			for _, p := range c.link.publishes() {
				if p != "first/2/dup" {
					got = append(got, p)
				}
			}
			if len(got) != 1 || got[0] != "new/2" {
				t.Errorf("%d more connections: got %v", more, got)
			}
			c = w.resume(c)
			w.settled()
			for _, p := range c.link.publishes() {
				if p == "done/2" || p == "done/2/dup" {
					t.Errorf("%d more connections: got %v again at last", more, p)
				}
			}
		})
	}
}
