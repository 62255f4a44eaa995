package e2e

import (
	"fmt"
	"math/rand/v2"
	"testing"
	"time"

	"lmqgate/e2e/parts"
	"lmqgate/infra/minimq"
)

// TestUnknownOutcomes has the broker lose sends, lose answers, cut connections behind a send and answer late while a crowd
// publishes: nothing acknowledged is lost, QoS 2 stays exactly once, order holds.
func TestUnknownOutcomes(t *testing.T) {
	t.Parallel()
	for _, seed := range seeds(t, scale(1, 1, 5)) {
		t.Run(fmt.Sprintf("seed %d", seed), func(t *testing.T) {
			f := start(t, 2, mini)
			c := newCrowd(f, seed, 2, 3, 3, scale(8, 15, 60))
			stop, stopped := make(chan struct{}), make(chan struct{})
			go func() {
				defer close(stopped)
				breakSends(f.minimq.Faults(), random(seed, 1, 1), stop)
			}()
			c.publish(c.total()*2/3, func() { close(stop) }) // what is unknown can be settled when sends get through
			<-stopped
			c.check()
		})
	}
}

// breakSends switches a fault on now and then.
func breakSends(faults *minimq.Faults, rng *rand.Rand, stop <-chan struct{}) {
	for {
		switch rng.IntN(5) {
		case 0:
			faults.LoseSends(1)
		case 1:
			faults.LoseAnswers(1)
		case 2:
			faults.CutAfterSends(1)
		case 3:
			faults.AckLate(2, time.Duration(50+rng.IntN(400))*time.Millisecond)
		case 4:
			faults.Busy(3, 2)
		}
		select {
		case <-stop:
			return
		case <-time.After(time.Duration(20+rng.IntN(300)) * time.Millisecond):
		}
	}
}

// TestBrokerAway stops the broker under load and starts it again: what was published waits or is repeated, nothing
// acknowledged is lost.
func TestBrokerAway(t *testing.T) {
	t.Parallel()
	f := start(t, 2, mini)
	c := newCrowd(f, seeds(t, 1)[0], 2, 3, 3, scale(8, 15, 60))
	c.publish(c.total()/3, func() {
		f.minimq.Faults().Down()
		<-time.After(2 * time.Second)
		must(t, f.minimq.Faults().Up())
	})
	c.check()
}

// TestRedisAway cuts both instances off from Redis under load, first for less than a lease, then for more: clients are
// sent away, and all goes on when Redis is back.
func TestRedisAway(t *testing.T) {
	t.Parallel()
	onEach(t, func(t *testing.T, b backend) {
		for _, away := range []time.Duration{3 * time.Second, 16 * time.Second} {
			t.Run(away.String(), func(t *testing.T) {
				t.Parallel()
				f := prepare(t, b)
				p := parts.Proxy(t, f.redis)
				f.env = append(f.env, "REDIS_URL=redis://"+p.Addr)
				f.add().ready()
				f.add().ready()
				c := newCrowd(f, seeds(t, 1)[0], 2, 3, 3, scale(8, 15, 60))
				c.publish(c.total()/3, func() {
					p.Cut()
					<-time.After(away)
					p.Mend()
				})
				c.check()
			})
		}
	})
}

// TestTwoBrokers spreads topics over two brokers, each of which stops for a while.
func TestTwoBrokers(t *testing.T) {
	t.Parallel()
	f := prepareOn(t, mini, minimq.Config{Brokers: 2, ReorderSends: true})
	f.add().ready()
	f.add().ready()
	c := newCrowd(f, seeds(t, 1)[0], 3, 3, 3, scale(8, 15, 60))
	c.publish(c.total()/3, func() {
		for _, broker := range f.minimq.Brokers() {
			broker.Faults().Down()
			<-time.After(time.Second)
			must(t, broker.Faults().Up())
		}
	})
	c.check()
}
