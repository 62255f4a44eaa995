package deliver

import (
	"context"
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
