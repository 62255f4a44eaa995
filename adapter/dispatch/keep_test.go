package dispatch

import (
	"errors"
	"fmt"
	"slices"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/prometheus/client_golang/prometheus/testutil"

	"lmqgate/meta/message"
)

// TestRetainOrder: a message is kept when its turn comes, then matched, then sent, and nothing behind it on its line goes
// out before that; other topics and lanes do not wait for it.
func TestRetainOrder(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		began := time.Now()
		var mu sync.Mutex
		var events []string
		note := func(what, payload string) {
			mu.Lock()
			defer mu.Unlock()
			events = append(events, fmt.Sprintf("%v %s %s", time.Since(began).Milliseconds(), what, payload))
		}
		p := &fakeProducer{t: t, concurr: true}
		p.judge = func(o *Outgoing) verdict {
			note("send", string(o.Body))
			return verdict{answer: 10 * time.Millisecond}
		}
		r := &fakeRetainer{t: t, slow: always(100 * time.Millisecond)}
		r.judge = func(w write) fate { note("keep", w.payload); return fate{} }
		m := &fakeMatcher{answer: func(topic string) (time.Duration, error) { note("match", topic); return 0, nil }}
		d := New(m, p, Config{Retainer: r})
		l := d.NewLane()
		done := func(payload string) func(*message.Publication) {
			return func(p *message.Publication) { p.Done = func(message.Result, error) { note("done", payload) } }
		}
		put(l, "t", "1", 1, retained, done("1"))
		put(l, "t", "2", 0, done("2"))
		put(l, "t", "3", 2, retained, done("3"))
		put(l, "u", "4", 1, done("4"))
		put(d.NewLane(), "t", "5", 1, done("5"))
		closed(t, d)
		all := strings.Join(events, "\n")
		for _, want := range []string{
			"0 send 4", "0 send 5", "10 done 4", "10 done 5",
			"100 keep 1", "100 send 1", "110 done 1", "110 send 2", "120 done 2", "220 keep 3", "220 send 3", "230 done 3",
		} {
			if n := slices.Index(events, want); n < 0 || strings.Count(all, want[strings.Index(want, " "):]) != 1 {
				t.Errorf("%q is at %d", want, n)
			}
		}
		inOrder(t, events, "100 keep 1", "100 match t", "100 send 1", "110 done 1", "110 send 2",
			"220 keep 3", "220 match t", "220 send 3", "230 done 3")
		if n := strings.Count(all, "0 match t"); n != 4 { // those without retain at arrival
			t.Errorf("matched %d times", n)
		}
		if t.Failed() {
			t.Log(all)
		}
	})
}

func inOrder(t *testing.T, events []string, want ...string) {
	t.Helper()
	at := -1
	for _, w := range want {
		n := slices.Index(events, w)
		if n <= at {
			t.Errorf("%q comes at %d, behind %d", w, n, at)
		}
		at = n
	}
}

// TestRetainTogether: whoever comes while a write is under way shares the next one.
func TestRetainTogether(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		r := &fakeRetainer{t: t, slow: always(time.Second)}
		d := New(&fakeMatcher{}, &fakeProducer{t: t}, Config{Retainer: r})
		var dones []chan result
		for n := range 100 {
			dones = append(dones, put(d.NewLane(), fmt.Sprint("t", n), "x", byte(n%3), retained))
			synctest.Wait() // the first one is on its way alone
		}
		for _, done := range dones {
			want(t, done, nil)
		}
		if calls := r.asked(); len(calls) != 2 || len(calls[0]) != 1 || len(calls[1]) != 99 {
			t.Errorf("%d calls", len(calls))
		}
		if n := testutil.ToFloat64(d.metrics.keep.results[keptNew]); n != 100 {
			t.Errorf("%v counted as kept", n)
		}
		closed(t, d)
	})
}

// TestRetainBounds: what is written at once is bounded, in number and in bytes.
func TestRetainBounds(t *testing.T) {
	for name, c := range map[string]struct {
		size, waiting int
		sizes         []int // of the calls behind the first
	}{
		"number": {1, keepMost + 10, []int{keepMost, 10}},
		"bytes":  {keepMostBytes/4 - messageOverhead - 10, 9, []int{4, 4, 1}},
		"large":  {keepMostBytes + 1, 2, []int{1, 1}},
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				r := &fakeRetainer{t: t, slow: always(time.Second)}
				d := New(&fakeMatcher{}, &fakeProducer{t: t}, Config{Retainer: r})
				payload := strings.Repeat("x", c.size)
				put(d.NewLane(), "first", "x", 1, retained)
				synctest.Wait()
				for n := range c.waiting {
					put(d.NewLane(), fmt.Sprint("t", n), payload, 1, retained)
				}
				closed(t, d)
				var sizes []int
				for _, call := range r.asked()[1:] {
					sizes = append(sizes, len(call))
				}
				if !slices.Equal(sizes, c.sizes) {
					t.Errorf("written by %d, want %d", sizes, c.sizes)
				}
				if d.keeper.waiting != nil || d.keeper.writing {
					t.Error("a keeper at rest keeps something")
				}
			})
		})
	}
}

// TestRetainForms: what is sent is the same with and without a Retainer, and what is not to be retained is not.
func TestRetainForms(t *testing.T) {
	for _, keeps := range []bool{true, false} {
		t.Run(fmt.Sprint(keeps), func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				p, r := &fakeProducer{t: t}, &fakeRetainer{t: t}
				cfg := Config{P2P: true}
				if keeps {
					cfg.Retainer = r
				}
				d := New(&fakeMatcher{filters: map[string][]string{"t": {"t", "#"}}}, p, cfg)
				l := d.NewLane()
				for n, c := range []struct {
					topic, payload string
					retain         bool
					kept           string
				}{
					{"t", "not to be retained", false, ""},
					{"t", "1", true, "1"},
					{"t", "2", false, "1"},
					{"t", "3", true, "3"},
					{"t", "", false, "3"},
					{"t", "", true, ""}, // [MQTT-3.3.1-6]
					{"t", "", true, ""},
					{"$SYS/x", "dollar", true, "dollar"},
					{"/", "odd", true, "odd"},
					{"t/p2p/c1/x", "private", true, ""}, // else found by others' wildcards
					{"t/p2p/c1/x", "", true, ""},
				} {
					got := want(t, put(l, c.topic, c.payload, byte(n%3), func(p *message.Publication) { p.Message.Retain = c.retain }), nil)
					if c.topic == "t" && got.Queues != 2 {
						t.Errorf("%d: %d queues", n, got.Queues)
					}
					o := p.sent()[n]
					if marked := o.Properties[message.PropRetain] == "true"; marked != c.retain {
						t.Errorf("%d: marked as retained: %v", n, marked)
					}
					if empty := o.Properties[message.PropEmpty] == "true"; empty != (c.payload == "") {
						t.Errorf("%d: sent as %v", n, o.Properties)
					}
					if keeps && r.of(c.topic) != c.kept {
						t.Errorf("%d: kept %q, want %q", n, r.of(c.topic), c.kept)
					}
				}
				m := &d.metrics.keep.results
				for _, c := range []struct {
					k    kept
					want float64
				}{{keptNew, 4}, {keptRemoved, 3}, {keptNotP2P, 1}} {
					if n := testutil.ToFloat64(m[c.k]); keeps && n != c.want || !keeps && n != 0 {
						t.Errorf("%v: counted %v", c.k, n)
					}
				}
				closed(t, d)
			})
		})
	}
}

// TestRetainSplit: a message in parts is kept once, in front of the first part.
func TestRetainSplit(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		p, r := splitting(t), &fakeRetainer{t: t}
		p.judge = func(*Outgoing) verdict { return verdict{store: time.Second, answer: 2 * time.Second} }
		r.judge = func(write) fate {
			if n := len(p.sent()); n != 0 {
				t.Errorf("kept behind %d parts", n)
			}
			return fate{}
		}
		d := New(&fakeMatcher{filters: map[string][]string{"t/x": wide(8)}}, p, Config{Retainer: r})
		want(t, put(d.NewLane(), "t/x", "big", 1, retained), nil)
		if calls := r.asked(); len(calls) != 1 || len(calls[0]) != 1 || r.of("t/x") != "big" || len(p.logged()) != 3 {
			t.Errorf("written %v, %d parts", calls, len(p.logged()))
		}
		closed(t, d)
	})
}

// TestRetainRefused: what the log will never take, for a reason that is known in front of the match, is not kept; nor is
// what its publisher has no right to any more, or has no route.
func TestRetainRefused(t *testing.T) {
	away := errors.New("taken over")
	for name, c := range map[string]struct {
		with   func(*message.Publication)
		budget int
		pick   error
		err    error
	}{
		"properties too long": {budget: message.MaxNameCost + message.DispatchSlack - 1, err: message.ErrRefused},
		"no route":            {budget: 1 << 20, pick: ErrNoTopic, err: message.ErrRefused},
		"not prepared": {budget: 1 << 20, err: away, with: func(p *message.Publication) {
			p.Prepare = func(_ string, _ message.Place, ready func(error)) { ready(away) }
		}},
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				p, r, m := &fakeProducer{t: t}, &fakeRetainer{t: t}, &fakeMatcher{}
				p.budget = func(map[string]string) int { return c.budget }
				p.pick = func(rocket, _ string) (message.Place, error) { return message.Place{Topic: rocket}, c.pick }
				d := New(m, p, Config{Retainer: r})
				for qos := range byte(3) {
					want(t, put(d.NewLane(), "t", "x", qos, retained, func(p *message.Publication) {
						if c.with != nil {
							c.with(p)
						}
					}), c.err)
				}
				closed(t, d)
				if len(r.asked()) != 0 || len(p.sent()) != 0 || len(m.asked) != 0 {
					t.Errorf("asked to keep %v, to match %v, sent %v", r.asked(), m.asked, p.sent())
				}
				for k := range keptValues {
					if n := testutil.ToFloat64(d.metrics.keep.results[k]); n != 0 {
						t.Errorf("%v: counted %v", k, n)
					}
				}
			})
		})
	}
}

// TestRetainUnsent: what is kept and does not get into the log then ends as it would have without being kept.
func TestRetainUnsent(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		p, r := &fakeProducer{t: t}, &fakeRetainer{t: t}
		p.judge = func(o *Outgoing) verdict {
			switch string(o.Body) {
			case "illegal":
				return verdict{store: -1, err: ErrIllegal}
			case "in doubt":
				return verdict{store: -1, err: ErrUnknown}
			default:
				return verdict{store: -1, err: ErrRejected}
			}
		}
		d := New(&fakeMatcher{}, p, Config{Retainer: r})
		for _, c := range []struct {
			payload string
			qos     byte
			err     error
		}{
			{"illegal", 1, message.ErrRefused},
			{"in doubt", 0, message.ErrUnavailable},
			{"rejected", 0, message.ErrUnavailable},
			{"rejected for ever", 2, message.ErrUnavailable},
		} {
			got := want(t, put(d.NewLane(), "t", c.payload, c.qos, retained), c.err)
			if errors.Is(got.err, message.ErrNotRetained) || got.Key != "" || r.of("t") != c.payload {
				t.Errorf("%s: %+v, %v, kept %q", c.payload, got.Result, got.err, r.of("t"))
			}
		}
		closed(t, d)
		if n := testutil.ToFloat64(d.metrics.keep.results[keptNew]); n != 4 || len(r.asked()) != 4 {
			t.Errorf("%v counted as kept, written %v", n, r.asked())
		}
	})
}

// TestRetainPublish: callers that wait are given the result with the error.
func TestRetainPublish(t *testing.T) {
	r := &fakeRetainer{t: t, judge: func(write) fate { return fate{err: errFull} }}
	d := New(&fakeMatcher{filters: map[string][]string{"t": {"t"}}}, &fakeProducer{t: t}, Config{Retainer: r})
	got, err := d.Publish(t.Context(), &message.Message{Topic: "t", Payload: []byte("x"), Retain: true})
	if !errors.Is(err, message.ErrNotRetained) || !errors.Is(err, errFull) || got.Queues != 1 || got.Key == "" {
		t.Errorf("%+v, %v", got, err)
	}
	closed(t, d)
}
