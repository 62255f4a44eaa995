package rocketmq_test

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strconv"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"lmqgate/adapter/rocketmq"
)

// popper pops in a loop until cancelled, and acknowledges.
type popper struct {
	c      *rocketmq.Client
	req    rocketmq.PopRequest
	got    func(rocketmq.Popped)
	cancel atomic.Pointer[func()]
	ended  chan struct{}
	once   sync.Once
	acked  sync.WaitGroup
	failed func(error)
	// acknowledged may be nil.
	acknowledged func(rocketmq.Popped, error)
}

func (p *popper) run() {
	p.acked.Add(1)
	p.next()
}

func (p *popper) next() {
	cancel := p.c.Pop(p.req, func(ms []rocketmq.Popped, _ int64, err error) {
		if errors.Is(err, context.Canceled) || errors.Is(err, rocketmq.ErrStopped) {
			p.acked.Done()
			return
		}
		if err != nil {
			p.failed(err)
		}
		for _, m := range ms {
			p.got(m)
			p.acked.Add(1)
			p.c.AckPopped(m.Handle, func(err error) {
				if err != nil {
					p.failed(err)
				}
				if p.acknowledged != nil {
					p.acknowledged(m, err)
				}
				p.acked.Done()
			})
		}
		select {
		case <-p.ended:
			p.acked.Done()
		default:
			p.next()
		}
	})
	p.cancel.Store(&cancel)
}

// end stops the loop and waits for all acknowledgements.
func (p *popper) end() {
	p.once.Do(func() { close(p.ended) })
	(*p.cancel.Load())()
	p.acked.Wait()
}

func percentiles(d []time.Duration) string {
	slices.Sort(d)
	at := func(p float64) time.Duration {
		return d[min(len(d)-1, int(p*float64(len(d))))].Round(10 * time.Microsecond)
	}
	return fmt.Sprintf("p50 %v p90 %v p99 %v max %v", at(.5), at(.9), at(.99), d[len(d)-1].Round(10*time.Microsecond))
}

func loadSize(n int) int {
	if testing.Short() {
		return n / 10
	}
	return n
}

// TestRealPopShare: two instances share a group; every message comes once.
func TestRealPopShare(t *testing.T) {
	c := realClient(t, func(c *rocketmq.Config) { c.DirectSend = true })
	d := realClient(t, nil)
	f := newPopFixture(t, c, rocketmq.LMQPrefix+rocketmq.NewKey()+"%a%")
	n := loadSize(10_000)
	var mu sync.Mutex
	seen := make(map[string]int)
	all := make(chan struct{})
	counts := make([]int, 2)
	disorder := make([]int, 2)
	last := []int64{-1, -1}
	var poppers []*popper
	for i, c := range []*rocketmq.Client{c, d} {
		p := &popper{c: c, req: f.req, ended: make(chan struct{}), failed: func(err error) { t.Error(err) }}
		p.got = func(m rocketmq.Popped) {
			mu.Lock()
			defer mu.Unlock()
			counts[i]++
			if m.LMQOffset < last[i] {
				disorder[i]++
			}
			last[i] = m.LMQOffset
			seen[m.Key]++
			if len(seen) == n {
				close(all)
			}
		}
		poppers = append(poppers, p)
		p.run()
	}
	began := time.Now()
	f.flood(n)
	sent := time.Since(began)
	select {
	case <-all:
	case <-f.ctx.Done():
		t.Fatal("not all came")
	}
	took := time.Since(began)
	for _, p := range poppers {
		p.end()
	}
	mu.Lock()
	defer mu.Unlock()
	twice := 0
	for _, k := range seen {
		twice += k - 1
	}
	t.Logf("%d messages sent in %v, popped in %v: %v each, out of order %v, twice %d", n, sent, took, counts, disorder, twice)
	if twice > 0 {
		t.Errorf("%d came more than once", twice)
	}
}

// flood sends n messages, many at a time.
func (f *popFixture) flood(n int) {
	slots := make(chan struct{}, 64)
	for i := range n {
		slots <- struct{}{}
		sendUntilStored(f.ctx, f.c, rocketmq.OutMessage{
			Queue: f.queue, Tag: "MQTT_COMMON", Key: rocketmq.NewKey(), Dispatch: []string{f.req.LMQ.Name}, Body: []byte(strconv.Itoa(i)),
		}, func(err error) {
			if err != nil {
				f.t.Error(err)
			}
			<-slots
		})
	}
	for range cap(slots) {
		slots <- struct{}{}
	}
}

// TestRealPopThroughput drains a backlog with one popper.
func TestRealPopThroughput(t *testing.T) {
	for _, size := range []int{8, 32} {
		t.Run(fmt.Sprint("max=", size), func(t *testing.T) {
			c := realClient(t, func(c *rocketmq.Config) { c.DirectSend = true })
			f := newPopFixture(t, c, rocketmq.LMQPrefix+rocketmq.NewKey()+"%a%")
			n := loadSize(10_000)
			f.flood(n)
			f.settle(int64(n + 3))
			f.req.Max = size
			var got atomic.Int64
			all := make(chan struct{})
			p := &popper{c: c, req: f.req, ended: make(chan struct{}), failed: func(err error) { t.Error(err) }}
			p.got = func(rocketmq.Popped) {
				if got.Add(1) == int64(n) {
					close(all)
				}
			}
			began := time.Now()
			p.run()
			<-all
			popped := time.Since(began)
			p.end()
			took := time.Since(began)
			t.Logf("%d popped in %v, acknowledged in %v: %.0f a second", n, popped, took, float64(n)/took.Seconds())
		})
	}
}

// TestRealPopLatency measures from send to the POP's answer, one at a time.
func TestRealPopLatency(t *testing.T) {
	c := realClient(t, func(c *rocketmq.Config) { c.DirectSend = true })
	f := newPopFixture(t, c, rocketmq.LMQPrefix+rocketmq.NewKey()+"%a%")
	came := make(chan time.Time, 1)
	p := &popper{c: c, req: f.req, ended: make(chan struct{}), failed: func(err error) { t.Error(err) }}
	p.got = func(rocketmq.Popped) { came <- time.Now() }
	p.run()
	var took []time.Duration
	for range loadSize(2000) {
		began := time.Now()
		f.send(1, "x")
		took = append(took, (<-came).Sub(began))
	}
	p.end()
	t.Log("send to pop: ", percentiles(took))
}

// TestRealPopRedelivery measures how long messages stay away.
func TestRealPopRedelivery(t *testing.T) {
	for _, k := range []struct {
		name             string
		invisible, after time.Duration
	}{{"unacknowledged for 10s", 10 * time.Second, -1}, {"returned, 0s", 30 * time.Second, 0}, {"returned, 1s", 30 * time.Second, time.Second}} {
		t.Run(k.name, func(t *testing.T) {
			t.Parallel()
			c := realClient(t, nil)
			f := newPopFixture(t, c, rocketmq.LMQPrefix+rocketmq.NewKey()+"%+%")
			f.req.Invisible, f.req.Max = k.invisible, 4
			n := 20
			f.send(n, "m")
			f.settle(int64(n + 3))
			left, back := make(map[string]time.Time), make(map[string]bool)
			var took []time.Duration
			for len(left) < n || len(took) < n {
				for _, m := range popSome(t, f.ctx, c, f.req) {
					since, again := left[m.Key]
					switch {
					case back[m.Key] || again && m.Reconsume < 1:
						t.Fatalf("%s came again (%d) after it was acknowledged, or without having been given back", m.Key, m.Reconsume)
					case again: // for the second time if nobody waited any more for the answer that had it
						back[m.Key] = true
						took = append(took, time.Since(since))
						ack(t, c, m)
					default:
						left[m.Key] = time.Now()
						if k.after >= 0 {
							c.ReturnPopped(m.Handle, k.after, func(_ rocketmq.Handle, err error) {
								if err != nil {
									t.Error(err)
								}
							})
						}
					}
				}
			}
			t.Log(percentiles(took))
			// Nothing that was acknowledged comes back again.
			f.req.Wait = 10 * time.Second
			if got := popOnce(c, f.req); len(got.messages) > 0 || got.err != nil {
				t.Errorf("came back again: %+v", got)
			}
		})
	}
}

// TestRealPopManyGroups: many groups on LMQs of their own, and on one together,
// each get everything once over the few connections of one client.
func TestRealPopManyGroups(t *testing.T) {
	for _, shared := range []bool{false, true} {
		t.Run(fmt.Sprint("one LMQ=", shared), func(t *testing.T) {
			c := realClient(t, func(c *rocketmq.Config) { c.DirectSend = true })
			ctx, cancel := context.WithTimeout(t.Context(), 2*time.Minute)
			defer cancel()
			q, err := c.PickQueue(ctx, "real_test", "pop")
			if err != nil {
				t.Fatal(err)
			}
			n := loadSize(1000)
			if shared {
				n /= 5
			}
			key := rocketmq.NewKey()
			came := make(chan string, 2*n)
			var poppers []*popper
			var names []string
			for i := range n {
				l := rocketmq.LMQ{Broker: q.Broker, Name: fmt.Sprintf("%s%s%%%d%%", rocketmq.LMQPrefix, key, i)}
				if shared {
					l.Name = rocketmq.LMQPrefix + key
				}
				if !shared || i == 0 {
					names = append(names, l.Name)
				}
				group := rocketmq.GroupName("many", key, strconv.Itoa(i))
				if err := c.BeginGroup(ctx, group, l); err != nil {
					t.Fatal(err)
				}
				p := &popper{
					c: c, ended: make(chan struct{}), failed: func(err error) { t.Error(err) },
					req: rocketmq.PopRequest{LMQ: l, Group: group, Invisible: 30 * time.Second, Wait: 2 * time.Second},
				}
				p.got = func(m rocketmq.Popped) { came <- group }
				poppers = append(poppers, p)
				p.run()
			}
			began := time.Now()
			for _, name := range names {
				sendUntilStored(ctx, c, rocketmq.OutMessage{Queue: q, Tag: "MQTT_COMMON", Dispatch: []string{name}, Body: []byte("x")}, func(err error) {
					if err != nil {
						t.Error(err)
					}
				})
			}
			seen := make(map[string]int)
			for len(seen) < n {
				select {
				case g := <-came:
					seen[g]++
				case <-ctx.Done():
					t.Fatalf("%d of %d", len(seen), n)
				}
			}
			took := time.Since(began)
			for _, p := range poppers {
				p.end()
			}
			for g, k := range seen {
				if k != 1 {
					t.Errorf("%s got %d", g, k)
				}
			}
			t.Logf("%d groups: all delivered in %v", n, took)
		})
	}
}
