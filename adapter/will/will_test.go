package will_test

import (
	"context"
	"errors"
	"fmt"
	"testing"
	"testing/synctest"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/prometheus/client_golang/prometheus"

	"lmqgate/adapter/will"
	"lmqgate/meta/message"
	"lmqgate/meta/session"
)

// sweep has a process publish what is due, every second.
func sweep(p *process, d time.Duration) {
	for end := time.Now().Add(d); time.Now().Before(end); time.Sleep(time.Second) {
		p.publisher.Publish(p.vault.due()...)
	}
	synctest.Wait()
}

// once checks that every will was sent once and is forgotten.
func once(t *testing.T, v *vault, b *book, n int) {
	t.Helper()
	if left := v.left(); left > 0 {
		t.Errorf("%d wills are left", left)
	}
	for i := range n {
		if got := b.has(fmt.Sprint("K", i)); got != 1 {
			t.Errorf("will %d was sent %d times", i, got)
		}
	}
}

// TestMessage: what is sent is the will, born when it is sent.
func TestMessage(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		v, b := newVault(1), &book{}
		kept := v.wills["0"].m
		original := *kept
		p := start(t, v, b, will.Config{})
		time.Sleep(time.Hour)
		now := time.Now()
		p.publisher.Publish(v.due()...)
		if err := p.publisher.Close(t.Context()); err != nil {
			t.Error(err)
		}
		once(t, v, b, 1)
		want := original
		want.BornMillis = now.UnixMilli()
		if d := cmp.Diff(want, b.stored["K0"][0]); d != "" {
			t.Error(d)
		}
		if d := cmp.Diff(original, *kept); d != "" {
			t.Errorf("the will itself was changed: %s", d)
		}
		p.publisher.Publish(session.DueWill{Message: &original})
		synctest.Wait()
		if v.called("place") != 1 {
			t.Error("published after Close")
		}
	})
}

// TestFaults: a process dies, or stops for a while, at any of its steps; another one sweeps. Each will is sent once.
func TestFaults(t *testing.T) {
	steps := []string{"place", "placed", "ready", "send", "sent", "done", "forgotten"}
	for _, step := range steps {
		for _, pause := range []time.Duration{0, time.Second, 4 * time.Second, 10 * time.Second, 14 * time.Second, 17 * time.Second, time.Minute} {
			if step == "send" && pause > 10*time.Second {
				continue // what is on its way for longer than the claim beyond the fence can be seen by nobody
			}
			t.Run(fmt.Sprint(step, pause), func(t *testing.T) { fault(t, step, pause, "") })
		}
	}
	// The second process, which repeats, fails too.
	for _, first := range steps {
		for _, second := range append(steps, "look up") {
			t.Run(first+", "+second, func(t *testing.T) { fault(t, first, 0, second) })
		}
	}
}

// fault has the first process fail at a step, dying if pause is 0, and, if second is not "", a second one die.
func fault(t *testing.T, step string, pause time.Duration, second string) {
	synctest.Test(t, func(t *testing.T) {
		const n = 3
		v, b := newVault(n), &book{}
		p := start(t, v, b, will.Config{})
		p.at, p.pause, p.crash = step, pause, pause == 0
		p.publisher.Publish(v.due()...)
		if second != "" {
			p2 := start(t, v, b, will.Config{})
			p2.at, p2.crash = second, true
			sweep(p2, 40*time.Second)
			defer p2.end(t)
		}
		p3 := start(t, v, b, will.Config{})
		sweep(p3, 3*time.Minute)
		once(t, v, b, n)
		if err := p3.publisher.Close(t.Context()); err != nil {
			t.Error(err)
		}
		p.end(t)
	})
}

// TestSlowLog: while a publication takes longer than a claim lasts, nobody else is given the will.
func TestSlowLog(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		v, b := newVault(5), &book{}
		p := start(t, v, b, will.Config{})
		p.delay = 4 * session.ClaimTime
		p.publisher.Publish(v.due()...)
		for range 12 {
			time.Sleep(5 * time.Second)
			synctest.Wait()
			if again := v.due(); len(again) > 0 {
				t.Fatal("handed out meanwhile")
			}
		}
		if err := p.publisher.Close(t.Context()); err != nil {
			t.Error(err)
		}
		once(t, v, b, 5)
	})
}

// TestFence: a claim that cannot be confirmed is not used any more, and what the store then hands out is sent once.
func TestFence(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		v, b := newVault(2), &book{}
		p := start(t, v, b, will.Config{})
		p.delay = 6 * time.Second
		p.publisher.Publish(v.due()...)
		time.Sleep(time.Second / 2)
		p.mu.Lock()
		p.down = true
		p.mu.Unlock()
		time.Sleep(10 * time.Second)
		synctest.Wait()
		if b.has("K0")+b.has("K1") > 0 {
			t.Fatal("sent beyond the fence")
		}
		p2 := start(t, v, b, will.Config{})
		sweep(p2, time.Minute)
		once(t, v, b, 2)
		p.end(t)
		p2.end(t)
	})
}

// TestOutcomes: what can never be published is forgotten, what may be later is left.
func TestOutcomes(t *testing.T) {
	for _, c := range []struct {
		err    error
		forgot bool
		metric string
	}{
		{fmt.Errorf("too long: %w", message.ErrRefused), true, "refused"},
		{fmt.Errorf("limit: %w", message.ErrNotRetained), true, "published"},
		{message.ErrUnavailable, false, "left"},
		{message.ErrBusy, false, "left"},
		{message.ErrAbandoned, false, "left"},
		{session.ErrFenced, false, "lost"},
		{errors.New("any other"), false, "left"},
	} {
		t.Run(c.err.Error(), func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				const n = 5000 // a lane that fails before it returns must not pile up calls
				v, b := newVault(n), &book{}
				reg := prometheus.NewRegistry()
				p := start(t, v, b, will.Config{Waiting: n, Registerer: reg})
				p.fail = func(*message.Publication) error { return c.err }
				p.publisher.Publish(v.due()...)
				if err := p.publisher.Close(t.Context()); err != nil {
					t.Error(err)
				}
				if (v.left() == 0) != c.forgot {
					t.Errorf("%d are left", v.left())
				}
				if got := counted(t, reg, "lmqgate_wills_total", c.metric); got != n {
					t.Errorf("%v counted as %s", got, c.metric)
				}
				if calls := v.called("done"); c.forgot && calls > n/100 {
					t.Errorf("forgotten in %d calls", calls)
				}
			})
		})
	}
}

// TestMany: thousands of wills at once are held, placed and sent within the bounds.
func TestMany(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		const n = 3000
		v, b := newVault(n), &book{}
		reg := prometheus.NewRegistry()
		p := start(t, v, b, will.Config{Waiting: 1000, Parallel: 50, Workers: 8, Registerer: reg})
		p.publisher.Publish(v.due()...)
		time.Sleep(5 * time.Second)
		synctest.Wait()
		if left := v.left(); left != n-1000 {
			t.Errorf("%d are left, want what was beyond the bound", left)
		}
		if got := counted(t, reg, "lmqgate_wills_total", "turned_away"); got != n-1000 {
			t.Errorf("%v were turned away", got)
		}
		sweep(p, 2*time.Minute)
		once(t, v, b, n)
		if p.most > 50 || v.most > 8 {
			t.Errorf("%d publications and %d calls of the store under way", p.most, v.most)
		}
		if calls := v.called("done"); calls > n/4 {
			t.Errorf("forgotten in %d calls", calls)
		}
		p.end(t)
	})
}

// TestBytes: large wills are bounded by their size.
func TestBytes(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		v, b := newVault(10), &book{}
		for _, e := range v.wills {
			e.m.Payload = make([]byte, 60_000)
		}
		p := start(t, v, b, will.Config{WaitingBytes: 200_000})
		p.publisher.Publish(v.due()...)
		synctest.Wait()
		time.Sleep(time.Second)
		if left := v.left(); left != 6 {
			t.Errorf("%d are left, want 6", left)
		}
		sweep(p, time.Minute)
		once(t, v, b, 10)
		p.end(t)
	})
}

// TestForgetting: a store that cannot forget hands out again; the log already has it.
func TestForgetting(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		v, b := newVault(4), &book{}
		reg := prometheus.NewRegistry()
		p := start(t, v, b, will.Config{Registerer: reg})
		p.at, p.pause = "done", time.Minute
		sweep(p, 3*time.Minute)
		once(t, v, b, 4)
		if counted(t, reg, "lmqgate_wills_repeated_total", "") == 0 {
			t.Error("none was counted as repeated")
		}
		p.end(t)
	})
}

// TestClose: when its time is over, Close leaves what is not done, and that is not sent any more.
func TestClose(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		v, b := newVault(10), &book{}
		p := start(t, v, b, will.Config{Parallel: 4})
		p.delay = 2 * time.Second
		p.publisher.Publish(v.due()...)
		ctx, cancel := context.WithTimeout(t.Context(), time.Second)
		defer cancel()
		if err := p.publisher.Close(ctx); !errors.Is(err, context.DeadlineExceeded) {
			t.Errorf("close: %v", err)
		}
		time.Sleep(10 * time.Second)
		synctest.Wait()
		for i := range 10 {
			if b.has(fmt.Sprint("K", i)) > 0 {
				t.Error("sent after Close")
			}
		}
		p2 := start(t, v, b, will.Config{})
		sweep(p2, time.Minute)
		once(t, v, b, 10)
		if err := p2.publisher.Close(t.Context()); err != nil {
			t.Error(err)
		}
	})
}

// counted reads a counter of one label value.
func counted(t *testing.T, reg *prometheus.Registry, name, label string) float64 {
	t.Helper()
	families, err := reg.Gather()
	if err != nil {
		t.Fatal(err)
	}
	for _, f := range families {
		for _, m := range f.GetMetric() {
			if f.GetName() == name && (label == "" || m.GetLabel()[0].GetValue() == label) {
				return m.GetCounter().GetValue()
			}
		}
	}
	t.Fatalf("no %s %s", name, label)
	return 0
}

// TestWait: it waits for all that is held, published and forgotten or given up; what was given up is counted.
func TestWait(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		v, b := newVault(10), &book{}
		p := start(t, v, b, will.Config{})
		p.delay = time.Second
		if n := p.publisher.Wait(t.Context()); n != 0 {
			t.Errorf("%d held before anything was", n)
		}
		p.publisher.Publish(v.due()...)
		short, cancel := context.WithTimeout(t.Context(), 100*time.Millisecond)
		defer cancel()
		if n := p.publisher.Wait(short); n != 10 {
			t.Errorf("%d held, want 10", n)
		}
		if n := p.publisher.Wait(t.Context()); n != 0 || v.left() != 0 || p.publisher.Left() != 0 {
			t.Errorf("%d held, %d not forgotten, %d given up", n, v.left(), p.publisher.Left())
		}
		v2 := newVault(3)
		q := start(t, v2, b, will.Config{})
		q.fail = func(*message.Publication) error { return errors.New("no broker") }
		q.publisher.Publish(v2.due()...)
		if n := q.publisher.Wait(t.Context()); n != 0 || v2.left() != 3 || q.publisher.Left() != 3 {
			t.Errorf("failing: %d held, %d kept, %d given up", n, v2.left(), q.publisher.Left())
		}
		p.end(t)
		q.end(t)
	})
}

// TestWaitAtTheEnd: who waits is let go when Close gives up.
func TestWaitAtTheEnd(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		v := newVault(1)
		p := start(t, v, &book{}, will.Config{})
		p.delay = time.Hour
		p.publisher.Publish(v.due()...)
		over := make(chan struct{})
		go func() { defer close(over); p.publisher.Wait(t.Context()) }()
		synctest.Wait()
		ctx, cancel := context.WithTimeout(t.Context(), time.Second)
		defer cancel()
		if p.publisher.Close(ctx) == nil {
			t.Error("Close did not give up")
		}
		<-over
		p.end(t)
		time.Sleep(2 * time.Hour) // what the lane still has ends
	})
}
