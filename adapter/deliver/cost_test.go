package deliver

import (
	"fmt"
	"testing"
)

// writes is how many times the store was written to so far: each for any number of sessions.
func (w *world) writes() int {
	w.store.mu.Lock()
	defer w.store.mu.Unlock()
	return w.store.writes
}

// TestStoreWrites: what connects without a subscription writes nothing, and messages to lasting sessions share their writes.
func TestStoreWrites(t *testing.T) {
	inWorld(t, Config{}, func(t *testing.T, w *world) {
		before := w.writes()
		w.connect("nothing to get")
		w.settled()
		if n := w.writes() - before; n != 0 {
			t.Errorf("a lasting session without a subscription was written %d times", n)
		}

		const n = 20
		var lasting []*conn
		for i := range n {
			c := w.connect(fmt.Sprint("lasting", i))
			c.subscribe(t, 1, "to/lasting")
			lasting = append(lasting, c)
		}
		w.settled()
		before = w.writes()
		w.publish("to/lasting", 1, "m")
		w.settled()
		for _, c := range lasting {
			if len(c.link.flights()) != 1 {
				t.Errorf("%s has %v", c.clientID, c.link.flights())
			}
		}
		if got := w.writes() - before; got == 0 || got > 3 {
			t.Errorf("a message to %d lasting sessions was written %d times, want them to share", n, got)
		}
	})
}
