package dispatch

import (
	"fmt"
	"slices"
	"testing"
	"testing/synctest"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/client_golang/prometheus/testutil"

	"lmqgate/meta/message"
)

func slow(*Outgoing) verdict { return verdict{store: time.Second / 2, answer: time.Second} }

// TestBounds: beyond the number or the bytes in flight a publication is turned away at once, of whatever QoS.
func TestBounds(t *testing.T) {
	for name, cfg := range map[string]Config{
		"number": {MaxInFlight: 3},
		"bytes":  {MaxInFlightBytes: 3 * (messageOverhead + 100)},
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				p := &fakeProducer{t: t, judge: slow}
				d := New(&fakeMatcher{}, p, cfg)
				l := d.NewLane()
				payload := string(make([]byte, 99))
				var in []chan result
				for range 3 {
					in = append(in, put(l, "t", payload, 1))
				}
				for qos := range byte(3) {
					busy := put(d.NewLane(), "u", "", qos)
					if len(busy) != 1 {
						t.Fatal("not told at once")
					}
					want(t, busy, message.ErrBusy)
				}
				want(t, in[0], nil)
				synctest.Wait()
				want(t, put(l, "t", payload, 1), nil) // room again, and the line is not broken
				for _, done := range in[1:] {
					want(t, done, nil)
				}
				closed(t, d)
				if len(p.logged()) != 4 {
					t.Errorf("%d stored", len(p.logged()))
				}
			})
		})
	}
}

// TestLargeMessage: the bound on bytes stops nothing that comes alone.
func TestLargeMessage(t *testing.T) {
	d := New(&fakeMatcher{}, &fakeProducer{t: t}, Config{MaxInFlightBytes: 10})
	if _, err := d.Publish(t.Context(), &message.Message{Topic: "t", Payload: make([]byte, 1000)}); err != nil {
		t.Error(err)
	}
}

// TestIdleLane: a lane at rest keeps nothing.
func TestIdleLane(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		d := New(&fakeMatcher{}, &fakeProducer{t: t, judge: slow}, Config{})
		l := d.NewLane().(*Lane)
		for n := range 10 {
			put(l, fmt.Sprint("t", n%5), "", 1)
		}
		l.mu.Lock()
		if l.one == nil || len(l.more) != 4 {
			t.Errorf("%d lines beside the one", len(l.more))
		}
		l.mu.Unlock()
		closed(t, d)
		synctest.Wait()
		l.mu.Lock()
		defer l.mu.Unlock()
		if l.one != nil || l.more != nil {
			t.Errorf("idle lane keeps %v, %v", l.one, l.more)
		}
		f := d.inflight
		f.mu.Lock()
		defer f.mu.Unlock()
		if f.oldest != nil || f.newest != nil || f.count != 0 || f.bytes != 0 {
			t.Errorf("in flight at rest: %+v", f)
		}
	})
}

// TestDeadlines: each publication has its own, also where only one timer watches all.
func TestDeadlines(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		p := &fakeProducer{t: t, judge: func(*Outgoing) verdict { return verdict{store: -1, answer: -1} }}
		d := New(&fakeMatcher{}, p, Config{PublishTimeout: 10 * time.Second})
		took := make([]time.Duration, 5)
		for n := range took {
			began := time.Now()
			d.NewLane().Publish(&message.Publication{
				Message: &message.Message{Topic: fmt.Sprint("t", n), QoS: byte(n % 3)},
				Done:    func(message.Result, error) { took[n] = time.Since(began) },
			})
			time.Sleep(3 * time.Second)
		}
		closed(t, d)
		for n, d := range took {
			if d != 10*time.Second {
				t.Errorf("publication %d ended after %v", n, d)
			}
		}
	})
}

func TestMetrics(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		reg := prometheus.NewRegistry()
		p := &fakeProducer{t: t}
		p.judge = func(o *Outgoing) verdict {
			if len(p.sends) > 1 {
				return verdict{}
			}
			switch string(o.Body) {
			case "rejected":
				return verdict{store: -1, err: ErrRejected}
			case "stored":
				return verdict{err: ErrUnknown}
			case "unknown":
				return verdict{store: -1, err: ErrUnknown}
			case "illegal":
				return verdict{store: -1, err: ErrIllegal}
			}
			return verdict{}
		}
		d := New(&fakeMatcher{filters: map[string][]string{"t": {"t"}}}, p, Config{Registerer: reg, MaxInFlight: 1})
		m := d.metrics
		for _, c := range []struct {
			payload string
			qos     byte
			err     error
			also    prometheus.Counter
		}{
			{"", 0, nil, m.publishes[0][acked]},
			{"", 2, nil, m.publishes[2][acked]},
			{"rejected", 0, message.ErrUnavailable, m.publishes[0][dropped]},
			{"unknown", 0, message.ErrUnavailable, m.publishes[0][lost]},
			{"illegal", 1, message.ErrRefused, m.publishes[1][refused]},
			{"rejected", 1, nil, m.retries},
			{"stored", 1, nil, m.found},
			{"unknown", 1, nil, m.sentAgain},
		} {
			p.with(func() { p.sends = nil })
			before := testutil.ToFloat64(c.also)
			want(t, put(d.NewLane(), "t", c.payload, c.qos), c.err)
			synctest.Wait()
			if n := testutil.ToFloat64(c.also) - before; n != 1 {
				t.Errorf("%q, qos %d: counted %v", c.payload, c.qos, n)
			}
		}
		want(t, put(d.NewLane(), "nobody", "", 1), nil)
		if n := testutil.ToFloat64(m.nobody); n != 1 {
			t.Errorf("no subscriber: %v", n)
		}
		p.with(func() { p.judge = slow })
		put(d.NewLane(), "t", "", 1)
		put(d.NewLane(), "t", "", 1)
		if n := testutil.ToFloat64(m.publishes[1][busy]); n != 1 {
			t.Errorf("busy: %v", n)
		}
		if n := testutil.ToFloat64(m.inflight); n != 1 {
			t.Errorf("in flight: %v", n)
		}
		closed(t, d)
		if n := testutil.ToFloat64(m.inflight); n != 0 {
			t.Errorf("in flight at rest: %v", n)
		}
		if problems, err := testutil.GatherAndLint(reg); err != nil || len(problems) > 0 {
			t.Errorf("%v %v", problems, err)
		}
	})
}

func TestFailpoints(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var passed []string
		p := &fakeProducer{t: t}
		p.judge = func(*Outgoing) verdict {
			passed = append(passed, "send")
			if len(p.sends) == 1 {
				return verdict{store: -1, err: ErrUnknown}
			}
			return verdict{}
		}
		d := New(&fakeMatcher{}, p, Config{Failpoint: func(name string) { passed = append(passed, name) }})
		want(t, put(d.NewLane(), "t", "1", 2), nil)
		expected := []string{FailBeforeSend, "send", FailBeforeFind, FailBeforeFind, FailBeforeSend, "send", FailAfterSend}
		if !slices.Equal(passed, expected) {
			t.Errorf("passed %q", passed)
		}
		closed(t, d)
	})
}
