package redisstore_test

import (
	"errors"
	"os"
	"path/filepath"
	"testing"
	"time"

	"lmqgate/meta/redisstore"
	"lmqgate/meta/session"
)

// crashing is an operation that dies after each number of commands in turn. prepare makes a session of i1; what the
// client then finds, and what is handed out to be released, must be right whatever the number was.
type crashing struct {
	expiry  time.Duration
	settles bool // the operation may have settled the session before it died
	run     func(t *testing.T, s *redisstore.Store, e session.Epoch) error
}

// TestCrash kills an instance between any two commands of an operation, lets the others sweep, and looks whether
// the subscription was handed out exactly once if its session ended, and is still there if not.
func TestCrash(t *testing.T) {
	hour := time.Hour
	cases := map[string]crashing{
		"attach": {expiry: hour, run: func(t *testing.T, s *redisstore.Store, _ session.Epoch) error {
			_, err := s.Attach(t.Context(), session.AttachRequest{ClientID: "c", Instance: "i1", Expiry: hour})
			return err
		}},
		"detach kept": {expiry: hour, run: func(t *testing.T, s *redisstore.Store, e session.Epoch) error {
			_, err := s.Detach(t.Context(), "c", e, session.PartingLost)
			return err
		}},
		"detach ended": {run: func(t *testing.T, s *redisstore.Store, e session.Epoch) error {
			_, err := s.Detach(t.Context(), "c", e, session.PartingLost)
			return err
		}},
		"orphans kept": {expiry: hour, run: func(t *testing.T, s *redisstore.Store, _ session.Epoch) error {
			if err := s.Leave(t.Context(), "i1"); err != nil {
				return err
			}
			_, _, err := s.Orphans(t.Context(), "i1", 10)
			return err
		}},
		"orphans ended": {run: func(t *testing.T, s *redisstore.Store, _ session.Epoch) error {
			if err := s.Leave(t.Context(), "i1"); err != nil {
				return err
			}
			_, _, err := s.Orphans(t.Context(), "i1", 10)
			return err
		}},
		"expired": {expiry: hour, run: func(t *testing.T, s *redisstore.Store, e session.Epoch) error {
			if _, err := s.Detach(t.Context(), "c", e, session.PartingLost); err != nil {
				return err
			}
			_, _, err := s.Expired(t.Context(), time.Now().Add(1e6*time.Hour), 10)
			return err
		}},
		"settled": {settles: true, run: func(t *testing.T, s *redisstore.Store, e session.Epoch) error {
			if _, err := s.Detach(t.Context(), "c", e, session.PartingLost); err != nil {
				return err
			}
			return s.Settled(t.Context(), []string{"c"})
		}},
	}
	onServers(t, func(t *testing.T, open func(t *testing.T) *server) {
		for name, c := range cases {
			t.Run(name, func(t *testing.T) {
				for n := 0; ; n++ {
					if !c.crash(t, open(t), n) {
						t.Logf("%d crash points", n)
						return
					}
				}
			})
		}
	})
}

// crash lets n commands through and reports whether the operation died.
func (c crashing) crash(t *testing.T, on *server, n int) bool {
	s, count := on.counted(t)
	ctx := t.Context()
	if err := s.Beat(ctx, "i1", time.Hour); err != nil {
		t.Fatal(err)
	}
	st, err := s.Attach(ctx, session.AttachRequest{ClientID: "c", Instance: "i1", Expiry: c.expiry})
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

	other := on.store(t)
	if err := other.Leave(ctx, "i1"); err != nil {
		t.Fatal(err)
	}
	for range 2 {
		if _, more, err := other.Orphans(ctx, "i1", 10); err != nil || more {
			t.Fatalf("after %d commands: orphans: %v, %v", n, more, err)
		}
	}
	if dead, err := other.Dead(ctx); err != nil || len(dead) > 0 {
		t.Errorf("after %d commands: still dead: %v, %v", n, dead, err)
	}
	far := time.Now().Add(2e6 * time.Hour)
	handed := 0
	for range 3 { // of which one moves what a crash left behind
		ended, more, err := other.Expired(ctx, far, 10)
		if err != nil || more {
			t.Fatalf("after %d commands: expired: %v, %v", n, more, err)
		}
		handed += len(ended)
		far = far.Add(2 * on.config.Grace)
		for _, e := range ended {
			if len(e.Subscriptions) != 1 {
				t.Errorf("after %d commands: handed out %+v", n, e)
			}
			if err := other.Settled(ctx, []string{"c"}); err != nil {
				t.Fatal(err)
			}
		}
	}
	if handed != 1 && !(c.settles && handed == 0) {
		t.Errorf("after %d commands: the subscription was handed out %d times", n, handed)
	}
	if _, _, err := other.Peek(ctx, "c"); !errors.Is(err, session.ErrNotFound) {
		t.Errorf("after %d commands: the session is left: %v", n, err)
	}
	for _, key := range on.names(t) {
		if key != on.config.Prefix+"s:{c}" { // the epoch stays for a while
			t.Errorf("after %d commands: %s is left", n, key)
		}
	}
	return died
}

// load makes the server know all scripts, so that each call is one command.
func load(t *testing.T, on *server) {
	t.Helper()
	files, err := filepath.Glob("lua/*.lua")
	if err != nil || len(files) == 0 {
		t.Fatal(err)
	}
	sources := redisstore.Sources()
	for _, name := range files {
		source, err := os.ReadFile(name)
		if err != nil {
			t.Fatal(err)
		}
		sources = append(sources, string(source))
	}
	for _, source := range sources {
		if err := on.raw.ScriptLoad(t.Context(), source).Err(); err != nil { // on a cluster, to all masters
			t.Fatal(err)
		}
	}
}
