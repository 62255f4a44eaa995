package migrate_test

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/alicebob/miniredis/v2"
	"github.com/redis/go-redis/v9"

	"lmqgate/adapter/rocketmq"
	"lmqgate/infra/migrate"
	"lmqgate/infra/minimq"
	"lmqgate/meta/redisstore"
	"lmqgate/meta/session"
)

// rig is a RocketMQ as Java gateways leave it, and an empty Redis.
type rig struct {
	t     *testing.T
	mq    *rocketmq.Client
	store *redisstore.Store
	sent  int
}

func newRig(t *testing.T) *rig { return rigOf(t, minimq.Config{}) }

func rigOf(t *testing.T, cfg minimq.Config) *rig {
	t.Helper()
	server := minimq.RunWith(t, cfg)
	mq, err := rocketmq.New(rocketmq.Config{NameServers: []string{server.Addr()}, TopicAutoCreate: true, DirectSend: true})
	must(t, err)
	must(t, mq.Start(t.Context()))
	t.Cleanup(func() { _ = mq.Close(context.Background()) })
	raw := redis.NewClient(&redis.Options{Addr: miniredis.RunT(t).Addr(), Protocol: 2, DisableIdentity: true})
	t.Cleanup(func() { _ = raw.Close() })
	store, err := redisstore.New(raw, redisstore.Config{})
	must(t, err)
	return &rig{t: t, mq: mq, store: store}
}

func must(t *testing.T, err error) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
}

// send sends n messages to LMQs and waits until they are in the index.
func (r *rig) send(n int, lmqs ...string) {
	r.t.Helper()
	queue, err := r.mq.PickQueue(r.t.Context(), "t", "k")
	must(r.t, err)
	for range n {
		done := make(chan error, 1)
		r.sent++
		r.mq.Send(&rocketmq.OutMessage{Queue: queue, Key: rocketmq.NewKey(), Dispatch: lmqs, Body: []byte(fmt.Sprint(r.sent))}, func(_ rocketmq.SendResult, err error) { done <- err })
		must(r.t, <-done)
	}
	for _, lmq := range lmqs {
		for r.end(lmq) < int64(n) {
			time.Sleep(time.Millisecond)
		}
	}
}

func (r *rig) broker() string { return r.mq.Brokers()[0].Name }

func (r *rig) end(lmq string) int64 {
	r.t.Helper()
	n, err := r.mq.MaxOffset(r.t.Context(), rocketmq.LMQ{Broker: r.broker(), Name: lmq})
	must(r.t, err)
	return n
}

// commit does what the Java gateway does when a client has acknowledged.
func (r *rig) commit(clientID, lmq string, offset int64) {
	r.t.Helper()
	must(r.t, r.mq.CommitConsumerOffset(r.t.Context(), r.broker(), "%LMQ%"+clientID, lmq, 0, offset))
}

func (r *rig) run(opt migrate.Options) *migrate.Report {
	r.t.Helper()
	opt.QoS, opt.Expiry = 1, time.Hour
	report, err := migrate.Run(r.t.Context(), r.mq, r.store, opt)
	must(r.t, err)
	return report
}

// result is what becomes of one client: "taken over: t/+ take 2>2".
func result(r *migrate.Report) string {
	var out []string
	for _, c := range r.Clients {
		text := c.ClientID + " " + c.Result + ":"
		for _, q := range c.Queues {
			text += fmt.Sprintf(" %s %s %d>%d", q.Filter, q.Action, q.Cursor, q.Next)
		}
		out = append(out, text)
	}
	return strings.Join(out, "; ")
}

func (r *rig) want(opt migrate.Options, want string) *migrate.Report {
	r.t.Helper()
	report := r.run(opt)
	if got := result(report); got != want {
		r.t.Errorf("got  %s\nwant %s", got, want)
		for _, c := range report.Clients {
			r.t.Logf("%s: %s", c.ClientID, c.Why)
		}
	}
	return report
}

// TestTakeOver: a plan changes nothing; taking over makes the session; a repeat finds nothing to do.
func TestTakeOver(t *testing.T) {
	r := newRig(t)
	r.send(5, "%LMQ%t%+%", "%LMQ%t%a%")
	r.commit("c1", "%LMQ%t%+%", 2)
	r.commit("c1", "%LMQ%t%a%", 5)
	r.commit("c2", "%LMQ%t%a%", 0)
	must(t, r.mq.PutKV(t.Context(), "LMQ", "ALL_FIRST_TOPICS", "t"))
	must(t, r.mq.PutKV(t.Context(), "LMQ", "t", "t/+"))

	plan := r.want(migrate.Options{}, "c1 would take over: t/+ take 2>2 t/a take 5>5; c2 would take over: t/a take 0>0")
	if fmt.Sprint(plan.FirstTopics, plan.Wildcards) != "[t] map[t:[t/+]]" {
		t.Errorf("lists: %+v", plan)
	}
	if _, _, err := r.store.Peek(t.Context(), "c1"); err == nil {
		t.Fatal("a plan made a session")
	}
	r.want(migrate.Options{Apply: true}, "c1 taken over: t/+ take 2>2 t/a take 5>5; c2 taken over: t/a take 0>0")
	r.want(migrate.Options{Apply: true}, "c1 nothing to do: t/+ same 2>2 t/a same 5>5; c2 nothing to do: t/a same 0>0")

	info, st, err := r.store.Peek(t.Context(), "c1")
	must(t, err)
	if info.Connected || info.Expiry != time.Hour || len(st.Subscriptions) != 2 || len(st.Cursors) != 2 {
		t.Fatalf("session: %+v %+v", info, st)
	}
	for _, c := range st.Cursors {
		if c.Begin != c.Next || c.LastKey == "" || c.LastStore == 0 {
			t.Errorf("cursor %+v does not know the message before it", c)
		}
	}
	_, wildcards, err := r.store.Snapshot(t.Context())
	must(t, err)
	if fmt.Sprint(wildcards) != "[t/+]" {
		t.Errorf("held: %v", wildcards)
	}
	if live, err := r.store.Live(t.Context()); err != nil || len(live) > 0 {
		t.Errorf("instances left: %v, %v", live, err)
	}
}

// TestGoesOnAtEitherSide: after a take-over the client may read on here or at the Java gateway.
func TestGoesOnAtEitherSide(t *testing.T) {
	r := newRig(t)
	r.send(9, "%LMQ%t%a%")
	r.commit("c", "%LMQ%t%a%", 3)
	r.want(migrate.Options{Apply: true}, "c taken over: t/a take 3>3")
	r.commit("c", "%LMQ%t%a%", 5)
	r.want(migrate.Options{}, "c would take over: t/a advance 5>5")
	r.want(migrate.Options{Apply: true}, "c taken over: t/a advance 5>5")

	r.move("c", "t/a", func(c *session.Cursor) { c.Next = 7 })
	r.want(migrate.Options{Apply: true}, "c nothing to do: t/a ahead 5>7")
	r.move("c", "t/a", func(c *session.Cursor) { c.Acked = []session.Range{{First: 8, Last: 8}} })
	r.commit("c", "%LMQ%t%a%", 8)
	r.want(migrate.Options{Apply: true}, "c refused: t/a refuse 8>7")
}

// move changes a cursor of a session, as an instance that serves its client does.
func (r *rig) move(clientID, filter string, change func(*session.Cursor)) {
	r.t.Helper()
	st, err := r.store.Attach(r.t.Context(), session.AttachRequest{ClientID: clientID, Instance: "i", Expiry: time.Hour, Protocol: 4})
	must(r.t, err)
	if !st.Present || len(st.Cursors) != 1 {
		r.t.Fatalf("no session: %+v", st)
	}
	c := st.Cursors[0]
	change(&c)
	must(r.t, r.store.Write(r.t.Context(), []session.Change{{ClientID: clientID, Epoch: st.Epoch, SetCursors: []session.Cursor{c}}})[0])
	_, err = r.store.Detach(r.t.Context(), clientID, st.Epoch, session.PartingClean)
	must(r.t, err)
}

// TestRefused: whatever would lose or repeat messages is left alone unless that is accepted.
func TestRefused(t *testing.T) {
	for name, c := range map[string]struct {
		prepare      func(*rig)
		want, accept string
	}{
		"queue began anew": {
			func(r *rig) { r.commit("c", "%LMQ%t%a%", 50) },
			"c refused: t/a refuse 50>0", "c would take over: t/a take 50>0",
		},
		"younger session": {
			func(r *rig) {
				r.commit("c", "%LMQ%t%a%", 5)
				r.run(migrate.Options{Apply: true})
				r.commit("c", "%LMQ%t%a%", 2)
			},
			"c refused: t/a refuse 2>5", "c nothing to do: t/a ahead 2>5",
		},
		"retry queue": {
			func(r *rig) { r.send(1, "%LMQ%%retry%c%"); r.commit("c", "%LMQ%%retry%c%", 0) },
			"c refused:  refuse 0>0", "c nothing to do:  leave 0>0",
		},
		"retry queue read": {
			func(r *rig) {
				r.send(1, "%LMQ%%retry%c%")
				r.commit("c", "%LMQ%%retry%c%", 1)
				r.commit("c", "%LMQ%t%a%", 5)
			},
			"c would take over:  leave 1>1 t/a take 5>5", "c would take over:  leave 1>1 t/a take 5>5",
		},
		"connected": {
			func(r *rig) {
				r.commit("c", "%LMQ%t%a%", 5)
				_, err := r.store.Attach(r.t.Context(), session.AttachRequest{ClientID: "c", Instance: "i", Expiry: time.Hour, Protocol: 4})
				must(r.t, err)
			},
			"c refused: t/a take 5>5", "c refused: t/a take 5>5",
		},
	} {
		t.Run(name, func(t *testing.T) {
			r := newRig(t)
			r.send(6, "%LMQ%t%a%")
			c.prepare(r)
			r.want(migrate.Options{}, c.want)
			r.want(migrate.Options{AcceptGaps: true}, c.accept)
		})
	}
}

// TestOwnQueue: what was sent to the client itself goes on where it stopped, without a subscription; where nobody is sent such
// messages they are not left behind silently.
func TestOwnQueue(t *testing.T) {
	r := newRig(t)
	const own, a = "%LMQ%%p2p%c1%", "%LMQ%t%a%"
	r.send(3, own, a)
	r.commit("c1", own, 1)
	r.commit("c1", a, 3)
	refused := r.want(migrate.Options{}, "c1 refused:  refuse 1>1 t/a take 3>3")
	if why := refused.Clients[0].Why; !strings.Contains(why, "P2P=false") || !strings.Contains(why, "2 messages wait") {
		t.Errorf("refused because %s", why)
	}
	with := migrate.Options{P2P: true, Apply: true, MaxSubscriptions: 1}
	r.want(with, "c1 taken over: #p2p take 1>1 t/a take 3>3")
	r.commit("c1", own, 2)
	r.want(with, "c1 taken over: #p2p advance 2>2 t/a same 3>3")
	r.want(with, "c1 nothing to do: #p2p same 2>2 t/a same 3>3")
	_, st, err := r.store.Peek(t.Context(), "c1")
	must(t, err)
	if len(st.Subscriptions) != 1 || st.Subscriptions[0].Filter != "t/a" || len(st.Cursors) != 2 {
		t.Errorf("%+v", st)
	}
}

// TestTwoBrokers: each broker has a cursor of its own; where none was committed reading begins at the end.
func TestTwoBrokers(t *testing.T) {
	r := rigOf(t, minimq.Config{Brokers: 2})
	const lmq = "%LMQ%t%a%"
	for _, b := range r.mq.Brokers() {
		for range 3 {
			done := make(chan error, 1)
			r.mq.Send(&rocketmq.OutMessage{Queue: r.queueAt(b.Name), Key: rocketmq.NewKey(), Dispatch: []string{lmq}, Body: []byte("x")}, func(_ rocketmq.SendResult, err error) { done <- err })
			must(t, <-done)
		}
		for {
			n, err := r.mq.MaxOffset(t.Context(), rocketmq.LMQ{Broker: b.Name, Name: lmq})
			must(t, err)
			if n == 3 {
				break
			}
			time.Sleep(time.Millisecond)
		}
	}
	r.commit("c", lmq, 1) // at the first one
	report := r.want(migrate.Options{Apply: true}, "c taken over: t/a take 1>1 t/a end -1>3")
	if note := report.Clients[0].Queues[1].Note; !strings.Contains(note, "begins at the end") {
		t.Errorf("note %q", note)
	}
	r.want(migrate.Options{Apply: true}, "c nothing to do: t/a same 1>1 t/a ahead -1>3")
	_, st, err := r.store.Peek(t.Context(), "c")
	must(t, err)
	if len(st.Subscriptions) != 1 || len(st.Cursors) != 2 {
		t.Errorf("session %+v", st)
	}
}

// queueAt returns a queue of topic t at a broker.
func (r *rig) queueAt(broker string) rocketmq.Queue {
	r.t.Helper()
	queues, err := r.mq.Queues(r.t.Context(), "t")
	must(r.t, err)
	for _, q := range queues {
		if q.Broker == broker {
			return q
		}
	}
	r.t.Fatalf("no queue of t at %s", broker)
	return rocketmq.Queue{}
}

// TestOneFails: a client whose session cannot be written is reported, the others are taken over.
func TestOneFails(t *testing.T) {
	r := newRig(t)
	r.send(2, "%LMQ%t%a%")
	r.commit("bad", "%LMQ%t%a%", 1)
	r.commit("good", "%LMQ%t%a%", 1)
	report, err := migrate.Run(t.Context(), r.mq, failing{r.store}, migrate.Options{Apply: true, Expiry: time.Hour})
	must(t, err)
	if report.Count(migrate.Failed) != 1 || report.Count(migrate.Taken) != 1 || !strings.Contains(report.Clients[0].Why, "disk is full") {
		t.Errorf("%s: %+v", result(report), report.Clients)
	}
	if info, _, err := r.store.Peek(t.Context(), "bad"); err == nil && !info.Ended {
		t.Errorf("a session is left: %+v", info)
	}
	r.want(migrate.Options{Apply: true}, "bad taken over: t/a take 1>1; good nothing to do: t/a same 1>1")
}

// failing fails to write the cursors of one client.
type failing struct{ *redisstore.Store }

func (f failing) Write(ctx context.Context, changes []session.Change) []error {
	if changes[0].ClientID == "bad" && len(changes[0].SetCursors) > 0 {
		return []error{errors.New("the disk is full")}
	}
	return f.Store.Write(ctx, changes)
}

// TestNamedClients: clients may be named, also those without a cursor, and their filters spelled as they were.
func TestNamedClients(t *testing.T) {
	r := newRig(t)
	r.send(4, "%LMQ%t%a%")
	r.commit("c", "%LMQ%t%a%", 1)
	r.commit("other", "%LMQ%t%a%", 1)
	r.commit("--ABCDEFGHIJKLMNOPQRSTUVWXYZ", "%LMQ%t%a%", 1) // a group of shared subscriptions
	r.want(migrate.Options{Clients: []migrate.Client{{ID: "c", Filters: []string{"t/a/", "t/b"}}, {ID: "none"}}},
		"c would take over: t/a/ take 1>1; none refused:")
	report := r.want(migrate.Options{Apply: true}, "c taken over: t/a take 1>1; other taken over: t/a take 1>1")
	if len(report.Skipped) != 1 {
		t.Errorf("skipped %v", report.Skipped)
	}
}

// TestFilters: what is subscribed to here is added to the lists, once, and nothing there is taken away.
func TestFilters(t *testing.T) {
	r := newRig(t)
	ctx := t.Context()
	r.send(1, "%LMQ%t%+%", "%LMQ%t%b%#%", "%LMQ%new%#%")
	for _, lmq := range []string{"%LMQ%t%+%", "%LMQ%t%b%#%", "%LMQ%new%#%"} {
		r.commit("c", lmq, 0)
	}
	must(t, r.mq.PutKV(ctx, "LMQ", "ALL_FIRST_TOPICS", "t"))
	must(t, r.mq.PutKV(ctx, "LMQ", "t", "t/+,t/old/#"))
	r.run(migrate.Options{Apply: true})
	for _, apply := range []bool{false, true} {
		list, err := migrate.List(ctx, r.mq, r.store, apply)
		must(t, err)
		if got := fmt.Sprint(list.Missing, list.Values); got != "map[new:[new/#] t:[t/b/#]] map[ALL_FIRST_TOPICS:new,t new:new/# t:t/+,t/b/#,t/old/#]" {
			t.Errorf("missing %s", got)
		}
	}
	list, err := migrate.List(ctx, r.mq, r.store, true)
	if err != nil || len(list.Values) > 0 {
		t.Errorf("again: %+v, %v", list, err)
	}
}
