package gateway

import (
	"fmt"
	"net/http"
	"testing"

	"lmqgate/adapter/packet"
	"lmqgate/infra/minimq"
	"lmqgate/meta/topic"
)

// resets is lmqgate_queue_resets_total.
func (g *Gateway) resets(t *testing.T) float64 {
	t.Helper()
	families, err := g.reg.Gather()
	if err != nil {
		t.Fatal(err)
	}
	for _, f := range families {
		if f.GetName() == "lmqgate_queue_resets_total" {
			return f.GetMetric()[0].GetCounter().GetValue()
		}
	}
	t.Fatal("lmqgate_queue_resets_total is not exported")
	return 0
}

// took receives a message and acknowledges it.
func (c *peer) took(want string) {
	c.t.Helper()
	c.send(&packet.Puback{PacketID: c.receive(want).PacketID})
}

// TestQueueLosesItsEnd: a queue that is cut back, or begins at 0 again, while its broker restarts, does not stop a subscriber
// that is connected, nor one that is away: both get everything that is stored afterwards, once, although its offsets are
// those of messages that they have acknowledged (decisions 1 and 11). Each such cursor is counted.
func TestQueueLosesItsEnd(t *testing.T) {
	const before, after = 5, 3
	for name, fault := range map[string]func(f *minimq.Faults, lmq string){
		"cut back":    func(f *minimq.Faults, lmq string) { f.RollbackLMQ(lmq, 2) },
		"begins at 0": func(f *minimq.Faults, lmq string) { f.ResetLMQ(lmq) },
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			_, mq, cfg := shared(t)
			g := start(t, cfg)
			becomes(t, g, http.StatusOK)
			here, _ := dial(t, g, connect("here", 3600))
			away, _ := dial(t, g, connect("away", 3600))
			here.subscribe("reset/1", 1)
			away.subscribe("reset/1", 1)
			pub, _ := dial(t, g, connect("pub", 0))
			for i := range before {
				pub.publish("reset/1", fmt.Sprint("x", i))
				here.took(fmt.Sprint("x", i))
				away.took(fmt.Sprint("x", i))
			}
			away.send(&packet.Disconnect{})
			if p := away.next(); p != nil {
				t.Fatalf("%v behind DISCONNECT", p.Type())
			}
			if n := g.resets(t); n != 0 {
				t.Errorf("%v resets counted before any", n)
			}

			mq.Faults().Down()
			fault(mq.Faults(), topic.LMQ("reset/1"))
			if err := mq.Faults().Up(); err != nil {
				t.Fatal(err)
			}
			becomes(t, g, http.StatusOK)
			for i := range after {
				pub.publish("reset/1", fmt.Sprint("y", i))
				here.took(fmt.Sprint("y", i))
			}
			if n := g.resets(t); n < 1 {
				t.Errorf("%v resets counted with one reader", n)
			}
			counted := g.resets(t)
			away, ack := dial(t, g, connect("away", 3600))
			if !ack.SessionPresent {
				t.Error("the session is gone")
			}
			for i := range after {
				away.took(fmt.Sprint("y", i))
			}
			if n := g.resets(t); n <= counted {
				t.Errorf("%v resets counted, %v before the other reader came back", n, counted)
			}
			// Neither has anything twice: what comes next is next.
			pub.publish("reset/1", "z")
			here.took("z")
			away.took("z")
		})
	}
}
