package minimq_test

import (
	"fmt"
	"strconv"
	"testing"
	"time"

	"lmqgate/adapter/rocketmq/remoting"
	"lmqgate/infra/minimq"
)

// never is a channel that has to stay empty for as long as the server can be
// asked many other things.
func (c *client) stays(t *testing.T, ch <-chan *remoting.Command) {
	t.Helper()
	for range 200 {
		c.call(remoting.GetMaxOffset, map[string]string{"topic": "t", "queueId": "0"}, nil)
	}
	select {
	case resp := <-ch:
		t.Fatalf("answered: %+v", resp)
	default:
	}
}

func (c *client) send(t *testing.T, text string, lmq string) *remoting.Command {
	t.Helper()
	return c.wait(c.start(sendV2("t", 0, text, properties("UNIQ_KEY", "K"+text, "INNER_MULTI_DISPATCH", lmq))))
}

func (c *client) max(t *testing.T, topic string) int64 {
	t.Helper()
	resp := c.call(remoting.GetMaxOffset, map[string]string{"topic": topic, "queueId": "0"}, nil)
	n, err := strconv.ParseInt(resp.Ext["offset"], 10, 64)
	if err != nil {
		t.Fatalf("max offset: %+v", resp)
	}
	return n
}

func (c *client) settled(t *testing.T, topic string, n int64) {
	t.Helper()
	for range 100_000 {
		if c.max(t, topic) == n {
			return
		}
	}
	t.Fatalf("%s did not reach %d", topic, n)
}

func setup(t *testing.T, cfg minimq.Config) (*minimq.Server, *client) {
	t.Helper()
	s := minimq.RunWith(t, cfg)
	return s, dial(t, s.Brokers()[0].Addr())
}

func TestLostWakeupIsFoundByTheNextLook(t *testing.T) {
	s, c := setup(t, minimq.Config{HoldCheck: time.Hour})
	held := c.start(pullReq("%LMQ%a", 0, 1, 30_000))
	c.max(t, "t") // the pull is held by now
	s.Faults().LoseWakeups(1)
	c.send(t, "one", "%LMQ%a")
	c.settled(t, "%LMQ%a", 1)
	c.stays(t, held)
	// An unsuspended pull sees the message all the same.
	if got := c.wait(c.start(pullReq("%LMQ%a", 0, 1, 0))); got.Code != remoting.Success {
		t.Errorf("probe: %+v", got)
	}
	c.send(t, "two", "%LMQ%a")
	if got := c.wait(held); got.Ext["nextBeginOffset"] != "1" {
		t.Errorf("woken by the next one: %+v", got)
	}

	s, c = setup(t, minimq.Config{HoldCheck: time.Millisecond})
	held = c.start(pullReq("%LMQ%a", 0, 1, 30_000))
	c.max(t, "t")
	s.Faults().LoseWakeups(minimq.Forever)
	c.send(t, "one", "%LMQ%a")
	if got := c.wait(held); got.Code != remoting.Success {
		t.Errorf("found by the look: %+v", got)
	}
}

func TestStalledIndex(t *testing.T) {
	s, c := setup(t, minimq.Config{})
	s.Faults().StallIndex(true)
	held := c.start(pullReq("%LMQ%a", 0, 1, 30_000))
	if got := c.send(t, "one", "%LMQ%a"); got.Code != remoting.Success {
		t.Errorf("send: %+v", got)
	}
	c.stays(t, held)
	s.Faults().StallIndex(false)
	if got := c.wait(held); got.Code != remoting.Success {
		t.Errorf("pull: %+v", got)
	}
}

func TestAnswersThatDoNotCome(t *testing.T) {
	s, c := setup(t, minimq.Config{IndexLag: -1})
	s.Faults().LoseAnswers(1)
	lost := c.start(sendV2("t", 0, "stored", ""))
	c.stays(t, lost)
	if n := c.max(t, "t"); n != 1 {
		t.Errorf("%d stored", n)
	}
	s.Faults().LoseSends(1)
	lost = c.start(sendV2("t", 0, "dropped", ""))
	c.stays(t, lost)
	if n := c.max(t, "t"); n != 1 {
		t.Errorf("%d stored after a lost send", n)
	}
	s.Faults().AckLate(1, 20*time.Millisecond)
	begun := time.Now()
	if got := c.wait(c.start(sendV2("t", 0, "late", ""))); got.Code != remoting.Success || time.Since(begun) < 20*time.Millisecond {
		t.Errorf("late: %+v after %v", got, time.Since(begun))
	}
	s.Faults().Busy(1, remoting.SystemBusy)
	if got := c.call(remoting.GetMaxOffset, map[string]string{"topic": "t", "queueId": "0"}, nil); got.Code != remoting.SystemBusy || len(got.Ext) != 0 {
		t.Errorf("busy: %+v", got)
	}
	s.Faults().CutAfterSends(1)
	if _, open := <-c.start(sendV2("t", 0, "cut", "")); open {
		t.Error("answered before the cut")
	}
	if n := dial(t, s.Brokers()[0].Addr()).max(t, "t"); n != 3 {
		t.Errorf("%d stored after the cut", n)
	}
}

func TestDownAndUpKeepsEverything(t *testing.T) {
	s, c := setup(t, minimq.Config{})
	b := s.Brokers()[0]
	addr := b.Addr()
	c.send(t, "one", "%LMQ%a")
	c.settled(t, "%LMQ%a", 1)
	c.call(remoting.UpdateConsumerOffset, map[string]string{"consumerGroup": "%LMQ%g", "topic": "%LMQ%a", "queueId": "0", "commitOffset": "1"}, nil)
	held := c.start(pullReq("%LMQ%a", 1, 1, 30_000))
	c.max(t, "t")
	s.Faults().Down()
	if _, open := <-held; open {
		t.Error("held pull answered by a broker that is down")
	}
	names := dial(t, s.Addr())
	info, err := remoting.DecodeClusterInfo(names.call(remoting.GetBrokerClusterInfo, nil, nil).Body)
	if err != nil || len(info.Brokers) != 0 {
		t.Errorf("cluster while down: %+v, %v", info, err)
	}
	if got := names.call(remoting.GetRouteInfoByTopic, map[string]string{"topic": "t"}, nil); got.Code != remoting.TopicNotExist {
		t.Errorf("route while down: %+v", got)
	}
	must(t, s.Faults().Up())
	if b.Addr() != addr {
		t.Errorf("address %s became %s", addr, b.Addr())
	}
	c = dial(t, addr)
	if got := c.wait(c.start(pullReq("%LMQ%a", 0, 1, 0))); got.Code != remoting.Success || got.Ext["maxOffset"] != "1" {
		t.Errorf("pull after restart: %+v", got)
	}
	if got := c.call(remoting.QueryConsumerOffset, map[string]string{"consumerGroup": "%LMQ%g", "topic": "%LMQ%a", "queueId": "0"}, nil); got.Ext["offset"] != "1" {
		t.Errorf("offset after restart: %+v", got)
	}
	c.send(t, "two", "%LMQ%a")
	c.settled(t, "%LMQ%a", 2)
}

func TestServerStartsAgain(t *testing.T) {
	s, c := setup(t, minimq.Config{})
	c.send(t, "one", "%LMQ%a")
	addr := s.Addr()
	must(t, s.Close())
	must(t, s.Start())
	if s.Addr() != addr {
		t.Errorf("address %s became %s", addr, s.Addr())
	}
	dial(t, s.Brokers()[0].Addr()).settled(t, "%LMQ%a", 1)
}

func TestQueueFaults(t *testing.T) {
	s, c := setup(t, minimq.Config{IndexLag: -1})
	for i := range 5 {
		c.send(t, fmt.Sprint(i), "%LMQ%a")
	}
	pull := func(offset int64) *remoting.Command { return c.wait(c.start(pullReq("%LMQ%a", offset, 32, 0))) }
	s.Faults().ExpireLMQ("%LMQ%a", 2)
	if got := pull(0); got.Code != remoting.PullOffsetMoved || got.Ext["nextBeginOffset"] != "2" || got.Ext["minOffset"] != "2" {
		t.Errorf("below the minimum: %+v", got)
	}
	s.Faults().RollbackLMQ("%LMQ%a", 3)
	if got := pull(5); got.Code != remoting.PullOffsetMoved || got.Ext["maxOffset"] != "3" {
		t.Errorf("beyond after rollback: %+v", got)
	}
	s.Faults().ExpireAll()
	if got := pull(3); got.Code != remoting.PullNotFound || got.Ext["minOffset"] != "3" || got.Ext["maxOffset"] != "3" {
		t.Errorf("all expired: %+v", got)
	}
	s.Faults().ResetLMQ("%LMQ%a")
	if got := pull(3); got.Code != remoting.PullOffsetMoved || got.Ext["nextBeginOffset"] != "0" {
		t.Errorf("reset: %+v", got)
	}
	c.send(t, "anew", "%LMQ%a")
	if got := pull(0); got.Code != remoting.Success || got.Ext["maxOffset"] != "1" {
		t.Errorf("anew: %+v", got)
	}
	s.Faults().DiskFull(true)
	if got := c.send(t, "full", "%LMQ%a"); got.Code != remoting.ServiceNotAvailable {
		t.Errorf("disk full: %+v", got)
	}
	s.Faults().DiskFull(false)
	if got := c.send(t, "again", "%LMQ%a"); got.Code != remoting.Success {
		t.Errorf("disk emptied: %+v", got)
	}
}

func TestPipelinedSendsAreReordered(t *testing.T) {
	inversions := func(cfg minimq.Config) int {
		_, c := setup(t, cfg)
		const n = 2000
		answers := make([]<-chan *remoting.Command, n)
		var frames []byte
		for i := range answers {
			req := sendV2("t", 0, "x", "")
			ch := make(chan *remoting.Command, 1)
			c.mu.Lock()
			c.opaque++
			req.Opaque = c.opaque
			c.waiting[req.Opaque] = ch
			c.mu.Unlock()
			var err error
			frames, err = req.Append(frames)
			must(t, err)
			answers[i] = ch
		}
		if _, err := c.nc.Write(frames); err != nil {
			t.Fatal(err)
		}
		late := 0
		for i, ch := range answers {
			if got := c.wait(ch); got.Ext["queueOffset"] != strconv.Itoa(i) {
				late++
			}
		}
		return late
	}
	if n := inversions(minimq.Config{}); n != 0 {
		t.Errorf("%d out of order without reordering", n)
	}
	if n := inversions(minimq.Config{ReorderSends: true, Seed: 1}); n < 100 || n > 500 {
		t.Errorf("%d of 2000 out of order", n)
	}
}

func TestIdleConnectionIsClosed(t *testing.T) {
	_, c := setup(t, minimq.Config{IdleClose: 50 * time.Millisecond})
	held := c.start(pullReq("%LMQ%a", 0, 1, 300_000))
	if _, open := <-held; open {
		t.Error("held pull answered instead")
	}
}

func TestTwoBrokersHaveLMQsOfTheirOwn(t *testing.T) {
	s := minimq.RunWith(t, minimq.Config{Brokers: 2, IndexLag: -1})
	a, b := dial(t, s.Brokers()[0].Addr()), dial(t, s.Brokers()[1].Addr())
	a.send(t, "one", "%LMQ%x")
	a.send(t, "two", "%LMQ%x")
	b.send(t, "one", "%LMQ%x")
	if m, n := a.max(t, "%LMQ%x"), b.max(t, "%LMQ%x"); m != 2 || n != 1 {
		t.Errorf("maxima %d and %d", m, n)
	}
	names := dial(t, s.Addr())
	r, err := remoting.DecodeTopicRoute(names.call(remoting.GetRouteInfoByTopic, map[string]string{"topic": "t"}, nil).Body)
	if err != nil || len(r.Brokers) != 2 {
		t.Errorf("route: %+v, %v", r, err)
	}
	s.Brokers()[1].Faults().Down()
	r, err = remoting.DecodeTopicRoute(names.call(remoting.GetRouteInfoByTopic, map[string]string{"topic": "t"}, nil).Body)
	if err != nil || len(r.Brokers) != 1 || r.Brokers[0].Name != "broker-a" {
		t.Errorf("route with one down: %+v, %v", r, err)
	}
}

func TestNoAutomaticTopicsOrGroups(t *testing.T) {
	_, c := setup(t, minimq.Config{NoAutoTopic: true, NoAutoGroup: true})
	if got := c.wait(c.start(sendV2("t", 0, "x", ""))); got.Code != remoting.TopicNotExist {
		t.Errorf("send: %+v", got)
	}
	pull := pullReq("%LMQ%a", 0, 1, 0)
	pull.Ext["consumerGroup"] = "plain"
	if got := c.wait(c.start(pull)); got.Code != remoting.SubscriptionGroupNone {
		t.Errorf("pull: %+v", got)
	}
	if got := c.wait(c.start(pullReq("%LMQ%a", 0, 1, 0))); got.Code != remoting.PullNotFound {
		t.Errorf("pull of an LMQ group: %+v", got)
	}
}

// A bad name stands in front of a good one: the index stops for all, and after
// three seconds the broker refuses sends.
func TestBadDispatchListWedgesTheBroker(t *testing.T) {
	now := time.Now()
	step := make(chan time.Duration, 1)
	step <- 0
	clock := func() time.Time { d := <-step; step <- d; return now.Add(d) }
	s, c := setup(t, minimq.Config{IndexLag: -1, Now: clock})
	if got := c.send(t, "bad", "foo,%LMQ%a"); got.Code != remoting.Success {
		t.Errorf("bad list: %+v", got)
	}
	if got := c.send(t, "good", "%LMQ%a"); got.Code != remoting.Success {
		t.Errorf("send right after: %+v", got)
	}
	if n := c.max(t, "%LMQ%a"); n != 0 {
		t.Errorf("indexed %d", n)
	}
	<-step
	step <- 4 * time.Second
	if got := c.send(t, "later", "%LMQ%a"); got.Code != remoting.ServiceNotAvailable {
		t.Errorf("send 4 s later: %+v", got)
	}
	s.Faults().Unwedge()
	if got := c.send(t, "mended", "%LMQ%a"); got.Code != remoting.Success {
		t.Errorf("send after mending: %+v", got)
	}
}
