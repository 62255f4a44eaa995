package deliver

import (
	"errors"
	"fmt"
	"slices"
	"testing"
	"testing/synctest"
	"time"

	"lmqgate/meta/session"
)

// TestRetainedResendOrder: after a takeover what was sent from the retained store comes before all others, those in
// flight and those that came since, however small the window is now.
func TestRetainedResendOrder(t *testing.T) {
	for _, live := range []string{"", "before", "after"} {
		t.Run("in flight="+live, func(t *testing.T) {
			inRetainedWorld(t, Config{}, func(t *testing.T, w *world, r *fakeRetained) {
				w.keep(r, 1, numbered("t/", 1, 4)...)
				c := w.connect("c")
				c.ask(t, session.Subscription{Filter: "u", QoS: 1})
				if live == "before" {
					w.publish("u", 1, "live")
					w.settled()
				}
				c.ask(t, session.Subscription{Filter: "t/+", QoS: 1})
				w.settled()
				if live == "after" {
					w.publish("t/4", 1, "live")
					w.settled()
				}
				ids := c.link.flights()
				for _, f := range c.out.flights {
					if f.Message != nil {
						t.Errorf("%d is in memory after it was sent", f.PacketID)
					}
				}
				w.crash(c)
				w.publish("t/4", 0, "newer")
				c = w.instances[1].connect("c", Options{Persistent: true, ReceiveMaximum: 1}, w.link())
				w.settled()
				c.want(t, "t/1/1/dup")
				c.Puback(ids["t/1"])
				want := []string{"t/2/1/dup", "t/3/1/dup", "t/4/1/dup"}
				if live != "" {
					want = append(want, "live/1/dup")
				}
				if got := w.finish(c); !slices.Equal(got, append(want, "newer/0")) {
					t.Errorf("got %v, want %v", got, want)
				}
				w.wantDone("c")
			})
		})
	}
}

// TestRetainedStaleRead: what was read while live messages went on is read again.
func TestRetainedStaleRead(t *testing.T) {
	inRetainedWorld(t, Config{}, func(t *testing.T, w *world, r *fakeRetained) {
		r.set(w.message("t", 1, "old"))
		r.failing(errors.New("no route"))
		c := w.connect("c")
		c.ask(t, session.Subscription{Filter: "t", QoS: 1})
		time.Sleep(10 * time.Second)
		goOn := r.hold()
		r.failing(nil)
		time.Sleep(1500 * time.Millisecond) // the next try has read, and does not return
		m := w.message("t", 1, "new")
		r.set(m)
		w.publish("t", 1, "new")
		w.settled()
		c.want(t, "new/1")
		c.Puback(1)
		goOn()
		time.Sleep(3 * time.Second)
		c.want(t, "new/1")
		c.Puback(2)
		w.settled()
		w.wantDone("c")
		w.wantWalked(c)
	})
}

// TestRetainedStoreHangs: nobody's live messages wait longer than one read takes, also of those whose turn is far.
func TestRetainedStoreHangs(t *testing.T) {
	inRetainedWorld(t, Config{Walks: 1}, func(t *testing.T, w *world, r *fakeRetained) {
		w.keep(r, 0, "t/1")
		goOn := r.hold()
		var all []*conn
		for i := range 5 {
			c := w.connect(fmt.Sprint("c", i))
			c.ask(t, session.Subscription{Filter: "t/#"})
			all = append(all, c)
		}
		w.publish("t/9", 0, "live")
		time.Sleep(walkRead - 500*time.Millisecond)
		synctest.Wait()
		for _, c := range all {
			c.want(t)
		}
		time.Sleep(time.Second)
		synctest.Wait()
		for _, c := range all {
			c.want(t, "live/0")
		}
		goOn()
		time.Sleep(30 * time.Second)
		for _, c := range all {
			c.want(t, "t/1/0")
			w.wantWalked(c)
		}
	})
}

// TestRetainedIDs: when packet ids run out in the middle of a page, the walk is not kept as further than its messages are.
func TestRetainedIDs(t *testing.T) {
	inRetainedWorld(t, Config{}, func(t *testing.T, w *world, r *fakeRetained) {
		names := numbered("t/", 1, 5)
		w.keep(r, 2, names...)
		c := w.connect("c")
		c.Subscribe(t.Context(), []session.Subscription{{Filter: "t/+", QoS: 2}})
		w.settled()
		c.mu.Lock()
		c.out.count = c.out.reserved - 2
		c.mu.Unlock()
		w.store.mu.Lock()
		w.store.wrote = func(_ string, s *stored, ch *session.Change) {
			for _, sub := range ch.SetSubs {
				if !sub.Retained && len(s.out) < len(names) {
					t.Errorf("the walk is kept as done with %d messages kept", len(s.out))
				}
			}
		}
		w.store.mu.Unlock()
		c.Retained()
		w.settled()
		if got := w.finish(c); !slices.Equal(got, with(names, "/2")) {
			t.Errorf("got %v", got)
		}
		w.store.mu.Lock()
		w.store.wrote = nil
		w.store.mu.Unlock()
		w.wantWalked(c)
		w.wantDone("c")
	})
}
