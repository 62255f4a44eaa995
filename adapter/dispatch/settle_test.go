package dispatch

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strconv"
	"strings"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"lmqgate/meta/message"
	"lmqgate/meta/topic"
)

// wide returns n filters that match "t/x", each with an LMQ of its own and a long name.
func wide(n int) []string {
	filters := make([]string, n)
	for i := range filters {
		filters[i] = fmt.Sprintf("t/x/%03d%s", i, strings.Repeat("f", 100))
	}
	return filters
}

// splitting is a producer whose messages have room for three of wide's names beside the keys of a part.
func splitting(t *testing.T) *fakeProducer {
	return &fakeProducer{t: t, budget: func(map[string]string) int { return 720 }}
}

func TestSplit(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		p := splitting(t)
		p.judge = func(*Outgoing) verdict { return verdict{store: time.Millisecond, answer: 2 * time.Millisecond} }
		filters := wide(8)
		d := New(&fakeMatcher{filters: map[string][]string{"t/x": filters}}, p, Config{})
		l := d.NewLane()
		done, next := put(l, "t/x", "big", 1), put(l, "t/x", "next", 1)
		r := want(t, done, nil)
		if r.Queues != 8 {
			t.Errorf("%d queues", r.Queues)
		}
		if len(p.logged()) != 3 {
			t.Fatalf("done after %d parts stored, want 3", len(p.logged()))
		}
		var got []string
		for i, s := range p.logged() {
			got = append(got, s.Dispatch...)
			if s.Key != p.logged()[0].Key || s.seq != "big" {
				t.Errorf("part %d: key %s, body %s", i, s.Key, s.seq)
			}
			if tag := message.TagPart; i > 0 && s.Tag != tag || i == 0 && s.Tag != message.TagCommon {
				t.Errorf("part %d has tag %s", i, s.Tag)
			}
			if got := s.Properties[message.PropPart]; got != strconv.Itoa(i) {
				t.Errorf("part %d is marked %q", i, got)
			}
			if last := strings.Contains(s.Properties["KEYS"], ".last"); last != (i == 2) {
				t.Errorf("part %d has keys %s", i, s.Properties["KEYS"])
			}
			if _, ok := s.Properties["TAGS"]; ok {
				t.Errorf("part %d has its tag twice", i)
			}
		}
		if !slices.Equal(got, topic.Queues(filters)) {
			t.Errorf("dispatched to %q", got)
		}
		want(t, next, nil)
		closed(t, d)
	})
}

// TestSplitFits: the parts fit the budget that the producer gives for their own properties, keys included.
func TestSplitFits(t *testing.T) {
	const room = 3000
	p := &fakeProducer{t: t, budget: func(properties map[string]string) int {
		n := room
		for k, v := range properties {
			n -= len(k) + len(v) + 2
		}
		return n
	}}
	for n := range 60 {
		d := New(&fakeMatcher{filters: map[string][]string{"t/x": wide(n)}}, p, Config{})
		if _, err := d.Publish(t.Context(), &message.Message{Topic: "t/x", QoS: 1}); err != nil {
			t.Fatal(err)
		}
	}
	for _, s := range p.logged() {
		cost := 0
		for _, name := range s.Dispatch {
			cost += len(name) + 1 + 21
		}
		if left := p.budget(s.Properties) - cost; left < 0 {
			t.Errorf("%d names: %d bytes too many", len(s.Dispatch), -left)
		}
	}
}

// TestSplitPartUnknown: of the parts of a message only the one in doubt is looked up, by a key of its own.
func TestSplitPartUnknown(t *testing.T) {
	for _, storedToo := range []bool{true, false} {
		t.Run(fmt.Sprint("stored=", storedToo), func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				p := splitting(t)
				p.judge = func(*Outgoing) verdict {
					if len(p.sends) != 2 {
						return verdict{}
					}
					if storedToo {
						return verdict{err: ErrUnknown}
					}
					return verdict{store: -1, err: ErrUnknown}
				}
				d := New(&fakeMatcher{filters: map[string][]string{"t/x": wide(8)}}, p, Config{})
				want(t, put(d.NewLane(), "t/x", "big", 2), nil)
				if len(p.logged()) != 3 {
					t.Errorf("%d parts stored, want each of 3 once", len(p.logged()))
				}
				if k := message.PartKey(p.logged()[0].Key, p.logged()[1].Dispatch); p.found()[0] != k {
					t.Errorf("looked up %s, want %s", p.found()[0], k)
				}
				closed(t, d)
			})
		})
	}
}

// TestRepeat: a publication repeated after a crash, by what the crash left in the log.
func TestRepeat(t *testing.T) {
	const key = "00000000000000000000000000000abc"
	whole := func(lmqs []string) []Outgoing { return []Outgoing{{Key: key, Dispatch: lmqs}} }
	split := func(d *Dispatcher, lmqs []string) []Outgoing {
		parts, err := d.partsOf(&message.Message{Topic: "t/x", Key: key}, lmqs, true)
		if err != nil {
			t.Fatal(err)
		}
		return parts
	}
	eight, nine := topic.Queues(wide(8)), topic.Queues(wide(9))
	for name, c := range map[string]struct {
		before func(*Dispatcher) []Outgoing // in the log
		now    int                          // filters that match now
		sends  int
	}{
		"nothing stored":             {func(*Dispatcher) []Outgoing { return nil }, 2, 1},
		"stored":                     {func(*Dispatcher) []Outgoing { return whole(eight[:2]) }, 2, 0},
		"stored, one filter more":    {func(*Dispatcher) []Outgoing { return whole(eight[:2]) }, 3, 0},
		"stored, now in parts":       {func(*Dispatcher) []Outgoing { return whole(eight[:2]) }, 8, 0},
		"all parts":                  {func(d *Dispatcher) []Outgoing { return split(d, eight) }, 8, 0},
		"all parts, others now":      {func(d *Dispatcher) []Outgoing { return split(d, eight) }, 1, 0},
		"first part":                 {func(d *Dispatcher) []Outgoing { return split(d, eight)[:1] }, 8, 2},
		"first two parts":            {func(d *Dispatcher) []Outgoing { return split(d, eight)[:2] }, 8, 1},
		"first part, a filter more":  {func(d *Dispatcher) []Outgoing { return split(d, eight)[:1] }, 9, 2},
		"first part, now it is one":  {func(d *Dispatcher) []Outgoing { return split(d, eight)[:1] }, 2, 1},
		"first part of others":       {func(d *Dispatcher) []Outgoing { return split(d, nine[1:])[:1] }, 8, 3},
		"nothing stored, many parts": {func(*Dispatcher) []Outgoing { return nil }, 8, 3},
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				at := message.Place{Topic: "t", Broker: "broker-b", Queue: 3}
				p := splitting(t)
				filters := wide(c.now)
				d := New(&fakeMatcher{filters: map[string][]string{"t/x": filters}}, p, Config{})
				for _, o := range c.before(d) {
					o.Place = at
					p.log = append(p.log, stored{o, "m"})
				}
				done := put(d.NewLane(), "t/x", "m", 2, func(pub *message.Publication) {
					pub.Message.Key = key
					pub.Place, pub.Repeat, pub.Since = &at, true, time.Now().Add(-time.Minute)
				})
				want(t, done, nil)
				if len(p.sent()) != c.sends {
					t.Errorf("%d sends, want %d", len(p.sent()), c.sends)
				}
				reached := make(map[string]bool)
				for _, s := range p.logged() {
					if s.Place != at || s.Key != key {
						t.Errorf("stored at %v under %s", s.Place, s.Key)
					}
					for _, lmq := range s.Dispatch {
						reached[lmq] = true
					}
				}
				for _, lmq := range topic.Queues(filters) {
					if c.sends > 0 && !reached[lmq] {
						t.Errorf("%s does not have the message", lmq)
					}
				}
				closed(t, d)
			})
		})
	}
}

// TestUnsettled: while an outcome stays unknown nothing of the line goes out, and at the bound the whole line ends.
func TestUnsettled(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		p := &fakeProducer{t: t}
		p.judge = func(*Outgoing) verdict { return verdict{store: -1, err: ErrUnknown} }
		p.findTime = func() (time.Duration, error) { return time.Second, errors.New("no broker") }
		d := New(&fakeMatcher{}, p, Config{PublishTimeout: 20 * time.Second})
		l := d.NewLane()
		began := time.Now()
		first := put(l, "t", "1", 1)
		time.Sleep(time.Second)
		second, third := put(l, "t", "2", 2), put(l, "t", "3", 0)
		err := want(t, first, message.ErrUnavailable).err
		if !strings.Contains(err.Error(), "no broker") {
			t.Errorf("error %q does not say why", err)
		}
		if took := time.Since(began); took != 20*time.Second {
			t.Errorf("given up after %v", took)
		}
		want(t, second, message.ErrUnavailable)
		want(t, third, message.ErrUnavailable)
		want(t, put(l, "t", "4", 1), message.ErrUnavailable)
		if len(p.sent()) != 1 {
			t.Errorf("%d sends, want 1: the rest of the line must wait for its publisher's repeat", len(p.sent()))
		}
		p.with(func() { p.judge = nil })
		want(t, put(l, "other", "5", 1), nil)
		want(t, put(d.NewLane(), "t", "6", 1), nil)
		closed(t, d)
	})
}

// TestRefusedGoesOn: a refused message does not break its line.
func TestRefusedGoesOn(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		p := &fakeProducer{t: t}
		p.judge = func(o *Outgoing) verdict {
			if string(o.Body) == "bad" {
				return verdict{store: -1, err: fmt.Errorf("too large: %w", ErrIllegal)}
			}
			return verdict{}
		}
		d := New(&fakeMatcher{}, p, Config{})
		l := d.NewLane()
		want(t, put(l, "t", "bad", 1), message.ErrRefused)
		want(t, put(l, "t", "good", 1), nil)
		closed(t, d)
	})
}

// TestHungProducer: a send that is never answered ends at the bound, and its late answer changes nothing.
func TestHungProducer(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		p := &fakeProducer{t: t}
		p.judge = func(*Outgoing) verdict { return verdict{store: -1, answer: time.Minute} }
		d := New(&fakeMatcher{}, p, Config{})
		done := put(d.NewLane(), "t", "1", 1)
		want(t, done, message.ErrUnavailable)
		time.Sleep(2 * time.Minute)
		pending(t, done) // no second call
		closed(t, d)
	})
}

// TestAbandoned: once the publisher has gone nothing of it is sent, not even again.
func TestAbandoned(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		p := &fakeProducer{t: t}
		p.judge = func(o *Outgoing) verdict {
			switch string(o.Body) {
			case "doubtful":
				return verdict{store: -1, answer: time.Second, err: ErrUnknown}
			case "rejected":
				return verdict{store: -1, answer: time.Second, err: ErrRejected}
			}
			return verdict{store: time.Millisecond, answer: time.Second}
		}
		d := New(&fakeMatcher{}, p, Config{})
		l := d.NewLane()
		var gone atomic.Bool
		with := func(pub *message.Publication) { pub.Abandoned = gone.Load }
		doubtful, rejected := put(l, "a", "doubtful", 2, with), put(l, "b", "rejected", 2, with)
		sent, behind := put(l, "c", "sent", 2, with), put(l, "c", "behind", 2, with)
		last, other := put(l, "c", "last", 1), put(l, "d", "other", 1)
		gone.Store(true)
		want(t, doubtful, message.ErrAbandoned)
		want(t, rejected, message.ErrAbandoned)
		want(t, sent, nil)
		want(t, behind, message.ErrAbandoned)
		want(t, last, message.ErrUnavailable) // it will be repeated behind that one
		want(t, other, nil)
		if n := len(p.sent()); n != 4 {
			t.Errorf("%d sends, want 4: those that were under way", n)
		}
		closed(t, d)
	})
}

// TestFindsAreBounded: a broker that does not answer takes no more look-ups than it may, and none of another broker's.
func TestFindsAreBounded(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		p := &fakeProducer{t: t}
		p.pick = func(rocket, key string) (message.Place, error) {
			if key == "well" {
				return message.Place{Topic: rocket, Broker: "broker-b"}, nil
			}
			return message.Place{Topic: rocket, Broker: "broker-a"}, nil
		}
		p.judge = func(*Outgoing) verdict { return verdict{err: ErrUnknown} }
		lag := time.Hour
		p.findTime = func() (time.Duration, error) { return lag, nil }
		d := New(&fakeMatcher{}, p, Config{})
		var sick []chan result
		for n := range 3 * findersMax {
			sick = append(sick, put(d.NewLane(), fmt.Sprint("sick", n), "1", 1))
		}
		synctest.Wait()
		if len(p.found()) != findersMax {
			t.Errorf("%d look-ups at a time, want %d", len(p.found()), findersMax)
		}
		p.with(func() { lag = 0 })
		well := put(d.NewLane(), "well", "1", 1)
		synctest.Wait()
		select {
		case r := <-well:
			if r.err != nil {
				t.Error(r.err)
			}
		default:
			t.Error("the other broker's look-up waits")
		}
		for _, done := range sick {
			want(t, done, nil) // attempts are bounded, so those hanging come round as well
		}
		closed(t, d)
	})
}

// TestClose waits for what is under way; beyond its bound it gives the rest up, with every Done called.
func TestClose(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		p := &fakeProducer{t: t}
		p.judge = func(*Outgoing) verdict { return verdict{store: time.Second, answer: 2 * time.Second} }
		d := New(&fakeMatcher{}, p, Config{})
		l := d.NewLane()
		done := put(l, "t", "1", 1)
		began := time.Now()
		closed(t, d)
		if took := time.Since(began); took != 2*time.Second {
			t.Errorf("closed after %v", took)
		}
		select {
		case r := <-done:
			if r.err != nil {
				t.Error(r.err)
			}
		default:
			t.Error("closed before Done was called")
		}
		want(t, put(l, "t", "2", 1), message.ErrUnavailable)
		closed(t, d) // again, harmless
	})
	synctest.Test(t, func(t *testing.T) {
		p := &fakeProducer{t: t, slowPick: func(ctx context.Context, _ string) error { <-ctx.Done(); return ctx.Err() }}
		p.tryPick = func(rocket, _ string) (message.Place, bool) {
			return message.Place{Topic: rocket, Broker: "broker-a"}, rocket != "unknown"
		}
		p.judge = func(o *Outgoing) verdict { return verdict{store: -1, err: ErrUnknown} }
		p.findTime = func() (time.Duration, error) { return time.Hour, nil }
		d := New(&fakeMatcher{}, p, Config{})
		dones := []chan result{put(d.NewLane(), "t", "1", 1), put(d.NewLane(), "unknown", "2", 1)}
		ctx, cancel := context.WithTimeout(t.Context(), time.Second)
		defer cancel()
		began := time.Now()
		if err := d.Close(ctx); !errors.Is(err, context.DeadlineExceeded) || !strings.Contains(err.Error(), "2 publications") {
			t.Errorf("close: %v", err)
		}
		if took := time.Since(began); took != time.Second {
			t.Errorf("closed after %v", took)
		}
		for _, done := range dones {
			select {
			case r := <-done:
				if !errors.Is(r.err, message.ErrUnavailable) {
					t.Error(r.err)
				}
			default:
				t.Error("closed before Done was called")
			}
		}
	})
}

// TestOneQueueForManyFilters: filters that share a queue name it once; twice would lose the message there. One from whose
// queue groups could not consume has a second queue, once too.
func TestOneQueueForManyFilters(t *testing.T) {
	long := "t/" + strings.Repeat("x", 178)
	got := topic.Queues([]string{"t/x/", "t/x", "t/#", "t/x", long, long + "/", "t/a@b"})
	want := []string{topic.LMQ("t/#"), topic.LMQ("t/x"), topic.LMQ(long), topic.SharedLMQ(long), topic.LMQ("t/a@b")}
	slices.Sort(want)
	if !slices.Equal(got, want) {
		t.Errorf("got %q, want %q", got, want)
	}
}
