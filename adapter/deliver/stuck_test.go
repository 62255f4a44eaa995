package deliver

import (
	"slices"
	"testing"
)

// TestOneNeverAcknowledged: behind a message that its client does not acknowledge a subscription gets as many as are
// remembered beyond it, 1024 with small windows, and then no more: the client's other subscriptions go on. The place is
// kept: the PUBACK, or one after a reconnect, lets it go on with the next message, none lost and none of them twice.
func TestOneNeverAcknowledged(t *testing.T) {
	const most, n = 1024, 1100
	for name, reconnect := range map[string]bool{"connected": false, "after a reconnect": true} {
		t.Run(name, func(t *testing.T) {
			inWorld(t, Config{Window: 4}, func(t *testing.T, w *world) {
				c := w.connect("c")
				c.subscribe(t, 1, "t")
				c.subscribe(t, 1, "u")
				var stuck uint16
				// take acknowledges all but the first message until nothing comes any more.
				take := func() (got []string) {
					for {
						w.settled()
						list := c.link.inboxOf(t)
						if len(list) == 0 {
							return got
						}
						for _, p := range list {
							got = append(got, string(p.Payload))
							if string(p.Payload) == "m0" {
								stuck = p.PacketID
								continue
							}
							c.Puback(p.PacketID)
						}
					}
				}
				w.publish("t", 1, numbered("m", 0, n)...)
				if got := take(); !slices.Equal(got, numbered("m", 0, most)) {
					t.Fatalf("got %d messages behind one that is not acknowledged, want %d", len(got), most)
				}
				w.publish("u", 1, "other")
				if got := take(); !slices.Equal(got, []string{"other"}) {
					t.Errorf("the other subscription got %v", got)
				}
				if reconnect {
					c = w.resume(c)
					if got := take(); !slices.Equal(got, []string{"m0"}) {
						t.Errorf("after the reconnect: %d messages, first %v", len(got), got[:min(3, len(got))])
					}
				}
				c.Puback(stuck)
				if got := take(); !slices.Equal(got, numbered("m", most, n-most)) {
					t.Errorf("got %d messages behind the PUBACK, first %v", len(got), got[:min(3, len(got))])
				}
				w.wantDone("c")
			})
		})
	}
}
