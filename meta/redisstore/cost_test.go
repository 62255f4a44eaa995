package redisstore_test

import (
	"fmt"
	"slices"
	"testing"
	"time"

	"github.com/alicebob/miniredis/v2"
	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/client_golang/prometheus/testutil"
	"github.com/redis/go-redis/v9"

	"lmqgate/meta/message"
	"lmqgate/meta/redisstore"
	"lmqgate/meta/registry"
	"lmqgate/meta/session"
	"lmqgate/meta/status"
)

// TestRoundTrips holds every call to its number of commands and round trips, however many items it has.
func TestRoundTrips(t *testing.T) {
	onServers(t, func(t *testing.T, open func(t *testing.T) *server) {
		on := open(t)
		s, count := on.counted(t)
		load(t, on)
		ctx := t.Context()
		var (
			epochs  []session.Epoch
			changes []session.Change
			ids     []string
			holds   []registry.Hold
			exact   []string
		)
		attach := func(id string, expiry time.Duration) {
			st, err := s.Attach(ctx, session.AttachRequest{ClientID: id, Instance: "i1", Expiry: expiry})
			if err != nil {
				t.Fatal(err)
			}
			epochs = append(epochs, st.Epoch)
		}
		for i := range 100 {
			ids = append(ids, fmt.Sprint("c", i))
			attach(ids[i], 0)
			changes = append(changes, session.Change{ClientID: ids[i], Epoch: epochs[i], SetSubs: []session.Subscription{{Filter: "a"}, {Filter: "b"}}})
			holds = append(holds, registry.Hold{Filter: fmt.Sprint("w/+/", i), ClientID: "c", Epoch: 1, Seq: 1}, registry.Hold{Filter: fmt.Sprint("x/", i), ClientID: "c", Epoch: 1, Seq: 1})
			exact = append(exact, fmt.Sprint("x/", i))
		}
		var willing []session.State
		for _, id := range []string{"will0", "will1"} {
			st, err := s.Attach(ctx, session.AttachRequest{ClientID: id, Instance: "i1", Will: willOf("w", 0)})
			if err != nil {
				t.Fatal(err)
			}
			willing = append(willing, st)
		}
		var wills []session.DueWill
		if err := s.Ping(ctx); err != nil { // single commands have connections of their own
			t.Fatal(err)
		}
		// On a cluster go-redis counts a pipeline once here, whatever number of nodes it goes to, and a Check
		// asks for eight counts, elsewhere for all in one command.
		for _, c := range []struct {
			name            string
			commands, trips int // at most
			run             func() error
		}{
			{"attach", 2, 1, func() error { attach("more", time.Hour); return nil }},
			{"write 100 sessions", 100, 1, func() error { return s.Write(ctx, changes)[99] }},
			{"hold 200 filters", 66, 1, func() error { return s.Hold(ctx, holds) }},
			{"check 100 exact filters", 65 + 8, 1, func() error { _, _, err := s.Check(ctx, registry.Position{}, exact); return err }},
			{"check 1 exact filter", 2 + 8, 1, func() error { _, _, err := s.Check(ctx, registry.Position{}, exact[:1]); return err }},
			{"snapshot", 1, 1, func() error { _, _, err := s.Snapshot(ctx); return err }},
			{"release 200 filters", 66, 1, func() error { return s.Release(ctx, holds) }},
			{"beat", 1, 1, func() error { return s.Beat(ctx, "i1", time.Hour) }},
			{"detach", 3, 3, func() error { _, err := s.Detach(ctx, "c0", epochs[0], session.PartingLost); return err }},
			{"detach with a will", 3, 3, func() error { _, err := s.Detach(ctx, "will0", willing[0].Epoch, session.PartingLost); return err }},
			{"take a will over", 3, 2, func() error {
				st, err := s.Attach(ctx, session.AttachRequest{ClientID: "will1", Instance: "i1", Will: willOf("w", 0)})
				wills = st.Wills
				return err
			}},
			{"place a will", 1, 1, func() error { return s.PlaceWill(ctx, wills[0], message.Place{}) }},
			{"forget 100 wills", 101, 2, func() error { return s.WillsDone(ctx, slices.Repeat(wills, 100)) }},
			{"leave", 2, 2, func() error { return s.Leave(ctx, "i1") }},
			{"sweep 50 of an instance", 3 + 2*50 + 2, 5, func() error { _, _, err := s.Orphans(ctx, "i1", 50); return err }},
			{"expire 40", 1 + 40 + 1, 3, func() error { _, _, err := s.Expired(ctx, on.now(t).Add(time.Hour), 40); return err }},
			{"settle 100", 100 + 1, 2, func() error { return s.Settled(ctx, ids) }},
		} {
			commands, trips := count.counts()
			if err := c.run(); err != nil {
				t.Fatalf("%s: %v", c.name, err)
			}
			if n, m := count.counts(); n-commands > c.commands || m-trips > c.trips {
				t.Errorf("%s took %d commands in %d trips, want %d in %d", c.name, n-commands, m-trips, c.commands, c.trips)
			}
		}
	})
}

func TestMetrics(t *testing.T) {
	on := openMini(t)
	registerer := prometheus.NewRegistry()
	on.config.Registerer = registerer
	s := on.store(t)
	on.store(t) // a second store on the same registerer
	ctx := t.Context()
	st, err := s.Attach(ctx, session.AttachRequest{ClientID: "secret-client", Instance: "i1"})
	if err != nil {
		t.Fatal(err)
	}
	for range 2 {
		if err := s.Write(ctx, []session.Change{{ClientID: "secret-client", Epoch: st.Epoch, DropIn: []uint16{1}}})[0]; err != nil {
			t.Fatal(err)
		}
	}
	if err := s.Status().Report(ctx, status.Figures{}, time.Minute); err != nil {
		t.Fatal(err)
	}
	retained, err := s.Retained(redisstore.RetainConfig{})
	if err != nil {
		t.Fatal(err)
	}
	if _, err := retained.Count(ctx); err != nil {
		t.Fatal(err)
	}
	on.mini.SetError("LOADING for the test")
	if err := s.Ping(ctx); err == nil {
		t.Error("no error")
	}
	on.mini.SetError("")
	if n, err := testutil.GatherAndCount(registerer, "lmqgate_redis_seconds"); err != nil || n != 3 {
		t.Errorf("%d series of durations, want pipeline, ping and hello; %v", n, err)
	}
	families, err := registerer.Gather()
	if err != nil {
		t.Fatal(err)
	}
	got := make(map[string]float64)
	for _, f := range families {
		for _, m := range f.GetMetric() {
			if label := m.GetLabel()[0].GetValue(); m.GetCounter() != nil {
				got[f.GetName()+" "+label] = m.GetCounter().GetValue()
			}
		}
	}
	// Each script has a name of its own there, whatever it belongs to.
	if got["lmqgate_redis_commands_total evalsha"] != 0 || got["lmqgate_redis_commands_total status_report"] == 0 || got["lmqgate_redis_commands_total retain_count"] == 0 {
		t.Errorf("scripts without a name: %v", got)
	}
	// attach and the first write are sent twice: miniredis does not know the scripts.
	for name, want := range map[string]float64{
		"lmqgate_redis_commands_total attach": 2, "lmqgate_redis_commands_total write": 3, "lmqgate_redis_errors_total ping": 1,
		"lmqgate_redis_errors_total write": 0, "lmqgate_redis_commands_total hset": 1,
	} {
		if got[name] != want {
			t.Errorf("%s is %v, want %v", name, got[name], want)
		}
	}
}

// bench opens a counted store on the real server that the environment names, else on miniredis.
func bench(b *testing.B) (*redisstore.Store, func(items int)) {
	on := &server{config: redisstore.Config{Prefix: "lmqgate-bench:", PoolSize: 8}}
	addr := ""
	if url := benchURL(); url != "" {
		o, err := redis.ParseURL(url)
		if err != nil {
			b.Fatal(err)
		}
		addr = o.Addr
	} else {
		addr = miniredis.RunT(b).Addr()
	}
	client := redis.NewClient(&redis.Options{Addr: addr, Protocol: 2})
	on.raw = client
	b.Cleanup(func() { _ = client.Close() })
	s, count := on.counted(b)
	b.ReportAllocs()
	return s, func(items int) {
		b.Helper()
		commands, trips := count.counts()
		b.ReportMetric(float64(commands)/float64(b.N), "commands/op")
		b.ReportMetric(float64(trips)/float64(b.N), "trips/op")
		b.ReportMetric(float64(b.Elapsed().Nanoseconds())/float64(b.N*items), "ns/item")
	}
}

func BenchmarkAttach(b *testing.B) {
	for _, subs := range []int{0, 10, 10_000} {
		b.Run(fmt.Sprint(subs, "subs"), func(b *testing.B) {
			s, report := bench(b)
			id := fmt.Sprint("attach", subs)
			st, err := s.Attach(b.Context(), session.AttachRequest{ClientID: id, Instance: "i1", Expiry: time.Hour, CleanStart: true})
			if err != nil {
				b.Fatal(err)
			}
			c := session.Change{ClientID: id, Epoch: st.Epoch, PacketIDs: 1}
			for i := range subs {
				c.SetSubs = append(c.SetSubs, session.Subscription{Filter: fmt.Sprint("level/", i, "/+"), Seq: uint64(i)})
			}
			if err := s.Write(b.Context(), []session.Change{c})[0]; err != nil {
				b.Fatal(err)
			}
			for b.Loop() {
				if _, err := s.Attach(b.Context(), session.AttachRequest{ClientID: id, Instance: "i1", Expiry: time.Hour}); err != nil {
					b.Fatal(err)
				}
			}
			report(1)
		})
	}
}

func BenchmarkWrite(b *testing.B) {
	for _, sessions := range []int{1, 100} {
		b.Run(fmt.Sprint(sessions, "sessions"), func(b *testing.B) {
			s, report := bench(b)
			var changes []session.Change
			for i := range sessions {
				id := fmt.Sprint("write", i)
				st, err := s.Attach(b.Context(), session.AttachRequest{ClientID: id, Instance: "i1", Expiry: time.Hour})
				if err != nil {
					b.Fatal(err)
				}
				changes = append(changes, session.Change{
					ClientID: id, Epoch: st.Epoch, DropOut: []uint16{1},
					SetCursors: []session.Cursor{{CursorKey: session.CursorKey{Filter: "a/b/+", Broker: "broker-a"}, Next: 1000, LastKey: "7F00000100002A9F000000000000A1B2"}},
					SetOut:     []session.Outbound{{PacketID: 2, Order: 5, QoS: 1, State: session.OutSent, Offset: 1001, Key: "7F00000100002A9F000000000000A1B3"}},
				})
			}
			for b.Loop() {
				for _, err := range s.Write(b.Context(), changes) {
					if err != nil {
						b.Fatal(err)
					}
				}
			}
			report(sessions)
		})
	}
}

func BenchmarkCheck(b *testing.B) {
	for _, n := range []int{1, 100} {
		b.Run(fmt.Sprint(n, "exact"), func(b *testing.B) {
			s, report := bench(b)
			var exact []string
			var holds []registry.Hold
			for i := range n {
				exact = append(exact, fmt.Sprint("topic/", i))
				holds = append(holds, registry.Hold{Filter: exact[i], ClientID: "c", Epoch: 1, Seq: 1})
			}
			if err := s.Hold(b.Context(), holds); err != nil {
				b.Fatal(err)
			}
			at, _, err := s.Snapshot(b.Context())
			if err != nil {
				b.Fatal(err)
			}
			for b.Loop() {
				if _, _, err := s.Check(b.Context(), at, exact); err != nil {
					b.Fatal(err)
				}
			}
			report(n)
		})
	}
}
