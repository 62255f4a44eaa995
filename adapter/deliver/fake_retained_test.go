package deliver

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"slices"
	"strings"
	"sync"
	"time"

	"lmqgate/meta/message"
	"lmqgate/meta/retain"
	"lmqgate/meta/topic"
)

// fakeRetained keeps retained messages in memory. A page may be short or empty, as the store's may.
type fakeRetained struct {
	mu      sync.Mutex // protects the fields below
	kept    map[string]*message.Message
	fail    func() error     // nil: every read succeeds
	trim    func() int       // how many messages and names looked at a page is cut to; nil: it is not
	gate    chan struct{}    // not nil: a read waits, having read, until it may return
	after   func(cur string) // not nil: called when a page was read, before it is returned
	reads   int
	reading int
	most    int // reads at a time
}

func newFakeRetained() *fakeRetained { return &fakeRetained{kept: map[string]*message.Message{}} }

func (f *fakeRetained) set(m *message.Message) {
	f.mu.Lock()
	defer f.mu.Unlock()
	if len(m.Payload) == 0 {
		delete(f.kept, m.Topic)
		return
	}
	f.kept[m.Topic] = m
}

// Match implements Retained: a cursor is the filter and the last name looked at.
func (f *fakeRetained) Match(ctx context.Context, filter, cursor string, limit int) ([]*message.Message, string, error) {
	f.mu.Lock()
	f.reads++
	f.reading++
	f.most = max(f.most, f.reading)
	fail := f.fail
	f.mu.Unlock()
	defer func() {
		f.mu.Lock()
		f.reading--
		f.mu.Unlock()
	}()
	time.Sleep(time.Millisecond / 2)
	if fail != nil {
		if err := fail(); err != nil && !errors.Is(err, retain.ErrFormat) {
			return nil, "", err
		}
	}
	found, next, gate, err := f.page(filter, cursor, limit)
	if gate != nil {
		select {
		case <-gate:
		case <-ctx.Done():
			return nil, "", ctx.Err()
		}
	}
	if f.after != nil {
		f.after(cursor)
	}
	if err == nil && fail != nil {
		err = fail()
	}
	return found, next, err
}

func (f *fakeRetained) page(filter, cursor string, limit int) ([]*message.Message, string, chan struct{}, error) {
	f.mu.Lock()
	defer f.mu.Unlock()
	last, ok := strings.CutPrefix(cursor, filter+" ")
	if cursor != "" && !ok {
		return nil, "", nil, fmt.Errorf("%q for %q: %w", cursor, filter, retain.ErrCursor)
	}
	looks := 1 << 30
	if f.trim != nil {
		looks = f.trim()
	}
	var found []*message.Message
	names := slices.Sorted(maps.Keys(f.kept))
	for i, name := range names {
		if name <= last {
			continue
		}
		if looks--; topic.Match(filter, name) {
			m := *f.kept[name]
			m.Retain = true
			found = append(found, &m)
		}
		if i < len(names)-1 && (len(found) == limit || looks <= 0) {
			return found, filter + " " + name, f.gate, nil
		}
	}
	return found, "", f.gate, nil
}

func (f *fakeRetained) counts() (reads, most int) {
	f.mu.Lock()
	defer f.mu.Unlock()
	return f.reads, f.most
}

func (f *fakeRetained) failing(err error) {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.fail = func() error { return err }
	if err == nil {
		f.fail = nil
	}
}

// hold has reads wait until the returned function is called.
func (f *fakeRetained) hold() (release func()) {
	f.mu.Lock()
	defer f.mu.Unlock()
	gate := make(chan struct{})
	f.gate = gate
	return func() {
		f.mu.Lock()
		f.gate = nil
		f.mu.Unlock()
		close(gate)
	}
}
