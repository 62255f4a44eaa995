package e2e

import (
	"fmt"
	"strings"
	"testing"

	"lmqgate/adapter/packet"
)

// TestRelay: messages of a producer that knows nothing of MQTT reach MQTT clients, under topics made of their tags, each at least
// once though the instance that relays them is killed among them; what MQTT clients publish is not relayed.
func TestRelay(t *testing.T) {
	t.Parallel()
	onEach(t, func(t *testing.T, b backend) {
		f := prepare(t, b, "RELAY_FROM=beginning")
		orders, first := f.first+"-orders", f.first+"-shop"
		for range 2 {
			f.add("RELAY_TOPICS=" + orders + "=" + first + "/{tag}").ready()
		}
		relays := func(i *instance) bool { return strings.Contains(i.log.tail(1000), `"msg":"relaying"`) }
		owner, other := f.instances[0], f.instances[1]
		eventually(t, soon, func() error {
			if relays(other) {
				owner, other = other, owner
			}
			if !relays(owner) {
				return fmt.Errorf("nobody relays")
			}
			return nil
		})
		if relays(other) {
			t.Error("both instances relay")
		}
		d := connected(t, f.first+"-d", packet.V5, other.tcp)
		d.subscribed(1, first+"/#", orders+"/#")
		const half = 200
		made := 0
		produce := func() {
			var list []rocketMessage
			for range half {
				list = append(list, rocketMessage{orders, fmt.Sprint("tag", made%3), fmt.Appendf(nil, "order %d", made), map[string]string{"city": "Graz"}})
				made++
			}
			f.produce(list...)
		}
		has := func(a arrival) bool {
			var n int
			_, err := fmt.Sscanf(a.payload, "order %d", &n)
			return err == nil && a.topic == fmt.Sprintf("%s/tag%d", first, n%3) && a.qos == 1
		}
		produce()
		if !d.gets(soon, half/4, has) {
			t.Fatal("nothing is relayed")
		}
		owner.kill()
		produce()
		// An MQTT client's message in the RocketMQ topic that is relayed comes as itself only.
		d.publish(orders+"/mine", 1, "mine", nil)
		eventually(t, soon, func() error {
			seen := map[string]bool{}
			for _, a := range d.received(has) {
				seen[a.payload] = true
			}
			if len(seen) < made {
				return fmt.Errorf("%d of %d messages", len(seen), made)
			}
			return nil
		})
		if !relays(other) {
			t.Error("the other instance has not taken over")
		}
		if !d.gets(soon, 1, func(a arrival) bool { return a.topic == orders+"/mine" }) {
			t.Error("a message of an MQTT client has not come")
		}
		if list := d.received(func(a arrival) bool { return !has(a) && a.topic != orders+"/mine" }); len(list) > 0 {
			t.Errorf("beside these: %+v", list)
		}
		if n := other.metric("lmqgate_relay_messages_total", `outcome="relayed"`); n < half {
			t.Errorf("%v relayed by the second instance", n)
		}
		d.sane()
	})
}
