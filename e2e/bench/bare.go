package main

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"sync"
	"sync/atomic"
	"time"

	"lmqgate/adapter/rocketmq"
)

// rocket is a bare client of the RocketMQ that the gateway uses.
func (b *bench) rocket() (*rocketmq.Client, error) {
	c, err := rocketmq.New(rocketmq.Config{NameServers: []string{b.namesrv}, TopicAutoCreate: true, Logger: slog.New(slog.DiscardHandler)})
	if err != nil {
		return nil, err
	}
	return c, c.Start(context.Background())
}

func closeRocket(c *rocketmq.Client) {
	ctx, cancel := context.WithTimeout(context.Background(), 5*time.Second)
	defer cancel()
	_ = c.Close(ctx)
}

// lane is one LMQ and the queue that its messages go to.
type lane struct {
	lmq   rocketmq.LMQ
	queue rocketmq.Queue
}

func (b *bench) lanes(c *rocketmq.Client, n int) ([]lane, error) {
	ctx, cancel := context.WithTimeout(context.Background(), 20*time.Second)
	defer cancel()
	base := b.topic()
	list := make([]lane, n)
	for i := range list {
		name := fmt.Sprintf("%s/%d", base, i)
		q, err := c.PickQueue(ctx, "bench", name)
		if err != nil {
			return nil, err
		}
		list[i] = lane{rocketmq.LMQ{Broker: q.Broker, Name: fmt.Sprintf("%%LMQ%%bench%%%x%%%d", time.Now().UnixNano(), i)}, q}
	}
	return list, nil
}

func (l lane) message() *rocketmq.OutMessage {
	return &rocketmq.OutMessage{Queue: l.queue, Tag: "BENCH", Dispatch: []string{l.lmq.Name}, Body: make([]byte, 64)}
}

type stamps struct {
	mu   sync.Mutex
	sent map[string]time.Time
	late []time.Duration
}

func (s *stamps) Pulled(r rocketmq.PullResult) bool {
	now := time.Now()
	s.mu.Lock()
	defer s.mu.Unlock()
	for _, m := range r.Messages {
		if at, ok := s.sent[m.Key]; ok {
			s.late = append(s.late, now.Sub(at))
			delete(s.sent, m.Key)
		}
	}
	return true
}

// bareLatency is the latency row without a gateway: send, held pull.
func (b *bench) bareLatency(n, rate int) ([]time.Duration, error) {
	c, err := b.rocket()
	if err != nil {
		return nil, err
	}
	defer closeRocket(c)
	list, err := b.lanes(c, n)
	if err != nil {
		return nil, err
	}
	s := &stamps{sent: map[string]time.Time{}}
	for _, l := range list {
		defer c.Watch(l.lmq, 0, s).Close()
	}
	gap := time.Second / time.Duration(rate)
	next := time.Now()
	warm := 2 * rate
	for i := range warm + int(b.seconds/gap) {
		if i == warm {
			s.mu.Lock()
			s.late = nil
			s.mu.Unlock()
		}
		m := list[i%n].message()
		m.Key = rocketmq.NewKey()
		s.mu.Lock()
		s.sent[m.Key] = time.Now()
		s.mu.Unlock()
		c.Send(m, func(rocketmq.SendResult, error) {})
		next = next.Add(gap)
		time.Sleep(time.Until(next))
	}
	time.Sleep(500 * time.Millisecond)
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.late, nil
}

// bareThroughput is how many sends a second n senders get through, one in flight each.
func (b *bench) bareThroughput(n int) (float64, error) {
	c, err := b.rocket()
	if err != nil {
		return 0, err
	}
	defer closeRocket(c)
	list, err := b.lanes(c, n)
	if err != nil {
		return 0, err
	}
	var count atomic.Int64
	var failed atomic.Value
	var wg sync.WaitGroup
	end := time.Now().Add(2*time.Second + b.seconds)
	for _, l := range list {
		wg.Go(func() {
			done := make(chan error, 1)
			for time.Now().Before(end) {
				c.Send(l.message(), func(_ rocketmq.SendResult, err error) { done <- err })
				if err := <-done; errors.Is(err, rocketmq.ErrBusy) {
					continue // thrown out by a busy broker: not stored, not counted
				} else if err != nil {
					failed.Store(err)
					continue
				}
				count.Add(1)
			}
		})
	}
	time.Sleep(2 * time.Second)
	before, at := count.Load(), time.Now()
	time.Sleep(b.seconds - 100*time.Millisecond)
	rate := float64(count.Load()-before) / time.Since(at).Seconds()
	wg.Wait()
	if err, ok := failed.Load().(error); ok {
		return rate, fmt.Errorf("bare send: %w", err)
	}
	return rate, nil
}
