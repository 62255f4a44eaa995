package dispatch

import (
	"context"
	"sync"
	"testing"
	"time"

	"lmqgate/meta/message"
)

// instant is a registry and a log that answer at once.
type instant struct{ filters []string }

func (i instant) Match(_ string, done func([]string, error)) { done(i.filters, nil) }

func (instant) Pick(_ context.Context, topic, _ string) (message.Place, error) {
	return message.Place{Topic: topic}, nil
}

func (instant) TryPick(topic, _ string) (message.Place, bool) {
	return message.Place{Topic: topic}, true
}
func (instant) Send(_ *Outgoing, done func(error))   { done(nil) }
func (instant) NewKey() string                       { return "7F0000010001000000000000000000AB" }
func (instant) DispatchBudget(map[string]string) int { return 30_000 }
func (instant) Find(context.Context, string, string, string, time.Time) (bool, error) {
	return true, nil
}

// BenchmarkPublish is what a publication costs here, its encoding included.
func BenchmarkPublish(b *testing.B) {
	for name, filters := range map[string][]string{
		"nobody":  nil,
		"exact":   {"building/7/room/12"},
		"3queues": {"building/7/room/12", "building/+/room/12", "building/#"},
	} {
		b.Run(name, func(b *testing.B) {
			i := instant{filters}
			d := New(i, i, Config{})
			l := d.NewLane()
			payload := make([]byte, 100)
			done := func(_ message.Result, err error) {
				if err != nil {
					b.Error(err)
				}
			}
			b.ReportAllocs()
			for b.Loop() {
				l.Publish(&message.Publication{
					Message: &message.Message{Topic: "building/7/room/12", Payload: payload, QoS: 1}, Done: done,
				})
			}
		})
	}
}

// SetAll keeps nothing, at once.
func (instant) SetAll(_ context.Context, messages []*message.Message) []error {
	return make([]error, len(messages))
}

// BenchmarkPublishRetained is BenchmarkPublish with a message to be kept, many lines at once.
func BenchmarkPublishRetained(b *testing.B) {
	i := instant{[]string{"building/7/room/12"}}
	d := New(i, i, Config{Retainer: i, MaxInFlight: 1 << 30, MaxInFlightBytes: 1 << 50})
	payload := make([]byte, 100)
	var wg sync.WaitGroup
	done := func(_ message.Result, err error) {
		wg.Done()
		if err != nil {
			b.Error(err)
		}
	}
	b.ReportAllocs()
	for b.Loop() {
		wg.Add(1)
		d.NewLane().Publish(&message.Publication{
			Message: &message.Message{Topic: "building/7/room/12", Payload: payload, QoS: 1, Retain: true}, Done: done,
		})
	}
	wg.Wait()
}

// TestRetainCostsOthersNothing: a message that is not to be kept allocates no more for there being a Retainer.
func TestRetainCostsOthersNothing(t *testing.T) {
	i := instant{[]string{"t"}}
	cost := func(cfg Config) float64 {
		l := New(i, i, cfg).NewLane()
		done := func(message.Result, error) {}
		return testing.AllocsPerRun(200, func() {
			l.Publish(&message.Publication{Message: &message.Message{Topic: "t", QoS: 1}, Done: done})
		})
	}
	if with, without := cost(Config{Retainer: i}), cost(Config{}); with != without {
		t.Errorf("%v allocations, %v without a Retainer", with, without)
	}
}

// BenchmarkEncodeOnly is the part of BenchmarkPublish that is not this package's.
func BenchmarkEncodeOnly(b *testing.B) {
	m := &message.Message{Topic: "building/7/room/12", Payload: make([]byte, 100), QoS: 1}
	b.ReportAllocs()
	for b.Loop() {
		if len(message.Encode(m).Properties) == 0 {
			b.Fatal("no properties")
		}
	}
}

// BenchmarkLanes is many publishers at once.
func BenchmarkLanes(b *testing.B) {
	i := instant{[]string{"t/#"}}
	d := New(i, i, Config{})
	b.ReportAllocs()
	b.RunParallel(func(pb *testing.PB) {
		l := d.NewLane()
		done := func(message.Result, error) {}
		for pb.Next() {
			l.Publish(&message.Publication{Message: &message.Message{Topic: "t/1", QoS: 1}, Done: done})
		}
	})
}
