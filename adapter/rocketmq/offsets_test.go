package rocketmq_test

import (
	"errors"
	"fmt"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"lmqgate/adapter/rocketmq"
	"lmqgate/adapter/rocketmq/remoting"
)

func TestOffsets(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		fake := newFake("b1", "b2")
		c := fake.client(t, nil)
		var queues []rocketmq.LMQ
		for i := range 100 {
			l := rocketmq.LMQ{Broker: "b1", Name: fmt.Sprintf("%%LMQ%%%d", i)}
			if i%2 == 1 {
				l.Broker = "b2"
			}
			for range i {
				fake.brokers[l.Broker].message(l.Name, "x")
			}
			queues = append(queues, l)
		}
		// The first two answers of b1 to each are of no use.
		tries := make(map[string]int)
		fake.brokers["b1"].script(func(cmd *remoting.Command) (*remoting.Command, bool) {
			if cmd.Code != remoting.GetMaxOffset {
				return nil, false
			}
			fake.mu.Lock()
			defer fake.mu.Unlock()
			tries[cmd.Ext["topic"]]++
			switch tries[cmd.Ext["topic"]] {
			case 1:
				return cmd.Response(remoting.SystemBusy, "busy"), true
			case 2:
				return cmd.Response(remoting.Success, "no offset"), true
			}
			return nil, false
		})
		got, err := c.MaxOffsets(t.Context(), queues)
		if err != nil {
			t.Fatal(err)
		}
		for i, v := range got {
			if v != int64(i) {
				t.Errorf("queue %d: %d", i, v)
			}
		}
		if got, err := c.MinOffsets(t.Context(), queues[:5]); err != nil || got[4] != 0 {
			t.Errorf("minimum: %v, %v", got, err)
		}
	})
}

func TestOffsetsEndWithTheContext(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		fake := newFake("b1")
		c := fake.client(t, nil)
		fake.brokers["b1"].script(func(cmd *remoting.Command) (*remoting.Command, bool) {
			return nil, cmd.Code == remoting.GetMaxOffset
		})
		began := time.Now()
		for _, broker := range []string{"b1", "nobody"} {
			if _, err := c.MaxOffset(contextWith(t, 12*time.Second), rocketmq.LMQ{Broker: broker, Name: name}); err == nil {
				t.Error("an answer from nowhere")
			}
		}
		if d := time.Since(began); d > 25*time.Second {
			t.Errorf("took %v", d)
		}
		fake.brokers["b1"].script(func(cmd *remoting.Command) (*remoting.Command, bool) {
			return cmd.Response(remoting.NoPermission, "no"), cmd.Code == remoting.GetMaxOffset
		})
		began = time.Now()
		if _, err := c.MaxOffsets(t.Context(), []rocketmq.LMQ{{Broker: "b1", Name: name}}); err == nil || time.Since(began) > time.Second {
			t.Errorf("refused: %v after %v", err, time.Since(began))
		}
	})
}

func TestTopicCreation(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		fake := newFake("b1", "b2")
		c := fake.client(t, func(c *rocketmq.Config) { c.TopicAutoCreate = true; c.MaxTopics = 2; c.TopicQueues = 3 })
		done := make(chan error, 20)
		for range 20 {
			go func() {
				q, err := c.Queues(t.Context(), "new")
				if err == nil && len(q) != 6 {
					err = fmt.Errorf("queues %v", q)
				}
				done <- err
			}()
		}
		for range 20 {
			if err := <-done; err != nil {
				t.Error(err)
			}
		}
		for _, b := range []string{"b1", "b2"} {
			if n := fake.brokers[b].count(remoting.UpdateAndCreateTopic, "new"); n != 1 {
				t.Errorf("created %d times at %s", n, b)
			}
		}
		for topic, want := range map[string]error{"t": nil, "": rocketmq.ErrNoTopic, "a/b": rocketmq.ErrNoTopic} {
			if _, err := c.Queues(t.Context(), topic); !errors.Is(err, want) {
				t.Errorf("%q: %v", topic, err)
			}
		}
		if _, err := c.Queues(t.Context(), "second"); err != nil {
			t.Error(err)
		}
		if _, err := c.Queues(t.Context(), "third"); !errors.Is(err, rocketmq.ErrNoTopic) {
			t.Errorf("beyond the limit: %v", err)
		}
	})
}

func TestNoTopicCreation(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		fake := newFake("b1")
		c := fake.client(t, nil)
		if _, err := c.Queues(t.Context(), "new"); !errors.Is(err, rocketmq.ErrNoTopic) {
			t.Error(err)
		}
		if n := fake.brokers["b1"].count(remoting.UpdateAndCreateTopic, ""); n != 0 {
			t.Errorf("%d creations", n)
		}
	})
}

// TestPickQueue: stable, spread, and little moves when a broker goes.
func TestPickQueue(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		fake := newFake("b1", "b2", "b3")
		c := fake.client(t, nil)
		const n = 3000
		before := make([]rocketmq.Queue, n)
		perQueue := make(map[rocketmq.Queue]int)
		for i := range before {
			q, err := c.PickQueue(t.Context(), "t", fmt.Sprint("t/", i))
			if err != nil {
				t.Fatal(err)
			}
			before[i] = q
			perQueue[q]++
		}
		for q, k := range perQueue {
			if k < n/12/2 || k > n/12*2 {
				t.Errorf("%v has %d of %d", q, k, n)
			}
		}
		fake.mu.Lock()
		delete(fake.brokers, "b3")
		fake.mu.Unlock()
		time.Sleep(time.Minute)
		c.Queues(t.Context(), "t") // refreshes behind
		synctest.Wait()
		for i, was := range before {
			q, err := c.PickQueue(t.Context(), "t", fmt.Sprint("t/", i))
			if err != nil {
				t.Fatal(err)
			}
			if was.Broker == "b3" == (q == was) {
				t.Fatalf("key %d: %v, was %v", i, q, was)
			}
		}
	})
}

func TestFindKey(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		fake := newFake("b1")
		c := fake.client(t, nil)
		b := fake.brokers["b1"]
		since := time.Now()
		stored, absent := out("x"), rocketmq.NewKey()
		if _, err := send(t, c, stored); err != nil {
			t.Fatal(err)
		}
		// The index stands still for 20 s: no answer may come before.
		b.mu.Lock()
		b.stallIndex = true
		b.mu.Unlock()
		if found, err := c.FindKey(contextWith(t, 5*time.Second), "b1", "t", absent, since); err == nil {
			t.Errorf("found %v while the index stands", found)
		}
		var moved atomic.Bool
		time.AfterFunc(20*time.Second, func() {
			moved.Store(true)
			b.mu.Lock()
			b.stallIndex = false
			b.mu.Unlock()
		})
		for key, want := range map[string]bool{stored.Key: true, absent: false} {
			found, err := c.FindKey(contextWith(t, time.Minute), "b1", "t", key, since)
			if err != nil || found != want || !moved.Load() {
				t.Errorf("found %v, want %v, %v; index moved: %v", found, want, err, moved.Load())
			}
		}
		b.mu.Lock()
		defer b.mu.Unlock()
		for _, cmd := range b.seen {
			p := remoting.Properties(cmd.Ext["i"])
			if tag, _ := p.Get(remoting.PropertyTags); tag == rocketmq.CanaryTag {
				if _, ok := p.Get(remoting.PropertyMultiDispatch); ok || cmd.Ext["b"] != "MQTT_OTHER" {
					t.Errorf("canary %v", cmd.Ext)
				}
			}
		}
	})
}
