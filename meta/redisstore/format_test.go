package redisstore_test

import (
	"errors"
	"strings"
	"testing"
	"time"

	"lmqgate/meta/registry"
	"lmqgate/meta/session"
)

// dump is all data as text, to show that nothing was changed.
func (s *server) dump(t *testing.T) map[string]string {
	t.Helper()
	ctx := t.Context()
	all := make(map[string]string)
	for _, key := range s.names(t) {
		switch kind := s.raw.Type(ctx, key).Val(); kind {
		case "hash":
			for f, v := range s.raw.HGetAll(ctx, key).Val() {
				all[key+" "+f] = v
			}
		case "set":
			for _, m := range s.raw.SMembers(ctx, key).Val() {
				all[key+" "+m] = ""
			}
		case "list":
			all[key] = strings.Join(s.raw.LRange(ctx, key, 0, -1).Val(), "\n")
		}
	}
	return all
}

// TestFormatOfSessions spoils one value at a time and calls everything that reads or writes it.
func TestFormatOfSessions(t *testing.T) {
	spoils := map[string][3]string{ // part, field, value
		"header":         {"", "f", "2"},
		"header without": {"", "f", ""},
		"subscription":   {":sub", "a", "\x02a"},
		"cursor":         {":cur", "1:ab", "\x02"},
		"out":            {":out", "1", ""},
		"in":             {":in", "1", "\x00"},
	}
	onServers(t, func(t *testing.T, open func(t *testing.T) *server) {
		for name, spoil := range spoils {
			for _, connected := range []bool{true, false} {
				t.Run(name, func(t *testing.T) {
					testFormat(t, open(t), spoil, connected)
				})
			}
		}
	})
}

func testFormat(t *testing.T, on *server, spoil [3]string, connected bool) {
	s, ctx := on.store(t), t.Context()
	if err := s.Beat(ctx, "i1", time.Hour); err != nil {
		t.Fatal(err)
	}
	st, err := s.Attach(ctx, session.AttachRequest{ClientID: "c", Instance: "i1", Expiry: time.Minute})
	if err != nil {
		t.Fatal(err)
	}
	if !connected {
		if _, err := s.Detach(ctx, "c", st.Epoch, session.PartingLost); err != nil {
			t.Fatal(err)
		}
	}
	key := on.config.Prefix + "s:{c}" + spoil[0]
	if spoil[2] == "" && spoil[0] == "" {
		on.raw.HDel(ctx, key, spoil[1])
	} else {
		on.raw.HSet(ctx, key, spoil[1], spoil[2])
	}
	before := on.dump(t)
	refused := func(what string, err error) {
		t.Helper()
		if !errors.Is(err, session.ErrFormat) {
			t.Errorf("%s: %v, want ErrFormat", what, err)
		}
	}
	for _, clean := range []bool{false, true} {
		_, err = s.Attach(ctx, session.AttachRequest{ClientID: "c", Instance: "i2", CleanStart: clean, Expiry: time.Hour})
		refused("attach", err)
	}
	_, _, err = s.Peek(ctx, "c")
	refused("peek", err)
	if spoil[0] == "" {
		err = s.Write(ctx, []session.Change{{ClientID: "c", Epoch: st.Epoch, DropSubs: []string{"a"}}})[0]
		refused("write", err)
		_, err = s.Detach(ctx, "c", st.Epoch, session.PartingLost)
		refused("detach", err)
		if err := s.Settled(ctx, []string{"c"}); err != nil {
			t.Errorf("settle: %v", err)
		}
	}
	if spoil[0] == "" || spoil[0] == ":sub" {
		if !connected {
			_, _, err = s.Expired(ctx, on.now(t).Add(time.Hour), 10)
			refused("expired", err)
		} else {
			if err := s.Leave(ctx, "i1"); err != nil {
				t.Fatal(err)
			}
			on.pass(t, time.Millisecond)
			if spoil[0] == "" {
				_, _, err = s.Orphans(ctx, "i1", 10)
				refused("orphans", err)
			}
		}
	}
	after := on.dump(t)
	for k, v := range before {
		if strings.Contains(k, "s:{c}") && after[k] != v {
			t.Errorf("%s was changed from %q to %q", k, v, after[k])
		}
	}
}

func TestFormatOfRegistry(t *testing.T) {
	onServers(t, func(t *testing.T, open func(t *testing.T) *server) {
		holds := []registry.Hold{{Filter: "a", ClientID: "c", Epoch: 1, Seq: 1}, {Filter: "a/#", ClientID: "c", Epoch: 1, Seq: 1}}
		for _, spoil := range []struct {
			name, suffix, field, value string
			check                      bool
		}{
			{"head", "reg:{v}", "f", "2", true},
			{"wild holding", "reg:{v}:h:a/#", "c", "2.1.1", false},
			{"wild holding without seq", "reg:{v}:h:a/#", "c", "1.1", false},
			{"exact holding", "reg:{x44}:h:a", "c", "2", false},
		} {
			t.Run(spoil.name, func(t *testing.T) {
				on := open(t)
				s, ctx := on.store(t), t.Context()
				if err := s.Hold(ctx, holds); err != nil {
					t.Fatal(err)
				}
				if spoil.field != "f" && on.raw.HGet(ctx, on.config.Prefix+spoil.suffix, spoil.field).Val() != "1.1.1" {
					t.Fatalf("%s is not where it is documented: %v", spoil.name, on.names(t))
				}
				on.raw.HSet(ctx, on.config.Prefix+spoil.suffix, spoil.field, spoil.value)
				before := on.dump(t)
				for what, err := range map[string]error{"hold": s.Hold(ctx, holds), "release": s.Release(ctx, holds)} {
					if !errors.Is(err, session.ErrFormat) {
						t.Errorf("%s: %v, want ErrFormat", what, err)
					}
				}
				if _, _, err := s.Snapshot(ctx); errors.Is(err, session.ErrFormat) != spoil.check {
					t.Errorf("snapshot: %v", err)
				}
				if _, _, err := s.Check(ctx, registry.Position{}, []string{"a"}); errors.Is(err, session.ErrFormat) != spoil.check {
					t.Errorf("check: %v", err)
				}
				for k, v := range on.dump(t) {
					if strings.Contains(k, strings.TrimSuffix(spoil.suffix, "a/#")) && before[k] != v {
						t.Errorf("%s was changed from %q to %q", k, before[k], v)
					}
				}
			})
		}
		t.Run("log", func(t *testing.T) {
			on := open(t)
			s, ctx := on.store(t), t.Context()
			if err := s.Hold(ctx, holds); err != nil {
				t.Fatal(err)
			}
			for _, entry := range []string{"2 1 t - +a", "1 1", "1 x t - +a", ""} {
				on.raw.LSet(ctx, on.config.Prefix+"reg:{v}:log", 0, entry)
				if _, _, err := s.Check(ctx, registry.Position{}, nil); !errors.Is(err, session.ErrFormat) {
					t.Errorf("entry %q: %v, want ErrFormat", entry, err)
				}
			}
		})
	})
}
