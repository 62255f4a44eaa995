package dispatch

import (
	"context"
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
