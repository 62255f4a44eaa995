package rocketmq_test

import (
	"errors"
	"fmt"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/prometheus/client_golang/prometheus"

	"lmqgate/adapter/rocketmq"
	"lmqgate/adapter/rocketmq/remoting"
)

// stall makes a broker acknowledge messages without indexing them, but for those of topic mute, which it does not answer. The
// functions return the last of these, and let it catch up.
func (s *fakeServer) stall(mute string) (muted func() *remoting.Command, catchUp func()) {
	var (
		mu   sync.Mutex
		held []*remoting.Command
		last *remoting.Command
	)
	s.script(func(cmd *remoting.Command) (*remoting.Command, bool) {
		if cmd.Code != remoting.SendMessageV2 {
			return nil, false
		}
		mu.Lock()
		defer mu.Unlock()
		held = append(held, cmd)
		if cmd.Ext["b"] == mute {
			last = cmd
			return nil, true
		}
		answer := cmd.Response(remoting.Success, "")
		answer.Ext = map[string]string{"msgId": "id", "queueId": "0", "queueOffset": "0"}
		return answer, true
	})
	muted = func() *remoting.Command {
		mu.Lock()
		defer mu.Unlock()
		return last
	}
	return muted, func() {
		s.script(nil)
		mu.Lock()
		defer mu.Unlock()
		for _, cmd := range held {
			s.store(cmd)
		}
		held = nil
	}
}

func withCanaries(t *testing.T, f *fakeCluster) (*rocketmq.Client, *prometheus.Registry) {
	reg := prometheus.NewRegistry()
	f.mu.Lock()
	f.topics["MQTT_OTHER"], f.topics["t"] = 4, 4
	f.mu.Unlock()
	return f.client(t, func(cfg *rocketmq.Config) {
		cfg.CanaryEvery, cfg.Registerer, cfg.SendTimeout = 10*time.Second, reg, time.Minute
	}), reg
}

// sent sends a message for an LMQ to a broker and returns the outcome.
func sent(c *rocketmq.Client, q rocketmq.Queue) error {
	done := make(chan error, 1)
	c.Send(&rocketmq.OutMessage{Queue: q, Dispatch: []string{"%LMQ%x"}, Body: []byte("b")}, func(_ rocketmq.SendResult, err error) { done <- err })
	return <-done
}

// TestStalledBroker: a broker that acknowledges without indexing is found out; nothing is sent there until it has caught
// up, and new topics' queues are those of the other one. The instance stays ready as long as one broker is sound.
func TestStalledBroker(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		f := newFake("b1", "b2")
		c, reg := withCanaries(t, f)
		time.Sleep(15 * time.Second)
		if since, ok := c.Stalled("b1"); ok {
			t.Fatalf("stalled since %v though every canary came out", since)
		}
		at1, at2 := rocketmq.Queue{Topic: "t", Broker: "b1"}, rocketmq.Queue{Topic: "t", Broker: "b2"}
		_, catchUp := f.brokers["b1"].stall("")
		time.Sleep(15 * time.Second)
		if _, ok := c.Stalled("b1"); !ok {
			t.Fatal("not found out in a period and the time for an answer")
		}
		if err := sent(c, at1); !errors.Is(err, rocketmq.ErrRejected) || !errors.Is(err, rocketmq.ErrStalled) {
			t.Errorf("send to the stalled broker: %v", err)
		}
		if err := sent(c, at2); err != nil {
			t.Errorf("send to the other one: %v", err)
		}
		for i := range 100 {
			if q, err := c.PickQueue(t.Context(), "t", fmt.Sprint(i)); err != nil || q.Broker != "b2" {
				t.Fatalf("picked %v, %v", q, err)
			}
		}
		if err := c.Ready(t.Context()); err != nil {
			t.Errorf("one broker is sound: %v", err)
		}
		_, other := f.brokers["b2"].stall("")
		time.Sleep(15 * time.Second)
		if n := gauge(t, reg, "lmqgate_rocketmq_brokers_stalled"); n != 2 {
			t.Errorf("%v brokers stalled by the metric", n)
		}
		if err := c.Ready(t.Context()); !errors.Is(err, rocketmq.ErrStalled) {
			t.Errorf("ready without a sound broker: %v", err)
		}
		if _, err := c.PickQueue(t.Context(), "t", "k"); err != nil {
			t.Errorf("no queue at all: %v", err)
		}
		catchUp()
		other()
		time.Sleep(2 * time.Second)
		if _, ok := c.Stalled("b1"); ok {
			t.Error("still held for stalled after it has caught up")
		}
		if err := sent(c, at1); err != nil {
			t.Errorf("send after it has caught up: %v", err)
		}
	})
}

// TestStalledAcknowledgement: what is acknowledged while the broker turns out to be stalled is of unknown outcome, and found
// once the index has caught up.
func TestStalledAcknowledgement(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		f := newFake("b1")
		c, _ := withCanaries(t, f)
		b := f.brokers["b1"]
		muted, catchUp := b.stall("t")
		done := make(chan error, 1)
		began := time.Now()
		c.Send(&rocketmq.OutMessage{Key: "k", Queue: rocketmq.Queue{Topic: "t", Broker: "b1"}, Dispatch: []string{"%LMQ%x"}}, func(_ rocketmq.SendResult, err error) { done <- err })
		time.Sleep(15 * time.Second)
		if _, ok := c.Stalled("b1"); !ok {
			t.Fatal("not found out")
		}
		answer := muted().Response(remoting.Success, "")
		answer.Ext = map[string]string{"msgId": "id", "queueId": "0", "queueOffset": "0"}
		b.tell(answer)
		if err := <-done; !errors.Is(err, rocketmq.ErrUnknown) || !errors.Is(err, rocketmq.ErrStalled) {
			t.Fatalf("acknowledged by a stalled broker: %v", err)
		}
		found := make(chan error, 1)
		go func() {
			ok, err := c.FindKey(contextWith(t, time.Minute), "b1", "t", "k", began)
			if err == nil && !ok {
				err = errors.New("not found")
			}
			found <- err
		}()
		time.Sleep(5 * time.Second)
		select {
		case err := <-found:
			t.Fatalf("looked up in an index that stands still: %v", err)
		default:
		}
		catchUp()
		if err := <-found; err != nil {
			t.Error(err)
		}
	})
}

// TestCanarySurvivesRestart: a canary that went down with its broker does not leave it stalled for ever.
func TestCanarySurvivesRestart(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		f := newFake("b1")
		c, _ := withCanaries(t, f)
		f.brokers["b1"].stall("")
		time.Sleep(15 * time.Second)
		if _, ok := c.Stalled("b1"); !ok {
			t.Fatal("not found out")
		}
		f.brokers["b1"].stop()
		time.Sleep(time.Second)
		f.brokers["b1"].script(nil) // what it had is lost
		f.brokers["b1"].start()
		time.Sleep(20 * time.Second)
		if _, ok := c.Stalled("b1"); ok {
			t.Error("waits for a canary that is dead")
		}
	})
}

// tell sends an answer on every connection: only the one that asked knows it.
func (s *fakeServer) tell(answer *remoting.Command) {
	s.mu.Lock()
	conns := make([]*fakeConn, 0, len(s.conns))
	for c := range s.conns {
		conns = append(conns, c)
	}
	s.mu.Unlock()
	for _, c := range conns {
		c.reply(answer)
	}
}
