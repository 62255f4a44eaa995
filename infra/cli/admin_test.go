package cli

import (
	"bytes"
	"context"
	"crypto/rand"
	"encoding/json"
	"flag"
	"fmt"
	"os"
	"regexp"
	"strings"
	"testing"
	"time"
	"unicode/utf8"

	"github.com/alicebob/miniredis/v2"
	"github.com/google/go-cmp/cmp"
	"github.com/redis/go-redis/v9"

	"lmqgate/functions/admin"
	"lmqgate/infra/config"
	"lmqgate/meta/message"
	"lmqgate/meta/redisstore"
	"lmqgate/meta/registry"
	"lmqgate/meta/session"
	"lmqgate/meta/status"
)

const golden = "testdata/admin.golden"

var update = flag.Bool("update", false, "write golden files anew")

// moment is when the tests of printing take place, and the clock of miniredis stands.
var moment = time.Date(2026, 3, 1, 12, 0, 0, 0, time.UTC)

// scene is a Redis with some clients in it.
type scene struct {
	t       *testing.T
	environ []string
	store   *redisstore.Store
}

// onRedis runs a test on miniredis and on what the environment names.
func onRedis(t *testing.T, test func(t *testing.T, s *scene)) {
	t.Run("miniredis", func(t *testing.T) {
		m := miniredis.RunT(t)
		m.SetTime(moment)
		test(t, newScene(t, "REDIS_URL=redis://"+m.Addr(), "REDIS_PREFIX=p:"))
	})
	prefix := "REDIS_PREFIX=lmqgate-test-" + strings.ToLower(rand.Text()[:8]) + ":"
	t.Run("single", func(t *testing.T) {
		url := os.Getenv("LMQGATE_TEST_REDIS")
		if url == "" {
			t.Skip("LMQGATE_TEST_REDIS is not set")
		}
		test(t, newScene(t, "REDIS_URL="+url, prefix))
	})
	t.Run("cluster", func(t *testing.T) {
		seeds := os.Getenv("LMQGATE_TEST_REDIS_CLUSTER")
		if seeds == "" {
			t.Skip("LMQGATE_TEST_REDIS_CLUSTER is not set")
		}
		test(t, newScene(t, "REDIS_URL=redis://"+seeds, "REDIS_CLUSTER=true", prefix))
	})
}

func newScene(t *testing.T, environ ...string) *scene {
	t.Helper()
	cfg, err := config.LoadStore(environ)
	ok(t, err)
	store, client, err := openRedis(&cfg)
	ok(t, err)
	t.Cleanup(func() { clearPrefix(t, client, cfg.RedisPrefix); _ = client.Close() })
	return &scene{t: t, environ: environ, store: store}
}

// clearPrefix deletes the keys of a test from a server that others use.
func clearPrefix(t *testing.T, client redis.UniversalClient, prefix string) {
	sweep := func(ctx context.Context, node redis.Cmdable) error {
		keys := node.Scan(ctx, 0, prefix+"*", 1000).Iterator()
		for keys.Next(ctx) {
			if err := client.Del(ctx, keys.Val()).Err(); err != nil {
				return err
			}
		}
		return keys.Err()
	}
	err := error(nil)
	if c, isCluster := client.(*redis.ClusterClient); isCluster {
		err = c.ForEachMaster(context.Background(), func(ctx context.Context, node *redis.Client) error { return sweep(ctx, node) })
	} else {
		err = sweep(context.Background(), client)
	}
	if err != nil {
		t.Error(err)
	}
}

func ok(t *testing.T, err error) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
}

// attach connects a client to the instance gw-1.
func (s *scene) attach(r session.AttachRequest) session.State {
	s.t.Helper()
	r.Instance = "gw-1"
	st, err := s.store.Attach(s.t.Context(), r)
	ok(s.t, err)
	return st
}

// subscribe holds filters and writes the session.
func (s *scene) subscribe(st session.State, id string, c session.Change, subs ...session.Subscription) {
	s.t.Helper()
	holds := make([]registry.Hold, len(subs))
	for i := range subs {
		subs[i].Seq, subs[i].HoldEpoch, subs[i].HoldSeq = uint64(i+1), st.Epoch, uint64(i+1)
		holds[i] = registry.Hold{Filter: subs[i].Filter, ClientID: id, Epoch: uint64(st.Epoch), Seq: uint64(i + 1)}
	}
	ok(s.t, s.store.Hold(s.t.Context(), holds))
	c.ClientID, c.Epoch, c.SetSubs = id, st.Epoch, subs
	ok(s.t, s.store.Write(s.t.Context(), []session.Change{c})[0])
}

// fill makes the clients: one connected, one away, one that means harm.
func (s *scene) fill() {
	s.t.Helper()
	ctx := s.t.Context()
	ok(s.t, s.store.Beat(ctx, "gw-1", 15*time.Second))
	ok(s.t, s.store.Status().Report(ctx, status.Figures{Instance: "gw-1", Version: "v1.2.3", Uptime: 7200, Connected: 2, Subscriptions: 3}, time.Minute))
	st := s.attach(session.AttachRequest{
		ClientID: "phone-7", Expiry: time.Hour, Protocol: 5, Username: "ann", Address: "192.0.2.7",
		Will: &session.Will{Delay: 5 * time.Second, Message: &message.Message{Topic: "status/phone-7", Payload: []byte("gone"), QoS: 1, Key: "K"}},
	})
	at := session.CursorKey{Filter: "chat/#", Broker: "broker-a"}
	s.subscribe(st, "phone-7", session.Change{
		SetCursors: []session.Cursor{{CursorKey: at, Next: 10, Acked: []session.Range{{First: 12, Last: 13}}}},
		SetOut:     []session.Outbound{{PacketID: 3, Order: 1, QoS: 2, State: session.OutReleased, CursorKey: at, Offset: 10, Key: "0A"}},
		SetIn:      []session.Inbound{{PacketID: 9, Key: "0B", Topic: "chat", Broker: "broker-a", AtMillis: moment.UnixMilli()}},
	}, session.Subscription{Filter: "chat/#", QoS: 2}, session.Subscription{Filter: "$share/g/jobs/+", QoS: 1})

	st = s.attach(session.AttachRequest{ClientID: "sensor-1", Expiry: 3 * time.Hour, Protocol: 4, Address: "192.0.2.8"})
	s.subscribe(st, "sensor-1", session.Change{}, session.Subscription{Filter: "chat/room1", QoS: 1})
	_, err := s.store.Detach(ctx, "sensor-1", st.Epoch, session.PartingClean)
	ok(s.t, err)

	s.attach(session.AttachRequest{ClientID: "evil\x1b[2J\u009b", Protocol: 5, Username: "e", Address: "192.0.2.9"})
	retained, err := s.store.Retained(redisstore.RetainConfig{})
	ok(s.t, err)
	ok(s.t, retained.Set(ctx, &message.Message{Topic: "chat/topic", Payload: []byte("hi\x1b"), QoS: 1, Retain: true, Publisher: "phone-7", BornMillis: moment.Add(-time.Minute).UnixMilli()}))
}

// run runs a command with the clock standing at moment.
func (s *scene) run(args ...string) result {
	return runAdmin(s.t.Context(), s.environ, args...)
}

func runAdmin(ctx context.Context, environ []string, args ...string) result {
	var out, errs bytes.Buffer
	in := streams{environ: environ, out: &out, err: &errs}
	c := in.admin(args[0])
	c.now = func() time.Time { return moment.Add(10 * time.Second) }
	code := in.exit(adminCommands()[args[0]](c, ctx, args[1:]))
	return result{code: code, out: out.String(), err: errs.String()}
}

// fakeLog ends every queue at the same offset.
type fakeLog int64

func (f fakeLog) Brokers() []string { return nil }

func (f fakeLog) MaxOffsets(_ context.Context, queues []admin.Queue) ([]int64, error) {
	out := make([]int64, len(queues))
	for i := range out {
		out[i] = int64(f)
	}
	return out, nil
}

// TestAdminPrints compares what people see with golden texts.
func TestAdminPrints(t *testing.T) {
	m := miniredis.RunT(t)
	m.SetTime(moment)
	s := newScene(t, "REDIS_URL=redis://"+m.Addr(), "REDIS_PREFIX=p:")
	s.fill()
	var b strings.Builder
	for _, args := range []string{
		"clients", "clients --away", "clients none*", "client phone-7", "client sensor-1", "client nobody", "filters",
		"filters --clients chat/#", "topics", "retained", "retained --get chat/topic", "instances", "kick sensor-1",
	} {
		got := s.run(strings.Fields(args)...)
		fmt.Fprintf(&b, "$ lmqgate %s\n%s%s(status %d)\n\n", args, got.out, got.err, got.code)
		for line := range strings.Lines(got.out) {
			if n := utf8.RuneCountInString(line); n > 121 {
				t.Errorf("%s: a line of %d characters: %s", args, n, line)
			}
		}
	}
	text := regexp.MustCompile(`epoch \d+`).ReplaceAllString(b.String(), "epoch 12")
	if *update {
		ok(t, os.WriteFile(golden, []byte(text), 0o644))
	}
	want, err := os.ReadFile(golden)
	ok(t, err)
	if text != string(want) {
		t.Errorf("%s (-update writes it anew) differs:\n%s", golden, cmp.Diff(string(want), text))
	}
}

// TestAdminShortens: what is longer than its column keeps both ends, and --full all of it.
func TestAdminShortens(t *testing.T) {
	m := miniredis.RunT(t)
	s := newScene(t, "REDIS_URL=redis://"+m.Addr())
	id := strings.Repeat("front-", 20) + "back"
	s.attach(session.AttachRequest{ClientID: id, Protocol: 5, Username: strings.Repeat("u", 80), Address: "2001:db8:1111:2222:3333:4444:5555:6666"})
	got := s.run("clients")
	for line := range strings.Lines(got.out) {
		if n := utf8.RuneCountInString(line); n > 121 || strings.Contains(got.out, id) {
			t.Errorf("%d characters: %s", n, line)
		}
	}
	if !strings.Contains(got.out, "front-back ") {
		t.Errorf("the end is not there: %s", got.out)
	}
	if got := s.run("clients", "--full"); !strings.Contains(got.out, id) {
		t.Errorf("--full: %s", got.out)
	}
}

// TestAdminLag: the lag is what the broker has beyond the cursor, less what is acknowledged out of order.
func TestAdminLag(t *testing.T) {
	onRedis(t, func(t *testing.T, s *scene) {
		s.fill()
		retained, err := s.store.Retained(redisstore.RetainConfig{})
		ok(t, err)
		a := admin.New(admin.Config{Sessions: s.store, Filters: s.store, Retained: retained, Status: s.store.Status(), Log: fakeLog(20)})
		d, err := a.Client(t.Context(), "phone-7")
		ok(t, err)
		if d.Behind == nil || *d.Behind != 8 || *d.Subscriptions[0].Lag != 8 || d.Subscriptions[1].Lag != nil {
			t.Errorf("behind %v, subscriptions %+v", number(d.Behind), d.Subscriptions)
		}
		if len(d.Wills) != 1 || d.Wills[0].Topic != "status/phone-7" || d.Wills[0].Delay != "5s" || d.Wills[0].Stage != "connection" {
			t.Errorf("wills %+v", d.Wills)
		}
	})
}

// TestAdminJSON: each command prints JSON that a terminal can stand, with everything in it.
func TestAdminJSON(t *testing.T) {
	onRedis(t, func(t *testing.T, s *scene) {
		s.fill()
		for args, want := range map[string]string{
			"clients": `"client_id": "phone-7"`, "clients --away": `"client_id": "sensor-1"`, "clients evil*": `evil\u001b[2J\u009b`,
			"clients --user ann": `"expiry": "1h0m0s"`, "client phone-7": `"waits_for": "connection"`, "filters chat/*": `"lmq": "%LMQ%chat%#%"`,
			"filters --clients jobs/+": `"filter": "$share/g/jobs/+"`, "topics": `"rocketmq_topic": "chat"`,
			"retained chat/+": `"topic": "chat/topic"`, "retained --get chat/topic": `"payload": "aGkb"`, "instances": `"version": "v1.2.3"`,
		} {
			got := s.run(append(strings.Fields(args), "--json")...)
			if got.code != 0 || !strings.Contains(got.out, want) || !json.Valid([]byte(got.out)) || strings.ContainsAny(got.out, "\x1b\u009b") {
				t.Errorf("%s: want %s in %+v", args, want, got)
			}
		}
	})
}

// TestAdminPages: pages of one or two lead through all clients and filters.
func TestAdminPages(t *testing.T) {
	onRedis(t, func(t *testing.T, s *scene) {
		s.fill()
		seen := make(map[string]bool)
		cursor := ""
		for range 10_000 {
			var page admin.Clients
			got := s.run("clients", "--json", "--limit", "1", "--cursor", cursor)
			if err := json.Unmarshal([]byte(got.out), &page); err != nil {
				t.Fatalf("%v: %+v", err, got)
			}
			for _, c := range page.Clients {
				seen[c.ID] = true
			}
			if cursor = page.Next; cursor == "" {
				break
			}
		}
		if cursor != "" || len(seen) != 3 {
			t.Errorf("at %q, saw %v", cursor, seen)
		}
	})
}

// TestKickEndsSession: nothing of the session is left, its filters are released, and the will waits to be published.
func TestKickEndsSession(t *testing.T) {
	onRedis(t, func(t *testing.T, s *scene) {
		s.fill()
		got := s.run("kick", "--end-session", "phone-7")
		if want := "phone-7 is disconnected from gw-1; its session is over, 2 subscriptions released\n"; got.code != 0 || got.out != want {
			t.Fatalf("%+v", got)
		}
		if _, _, err := s.store.Peek(t.Context(), "phone-7"); err == nil {
			t.Error("the session is still there")
		}
		if got := s.run("filters", "--json"); strings.Contains(got.out, "jobs") || strings.Contains(got.out, "chat/#") || !strings.Contains(got.out, "chat/room1") {
			t.Errorf("filters: %s", got.out)
		}
		wills, err := s.store.WaitingWills(t.Context(), "phone-7")
		if err != nil || len(wills) != 1 {
			t.Errorf("wills %v %v", wills, err)
		}
		if got := s.run("instances"); strings.Contains(got.out, "admin-") {
			t.Errorf("the command is left among the instances:\n%s", got.out)
		}
		if got := s.run("kick", "phone-7"); got.code != 1 || !strings.Contains(got.err, "has neither a connection nor a session") {
			t.Errorf("again: %+v", got)
		}
	})
}

// TestKickUnconfirmed: an instance that does not answer is named.
func TestKickUnconfirmed(t *testing.T) {
	onRedis(t, func(t *testing.T, s *scene) {
		s.fill()
		got := s.run("kick", "phone-7", "--timeout", "300ms")
		if got.code != 1 || !strings.Contains(got.err, "phone-7 is still connected to gw-1") {
			t.Errorf("%+v", got)
		}
	})
}

// TestSubscribe: a client that is away is subscribed, once anew and then with other options, and unsubscribed, and what cannot be done
// is said.
func TestSubscribe(t *testing.T) {
	onRedis(t, func(t *testing.T, s *scene) {
		s.environ = append(s.environ, "MAX_SUBSCRIPTIONS=2")
		s.fill()
		for _, tt := range []struct {
			args string
			code int
			want string
		}{
			{"subscribe sensor-1 new/# --qos 2", 0, "sensor-1 is subscribed to new/# (away, QoS 2)\n"},
			{"subscribe sensor-1 new/#", 0, "sensor-1 was subscribed and has new options of new/# (away, QoS 1)\n"},
			{"subscribe sensor-1 third", 1, "MAX_SUBSCRIPTIONS"},
			{"subscribe sensor-1 a/#/b", 1, "a/#/b is not a topic filter"},
			{"subscribe sensor-1 $share/g/a", 1, "for a client that is connected"},
			{"subscribe sensor-1 chat/p2p/phone-7/#", 1, "goes to that client only"},
			{"subscribe nobody a", 1, "has neither a connection nor a session"},
			{"subscribe phone-7 a --timeout 300ms", 1, "the instance of phone-7 does not answer within 300ms"},
			{"unsubscribe sensor-1 new/#", 0, "sensor-1 is no longer subscribed to new/# (away)\n"},
			{"unsubscribe sensor-1 new/#", 0, "sensor-1 was not subscribed to new/# (away)\n"},
			{"unsubscribe sensor-1 chat/room1 --json", 0, `"existed": true`},
		} {
			got := s.run(strings.Fields(tt.args)...)
			if text := got.out + got.err; got.code != tt.code || !strings.Contains(text, tt.want) {
				t.Errorf("%s: %+v", tt.args, got)
			}
		}
		if got := s.run("filters"); strings.Contains(got.out, "new/#") || strings.Contains(got.out, "chat/room1") {
			t.Errorf("still held:\n%s", got.out)
		}
	})
}

// TestRetainedDelete deletes once.
func TestRetainedDelete(t *testing.T) {
	onRedis(t, func(t *testing.T, s *scene) {
		s.fill()
		if got := s.run("retained", "--get", "--raw", "chat/topic"); got.out != "hi\x1b" {
			t.Errorf("%+v", got)
		}
		if got := s.run("retained", "--delete", "chat/topic"); got.code != 0 || got.out != "deleted the retained message of chat/topic, 3 bytes\n" {
			t.Errorf("%+v", got)
		}
		if got := s.run("retained", "--delete", "chat/topic"); got.code != 1 || !strings.Contains(got.err, `topic "chat/topic" has no retained message`) {
			t.Errorf("%+v", got)
		}
	})
}

// TestAdminRefuses: what is wrong is said, with the variable or the flag.
func TestAdminRefuses(t *testing.T) {
	for _, tt := range []struct {
		environ, args string
		code          int
		want          string
	}{
		{"", "clients", 2, "REDIS_URL is not set"},
		{"REDIS_URL=http://x", "clients", 2, "REDIS_URL: "},
		{"REDIS_URL=redis://127.0.0.1:1", "instances", 1, "the Redis of REDIS_URL does not answer"},
		{"", "client", 2, "usage: lmqgate client [flags] ID"},
		{"", "kick a b", 2, "usage: lmqgate kick"},
		{"", "clients --away --connected", 2, "exclude each other"},
		{"", "clients --limit 0", 2, "--limit 0"},
		{"", "retained a/#/b", 2, "is not a topic filter"},
		{"", "retained --get a/+", 2, "give one topic"},
		{"", "filters --clients", 2, "needs a filter"},
		{"", "topics --timeout 0", 2, "--timeout"},
		{"", "subscribe a", 2, "usage: lmqgate subscribe [flags] ID FILTER"},
		{"", "subscribe --qos 3 a b", 2, "--qos 3"},
		{"", "subscribe --retain-handling 3 a b", 2, "--retain-handling 3"},
		{"", "subscribe --identifier 268435456 a b", 2, "--identifier 268435456"},
		{"", "unsubscribe a", 2, "usage: lmqgate unsubscribe [flags] ID FILTER"},
	} {
		if got := runAdmin(t.Context(), []string{tt.environ}, strings.Fields(tt.args)...); got.code != tt.code || !strings.Contains(got.err, tt.want) || got.out != "" {
			t.Errorf("%s: %+v", tt.args, got)
		}
	}
	for name := range adminCommands() {
		if got := runAdmin(t.Context(), nil, name, "--help"); got.code != 0 || !strings.Contains(got.out, "usage: lmqgate "+name) || !strings.Contains(got.out, "-json") {
			t.Errorf("%s --help: %+v", name, got)
		}
	}
}
