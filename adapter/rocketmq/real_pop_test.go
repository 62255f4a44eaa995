package rocketmq_test

import (
	"context"
	"fmt"
	"strings"
	"testing"
	"time"

	"lmqgate/adapter/rocketmq"
	"lmqgate/infra/minimq"
)

type popResult struct {
	messages []rocketmq.Popped
	rest     int64
	err      error
}

// popOnce pops and waits.
func popOnce(c *rocketmq.Client, r rocketmq.PopRequest) popResult {
	done := make(chan popResult, 1)
	c.Pop(r, func(m []rocketmq.Popped, rest int64, err error) { done <- popResult{m, rest, err} })
	return <-done
}

// popSome pops until there are messages.
func popSome(t testing.TB, ctx context.Context, c *rocketmq.Client, r rocketmq.PopRequest) []rocketmq.Popped {
	t.Helper()
	for ctx.Err() == nil {
		got := popOnce(c, r)
		if got.err != nil {
			t.Fatal(got.err)
		}
		if len(got.messages) > 0 {
			return got.messages
		}
	}
	t.Fatal("nothing popped")
	return nil
}

func ack(t testing.TB, c *rocketmq.Client, ms ...rocketmq.Popped) {
	t.Helper()
	done := make(chan error, len(ms))
	for _, m := range ms {
		c.AckPopped(m.Handle, func(err error) { done <- err })
	}
	for range ms {
		if err := <-done; err != nil {
			t.Error(err)
		}
	}
}

// popFixture is a group that begins on an LMQ with old messages.
type popFixture struct {
	t     *testing.T
	ctx   context.Context
	c     *rocketmq.Client
	queue rocketmq.Queue
	req   rocketmq.PopRequest
}

func newPopFixture(t *testing.T, c *rocketmq.Client, lmq string) *popFixture {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), 2*time.Minute)
	t.Cleanup(cancel)
	q, err := c.PickQueue(ctx, "real_test", "pop")
	if err != nil {
		t.Fatal(err)
	}
	l := rocketmq.LMQ{Broker: q.Broker, Name: lmq}
	f := &popFixture{t: t, ctx: ctx, c: c, queue: q, req: rocketmq.PopRequest{
		LMQ: l, Group: rocketmq.GroupName("share", "g", lmq), Max: 8, Invisible: 30 * time.Second, Wait: 2 * time.Second,
	}}
	f.send(3, "old")
	f.settle(3)
	if err := c.BeginGroup(ctx, f.req.Group, l); err != nil {
		t.Fatal(err)
	}
	return f
}

func (f *popFixture) send(n int, body string) {
	f.t.Helper()
	for i := range n {
		m := &rocketmq.OutMessage{Queue: f.queue, Tag: "MQTT_COMMON", Dispatch: []string{f.req.LMQ.Name, f.req.LMQ.Name + "_2"}, Body: fmt.Appendf(nil, "%s%d", body, i)}
		if err := stored(f.ctx, f.c, m); err != nil {
			f.t.Fatal(err)
		}
	}
}

// settle waits until the index has n messages.
func (f *popFixture) settle(n int64) {
	f.t.Helper()
	for {
		got, err := f.c.MaxOffset(f.ctx, f.req.LMQ)
		if err != nil {
			f.t.Fatal(err)
		}
		if got >= n {
			return
		}
	}
}

func TestRealPop(t *testing.T) {
	for _, suffix := range []string{"%a%", "%+%", "%a%#%", "%a c%é%", "%a@b%", "%" + strings.Repeat("+%b%", 22) + "x"} {
		t.Run(suffix, func(t *testing.T) { playPop(t, realClient(t, nil), rocketmq.LMQPrefix+rocketmq.NewKey()+suffix) })
	}
}

// TestMinimqPop is TestRealPop on minimq.
func TestMinimqPop(t *testing.T) {
	for _, suffix := range []string{"%a%", "%+%", "%a@b%"} {
		t.Run(suffix, func(t *testing.T) {
			srv := minimq.RunWith(t, minimq.Config{ReviveDelay: 1})
			playPop(t, started(t, rocketmq.Config{NameServers: []string{srv.Addr()}, TopicAutoCreate: true}), rocketmq.LMQPrefix+rocketmq.NewKey()+suffix)
		})
	}
}

// playPop is the life of a group.
func playPop(t *testing.T, c *rocketmq.Client, lmq string) {
	f := newPopFixture(t, c, lmq)
	f.send(5, "m")
	f.settle(8)
	got := popSome(t, f.ctx, c, f.req)
	if len(got) != 5 {
		t.Fatalf("%d messages", len(got))
	}
	for i, m := range got {
		if string(m.Body) != fmt.Sprintf("m%d", i) || m.LMQOffset != int64(3+i) || m.Reconsume != 0 {
			t.Errorf("message %d: %q at %d, reconsumed %d times", i, m.Body, m.LMQOffset, m.Reconsume)
		}
	}
	ack(t, c, got[0], got[2], got[4])
	for _, i := range []int{1, 3} {
		done := make(chan error, 1)
		c.ReturnPopped(got[i].Handle, 0, func(_ rocketmq.Handle, err error) { done <- err })
		if err := <-done; err != nil {
			t.Fatal(err)
		}
	}
	returned := time.Now()
	var back []rocketmq.Popped
	for len(back) < 2 {
		back = append(back, popSome(t, f.ctx, c, f.req)...)
	}
	t.Logf("came back after %v", time.Since(returned))
	for _, m := range back {
		if m.Reconsume != 1 || m.LMQOffset != 4 && m.LMQOffset != 6 {
			t.Errorf("came back: %q at %d, reconsumed %d times", m.Body, m.LMQOffset, m.Reconsume)
		}
	}
	ack(t, c, back...)
	if n, ok, err := c.GroupOffset(f.ctx, f.req.Group, f.req.LMQ); err != nil || !ok || n != 8 {
		t.Errorf("offset %d %v %v", n, ok, err)
	}
	if err := c.EndGroup(f.ctx, f.req.Group, f.req.LMQ); err != nil {
		t.Fatal(err)
	}
	if n, ok, err := c.GroupOffset(f.ctx, f.req.Group, f.req.LMQ); err != nil || ok != strings.Contains(lmq, "@") {
		t.Errorf("offset after the end %d %v %v", n, ok, err)
	}
	f.again()
}

// again is another life of the group: it is handed nothing of the first. It has a
// name of its own, as lives have in the gateway: a request of the first that the
// broker answers late may still move what belongs to that name.
func (f *popFixture) again() {
	f.t.Helper()
	f.req.Group = rocketmq.GroupName("share", "again", f.req.LMQ.Name)
	f.send(2, "missed")
	f.settle(10)
	if err := f.c.BeginGroup(f.ctx, f.req.Group, f.req.LMQ); err != nil {
		f.t.Fatal(err)
	}
	f.send(2, "n")
	f.req.Invisible = time.Second
	first := popSome(f.t, f.ctx, f.c, f.req)
	if string(first[0].Body) != "n0" {
		f.t.Fatalf("got %q", first[0].Body)
	}
	f.req.Invisible = time.Minute
	seen := map[string]bool{}
	for len(seen) < 2 {
		for _, m := range popSome(f.t, f.ctx, f.c, f.req) {
			seen[string(m.Body)] = true
			ack(f.t, f.c, m)
		}
	}
	if !seen["n0"] || !seen["n1"] {
		f.t.Errorf("got %v", seen)
	}
}
