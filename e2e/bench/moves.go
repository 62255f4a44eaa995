package main

import (
	"fmt"
	"sync"
	"sync/atomic"
	"syscall"
	"time"
)

const movers = 1000

// kinds are what a crowd consists of: WebSocket and TCP, MQTT 5.0 and 3.1.1, all with lasting sessions.
func kinds(id string, i int) connectOptions {
	return connectOptions{id: fmt.Sprint(id, "-", i), expiry: 600, ws: i%2 == 0, old: i/2%2 == 0}
}

func (i *instance) addr(ws bool) string {
	if ws {
		return i.http
	}
	return i.tcp
}

// crowd connects n clients of all kinds, each with a subscription.
func (b *bench) crowd(g *instance, base string, n int) ([]*mqtt, error) {
	list := make([]*mqtt, n)
	for i := range list {
		o := kinds(base, i)
		c, err := dial(g.addr(o.ws), o)
		if err != nil {
			return list, err
		}
		list[i] = c
		if err := c.subscribe(fmt.Sprintf("%s/%d", base, i), 1); err != nil {
			return list, err
		}
	}
	return list, nil
}

func hangUp(list []*mqtt) {
	for _, c := range list {
		if c != nil {
			c.conn.Close()
		}
	}
}

// drain measures how an instance with many clients goes at SIGTERM, and how soon they are elsewhere.
func (b *bench) drain() error {
	var ended, p50, p99, back50, back99 series
	for range b.runs {
		d, err := b.drainOnce()
		if err != nil {
			return err
		}
		ended, p50, p99 = append(ended, ms(d.ended)), append(p50, ms(percentile(d.closed, 0.5))), append(p99, ms(percentile(d.closed, 0.99)))
		back50, back99 = append(back50, ms(percentile(d.back, 0.5))), append(back99, ms(percentile(d.back, 0.99)))
	}
	row(fmt.Sprintf("SIGTERM with %d clients, half of them WebSocket, half MQTT 3.1.1: until the process has ended, ms", movers), "%v", ended)
	row("the same, until a client is sent away, p50 / p99 ms", "%v / %v", p50, p99)
	row("the same, from there to its resumed session on the other instance, p50 / p99 ms", "%v / %v", back50, back99)
	return nil
}

// drained is what one drain took.
type drained struct {
	ended        time.Duration
	closed, back []time.Duration
}

func (b *bench) drainOnce() (d drained, err error) {
	prefix, base := b.prefix(), b.topic()
	var gs [2]*instance
	for i := range gs {
		if gs[i], err = b.run(prefix); err != nil {
			return d, err
		}
		defer gs[i].kill()
	}
	list, err := b.crowd(gs[0], base, movers)
	defer hangUp(list)
	if err != nil {
		return d, err
	}
	var mu sync.Mutex
	var wg sync.WaitGroup
	errs := make(chan error, len(list))
	at := time.Now()
	for i, c := range list {
		wg.Go(func() {
			c.read()
			gone := time.Now()
			o := kinds(base, i)
			next, err := dial(gs[1].addr(o.ws), o)
			if err == nil && !next.present {
				err = fmt.Errorf("the session of client %d is gone", i)
			}
			if err != nil {
				errs <- err
				return
			}
			defer next.conn.Close()
			mu.Lock()
			defer mu.Unlock()
			d.closed, d.back = append(d.closed, gone.Sub(at)), append(d.back, time.Since(gone))
		})
	}
	if err := gs[0].cmd.Process.Signal(syscall.SIGTERM); err != nil {
		return d, err
	}
	err = gs[0].cmd.Wait()
	d.ended = time.Since(at)
	if err != nil {
		return d, fmt.Errorf("the instance ended: %w", err)
	}
	wg.Wait()
	select {
	case err = <-errs:
	default:
	}
	return d, err
}

// flap has two clients take one client id from each other as fast as they can.
func (b *bench) flap() error {
	const length = 3 * time.Second
	var rate, cpu, trips series
	for range b.runs {
		prefix := b.prefix()
		var gs [2]*instance
		var err error
		for i := range gs {
			if gs[i], err = b.run(prefix); err != nil {
				return err
			}
			defer gs[i].kill()
		}
		before, err := b.count(gs[:]...)
		if err != nil {
			return err
		}
		used := gs[0].cpu() + gs[1].cpu()
		var owned atomic.Int64
		var wg sync.WaitGroup
		end := time.Now().Add(length)
		for _, g := range gs {
			wg.Go(func() {
				for time.Now().Before(end) {
					c, err := dial(g.tcp, connectOptions{id: prefix, expiry: 60})
					if err != nil {
						continue // refused for now
					}
					owned.Add(1)
					stop := time.AfterFunc(time.Until(end), func() { c.conn.Close() })
					c.read()
					stop.Stop()
					c.conn.Close()
				}
			})
		}
		wg.Wait()
		after, err := b.count(gs[:]...)
		if err != nil {
			return err
		}
		d := after.since(before)
		rate = append(rate, float64(owned.Load())/length.Seconds())
		cpu = append(cpu, 100*(gs[0].cpu()+gs[1].cpu()-used).Seconds()/length.Seconds())
		trips = append(trips, d.run/length.Seconds())
	}
	row("one client id, two clients in a tight loop on two instances: takeovers a second", "%v", rate)
	row("the same, CPU of both instances, % of a core; commands that Redis executes a second", "%v; %v", cpu, trips)
	return nil
}

// rotation measures the reconnecting that MAX_CONNECTION_AGE causes.
func (b *bench) rotation() error {
	const age, length = 10 * time.Second, 20 * time.Second
	g, err := b.run(b.prefix(), "MAX_CONNECTION_AGE="+age.String())
	if err != nil {
		return err
	}
	defer g.kill()
	base := b.topic()
	list, err := b.crowd(g, base, movers)
	defer hangUp(list)
	if err != nil {
		return err
	}
	var mu sync.Mutex
	var wg sync.WaitGroup
	var late []time.Duration
	perSecond := make([]int, int(length/time.Second)+1)
	errs := make(chan error, len(list))
	used, at := g.cpu(), time.Now()
	end := at.Add(length)
	for i, c := range list {
		wg.Go(func() {
			for {
				stop := time.AfterFunc(time.Until(end), func() { c.conn.Close() })
				c.read()
				stop.Stop()
				c.conn.Close()
				gone := time.Now()
				if !gone.Before(end) {
					return
				}
				o := kinds(base, i)
				next, err := dial(g.addr(o.ws), o)
				if err == nil && !next.present {
					err = fmt.Errorf("the session of client %d is gone", i)
				}
				if err != nil {
					errs <- err
					return
				}
				c = next
				mu.Lock()
				late = append(late, time.Since(gone))
				perSecond[min(int(gone.Sub(at)/time.Second), len(perSecond)-1)]++
				mu.Unlock()
			}
		})
	}
	time.Sleep(time.Until(end))
	cpu := 100 * (g.cpu() - used).Seconds() / length.Seconds()
	wg.Wait()
	select {
	case err := <-errs:
		return err
	default:
	}
	most := 0
	for _, n := range perSecond {
		most = max(most, n)
	}
	row(fmt.Sprintf("MAX_CONNECTION_AGE=%v, %d clients: reconnects a second, mean / most", age, movers), "%.0f / %d", float64(len(late))/length.Seconds(), most)
	row("the same, from being sent away to the resumed session, p50 / p99 ms; CPU of the gateway, % of a core", "%.1f / %.1f; %.1f",
		ms(percentile(late, 0.5)), ms(percentile(late, 0.99)), cpu)
	return nil
}
