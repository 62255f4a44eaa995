package redisstore_test

import (
	"errors"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/redis/go-redis/v9"

	"lmqgate/meta/message"
	"lmqgate/meta/session"
)

// TestFormatOfWills spoils one value at a time: nothing that knows the client's wills changes anything, but the wills of
// other clients come.
func TestFormatOfWills(t *testing.T) {
	onServers(t, func(t *testing.T, open func(t *testing.T) *server) {
		for _, spoil := range []struct {
			name, part, field, value string
			places                   error
		}{
			{"hash", ":w", "f", "2", session.ErrFormat},
			{"state", ":w", "s", "2 c 1 claim", session.ErrFormat},
			{"kind", ":w", "s", "x 1 claim 0", session.ErrFormat},
			{"message", ":w", "m", "\x02", nil},
			{"no message", ":w", "m", "", nil},
			{"of the connection", "", "w", "\x02", nil},
		} {
			t.Run(spoil.name, func(t *testing.T) {
				on := open(t)
				s, ctx := on.store(t), t.Context()
				attach := func(id, key string) session.Epoch {
					st, err := s.Attach(ctx, session.AttachRequest{ClientID: id, Instance: "i1", Expiry: time.Hour, Will: willOf(key, 0)})
					if err != nil {
						t.Fatal(err)
					}
					return st.Epoch
				}
				ended, err := s.Detach(ctx, "c", attach("c", "old"), session.PartingLost)
				if err != nil {
					t.Fatal(err)
				}
				e := attach("c", "new")
				attach("other", "other")
				key, field := on.config.Prefix+"s:{c}"+spoil.part, spoil.field
				if field == "m" || field == "s" {
					field += ended.Wills[0].ID
				}
				if on.raw.HGet(ctx, key, field).Val() == "" {
					t.Fatalf("%s %s is not where it is documented: %v", key, field, on.raw.HGetAll(ctx, key).Val())
				}
				on.raw.HSet(ctx, key, field, spoil.value)
				before := on.dump(t)
				refused := func(what string, err error) {
					t.Helper()
					if !errors.Is(err, session.ErrFormat) {
						t.Errorf("%s: %v, want ErrFormat", what, err)
					}
				}
				for _, clean := range []bool{false, true} {
					_, err := attachWith(t, s, "i2", clean, 0, nil)
					refused("attach", err)
				}
				_, err = s.Detach(ctx, "c", e, session.PartingLost)
				refused("detach", err)
				if err := s.Leave(ctx, "i1"); err != nil {
					t.Fatal(err)
				}
				swept, _, err := s.Orphans(ctx, "i1", 10)
				refused("orphans", err)
				if len(swept) != 1 || len(swept[0].Wills) != 1 || swept[0].ClientID != "other" {
					t.Errorf("orphans: %+v, want the other one", swept)
				}
				if spoil.part == ":w" {
					swept, _, err = s.Expired(ctx, on.now(t).Add(30*time.Minute), 10)
					refused("expired", err)
					if len(swept) != 1 || len(swept[0].Wills) != 1 || swept[0].ClientID != "other" {
						t.Errorf("expired: %+v, want the other one", swept)
					}
					if err := s.WillsDone(ctx, ended.Wills); err != nil {
						t.Errorf("done: %v", err)
					}
				}
				after := on.dump(t)
				for k, v := range before {
					if strings.Contains(k, "s:{c}") && after[k] != v {
						t.Errorf("%s was changed from %q to %q", k, v, after[k])
					}
				}
				if err := s.PlaceWill(ctx, ended.Wills[0], message.Place{}); !errors.Is(err, spoil.places) {
					t.Errorf("place: %v, want %v", err, spoil.places)
				}
			})
		}
	})
}

// TestRepeatedTakeover: when the answer of an Attach is lost and go-redis sends it again, the second answer has the same
// wills; so has a Detach.
func TestRepeatedTakeover(t *testing.T) {
	on := openMini(t)
	if _, err := attachWith(t, on.store(t), "i1", false, time.Hour, willOf("old", 0)); err != nil {
		t.Fatal(err)
	}
	again := &resender{}
	client := redis.NewClient(&redis.Options{Addr: on.mini.Addr(), Protocol: 2})
	t.Cleanup(func() { _ = client.Close() })
	client.AddHook(again)
	s := newStore(t, client, on.config)
	st, err := attachWith(t, s, "i2", false, time.Hour, willOf("new", 0))
	if err != nil || again.n == 0 {
		t.Fatal(err)
	}
	ended, err := s.Detach(t.Context(), "c", st.Epoch, session.PartingLost)
	if err != nil {
		t.Fatal(err)
	}
	for key, wills := range map[string][]session.DueWill{"old": st.Wills, "new": ended.Wills} {
		if len(wills) != 1 || wills[0].Message.Key != key {
			t.Fatalf("wills %+v, want %s", wills, key)
		}
		if err := s.PlaceWill(t.Context(), wills[0], message.Place{}); err != nil {
			t.Error(err)
		}
	}
}

// TestLateReturn: a client that was asked to move and comes back too late finds its will due.
func TestLateReturn(t *testing.T) {
	for _, c := range []struct {
		after time.Duration
		want  int
	}{{session.MovedGrace - time.Second, 0}, {session.MovedGrace, 1}, {time.Hour, 1}} {
		on := openMini(t)
		s := on.store(t)
		st, err := attachWith(t, s, "i1", false, 2*time.Hour, willOf("w", 0))
		if err != nil {
			t.Fatal(err)
		}
		if _, err := s.Detach(t.Context(), "c", st.Epoch, session.PartingMoved); err != nil {
			t.Fatal(err)
		}
		on.pass(t, c.after)
		if st, err = attachWith(t, s, "i2", false, time.Hour, nil); err != nil || len(st.Wills) != c.want {
			t.Errorf("after %v: %+v, %v", c.after, st.Wills, err)
		}
	}
}

// TestWillsLeaveNothing: the keys of wills go with them, and a session keeps no will of a connection that is over.
func TestWillsLeaveNothing(t *testing.T) {
	onServers(t, func(t *testing.T, open func(t *testing.T) *server) {
		for _, p := range []session.Parting{session.PartingLost, session.PartingClean, session.PartingMoved} {
			on := open(t)
			s, ctx := on.store(t), t.Context()
			st, err := attachWith(t, s, "i1", false, session.Never, willOf("w", 0))
			if err != nil {
				t.Fatal(err)
			}
			if _, err := s.Detach(ctx, "c", st.Epoch, p); err != nil {
				t.Fatal(err)
			}
			ended, _, err := s.Expired(ctx, on.now(t).Add(time.Hour), 10)
			if err != nil {
				t.Fatal(err)
			}
			for _, e := range ended {
				if err := s.WillsDone(ctx, e.Wills); err != nil {
					t.Fatal(err)
				}
			}
			if names := on.names(t); !slices.Equal(names, []string{on.config.Prefix + "s:{c}"}) {
				t.Errorf("left: %v", names)
			}
			for _, field := range []string{"w", "wd"} {
				if on.raw.HExists(ctx, on.config.Prefix+"s:{c}", field).Val() {
					t.Errorf("field %s is left", field)
				}
			}
		}
	})
}

// TestHintIsKept: an Attach that cannot enter a will into due leaves that to the next heartbeat.
func TestHintIsKept(t *testing.T) {
	onServers(t, func(t *testing.T, open func(t *testing.T) *server) {
		on := open(t)
		s, count := on.counted(t)
		ctx := t.Context()
		load(t, on)
		if _, err := attachWith(t, s, "i1", false, time.Hour, willOf("w", 0)); err != nil {
			t.Fatal(err)
		}
		count.limit(2)
		if st, err := attachWith(t, s, "i2", false, time.Hour, nil); err != nil || len(st.Wills) != 1 {
			t.Fatal(err, st.Wills)
		}
		count.limit(-1)
		if err := s.Beat(ctx, "i2", time.Hour); err != nil {
			t.Fatal(err)
		}
		if ended, _, err := s.Expired(ctx, on.now(t).Add(time.Minute), 10); err != nil || len(ended) != 1 {
			t.Errorf("%+v, %v", ended, err)
		}
	})
}
