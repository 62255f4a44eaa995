package dispatch

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/prometheus/client_golang/prometheus/testutil"

	"lmqgate/meta/message"
	"lmqgate/meta/retain"
)

var (
	errAway = errors.New("redis is away")
	errFull = fmt.Errorf("set retained message: %w", retain.ErrLimit)
)

// TestRetainRetries: a failure of the store is not the message's. It is written again until it is kept, and not sent
// before; its line waits, others do not. A message of QoS 0 waits a shorter time.
func TestRetainRetries(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		p, r := &fakeProducer{t: t}, &fakeRetainer{t: t}
		var back atomic.Bool
		r.judge = func(w write) fate {
			if back.Load() || w.topic == "well" {
				return fate{}
			}
			return fate{err: errAway, written: w.topic == "answer lost"}
		}
		d := New(&fakeMatcher{}, p, Config{Retainer: r})
		l := d.NewLane()
		var dones []chan result
		for qos := range byte(3) {
			dones = append(dones, put(l, fmt.Sprint("t", qos), "1", qos, retained), put(l, fmt.Sprint("t", qos), "2", qos))
		}
		lost := put(l, "answer lost", "1", 1, retained)
		well := put(l, "well", "1", 1, retained)
		time.Sleep(keepPatience - time.Second)
		want(t, well, nil)
		for _, done := range append(dones, lost) {
			pending(t, done)
		}
		if n := len(p.sent()); n != 1 {
			t.Errorf("%d messages sent, want 1: those not kept wait, and those behind them", n)
		}
		if n := testutil.ToFloat64(d.metrics.keep.retries); n < 4*4 || n > 4*20 {
			t.Errorf("%v retries in four seconds", n)
		}
		time.Sleep(2*time.Second + backoffMost)
		if got := want(t, dones[0], message.ErrNotRetained); !errors.Is(got.err, errAway) || got.Key == "" {
			t.Errorf("qos 0: %+v, %v", got.Result, got.err)
		}
		want(t, dones[1], nil)
		if n := testutil.ToFloat64(d.metrics.keep.results[notInTime]); n != 1 {
			t.Errorf("%v counted as not kept", n)
		}
		dones = append(dones[2:], lost)
		for _, done := range dones {
			pending(t, done)
		}
		back.Store(true)
		for _, done := range dones {
			want(t, done, nil)
		}
		if r.of("t1") != "1" || r.of("t2") != "1" || r.of("t0") != "" {
			t.Error("not kept in the end")
		}
		closed(t, d)
	})
}

// TestRetainUnavailable: at the bound a message that could not be kept ends and is not sent, QoS 1 and 2 without success,
// and their publisher repeats it. QoS 0 is sent after a while, unless the store does not even end when it is told to.
func TestRetainUnavailable(t *testing.T) {
	for name, c := range map[string]struct {
		r    *fakeRetainer
		zero error
	}{
		"refused": {&fakeRetainer{judge: func(write) fate { return fate{err: errAway} }}, message.ErrNotRetained},
		"hung":    {&fakeRetainer{slow: always(time.Hour)}, message.ErrNotRetained},
		"deaf":    {&fakeRetainer{slow: always(30 * time.Second), deaf: true}, message.ErrUnavailable},
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				r, live := c.r, c.zero == message.ErrNotRetained
				r.t = t
				p := &fakeProducer{t: t}
				d := New(&fakeMatcher{filters: map[string][]string{"t0": {"t0"}}}, p, Config{Retainer: r})
				began := time.Now()
				l := d.NewLane()
				zero, behind := put(l, "t0", "1", 0, retained), put(l, "t0", "2", 0)
				reliable := []chan result{put(l, "t1", "1", 1, retained), put(l, "t2", "1", 2, retained)}
				after := []chan result{put(l, "t1", "2", 1), put(l, "t2", "2", 0)}
				got := want(t, zero, c.zero)
				if live != (got.Queues == 1 && got.Key != "") || live == errors.Is(got.err, message.ErrUnavailable) {
					t.Errorf("qos 0: %+v, %v", got.Result, got.err)
				}
				if took := time.Since(began); live && (took < keepPatience || took > keepPatience+keepTimeout) {
					t.Errorf("qos 0: sent after %v", took)
				}
				if live {
					want(t, behind, nil)
				}
				for _, done := range append(reliable, after...) {
					err := want(t, done, message.ErrUnavailable).err
					if errors.Is(err, message.ErrNotRetained) {
						t.Errorf("%v looks final", err)
					}
				}
				if took := time.Since(began); took != 20*time.Second {
					t.Errorf("given up after %v", took)
				}
				want(t, put(l, "t1", "3", 1), message.ErrUnavailable)
				m := &d.metrics.keep.results
				if n := testutil.ToFloat64(m[notInTime]); n != 3 {
					t.Errorf("%v counted", n)
				}
				closed(t, d)
				if n := testutil.ToFloat64(d.metrics.publishes[0][acked]); live != (n == 2) || live != (len(p.sent()) == 2) {
					t.Errorf("%v of qos 0 counted as acknowledged, %d sent", n, len(p.sent()))
				}
				r.with(func() {
					if r.busy {
						t.Error("closed with a write under way")
					}
				})
				asked := len(r.asked())
				time.Sleep(time.Hour)
				if n := len(r.asked()); n != asked {
					t.Errorf("%d writes after the end", n-asked)
				}
			})
		})
	}
}

// TestRetainHungStore: an attempt has a bound of its own, so that one hung connection is not the end.
func TestRetainHungStore(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		r := &fakeRetainer{t: t, slow: func(n int) time.Duration {
			if n == 1 {
				return time.Hour
			}
			return 0
		}}
		d := New(&fakeMatcher{}, &fakeProducer{t: t}, Config{Retainer: r})
		began := time.Now()
		first := put(d.NewLane(), "a", "1", 1, retained)
		synctest.Wait()
		second := put(d.NewLane(), "b", "1", 1, retained)
		want(t, first, nil)
		want(t, second, nil)
		if took := time.Since(began); took < keepTimeout || took > keepTimeout+time.Second {
			t.Errorf("took %v", took)
		}
		closed(t, d)
	})
}

// TestNotRetained: what is not kept for good is told, with where the message went, and the line goes on.
func TestNotRetained(t *testing.T) {
	for name, c := range map[string]struct {
		cause error
		k     kept
	}{
		"limit":     {retain.ErrLimit, overLimit},
		"too large": {retain.ErrTooLarge, tooLarge},
		"format":    {retain.ErrFormat, otherFormat},
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				p := &fakeProducer{t: t}
				r := &fakeRetainer{t: t, judge: func(w write) fate {
					if w.payload == "bad" {
						return fate{err: fmt.Errorf("set retained message: %w", c.cause)}
					}
					return fate{}
				}}
				d := New(&fakeMatcher{filters: map[string][]string{"t": {"t"}}}, p, Config{Retainer: r})
				l := d.NewLane()
				for qos := range byte(3) {
					bad, good := put(l, "t", "bad", qos, retained), put(l, "t", "good", qos, retained)
					got := want(t, bad, message.ErrNotRetained)
					if !errors.Is(got.err, c.cause) || got.Queues != 1 || got.Key == "" {
						t.Errorf("%+v, %v", got.Result, got.err)
					}
					want(t, good, nil)
				}
				if got := strings.Join(p.bodies("t"), " "); got != "bad good bad good bad good" {
					t.Errorf("log %s", got)
				}
				if n := testutil.ToFloat64(d.metrics.keep.results[c.k]); n != 3 {
					t.Errorf("%v counted", n)
				}
				if n := testutil.ToFloat64(d.metrics.publishes[1][acked]); n != 2 {
					t.Errorf("%v of qos 1 counted as acknowledged", n)
				}
				closed(t, d)
			})
		})
	}
}

// TestRetainFailpoints: a crash test may kill on either side of the write.
func TestRetainFailpoints(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var passed []string
		note := func(name string) { passed = append(passed, name) }
		r := &fakeRetainer{t: t}
		r.judge = func(write) fate {
			note("write")
			if len(r.calls) == 1 {
				return fate{err: errAway}
			}
			return fate{}
		}
		d := New(&fakeMatcher{}, &fakeProducer{t: t}, Config{Retainer: r, Failpoint: note})
		want(t, put(d.NewLane(), "t", "1", 1, retained), nil)
		expected := []string{FailBeforeRetain, "write", FailBeforeRetain, "write", FailAfterRetain, FailBeforeSend, FailAfterSend}
		if !slices.Equal(passed, expected) {
			t.Errorf("passed %q", passed)
		}
		closed(t, d)
	})
}

// TestRetainRepeat: an instance dies anywhere between the arrival and Done. The repeat is kept again, before anything
// else, and in the log once; what follows it stands behind it in both.
func TestRetainRepeat(t *testing.T) {
	for _, dies := range []string{FailBeforeRetain, FailAfterRetain, FailBeforeSend, FailAfterSend} {
		t.Run(dies, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				p, r := &fakeProducer{t: t}, &fakeRetainer{t: t}
				m := &fakeMatcher{}
				old := make(chan struct{}) // the instance that dies stands still here
				var died atomic.Bool
				first := New(m, p, Config{Retainer: r, Failpoint: func(name string) {
					if name == dies {
						died.Store(true)
						<-old
					}
				}})
				var key string
				var at message.Place
				go put(first.NewLane(), "t", "1", 2, retained, func(pub *message.Publication) {
					pub.Prepare = func(k string, place message.Place, ready func(error)) { key, at = k, place; ready(nil) }
				})
				synctest.Wait()
				if !died.Load() || len(p.logged()) == 1 != (dies == FailAfterSend) || (r.of("t") == "1") != (dies != FailBeforeRetain) {
					t.Fatalf("died: %v, %d in the log, %q kept", died.Load(), len(p.logged()), r.of("t"))
				}
				second := New(m, p, Config{Retainer: r})
				l := second.NewLane()
				again := put(l, "t", "1", 2, retained, func(pub *message.Publication) {
					pub.Message.Key, pub.Place, pub.Repeat, pub.Since = key, &at, true, time.Now()
				})
				next := put(l, "t", "2", 2, retained)
				synctest.Wait()
				if len(r.asked()) != 2 && dies != FailBeforeRetain || r.of("t") != "1" {
					t.Errorf("the repeat is not kept at once: %v", r.asked())
				}
				want(t, again, nil)
				want(t, next, nil)
				if got := strings.Join(p.bodies("t"), " "); got != "1 2" {
					t.Errorf("log %s", got)
				}
				asked := r.asked()
				if got := fmt.Sprint(asked[max(0, len(asked)-2):]); got != "[[{t 1}] [{t 2}]]" || r.of("t") != "2" {
					t.Errorf("kept %s", got)
				}
				closed(t, second)
				close(old)
				closed(t, first)
			})
		})
	}
}

// TestRetainAbandoned: a message whose publisher has gone is not kept any more, and not sent if it was kept. The next
// connection, maybe elsewhere, repeats it and goes on; a late write would put the old one back.
func TestRetainAbandoned(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		p, r := &fakeProducer{t: t}, &fakeRetainer{t: t}
		var back, gone atomic.Bool
		r.judge = func(write) fate {
			if back.Load() {
				return fate{}
			}
			return fate{err: errAway}
		}
		d := New(&fakeMatcher{}, p, Config{Retainer: r})
		done := put(d.NewLane(), "t", "1", 2, retained, func(pub *message.Publication) { pub.Abandoned = gone.Load })
		time.Sleep(5 * time.Second)
		pending(t, done)
		gone.Store(true)
		back.Store(true)
		want(t, done, message.ErrAbandoned)
		if r.of("t") != "" {
			t.Error("kept for a publisher that has gone")
		}
		if n := testutil.ToFloat64(d.metrics.keep.results[notAnyMore]); n != 1 {
			t.Errorf("%v counted", n)
		}
		closed(t, d)
	})
	synctest.Test(t, func(t *testing.T) {
		var gone atomic.Bool
		p, r := &fakeProducer{t: t}, &fakeRetainer{t: t, slow: always(time.Second)}
		d := New(&fakeMatcher{}, p, Config{Retainer: r})
		done := put(d.NewLane(), "t", "1", 2, retained, func(pub *message.Publication) { pub.Abandoned = gone.Load })
		synctest.Wait() // the write is under way
		gone.Store(true)
		want(t, done, message.ErrAbandoned)
		if r.of("t") != "1" || len(p.sent()) != 0 {
			t.Errorf("kept %q, sent %v", r.of("t"), p.sent())
		}
		closed(t, d)
	})
}

// TestRetainLate: neither is one whose time is over, even if the process stood still and its timers are late: nothing is
// kept, matched or sent any more.
func TestRetainLate(t *testing.T) {
	for _, at := range []string{"in front of the write", "during the write", "during the match"} {
		t.Run(at, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				var skipped atomic.Int64
				skip := func() { skipped.Store(int64(30 * time.Second)) }
				p, r := &fakeProducer{t: t}, &fakeRetainer{t: t}
				m := &fakeMatcher{answer: func(string) (time.Duration, error) { return time.Second, nil }}
				before := func(name string) {
					if name == FailBeforeRetain && at == "in front of the write" {
						skip()
					}
				}
				r.judge = func(write) fate {
					if at == "during the write" {
						skip()
					}
					return fate{}
				}
				d := New(m, p, Config{
					Retainer: r, Failpoint: before,
					Now: func() time.Time { return time.Now().Add(time.Duration(skipped.Load())) },
				})
				done := put(d.NewLane(), "t", "1", 1, retained)
				synctest.Wait()
				skip()
				want(t, done, message.ErrUnavailable)
				if n := len(r.asked()); (n == 0) != (at == "in front of the write") || len(p.sent()) != 0 {
					t.Errorf("written %d times, sent %v", n, p.sent())
				}
				closed(t, d)
			})
		})
	}
}

// TestRetainClose waits for writes under way; beyond its bound it gives them up.
func TestRetainClose(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		r := &fakeRetainer{t: t, slow: always(2 * time.Second)}
		d := New(&fakeMatcher{}, &fakeProducer{t: t}, Config{Retainer: r})
		first := put(d.NewLane(), "a", "1", 1, retained)
		synctest.Wait()
		second := put(d.NewLane(), "b", "1", 0, retained)
		began := time.Now()
		closed(t, d)
		if took := time.Since(began); took != 4*time.Second || len(first) != 1 || len(second) != 1 || r.of("b") != "1" {
			t.Errorf("closed after %v, %d and %d done", took, len(first), len(second))
		}
	})
	synctest.Test(t, func(t *testing.T) {
		r := &fakeRetainer{t: t, slow: always(time.Hour)}
		d := New(&fakeMatcher{}, &fakeProducer{t: t}, Config{Retainer: r})
		first := put(d.NewLane(), "a", "1", 1, retained)
		synctest.Wait()
		second := put(d.NewLane(), "b", "1", 1, retained)
		ctx, cancel := context.WithTimeout(t.Context(), time.Second)
		defer cancel()
		began := time.Now()
		if err := d.Close(ctx); !errors.Is(err, context.DeadlineExceeded) || !strings.Contains(err.Error(), "2 publications") {
			t.Errorf("close: %v", err)
		}
		if took := time.Since(began); took != time.Second || len(first) != 1 || len(second) != 1 {
			t.Errorf("closed after %v, %d and %d done", took, len(first), len(second))
		}
		want(t, first, message.ErrUnavailable)
		want(t, second, message.ErrUnavailable)
	})
}
