package minimq_test

import (
	"context"
	"fmt"
	"math/rand/v2"
	"os"
	"runtime/debug"
	"sync"
	"testing"
	"time"

	rocketmq "github.com/apache/rocketmq-client-go/v2"
	"github.com/apache/rocketmq-client-go/v2/admin"
	"github.com/apache/rocketmq-client-go/v2/consumer"
	"github.com/apache/rocketmq-client-go/v2/primitive"
	"github.com/apache/rocketmq-client-go/v2/producer"
	"github.com/apache/rocketmq-client-go/v2/rlog"

	"lmqgate/adapter/rocketmq/remoting"
	"lmqgate/infra/minimq"
)

// silent keeps the library from writing log files.
type silent struct{}

func (silent) Debug(string, map[string]any)   {}
func (silent) Info(string, map[string]any)    {}
func (silent) Warning(string, map[string]any) {}
func (silent) Error(string, map[string]any)   {}
func (silent) Fatal(string, map[string]any)   {}
func (silent) Level(string)                   {}
func (silent) OutputPath(string) error        { return nil }

func TestMain(m *testing.M) {
	rlog.SetLogger(silent{})
	os.Exit(m.Run())
}

// cluster is what the library is run against.
type cluster struct {
	names, broker string
	id            string // makes names of this run unique
}

func (c *cluster) Addr() string { return c.names }

// onClusters runs a test on minimq and, if LMQGATE_TEST_NAMESRV is set, on the
// real broker behind it.
func onClusters(t *testing.T, cfg minimq.Config, test func(*testing.T, *cluster)) {
	t.Helper()
	t.Run("minimq", func(t *testing.T) {
		s := minimq.RunWith(t, cfg)
		test(t, &cluster{names: s.Addr(), broker: s.Brokers()[0].Addr()})
	})
	t.Run("rocketmq", func(t *testing.T) {
		addr := os.Getenv(namesrvEnv)
		if addr == "" {
			t.Skipf("%s is not set: needs the host:port of the name server of a RocketMQ 5.4.0", namesrvEnv)
		}
		info, err := remoting.DecodeClusterInfo(dial(t, addr).call(remoting.GetBrokerClusterInfo, nil, nil).Body)
		must(t, err)
		for _, b := range info.Brokers {
			test(t, &cluster{names: addr, broker: b.Addrs[remoting.MasterID], id: fmt.Sprintf("%012x", rand.Uint64()>>16)})
		}
	})
}

func must(t *testing.T, err error) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
}

func newProducer(t *testing.T, s *cluster) rocketmq.Producer {
	t.Helper()
	p, err := rocketmq.NewProducer(
		producer.WithNameServer([]string{s.Addr()}), producer.WithGroupName("PG"),
		producer.WithInstanceName("producer-"+s.id+s.Addr()), producer.WithRetry(0),
	)
	must(t, err)
	must(t, p.Start())
	t.Cleanup(func() { _ = p.Shutdown() })
	return p
}

func createTopic(t *testing.T, s *cluster, topic string, queues int) {
	t.Helper()
	a, err := admin.NewAdmin(admin.WithResolver(primitive.NewPassthroughResolver([]string{s.Addr()})))
	must(t, err)
	defer a.Close()
	must(t, a.CreateTopic(t.Context(), admin.WithTopicCreate(topic), admin.WithBrokerAddrCreate(s.broker),
		admin.WithReadQueueNums(queues), admin.WithWriteQueueNums(queues)))
}

// skipWithRace leaves a test out when it would report the library's own races:
// its consumers read and write their subscriptions and state without locks.
func skipWithRace(t *testing.T) {
	t.Helper()
	info, found := debug.ReadBuildInfo()
	if !found {
		return
	}
	for _, s := range info.Settings {
		if s.Key == "-race" && s.Value == "true" {
			t.Skip("rocketmq-client-go's consumers race with themselves: run without -race")
		}
	}
}

// inbox collects what a push consumer receives.
type inbox struct {
	name string
	got  chan *primitive.MessageExt
}

// subscribe starts a push consumer. fail, if not nil, says which messages it
// asks for again.
func subscribe(t *testing.T, s *cluster, name, group, topic, tags string, model consumer.MessageModel, orderly bool, fail func(*primitive.MessageExt) bool) *inbox {
	t.Helper()
	skipWithRace(t)
	in := &inbox{name: name, got: make(chan *primitive.MessageExt, 1000)}
	c, err := rocketmq.NewPushConsumer(
		consumer.WithNameServer([]string{s.Addr()}), consumer.WithGroupName(group), consumer.WithInstance(name+"-"+s.id+s.Addr()),
		consumer.WithConsumerModel(model), consumer.WithConsumeFromWhere(consumer.ConsumeFromFirstOffset),
		consumer.WithConsumerOrder(orderly),
	)
	must(t, err)
	must(t, c.Subscribe(topic, consumer.MessageSelector{Type: consumer.TAG, Expression: tags},
		func(_ context.Context, list ...*primitive.MessageExt) (consumer.ConsumeResult, error) {
			for _, m := range list {
				if fail != nil && fail(m) {
					return consumer.ConsumeRetryLater, nil
				}
				in.got <- m
			}
			return consumer.ConsumeSuccess, nil
		}))
	must(t, c.Start())
	t.Cleanup(func() { _ = c.Shutdown() })
	return in
}

// next waits for a message; a consumer that hears nothing for a minute never will.
func (in *inbox) next(t *testing.T) *primitive.MessageExt {
	t.Helper()
	select {
	case m := <-in.got:
		return m
	case <-time.After(time.Minute):
		t.Fatalf("%s received nothing", in.name)
		return nil
	}
}

func sendText(t *testing.T, p rocketmq.Producer, topic, tag, text string, props ...string) *primitive.SendResult {
	t.Helper()
	m := primitive.NewMessage(topic, []byte(text)).WithTag(tag)
	for i := 0; i+1 < len(props); i += 2 {
		m.WithProperty(props[i], props[i+1])
	}
	r, err := p.SendSync(t.Context(), m)
	must(t, err)
	if r.Status != primitive.SendOK {
		t.Fatalf("send: %v", r)
	}
	return r
}

func TestLibraryProducerDispatches(t *testing.T) {
	onClusters(t, minimq.Config{}, func(t *testing.T, s *cluster) {
		createTopic(t, s, "chat"+s.id, 4)
		p := newProducer(t, s)
		r := sendText(t, p, "chat"+s.id, "MQTT_COMMON", "hi", "INNER_MULTI_DISPATCH", "%LMQ%chat%r1%,%LMQ%chat%+%"+s.id)
		if r.OffsetMsgID == "" {
			t.Errorf("result: %+v", r)
		}
		c := dial(t, s.broker)
		got := c.wait(c.start(pullReq("%LMQ%chat%+%"+s.id, 0, 1, 30_000)))
		msgs, err := remoting.DecodeMessages(got.Body)
		must(t, err)
		if len(msgs) != 1 || string(msgs[0].Body) != "hi" {
			t.Errorf("pulled %+v", msgs)
		}
		auto := sendText(t, p, "made-by-sending"+s.id, "", "x")
		if auto.MessageQueue.Topic != "made-by-sending"+s.id {
			t.Errorf("automatic topic: %+v", auto)
		}
	})
}

func TestLibraryProducerBatch(t *testing.T) {
	onClusters(t, minimq.Config{}, func(t *testing.T, s *cluster) {
		createTopic(t, s, "batch"+s.id, 1)
		p := newProducer(t, s)
		r, err := p.SendSync(t.Context(), primitive.NewMessage("batch"+s.id, []byte("a")), primitive.NewMessage("batch"+s.id, []byte("b")))
		must(t, err)
		if r.Status != primitive.SendOK || r.QueueOffset != 0 {
			t.Errorf("batch: %+v", r)
		}
		in := subscribe(t, s, "c", "g"+s.id, "batch"+s.id, "*", consumer.Clustering, false, nil)
		if a, b := in.next(t), in.next(t); string(a.Body)+string(b.Body) != "ab" && string(a.Body)+string(b.Body) != "ba" {
			t.Errorf("received %s and %s", a.Body, b.Body)
		}
	})
}

func TestLibraryAdmin(t *testing.T) {
	onClusters(t, minimq.Config{}, func(t *testing.T, s *cluster) {
		a, err := admin.NewAdmin(admin.WithResolver(primitive.NewPassthroughResolver([]string{s.Addr()})))
		must(t, err)
		defer a.Close()
		createTopic(t, s, "one"+s.id, 3)
		queues, err := a.FetchPublishMessageQueues(t.Context(), "one"+s.id)
		must(t, err)
		if len(queues) != 3 {
			t.Errorf("queues: %v", queues)
		}
		list, err := a.FetchAllTopicList(t.Context())
		must(t, err)
		if !contains(list.TopicList, "one"+s.id) {
			t.Errorf("topics: %v", list.TopicList)
		}
		groups, err := a.GetAllSubscriptionGroup(t.Context(), s.broker, time.Minute)
		must(t, err)
		if _, found := groups.SubscriptionGroupTable["SELF_TEST_C_GROUP"]; !found {
			t.Errorf("groups: %v", groups.SubscriptionGroupTable)
		}
		must(t, a.DeleteTopic(t.Context(), admin.WithTopicDelete("one"+s.id), admin.WithBrokerAddrDelete(s.broker), admin.WithNameSrvAddr([]string{s.Addr()})))
		list, err = a.FetchAllTopicList(t.Context())
		must(t, err)
		if contains(list.TopicList, "one"+s.id) {
			t.Errorf("topics after deletion: %v", list.TopicList)
		}
	})
}

func contains(list []string, s string) bool {
	for _, v := range list {
		if v == s {
			return true
		}
	}
	return false
}

func TestLibraryPushConsumerFiltersTags(t *testing.T) {
	onClusters(t, minimq.Config{}, func(t *testing.T, s *cluster) {
		createTopic(t, s, "tags"+s.id, 1)
		p := newProducer(t, s)
		in := subscribe(t, s, "c", "g"+s.id, "tags"+s.id, "A || B", consumer.Clustering, false, nil)
		for _, tag := range []string{"C", "A", "C", "B"} {
			sendText(t, p, "tags"+s.id, tag, tag)
		}
		got := map[string]bool{string(in.next(t).Body): true, string(in.next(t).Body): true}
		if !got["A"] || !got["B"] {
			t.Errorf("received %v", got)
		}
	})
}

func TestLibraryPushConsumersRebalance(t *testing.T) {
	onClusters(t, minimq.Config{}, func(t *testing.T, s *cluster) {
		createTopic(t, s, "shared"+s.id, 4)
		p := newProducer(t, s)
		one := subscribe(t, s, "one", "g"+s.id, "shared"+s.id, "*", consumer.Clustering, false, nil)
		sendText(t, p, "shared"+s.id, "T", "first")
		one.next(t)
		two := subscribe(t, s, "two", "g"+s.id, "shared"+s.id, "*", consumer.Clustering, false, nil)
		// Sending goes round the queues; the second consumer hears something once it
		// has been given its half, which it learns from the broker.
		stop := make(chan struct{})
		var sending sync.WaitGroup
		sending.Add(1)
		go func() {
			defer sending.Done()
			for i := 0; ; i++ {
				select {
				case <-stop:
					return
				default:
					if _, err := p.SendSync(context.Background(), primitive.NewMessage("shared"+s.id, fmt.Append(nil, "m", i))); err != nil {
						t.Errorf("send: %v", err)
						return
					}
				}
			}
		}()
		drained := make(chan struct{})
		go func() {
			for {
				select {
				case <-one.got:
				case <-drained:
					return
				}
			}
		}()
		m := two.next(t)
		close(stop)
		sending.Wait()
		close(drained)
		if m.Queue == nil {
			t.Errorf("message without queue: %v", m)
		}
		c := dial(t, s.broker)
		resp := c.call(remoting.GetConsumerListByGroup, map[string]string{"consumerGroup": "g" + s.id}, nil)
		if resp.Code != remoting.Success {
			t.Errorf("consumers: %+v", resp)
		}
	})
}

func TestLibraryPushConsumersBroadcast(t *testing.T) {
	onClusters(t, minimq.Config{}, func(t *testing.T, s *cluster) {
		createTopic(t, s, "all"+s.id, 2)
		p := newProducer(t, s)
		t.Setenv("HOME", t.TempDir()) // the library keeps broadcast offsets in a file
		one := subscribe(t, s, "one", "bg"+s.id, "all"+s.id, "*", consumer.BroadCasting, false, nil)
		two := subscribe(t, s, "two", "bg"+s.id, "all"+s.id, "*", consumer.BroadCasting, false, nil)
		sendText(t, p, "all"+s.id, "T", "to everybody")
		if a, b := one.next(t), two.next(t); string(a.Body) != "to everybody" || string(b.Body) != "to everybody" {
			t.Errorf("received %s and %s", a.Body, b.Body)
		}
	})
}

func TestLibraryPushConsumerRetries(t *testing.T) {
	levels := make([]time.Duration, 18)
	for i := range levels {
		levels[i] = time.Millisecond
	}
	onClusters(t, minimq.Config{DelayLevels: levels}, func(t *testing.T, s *cluster) {
		createTopic(t, s, "again"+s.id, 1)
		createTopic(t, s, "%RETRY%rg"+s.id, 1) // else the library finds it 20 s after its first heartbeat
		p := newProducer(t, s)
		in := subscribe(t, s, "c", "rg"+s.id, "again"+s.id, "*", consumer.Clustering, false, func(m *primitive.MessageExt) bool {
			return m.ReconsumeTimes < 2
		})
		sendText(t, p, "again"+s.id, "T", "third time lucky")
		if m := in.next(t); m.ReconsumeTimes != 2 || m.Topic != "again"+s.id || string(m.Body) != "third time lucky" {
			t.Errorf("received %+v", m)
		}
	})
}

func TestLibraryPushConsumerInOrder(t *testing.T) {
	onClusters(t, minimq.Config{}, func(t *testing.T, s *cluster) {
		createTopic(t, s, "order"+s.id, 1)
		p := newProducer(t, s)
		in := subscribe(t, s, "c", "og"+s.id, "order"+s.id, "*", consumer.Clustering, true, nil)
		for i := range 20 {
			sendText(t, p, "order"+s.id, "T", fmt.Sprint(i))
		}
		for i := range 20 {
			if m := in.next(t); string(m.Body) != fmt.Sprint(i) {
				t.Fatalf("message %d is %s", i, m.Body)
			}
		}
	})
}

func TestLibraryPullConsumer(t *testing.T) {
	onClusters(t, minimq.Config{}, func(t *testing.T, s *cluster) {
		createTopic(t, s, "pulled"+s.id, 1)
		p := newProducer(t, s)
		for i := range 5 {
			sendText(t, p, "pulled"+s.id, "T", fmt.Sprint(i))
		}
		skipWithRace(t)
		c, err := rocketmq.NewPullConsumer(consumer.WithNameServer([]string{s.Addr()}), consumer.WithGroupName("pg"+s.id), consumer.WithInstance("pull-"+s.id+s.Addr()))
		must(t, err)
		must(t, c.Subscribe("pulled"+s.id, consumer.MessageSelector{Type: consumer.TAG, Expression: "*"}))
		must(t, c.Start())
		defer c.Shutdown()
		queue := &primitive.MessageQueue{Topic: "pulled" + s.id, BrokerName: "broker-a", QueueId: 0}
		r, err := c.PullFrom(t.Context(), queue, 2, 32)
		must(t, err)
		for n := 0; n < 10_000 && r.NextBeginOffset < 5; n++ { // the index lags behind acknowledged sends
			r, err = c.PullFrom(t.Context(), queue, 2, 32)
			must(t, err)
		}
		if r.Status != primitive.PullFound || r.NextBeginOffset != 5 || len(r.GetMessageExts()) != 3 {
			t.Errorf("pulled %v, %d messages", r, len(r.GetMessageExts()))
		}
		raw := dial(t, s.broker)
		for range 100_000 { // the library commits only what it was allocated, and waits for no answer
			must(t, c.UpdateOffset(queue, 5))
			must(t, c.PersistOffset(t.Context(), "pulled"+s.id))
			got := raw.call(remoting.QueryConsumerOffset, map[string]string{"consumerGroup": "pg" + s.id, "topic": "pulled" + s.id, "queueId": "0"}, nil)
			if got.Ext["offset"] == "5" {
				return
			}
		}
		t.Error("the offset was never committed")
	})
}
