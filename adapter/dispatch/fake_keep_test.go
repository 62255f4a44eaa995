package dispatch

import (
	"context"
	"slices"
	"sync"
	"testing"
	"time"

	"lmqgate/meta/message"
)

// write is one message that the fake was asked to keep.
type write struct{ topic, payload string }

// fate is what becomes of one write: an error may come though it was written.
type fate struct {
	err     error
	written bool
}

// fakeRetainer keeps messages in a map. Each call takes as long as slow says, and at its end writes what judge has no
// error for.
type fakeRetainer struct {
	t     *testing.T
	mu    sync.Mutex
	slow  func(n int) time.Duration // of call n, from 1; nil: at once
	judge func(w write) fate        // nil: written; mu is held
	deaf  bool                      // goes on when its context ends

	busy   bool
	began  []time.Time
	calls  [][]write
	kept   map[string]string
	writes []write // those that took effect, in order
}

func (r *fakeRetainer) SetAll(ctx context.Context, messages []*message.Message) []error {
	r.mu.Lock()
	if r.busy {
		r.t.Error("two calls at a time")
	}
	if len(messages) == 0 {
		r.t.Error("a call without messages")
	}
	r.busy = true
	call := make([]write, len(messages))
	for i, m := range messages {
		call[i] = write{m.Topic, string(m.Payload)}
		if !m.Retain || m.Key == "" || m.BornMillis == 0 {
			r.t.Errorf("asked to keep %+v", m)
		}
	}
	r.calls = append(r.calls, call)
	r.began = append(r.began, time.Now())
	var lag time.Duration
	if r.slow != nil {
		lag = r.slow(len(r.calls))
	}
	r.mu.Unlock()
	over := ctx.Done()
	if r.deaf {
		over = nil
	}
	var ended error
	if lag > 0 {
		select {
		case <-time.After(lag):
		case <-over:
			ended = ctx.Err()
		}
	}
	r.mu.Lock()
	defer r.mu.Unlock()
	r.busy = false
	errs := make([]error, len(call))
	for i, w := range call {
		if errs[i] = ended; ended == nil {
			errs[i] = r.write(w)
		}
	}
	return errs
}

// write does one write. mu is held.
func (r *fakeRetainer) write(w write) error {
	v := fate{}
	if r.judge != nil {
		v = r.judge(w)
	}
	if v.err == nil || v.written {
		r.put(w)
	}
	return v.err
}

func (r *fakeRetainer) put(w write) {
	if r.kept == nil {
		r.kept = make(map[string]string)
	}
	r.writes = append(r.writes, w)
	if w.payload == "" {
		delete(r.kept, w.topic)
		return
	}
	r.kept[w.topic] = w.payload
}

// with runs fn while mu is held.
func (r *fakeRetainer) with(fn func()) {
	r.mu.Lock()
	defer r.mu.Unlock()
	fn()
}

// asked returns the calls so far.
func (r *fakeRetainer) asked() [][]write {
	r.mu.Lock()
	defer r.mu.Unlock()
	return slices.Clone(r.calls)
}

// of returns what is kept of a topic, "" if nothing.
func (r *fakeRetainer) of(topic string) string {
	r.mu.Lock()
	defer r.mu.Unlock()
	return r.kept[topic]
}

// always returns a duration for every call.
func always(d time.Duration) func(int) time.Duration { return func(int) time.Duration { return d } }

// retained marks a publication as to be retained.
func retained(p *message.Publication) { p.Message.Retain = true }
