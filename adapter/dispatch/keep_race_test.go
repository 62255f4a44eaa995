package dispatch

import (
	"context"
	"fmt"
	"slices"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"lmqgate/meta/message"
)

// stepped is a registry, a log and a store of retained messages in one, whose calls stand still twice: before they take
// effect and before they answer. Whoever drives it lets them go on one by one, and does in between what a subscriber does.
type stepped struct {
	instant
	fails []fate // of the first writes

	mu      sync.Mutex // protects all below
	gates   []chan struct{}
	held    bool // the subscriber's filter is in the registry
	log     []logged
	kept    string
	changes []string // what took effect, in order
}

// logged is a message in the log.
type logged struct {
	payload string
	mine    bool // dispatched to the subscriber
}

// stand waits until the driver lets this call go on.
func (s *stepped) stand() {
	gate := make(chan struct{})
	s.mu.Lock()
	s.gates = append(s.gates, gate)
	s.mu.Unlock()
	<-gate
}

// does stands, has fn take effect, and stands again.
func (s *stepped) does(what string, fn func()) {
	s.stand()
	s.mu.Lock()
	s.changes = append(s.changes, what)
	fn()
	s.mu.Unlock()
	s.stand()
}

func (s *stepped) Match(_ string, done func([]string, error)) {
	go func() {
		var filters []string
		s.does("match", func() {
			if s.held {
				filters = []string{"t"}
			}
		})
		done(filters, nil)
	}()
}

func (s *stepped) Send(o *Outgoing, done func(error)) {
	go func() {
		s.does("send", func() {
			payload := string(o.Body)
			if o.Properties[message.PropEmpty] == "true" {
				payload = ""
			}
			s.log = append(s.log, logged{payload, len(o.Dispatch) > 0})
		})
		done(nil)
	}()
}

func (s *stepped) SetAll(_ context.Context, messages []*message.Message) []error {
	errs := make([]error, len(messages))
	s.does("keep", func() {
		f := fate{written: true}
		if len(s.fails) > 0 {
			f, s.fails = s.fails[0], s.fails[1:]
		}
		if errs[0] = f.err; f.written {
			s.kept = string(messages[0].Payload)
		}
	})
	return errs
}

// next lets the call that stands go on, and reports false if there is none any more.
func (s *stepped) next(t *testing.T) bool {
	for range 3 { // seconds: a publication may rest before it tries again
		synctest.Wait()
		s.mu.Lock()
		gates := s.gates
		s.gates = nil
		s.mu.Unlock()
		if len(gates) > 1 {
			t.Fatalf("%d calls at a time", len(gates))
		}
		if len(gates) == 1 {
			close(gates[0])
			synctest.Wait()
			return true
		}
		time.Sleep(time.Second)
	}
	return false
}

// subscriber does what a SUBSCRIBE does: the registry, the end of the log, and later the walk, which reads the store.
type subscriber struct {
	begin int    // in the log
	read  string // by the walk
	end   int    // of the log at that time
}

func (u *subscriber) steps(s *stepped) []func() {
	return []func(){
		func() { s.held = true },
		func() { u.begin = len(s.log) },
		func() { u.read, u.end = s.kept, len(s.log) },
	}
}

// knows returns the value that the subscriber is left with. By the rules of package deliver what is in the log when the
// walk reads may come before its value, and what is sent later comes after it.
func (u *subscriber) knows(s *stepped) (value string, live bool) {
	value = u.read
	for n := u.begin; n < len(s.log); n++ {
		if s.log[n].mine {
			live = true
			if n >= u.end {
				value = s.log[n].payload
			}
		}
	}
	return value, live
}

// TestRetainRace: a subscription that begins at any moment relative to what a publication does finds its message, live or
// retained, and is never left with an older one.
func TestRetainRace(t *testing.T) {
	const most = 12 // steps of a publication
	for name, c := range map[string]struct {
		payload string
		fails   []fate
		order   string
	}{
		"kept at once":          {"new", nil, "[keep match send]"},
		"removed":               {"", nil, "[keep match send]"},
		"kept at second try":    {"new", []fate{{err: errAway}}, "[keep keep match send]"},
		"kept, the answer lost": {"new", []fate{{err: errAway, written: true}}, "[keep keep match send]"},
	} {
		t.Run(name, func(t *testing.T) {
			merges, lives := 0, 0
			for first := 0; first <= most; first++ {
				for second := first; second <= most; second++ {
					for third := second; third <= most; third++ {
						at := []int{first, second, third}
						synctest.Test(t, func(t *testing.T) {
							s := &stepped{kept: "old", fails: slices.Clone(c.fails)}
							u, taken := race(t, s, c.payload, at)
							if first > taken || second > taken || third > taken {
								return // the same as an earlier one
							}
							merges++
							value, live := u.knows(s)
							if live {
								lives++
							}
							if value != c.payload {
								t.Errorf("subscriber at %v of %v: knows %q, read %q, live %v", at, s.changes, value, u.read, live)
							}
							if got := fmt.Sprint(s.changes); got != c.order {
								t.Errorf("did %s", got)
							}
						})
					}
				}
			}
			if merges < 84 || lives == 0 || lives == merges { // nine steps, of which three are the subscriber's
				t.Errorf("%d interleavings, live in %d", merges, lives)
			}
		})
	}
}

// race publishes, with the subscriber's steps in front of the publication's of those numbers, and returns how many the
// publication had.
func race(t *testing.T, s *stepped, payload string, at []int) (*subscriber, int) {
	d := New(s, s, Config{Retainer: s})
	done := put(d.NewLane(), "t", payload, 1, retained)
	u := &subscriber{}
	steps, taken := u.steps(s), 0
	for more := true; more; {
		for len(steps) > 0 && at[3-len(steps)] == taken {
			synctest.Wait()
			s.mu.Lock()
			steps[0]()
			s.mu.Unlock()
			steps = steps[1:]
		}
		if more = s.next(t); more {
			taken++
		}
	}
	want(t, done, nil)
	closed(t, d)
	return u, taken
}
