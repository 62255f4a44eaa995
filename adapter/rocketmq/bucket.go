package rocketmq

import (
	"context"
	"sync"
	"time"
)

// bucket is a token bucket: rate tokens a second, burst at most at once.
type bucket struct {
	mu     sync.Mutex // protects the fields below
	rate   float64
	burst  float64
	tokens float64
	at     time.Time
}

func newBucket(rate, burst int, now time.Time) *bucket {
	return &bucket{rate: float64(rate), burst: float64(burst), tokens: float64(burst), at: now}
}

// take takes a token and returns how long to wait before it may be used.
func (b *bucket) take(now time.Time) time.Duration {
	b.mu.Lock()
	defer b.mu.Unlock()
	b.tokens = min(b.burst, b.tokens+now.Sub(b.at).Seconds()*b.rate)
	b.at = now
	b.tokens--
	if b.tokens >= 0 {
		return 0
	}
	return time.Duration(-b.tokens / b.rate * float64(time.Second))
}

// wait takes a token and waits until it may be used or ctx ends.
func (b *bucket) wait(ctx context.Context) error {
	return sleep(ctx, b.take(time.Now()))
}

// sleep waits for d or the end of ctx.
func sleep(ctx context.Context, d time.Duration) error {
	if d <= 0 {
		return context.Cause(ctx)
	}
	t := time.NewTimer(d)
	defer t.Stop()
	select {
	case <-t.C:
		return nil
	case <-ctx.Done():
		return context.Cause(ctx)
	}
}
