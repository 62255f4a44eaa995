package e2e

import (
	"fmt"
	"testing"

	"lmqgate/adapter/packet"
)

// TestAbsent: a persistent subscriber leaves, messages are published, it returns on the other instance and gets them all,
// in order.
func TestAbsent(t *testing.T) {
	onEach(t, func(t *testing.T, b backend) {
		f := start(t, 2, b)
		n := scale(100, 1000, 5000)
		subscribers := []*device{
			connected(t, "absent-v5", packet.V5, f.instances[0].ws()),
			connected(t, "absent-v311", packet.V311, f.instances[0].tcp),
			connected(t, "absent-slow", packet.V5, f.instances[0].tcp), // takes few at a time
		}
		subscribers[2].receiveMax = 3
		for i, s := range subscribers {
			must(t, s.subscribe(2, f.topic("to/%d", i), f.topic("all/+")))
			if i == 1 {
				s.cut() // no goodbye
			} else {
				s.disconnect()
			}
		}
		publisher := connected(t, "publisher", packet.V5, f.instances[0].tcp)
		prefix := func(qos byte) string { return fmt.Sprintf("%s q%d ", f.first, qos) }
		for m := range n {
			for qos := byte(1); qos <= 2; qos++ {
				publisher.publish(f.topic("all/q%d", qos), qos, fmt.Sprintf("%s%d", prefix(qos), m), nil)
			}
		}
		publisher.flushed(2 * soon)
		publisher.sane()
		for _, s := range subscribers {
			must(t, s.connect(f.instances[1].tcp))
		}
		for _, s := range subscribers {
			for qos := byte(1); qos <= 2; qos++ {
				gotExactly(t, s, prefix(qos), numbered(prefix(qos), n))
			}
			s.sane()
			if s.packets != 2*n {
				t.Errorf("%s: %d PUBLISH packets for %d messages", s.id, s.packets, 2*n)
			}
		}
	})
}
