package dispatch

import (
	"testing"
	"time"

	"lmqgate/meta/message"
)

// follower follows without any memory of its own.
type follower struct{ matched, sending, done int }

func (f *follower) Publish(*message.Message, string, time.Time) Trace { return f }
func (f *follower) Matched(time.Time, int)                            { f.matched++ }
func (f *follower) Sending(message.Place)                             { f.sending++ }
func (f *follower) Done(error, int)                                   { f.done++ }

// TestTrace: a publication that is followed is told of in order, and following costs no memory here.
func TestTrace(t *testing.T) {
	allocs := func(tracer Tracer) float64 {
		i := instant{[]string{"a/b"}}
		d := New(i, i, Config{Tracer: tracer})
		l := d.NewLane()
		done := func(message.Result, error) {}
		return testing.AllocsPerRun(100, func() {
			l.Publish(&message.Publication{Message: &message.Message{Topic: "a/b", QoS: 1}, Done: done})
		})
	}
	f := &follower{}
	with, without := allocs(f), allocs(nil)
	if with > without {
		t.Errorf("%v allocations with a tracer, %v without", with, without)
	}
	if f.matched != 101 || f.sending != 101 || f.done != 101 { // and one to warm up
		t.Errorf("%+v", *f)
	}
}
