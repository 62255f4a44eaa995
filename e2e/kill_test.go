package e2e

import (
	"fmt"
	"testing"
)

// TestKill kills an instance under load without warning; its clients go to the other one. Nothing acknowledged is lost,
// QoS 2 stays exactly once from end to end, and order holds.
func TestKill(t *testing.T) {
	onEach(t, func(t *testing.T, b backend) {
		for _, seed := range seeds(t, scale(1, 2, 20)) {
			t.Run(fmt.Sprintf("seed %d", seed), func(t *testing.T) {
				f := start(t, 2, b)
				c := newCrowd(f, seed, scale(4, 20, 20), 5, 5, scale(4, 8, 20))
				c.publish(1+c.random(c.total()*3/4), f.instances[0].kill)
				c.check()
			})
		}
	})
}
