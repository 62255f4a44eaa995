package main

import (
	"bytes"
	"errors"
	"fmt"
	"net"
	"sync/atomic"
	"time"

	"lmqgate/adapter/packet"
)

// overload measures what asks for more than usual.
func (b *bench) overload() error {
	for _, one := range []func() error{b.manyRetained, b.manyFilters, b.slowReaders} {
		if err := one(); err != nil {
			return err
		}
	}
	return nil
}

// manyRetained sends 100,000 retained messages to one new subscriber.
func (b *bench) manyRetained() error {
	const n = 100_000
	prefix, base := b.prefix(), b.topic()
	if err := b.retain(prefix, base, n); err != nil {
		return err
	}
	g, err := b.run(prefix)
	if err != nil {
		return err
	}
	defer g.kill()
	var count atomic.Int64
	c, err := dial(g.tcp, connectOptions{id: base, receive: 1000, got: func(*packet.Publish, time.Time) { count.Add(1) }})
	if err != nil {
		return err
	}
	defer c.conn.Close()
	before, used, at := g.resident(), g.cpu(), time.Now()
	if err := c.subscribe(base+"/#", 1); err != nil {
		return err
	}
	go c.read()
	for last := int64(-1); count.Load() < n; time.Sleep(100 * time.Millisecond) {
		if time.Since(at) > time.Minute && count.Load() == last {
			return fmt.Errorf("%d of %d retained messages came", last, n)
		}
		last = count.Load()
	}
	took := time.Since(at)
	row("100,000 retained messages of 64 bytes to one new subscriber, QoS 1: s; CPU of the gateway per message, us", "%.1f; %.1f",
		took.Seconds(), float64((g.cpu()-used).Microseconds())/n)
	row("the same, memory of the gateway, most above before, MiB", "%.1f", float64(g.peak()-before)/(1<<20))
	return nil
}

// retain publishes retained messages, through an instance of their own so that what it used is not measured.
func (b *bench) retain(prefix, base string, n int) error {
	const publishers = 8
	g, err := b.run(prefix)
	if err != nil {
		return err
	}
	defer g.kill()
	errs := make(chan error, publishers)
	for i := range publishers {
		go func() { errs <- retainPart(g.tcp, base, i, n, publishers) }()
	}
	var all []error
	for range publishers {
		all = append(all, <-errs)
	}
	if err := errors.Join(all...); err != nil {
		return fmt.Errorf("set up: %w", err)
	}
	return nil
}

// retainPart publishes to every step-th topic below n, from the topic numbered from, and waits until all are taken. An
// acknowledgement gives its packet id back to be used again.
func retainPart(addr, base string, from, n, step int) error {
	const window = 32
	c, err := dial(addr, connectOptions{id: fmt.Sprint(base, "-", from)})
	if err != nil {
		return err
	}
	defer c.leave()
	for id := range window {
		c.acks <- uint16(id + 1)
	}
	go c.read()
	free := func() (uint16, error) {
		select {
		case id := <-c.acks:
			return id, nil
		case <-c.gone:
			return 0, errors.New("connection ended")
		case <-time.After(time.Minute):
			return 0, errors.New("not acknowledged")
		}
	}
	payload := bytes.Repeat([]byte("x"), 64)
	for i := from; i < n; i += step {
		id, err := free()
		if err != nil {
			return err
		}
		p := &packet.Publish{Topic: fmt.Sprintf("%s/%d", base, i), QoS: 1, Retain: true, PacketID: id, Payload: payload}
		if err := c.send(p); err != nil {
			return err
		}
	}
	for range window {
		if _, err := free(); err != nil {
			return err
		}
	}
	return nil
}

// manyFilters has one client subscribe to 10,000 filters and come back.
func (b *bench) manyFilters() error {
	const n, each = 10_000, 500
	base := b.topic()
	g, err := b.run(b.prefix(), fmt.Sprint("MAX_SUBSCRIPTIONS=", n))
	if err != nil {
		return err
	}
	defer g.kill()
	o := connectOptions{id: base, expiry: 600}
	c, err := dial(g.tcp, o)
	if err != nil {
		return err
	}
	go c.read()
	before, at := g.resident(), time.Now()
	for i := 0; i < n; {
		p := &packet.Subscribe{PacketID: 1}
		for range each {
			p.Filters = append(p.Filters, packet.Subscription{Filter: fmt.Sprintf("%s/%d/+", base, i), QoS: 1})
			i++
		}
		if err := c.ask(p); err != nil {
			return err
		}
	}
	took := time.Since(at)
	time.Sleep(2 * time.Second)
	memory := g.resident() - before
	c.conn.Close()
	<-c.gone
	time.Sleep(500 * time.Millisecond)
	at = time.Now()
	if c, err = dial(g.tcp, o); err != nil {
		return err
	}
	back := time.Since(at)
	defer c.conn.Close()
	if !c.present {
		return fmt.Errorf("the session with %d subscriptions is gone", n)
	}
	row("10,000 subscriptions of one client, 500 in each SUBSCRIBE: s; memory of the gateway, MiB", "%.1f; %.1f", took.Seconds(), float64(memory)/(1<<20))
	row("the same, CONNECT to CONNACK when it comes back, ms", "%.0f", ms(back))
	return nil
}

// slowReaders measures a fan-out some of whose subscribers do not read.
func (b *bench) slowReaders() error {
	const subs, slow, rate, size = 200, 20, 50, 1024
	for _, qos := range []byte{0, 1} {
		g, err := b.run(b.prefix())
		if err != nil {
			return err
		}
		defer g.kill()
		topic := b.topic()
		var count atomic.Int64
		for i := range subs {
			c, err := dial(g.tcp, connectOptions{id: fmt.Sprint(topic, i), got: func(*packet.Publish, time.Time) { count.Add(1) }})
			if err != nil {
				return err
			}
			defer c.conn.Close()
			if t, ok := c.conn.(*net.TCPConn); ok && i < slow {
				_ = t.SetReadBuffer(4096)
			}
			if err := c.subscribe(topic, qos); err != nil {
				return err
			}
			if i >= slow {
				go c.read()
			}
		}
		pub, err := dial(g.tcp, connectOptions{id: topic})
		if err != nil {
			return err
		}
		defer pub.conn.Close()
		go pub.read()
		before, used := g.resident(), g.cpu()
		next := time.Now()
		sent := int(b.seconds.Seconds()) * rate
		for i := range sent {
			if err := pub.publish(topic, 1, uint16(i+1), size); err != nil {
				return err
			}
			next = next.Add(time.Second / rate)
			time.Sleep(time.Until(next))
		}
		want := int64(sent * (subs - slow))
		if err := until(func() bool { return count.Load() >= want*99/100 }); err != nil {
			return fmt.Errorf("%d of %d deliveries to those who read: %w", count.Load(), want, err)
		}
		row(fmt.Sprintf("1 -> %d fan-out, QoS %d, %d of them do not read, %d msg/s of 1 KiB: CPU of the gateway per delivery, us", subs, qos, slow, rate),
			"%.1f", float64((g.cpu()-used).Microseconds())/float64(count.Load()))
		row("the same, memory of the gateway, most above before, MiB", "%.1f", float64(g.peak()-before)/(1<<20))
		g.kill()
	}
	return nil
}
