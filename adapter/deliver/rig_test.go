package deliver

import (
	"context"
	"fmt"
	"slices"
	"testing"
	"testing/synctest"
	"time"

	"lmqgate/adapter/packet"
	"lmqgate/meta/message"
	"lmqgate/meta/session"
	"lmqgate/meta/topic"
)

// world is a cluster, a store, and instances of a gateway over them.
type world struct {
	t         *testing.T
	log       *fakeLog
	store     *fakeStore
	reg       *fakeRegistry
	instances []*instance
	keys      int
}

// instance is a hub and a committer. It ends with the world.
type instance struct {
	w         *world
	hub       *Hub
	committer *session.Committer
	stop      func()
	live      []*conn
}

// conn is one connection of a client.
type conn struct {
	*Session
	link  *fakeLink
	epoch session.Epoch
}

// inWorld runs test in a bubble: goroutines that outlive the world make it fail.
func inWorld(t *testing.T, cfg Config, test func(t *testing.T, w *world)) {
	inWorldWith(t, func() (Config, struct{}) { return cfg, struct{}{} }, func(t *testing.T, w *world, _ struct{}) { test(t, w) })
}

// inWorldWith is inWorld with something that has to be made in the bubble.
func inWorldWith[T any](t *testing.T, made func() (Config, T), test func(*testing.T, *world, T)) {
	synctest.Test(t, func(t *testing.T) {
		w := &world{t: t, log: newFakeLog("a"), store: newFakeStore(), reg: newFakeRegistry()}
		cfg, with := made()
		for range 2 {
			w.start(cfg)
		}
		test(t, w, with)
		for _, in := range w.instances {
			in.end()
		}
		time.Sleep(time.Second)
		synctest.Wait()
		if n := w.openWatches(); n > 0 {
			t.Errorf("%d watches left open", n)
		}
	})
}

func (w *world) openWatches() int {
	w.log.mu.Lock()
	defer w.log.mu.Unlock()
	return w.log.watches
}

func (w *world) start(cfg Config) {
	in := &instance{w: w, committer: session.NewCommitter(w.store, session.CommitterConfig{})}
	in.hub = NewHub(w.log, w.reg, in.committer, cfg)
	ctx, cancel := context.WithCancel(context.Background())
	done := make(chan struct{})
	go func() { defer close(done); in.committer.Run(ctx) }()
	in.stop = func() { cancel(); <-done }
	w.instances = append(w.instances, in)
}

func (in *instance) end() {
	for _, c := range in.live {
		c.end()
	}
	in.hub.Close()
	in.stop()
	if n := in.hub.ringBytes.Load(); n != 0 {
		in.w.t.Errorf("%d bytes in memory counted after the end", n)
	}
	if len(in.hub.queues) > 0 || len(in.hub.sessions) > 0 {
		in.w.t.Errorf("%d queues and %d sessions left", len(in.hub.queues), len(in.hub.sessions))
	}
}

// connect attaches a persistent session.
func (in *instance) connect(id string, opt Options, link *fakeLink) *conn {
	st, err := in.w.store.Attach(context.Background(), session.AttachRequest{ClientID: id})
	if err != nil {
		in.w.t.Fatal(err)
	}
	attached := make(chan struct{})
	c := &conn{link: link, epoch: st.Epoch}
	writer := in.committer.Writer(id, st.Epoch, func(error) {
		link.Close(packet.SessionTakenOver)
		go func() { <-attached; c.end() }() // as the connection does
	})
	c.Session = in.hub.Begin(st, opt, writer)(link)
	close(attached)
	in.live = append(in.live, c)
	return c
}

func (c *conn) end() {
	ctx, cancel := context.WithTimeout(context.Background(), time.Second)
	defer cancel()
	_ = c.Close(ctx)
}

func (w *world) connect(id string) *conn {
	return w.instances[0].connect(id, Options{Persistent: true}, w.link())
}

func (w *world) link() *fakeLink { return &fakeLink{t: w.t, version: packet.V5} }

// crash drops a connection; its unwritten changes get lost.
func (w *world) crash(c *conn) {
	c.link.lose()
	w.store.mu.Lock()
	w.store.dead[connection{c.clientID, c.epoch}] = true
	w.store.mu.Unlock()
	go c.end() // the places that it has go with the instance
}

// resume crashes a connection and connects again on the other instance.
func (w *world) resume(c *conn) *conn {
	w.crash(c)
	return w.instances[1].connect(c.clientID, Options{Persistent: true}, w.link())
}

func (c *conn) subscribe(t *testing.T, qos byte, filters ...string) {
	t.Helper()
	var asks []session.Subscription
	for _, f := range filters {
		asks = append(asks, session.Subscription{Filter: f, QoS: qos})
	}
	for _, code := range c.Subscribe(context.Background(), asks) {
		if code.Failed() {
			t.Fatalf("subscribe: %v", code)
		}
	}
}

func (c *conn) unsubscribe(t *testing.T, filters ...string) {
	t.Helper()
	for _, code := range c.Unsubscribe(context.Background(), filters) {
		if code.Failed() {
			t.Fatalf("unsubscribe: %v", code)
		}
	}
}

// publish stores messages with the payloads, at broker a.
func (w *world) publish(topicName string, qos byte, payloads ...string) {
	for _, p := range payloads {
		publish(w.log, w.reg, "a", w.message(topicName, qos, p), false)
	}
}

func (w *world) message(topicName string, qos byte, payload string) *message.Message {
	w.keys++
	return &message.Message{Topic: topicName, Payload: []byte(payload), QoS: qos, Key: fmt.Sprintf("key-%d", w.keys)}
}

// settled waits until nothing more happens soon.
func (w *world) settled() {
	time.Sleep(200 * time.Millisecond)
	synctest.Wait()
}

// want compares what the client got since the last look.
func (c *conn) want(t *testing.T, want ...string) {
	t.Helper()
	if got := c.link.publishes(); !slices.Equal(got, want) {
		t.Errorf("client got %v, want %v", got, want)
	}
}

// kept checks the persisted position of a filter on broker a.
func (w *world) kept(id, filter string) session.Cursor {
	w.store.mu.Lock()
	defer w.store.mu.Unlock()
	return w.store.sessions[id].cursors[session.CursorKey{Filter: filter, Broker: "a"}]
}

func (w *world) out(id string) []session.Outbound {
	w.store.mu.Lock()
	defer w.store.mu.Unlock()
	var list []session.Outbound
	for _, o := range w.store.sessions[id].out {
		list = append(list, o)
	}
	slices.SortFunc(list, func(a, b session.Outbound) int { return int(a.Order) - int(b.Order) })
	return list
}

// wantDone checks that nothing of the session is left to be delivered: no message in flight, every cursor at the end.
func (w *world) wantDone(id string) {
	w.t.Helper()
	if out := w.out(id); len(out) > 0 {
		w.t.Errorf("messages in flight are kept: %v", out)
	}
	w.store.mu.Lock()
	s := w.store.sessions[id]
	var cursors []session.Cursor
	for _, c := range s.cursors {
		if _, ok := s.subs[c.Filter]; !ok {
			w.t.Errorf("cursor of %s is kept without its subscription", c.Filter)
		}
		cursors = append(cursors, c)
	}
	w.store.mu.Unlock()
	for _, c := range cursors {
		if _, end := w.log.bounds(c.Broker, topic.LMQ(c.Filter)); c.Next != end || len(c.Acked) > 0 {
			w.t.Errorf("cursor of %s at %s is kept at %d %v, the queue ends at %d", c.Filter, c.Broker, c.Next, c.Acked, end)
		}
	}
}
