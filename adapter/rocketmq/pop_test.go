package rocketmq_test

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/prometheus/client_golang/prometheus"

	"lmqgate/adapter/rocketmq"
	"lmqgate/adapter/rocketmq/remoting"
)

var popReq = rocketmq.PopRequest{
	LMQ: rocketmq.LMQ{Broker: "b1", Name: name}, Group: "%LMQ%g", Max: 8, Invisible: time.Minute, Wait: 2 * time.Second,
}

// popLog notes what Pops get.
type popLog struct {
	mu      sync.Mutex
	results []popResult
}

func (l *popLog) done(ms []rocketmq.Popped, rest int64, err error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.results = append(l.results, popResult{ms, rest, err})
}

// got returns the bodies of all messages, "-" for a POP that got none, and
// errors in brackets.
func (l *popLog) got() string {
	synctest.Wait()
	l.mu.Lock()
	defer l.mu.Unlock()
	var out []string
	for _, r := range l.results {
		switch {
		case r.err != nil:
			out = append(out, "["+r.err.Error()+"]")
		case len(r.messages) == 0:
			out = append(out, "-")
		}
		for _, m := range r.messages {
			out = append(out, string(m.Body))
		}
	}
	return strings.Join(out, " ")
}

func (l *popLog) want(t *testing.T, want string) {
	t.Helper()
	if got := l.got(); got != want {
		t.Fatalf("got %q, want %q", got, want)
	}
}

// loop pops again and again until the returned function is called, or it is refused: no time passes then, and it would
// never come to an end.
func (l *popLog) loop(c *rocketmq.Client, r rocketmq.PopRequest) (end func()) {
	var mu sync.Mutex
	ended := false
	cancel := func() {}
	var next func()
	next = func() {
		mu.Lock()
		defer mu.Unlock()
		if ended {
			return
		}
		cancel = c.Pop(r, func(ms []rocketmq.Popped, rest int64, err error) {
			if len(ms) > 0 || err != nil {
				l.done(ms, rest, err)
			}
			if !errors.Is(err, context.Canceled) && !errors.Is(err, rocketmq.ErrStopped) {
				next()
			}
		})
	}
	next()
	return func() {
		mu.Lock()
		defer mu.Unlock()
		ended = true
		cancel()
	}
}

func popping(t *testing.T, change func(*rocketmq.Config), f func(t *testing.T, c *rocketmq.Client, b *fakeServer)) {
	synctest.Test(t, func(t *testing.T) {
		fake := newFake("b1")
		f(t, fake.client(t, change), fake.brokers["b1"])
	})
}

func (s *fakeServer) fill(n int) {
	for i := range n {
		s.message(name, fmt.Sprint(i))
	}
}

func TestPopTakes(t *testing.T) {
	popping(t, nil, func(t *testing.T, c *rocketmq.Client, b *fakeServer) {
		b.fill(10)
		var log popLog
		c.Pop(popReq, log.done)
		log.want(t, "0 1 2 3 4 5 6 7")
		if r := log.results[0]; r.rest != 2 || r.messages[3].LMQOffset != 3 || r.messages[3].Key != "3" {
			t.Errorf("%+v", r)
		}
		c.Pop(popReq, log.done)
		log.want(t, "0 1 2 3 4 5 6 7 8 9")
		c.Pop(popReq, log.done)
		time.Sleep(2100 * time.Millisecond) // virtual
		log.want(t, "0 1 2 3 4 5 6 7 8 9 -")
		b.mu.Lock()
		defer b.mu.Unlock()
		for _, cmd := range b.seen {
			if cmd.Code == remoting.PopMessage && (cmd.Ext["bornTime"] != "0" || cmd.Ext["invisibleTime"] != "60000" || cmd.Ext["order"] != "false") {
				t.Errorf("fields %v", cmd.Ext)
			}
		}
	})
}

func TestPopHeld(t *testing.T) {
	popping(t, nil, func(t *testing.T, c *rocketmq.Client, b *fakeServer) {
		var log popLog
		defer log.loop(c, popReq)()
		var want []string
		for i := range 100 {
			time.Sleep(time.Duration(i) * 13 * time.Millisecond)
			b.message(name, fmt.Sprint(i))
			want = append(want, fmt.Sprint(i))
			synctest.Wait()
			if n := b.heldPops(); n != 1 {
				t.Fatalf("%d held", n)
			}
		}
		log.want(t, strings.Join(want, " "))
		time.Sleep(time.Minute)
		before := b.count(remoting.PopMessage, "")
		time.Sleep(time.Minute)
		if n := b.count(remoting.PopMessage, "") - before; n > 35 { // 30 of 2 s; probes have ended
			t.Errorf("%d requests a minute", n)
		}
	})
}

// TestPopLostWakeup: a probe finds what the held POP was not woken for; the held
// one then serves the next Pop, and nothing is returned.
func TestPopLostWakeup(t *testing.T) {
	popping(t, nil, func(t *testing.T, c *rocketmq.Client, b *fakeServer) {
		var log popLog
		defer log.loop(c, popReq)()
		synctest.Wait()
		b.setLoseWakeups(true)
		b.message(name, "0")
		log.want(t, "")
		time.Sleep(300 * time.Millisecond)
		log.want(t, "0")
		b.setLoseWakeups(false)
		for i := 1; i < 5; i++ {
			b.message(name, fmt.Sprint(i))
			synctest.Wait()
			if n := b.heldPops(); n != 1 {
				t.Fatalf("%d held", n)
			}
		}
		log.want(t, "0 1 2 3 4")
		if n := b.count(remoting.ChangeMessageInvisibleTime, ""); n != 0 {
			t.Errorf("%d returned", n)
		}
	})
}

func TestPopCancel(t *testing.T) {
	popping(t, nil, func(t *testing.T, c *rocketmq.Client, b *fakeServer) {
		var log popLog
		cancel := c.Pop(popReq, log.done)
		synctest.Wait()
		cancel()
		cancel()
		log.want(t, "[context canceled]")
		b.message(name, "0") // wakes what is held still
		synctest.Wait()
		if n := b.count(remoting.ChangeMessageInvisibleTime, ""); n != 1 {
			t.Fatalf("%d returned", n)
		}
		cancel = c.Pop(popReq, log.done)
		log.want(t, "[context canceled] 0")
		cancel()
		r := log.results[1].messages[0]
		if r.Reconsume != 1 || r.LMQOffset != 0 {
			t.Errorf("%+v", r)
		}
	})
}

// TestPopAdopts: what is left of a cancelled Pop serves the next, as far as it
// has room.
func TestPopAdopts(t *testing.T) {
	popping(t, nil, func(t *testing.T, c *rocketmq.Client, b *fakeServer) {
		var log popLog
		c.Pop(popReq, log.done)()
		cancel := c.Pop(popReq, log.done)
		synctest.Wait()
		cancel()
		small := popReq
		small.Max = 1
		c.Pop(small, log.done)
		synctest.Wait()
		if n := b.heldPops(); n != 1 {
			t.Fatalf("%d held", n)
		}
		b.setLoseWakeups(true)
		b.fill(3)
		b.setLoseWakeups(false)
		b.mu.Lock()
		wake := b.wakePopsLocked()
		b.mu.Unlock()
		wake()
		log.want(t, "[context canceled] [context canceled] 0")
		if n := b.count(remoting.ChangeMessageInvisibleTime, ""); n != 2 {
			t.Errorf("%d returned", n)
		}
	})
}

func TestPopServesInOrder(t *testing.T) {
	popping(t, nil, func(t *testing.T, c *rocketmq.Client, b *fakeServer) {
		var logs [3]popLog
		for i := range logs {
			c.Pop(popReq, logs[i].done)
		}
		for i := range logs {
			b.message(name, fmt.Sprint(i))
			logs[i].want(t, fmt.Sprint(i))
		}
	})
}

func TestPopConnectionLost(t *testing.T) {
	popping(t, nil, func(t *testing.T, c *rocketmq.Client, b *fakeServer) {
		var log popLog
		c.Pop(popReq, log.done)
		synctest.Wait()
		b.stop()
		synctest.Wait()
		if err := log.results[0].err; !errors.Is(err, remoting.ErrClosed) {
			t.Fatal(err)
		}
		began := time.Now()
		got := popOnce(c, popReq)
		if !errors.Is(got.err, rocketmq.ErrNoBroker) || time.Since(began) < popReq.Wait || time.Since(began) > 3*popReq.Wait {
			t.Errorf("%v after %v", got.err, time.Since(began))
		}
		long := popReq
		long.Wait = time.Minute
		c.Pop(long, log.done)
		time.Sleep(10 * time.Second)
		b.start()
		time.Sleep(10 * time.Second)
		b.message(name, "0")
		synctest.Wait()
		if r := log.results[1]; r.err != nil || len(r.messages) != 1 {
			t.Errorf("%+v", r)
		}
	})
}

// TestPopCancelledAway: a Pop that was cancelled while the broker was away is
// not sent later.
func TestPopCancelledAway(t *testing.T) {
	popping(t, nil, func(t *testing.T, c *rocketmq.Client, b *fakeServer) {
		b.stop()
		synctest.Wait()
		long := popReq
		long.Wait = time.Minute
		var log popLog
		cancel := c.Pop(long, log.done)
		time.Sleep(time.Second)
		cancel()
		b.start()
		time.Sleep(20 * time.Second)
		if n := b.count(remoting.PopMessage, ""); n != 0 {
			t.Errorf("%d sent", n)
		}
		log.want(t, "[context canceled]")
	})
}

func TestPopRefused(t *testing.T) {
	for code, is := range map[int32]error{remoting.SystemBusy: nil, remoting.PollingFull: rocketmq.ErrBusy} {
		t.Run(fmt.Sprint(code), func(t *testing.T) {
			popping(t, nil, func(t *testing.T, c *rocketmq.Client, b *fakeServer) {
				b.script(func(cmd *remoting.Command) (*remoting.Command, bool) {
					return cmd.Response(code, "no"), cmd.Code == remoting.PopMessage
				})
				var log popLog
				defer log.loop(c, popReq)()
				time.Sleep(time.Minute)
				if n := b.count(remoting.PopMessage, ""); n > 20 {
					t.Errorf("%d tries in a minute", n)
				}
				log.got()
				if len(log.results) < 5 || is != nil && !errors.Is(log.results[0].err, is) {
					t.Errorf("%d results, %v", len(log.results), log.results[0].err)
				}
				b.script(nil)
				b.message(name, "0")
				time.Sleep(10 * time.Second)
				log.got()
				if r := log.results[len(log.results)-1]; len(r.messages) != 1 {
					t.Errorf("%+v", r)
				}
			})
		})
	}
}

// TestPopBounds: no more are held than MaxPops, each gets its turn, and too many
// are refused.
func TestPopBounds(t *testing.T) {
	popping(t, func(c *rocketmq.Config) { c.MaxPops = 2 }, func(t *testing.T, c *rocketmq.Client, b *fakeServer) {
		var logs [17]popLog
		ends := make([]func(), 16)
		for i := range ends {
			r := popReq
			r.LMQ.Name = fmt.Sprintf("%s%d", name, i)
			ends[i] = logs[i].loop(c, r)
		}
		c.Pop(popReq, logs[16].done) // before there are messages: a loop that has just got one would leave its place to this
		logs[16].want(t, "["+rocketmq.ErrBusy.Error()+"]")
		for i := range ends {
			b.message(fmt.Sprintf("%s%d", name, i), "x")
		}
		for range 200 {
			time.Sleep(100 * time.Millisecond)
			synctest.Wait()
			if n := b.heldPops(); n > 2 {
				t.Fatalf("%d held", n)
			}
		}
		for i := range ends {
			logs[i].want(t, "x")
			ends[i]()
		}
	})
}

func TestPopClose(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		fake := newFake("b1")
		reg := prometheus.NewRegistry()
		c := fake.client(t, func(c *rocketmq.Config) { c.Registerer = reg })
		var logs [50]popLog
		for i := range logs {
			r := popReq
			r.LMQ.Name = fmt.Sprintf("%s%d", name, i%10)
			c.Pop(r, logs[i].done)
		}
		synctest.Wait()
		if err := c.Close(t.Context()); err != nil {
			t.Fatal(err)
		}
		for i := range logs {
			logs[i].want(t, "["+rocketmq.ErrStopped.Error()+"]")
		}
		c.Pop(popReq, logs[0].done)
		logs[0].want(t, "["+rocketmq.ErrStopped.Error()+"] ["+rocketmq.ErrStopped.Error()+"]")
		if n := gauge(t, reg, "lmqgate_rocketmq_pops_held"); n != 0 {
			t.Errorf("%v held", n)
		}
	})
}

func TestPopBadNames(t *testing.T) {
	popping(t, nil, func(t *testing.T, c *rocketmq.Client, b *fakeServer) {
		r := popReq
		r.LMQ.Name = "%LMQ%" + strings.Repeat("x", 123)
		if got := popOnce(c, r); !errors.Is(got.err, rocketmq.ErrGroupName) {
			t.Error(got.err)
		}
		if n := b.count(remoting.PopMessage, ""); n != 0 {
			t.Errorf("%d sent", n)
		}
	})
}

// TestPopManyQueues: flights and queues are forgotten when idle.
func TestPopForgets(t *testing.T) {
	popping(t, nil, func(t *testing.T, c *rocketmq.Client, b *fakeServer) {
		var log popLog
		for i := range 1000 {
			r := popReq
			r.LMQ.Name = fmt.Sprintf("%s%d", name, i)
			r.Wait = 0
			c.Pop(r, log.done)
		}
		synctest.Wait()
		if n := c.PopQueues(); n != 1000 {
			t.Fatalf("%d queues", n)
		}
		time.Sleep(3 * time.Minute)
		if n := c.PopQueues(); n != 0 {
			t.Errorf("%d queues left", n)
		}
		log.got()
		if len(log.results) != 1000 || slices.ContainsFunc(log.results, func(r popResult) bool { return r.err != nil || len(r.messages) > 0 }) {
			t.Errorf("%d results", len(log.results))
		}
	})
}
