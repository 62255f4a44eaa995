package e2e

import (
	"fmt"
	"testing"

	"lmqgate/adapter/packet"
)

// TestPointToPointKill: devices that subscribe to nothing get what is sent to them while their instance is killed and they move
// to the other one, and while they are away: everything, in order, of QoS 2 once; and nothing that is sent to another.
func TestPointToPointKill(t *testing.T) {
	t.Parallel()
	onEach(t, func(t *testing.T, b backend) {
		f := start(t, 2, b)
		const n = 4
		var devices []*device
		var topics []string
		for i := range n {
			d := newDevice(t, fmt.Sprint(f.first, "-", i), version(i))
			must(t, d.connect(f.instances[0].tcp))
			d.keep(f.living())
			devices, topics = append(devices, d), append(topics, f.topic("p2p/%s/to", d.id))
		}
		away := newDevice(t, f.first+"-away", packet.V5)
		must(t, away.connect(f.instances[0].tcp))
		away.disconnect()
		topics = append(topics, f.topic("p2p/%s", away.id))

		const messages = 40 * (n + 1)
		l := f.newLoadOn(topics, 2)
		l.pour(messages, moment{messages / 3, f.instances[0].kill})
		must(t, away.connect(f.instances[1].tcp))
		for i, d := range append(devices, away) {
			var want []string
			for m := i; m < messages; m += n + 1 {
				want = append(want, fmt.Sprintf("%s %d", f.first, m))
			}
			if !d.gets(2*soon, len(want), nil) {
				t.Errorf("%s waits", d.id)
			}
			d.sane()
			if diff := difference(want, payloads(d.received(nil))); diff != "" {
				t.Errorf("%s: %s", d.id, diff)
			}
		}
	})
}
