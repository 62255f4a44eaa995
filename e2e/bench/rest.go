package main

import (
	"fmt"
	"net"
	"os"
	"sync"
	"sync/atomic"
	"time"

	"lmqgate/adapter/packet"
)

// start measures from the process's start to an accepted connection, and its memory then.
func (b *bench) start() error {
	var accept, memory, first series
	for range b.runs {
		for _, embedded := range []bool{false, true} {
			at := time.Now()
			g, err := b.begin(b.prefix(), embedded)
			if err != nil {
				return err
			}
			for {
				c, err := net.Dial("tcp", g.tcp)
				if err == nil {
					c.Close()
					break
				}
				if time.Since(at) > 20*time.Second {
					return fmt.Errorf("no connection accepted: %w\n%s", err, g.end())
				}
				time.Sleep(200 * time.Microsecond)
			}
			if embedded {
				err = b.firstDelivery(g)
				first = append(first, ms(time.Since(at)))
			} else {
				accept = append(accept, ms(time.Since(at)))
				time.Sleep(2 * time.Second)
				memory = append(memory, float64(g.resident())/(1<<20))
			}
			g.kill()
			if err != nil {
				return err
			}
		}
	}
	row("start to accepting, ms", "%v", accept)
	row("embedded: start to the first delivered message, ms", "%v", first)
	row("resident at start, MiB", "%v", memory)
	if st, err := os.Stat(b.bin); err == nil {
		row("binary, MiB", "%.1f", float64(st.Size())/(1<<20))
	}
	return nil
}

func (b *bench) firstDelivery(g *instance) error {
	got := make(chan struct{}, 1)
	topic := b.topic()
	sub, err := dial(g.tcp, connectOptions{id: "s", got: func(*packet.Publish, time.Time) { got <- struct{}{} }})
	if err != nil {
		return err
	}
	defer sub.conn.Close()
	if err := sub.subscribe(topic, 1); err != nil {
		return err
	}
	go sub.read()
	pub, err := dial(g.tcp, connectOptions{id: "p"})
	if err != nil {
		return err
	}
	defer pub.conn.Close()
	if err := pub.publish(topic, 1, 1, 8); err != nil {
		return err
	}
	select {
	case <-got:
		return nil
	case <-time.After(10 * time.Second):
		return fmt.Errorf("first message not delivered")
	}
}

// fanout measures the gateway's CPU for one delivery.
func (b *bench) fanout() error {
	for _, f := range []struct {
		subs, rate int
		qos        byte
	}{{200, 50, 1}, {1000, 20, 0}} {
		var cost, p99 series
		for range b.runs {
			c, l, err := b.fanoutOnce(f.subs, f.rate, f.qos)
			if err != nil {
				return err
			}
			cost, p99 = append(cost, c), append(p99, ms(percentile(l, 0.99)))
		}
		row(fmt.Sprintf("1 -> %d fan-out, QoS %d, %d msg/s: CPU of the gateway per delivery, us", f.subs, f.qos, f.rate), "%v", cost)
		row("the same, publish to delivery, p99 ms", "%v", p99)
	}
	return nil
}

func (b *bench) fanoutOnce(n, rate int, qos byte) (float64, []time.Duration, error) {
	g, err := b.run(b.prefix())
	if err != nil {
		return 0, nil, err
	}
	defer g.kill()
	topic := b.topic()
	var count atomic.Int64
	var mu sync.Mutex
	var late []time.Duration
	got := func(p *packet.Publish, at time.Time) {
		if count.Add(1)%7 == 0 { // a sample, so that the load does not measure itself
			mu.Lock()
			late = append(late, at.Sub(sentAt(p.Payload)))
			mu.Unlock()
		}
	}
	for i := range n {
		sub, err := dial(g.tcp, connectOptions{id: fmt.Sprintf("f%d", i), got: got})
		if err != nil {
			return 0, nil, err
		}
		defer sub.conn.Close()
		if err := sub.subscribe(topic, qos); err != nil {
			return 0, nil, err
		}
		go sub.read()
	}
	pub, err := dial(g.tcp, connectOptions{id: "pub"})
	if err != nil {
		return 0, nil, err
	}
	defer pub.conn.Close()
	go pub.read()
	list := []*pair{{pub: pub, topic: topic}}
	paced(list, rate, 2*time.Second)
	time.Sleep(300 * time.Millisecond)
	before, used := count.Load(), g.cpu()
	b.profile(g, fmt.Sprintf("fanout%d", qos), func() { paced(list, rate, b.seconds) })
	time.Sleep(500 * time.Millisecond)
	done := count.Load() - before
	if want := int64(b.seconds.Seconds()) * int64(rate*n); done < want*99/100 {
		return 0, nil, fmt.Errorf("%d of %d deliveries", done, want)
	}
	return float64((g.cpu() - used).Microseconds()) / float64(done), late, nil
}

// idleClients measures memory and CPU of clients that do nothing, each with a session and a subscription of its own.
func (b *bench) idleClients() error {
	for _, ws := range []bool{true, false} {
		var memory, cpu, redis series
		for range max(1, b.runs/2) {
			m, c, r, err := b.idleOnce(ws)
			if err != nil {
				return err
			}
			memory, cpu, redis = append(memory, m), append(cpu, c), append(redis, r)
		}
		kind := map[bool]string{true: "WebSocket", false: "TCP"}[ws]
		row(fmt.Sprintf("%d idle clients, %s, MQTT 5 session, 1 subscription: KiB resident each", b.idle, kind), "%v", memory)
		row("the same, CPU of the gateway, % of a core", "%v", cpu)
		row("the same, commands that Redis executes a second", "%v", redis)
	}
	return nil
}

func (b *bench) idleOnce(ws bool) (kib, cpu, redis float64, err error) {
	g, err := b.run(b.prefix())
	if err != nil {
		return 0, 0, 0, err
	}
	defer g.kill()
	addr := g.tcp
	if ws {
		addr = g.http
	}
	time.Sleep(2 * time.Second)
	before := g.resident()
	base := b.topic()
	conns := make([]*mqtt, b.idle)
	defer func() {
		for _, c := range conns {
			if c != nil {
				c.conn.Close()
			}
		}
	}()
	for i := range conns {
		c, err := dial(addr, connectOptions{id: fmt.Sprintf("%s-i%d", base, i), expiry: 600, ws: ws})
		if err != nil {
			return 0, 0, 0, err
		}
		conns[i] = c
		if err := c.subscribe(fmt.Sprintf("%s/%d", base, i), 1); err != nil {
			return 0, 0, 0, err
		}
		go c.read() // or the WebSocket library answers no ping, and the client is taken for gone
	}
	time.Sleep(10 * time.Second)
	asked, err := b.count(g)
	if err != nil {
		return 0, 0, 0, err
	}
	used, at := g.cpu(), time.Now()
	b.profile(g, map[bool]string{true: "idlews", false: "idletcp"}[ws], func() { time.Sleep(30 * time.Second) })
	cpu = 100 * (g.cpu() - used).Seconds() / time.Since(at).Seconds()
	asking, err := b.count(g)
	if err != nil {
		return 0, 0, 0, err
	}
	for i, c := range conns {
		select {
		case <-c.gone:
			return 0, 0, 0, fmt.Errorf("client %d did not stay", i)
		default:
		}
	}
	d := asking.since(asked)
	redis = d.run / d.seconds()
	if b.verbose {
		fmt.Println("idle, a second:", d.times(1/d.seconds()).names())
	}
	return float64(g.resident()-before) / 1024 / float64(b.idle), cpu, redis, nil
}
