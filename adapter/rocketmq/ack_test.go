package rocketmq_test

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"lmqgate/adapter/rocketmq"
	"lmqgate/adapter/rocketmq/remoting"
)

// outcomes notes how acknowledgements and returns end.
type outcomes struct {
	mu   sync.Mutex
	errs []error
}

func (o *outcomes) done(err error) {
	o.mu.Lock()
	defer o.mu.Unlock()
	o.errs = append(o.errs, err)
}

// want fails unless there are n, all of them is.
func (o *outcomes) want(t *testing.T, n int, is error) {
	t.Helper()
	synctest.Wait()
	o.mu.Lock()
	defer o.mu.Unlock()
	if len(o.errs) != n {
		t.Fatalf("%d ended, want %d: %v", len(o.errs), n, o.errs)
	}
	for _, err := range o.errs {
		if !errors.Is(err, is) {
			t.Fatalf("%v, want %v", err, is)
		}
	}
}

// popN pops n messages.
func popN(t *testing.T, c *rocketmq.Client, b *fakeServer, n int) []rocketmq.Popped {
	t.Helper()
	b.fill(n)
	var out []rocketmq.Popped
	for len(out) < n {
		r := popReq
		r.Max = rocketmq.MaxPop
		got := popOnce(c, r)
		if got.err != nil || len(got.messages) == 0 {
			t.Fatalf("%+v", got)
		}
		out = append(out, got.messages...)
	}
	return out
}

func TestAckBatches(t *testing.T) {
	popping(t, nil, func(t *testing.T, c *rocketmq.Client, b *fakeServer) {
		ms := popN(t, c, b, 1000)
		var o outcomes
		var want []string
		for i, m := range ms {
			if i%3 != 0 {
				c.AckPopped(m.Handle, o.done)
				want = append(want, fmt.Sprintf("%s@%d", name, i))
			}
		}
		o.want(t, len(want), nil)
		slices.Sort(want)
		if got := b.ackedOffsets(); !slices.Equal(got, want) {
			t.Errorf("acknowledged %v", got)
		}
		if n := b.count(remoting.BatchAckMessage, ""); n > 100 {
			t.Errorf("%d requests", n)
		}
		b.mu.Lock()
		defer b.mu.Unlock()
		for _, r := range b.pops.acked {
			if r.Group != popReq.Group || r.Retry != "0" || r.ReviveQueue != 3 || r.Invisible != 60000 || r.StartOffset%32 != 0 || r.PopTime != r.StartOffset/32+1 {
				t.Fatalf("run %+v", r)
			}
		}
	})
}

// TestAckReturned: one of a message that came back goes to the retry topic.
func TestAckReturned(t *testing.T) {
	popping(t, nil, func(t *testing.T, c *rocketmq.Client, b *fakeServer) {
		ms := popN(t, c, b, 3)
		var o outcomes
		c.ReturnPopped(ms[1].Handle, 0, func(_ rocketmq.Handle, err error) { o.done(err) })
		o.want(t, 1, nil)
		back := popOnce(c, popReq)
		c.AckPopped(back.messages[0].Handle, o.done)
		c.AckPopped(ms[2].Handle, o.done)
		o.want(t, 3, nil)
		if got, want := b.ackedOffsets(), []string{"%LMQ%t%a%@2", "%RETRY%%LMQ%g_%LMQ%t%a%@0"}; !slices.Equal(got, want) {
			t.Errorf("acknowledged %v", got)
		}
	})
}

// TestAckTriesAgain: until the invisible time is over.
func TestAckTriesAgain(t *testing.T) {
	popping(t, nil, func(t *testing.T, c *rocketmq.Client, b *fakeServer) {
		ms := popN(t, c, b, 600)
		var o outcomes
		b.script(func(cmd *remoting.Command) (*remoting.Command, bool) {
			return cmd.Response(remoting.SystemBusy, "busy"), cmd.Code == remoting.BatchAckMessage
		})
		for _, m := range ms[:500] {
			c.AckPopped(m.Handle, o.done)
		}
		time.Sleep(10 * time.Second)
		b.stop()
		for _, m := range ms[500:] {
			c.AckPopped(m.Handle, o.done)
		}
		time.Sleep(10 * time.Second)
		o.want(t, 0, nil)
		b.script(nil)
		b.start()
		time.Sleep(10 * time.Second)
		o.want(t, 600, nil)
		if got := b.ackedOffsets(); len(got) != 600 || len(slices.Compact(got)) != 600 {
			t.Errorf("%d acknowledged", len(got))
		}
	})
}

func TestAckExpires(t *testing.T) {
	popping(t, nil, func(t *testing.T, c *rocketmq.Client, b *fakeServer) {
		ms := popN(t, c, b, 10)
		b.stop()
		synctest.Wait()
		var o outcomes
		for _, m := range ms[:5] {
			c.AckPopped(m.Handle, o.done)
		}
		time.Sleep(55 * time.Second)
		o.want(t, 0, nil)
		time.Sleep(10 * time.Second)
		for _, m := range ms[5:] {
			c.AckPopped(m.Handle, o.done)
		}
		o.want(t, 10, rocketmq.ErrExpired)
		if errors.Is(o.errs[0], rocketmq.ErrUnknown) {
			t.Error(o.errs[0])
		}
		c.AckPopped(rocketmq.Handle{}, o.done)
		c.ReturnPopped(ms[0].Handle, 0, func(_ rocketmq.Handle, err error) { o.done(err) })
		o.want(t, 12, rocketmq.ErrExpired)
	})
}

// TestAckAnsweredLate: the broker took it, but the message may be out again.
func TestAckAnsweredLate(t *testing.T) {
	popping(t, nil, func(t *testing.T, c *rocketmq.Client, b *fakeServer) {
		b.fill(1)
		r := popReq
		r.Invisible = time.Second
		m := popOnce(c, r).messages[0]
		b.script(func(cmd *remoting.Command) (*remoting.Command, bool) {
			if cmd.Code == remoting.BatchAckMessage {
				time.Sleep(2 * time.Second)
			}
			return nil, false
		})
		var o outcomes
		c.AckPopped(m.Handle, o.done)
		time.Sleep(3 * time.Second)
		o.want(t, 1, rocketmq.ErrExpired)
		o.want(t, 1, rocketmq.ErrUnknown)
	})
}

func TestReturnRenews(t *testing.T) {
	popping(t, nil, func(t *testing.T, c *rocketmq.Client, b *fakeServer) {
		ms := popN(t, c, b, 40)
		began := time.Now()
		var renewed rocketmq.Handle
		c.ReturnPopped(ms[33].Handle, 5*time.Minute, func(h rocketmq.Handle, err error) {
			if err != nil {
				t.Error(err)
			}
			renewed = h
		})
		synctest.Wait()
		if d := renewed.Until().Sub(began); d < 5*time.Minute || d > 6*time.Minute || renewed.Broker() != "b1" {
			t.Errorf("until %v", d)
		}
		cmd := b.pops.changed[0]
		if got, want := cmd.Ext["extraInfo"], "32 2 60000 3 0 b1 0 33"; got != want {
			t.Errorf("extra info %q, want %q", got, want)
		}
		if cmd.Ext["invisibleTime"] != "300000" || cmd.Ext["offset"] != "33" || cmd.Ext["topic"] != name {
			t.Errorf("fields %v", cmd.Ext)
		}
		time.Sleep(2 * time.Minute)
		var o outcomes
		c.AckPopped(renewed, o.done)
		o.want(t, 1, nil)
		if r := b.pops.acked[0]; r.StartOffset != 33 || r.PopTime != 3 || r.Invisible != 300000 {
			t.Errorf("run %+v", r)
		}
	})
}

// TestReturnOnce: a return with an unknown outcome is not sent again.
func TestReturnOnce(t *testing.T) {
	popping(t, nil, func(t *testing.T, c *rocketmq.Client, b *fakeServer) {
		ms := popN(t, c, b, 2)
		b.script(func(cmd *remoting.Command) (*remoting.Command, bool) {
			return nil, cmd.Code == remoting.ChangeMessageInvisibleTime
		})
		var o outcomes
		done := func(h rocketmq.Handle, err error) {
			if h != ms[0].Handle {
				t.Errorf("handle %+v", h)
			}
			o.done(err)
		}
		c.ReturnPopped(ms[0].Handle, 0, done)
		time.Sleep(10 * time.Second)
		o.want(t, 1, remoting.ErrTimeout)
		b.stop()
		synctest.Wait()
		c.ReturnPopped(ms[0].Handle, 0, done)
		synctest.Wait()
		if !errors.Is(o.errs[1], rocketmq.ErrNoBroker) {
			t.Error(o.errs[1])
		}
		b.start()
		time.Sleep(10 * time.Second)
		if n := b.count(remoting.ChangeMessageInvisibleTime, ""); n != 1 {
			t.Errorf("%d requests", n)
		}
	})
}

// TestReturnMany: no more than 1024 are under way, all are done.
func TestReturnMany(t *testing.T) {
	popping(t, nil, func(t *testing.T, c *rocketmq.Client, b *fakeServer) {
		ms := popN(t, c, b, 3000)
		b.script(func(cmd *remoting.Command) (*remoting.Command, bool) {
			return nil, cmd.Code == remoting.ChangeMessageInvisibleTime
		})
		var o outcomes
		for _, m := range ms {
			c.ReturnPopped(m.Handle, 0, func(_ rocketmq.Handle, err error) { o.done(err) })
		}
		o.want(t, 0, nil)
		if n := b.count(remoting.ChangeMessageInvisibleTime, ""); n != 1024 {
			t.Errorf("%d under way", n)
		}
		b.script(nil)
		time.Sleep(10 * time.Second)
		synctest.Wait()
		failed := 0
		for _, err := range o.errs {
			if err != nil {
				failed++
			}
		}
		if n := len(b.pops.changed); n != 3000-1024 || failed != 1024 || len(o.errs) != 3000 {
			t.Errorf("%d returned, %d failed of %d", n, failed, len(o.errs))
		}
	})
}

// TestCloseSettles: acknowledgements and returns under way are waited for.
func TestCloseSettles(t *testing.T) {
	popping(t, nil, func(t *testing.T, c *rocketmq.Client, b *fakeServer) {
		ms := popN(t, c, b, 2000)
		var o, p outcomes
		for i, m := range ms {
			if i%2 == 0 {
				c.AckPopped(m.Handle, o.done)
			} else {
				c.ReturnPopped(m.Handle, 0, func(_ rocketmq.Handle, err error) { p.done(err) })
			}
		}
		if err := c.Close(t.Context()); err != nil {
			t.Fatal(err)
		}
		o.want(t, 1000, nil)
		p.want(t, 1000, nil)
		c.AckPopped(ms[0].Handle, o.done)
		c.ReturnPopped(ms[0].Handle, 0, func(_ rocketmq.Handle, err error) { o.done(err) })
		o.mu.Lock()
		defer o.mu.Unlock()
		if !errors.Is(o.errs[1000], rocketmq.ErrStopped) || !errors.Is(o.errs[1001], rocketmq.ErrStopped) {
			t.Errorf("after the end: %v", o.errs[1000:])
		}
	})
}

// TestCloseGivesUp: with the broker away, Close does not wait for ever.
func TestCloseGivesUp(t *testing.T) {
	popping(t, nil, func(t *testing.T, c *rocketmq.Client, b *fakeServer) {
		ms := popN(t, c, b, 100)
		b.stop()
		synctest.Wait()
		var o outcomes
		for _, m := range ms {
			c.AckPopped(m.Handle, o.done)
		}
		ctx, cancel := context.WithTimeout(t.Context(), 5*time.Second)
		defer cancel()
		if err := c.Close(ctx); err == nil {
			t.Error("closed without a word")
		}
		o.want(t, 100, rocketmq.ErrStopped)
	})
}
