package e2e

import (
	"fmt"
	"testing"

	"lmqgate/adapter/packet"
)

// TestOverlap: a client with overlapping filters gets one copy of a message (decision 10), clients with one filter each
// one copy each; publishers are on the other instance.
func TestOverlap(t *testing.T) {
	onEach(t, func(t *testing.T, b backend) {
		f := start(t, 2, b)
		filters := []string{f.topic("b"), f.topic("+"), f.topic("#"), "#", "+/b"}
		var subscribers []*device
		for i, filter := range filters {
			d := connected(t, fmt.Sprintf("one-filter-%d", i), version(i), f.instances[0].tcp)
			must(t, d.subscribe(2, filter))
			subscribers = append(subscribers, d)
		}
		for i, v := range []packet.Version{packet.V311, packet.V5} {
			together := connected(t, fmt.Sprintf("all-filters-%d", i), v, f.instances[i].ws())
			must(t, together.subscribe(2, filters...))
			apart := connected(t, fmt.Sprintf("one-by-one-%d", i), v, f.instances[i].tcp)
			for _, filter := range filters {
				must(t, apart.subscribe(2, filter))
			}
			subscribers = append(subscribers, together, apart)
		}
		n := scale(20, 100, 500)
		var publishers []*device
		for i := range 2 {
			publishers = append(publishers, connected(t, fmt.Sprintf("publisher-%d", i), version(i), f.instances[1].tcp))
		}
		prefix := func(p int, qos byte) string { return fmt.Sprintf("%s p%d q%d ", f.first, p, qos) }
		for m := range n {
			for p, d := range publishers {
				for qos := range byte(3) {
					d.publish(f.topic("b"), qos, fmt.Sprintf("%s%d", prefix(p, qos), m), nil)
				}
			}
		}
		for _, d := range publishers {
			d.flushed(soon)
			d.sane()
		}
		for _, s := range subscribers {
			for p := range publishers {
				for qos := range byte(3) {
					gotExactly(t, s, prefix(p, qos), numbered(prefix(p, qos), n))
				}
			}
			for _, a := range s.received(with(f.first)) {
				if a.dup || a.retain || a.topic != f.topic("b") || a.payload[len(f.first)+5]-'0' != a.qos {
					t.Errorf("%s: got %+v", s.id, a)
					break
				}
			}
			s.sane()
		}
	})
}

// version alternates between the versions.
func version(i int) packet.Version {
	if i%2 == 0 {
		return packet.V5
	}
	return packet.V311
}
