package redisstore_test

import (
	"errors"
	"fmt"
	"slices"
	"testing"
	"time"

	"lmqgate/meta/message"
	"lmqgate/meta/redisstore"
	"lmqgate/meta/session"
)

// willCrash is an operation of instance i1 that dies after each number of commands in turn. Before it, client "c" has the
// will "old" on the given instance; the wills that come at last must be right whatever the number was.
type willCrash struct {
	on            string // instance of the connection, i1 if ""
	delay, expiry time.Duration
	moves         bool // the client was asked to connect elsewhere
	run           func(t *testing.T, s *redisstore.Store, e session.Epoch) error
	undone, want  []string // wills that come if nothing, or all of it, has happened; any crash may end as either
}

func willOf(key string, delay time.Duration) *session.Will {
	return &session.Will{Delay: delay, Message: &message.Message{Topic: "t", Payload: []byte(key), Key: key}}
}

func attachWith(t *testing.T, s *redisstore.Store, instance string, clean bool, expiry time.Duration, w *session.Will) (session.State, error) {
	return s.Attach(t.Context(), session.AttachRequest{ClientID: "c", Instance: instance, CleanStart: clean, Expiry: expiry, Will: w})
}

// TestWillCrash kills an instance after every command of what concerns wills, lets the others sweep, and looks which
// wills come, each of them once.
func TestWillCrash(t *testing.T) {
	hour := time.Hour
	lost := func(p session.Parting) func(*testing.T, *redisstore.Store, session.Epoch) error {
		return func(t *testing.T, s *redisstore.Store, e session.Epoch) error {
			_, err := s.Detach(t.Context(), "c", e, p)
			return err
		}
	}
	attach := func(clean bool) func(*testing.T, *redisstore.Store, session.Epoch) error {
		return func(t *testing.T, s *redisstore.Store, _ session.Epoch) error {
			_, err := attachWith(t, s, "i1", clean, hour, willOf("new", 0))
			return err
		}
	}
	afterLoss := func(next func(*testing.T, *redisstore.Store, session.Ended) error) func(*testing.T, *redisstore.Store, session.Epoch) error {
		return func(t *testing.T, s *redisstore.Store, e session.Epoch) error {
			ended, err := s.Detach(t.Context(), "c", e, session.PartingLost)
			if err != nil {
				return err
			}
			return next(t, s, ended)
		}
	}
	old, both := []string{"old"}, []string{"new", "old"}
	cases := map[string]willCrash{
		"lost":                  {expiry: hour, run: lost(session.PartingLost), undone: old, want: old},
		"lost with the session": {run: lost(session.PartingLost), undone: old, want: old},
		"lost with delay":       {delay: time.Minute, expiry: hour, run: lost(session.PartingLost), undone: old, want: old},
		"clean":                 {expiry: hour, run: lost(session.PartingClean), undone: old},
		"moved":                 {moves: true, run: lost(session.PartingMoved), undone: old, want: old},
		"moved, settled": {moves: true, run: func(t *testing.T, s *redisstore.Store, e session.Epoch) error {
			if _, err := s.Detach(t.Context(), "c", e, session.PartingMoved); err != nil {
				return err
			}
			return s.Settled(t.Context(), []string{"c"})
		}, undone: old, want: old},
		"moved and back": {moves: true, run: func(t *testing.T, s *redisstore.Store, e session.Epoch) error {
			if _, err := s.Detach(t.Context(), "c", e, session.PartingMoved); err != nil {
				return err
			}
			_, err := attachWith(t, s, "i1", true, 0, willOf("new", 0))
			return err
		}, undone: old, want: []string{"new"}},
		"takeover":                       {on: "i0", expiry: hour, run: attach(false), undone: old, want: both},
		"takeover within the delay":      {on: "i0", delay: time.Minute, expiry: hour, run: attach(false), undone: old, want: []string{"new"}},
		"takeover that ends the session": {on: "i0", delay: time.Minute, expiry: hour, run: attach(true), undone: old, want: both},
		"orphans": {on: "i0", expiry: hour, run: func(t *testing.T, s *redisstore.Store, _ session.Epoch) error {
			if err := s.Leave(t.Context(), "i0"); err != nil {
				return err
			}
			_, _, err := s.Orphans(t.Context(), "i0", 10)
			return err
		}, undone: old, want: old},
		"expired": {delay: time.Minute, expiry: hour, run: afterLoss(func(t *testing.T, s *redisstore.Store, _ session.Ended) error {
			_, _, err := s.Expired(t.Context(), time.Now().Add(1e6*hour), 10)
			return err
		}), undone: old, want: old},
		"placed": {expiry: hour, run: afterLoss(func(t *testing.T, s *redisstore.Store, ended session.Ended) error {
			return s.PlaceWill(t.Context(), ended.Wills[0], message.Place{Topic: "t"})
		}), undone: old, want: old},
		"done": {expiry: hour, run: afterLoss(func(t *testing.T, s *redisstore.Store, ended session.Ended) error {
			return s.WillsDone(t.Context(), ended.Wills)
		}), undone: old},
		"done, session over": {run: afterLoss(func(t *testing.T, s *redisstore.Store, ended session.Ended) error {
			if err := s.WillsDone(t.Context(), ended.Wills); err != nil {
				return err
			}
			return s.Settled(t.Context(), []string{"c"})
		}), undone: old},
	}
	onServers(t, func(t *testing.T, open func(t *testing.T) *server) {
		for name, c := range cases {
			for _, back := range []bool{false, true} {
				t.Run(fmt.Sprint(name, ", back ", back), func(t *testing.T) {
					for n := 0; ; n++ {
						if !c.crash(t, open(t), n, back) {
							t.Logf("%d crash points", n)
							return
						}
					}
				})
			}
		}
	})
}

// crash lets n commands through and reports whether the operation died. With back the client then connects elsewhere,
// and that instance dies before it can enter anything into due.
func (c willCrash) crash(t *testing.T, on *server, n int, back bool) bool {
	s, count := on.counted(t)
	ctx := t.Context()
	for _, i := range []string{"i0", "i1", "i2"} {
		if err := s.Beat(ctx, i, time.Hour); err != nil {
			t.Fatal(err)
		}
	}
	if c.on == "" {
		c.on = "i1"
	}
	st, err := attachWith(t, s, c.on, false, c.expiry, willOf("old", c.delay))
	if err != nil {
		t.Fatal(err)
	}
	subs := []session.Subscription{{Filter: "a", Seq: 1, HoldEpoch: st.Epoch, HoldSeq: 1}}
	if err := s.Write(ctx, []session.Change{{ClientID: "c", Epoch: st.Epoch, SetSubs: subs}})[0]; err != nil {
		t.Fatal(err)
	}
	load(t, on)
	count.limit(n)
	err = c.run(t, s, st.Epoch)
	died := errors.Is(err, errCrashed)
	if err != nil && !died {
		t.Fatalf("after %d commands: %v", n, err)
	}
	if back {
		s2, count2 := on.counted(t)
		if _, err := s2.Live(ctx); err != nil { // the connection takes commands of its own
			t.Fatal(err)
		}
		count2.limit(2) // the entry in the list, and the script; its claims die with i2
		if _, err := attachWith(t, s2, "i2", false, time.Hour, nil); err != nil {
			t.Fatal(err)
		}
	}
	got := lastWills(t, on, on.store(t), n)
	slices.Sort(got)
	ok := slices.Equal(got, c.want) || died && slices.Equal(got, c.undone)
	if back && !ok && (c.delay > 0 || c.moves) {
		ok = c.returned(got, died)
	}
	if !ok {
		t.Errorf("after %d commands, died %v: wills %v, want %v or, undone, %v", n, died, got, c.want, c.undone)
	}
	for _, key := range on.names(t) {
		if key != on.config.Prefix+"s:{c}" { // the epoch stays for a while
			t.Errorf("after %d commands: %s is left", n, key)
		}
	}
	return died
}

// returned: a client that came back in time is spared the will that was delayed or kept back.
func (c willCrash) returned(got []string, died bool) bool {
	spared := func(all []string) []string {
		return slices.DeleteFunc(slices.Clone(all), func(key string) bool { return key == "old" })
	}
	return slices.Equal(got, spared(c.want)) || died && slices.Equal(got, spared(c.undone))
}

// lastWills lets all instances die and returns the wills that come then, as often as they are handed out after their
// claims; those that come are published.
func lastWills(t *testing.T, on *server, other *redisstore.Store, n int) []string {
	t.Helper()
	ctx := t.Context()
	var published []session.DueWill
	far := time.Now().Add(2e6 * time.Hour)
	for _, i := range []string{"i0", "i1", "i2"} {
		if err := other.Leave(ctx, i); err != nil {
			t.Fatal(err)
		}
		for range 2 { // what the first call claims is not published: that process dies too
			if _, more, err := other.Orphans(ctx, i, 10); err != nil || more {
				t.Fatalf("after %d commands: orphans: %v, %v", n, more, err)
			}
		}
	}
	for round := range 4 {
		ended, more, err := other.Expired(ctx, far, 10)
		if err != nil || more {
			t.Fatalf("after %d commands: expired: %v, %v", n, more, err)
		}
		far = far.Add(2 * on.config.Grace)
		for _, e := range ended {
			if round == 0 {
				continue // nobody publishes these either
			}
			published = append(published, e.Wills...)
			if err := other.WillsDone(ctx, e.Wills); err != nil {
				t.Fatal(err)
			}
			if err := other.Settled(ctx, []string{"c"}); err != nil {
				t.Fatal(err)
			}
		}
	}
	var keys []string
	for _, w := range published {
		keys = append(keys, w.Message.Key)
	}
	return keys
}
