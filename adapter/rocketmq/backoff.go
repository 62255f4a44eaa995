package rocketmq

import (
	"math/rand/v2"
	"time"
)

// backoff returns how long to wait after the n-th failure in a row (from 1):
// first doubled each time up to limit, and of that a random half to whole.
func backoff(n int, first, limit time.Duration) time.Duration {
	d := first << min(max(n-1, 0), 20)
	if d > limit || d <= 0 {
		d = limit
	}
	return jitter(d)
}

// jitter returns a random time between half of d and d.
func jitter(d time.Duration) time.Duration {
	if d <= 1 {
		return d
	}
	return d/2 + rand.N(d/2)
}
