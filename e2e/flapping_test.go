package e2e

import (
	"fmt"
	"sync"
	"testing"
	"time"
)

// TestFlapping breaks and takes over connections at random while messages flow: subscribers and publishers lose their
// connection, or connect on the other instance while the old connection stands. The promises of TestKill hold.
func TestFlapping(t *testing.T) {
	t.Parallel()
	onEach(t, func(t *testing.T, b backend) {
		for _, seed := range seeds(t, scale(1, 1, 10)) {
			t.Run(fmt.Sprintf("seed %d", seed), func(t *testing.T) {
				f := start(t, 2, b)
				c := newCrowd(f, seed, 2, 3, 3, scale(50, 400, 2000))
				stop := make(chan struct{})
				var work sync.WaitGroup
				work.Go(func() { c.flap(stop) })
				c.publish(c.total()*2/3, func() { close(stop) })
				work.Wait()
				c.check()
			})
		}
	})
}

// flap disturbs a random client again and again: subscribers mostly, since a publisher that comes back waits for seconds
// before its QoS 2 message of unknown outcome goes on, and would never get anywhere.
func (c *crowd) flap(stop <-chan struct{}) {
	for n := 1; ; n++ {
		d := c.subscribers[c.random(len(c.subscribers))]
		if n%200 == 0 {
			d = c.publishers[c.random(len(c.publishers))]
		}
		if c.random(2) == 0 {
			d.cut()
		} else {
			_ = d.connect(c.pick()) // takes the session from the connection that stands
		}
		select {
		case <-stop:
			return
		case <-time.After(time.Duration(2+c.random(20)) * time.Millisecond):
		}
	}
}

// TestRollingRestart replaces the instances one after the other under load, with SIGTERM and with SIGKILL by turns.
func TestRollingRestart(t *testing.T) {
	t.Parallel()
	onEach(t, func(t *testing.T, b backend) {
		for _, seed := range seeds(t, scale(1, 1, 5)) {
			t.Run(fmt.Sprintf("seed %d", seed), func(t *testing.T) {
				f := prepare(t, b, "DRAIN_TIMEOUT=2s")
				f.add().ready()
				f.add().ready()
				c := newCrowd(f, seed, 2, 3, 3, scale(20, 60, 200))
				c.publish(c.total()/10, func() {
					for n := range scale(2, 3, 6) {
						c.joined(f.add())
						going := f.instances[n]
						if n%2 == 0 {
							going.kill()
						} else if status := going.terminate(); status != 0 {
							t.Errorf("exit status %d", status)
						}
					}
				})
				c.check()
			})
		}
	})
}
