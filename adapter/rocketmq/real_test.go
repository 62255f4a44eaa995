package rocketmq_test

import (
	"context"
	"errors"
	"fmt"
	"os"
	"strings"
	"sync"
	"testing"
	"time"

	"lmqgate/adapter/rocketmq"
)

// realClient returns a started client of the RocketMQ that the environment names.
func realClient(t testing.TB, change func(*rocketmq.Config)) *rocketmq.Client {
	t.Helper()
	addr := os.Getenv("LMQGATE_TEST_NAMESRV")
	if addr == "" {
		t.Skip("LMQGATE_TEST_NAMESRV is not set: needs the address of a name server with a RocketMQ 5.4.0 broker (enableLmq, enableMultiDispatch, defaultRocksDB)")
	}
	cfg := rocketmq.Config{NameServers: strings.FieldsFunc(addr, func(r rune) bool { return r == ';' || r == ',' }), TopicAutoCreate: true}
	if change != nil {
		change(&cfg)
	}
	return started(t, cfg)
}

func started(t testing.TB, cfg rocketmq.Config) *rocketmq.Client {
	t.Helper()
	c, err := rocketmq.New(cfg)
	if err != nil {
		t.Fatal(err)
	}
	if err := c.Start(t.Context()); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		ctx, cancel := context.WithTimeout(context.Background(), 10*time.Second)
		defer cancel()
		if err := c.Close(ctx); err != nil {
			t.Error(err)
		}
	})
	return c
}

// sendUntilStored sends, and sends again what the broker threw out because it was busy. done is called once.
func sendUntilStored(ctx context.Context, c *rocketmq.Client, m rocketmq.OutMessage, done func(error)) {
	again := m
	c.Send(&again, func(_ rocketmq.SendResult, err error) {
		if errors.Is(err, rocketmq.ErrBusy) && ctx.Err() == nil {
			time.AfterFunc(50*time.Millisecond, func() { sendUntilStored(ctx, c, m, done) })
			return
		}
		done(err)
	})
}

// stored is sendUntilStored that waits.
func stored(ctx context.Context, c *rocketmq.Client, m *rocketmq.OutMessage) error {
	if m.Key == "" {
		m.Key = rocketmq.NewKey()
	}
	done := make(chan error, 1)
	sendUntilStored(ctx, c, *m, func(err error) { done <- err })
	return <-done
}

// send sends and waits.
func send(t testing.TB, c *rocketmq.Client, m *rocketmq.OutMessage) (rocketmq.SendResult, error) {
	t.Helper()
	type outcome struct {
		r   rocketmq.SendResult
		err error
	}
	done := make(chan outcome, 1)
	c.Send(m, func(r rocketmq.SendResult, err error) { done <- outcome{r, err} })
	o := <-done
	return o.r, o.err
}

// collector is a Sink that passes messages on.
type collector struct {
	messages chan *rocketmq.PulledMessage
}

func (s *collector) Pulled(r rocketmq.PullResult) bool {
	for _, m := range r.Messages {
		s.messages <- m
	}
	return true
}

func newCollector(n int) *collector { return &collector{make(chan *rocketmq.PulledMessage, n)} }

func unique(t testing.TB) string {
	return strings.Map(func(r rune) rune {
		if r == '/' {
			return '_'
		}
		return r
	}, t.Name()) + "_" + rocketmq.NewKey()
}

func eachSender(t *testing.T, f func(t *testing.T, c *rocketmq.Client)) {
	for _, direct := range []bool{true, false} {
		t.Run(fmt.Sprintf("direct=%v", direct), func(t *testing.T) {
			f(t, realClient(t, func(c *rocketmq.Config) { c.DirectSend = direct }))
		})
	}
}

func TestRealSendAndWatch(t *testing.T) {
	eachSender(t, func(t *testing.T, c *rocketmq.Client) {
		ctx, cancel := context.WithTimeout(t.Context(), 30*time.Second)
		defer cancel()
		if err := c.Ready(ctx); err != nil {
			t.Fatal(err)
		}
		broker := c.Brokers()[0]
		if !strings.HasPrefix(broker.Version, "V5_") {
			t.Errorf("version %q", broker.Version)
		}
		name := rocketmq.LMQPrefix + unique(t)
		other := name + "_2"
		q, err := c.PickQueue(ctx, "real_test", "a/b")
		if err != nil {
			t.Fatal(err)
		}
		l := rocketmq.LMQ{Broker: q.Broker, Name: name}
		sink := newCollector(100)
		w := c.Watch(l, 0, sink)
		defer w.Close()
		for i := range 50 {
			m := &rocketmq.OutMessage{
				Queue: q, Tag: "MQTT_COMMON", Dispatch: []string{other, name},
				Properties: map[string]string{"n": fmt.Sprint(i)}, Body: []byte("hello"),
			}
			if err := stored(ctx, c, m); err != nil {
				t.Fatal(err)
			}
			got := <-sink.messages
			if got.Key != m.Key || got.LMQOffset != int64(i) || string(got.Body) != "hello" || got.Err != nil {
				t.Fatalf("message %d: key %s offset %d body %q err %v", i, got.Key, got.LMQOffset, got.Body, got.Err)
			}
			if n, _ := got.Properties.Get("n"); n != fmt.Sprint(i) {
				t.Fatalf("property %q", n)
			}
		}
		offsets, err := c.MaxOffsets(ctx, []rocketmq.LMQ{l, {Broker: q.Broker, Name: name + "_none"}})
		if err != nil || offsets[0] != 50 || offsets[1] != 0 {
			t.Fatalf("offsets %v, %v", offsets, err)
		}
		r, err := c.Pull(ctx, l, 60, 0)
		if err != nil || r.Status != rocketmq.OffsetMoved || r.Next != 0 || r.Max != 50 {
			t.Fatalf("beyond the end: %+v, %v", r, err)
		}
	})
}

func TestRealFindKey(t *testing.T) {
	eachSender(t, func(t *testing.T, c *rocketmq.Client) {
		ctx, cancel := context.WithTimeout(t.Context(), 30*time.Second)
		defer cancel()
		q, err := c.PickQueue(ctx, "real_test", "x")
		if err != nil {
			t.Fatal(err)
		}
		since := time.Now()
		m := &rocketmq.OutMessage{Queue: q, Tag: "MQTT_COMMON", Body: []byte("x")}
		if err := stored(ctx, c, m); err != nil {
			t.Fatal(err)
		}
		for key, want := range map[string]bool{m.Key: true, rocketmq.NewKey(): false} {
			found, err := c.FindKey(ctx, q.Broker, "real_test", key, since)
			if err != nil || found != want {
				t.Errorf("found %v, %v; want %v", found, err, want)
			}
		}
	})
}

func TestRealConsumerOffsets(t *testing.T) {
	c := realClient(t, nil)
	ctx, cancel := context.WithTimeout(t.Context(), 30*time.Second)
	defer cancel()
	broker := c.Brokers()[0].Name
	group, name := rocketmq.LMQPrefix+"g_"+unique(t), rocketmq.LMQPrefix+unique(t)
	if _, ok, err := c.QueryConsumerOffset(ctx, broker, group, name, 0); ok || err != nil {
		t.Fatalf("before the commit: %v, %v", ok, err)
	}
	if err := c.CommitConsumerOffset(ctx, broker, group, name, 0, 7); err != nil {
		t.Fatal(err)
	}
	if v, ok, err := c.QueryConsumerOffset(ctx, broker, group, name, 0); !ok || v != 7 || err != nil {
		t.Fatalf("after the commit: %d, %v, %v", v, ok, err)
	}
}

// TestRealManyWatches holds many pulls at once and has every queue deliver.
func TestRealManyWatches(t *testing.T) {
	n := 2000
	if v := os.Getenv("LMQGATE_TEST_WATCHES"); v != "" {
		fmt.Sscan(v, &n)
	}
	c := realClient(t, func(c *rocketmq.Config) { c.DirectSend = true })
	ctx, cancel := context.WithTimeout(t.Context(), 120*time.Second)
	defer cancel()
	q, err := c.PickQueue(ctx, "real_test", "many")
	if err != nil {
		t.Fatal(err)
	}
	sink := newCollector(n)
	prefix := rocketmq.LMQPrefix + unique(t)
	names := make([]string, n)
	for i := range names {
		names[i] = fmt.Sprintf("%s_%d", prefix, i)
		w := c.Watch(rocketmq.LMQ{Broker: q.Broker, Name: names[i]}, 0, sink)
		defer w.Close()
	}
	began := time.Now()
	var wg sync.WaitGroup
	slots := make(chan struct{}, 100)
	for _, name := range names {
		slots <- struct{}{}
		wg.Add(1)
		sendUntilStored(ctx, c, rocketmq.OutMessage{Queue: q, Tag: "MQTT_COMMON", Dispatch: []string{name}, Body: []byte(name)}, func(err error) {
			if err != nil {
				t.Error(err)
			}
			<-slots
			wg.Done()
		})
	}
	wg.Wait()
	if t.Failed() {
		return
	}
	sent := time.Since(began)
	seen := make(map[string]bool)
	for len(seen) < n {
		select {
		case m := <-sink.messages:
			seen[string(m.Body)] = true
		case <-ctx.Done():
			t.Fatalf("%d of %d delivered", len(seen), n)
		}
	}
	t.Logf("%d queues: sent in %v, all delivered in %v", n, sent, time.Since(began))
}
