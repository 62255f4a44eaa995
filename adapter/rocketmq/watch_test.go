package rocketmq_test

import (
	"fmt"
	"runtime"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/prometheus/client_golang/prometheus"

	"lmqgate/adapter/rocketmq"
	"lmqgate/adapter/rocketmq/remoting"
)

const name = "%LMQ%t%a%"

// script is a Sink that notes results and answers as told.
type recorder struct {
	mu      sync.Mutex
	bodies  []string
	moved   []rocketmq.PullResult
	pause   bool
	running int
	hook    func(rocketmq.PullResult)
}

func (s *recorder) Pulled(r rocketmq.PullResult) bool {
	s.mu.Lock()
	s.running++
	if s.running > 1 {
		panic("sink called twice at a time")
	}
	if r.Status == rocketmq.OffsetMoved {
		s.moved = append(s.moved, r)
	}
	for _, m := range r.Messages {
		s.bodies = append(s.bodies, string(m.Body))
	}
	hook := s.hook
	s.mu.Unlock()
	if hook != nil {
		hook(r)
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	s.running--
	return !s.pause
}

func (s *recorder) got() []string {
	s.mu.Lock()
	defer s.mu.Unlock()
	return append([]string(nil), s.bodies...)
}

// want fails unless the sink has seen exactly 0..n-1, in order.
func (s *recorder) want(t *testing.T, n int) {
	t.Helper()
	synctest.Wait()
	got := s.got()
	if len(got) != n {
		t.Fatalf("%d messages, want %d: %v", len(got), n, got)
	}
	for i, b := range got {
		if b != fmt.Sprint(i) {
			t.Fatalf("message %d is %q", i, b)
		}
	}
}

func watching(t *testing.T, f func(t *testing.T, c *rocketmq.Client, b *fakeServer, w *rocketmq.Watch, s *recorder)) {
	synctest.Test(t, func(t *testing.T) {
		fake := newFake("b1")
		c := fake.client(t, nil)
		s := &recorder{}
		w := c.Watch(rocketmq.LMQ{Broker: "b1", Name: name}, 0, s)
		defer w.Close()
		time.Sleep(time.Second) // virtual: the pull is held, its probe over
		f(t, c, fake.brokers["b1"], w, s)
	})
}

func TestWatchDelivers(t *testing.T) {
	watching(t, func(t *testing.T, _ *rocketmq.Client, b *fakeServer, _ *rocketmq.Watch, s *recorder) {
		for i := range 200 {
			b.message(name, fmt.Sprint(i))
			if i%7 == 0 {
				time.Sleep(time.Duration(i) * time.Millisecond / 4)
			}
		}
		s.want(t, 200)
		time.Sleep(5 * time.Minute)
		s.want(t, 200)
		if n := b.heldCount(); n != 1 {
			t.Errorf("%d pulls held", n)
		}
	})
}

// TestLostWakeup: the broker does not wake the held pull, the probe finds.
func TestLostWakeup(t *testing.T) {
	watching(t, func(t *testing.T, _ *rocketmq.Client, b *fakeServer, _ *rocketmq.Watch, s *recorder) {
		b.message(name, "0") // the LMQ is active and armed again now
		synctest.Wait()
		b.mu.Lock()
		b.loseWakeups = true
		b.mu.Unlock()
		b.message(name, "1")
		time.Sleep(30 * time.Millisecond)
		s.want(t, 2)
		b.message(name, "2") // nor now: the same pull is still held
		time.Sleep(30 * time.Millisecond)
		s.want(t, 3)
		time.Sleep(50 * time.Millisecond)
		b.message(name, "3") // between the first probe and the second
		time.Sleep(200 * time.Millisecond)
		s.want(t, 4)
		b.mu.Lock()
		b.loseWakeups = false
		b.mu.Unlock()
		b.message(name, "4") // wakes the pull held at 1: all again
		s.want(t, 5)
	})
}

func TestHeldPullUnanswered(t *testing.T) {
	watching(t, func(t *testing.T, _ *rocketmq.Client, b *fakeServer, _ *rocketmq.Watch, s *recorder) {
		b.script(func(cmd *remoting.Command) (*remoting.Command, bool) {
			return nil, cmd.Code == remoting.PullMessage // never answered
		})
		time.Sleep(35 * time.Second) // the present one ends, the next is lost
		b.script(nil)
		b.message(name, "0")
		time.Sleep(41 * time.Second)
		s.want(t, 1)
	})
}

func TestReconnect(t *testing.T) {
	watching(t, func(t *testing.T, c *rocketmq.Client, b *fakeServer, _ *rocketmq.Watch, s *recorder) {
		for i := range 5 {
			b.cut()
			b.message(name, fmt.Sprint(i))
			time.Sleep(5 * time.Second)
			s.want(t, i+1)
		}
		b.stop()
		b.message(name, "5")
		time.Sleep(time.Minute)
		s.want(t, 5)
		if err := c.Ready(contextWith(t, time.Second)); err == nil {
			t.Error("ready without a broker")
		}
		b.start()
		time.Sleep(6 * time.Second)
		s.want(t, 6)
		if err := c.Ready(contextWith(t, time.Second)); err != nil {
			t.Error(err)
		}
	})
}

func TestBrokerMoves(t *testing.T) {
	watching(t, func(t *testing.T, c *rocketmq.Client, b *fakeServer, _ *rocketmq.Watch, s *recorder) {
		b.message(name, "0")
		moved := b.f.move("b1", "elsewhere:1")
		moved.message(name, "1")
		time.Sleep(20 * time.Second)
		s.want(t, 2)
		if addr := c.Brokers()[0].Addr; addr != "elsewhere:1" {
			t.Errorf("address %s", addr)
		}
	})
}

func TestOffsetMoved(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		fake := newFake("b1")
		c := fake.client(t, nil)
		b := fake.brokers["b1"]
		b.message(name, "0")
		b.message(name, "1")
		on, paused := &recorder{}, &recorder{pause: true}
		defer c.Watch(rocketmq.LMQ{Broker: "b1", Name: name}, 10, on).Close()
		w := c.Watch(rocketmq.LMQ{Broker: "b1", Name: name}, 10, paused)
		defer w.Close()
		time.Sleep(time.Second)
		synctest.Wait()
		for _, s := range []*recorder{on, paused} {
			if len(s.moved) != 1 || s.moved[0].Max != 2 || s.moved[0].Next != 0 || s.moved[0].Min != 0 {
				t.Errorf("moved: %+v", s.moved)
			}
		}
		on.want(t, 2) // from the minimum
		paused.want(t, 0)
		paused.mu.Lock()
		paused.pause = false
		paused.mu.Unlock()
		w.Resume(0)
		paused.want(t, 2)
	})
}

func TestPauseAndResume(t *testing.T) {
	watching(t, func(t *testing.T, _ *rocketmq.Client, b *fakeServer, w *rocketmq.Watch, s *recorder) {
		s.mu.Lock()
		s.pause = true
		s.mu.Unlock()
		b.message(name, "0")
		b.message(name, "1")
		time.Sleep(time.Minute)
		s.want(t, 1)
		if n := b.heldCount(); n != 0 {
			t.Errorf("%d pulls held while paused", n)
		}
		s.mu.Lock()
		s.pause = false
		s.mu.Unlock()
		w.Resume(1)
		s.want(t, 2)
		w.Resume(2) // nothing to change
		b.message(name, "2")
		s.want(t, 3)
	})
}

func TestResumeFromTheSink(t *testing.T) {
	watching(t, func(t *testing.T, _ *rocketmq.Client, b *fakeServer, w *rocketmq.Watch, s *recorder) {
		back := true
		s.mu.Lock()
		s.pause = true // overruled by Resume
		s.hook = func(r rocketmq.PullResult) {
			if back {
				back = false
				w.Resume(0)
				return
			}
			w.Resume(r.Next)
		}
		s.mu.Unlock()
		b.message(name, "x")
		time.Sleep(time.Second)
		b.message(name, "y")
		time.Sleep(time.Second)
		if got := fmt.Sprint(s.got()); got != "[x x y]" {
			t.Errorf("got %s", got)
		}
	})
}

func TestCloseFromTheSink(t *testing.T) {
	watching(t, func(t *testing.T, _ *rocketmq.Client, b *fakeServer, w *rocketmq.Watch, s *recorder) {
		s.mu.Lock()
		s.hook = func(rocketmq.PullResult) { w.Close() }
		s.mu.Unlock()
		b.message(name, "0")
		synctest.Wait()
		b.message(name, "1")
		time.Sleep(time.Minute)
		s.want(t, 1)
		w.Close()
		w.Resume(0)
		time.Sleep(time.Minute)
		s.want(t, 1)
	})
}

func TestBusyBrokerIsSpared(t *testing.T) {
	watching(t, func(t *testing.T, _ *rocketmq.Client, b *fakeServer, _ *rocketmq.Watch, s *recorder) {
		for _, answer := range []func(*remoting.Command) *remoting.Command{
			func(cmd *remoting.Command) *remoting.Command { return cmd.Response(remoting.SystemBusy, "busy") },
			func(cmd *remoting.Command) *remoting.Command {
				return cmd.Response(remoting.PullNotFound, "no offsets")
			},
			func(cmd *remoting.Command) *remoting.Command {
				a := cmd.Response(remoting.PullRetryImmediately, "")
				a.Ext = map[string]string{"nextBeginOffset": cmd.Ext["queueOffset"], "minOffset": "0", "maxOffset": "0"}
				return a
			},
		} {
			b.script(func(cmd *remoting.Command) (*remoting.Command, bool) {
				return answer(cmd), cmd.Code == remoting.PullMessage
			})
			b.cut()
			before := b.count(remoting.PullMessage, "")
			time.Sleep(5 * time.Minute)
			if n := b.count(remoting.PullMessage, "") - before; n < 20 || n > 100 {
				t.Errorf("%d pulls in 5 minutes", n)
			}
		}
		b.script(nil)
		b.message(name, "0")
		time.Sleep(11 * time.Second)
		s.want(t, 1)
	})
}

// TestManyIdleWatches: no goroutine each, pulls spread by the token bucket,
// recently active queues first.
func TestManyIdleWatches(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		const n = 3000
		fake := newFake("b1")
		reg := prometheus.NewRegistry()
		c := fake.client(t, func(cfg *rocketmq.Config) { cfg.PullRate = 500; cfg.Registerer = reg })
		b := fake.brokers["b1"]
		time.Sleep(time.Second)
		before := runtime.NumGoroutine()
		s := &collectAll{}
		queue := func(i int) string { return fmt.Sprintf("%s%d", rocketmq.LMQPrefix, i) }
		for i := range n {
			defer c.Watch(rocketmq.LMQ{Broker: "b1", Name: queue(i)}, 0, s).Close()
		}
		time.Sleep(5 * time.Second)
		if h := b.heldCount(); h < 2000 || h > 2700 {
			t.Errorf("%d held after 5 s at 500/s", h)
		}
		time.Sleep(time.Minute)
		if h := b.heldCount(); h != n {
			t.Errorf("%d held of %d", h, n)
		}
		if v := gauge(t, reg, "lmqgate_rocketmq_pulls_held"); v != n {
			t.Errorf("gauge says %v", v)
		}
		if g := runtime.NumGoroutine(); g > before+10 {
			t.Errorf("%d goroutines, %d before", g, before)
		}
		active := queue(n - 1)
		b.message(active, "x")
		synctest.Wait()
		b.cut()
		time.Sleep(400 * time.Millisecond) // reconnected, a fraction let through
		b.message(active, "y")
		synctest.Wait()
		if got := s.count(); got != 2 {
			t.Errorf("active queue not armed first: %d messages", got)
		}
		time.Sleep(time.Minute)
		for i := range n {
			b.message(queue(i), "z")
		}
		time.Sleep(time.Second)
		if got := s.count(); got != n+2 {
			t.Errorf("%d messages", got)
		}
	})
}

type collectAll struct {
	mu sync.Mutex
	n  int
}

func (s *collectAll) Pulled(r rocketmq.PullResult) bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.n += len(r.Messages)
	return true
}

func (s *collectAll) count() int {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.n
}

func gauge(t *testing.T, reg *prometheus.Registry, name string) float64 {
	t.Helper()
	families, err := reg.Gather()
	if err != nil {
		t.Fatal(err)
	}
	for _, f := range families {
		if f.GetName() == name {
			return f.GetMetric()[0].GetGauge().GetValue()
		}
	}
	t.Fatalf("no metric %s", name)
	return 0
}
