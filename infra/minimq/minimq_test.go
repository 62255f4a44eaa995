package minimq_test

import (
	"testing"

	"lmqgate/adapter/rocketmq/remoting"
	"lmqgate/infra/minimq"
)

func brokerOf(t *testing.T, s *minimq.Server) string {
	t.Helper()
	resp := dial(t, s.Addr()).call(remoting.GetBrokerClusterInfo, nil, nil)
	info, err := remoting.DecodeClusterInfo(resp.Body)
	if err != nil {
		t.Fatal(err)
	}
	return info.Brokers["broker-a"].Addrs[remoting.MasterID]
}

func TestDispatchWakesHeldPull(t *testing.T) {
	s := minimq.Run(t)
	c := dial(t, brokerOf(t, s))
	held := c.start(pullReq("%LMQ%t%a%", 0, 32, 30_000))
	props := properties("INNER_MULTI_DISPATCH", "%LMQ%t%a%,%LMQ%t%+%", "UNIQ_KEY", "K1", "WAIT", "true")
	sent := c.wait(c.start(sendV2("t", 0, "hello", props)))
	if sent.Code != remoting.Success || sent.Ext["queueOffset"] != "0" {
		t.Fatalf("send: %+v", sent)
	}
	got := c.wait(held)
	if got.Code != remoting.Success || got.Ext["nextBeginOffset"] != "1" || got.Ext["maxOffset"] != "1" {
		t.Fatalf("pull: %+v", got)
	}
	msgs, err := remoting.DecodeMessages(got.Body)
	if err != nil || len(msgs) != 1 {
		t.Fatalf("messages: %v, %v", msgs, err)
	}
	m := msgs[0]
	offsets, _ := m.Properties.Get("INNER_MULTI_QUEUE_OFFSET")
	if m.Topic != "t" || string(m.Body) != "hello" || offsets != "0,0" {
		t.Fatalf("message: %+v offsets %q", m, offsets)
	}
	route := dial(t, s.Addr()).call(remoting.GetRouteInfoByTopic, map[string]string{"topic": "t"}, nil)
	r, err := remoting.DecodeTopicRoute(route.Body)
	if err != nil || len(r.Queues) != 1 || r.Queues[0].WriteNums != 8 {
		t.Fatalf("route: %+v, %v", r, err)
	}
}

// Embedded use has 150 ms from start to the first delivered message for the
// whole process; this is minimq's part of it.
func BenchmarkStartToFirstMessage(b *testing.B) {
	for b.Loop() {
		s := minimq.New(minimq.Config{})
		if err := s.Start(); err != nil {
			b.Fatal(err)
		}
		c := dial(b, s.Brokers()[0].Addr())
		held := c.start(pullReq("%LMQ%a", 0, 1, 30_000))
		c.wait(c.start(sendV2("t", 0, "x", properties("INNER_MULTI_DISPATCH", "%LMQ%a"))))
		c.wait(held)
		if err := s.Close(); err != nil {
			b.Fatal(err)
		}
	}
}

// One send at a time to three LMQs, one of them with a held pull.
func BenchmarkSendToHeldPull(b *testing.B) {
	s := minimq.New(minimq.Config{IndexLag: -1})
	if err := s.Start(); err != nil {
		b.Fatal(err)
	}
	b.Cleanup(func() { s.Close() })
	c := dial(b, s.Brokers()[0].Addr())
	props := properties("INNER_MULTI_DISPATCH", "%LMQ%a,%LMQ%b,%LMQ%c")
	offset := int64(0)
	b.ReportAllocs()
	for b.Loop() {
		held := c.start(pullReq("%LMQ%a", offset, 32, 30_000))
		c.wait(c.start(sendV2("t", 0, "x", props)))
		c.wait(held)
		offset++
	}
}
