package e2e

import (
	"fmt"
	"sync/atomic"
	"testing"
)

// TestFailpoints kills an instance at the n-th passing of a point before or behind a write to Redis or a send to RocketMQ,
// for a sample of the n that the load reaches. The promises of TestKill hold.
func TestFailpoints(t *testing.T) {
	points := []struct {
		name   string
		passes int // about how often the load passes the point
	}{
		{"redis.before", 120}, {"redis.after", 120}, {"dispatch.before_send", 55}, {"dispatch.after_send", 55}, {"any", 300},
	}
	onEach(t, func(t *testing.T, b backend) {
		var reached, runs atomic.Int32
		t.Run("kill", func(t *testing.T) {
			for _, seed := range seeds(t, 1) {
				for p, point := range points {
					for s := range scale(1, 3, 40) {
						rng := random(seed, p, s)
						spec := fmt.Sprintf("%s:%d", point.name, 1+rng.IntN(point.passes))
						t.Run(fmt.Sprintf("%s seed %d", spec, seed), func(t *testing.T) {
							t.Parallel()
							if failAt(t, b, spec, rng.Uint64()) {
								reached.Add(1)
							}
							runs.Add(1)
						})
					}
				}
			}
		})
		t.Logf("%d of %d points reached", reached.Load(), runs.Load())
		if reached.Load() < runs.Load()/2 {
			t.Error("too few points are reached: the load is too small")
		}
	})
}

// failAt runs a small load on an instance that kills itself, and on a second one that takes over. It reports whether the
// point was reached.
func failAt(t *testing.T, b backend, spec string, seed uint64) bool {
	f := prepare(t, b)
	doomed, other := f.add("LMQGATE_TEST_FAILPOINT="+spec), f.add()
	other.ready()
	c := newCrowd(f, seed, 1, 2, 2, 15)
	c.publish(c.total(), func() {})
	c.check()
	return doomed.isExited()
}
