package dispatch

import (
	"fmt"
	"sync"
	"testing"
	"testing/synctest"

	"lmqgate/meta/message"
	"lmqgate/meta/topic"
)

// TestStrangers: a message to one client is dispatched to its queue if the client has a session, and to none if not; while
// nobody can tell it waits, and those that wait share their questions.
func TestStrangers(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		clients := &fakeClients{known: map[string]bool{"c1": true}}
		clients.fail.Store(2)
		p := &fakeProducer{t: t}
		d := New(&fakeMatcher{filters: map[string][]string{"a/p2p/c1": {"#"}}}, p, Config{P2P: true, Clients: clients})
		if _, err := d.Publish(t.Context(), &message.Message{Topic: "a/p2p/c1"}); err == nil {
			t.Error("QoS 0 while nobody can tell: no error")
		}
		const n = 300
		queues := make([]int, n)
		var all sync.WaitGroup
		for i := range n {
			all.Go(func() {
				r, err := d.Publish(t.Context(), &message.Message{Topic: fmt.Sprint("a/p2p/c", i%3), QoS: 1})
				if err != nil {
					t.Error(err)
				}
				queues[i] = r.Queues
			})
		}
		all.Wait()
		for i, k := range queues {
			if k == 1 != (i%3 == 1) {
				t.Errorf("message %d went to %d queues", i, k)
			}
		}
		for _, o := range p.logged() {
			if len(o.Dispatch) > 0 && o.Dispatch[0] != topic.P2PLMQ("c1") {
				t.Errorf("dispatched to %v", o.Dispatch)
			}
		}
		if k := clients.calls.Load(); k > 20 {
			t.Errorf("%d questions for %d messages", k, n)
		}
		if err := d.Close(t.Context()); err != nil {
			t.Error(err)
		}
	})
}
