package e2e

import (
	"fmt"
	"sync"
	"testing"
	"time"

	"lmqgate/adapter/packet"
)

// TestRotation renews every connection several times under load, as MAX_CONNECTION_AGE does: clients are told to go between
// messages, find their session free wherever they connect, and lose nothing; no will is published.
func TestRotation(t *testing.T) {
	t.Parallel()
	onEach(t, func(t *testing.T, b backend) {
		for _, seed := range seeds(t, 1) {
			t.Run(fmt.Sprintf("seed %d", seed), func(t *testing.T) {
				f := start(t, 2, b, "MAX_CONNECTION_AGE=2s")
				rotations := scale(2, 3, 10)
				mourner := f.mourner(f.instances[0])
				c := newCrowd(f, seed, 2, 3, 3, 0)
				mourner.keep(c.pick)
				var work sync.WaitGroup
				for n := range 10 {
					work.Go(func() { f.rotated(t, n, rotations) })
				}
				c.publishUntil(4, func() bool { return c.renewed(rotations) })
				work.Wait()
				c.check()
				for _, d := range c.all() {
					d.wantEnds(packet.UseAnotherServer)
				}
				mourner.sane()
				if got := mourner.received(nil); len(got) > 0 {
					t.Errorf("wills were published: %v", payloads(got))
				}
			})
		}
	})
}

// publishUntil publishes so many messages of each kind again and again until it is enough.
func (c *crowd) publishUntil(per int, enough func() bool) {
	for !enough() {
		var work sync.WaitGroup
		for _, d := range c.publishers {
			work.Go(func() {
				for m := c.messages; m < c.messages+per; m++ {
					for qos := byte(1); qos <= 2; qos++ {
						d.publish(c.f.topic("g%d/%s/q%d", c.group(d), d.id, qos), qos, fmt.Sprintf("%s%d", c.prefix(d, qos), m), nil)
					}
				}
			})
		}
		work.Wait()
		c.messages += per
		<-time.After(50 * time.Millisecond) // a load, not a flood
	}
	for _, d := range c.publishers {
		d.flushed(2 * soon)
	}
}

// renewed reports whether every device has had so many connections after its first.
func (c *crowd) renewed(times int) bool {
	for _, d := range c.all() {
		d.mu.Lock()
		n := d.connects
		d.mu.Unlock()
		if n <= times {
			return false
		}
	}
	return true
}

// wantEnds requires that the server ended all connections of a 5.0 device with one code.
func (d *device) wantEnds(code packet.ReasonCode) {
	d.t.Helper()
	d.mu.Lock()
	defer d.mu.Unlock()
	for _, c := range d.ended {
		if c != code {
			d.t.Errorf("%s was told %v", d.id, c)
		}
	}
}

// rotated is a client with a will that connects again wherever it is told to go, a number of times, and says goodbye.
func (f *fleet) rotated(t *testing.T, n, times int) {
	v, id := version(n), fmt.Sprintf("rotates-%d", n)
	for turn := range times + 1 {
		i := f.instances[(n+turn)%2]
		w := f.mortal(t, []string{i.tcp, i.ws()}[n/2%2], v, id, func(c *packet.Connect) {
			if n%4 < 2 {
				kept(c)
			}
		})
		if turn == times {
			w.send(&packet.Disconnect{})
			w.wantEnd(t)
			return
		}
		end := w.wantEnd(t)
		if v != packet.V5 {
			if len(end) != 0 {
				t.Errorf("%s got %v", id, end)
			}
			continue
		}
		if len(end) != 1 || end[0].Type() != packet.DISCONNECT || end[0].(*packet.Disconnect).Code != packet.UseAnotherServer {
			t.Errorf("%s got %v", id, end)
		}
	}
}
