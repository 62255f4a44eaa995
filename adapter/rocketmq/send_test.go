package rocketmq_test

import (
	"context"
	"errors"
	"net"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/google/go-cmp/cmp"

	"lmqgate/adapter/rocketmq"
	"lmqgate/adapter/rocketmq/remoting"
)

func out(body string) *rocketmq.OutMessage {
	return &rocketmq.OutMessage{
		Queue: rocketmq.Queue{Topic: "t", Broker: "b1", ID: 1}, Tag: "MQTT_COMMON", Dispatch: []string{name},
		Properties: map[string]string{"originMqttTopic": "t/a"}, Body: []byte(body),
	}
}

func TestSendErrors(t *testing.T) {
	code := func(code int32) func(*remoting.Command) (*remoting.Command, bool) {
		return func(cmd *remoting.Command) (*remoting.Command, bool) {
			return cmd.Response(code, "remark"), cmd.Code == remoting.SendMessageV2
		}
	}
	cases := map[string]struct {
		answer func(*remoting.Command) (*remoting.Command, bool)
		want   []error
	}{
		"busy":          {code(remoting.SystemBusy), []error{rocketmq.ErrRejected, rocketmq.ErrBusy}},
		"flow control":  {code(remoting.FlowControl), []error{rocketmq.ErrRejected, rocketmq.ErrBusy}},
		"no topic":      {code(remoting.TopicNotExist), []error{rocketmq.ErrRejected, rocketmq.ErrNoTopic}},
		"illegal":       {code(remoting.MessageIllegal), []error{rocketmq.ErrRejected, rocketmq.ErrIllegal}},
		"wedged":        {code(remoting.ServiceNotAvailable), []error{rocketmq.ErrRejected}},
		"permission":    {code(remoting.NoPermission), []error{rocketmq.ErrRejected}},
		"system error":  {code(remoting.SystemError), []error{rocketmq.ErrUnknown}},
		"flush disk":    {code(remoting.FlushDiskTimeout), []error{rocketmq.ErrUnknown}},
		"flush slave":   {code(remoting.FlushSlaveTimeout), []error{rocketmq.ErrUnknown}},
		"no slave":      {code(remoting.SlaveNotAvailable), []error{rocketmq.ErrUnknown}},
		"strange":       {code(4711), []error{rocketmq.ErrUnknown}},
		"never answers": {func(cmd *remoting.Command) (*remoting.Command, bool) { return nil, cmd.Code == remoting.SendMessageV2 }, []error{rocketmq.ErrUnknown, remoting.ErrTimeout}},
	}
	for what, c := range cases {
		t.Run(what, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				fake := newFake("b1")
				cl := fake.client(t, nil)
				fake.brokers["b1"].script(c.answer)
				_, err := send(t, cl, out("x"))
				for _, want := range c.want {
					if !errors.Is(err, want) {
						t.Errorf("%v is not %v", err, want)
					}
				}
				if errors.Is(err, rocketmq.ErrRejected) == errors.Is(err, rocketmq.ErrUnknown) {
					t.Errorf("%v is neither or both", err)
				}
				if n := fake.brokers["b1"].count(remoting.SendMessageV2, ""); n != 1 {
					t.Errorf("sent %d times", n)
				}
			})
		})
	}
}

func TestSendConnectionLost(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		fake := newFake("b1")
		c := fake.client(t, nil)
		b := fake.brokers["b1"]
		b.script(func(cmd *remoting.Command) (*remoting.Command, bool) { return nil, cmd.Code == remoting.SendMessageV2 })
		done := make(chan error, 1)
		c.Send(out("x"), func(_ rocketmq.SendResult, err error) { done <- err })
		synctest.Wait()
		b.stop()
		if err := <-done; !errors.Is(err, rocketmq.ErrUnknown) {
			t.Errorf("after the write: %v", err)
		}
		synctest.Wait()
		if _, err := send(t, c, out("x")); !errors.Is(err, rocketmq.ErrRejected) || !errors.Is(err, rocketmq.ErrNoBroker) {
			t.Errorf("without a connection: %v", err)
		}
		other := out("x")
		other.Queue.Broker = "nobody"
		if _, err := send(t, c, other); !errors.Is(err, rocketmq.ErrRejected) {
			t.Errorf("to a stranger: %v", err)
		}
	})
}

func TestSendRefused(t *testing.T) {
	cases := map[string]struct {
		change func(*rocketmq.OutMessage)
		want   error
	}{
		"bad list":       {func(m *rocketmq.OutMessage) { m.Dispatch = []string{"foo"} }, rocketmq.ErrDispatchList},
		"separator":      {func(m *rocketmq.OutMessage) { m.Properties["a"] = "x\x02y" }, rocketmq.ErrProperties},
		"no name":        {func(m *rocketmq.OutMessage) { m.Properties[""] = "x" }, rocketmq.ErrProperties},
		"separator, tag": {func(m *rocketmq.OutMessage) { m.Tag = "\x01" }, rocketmq.ErrProperties},
		"too long":       {func(m *rocketmq.OutMessage) { m.Properties["a"] = strings.Repeat("x", 32_000) }, rocketmq.ErrProperties},
		"topic":          {func(m *rocketmq.OutMessage) { m.Queue.Topic = "a b" }, rocketmq.ErrNoTopic},
	}
	synctest.Test(t, func(t *testing.T) {
		fake := newFake("b1")
		cl := fake.client(t, nil)
		for what, c := range cases {
			m := out("x")
			c.change(m)
			if _, err := send(t, cl, m); !errors.Is(err, c.want) || !errors.Is(err, rocketmq.ErrRejected) {
				t.Errorf("%s: %v", what, err)
			}
		}
		if n := fake.brokers["b1"].count(remoting.SendMessageV2, ""); n != 0 {
			t.Errorf("%d were sent", n)
		}
	})
}

// TestForgedDispatch: a dispatch property among the others never gets through.
func TestForgedDispatch(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		fake := newFake("b1")
		c := fake.client(t, nil)
		m := out("x")
		m.Dispatch = nil
		m.Properties[remoting.PropertyMultiDispatch] = "foo"
		if _, err := send(t, c, m); err != nil {
			t.Fatal(err)
		}
		p := remoting.Properties(fake.brokers["b1"].last(remoting.SendMessageV2).Ext["i"])
		if v, ok := p.Get(remoting.PropertyMultiDispatch); ok {
			t.Errorf("sent with %q", v)
		}
	})
}

func TestMaxInFlight(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		fake := newFake("b1")
		c := fake.client(t, func(c *rocketmq.Config) { c.MaxInFlight = 3 })
		fake.brokers["b1"].script(func(cmd *remoting.Command) (*remoting.Command, bool) { return nil, cmd.Code == remoting.SendMessageV2 })
		errs := make(chan error, 10)
		for range 5 {
			c.Send(out("x"), func(_ rocketmq.SendResult, err error) { errs <- err })
		}
		for range 2 {
			if err := <-errs; !errors.Is(err, rocketmq.ErrBusy) {
				t.Error(err)
			}
		}
		if len(errs) != 0 {
			t.Error("more than two refused")
		}
		ctx, cancel := context.WithTimeout(t.Context(), time.Second)
		defer cancel()
		if err := c.Close(ctx); err == nil {
			t.Error("closed with sends under way, and says nothing")
		}
		for range 3 {
			if err := <-errs; !errors.Is(err, rocketmq.ErrUnknown) {
				t.Error(err)
			}
		}
		if _, err := send(t, c, out("x")); !errors.Is(err, rocketmq.ErrRejected) || !errors.Is(err, rocketmq.ErrStopped) {
			t.Errorf("afterwards: %v", err)
		}
	})
}

// TestSendersAlike: what arrives at a broker is the same by both ways, but for
// the header's version.
func TestSendersAlike(t *testing.T) {
	v1 := map[string]string{
		"producerGroup": "a", "topic": "b", "defaultTopic": "c", "defaultTopicQueueNums": "d", "queueId": "e", "sysFlag": "f",
		"bornTimestamp": "g", "flag": "h", "properties": "i", "reconsumeTimes": "j", "unitMode": "k", "maxReconsumeTimes": "l", "batch": "m",
	}
	arrived := func(direct bool) (ext map[string]string, props map[string]string, body string) {
		fake := newFake()
		b := fake.listen(t, "b1")
		cfg := rocketmq.Config{NameServers: []string{fake.listen(t, "").addr}, DirectSend: direct}
		c := started(t, cfg)
		m := out(strings.Repeat("body", 5000)) // long enough for the library to compress, if let
		m.Key = "0123456789ABCDEF0123456789ABCDEF"
		if _, err := send(t, c, m); err != nil {
			t.Fatal(err)
		}
		b.mu.Lock()
		defer b.mu.Unlock()
		for _, cmd := range b.seen {
			if cmd.Code != remoting.SendMessageV2 && cmd.Code != remoting.SendMessage {
				continue
			}
			ext = make(map[string]string)
			for k, v := range cmd.Ext {
				if short, ok := v1[k]; ok {
					k = short
				}
				ext[k] = v
			}
			props = remoting.Properties(ext["i"]).Map()
			for _, other := range []string{"g", "i", "n"} { // the time, the order of properties, the broker's name
				delete(ext, other)
			}
			return ext, props, string(cmd.Body)
		}
		t.Fatal("nothing arrived")
		return nil, nil, ""
	}
	de, dp, db := arrived(true)
	le, lp, lb := arrived(false)
	want := map[string]string{
		"TAGS": "MQTT_COMMON", "UNIQ_KEY": "0123456789ABCDEF0123456789ABCDEF", "WAIT": "true",
		"INNER_MULTI_DISPATCH": name, "originMqttTopic": "t/a",
	}
	if diff := cmp.Diff(want, dp); diff != "" {
		t.Error(diff)
	}
	if diff := cmp.Diff(dp, lp); diff != "" {
		t.Error(diff)
	}
	if diff := cmp.Diff(de, le); diff != "" {
		t.Error(diff)
	}
	if db != lb {
		t.Errorf("bodies of %d and %d bytes", len(db), len(lb))
	}
}

// TestLibraryErrors: the library's untyped errors are sorted like the codes.
func TestLibraryErrors(t *testing.T) {
	fake := newFake()
	b := fake.listen(t, "b1")
	c := started(t, rocketmq.Config{NameServers: []string{fake.listen(t, "").addr}})
	var code int32
	b.script(func(cmd *remoting.Command) (*remoting.Command, bool) {
		if cmd.Code != remoting.SendMessage {
			return nil, false
		}
		if code < 0 {
			return nil, true
		}
		return cmd.Response(code, "remark"), true
	})
	for _, x := range []struct {
		code int32
		want error
	}{
		{remoting.SystemBusy, rocketmq.ErrBusy},
		{remoting.MessageIllegal, rocketmq.ErrRejected},
		{remoting.TopicNotExist, rocketmq.ErrNoTopic},
		{remoting.SystemError, rocketmq.ErrUnknown},
		{remoting.FlushDiskTimeout, rocketmq.ErrUnknown},
		{-1, rocketmq.ErrUnknown},
	} {
		b.mu.Lock()
		code = x.code
		b.mu.Unlock()
		if _, err := send(t, c, out("x")); !errors.Is(err, x.want) {
			t.Errorf("code %d: %v", x.code, err)
		}
	}
}

// TestTwoLibraries: the library keeps its clients by name in one map of the
// process; two of ours do not meet there.
func TestTwoLibraries(t *testing.T) {
	var clients []*rocketmq.Client
	var brokers []*fakeServer
	for range 2 {
		fake := newFake()
		brokers = append(brokers, fake.listen(t, "b1"))
		clients = append(clients, started(t, rocketmq.Config{NameServers: []string{fake.listen(t, "").addr}, InstanceID: "same"}))
	}
	for _, c := range clients {
		if _, err := send(t, c, out("x")); err != nil {
			t.Fatal(err)
		}
	}
	if err := clients[0].Close(t.Context()); err != nil {
		t.Fatal(err)
	}
	if _, err := send(t, clients[1], out("y")); err != nil {
		t.Error(err)
	}
	for i, want := range []int{1, 2} {
		if n := brokers[i].count(remoting.SendMessage, ""); n != want {
			t.Errorf("broker %d got %d, want %d", i, n, want)
		}
	}
}

// listen serves f's name server or a broker on loopback, for what does not know
// Config.Dial.
func (f *fakeCluster) listen(t *testing.T, broker string) *fakeServer {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	f.mu.Lock()
	if f.listening++; f.listening == 1 {
		t.Cleanup(f.wg.Wait) // after all listeners are closed
	}
	s := f.serve(broker, l.Addr().String())
	if broker != "" {
		f.brokers[broker] = s
	}
	f.mu.Unlock()
	f.wg.Go(func() {
		for {
			nc, err := l.Accept()
			if err != nil {
				return
			}
			s.attach(nc)
		}
	})
	t.Cleanup(func() {
		l.Close()
		s.cut()
	})
	return s
}
