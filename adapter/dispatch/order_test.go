package dispatch

import (
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"strconv"
	"sync"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"lmqgate/meta/message"
)

// chaos makes brokers and the registry misbehave in every way that they may.
type chaos struct {
	mu  sync.Mutex
	rng *rand.Rand
}

func (c *chaos) under(n int) int {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.rng.IntN(n)
}

func (c *chaos) ms(most int) time.Duration { return time.Duration(c.under(most+1)) * time.Millisecond }

func (c *chaos) verdict(o *Outgoing) verdict {
	reliable := o.Properties[message.PropQoS] != "0"
	answer := c.ms(8)
	switch n := c.under(100); {
	case n < 60:
		return verdict{store: answer / 2, answer: answer}
	case n < 75:
		return verdict{store: -1, answer: answer, err: fmt.Errorf("broker busy: %w", ErrRejected)}
	case n < 83:
		return verdict{store: -1, answer: answer, err: ErrUnknown}
	case n < 91:
		return verdict{store: answer / 2, answer: answer, err: errors.New("time-out")}
	case reliable: // still in the broker's queue when the time-out comes
		return verdict{store: answer + c.ms(199), answer: answer, err: ErrUnknown}
	default:
		return verdict{store: answer / 2, answer: answer, err: ErrUnknown}
	}
}

func (c *chaos) look() (time.Duration, error) {
	if c.under(4) == 0 {
		return c.ms(5), errors.New("connection lost")
	}
	return c.ms(30), nil
}

func (c *chaos) match(string) (time.Duration, error) {
	if c.under(10) == 0 {
		return c.ms(3), errors.New("redis is away")
	}
	return c.ms(6), nil
}

func (c *chaos) route(topic, key string) (message.Place, bool) {
	at, _ := c.pick(topic, key)
	return at, c.under(5) != 0
}

// pick wanders between two brokers, so that an order that hangs on a stable place shows.
func (c *chaos) pick(topic, _ string) (message.Place, error) {
	return message.Place{Topic: topic, Broker: fmt.Sprintf("broker-%d", c.under(2)), Queue: c.under(4)}, nil
}

type sent struct {
	lane, topic, n int
	qos            byte
	err            error
	done           int
}

// TestOrder publishes on many lanes and topics through chaos and then reads the log: publications of one lane and topic
// are in it in the order of Publish, none twice, and every acknowledged one is there. QoS 1 is exact here as well, since
// no publisher repeats anything.
func TestOrder(t *testing.T) {
	const lanes, topics, each = 6, 3, 40
	for seed := range uint64(20) {
		t.Run(strconv.FormatUint(seed, 10), func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				c := &chaos{rng: rand.New(rand.NewPCG(seed, 7))}
				p := &fakeProducer{t: t, judge: c.verdict, findTime: c.look, tryPick: c.route, pick: c.pick}
				d := New(&fakeMatcher{answer: c.match}, p, Config{PublishTimeout: time.Hour})
				var wg sync.WaitGroup
				var mu sync.Mutex
				all := make(map[string]*sent)
				for lane := range lanes {
					l := d.NewLane()
					wg.Go(func() {
						for n := range each {
							s := &sent{lane: lane, topic: c.under(topics), n: n, qos: byte(c.under(3))}
							payload := strconv.Itoa(n)
							name := fmt.Sprintf("t%d/%d", lane, s.topic)
							mu.Lock()
							all[name+":"+payload] = s
							mu.Unlock()
							pub := &message.Publication{Message: &message.Message{Topic: name, Payload: []byte(payload), QoS: s.qos}}
							if s.qos == 2 {
								pub.Prepare = func(_ string, _ message.Place, ready func(error)) { after(c.ms(4), func() { ready(nil) }) }
							}
							pub.Done = func(_ message.Result, err error) {
								mu.Lock()
								defer mu.Unlock()
								s.err = err
								s.done++
							}
							l.Publish(pub)
							time.Sleep(c.ms(10))
						}
					})
				}
				wg.Wait()
				closed(t, d)
				time.Sleep(time.Second) // whatever is still on its way into the log
				checkLog(t, p, all, lanes, topics)
			})
		})
	}
}

func checkLog(t *testing.T, p *fakeProducer, all map[string]*sent, lanes, topics int) {
	times := make(map[string]int)
	for lane := range lanes {
		for topic := range topics {
			name := fmt.Sprintf("t%d/%d", lane, topic)
			last := -1
			for _, payload := range p.bodies(name) {
				n, _ := strconv.Atoi(payload)
				if n <= last {
					t.Errorf("%s: %d stored after %d", name, n, last)
				}
				last = n
				times[name+":"+payload]++
			}
		}
	}
	acked := 0
	for id, s := range all {
		if s.done != 1 {
			t.Errorf("%s: Done called %d times", id, s.done)
		}
		if s.qos > 0 && s.err != nil {
			t.Errorf("%s: qos %d failed: %v", id, s.qos, s.err)
		}
		if s.err == nil {
			acked++
			if times[id] != 1 {
				t.Errorf("%s: qos %d acknowledged, stored %d times", id, s.qos, times[id])
			}
		}
	}
	if acked < len(all)/2 {
		t.Errorf("only %d of %d acknowledged", acked, len(all))
	}
}

// TestPlaceOfQoS2 is decision 6: whatever happens, a QoS 2 message is sent to the place that Prepare was told, under its key.
func TestPlaceOfQoS2(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		c := &chaos{rng: rand.New(rand.NewPCG(3, 3))}
		p := &fakeProducer{t: t, judge: c.verdict, findTime: c.look, pick: c.pick}
		d := New(&fakeMatcher{}, p, Config{PublishTimeout: time.Hour})
		l := d.NewLane()
		type choice struct {
			key string
			at  message.Place
		}
		told := make(map[string]choice)
		var dones []chan result
		for n := range 200 {
			payload := strconv.Itoa(n)
			dones = append(dones, put(l, "t/2", payload, 2, func(p *message.Publication) {
				p.Prepare = func(key string, at message.Place, ready func(error)) {
					told[payload] = choice{key, at}
					ready(nil)
				}
			}))
		}
		for _, done := range dones {
			want(t, done, nil)
		}
		if len(p.sent()) < 250 {
			t.Fatalf("%d sends: too few retries to show anything", len(p.sent()))
		}
		for _, o := range p.sent() {
			if w := told[string(o.Body)]; o.Place != w.at || o.Key != w.key {
				t.Errorf("message %s sent to %v as %s, Prepare was told %v", o.Body, o.Place, o.Key, w)
			}
		}
		closed(t, d)
	})
}

// TestRejectedMoves: a definitely rejected QoS 1 message may go to another broker, its order stays.
func TestRejectedMoves(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var gone atomic.Bool
		p := &fakeProducer{t: t}
		p.pick = func(topic, _ string) (message.Place, error) {
			if gone.Load() {
				return message.Place{Topic: topic, Broker: "broker-b"}, nil
			}
			return message.Place{Topic: topic, Broker: "broker-a"}, nil
		}
		p.judge = func(o *Outgoing) verdict {
			if o.Place.Broker == "broker-a" {
				gone.Store(true)
				return verdict{store: -1, err: ErrRejected}
			}
			return verdict{}
		}
		d := New(&fakeMatcher{}, p, Config{})
		l := d.NewLane()
		first, second := put(l, "t", "1", 1), put(l, "t", "2", 1)
		want(t, first, nil)
		want(t, second, nil)
		if got := fmt.Sprint(p.bodies("t")); got != "[1 2]" {
			t.Errorf("log %s", got)
		}
		closed(t, d)
	})
}

// TestPinned: where a message could be in the first queue already, or Prepare has recorded it, it stays there.
func TestPinned(t *testing.T) {
	rejected, inDoubt := verdict{store: -1, err: ErrRejected}, verdict{store: -1, err: ErrUnknown}
	for name, c := range map[string]struct {
		verdicts []verdict // of the first sends; later ones succeed
		with     func(*message.Publication)
		qos      byte
		stays    bool
	}{
		"rejected":                  {[]verdict{rejected}, func(*message.Publication) {}, 1, false},
		"rejected, qos 2":           {[]verdict{rejected}, func(*message.Publication) {}, 2, true},
		"in doubt":                  {[]verdict{inDoubt}, func(*message.Publication) {}, 1, true},
		"in doubt, then rejected":   {[]verdict{inDoubt, rejected}, func(*message.Publication) {}, 1, true},
		"second part rejected":      {[]verdict{{}, rejected}, func(p *message.Publication) { p.Message.Topic = "t/x" }, 1, true},
		"prepared, then rejected":   {[]verdict{rejected}, func(p *message.Publication) { p.Prepare = allow }, 1, true},
		"place given, and rejected": {[]verdict{rejected}, func(p *message.Publication) { p.Place = &message.Place{Topic: "t"} }, 1, true},
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				p := splitting(t)
				picks := 0
				p.pick = func(topic, _ string) (message.Place, error) {
					picks++
					return message.Place{Topic: topic, Queue: picks}, nil
				}
				p.judge = func(*Outgoing) verdict {
					if n := len(p.sends); n <= len(c.verdicts) {
						return c.verdicts[n-1]
					}
					return verdict{}
				}
				d := New(&fakeMatcher{filters: map[string][]string{"t/x": wide(5)}}, p, Config{})
				want(t, put(d.NewLane(), "t", "m", c.qos, c.with), nil)
				first, last := p.sent()[0].Place, p.sent()[len(p.sent())-1].Place
				if stays := first == last; stays != c.stays {
					t.Errorf("sent to %v, in the end to %v", first, last)
				}
				closed(t, d)
			})
		})
	}
}

func allow(_ string, _ message.Place, ready func(error)) { ready(nil) }

// TestLateWord: what is said about a publication that has ended does not disturb the line that its topic has by now.
func TestLateWord(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		m := &fakeMatcher{answer: func(topic string) (time.Duration, error) {
			if topic == "b" {
				return 30 * time.Second, nil
			}
			return 0, nil
		}}
		p := &fakeProducer{t: t}
		p.judge = func(o *Outgoing) verdict {
			if o.Properties[message.PropTopic] == "a" {
				return verdict{answer: 19 * time.Second}
			}
			return verdict{answer: 10 * time.Second}
		}
		d := New(m, p, Config{})
		l := d.NewLane()
		put(l, "a", "", 0) // b is not the lane's only line, until 34 s
		late := put(l, "b", "late", 0)
		time.Sleep(15 * time.Second)
		put(l, "a", "", 0)
		want(t, late, message.ErrUnavailable) // at 20 s
		m.with(func() { m.answer = nil })
		time.Sleep(5 * time.Second)
		first := put(l, "b", "1", 1) // its send takes until 35 s; the late word comes at 30 s
		time.Sleep(7 * time.Second)
		second := put(l, "b", "2", 1)
		want(t, first, nil)
		want(t, second, nil)
		closed(t, d)
	})
}

// TestTopicsInParallel: a topic whose send hangs holds up nothing but itself.
func TestTopicsInParallel(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		p := &fakeProducer{t: t}
		p.judge = func(o *Outgoing) verdict {
			if string(o.Body) == "slow" {
				return verdict{store: 5 * time.Second, answer: 5 * time.Second}
			}
			return verdict{}
		}
		d := New(&fakeMatcher{}, p, Config{})
		l := d.NewLane()
		slow, behind := put(l, "a", "slow", 1), put(l, "a", "behind", 0)
		others := []chan result{put(l, "b", "1", 1), put(l, "c", "2", 2), put(d.NewLane(), "a2", "3", 1)}
		for _, done := range others {
			select {
			case r := <-done:
				if r.err != nil {
					t.Error(r.err)
				}
			default:
				t.Error("waits for another topic")
			}
		}
		pending(t, slow)
		pending(t, behind)
		want(t, slow, nil)
		want(t, behind, nil)
		closed(t, d)
	})
}

// TestMatchBeginsAtArrival: a publication asks for its filters when it arrives, not when its turn comes, and its send
// waits for the answer.
func TestMatchBeginsAtArrival(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		m := &fakeMatcher{answer: func(string) (time.Duration, error) { return 10 * time.Millisecond, nil }}
		p := &fakeProducer{t: t}
		p.judge = func(*Outgoing) verdict { return verdict{store: 10 * time.Millisecond, answer: 10 * time.Millisecond} }
		d := New(m, p, Config{})
		l := d.NewLane()
		began := time.Now()
		var last chan result
		for n := range 5 {
			last = put(l, "t", strconv.Itoa(n), 1)
		}
		m.with(func() {
			if len(m.asked) != 5 {
				t.Errorf("%d matches asked for at arrival, want 5", len(m.asked))
			}
		})
		if len(p.sent()) != 0 {
			t.Error("sent before it was matched")
		}
		want(t, last, nil)
		if took := time.Since(began); took != 60*time.Millisecond { // one match, then five sends
			t.Errorf("took %v", took)
		}
		closed(t, d)
	})
}

// TestPublish is the interface for callers that wait.
func TestPublish(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		p := &fakeProducer{t: t, concurr: true}
		p.judge = func(*Outgoing) verdict { return verdict{store: time.Second / 2, answer: time.Second} }
		d := New(&fakeMatcher{filters: map[string][]string{"t": {"t", "#"}}}, p, Config{})
		m := &message.Message{Topic: "t", QoS: 1}
		r, err := d.Publish(t.Context(), m)
		if err != nil || r.Queues != 2 || r.Key == "" {
			t.Errorf("got %+v, %v", r, err)
		}
		if m.Key != "" {
			t.Error("the caller's message was changed")
		}
		ctx, cancel := context.WithTimeout(t.Context(), time.Millisecond)
		defer cancel()
		if _, err := d.Publish(ctx, m); !errors.Is(err, context.DeadlineExceeded) {
			t.Errorf("got %v", err)
		}
		closed(t, d)
		if len(p.logged()) != 2 {
			t.Errorf("%d messages stored, want 2: one given up on goes on", len(p.logged()))
		}
	})
}
