package rocketmq_test

import (
	"context"
	"fmt"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"lmqgate/adapter/rocketmq"
	"lmqgate/adapter/rocketmq/remoting"
)

// asks are requests for offsets that a broker has and does not answer yet.
type asks struct {
	mu   sync.Mutex // protects the fields below
	open []*remoting.Command
	most int // that were open at once
	all  int
}

// hold keeps back the answers of s to requests for offsets.
func (a *asks) hold(s *fakeServer) {
	s.script(func(cmd *remoting.Command) (*remoting.Command, bool) {
		if cmd.Code != remoting.GetMaxOffset {
			return nil, false
		}
		a.mu.Lock()
		defer a.mu.Unlock()
		a.open = append(a.open, cmd)
		a.most, a.all = max(a.most, len(a.open)), a.all+1
		return nil, true
	})
}

// answer answers what is open and returns how many that were.
func (a *asks) answer(s *fakeServer) int {
	a.mu.Lock()
	open := a.open
	a.open = nil
	a.mu.Unlock()
	for _, cmd := range open {
		answer := cmd.Response(remoting.Success, "")
		answer.Ext = map[string]string{"offset": "7"}
		s.tellControl(answer)
	}
	return len(open)
}

// TestRestartIsNoStampede: while a broker is away each connection to it is tried now and then, not once for everyone who
// waits. When it is back, held pulls come through the token bucket, with two probes each at most behind them, and calls for
// offsets 64 at a time; all get there (decision 12).
func TestRestartIsNoStampede(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		const watches, callers, rate, away = 3000, 2000, 500, 30 * time.Second
		f := newFake("b1")
		c := f.client(t, func(cfg *rocketmq.Config) { cfg.PullRate = rate })
		b := f.brokers["b1"]
		for i := range watches {
			defer c.Watch(rocketmq.LMQ{Broker: "b1", Name: fmt.Sprintf("%s%d", rocketmq.LMQPrefix, i)}, 0, &recorder{}).Close()
		}
		time.Sleep(20 * time.Second)
		if h := b.heldCount(); h != watches {
			t.Fatalf("%d pulls held of %d", h, watches)
		}

		b.stop()
		dialled := f.dials(b.addr)
		a := &asks{}
		a.hold(b)
		ctx, cancel := context.WithTimeout(t.Context(), 10*time.Minute)
		defer cancel()
		outcomes := make(chan error, callers)
		for i := range callers {
			go func() {
				at, err := c.MaxOffset(ctx, rocketmq.LMQ{Broker: "b1", Name: fmt.Sprintf("%sasked%d", rocketmq.LMQPrefix, i)})
				if err == nil && at != 7 {
					err = fmt.Errorf("offset %d", at)
				}
				outcomes <- err
			}()
		}
		time.Sleep(away)
		if n := f.dials(b.addr) - dialled; n == 0 || n > 100 { // some ten for each of the few connections
			t.Errorf("%d dials in %v for %d that wait", n, away, watches+callers)
		}

		heldBefore, probesBefore := b.pulled()
		b.start()
		began := time.Now()
		for answered, second := 0, 0; answered < callers; second++ {
			if second > 120 {
				t.Fatalf("%d of %d callers were answered", answered, callers)
			}
			time.Sleep(100 * time.Millisecond)
			synctest.Wait()
			answered += a.answer(b)
			synctest.Wait()
			held, probes := b.pulled()
			held, probes = held-heldBefore, probes-probesBefore
			if limit := rate/10 + int(time.Since(began).Seconds()*rate) + 1; held > limit || probes > 2*held {
				t.Fatalf("%d pulls and %d probes behind them within %v of the restart, %d pulls are let through", held, probes, time.Since(began), limit)
			}
		}
		for range callers {
			if err := <-outcomes; err != nil {
				t.Fatal(err)
			}
		}
		if a.most > 64 || a.all != callers {
			t.Errorf("%d calls for offsets at once, %d in all for %d callers", a.most, a.all, callers)
		}
		time.Sleep(watches/rate*time.Second + 6*time.Second) // a connection is dialled again after 5 s at the latest
		if h := b.heldCount(); h != watches {
			t.Errorf("%d pulls held of %d after the restart", h, watches)
		}
	})
}

// tellControl sends an answer on the connections that hold no pulls: requests of those that do have the same numbers.
func (s *fakeServer) tellControl(answer *remoting.Command) {
	s.mu.Lock()
	var conns []*fakeConn
	pulls := make(map[*fakeConn]bool)
	for h := range s.held {
		pulls[h.conn] = true
	}
	for c := range s.conns {
		if !pulls[c] {
			conns = append(conns, c)
		}
	}
	s.mu.Unlock()
	for _, c := range conns {
		c.reply(answer)
	}
}

// pulled is how many pulls that may be held, and how many others, the server has seen.
func (s *fakeServer) pulled() (held, probes int) {
	s.mu.Lock()
	defer s.mu.Unlock()
	for _, cmd := range s.seen {
		switch {
		case cmd.Code != remoting.PullMessage:
		case cmd.Ext["suspendTimeoutMillis"] == "0":
			probes++
		default:
			held++
		}
	}
	return held, probes
}

// dials is how often addr was dialled.
func (f *fakeCluster) dials(addr string) int {
	f.mu.Lock()
	defer f.mu.Unlock()
	return f.dialled[addr]
}
