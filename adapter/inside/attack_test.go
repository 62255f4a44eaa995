package inside

import (
	"strings"
	"testing"

	"lmqgate/meta/message"
	"lmqgate/meta/session"
)

// TestQueueCountsPositions: a reader that came with a position of invented brokers has it with every message.
func TestQueueCountsPositions(t *testing.T) {
	q := newQueue()
	q.put(message.Arrival{Message: &message.Message{Topic: "a"}, Position: message.Position(strings.Repeat("A", mostQueuedBytes))})
	if !q.isFull() {
		t.Error("a queue that holds more than its bound is not full")
	}
	if _, ok := q.get(); !ok || q.bytes != 0 {
		t.Errorf("%d bytes are held by an empty queue", q.bytes)
	}
}

// TestResumeTakesOneCursorOfABroker: a position that says the same place twice does not make two cursors.
func TestResumeTakesOneCursorOfABroker(t *testing.T) {
	place := func(broker string, next int64) session.Place {
		return session.Place{Hash: session.FilterHash("a/#"), Cursor: session.Cursor{CursorKey: session.CursorKey{Broker: broker}, Next: next}}
	}
	c := &Conn{q: message.ReadRequest{Filters: []string{"a/#"}}, from: []session.Place{place("b1", 5), place("b1", 7), place("b2", 9), place("b1", 5)}}
	st := &session.State{Subscriptions: []session.Subscription{{Filter: "a/#"}}}
	c.Resume(st, func(string) bool { return true })
	if len(st.Cursors) != 2 || st.Cursors[0].Next != 5 || st.Cursors[1].Next != 9 {
		t.Errorf("the cursors are %+v", st.Cursors)
	}
}
