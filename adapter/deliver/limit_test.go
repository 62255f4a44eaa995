package deliver

import (
	"context"
	"errors"
	"slices"
	"testing"

	"lmqgate/adapter/packet"
	"lmqgate/meta/session"
)

// onlyHeld refuses every filter but those given.
type onlyHeld map[string]bool

func (l onlyHeld) Refused(_ context.Context, filters []string) ([]bool, error) {
	refused := make([]bool, len(filters))
	for i, f := range filters {
		refused[i] = !l[f]
	}
	return refused, nil
}

// onlyOwn refuses every client but those given a queue of its own.
type onlyOwn map[string]error

func (l onlyOwn) Refused(_ context.Context, clientID string) (bool, error) {
	err, known := l[clientID]
	return !known, err
}

// TestTooManyOwnQueues: a new client beyond the limit has no queue of its own and works otherwise; one that is resumed keeps
// its own without being asked for, and one that cannot be asked for has one.
func TestTooManyOwnQueues(t *testing.T) {
	limit := onlyOwn{"a": nil, "b": errors.New("away")}
	inWorld(t, Config{P2P: true, Own: limit}, func(t *testing.T, w *world) {
		a, b, c := w.connect("a"), w.connect("b"), w.connect("c")
		c.subscribe(t, 1, "t")
		w.settled()
		if n := w.openWatches(); n != 3 {
			t.Errorf("%d queues read, want 3", n)
		}
		a.end()
		delete(limit, "a")
		w.tell("a", "a", 1, "for a")
		w.tell("a", "b", 1, "for b")
		w.tell("a", "c", 1, "for c")
		w.publish("t", 1, "for all")
		a = w.connect("a")
		for _, x := range []struct {
			c    *conn
			want string
		}{{a, "for a"}, {b, "for b"}, {c, "for all"}} {
			if got := x.c.drain(w); !slices.Equal(got, []string{x.want}) {
				t.Errorf("got %q, want %q", got, x.want)
			}
		}
	})
}

// TestTooManyFilters: one of several filters is refused, the others work, and so does one that the session has already.
func TestTooManyFilters(t *testing.T) {
	limit := onlyHeld{"a": true, "b": true}
	inWorld(t, Config{Limit: limit}, func(t *testing.T, w *world) {
		c := w.connect("c")
		c.subscribe(t, 0, "b")
		delete(limit, "b")
		codes := c.Subscribe(t.Context(), []session.Subscription{{Filter: "a"}, {Filter: "x"}, {Filter: "b", QoS: 1}})
		if codes[0] != 0 || codes[1] != packet.QuotaExceeded || codes[2] != 1 {
			t.Errorf("codes %v", codes)
		}
		w.publish("a", 0, "1")
		w.publish("x", 0, "2")
		w.publish("b", 1, "3")
		w.settled()
		got := c.link.publishes() // of two queues, in any order
		if slices.Sort(got); !slices.Equal(got, []string{"1/0", "3/1"}) {
			t.Errorf("got %v", got)
		}
	})
}
