package app_test

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/alicebob/miniredis/v2"
	"github.com/apache/rocketmq-client-go/v2/primitive"
	"github.com/google/go-cmp/cmp"

	"lmqgate/adapter/rocketmq"
	"lmqgate/adapter/rocketmq/app"
	"lmqgate/infra/minimq"
	"lmqgate/meta/message"
	"lmqgate/meta/metatest"
	"lmqgate/meta/redisstore"
	"lmqgate/meta/registry"
	"lmqgate/meta/retain"
	"lmqgate/meta/topic"
)

// world is a Redis, a RocketMQ, and a client of both.
type world struct {
	t     *testing.T
	redis *miniredis.Miniredis
	mq    *minimq.Server
	store *redisstore.Store
	*app.Client
	reader *rocketmq.Client
}

func open(t *testing.T, change func(*app.Config)) *world {
	t.Helper()
	w := &world{t: t, redis: miniredis.RunT(t), mq: minimq.Run(t)}
	cfg := app.Config{
		RocketMQ: rocketmq.Config{NameServers: []string{w.mq.Addr()}, TopicAutoCreate: true, DirectSend: true},
		Redis:    redisstore.Config{URL: "redis://" + w.redis.Addr()},
	}
	if change != nil {
		change(&cfg)
	}
	var err error
	if w.store, err = redisstore.Open(redisstore.Config{URL: "redis://" + w.redis.Addr()}); err != nil {
		t.Fatal(err)
	}
	if w.Client, err = app.Open(t.Context(), cfg); err != nil {
		t.Fatal(err)
	}
	if w.reader, err = rocketmq.New(rocketmq.Config{NameServers: []string{w.mq.Addr()}}); err != nil {
		t.Fatal(err)
	}
	if err := w.reader.Start(t.Context()); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		ctx, cancel := context.WithTimeout(context.Background(), time.Minute)
		defer cancel()
		if err := errors.Join(w.Close(ctx), w.reader.Close(ctx), w.store.Close()); err != nil {
			t.Error(err)
		}
	})
	return w
}

func (w *world) subscribed(filters ...string) {
	w.t.Helper()
	holds := make([]registry.Hold, len(filters))
	for i, f := range filters {
		holds[i] = registry.Hold{Filter: f, ClientID: "c", Epoch: 1, Seq: uint64(i + 1)}
	}
	if err := w.store.Hold(w.t.Context(), holds); err != nil {
		w.t.Fatal(err)
	}
}

// stored are the payloads in a queue, once there are as many as that: brokers index what they have acknowledged a little later.
func (w *world) stored(lmq string, n int) (list []string) {
	w.t.Helper()
	for deadline := time.Now().Add(time.Minute); ; <-time.After(time.Millisecond) {
		r, err := w.reader.Pull(w.t.Context(), rocketmq.LMQ{Broker: w.reader.Brokers()[0].Name, Name: lmq}, 0, 32)
		if err != nil {
			w.t.Fatal(err)
		}
		if list = nil; len(r.Messages) >= n || time.Now().After(deadline) {
			for _, m := range r.Messages {
				list = append(list, string(m.Body))
			}
			return list
		}
	}
}

func (w *world) publish(m message.Message) message.Result {
	w.t.Helper()
	r, err := w.Publish(w.t.Context(), &m)
	if err != nil {
		w.t.Fatal(err)
	}
	return r
}

// TestPublish: a message goes to the queue of each filter that matches, to a client's own, and is kept.
func TestPublish(t *testing.T) {
	w := open(t, nil)
	w.subscribed("room/+", "room/1", "room/1/#", "other/#", "$share/g/room/#")
	r := w.publish(message.Message{Topic: "room/1", Payload: []byte("one"), QoS: 1, Retain: true})
	if r.Queues < 4 || len(r.Key) != 32 {
		t.Errorf("%+v", r)
	}
	for _, lmq := range topic.Queues([]string{"room/+", "room/1", "room/1/#", "room/#"}) {
		if diff := cmp.Diff([]string{"one"}, w.stored(lmq, 1)); diff != "" {
			t.Errorf("%s (-want +got)\n%s", lmq, diff)
		}
	}
	if got := w.stored(topic.LMQ("other/#"), 0); len(got) > 0 {
		t.Errorf("other/#: %q", got)
	}
	kept, err := w.store.Retained(redisstore.RetainConfig{})
	if err != nil {
		t.Fatal(err)
	}
	if m, err := kept.Get(t.Context(), "room/1"); err != nil || string(m.Payload) != "one" || m.Key != r.Key {
		t.Errorf("retained: %+v, %v", m, err)
	}
	w.publish(message.Message{Topic: "room/1", Retain: true})
	if _, err := kept.Get(t.Context(), "room/1"); !errors.Is(err, retain.ErrNotFound) {
		t.Errorf("retained: %v", err)
	}
	w.subscribed("room/#")
	w.publish(message.Message{Topic: "room/p2p/phone-7/x", Payload: []byte("you"), Retain: true})
	if diff := cmp.Diff([]string{"you"}, w.stored(topic.P2PLMQ("phone-7"), 1)); diff != "" {
		t.Errorf("point to point (-want +got)\n%s", diff)
	}
	if _, err := kept.Get(t.Context(), "room/p2p/phone-7/x"); !errors.Is(err, retain.ErrNotFound) {
		t.Errorf("a message for one client is retained: %v", err)
	}
	if r := w.publish(message.Message{Topic: "nobody/reads"}); r.Queues != 0 {
		t.Errorf("%+v", r)
	}
}

// TestPublishMany: a list that is too long for one message goes out in parts.
func TestPublishMany(t *testing.T) {
	w := open(t, nil)
	var filters []string
	name := strings.TrimSuffix(strings.Repeat("level/", 12), "/")
	levels := strings.Split(name, "/")
	for n := range 1 << 11 { // each a choice of levels that are wildcards
		f := append([]string(nil), levels...)
		for i := range 11 {
			if n>>i&1 == 1 {
				f[i+1] = "+"
			}
		}
		filters = append(filters, strings.Join(f, "/"))
	}
	w.subscribed(filters...)
	if r := w.publish(message.Message{Topic: name, Payload: []byte("x"), QoS: 1}); r.Queues != len(filters) {
		t.Errorf("%d queues", r.Queues)
	}
	for _, f := range []string{filters[0], filters[len(filters)/2], filters[len(filters)-1]} {
		if got := w.stored(topic.LMQ(f), 1); len(got) != 1 {
			t.Errorf("%s: %q", f, got)
		}
	}
}

// TestWithoutRedis: the topic and the filters given get a message, and nothing can be retained.
func TestWithoutRedis(t *testing.T) {
	w := open(t, func(c *app.Config) { c.Redis, c.Filters = redisstore.Config{}, []string{"room/#", "other/#"} })
	if r := w.publish(message.Message{Topic: "room/1", Payload: []byte("x")}); r.Queues != 2 {
		t.Errorf("%+v", r)
	}
	for _, f := range []string{"room/1", "room/#"} {
		if got := w.stored(topic.LMQ(f), 1); len(got) != 1 {
			t.Errorf("%s: %q", f, got)
		}
	}
	if _, err := w.Publish(t.Context(), &message.Message{Topic: "room/1", Retain: true}); !errors.Is(err, app.ErrNoRedis) {
		t.Errorf("retain: %v", err)
	}
}

// TestPublishRefuses what is no message, and says what is away.
func TestPublishRefuses(t *testing.T) {
	w := open(t, nil)
	for name, m := range map[string]message.Message{"wildcard": {Topic: "a/+"}, "empty": {}, "QoS": {Topic: "a", QoS: 3}} {
		if _, err := w.Publish(t.Context(), &m); err == nil {
			t.Errorf("%s: no error", name)
		}
	}
	w.redis.SetError("LOADING")
	ctx, cancel := context.WithTimeout(t.Context(), 100*time.Millisecond)
	defer cancel()
	if _, err := w.Publish(ctx, &message.Message{Topic: "a/b"}); !errors.Is(err, message.ErrUnavailable) {
		t.Errorf("without Redis: %v", err)
	}
	if _, err := app.Open(t.Context(), app.Config{Filters: []string{"a/#/b"}}); err == nil {
		t.Error("a filter that is none")
	}
}

// TestRecords: messages for an application's own producer are what the gateway writes, byte for byte.
func TestRecords(t *testing.T) {
	c := metatest.LoadContract(t, "")
	for _, w := range c.Written {
		m := w.MQTT.Message()
		filters := c.Filters(m.Topic)
		if _, private := topic.P2P(m.Topic); private {
			filters = nil
		}
		records, err := app.Records(m, filters...)
		if err != nil || len(records) != 1 {
			t.Fatalf("%s %.40s: %v, %d records", w.Row, m.Topic, err, len(records))
		}
		r := records[0]
		got := r.GetProperties()
		if key := got[message.PropKey]; len(key) != 32 {
			t.Errorf("%s %.40s: UNIQ_KEY %q", w.Row, m.Topic, key)
		}
		if got[message.PropDispatch] != w.RocketMQ.Dispatch || r.Topic != w.RocketMQ.Topic || string(r.Body) != string(w.RocketMQ.Body) {
			t.Errorf("%s %.40s: to %s, dispatch %s", w.Row, m.Topic, r.Topic, got[message.PropDispatch])
		}
		delete(got, message.PropKey)
		delete(got, message.PropDispatch)
		if diff := cmp.Diff(w.RocketMQ.Properties, got); diff != "" {
			t.Errorf("%s %.40s: properties (-want +got)\n%s", w.Row, m.Topic, diff)
		}
	}
	for _, filters := range [][]string{{"b/#"}, {"a/#/b"}, {"$share/g/a/#"}} {
		if _, err := app.Records(&message.Message{Topic: "a/b"}, filters...); err == nil {
			t.Errorf("%q: no error", filters)
		}
	}
	if _, err := app.Records(&message.Message{Topic: "a/p2p/c/x"}, "a/#"); err == nil {
		t.Error("filters for a message to one client")
	}
}

// TestDecode: what Records wrote is read again.
func TestDecode(t *testing.T) {
	m := &message.Message{Topic: "a/b", Payload: []byte("x"), QoS: 1, Properties: message.Properties{ContentType: "text/plain", HasExpiry: true, Expiry: 60}}
	records, err := app.Records(m, "a/+")
	if err != nil {
		t.Fatal(err)
	}
	ext := &primitive.MessageExt{BornTimestamp: 1000, StoreTimestamp: 2000}
	ext.Topic, ext.Body = records[0].Topic, records[0].Body
	ext.WithProperties(records[0].GetProperties())
	got, err := app.Decode(ext)
	if err != nil {
		t.Fatal(err)
	}
	want := *m
	want.Key, want.BornMillis, want.StoreMillis = got.Key, 1000, 2000
	if diff := cmp.Diff(&want, got); diff != "" {
		t.Errorf("(-want +got)\n%s", diff)
	}
	if app.Expired(got, time.UnixMilli(61_000)) || !app.Expired(got, time.UnixMilli(61_001)) {
		t.Error("expiry")
	}
	plain := &primitive.MessageExt{}
	plain.Topic, plain.Body = "t", []byte("x")
	if _, err := app.Decode(plain); !errors.Is(err, message.ErrNotMQTT) {
		t.Errorf("a message that is none of MQTT: %v", err)
	}
}

// publisher calls itself for each message.
type publisher func(*message.Message) error

func (p publisher) Publish(_ context.Context, m *message.Message) (message.Result, error) {
	return message.Result{}, p(m)
}

// TestReplies: the answer reaches the one who asked.
func TestReplies(t *testing.T) {
	var r app.Replies
	answering := publisher(func(m *message.Message) error {
		a, err := app.Reply(m, append([]byte("re: "), m.Payload...))
		if err != nil {
			return err
		}
		if !r.Take(a) || r.Take(a) || a.Topic != "answers/1" {
			return fmt.Errorf("answer %+v", a)
		}
		return nil
	})
	a, err := r.Request(t.Context(), answering, &message.Message{Topic: "ask", Payload: []byte("x")}, "answers/1")
	if err != nil || string(a.Payload) != "re: x" {
		t.Errorf("%+v, %v", a, err)
	}
	ctx, cancel := context.WithCancel(t.Context())
	var late *message.Message
	_, err = r.Request(ctx, publisher(func(m *message.Message) error { late = m; cancel(); return nil }), &message.Message{Topic: "ask"}, "answers/1")
	if !errors.Is(err, context.Canceled) || r.Take(late) {
		t.Errorf("an answer that is too late: %v", err)
	}
	broken := errors.New("broken")
	if _, err := r.Request(t.Context(), publisher(func(*message.Message) error { return broken }), &message.Message{}, "a"); !errors.Is(err, broken) {
		t.Error(err)
	}
	if _, err := app.Reply(&message.Message{Topic: "t"}, nil); !errors.Is(err, app.ErrNoResponseTopic) {
		t.Error(err)
	}
}
