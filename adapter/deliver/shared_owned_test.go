package deliver

import (
	"slices"
	"testing"
	"time"

	"lmqgate/adapter/packet"
	"lmqgate/meta/session"
)

// dieBetween lets the instance of a client die when the entry of a message is written and the broker has not been told.
func dieBetween(t *testing.T, w *sharedWorld, one, two *conn) {
	one.subscribe(t, 2, "$share/g/t")
	w.store.mu.Lock()
	w.store.wrote = func(_ string, _ *stored, c *session.Change) {
		if len(c.SetOut) > 0 {
			w.log.mu.Lock()
			w.views[0].dead = true
			w.log.mu.Unlock()
			w.store.wrote = nil
		}
	}
	w.store.mu.Unlock()
	w.publish("t", 2, "a")
	w.settled()
	w.kill(0)
	if out := w.out("one"); len(out) != 1 {
		t.Fatalf("in flight: %v", out)
	}
	one.link.publishes()
	two.subscribe(t, 2, "$share/g/t")
}

// TestSharedOwned: a QoS 2 message that comes to its group again although a session has its entry stays with that one.
func TestSharedOwned(t *testing.T) {
	inShared(t, Config{}, func(t *testing.T, w *sharedWorld) {
		one, two := w.on(0, "one"), w.on(1, "two")
		dieBetween(t, w, one, two)
		time.Sleep(time.Minute)
		w.settled()
		two.want(t)
		again := w.on(1, "one")
		w.settled()
		again.want(t, "a/2/dup")
		if w.store.asked != 1 {
			t.Errorf("asked for the owner %d times", w.store.asked)
		}
	})
}

// TestSharedFinished: nor does it come again when its exchange was over before.
func TestSharedFinished(t *testing.T) {
	inShared(t, Config{}, func(t *testing.T, w *sharedWorld) {
		one, two := w.on(0, "one"), w.on(1, "two")
		dieBetween(t, w, one, two)
		again := w.on(1, "one")
		w.settled()
		again.want(t, "a/2/dup")
		again.Pubrec(1, packet.Success)
		w.settled()
		again.want(t, "*packet.Pubrel")
		again.Pubcomp(1)
		w.settled()
		if out := w.out("one"); len(out) > 0 {
			t.Errorf("kept: %v", out)
		}
		time.Sleep(time.Minute)
		w.settled()
		again.want(t)
		two.want(t)
		if w.store.asked != 1 {
			t.Errorf("asked for the owner %d times", w.store.asked)
		}
	})
}

// TestSharedNotOwned: a QoS 2 message that nobody owns is delivered when it comes again, but not before that is known.
func TestSharedNotOwned(t *testing.T) {
	inShared(t, Config{}, func(t *testing.T, w *sharedWorld) {
		one, two := w.on(0, "one"), w.on(1, "two")
		one.subscribe(t, 2, "$share/g/t")
		w.store.mu.Lock()
		w.store.mute = errNoRoute
		w.store.dead[connection{"one", one.epoch}] = true // nothing is written from here on
		w.store.mu.Unlock()
		w.publish("t", 2, "a")
		w.settled()
		w.kill(0)
		two.subscribe(t, 2, "$share/g/t")
		time.Sleep(time.Minute)
		w.settled()
		two.want(t)
		w.store.mu.Lock()
		w.store.mute = nil
		w.store.mu.Unlock()
		time.Sleep(2 * time.Minute)
		w.settled()
		two.want(t, "a/2")
	})
}

// TestSharedForgotten: a broker that dies forgets what it handed out in its last seconds, and hands it out as if for the
// first time. QoS 2 messages that a member has, or has had, go to nobody else; what nobody had is delivered.
func TestSharedForgotten(t *testing.T) {
	for _, lasting := range []bool{true, false} {
		inShared(t, Config{}, func(t *testing.T, w *sharedWorld) {
			one, two := w.on(0, "one"), w.on(1, "two")
			if !lasting {
				one = w.clean(0, "guest")
			}
			one.subscribe(t, 2, "$share/g/t")
			w.publish("t", 2, "over", "open")
			w.settled()
			one.link.publishes()
			one.Pubrec(1, packet.Success)
			w.settled()
			one.Pubcomp(1)
			one.link.publishes()
			two.subscribe(t, 2, "$share/g/t")
			w.settled()
			w.log.mu.Lock()
			for _, g := range w.pops.groups {
				g.next -= 2
				clear(g.out)
			}
			for _, b := range w.log.brokers {
				b.boot++
			}
			w.log.mu.Unlock()
			time.Sleep(popWait)
			w.publish("t", 2, "new", "newer")
			time.Sleep(time.Minute)
			w.settled()
			got := append(one.link.publishes(), two.link.publishes()...)
			slices.Sort(got)
			if want := []string{"new/2", "newer/2"}; !slices.Equal(got, want) {
				t.Errorf("lasting %v: got %v", lasting, got)
			}
		})
	}
}
