package main

import (
	"fmt"
	"syscall"
	"time"

	"lmqgate/adapter/packet"
)

// takeover measures CONNECT to CONNACK of a client that is connected to another instance.
func (b *bench) takeover() error {
	var p50, p99, told series
	for range b.runs {
		l, o, err := b.takeoverOnce(200)
		if err != nil {
			return err
		}
		p50, p99 = append(p50, ms(percentile(l, 0.5))), append(p99, ms(percentile(l, 0.99)))
		told = append(told, ms(percentile(o, 0.99)))
	}
	row("takeover on another instance, CONNECT to CONNACK, p50 ms", "%v", p50)
	row("the same, p99 ms", "%v", p99)
	row("the old connection is told (0x8E), p99 ms after CONNECT", "%v", told)
	for _, fate := range []string{"alive", "stalled", "dead"} {
		var ack50, ack99, first50, first99 series
		for range b.runs {
			acks, firsts, err := b.inherit(fate)
			if err != nil {
				return fmt.Errorf("old owner %s: %w", fate, err)
			}
			ack50, ack99 = append(ack50, ms(percentile(acks, 0.5))), append(ack99, ms(percentile(acks, 0.99)))
			first50, first99 = append(first50, ms(percentile(firsts, 0.5))), append(first99, ms(percentile(firsts, 0.99)))
		}
		row(fmt.Sprintf("takeover from an instance that is %s, 10 subscriptions, 5 messages in flight: CONNECT to CONNACK, p50 / p99 ms", fate), "%v / %v", ack50, ack99)
		row("the same, CONNECT to the first message sent again, p50 / p99 ms", "%v / %v", first50, first99)
	}
	return nil
}

// Clients of inherit.
const (
	heirs         = 100
	heirFilters   = 10
	heirsInFlight = 5
)

// inherit measures CONNECT to CONNACK, and to the first message that was in flight, of clients whose instance has a fate.
func (b *bench) inherit(fate string) (acks, firsts []time.Duration, err error) {
	prefix, base := b.prefix(), b.topic()
	var gs [2]*instance
	for i := range gs {
		if gs[i], err = b.run(prefix); err != nil {
			return nil, nil, err
		}
		defer gs[i].kill()
	}
	if err := b.bequeath(gs[0], base); err != nil {
		return nil, nil, err
	}
	switch fate {
	case "stalled":
		err = gs[0].cmd.Process.Signal(syscall.SIGSTOP)
	case "dead":
		gs[0].kill()
	}
	if err != nil {
		return nil, nil, err
	}
	for i := range heirs {
		first := make(chan time.Time, 64)
		at := time.Now()
		c, err := dial(gs[1].tcp, connectOptions{id: fmt.Sprint(base, i), expiry: 600, receive: 64, got: func(_ *packet.Publish, at time.Time) { first <- at }})
		if err != nil {
			return nil, nil, err
		}
		acks = append(acks, time.Since(at))
		defer c.conn.Close()
		if !c.present {
			return nil, nil, fmt.Errorf("client %d: the session is gone", i)
		}
		go c.read()
		for n := range heirsInFlight {
			select {
			case came := <-first:
				if n == 0 {
					firsts = append(firsts, came.Sub(at))
				}
			case <-time.After(20 * time.Second):
				return nil, nil, fmt.Errorf("client %d: %d of %d messages sent again", i, n, heirsInFlight)
			}
		}
	}
	return acks, firsts, nil
}

// bequeath connects the clients to the first instance, each with subscriptions and messages that it does not acknowledge.
func (b *bench) bequeath(g *instance, base string) error {
	pub, err := dial(g.tcp, connectOptions{id: base + "p"})
	if err != nil {
		return err
	}
	defer pub.conn.Close()
	go pub.read()
	for i := range heirs {
		came := make(chan struct{}, 64)
		c, err := dial(g.tcp, connectOptions{id: fmt.Sprint(base, i), expiry: 600, silent: true, got: func(*packet.Publish, time.Time) { came <- struct{}{} }})
		if err != nil {
			return err
		}
		go c.read() // ends with the instance or with the takeover
		p := &packet.Subscribe{PacketID: 1}
		for j := range heirFilters {
			p.Filters = append(p.Filters, packet.Subscription{Filter: fmt.Sprintf("%s/%d/%d", base, i, j), QoS: 1})
		}
		if err := c.ask(p); err != nil {
			return err
		}
		for j := range heirsInFlight {
			if err := pub.published(fmt.Sprintf("%s/%d/%d", base, i, j), 1, uint16(j+1), false); err != nil {
				return err
			}
		}
		for range heirsInFlight {
			select {
			case <-came:
			case <-time.After(20 * time.Second):
				return fmt.Errorf("client %d: not delivered", i)
			}
		}
	}
	return nil
}

func (b *bench) takeoverOnce(n int) (took, told []time.Duration, err error) {
	prefix := b.prefix()
	var gs [2]*instance
	for i := range gs {
		if gs[i], err = b.run(prefix); err != nil {
			return nil, nil, err
		}
		defer gs[i].kill()
	}
	id := prefix + "-t"
	old, err := dial(gs[0].tcp, connectOptions{id: id, expiry: 60})
	if err != nil {
		return nil, nil, err
	}
	if err := old.subscribe(b.topic(), 1); err != nil {
		return nil, nil, err
	}
	for i := range n {
		go old.read()
		at := time.Now()
		next, err := dial(gs[(i+1)%2].tcp, connectOptions{id: id, expiry: 60})
		if err != nil {
			return nil, nil, err
		}
		took = append(took, time.Since(at))
		select {
		case code := <-old.bye:
			if code != packet.SessionTakenOver {
				return nil, nil, fmt.Errorf("old connection was told %v", code)
			}
			told = append(told, time.Since(at))
		case <-time.After(20 * time.Second):
			return nil, nil, fmt.Errorf("old connection was not told")
		}
		old.conn.Close()
		old = next
	}
	old.conn.Close()
	return took, told, nil
}
