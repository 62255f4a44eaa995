package rocketmq_test

import (
	"errors"
	"sync"
	"testing"
	"time"

	"lmqgate/adapter/rocketmq"
	"lmqgate/adapter/rocketmq/remoting"
	"lmqgate/infra/minimq"
)

// TestPopFaults: two instances share a group on a broker that loses wake-ups,
// is busy, cuts connections and restarts; every message is acknowledged.
func TestPopFaults(t *testing.T) {
	t.Parallel()
	srv := minimq.RunWith(t, minimq.Config{ReviveDelay: 1})
	faults := srv.Faults()
	clients := []*rocketmq.Client{}
	for range 2 {
		clients = append(clients, started(t, rocketmq.Config{NameServers: []string{srv.Addr()}, TopicAutoCreate: true, DirectSend: true}))
	}
	f := newPopFixture(t, clients[0], rocketmq.LMQPrefix+rocketmq.NewKey()+"%+%")
	f.req.Invisible, f.req.Wait, f.req.Max = time.Second, 500*time.Millisecond, 4
	const n = 100
	var mu sync.Mutex
	acked := make(map[string]bool)
	all := make(chan struct{})
	var poppers []*popper
	for _, c := range clients {
		p := &popper{c: c, req: f.req, ended: make(chan struct{}), failed: func(error) {}}
		p.got = func(rocketmq.Popped) {}
		p.acknowledged = func(m rocketmq.Popped, err error) {
			mu.Lock()
			defer mu.Unlock()
			if done := err == nil || errors.Is(err, rocketmq.ErrUnknown); done && !acked[m.Key] {
				acked[m.Key] = true
				if len(acked) == n {
					close(all)
				}
			}
		}
		poppers = append(poppers, p)
		p.run()
	}
	for i := range n {
		switch i % 50 {
		case 10:
			faults.LoseWakeups(3)
		case 20:
			faults.Busy(5, remoting.SystemBusy)
		case 30:
			faults.Cut()
		case 40:
			faults.Down()
			if err := faults.Up(); err != nil {
				t.Fatal(err)
			}
		}
		f.mustSend()
	}
	select {
	case <-all:
	case <-f.ctx.Done():
		mu.Lock()
		defer mu.Unlock()
		t.Fatalf("%d of %d acknowledged", len(acked), n)
	}
	for _, p := range poppers {
		p.end()
	}
}

// mustSend sends one message until it is certainly stored, once.
func (f *popFixture) mustSend() {
	f.t.Helper()
	m := rocketmq.OutMessage{Queue: f.queue, Tag: "MQTT_COMMON", Key: rocketmq.NewKey(), Dispatch: []string{f.req.LMQ.Name}, Body: []byte("x")}
	for f.ctx.Err() == nil {
		again, since := m, time.Now()
		if _, err := send(f.t, f.c, &again); err == nil {
			return
		}
		if found, err := f.c.FindKey(f.ctx, f.queue.Broker, f.queue.Topic, m.Key, since); err == nil && found {
			return
		}
	}
	f.t.Fatal("not sent")
}
