package redisstore_test

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"strings"
	"testing"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/redis/go-redis/v9"

	"lmqgate/meta/message"
	"lmqgate/meta/metatest"
	"lmqgate/meta/redisstore"
	"lmqgate/meta/retain"
)

// retained opens a store of retained messages that goes by the clock of the server.
func (s *server) retained(t *testing.T, cfg redisstore.RetainConfig) *redisstore.Retained {
	t.Helper()
	return s.retainedOf(t, s.store(t), cfg)
}

func (s *server) retainedOf(t testing.TB, store *redisstore.Store, cfg redisstore.RetainConfig) *redisstore.Retained {
	t.Helper()
	if s.mini != nil {
		s.mini.ClockTTL(true)
		cfg.Clock = func() time.Time {
			now, err := s.raw.Time(t.Context()).Result()
			if err != nil {
				t.Error(err)
			}
			return now
		}
	}
	r, err := store.Retained(cfg)
	if err != nil {
		t.Fatal(err)
	}
	return r
}

func TestRetainedContract(t *testing.T) {
	onServers(t, func(t *testing.T, open func(t *testing.T) *server) {
		metatest.Retained(t, func(t *testing.T) *metatest.RetainedBackend {
			on := open(t)
			return &metatest.RetainedBackend{
				Open: func(t *testing.T, l metatest.RetainLimits) retain.Store {
					if l.Payload == 0 {
						l.Payload = 1 << 20
					}
					return on.retained(t, redisstore.RetainConfig{MaxCount: l.Count, MaxPayload: l.Payload})
				},
				Now: on.now, Pass: on.pass,
			}
		})
	})
}

// TestRetainedLooks holds filters to the number of index entries they look at, and calls to their round trips.
func TestRetainedLooks(t *testing.T) {
	onServers(t, func(t *testing.T, open func(t *testing.T) *server) {
		on := open(t)
		store, count := on.counted(t)
		registry := prometheus.NewRegistry()
		r := on.retainedOf(t, store, redisstore.RetainConfig{Registerer: registry})
		load(t, on)
		fill(t, on, 20_000)
		for _, filter := range []string{"a", "site/0/#", "#"} { // connections are made
			if _, _, err := r.Match(t.Context(), filter, "", 1); err != nil {
				t.Fatal(err)
			}
		}
		for _, c := range []struct {
			filter               string
			found, looked, trips int // looked and trips at most
		}{
			{"site/+/dev/7/rare", 10, 10 * 8, 2},
			{"site/3/dev/7/#", 2, 8, 2},
			{"site/3/dev/0", 0, 0, 1},
			{"site/3/dev/77/temp", 1, 0, 1},
			{"+/3/dev/77/temp", 1, 16 * 8, 4},
			{"+/rare", 1, 16 * 8, 4},
			{"none/#", 0, 4, 1},
			{"+/none/#", 0, 16 * 8, 3},
			{"site/3/dev/+/rare", 1, 2 * 2000, 9}, // one look or two for each of 2,000 devices
		} {
			before := counterValue(t, registry, "lmqgate_retained_looked_total")
			_, trips := count.counts()
			found := 0
			for cursor, more := "", true; more; more = cursor != "" {
				page, next, err := r.Match(t.Context(), c.filter, cursor, 100)
				if err != nil {
					t.Fatal(err)
				}
				found += len(page)
				cursor = next
			}
			looked := int(counterValue(t, registry, "lmqgate_retained_looked_total") - before)
			_, after := count.counts()
			if found != c.found || looked > c.looked || after-trips > c.trips {
				t.Errorf("%s found %d, looked at %d, in %d trips; want %d, at most %d, %d",
					c.filter, found, looked, after-trips, c.found, c.looked, c.trips)
			}
		}
		for _, c := range []struct {
			name  string
			trips int
		}{{"site/3/dev/5/temp", 1}, {"new", 3}, {"newer", 1}} { // the first new topic is counted
			_, before := count.counts()
			if err := r.Set(t.Context(), text(c.name, "x")); err != nil {
				t.Fatal(err)
			}
			if _, after := count.counts(); after-before != c.trips {
				t.Errorf("set %s took %d trips, want %d", c.name, after-before, c.trips)
			}
		}
		for _, trips := range []int{3, 1} { // 150 are new: 98 may be added before a count; then all are known
			_, before := count.counts()
			var batch []*message.Message
			for i := range 150 {
				batch = append(batch, text(fmt.Sprint(i, "/new"), "x"))
			}
			if err := errors.Join(r.SetAll(t.Context(), batch)...); err != nil {
				t.Fatal(err)
			}
			if _, after := count.counts(); after-before != trips {
				t.Errorf("150 at once took %d trips, want %d", after-before, trips)
			}
		}
	})
}

// fill puts topics behind the store's back, which is faster: 10 sites with devices, and a few rare ones.
func fill(t testing.TB, on *server, topics int) {
	t.Helper()
	eachFilled(t, on, topics, func(pipe redis.Pipeliner, index, value, name string) {
		pipe.ZAdd(t.Context(), index, redis.Z{Member: "\x01" + strings.ReplaceAll(name, "/", "\x00")})
		pipe.Set(t.Context(), value, "\x01\x00\x00\x00\x00\x00\x00\x00x", 0)
	})
}

// eachFilled calls put for each topic of fill and sends what it put into the pipeline.
func eachFilled(t testing.TB, on *server, topics int, put func(pipe redis.Pipeliner, index, value, name string)) {
	t.Helper()
	pipe := on.raw.Pipeline()
	send := func() {
		if _, err := pipe.Exec(context.Background()); err != nil {
			t.Fatal(err)
		}
	}
	each := func(name string) {
		index, value := redisstore.RetainKeys(on.config.Prefix, name)
		put(pipe, index, value, name)
		if pipe.Len() >= 2000 {
			send()
		}
	}
	for i := range topics {
		each(fmt.Sprintf("site/%d/dev/%d/temp", i%10, i/10))
	}
	for i := range 10 {
		each(fmt.Sprintf("site/%d/dev/7/rare", i))
	}
	each("only/rare")
	send()
}

func counterValue(t *testing.T, g prometheus.Gatherer, name string) float64 {
	t.Helper()
	families, err := g.Gather()
	if err != nil {
		t.Fatal(err)
	}
	for _, f := range families {
		if f.GetName() == name {
			return f.GetMetric()[0].GetCounter().GetValue()
		}
	}
	t.Fatalf("no metric %s", name)
	return 0
}

// TestRetainedCrash kills the process after every single command of a Set, of a removal and of a Match that mends.
// Value and index always agree.
func TestRetainedCrash(t *testing.T) {
	ops := map[string]func(ctx context.Context, r *redisstore.Retained) error{
		"set new": func(ctx context.Context, r *redisstore.Retained) error { return r.Set(ctx, text("a/new", "x")) },
		"replace": func(ctx context.Context, r *redisstore.Retained) error { return r.Set(ctx, text("a/b", "y")) },
		"remove":  func(ctx context.Context, r *redisstore.Retained) error { return r.Set(ctx, text("a/b", "")) },
		"set all": func(ctx context.Context, r *redisstore.Retained) error {
			return errors.Join(r.SetAll(ctx, []*message.Message{
				text("a/new", "x"), text("a/b", ""), text("b/new", "x"), text("a/new", "y"), text("c", "x"), text("d/new", "x"),
			})...)
		},
		"match mends": func(ctx context.Context, r *redisstore.Retained) error {
			_, _, err := r.Match(ctx, "#", "", 9)
			return err
		},
		"count": func(ctx context.Context, r *redisstore.Retained) error { _, err := r.Count(ctx); return err },
	}
	onServers(t, func(t *testing.T, open func(t *testing.T) *server) {
		for name, op := range ops {
			t.Run(name, func(t *testing.T) {
				on := open(t)
				load(t, on)
				for n, died := 0, true; died; n++ {
					on.clear(t)
					other := on.retained(t, redisstore.RetainConfig{})
					for _, m := range []*message.Message{text("a/b", "x"), text("a/gone", "x"), text("c", "x")} {
						if err := other.Set(t.Context(), m); err != nil {
							t.Fatal(err)
						}
					}
					_, value := redisstore.RetainKeys(on.config.Prefix, "a/gone")
					if err := on.raw.Del(t.Context(), value).Err(); err != nil { // as an eviction does
						t.Fatal(err)
					}
					store, count := on.counted(t)
					r := on.retainedOf(t, store, redisstore.RetainConfig{})
					count.limit(n)
					err := op(t.Context(), r)
					if died = errors.Is(err, errCrashed); err != nil && !died {
						t.Fatalf("after %d commands: %v", n, err)
					}
					agree(t, other, "a/b", "a/new", "a/gone", "b/new", "c", "d/new")
				}
			})
		}
	})
}

func text(name, payload string) *message.Message {
	return &message.Message{Topic: name, Payload: []byte(payload)}
}

// agree checks that what Get finds is what Match finds, and that all others have left the index after that.
func agree(t *testing.T, r *redisstore.Retained, names ...string) {
	t.Helper()
	want := make(map[string]string)
	for _, name := range names {
		m, err := r.Get(t.Context(), name)
		if err == nil {
			want[name] = string(m.Payload)
		} else if !errors.Is(err, retain.ErrNotFound) {
			t.Fatal(err)
		}
	}
	found, next, err := r.Match(t.Context(), "#", "", 100)
	if err != nil || next != "" {
		t.Fatalf("match: next %q, %v", next, err)
	}
	got := make(map[string]string)
	for _, m := range found {
		got[m.Topic] = string(m.Payload)
	}
	if !maps.Equal(got, want) || want["c"] != "x" {
		t.Errorf("found %v, want %v", got, want)
	}
	if n, err := r.Count(t.Context()); err != nil || n != int64(len(want)) {
		t.Errorf("count %d, %v, want %d", n, err, len(want))
	}
}

// TestRetainedFormat: what another build wrote is neither read nor replaced, and does not hide the others.
func TestRetainedFormat(t *testing.T) {
	onServers(t, func(t *testing.T, open func(t *testing.T) *server) {
		on := open(t)
		r, ctx := on.retained(t, redisstore.RetainConfig{}), t.Context()
		for i := range 5 {
			if err := r.Set(ctx, text(fmt.Sprint("a/", i), "x")); err != nil {
				t.Fatal(err)
			}
		}
		_, value := redisstore.RetainKeys(on.config.Prefix, "a/2")
		for _, spoiled := range []string{"\x02new", "\x01\x00", "{}"} {
			if err := on.raw.Set(ctx, value, spoiled, 0).Err(); err != nil {
				t.Fatal(err)
			}
			if spoiled[0] != 1 {
				for _, payload := range []string{"y", ""} {
					if err := r.Set(ctx, text("a/2", payload)); !errors.Is(err, retain.ErrFormat) {
						t.Errorf("set over %q: %v", spoiled, err)
					}
				}
			}
			for _, filter := range []string{"a/2", "a/+"} {
				found, next, err := r.Match(ctx, filter, "", 10)
				if !errors.Is(err, retain.ErrFormat) || next != "" || (filter == "a/+" && len(found) != 4) {
					t.Errorf("match %s over %q: %d found, next %q, %v", filter, spoiled, len(found), next, err)
				}
			}
			if _, err := r.Get(ctx, "a/2"); !errors.Is(err, retain.ErrFormat) {
				t.Errorf("get over %q: %v", spoiled, err)
			}
			if got := on.raw.Get(ctx, value).Val(); got != spoiled {
				t.Errorf("%q became %q", spoiled, got)
			}
		}
	})
}

// TestRetainedGhosts: expired topics that no Match meets leave the index as others are set, and are not counted.
func TestRetainedGhosts(t *testing.T) {
	onServers(t, func(t *testing.T, open func(t *testing.T) *server) {
		on := open(t)
		r, ctx := on.retained(t, redisstore.RetainConfig{}), t.Context()
		for i := range 225 {
			m := text(fmt.Sprint("g/", i), "x")
			m.BornMillis = on.now(t).UnixMilli()
			m.Properties = message.Properties{HasExpiry: true, Expiry: 1}
			if err := r.Set(ctx, m); err != nil {
				t.Fatal(err)
			}
		}
		on.pass(t, 1100*time.Millisecond)
		index, _ := redisstore.RetainKeys(on.config.Prefix, "g/0")
		ghosts := on.raw.ZCard(ctx, index).Val() // fewer than 225 if the first had expired before the last was set
		for range 3 {
			if err := r.Set(ctx, text("g/new", "x")); err != nil {
				t.Fatal(err)
			}
			ghosts = max(ghosts-10, 0)
			if n := on.raw.ZCard(ctx, index).Val(); n != ghosts+1 {
				t.Errorf("%d entries, want %d", n, ghosts+1)
			}
		}
		if n, err := r.Count(ctx); err != nil || n != 1 {
			t.Errorf("count %d, %v", n, err)
		}
		if n := on.raw.ZCard(ctx, index).Val(); n != max(ghosts-100, 0)+1 {
			t.Errorf("%d entries after the count, want %d", n, max(ghosts-100, 0)+1)
		}
	})
}
