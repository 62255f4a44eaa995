package e2e

import (
	"fmt"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"lmqgate/adapter/packet"
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

// TestFlappingIsDamped: two devices with one client id, each of which connects again at once when it loses to the other,
// move the session no faster than is granted, and the log says who they are. A client that changes instances a few times
// is not kept waiting.
func TestFlappingIsDamped(t *testing.T) {
	t.Parallel()
	onEach(t, func(t *testing.T, b backend) {
		f := start(t, 2, b, "TAKEOVER_BURST=5")
		for n := range 5 {
			w := dialed(t, f.instances[n%2].tcp, version(n))
			w.connect(t, session(f.first+"-roams"))
		}
		waited := func() (sum float64) {
			for _, i := range f.instances {
				sum += i.metric("lmqgate_takeovers_held_total")
			}
			return sum
		}
		if n := waited(); n != 0 {
			t.Errorf("%v of 4 takeovers had to wait", n)
		}

		var accepted atomic.Int64
		enough := make(chan struct{})
		var work sync.WaitGroup
		began := time.Now()
		for n, i := range f.instances {
			work.Go(func() { f.insist(i.tcp, version(n), &accepted, 9, enough) })
		}
		work.Wait()
		// The first one takes over from nobody; five are granted at once, the others after 0.25, 0.5 and 1 s.
		if took := time.Since(began); took < 1750*time.Millisecond {
			t.Errorf("8 takeovers within %v", took)
		}
		if waited() == 0 {
			t.Error("nobody had to wait")
		}
		line := ""
		for _, i := range f.instances {
			line += i.log.after("taken over again and again", 1)
		}
		for _, want := range []string{`"client_id":"` + f.first + `-insists"`, `"address":"127.0.0.1"`, `"holder_address":"127.0.0.1"`} {
			if !strings.Contains(line, want) {
				t.Errorf("no %s in the log: %s", want, line)
			}
		}
	})
}

// insist connects again and again as fast as it can, until so many connections of all who insist were accepted.
func (f *fleet) insist(addr string, v packet.Version, accepted *atomic.Int64, most int64, enough chan struct{}) {
	for {
		w, err := dial(addr, v)
		if err != nil {
			f.t.Error(err)
			return
		}
		c := session(f.first + "-insists")
		c.Version = v
		w.send(&c)
		p, err := w.next(soon)
		if ack, ok := p.(*packet.Connack); ok && ack.Code == packet.Success {
			if accepted.Add(1) == most {
				close(enough)
			}
		}
		gone := make(chan struct{})
		go func() {
			defer close(gone)
			for err == nil {
				_, err = w.next(time.Hour)
			}
		}()
		select {
		case <-gone:
			w.cut()
		case <-enough:
			w.cut()
			<-gone
			return
		}
	}
}
