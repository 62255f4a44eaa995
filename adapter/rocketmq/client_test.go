package rocketmq_test

import (
	"context"
	"testing"
	"testing/synctest"
	"time"

	"github.com/google/go-cmp/cmp"

	"lmqgate/adapter/rocketmq"
	"lmqgate/adapter/rocketmq/remoting"
)

func contextWith(t *testing.T, d time.Duration) context.Context {
	ctx, cancel := context.WithTimeout(t.Context(), d)
	t.Cleanup(cancel)
	return ctx
}

func TestStartBeforeTheCluster(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		fake := newFake("b1", "b2")
		ns := fake.servers[nameServer]
		ns.stop()
		c := fake.client(t, nil)
		if len(c.Brokers()) != 0 || c.Ready(t.Context()) == nil {
			t.Error("knows brokers that nobody told of")
		}
		s := &recorder{}
		defer c.Watch(rocketmq.LMQ{Broker: "b2", Name: name}, 0, s).Close()
		var added []rocketmq.Broker
		c.OnBrokers(func(a, _ []rocketmq.Broker) { added = append(added, a...) })
		ns.start()
		time.Sleep(10 * time.Second)
		fake.brokers["b2"].message(name, "0")
		s.want(t, 1)
		synctest.Wait()
		if len(added) != 2 {
			t.Errorf("added %v", added)
		}
		want := []rocketmq.Broker{
			{Name: "b1", Addr: "b1:10911", Cluster: "c", Version: "V5_4_0"},
			{Name: "b2", Addr: "b2:10912", Cluster: "c", Version: "V5_4_0"},
		}
		if diff := cmp.Diff(want, c.Brokers()); diff != "" {
			t.Error(diff)
		}
		if err := c.Ready(t.Context()); err != nil {
			t.Error(err)
		}
	})
}

func TestBrokersComeAndGo(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		fake := newFake("b1")
		c := fake.client(t, nil)
		var log []string
		c.OnBrokers(func(added, removed []rocketmq.Broker) {
			if len(added) > 0 && len(c.Brokers()) == 0 { // may be asked from within
				t.Error("told of a broker that is not known")
			}
			for _, b := range removed {
				log = append(log, "-"+b.Addr)
			}
			for _, b := range added {
				log = append(log, "+"+b.Addr)
			}
		})
		fake.mu.Lock()
		fake.brokers["b2"] = fake.serve("b2", "b2:1")
		fake.mu.Unlock()
		time.Sleep(20 * time.Second)
		fake.mu.Lock()
		delete(fake.brokers, "b2")
		fake.mu.Unlock()
		time.Sleep(20 * time.Second)
		fake.move("b1", "b1:2")
		time.Sleep(20 * time.Second)
		synctest.Wait()
		if diff := cmp.Diff([]string{"+b1:10911", "+b2:1", "-b2:1", "-b1:10911", "+b1:2"}, log); diff != "" {
			t.Error(diff)
		}
	})
}

// TestSecondNameServer: one that is down costs nothing but its turn.
func TestSecondNameServer(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		fake := newFake("b1")
		c := fake.client(t, func(c *rocketmq.Config) { c.NameServers = []string{"gone:9876", nameServer} })
		if err := c.Ready(contextWith(t, time.Second)); err != nil {
			t.Error(err)
		}
		time.Sleep(time.Hour)
		synctest.Wait()
		fake.mu.Lock()
		defer fake.mu.Unlock()
		if n := fake.dialled["gone:9876"]; n > 3 {
			t.Errorf("the dead one was tried %d times", n)
		}
	})
}

// TestHeartbeats keep idle connections from being closed after 120 s.
func TestHeartbeats(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		fake := newFake("b1")
		fake.client(t, func(c *rocketmq.Config) { c.ConnsPerBroker = 1 })
		time.Sleep(time.Hour)
		if n := fake.brokers["b1"].count(remoting.HeartBeat, ""); n < 200 || n > 300 {
			t.Errorf("%d heartbeats on two connections in an hour", n)
		}
		fake.mu.Lock()
		defer fake.mu.Unlock()
		if n := fake.dialled["b1:10911"]; n != 2 {
			t.Errorf("%d connections made", n)
		}
	})
}

func TestDeadConnectionIsReplaced(t *testing.T) {
	watching(t, func(t *testing.T, _ *rocketmq.Client, b *fakeServer, _ *rocketmq.Watch, s *recorder) {
		b.script(func(*remoting.Command) (*remoting.Command, bool) { return nil, true }) // deaf
		time.Sleep(50 * time.Second)
		b.script(nil)
		b.message(name, "0")
		time.Sleep(15 * time.Second)
		s.want(t, 1)
	})
}

func TestCloseTwice(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		c := newFake("b1").client(t, nil)
		if err := c.Close(t.Context()); err != nil {
			t.Error(err)
		}
		if err := c.Start(t.Context()); err == nil {
			t.Error("started after Close")
		}
	})
}
