package dispatch

import (
	"context"
	"errors"
	"fmt"
	"strconv"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"lmqgate/meta/message"
	"lmqgate/meta/topic"
)

// TestRocketTopic: which RocketMQ topic a name is produced to, and to which queues it is dispatched.
func TestRocketTopic(t *testing.T) {
	filters := map[string][]string{"a/b": {"a/+"}, "a/p2p/c1": {"#"}, "b": {"b"}, "$SYS/x": nil, "ü/x": {"ü/x"}}
	for _, c := range []struct {
		topic, rocket string
		lmqs          string
		cfg           Config
	}{
		{"a/b", "a", "[%LMQ%a%+%]", Config{}},
		{"/a/nobody", "a", "[]", Config{}},
		{"b", "MQTT_OTHER", "[%LMQ%b]", Config{FirstTopics: []string{"a", "c"}}},
		{"a/b", "a", "[%LMQ%a%+%]", Config{FirstTopics: []string{"a", "c"}}},
		{"ü/x", "ELSE", "[%LMQ%ü%x%]", Config{Fallback: "ELSE"}},
		{"$SYS/x", "MQTT_OTHER", "[]", Config{}},
		{"a/p2p/c1", "a", "[%LMQ%#]", Config{}},
		{"a/p2p/c1", "a", "[" + topic.P2PLMQ("c1") + "]", Config{P2P: true}},
		{"a/p2p/c1/more", "a", "[" + topic.P2PLMQ("c1") + "]", Config{P2P: true}},
	} {
		p := &fakeProducer{t: t}
		d := New(&fakeMatcher{filters: filters}, p, c.cfg)
		r, err := d.Publish(t.Context(), &message.Message{Topic: c.topic, QoS: 1})
		if err != nil {
			t.Fatal(err)
		}
		o := p.logged()[0]
		if got := fmt.Sprint(o.Dispatch); got != c.lmqs || o.Place.Topic != c.rocket || r.Queues != len(o.Dispatch) {
			t.Errorf("%s: to %s, dispatch %s, %d queues; want %s, %s", c.topic, o.Place.Topic, got, r.Queues, c.rocket, c.lmqs)
		}
		if len(o.Properties["KEYS"]) != 0 || o.Tag != message.TagCommon {
			t.Errorf("%s: keys %q, tag %q", c.topic, o.Properties["KEYS"], o.Tag)
		}
	}
}

// others are queues that others read; away says that nobody knows them.
type others struct {
	lmqs []string
	away atomic.Bool
}

func (o *others) Queues(string) ([]string, error) {
	if o.away.Load() {
		return nil, errors.New("not known yet")
	}
	return o.lmqs, nil
}

// TestOthers: queues that are read elsewhere are dispatched to as well, each once, and a publication waits until they are known.
func TestOthers(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		more := &others{lmqs: []string{"%LMQ%a%b%", "%LMQ%a%+%"}}
		more.away.Store(true)
		p := &fakeProducer{t: t}
		d := New(&fakeMatcher{filters: map[string][]string{"a/b": {"a/+", "#"}}}, p, Config{Others: more})
		if _, err := d.Publish(t.Context(), &message.Message{Topic: "a/b"}); err == nil || len(p.logged()) != 0 {
			t.Errorf("QoS 0 with nothing known: %v", err)
		}
		time.AfterFunc(2*time.Second, func() { more.away.Store(false) })
		if _, err := d.Publish(t.Context(), &message.Message{Topic: "a/b", QoS: 1}); err != nil {
			t.Fatal(err)
		}
		if got := fmt.Sprint(p.logged()[0].Dispatch); got != "[%LMQ%# %LMQ%a%+% %LMQ%a%b%]" {
			t.Errorf("dispatch %s", got)
		}
	})
}

// TestUnknownRoute: publications that need a route not yet known share one look-up, and keep their order.
func TestUnknownRoute(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var known atomic.Bool
		var slow []time.Time // when a look-up began
		p := &fakeProducer{t: t}
		p.tryPick = func(string, string) (message.Place, bool) { return message.Place{}, false } // not even then
		p.slowPick = func(context.Context, string) error {
			if known.Load() {
				return nil
			}
			slow = append(slow, time.Now())
			time.Sleep(time.Second)
			if len(slow) < 3 {
				return errors.New("no name server")
			}
			known.Store(true)
			return nil
		}
		p.pick = func(rocket, key string) (message.Place, error) {
			return message.Place{Topic: rocket, Broker: "broker-of-" + key}, nil
		}
		d := New(&fakeMatcher{}, p, Config{Random: func() float64 { return 0 }})
		l := d.NewLane()
		var dones []chan result
		for n := range 5 {
			dones = append(dones, put(l, "t", strconv.Itoa(n), 2))
		}
		lost, other := put(l, "t", "5", 0), put(l, "t/x", "", 1)
		for _, done := range append(dones, other) {
			want(t, done, nil)
		}
		want(t, lost, message.ErrUnavailable)
		if len(slow) != 3 {
			t.Errorf("asked %d times, want 3", len(slow))
		}
		if got := fmt.Sprint(p.bodies("t")); got != "[0 1 2 3 4]" {
			t.Errorf("log %s", got)
		}
		for _, s := range p.logged() {
			if s.Place.Broker != "broker-of-"+s.Properties[message.PropTopic] {
				t.Errorf("topic %s sent to %s", s.Properties[message.PropTopic], s.Place.Broker)
			}
		}
		closed(t, d)
	})
}

// TestNoTopic: a RocketMQ topic that does not exist and is not created is replaced by the fallback; without that one
// either the message is refused.
func TestNoTopic(t *testing.T) {
	for _, qos := range []byte{0, 1, 2} {
		for _, c := range []struct {
			name   string
			exists map[string]bool
			early  bool // Pick tells, not Send
			err    error
		}{
			{"told by the route", map[string]bool{"MQTT_OTHER": true}, true, nil},
			{"told by the send", map[string]bool{"MQTT_OTHER": true}, false, nil},
			{"no fallback, told by the route", nil, true, message.ErrRefused},
			{"no fallback, told by the send", nil, false, message.ErrRefused},
		} {
			t.Run(fmt.Sprint(c.name, ", qos ", qos), func(t *testing.T) {
				synctest.Test(t, func(t *testing.T) {
					p := &fakeProducer{t: t}
					p.pick = func(rocket, _ string) (message.Place, error) {
						if c.early && !c.exists[rocket] {
							return message.Place{}, fmt.Errorf("asked: %w", ErrNoTopic)
						}
						return message.Place{Topic: rocket, Broker: "broker-a"}, nil
					}
					p.judge = func(o *Outgoing) verdict {
						if !c.exists[o.Place.Topic] {
							return verdict{store: -1, err: ErrNoTopic}
						}
						return verdict{}
					}
					d := New(&fakeMatcher{}, p, Config{})
					target := c.err
					if qos == 2 && !c.early {
						target = message.ErrRefused // its place may not change
					}
					want(t, put(d.NewLane(), "t/x", "m", qos), target)
					if target == nil && p.logged()[0].Place.Topic != "MQTT_OTHER" {
						t.Errorf("stored in %s", p.logged()[0].Place.Topic)
					}
					closed(t, d)
				})
			})
		}
	}
}

// TestMissingTopic: a topic that does not exist is asked for once in a while, not for each message.
func TestMissingTopic(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		p := &fakeProducer{t: t}
		p.pick = func(rocket, _ string) (message.Place, error) {
			if rocket != "MQTT_OTHER" {
				return message.Place{}, ErrNoTopic
			}
			return message.Place{Topic: rocket}, nil
		}
		d := New(&fakeMatcher{}, p, Config{})
		for range 25 {
			want(t, put(d.NewLane(), "t/x", "m", 1), nil)
			time.Sleep(time.Second)
		}
		p.with(func() {
			if len(p.picks) != 3 {
				t.Errorf("asked %d times in 25 s, want 3", len(p.picks))
			}
		})
		for n := range 3 * missingMax {
			want(t, put(d.NewLane(), fmt.Sprint("t", n), "m", 1), nil)
		}
		closed(t, d)
		if n := len(d.picks.missing); n > missingMax {
			t.Errorf("%d topics remembered", n)
		}
	})
}

// TestPrepare: it is told key and place once, before anything is sent, and the send waits for its word.
func TestPrepare(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		p := &fakeProducer{t: t}
		d := New(&fakeMatcher{}, p, Config{})
		l := d.NewLane()
		calls := 0
		var say func(error)
		with := func(pub *message.Publication) {
			pub.Prepare = func(key string, at message.Place, ready func(error)) {
				calls++
				if key != pub.Message.Key || key == "" || at.Topic != "t" {
					t.Errorf("told %q and %v", key, at)
				}
				say = ready
			}
		}
		done, behind := put(l, "t", "1", 2, with), put(l, "t", "2", 1)
		synctest.Wait()
		if calls != 1 || len(p.sent()) != 0 {
			t.Fatalf("%d calls, %d sends", calls, len(p.sent()))
		}
		say(nil)
		want(t, done, nil)
		want(t, behind, nil)

		fenced := errors.New("fenced")
		done, behind = put(l, "t", "3", 2, with), put(l, "t", "4", 1)
		say(fenced)
		if r := want(t, done, fenced); r.err != fenced {
			t.Errorf("done with %v", r.err)
		}
		want(t, behind, message.ErrUnavailable) // its publisher will repeat both
		if len(p.sent()) != 2 {
			t.Errorf("%d sends", len(p.sent()))
		}

		done = put(d.NewLane(), "t", "5", 2, with) // never says anything
		want(t, done, message.ErrUnavailable)
		say(nil)
		pending(t, done)
		closed(t, d)
	})
}

// TestRegistryAway: without the registry QoS 1 waits, bounded, and QoS 0 is dropped.
func TestRegistryAway(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		away := errors.New("redis is away")
		m := &fakeMatcher{answer: func(string) (time.Duration, error) { return time.Millisecond, away }}
		p := &fakeProducer{t: t}
		d := New(m, p, Config{})
		l := d.NewLane()
		first, second := put(l, "t", "1", 1), put(l, "t", "2", 0)
		time.Sleep(10 * time.Second)
		pending(t, first)
		m.with(func() { away = nil })
		want(t, first, nil)
		want(t, second, message.ErrUnavailable)

		gone := errors.New("gone for good")
		m.with(func() { away = gone })
		began := time.Now()
		if r := want(t, put(l, "t", "3", 2), gone); !errors.Is(r.err, message.ErrUnavailable) {
			t.Error(r.err)
		}
		if took := time.Since(began); took != 20*time.Second {
			t.Errorf("given up after %v", took)
		}
		if len(p.sent()) != 1 {
			t.Errorf("%d sends", len(p.sent()))
		}
		closed(t, d)
	})
}

// TestTooManyProperties: user properties that leave no room for a dispatch list are refused before the broker sees them.
func TestTooManyProperties(t *testing.T) {
	p := &fakeProducer{t: t}
	d := New(&fakeMatcher{filters: map[string][]string{"t": {"t"}}}, p, Config{})
	m := &message.Message{Topic: "t", QoS: 1}
	for range 40 {
		m.Properties.User = append(m.Properties.User, message.UserProperty{Key: "k", Value: string(make([]byte, 800))})
	}
	if _, err := d.Publish(t.Context(), m); !errors.Is(err, message.ErrRefused) {
		t.Errorf("got %v", err)
	}
	if len(p.sent()) != 0 {
		t.Error("sent")
	}
}
