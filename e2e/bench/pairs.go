package main

import (
	"fmt"
	"sync"
	"sync/atomic"
	"time"

	"lmqgate/adapter/packet"
)

// pair is a publisher and the subscriber of its topic.
type pair struct {
	pub, sub *mqtt
	topic    string
	mu       sync.Mutex
	late     []time.Duration
	count    atomic.Int64
}

// pairs connects n of them; expiry is that of the subscribers' sessions.
func (b *bench) pairs(addr string, n int, expiry uint32) ([]*pair, func(), error) {
	list := make([]*pair, n)
	base := b.topic()
	stop := func() {
		for _, p := range list {
			if p != nil && p.pub != nil {
				p.pub.conn.Close()
				p.sub.conn.Close()
			}
		}
	}
	for i := range list {
		p := &pair{topic: fmt.Sprintf("%s/%d", base, i)}
		var err error
		p.sub, err = dial(addr, connectOptions{id: fmt.Sprintf("%s-s%d", base, i), expiry: expiry, got: p.got})
		if err == nil {
			err = p.sub.subscribe(p.topic, 1)
		}
		if err == nil {
			p.pub, err = dial(addr, connectOptions{id: fmt.Sprintf("%s-p%d", base, i)})
		}
		if err != nil {
			return nil, stop, err
		}
		go p.sub.read()
		go p.pub.read()
		list[i] = p
	}
	return list, stop, nil
}

func (p *pair) got(m *packet.Publish, at time.Time) {
	p.count.Add(1)
	p.mu.Lock()
	p.late = append(p.late, at.Sub(sentAt(m.Payload)))
	p.mu.Unlock()
}

// latency: 20 pairs, 200 messages a second in all, QoS 1, and the same over bare RocketMQ.
func (b *bench) latency() error {
	var p50, p99, bare50, bare99 series
	for range b.runs {
		l, err := b.latencyOnce(20, 200)
		if err != nil {
			return err
		}
		p50, p99 = append(p50, ms(percentile(l, 0.5))), append(p99, ms(percentile(l, 0.99)))
		if l, err = b.bareLatency(20, 200); err != nil {
			return err
		}
		bare50, bare99 = append(bare50, ms(percentile(l, 0.5))), append(bare99, ms(percentile(l, 0.99)))
	}
	row("20 pairs, 200 msg/s, QoS 1, publish to delivery, p50 ms", "%v", p50)
	row("the same, p99 ms", "%v", p99)
	row("bare RocketMQ, send to held pull's answer, p50 ms", "%v", bare50)
	row("the same, p99 ms", "%v", bare99)
	return nil
}

func (b *bench) latencyOnce(n, rate int) ([]time.Duration, error) {
	g, err := b.run(b.prefix())
	if err != nil {
		return nil, err
	}
	defer g.kill()
	list, stop, err := b.pairs(g.tcp, n, 0)
	defer stop()
	if err != nil {
		return nil, err
	}
	paced(list, rate, 2*time.Second) // warm-up
	for _, p := range list {
		p.mu.Lock()
		p.late = nil
		p.mu.Unlock()
	}
	paced(list, rate, b.seconds)
	time.Sleep(500 * time.Millisecond)
	var all []time.Duration
	for _, p := range list {
		p.mu.Lock()
		all = append(all, p.late...)
		p.mu.Unlock()
	}
	if want := int(b.seconds.Seconds()) * rate; len(all) < want*99/100 {
		return nil, fmt.Errorf("%d of %d messages delivered", len(all), want)
	}
	return all, nil
}

// paced publishes at a rate over all pairs, one after the other.
func paced(list []*pair, rate int, d time.Duration) {
	gap := time.Second / time.Duration(rate)
	next := time.Now()
	for i := 0; i < int(d/gap); i++ {
		p := list[i%len(list)]
		_ = p.pub.publish(p.topic, 1, uint16(i/len(list)%60000+1), 64)
		next = next.Add(gap)
		time.Sleep(time.Until(next))
	}
}

// throughput: 100 pairs, one message in flight each.
func (b *bench) throughput() error {
	var rate, cpu, bare, share series
	for range b.runs {
		r, c, err := b.throughputOnce(100)
		if err != nil {
			return err
		}
		br, err := b.bareThroughput(100)
		if err != nil {
			return err
		}
		rate, cpu, bare, share = append(rate, r), append(cpu, c), append(bare, br), append(share, 100*r/br)
	}
	row("100 pairs, window 1, QoS 1, delivered msg/s", "%v", rate)
	row("the same, CPU of the gateway per message, us", "%v", cpu)
	row("bare RocketMQ sends, 100 in flight, one LMQ each, msg/s", "%v", bare)
	row("share of bare RocketMQ, %", "%v", share)
	return nil
}

func (b *bench) throughputOnce(n int) (rate, cpu float64, err error) {
	g, err := b.run(b.prefix())
	if err != nil {
		return 0, 0, err
	}
	defer g.kill()
	list, stop, err := b.pairs(g.tcp, n, 0)
	if err != nil {
		stop()
		return 0, 0, err
	}
	var wg sync.WaitGroup
	end := time.Now().Add(2*time.Second + b.seconds)
	for _, p := range list {
		wg.Go(func() {
			for id := uint16(1); time.Now().Before(end); id = id%60000 + 1 {
				_ = p.pub.publish(p.topic, 1, id, 64)
				select {
				case <-p.pub.acks:
				case <-time.After(10 * time.Second):
					return
				}
			}
		})
	}
	time.Sleep(2 * time.Second)
	sum := func() (n int64) {
		for _, p := range list {
			n += p.count.Load()
		}
		return n
	}
	before, used, at := sum(), g.cpu(), time.Now()
	b.profile(g, "throughput", func() { time.Sleep(b.seconds - 100*time.Millisecond) })
	done := float64(sum() - before)
	used = g.cpu() - used
	rate = done / time.Since(at).Seconds()
	wg.Wait()
	stop()
	return rate, float64(used.Microseconds()) / done, nil
}
