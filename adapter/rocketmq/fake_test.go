package rocketmq_test

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"net"
	"slices"
	"strconv"
	"strings"
	"sync"
	"testing"
	"time"

	"lmqgate/adapter/rocketmq"
	"lmqgate/adapter/rocketmq/remoting"
)

// fakeCluster is a scripted name server and its brokers, reached through
// pipes. It knows just enough of LMQs for the client's tests.
type fakeCluster struct {
	mu      sync.Mutex
	servers map[string]*fakeServer // by address
	brokers map[string]*fakeServer // by name, what the name server tells
	topics  map[string]int         // queues of each topic on every broker
	wg      sync.WaitGroup
	// dialled counts the tries to connect to each address.
	dialled   map[string]int
	listening int
}

const nameServer = "ns:9876"

// fakeServer is one address: the name server, or a broker.
type fakeServer struct {
	f    *fakeCluster
	name string
	addr string

	mu     sync.Mutex
	conns  map[*fakeConn]bool
	queues map[string][]remoting.Message // by LMQ
	keys   map[string]bool               // topic#key, the index
	held   map[*heldPull]bool
	pops   fakePops
	seen   []*remoting.Command
	// intercept may answer a request instead; with handled and no answer the
	// request is never answered.
	intercept func(cmd *remoting.Command) (answer *remoting.Command, handled bool)
	// loseWakeups leaves held pulls held when messages come.
	loseWakeups bool
	// stallIndex keeps keys from being found.
	stallIndex bool
}

type fakeConn struct {
	net.Conn
	mu sync.Mutex
}

type heldPull struct {
	conn  *fakeConn
	cmd   *remoting.Command
	timer *time.Timer
}

func newFake(brokers ...string) *fakeCluster {
	f := &fakeCluster{
		servers: make(map[string]*fakeServer), brokers: make(map[string]*fakeServer),
		topics: map[string]int{"t": 4, "MQTT_OTHER": 4}, dialled: make(map[string]int),
	}
	f.serve("", nameServer)
	for i, name := range brokers {
		f.brokers[name] = f.serve(name, fmt.Sprintf("%s:%d", name, 10911+i))
	}
	return f
}

func (f *fakeCluster) serve(name, addr string) *fakeServer {
	s := &fakeServer{
		f: f, name: name, addr: addr, conns: make(map[*fakeConn]bool), queues: make(map[string][]remoting.Message),
		keys: make(map[string]bool), held: make(map[*heldPull]bool),
		pops: fakePops{offsets: make(map[string]int)},
	}
	f.servers[addr] = s
	return s
}

// move gives the broker another address, with its queues, and cuts the old one.
func (f *fakeCluster) move(name, addr string) *fakeServer {
	f.mu.Lock()
	old := f.brokers[name]
	s := f.serve(name, addr)
	delete(f.servers, old.addr)
	f.brokers[name] = s
	f.mu.Unlock()
	queues := make(map[string][]remoting.Message) // the old one may still be answering
	old.mu.Lock()
	for name, q := range old.queues {
		queues[name] = slices.Clone(q)
	}
	old.mu.Unlock()
	s.mu.Lock()
	s.queues = queues
	s.mu.Unlock()
	old.cut()
	return s
}

// stop takes the server off the network, start puts it back.
func (s *fakeServer) stop() {
	s.f.mu.Lock()
	delete(s.f.servers, s.addr)
	s.f.mu.Unlock()
	s.cut()
}

func (s *fakeServer) start() {
	s.f.mu.Lock()
	defer s.f.mu.Unlock()
	s.f.servers[s.addr] = s
}

// cut closes all connections; held pulls are gone with them.
func (s *fakeServer) cut() {
	s.mu.Lock()
	conns := s.conns
	s.conns = make(map[*fakeConn]bool)
	for h := range s.held {
		h.timer.Stop()
		delete(s.held, h)
	}
	for _, h := range s.pops.held {
		h.timer.Stop()
	}
	s.pops.held = nil
	s.mu.Unlock()
	for c := range conns {
		c.Close()
	}
}

func (f *fakeCluster) dial(_ context.Context, _, addr string) (net.Conn, error) {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.dialled[addr]++
	s := f.servers[addr]
	if s == nil {
		return nil, errors.New("connection refused")
	}
	ours, theirs := net.Pipe()
	s.attach(theirs)
	return ours, nil
}

func (s *fakeServer) attach(nc net.Conn) {
	c := &fakeConn{Conn: nc}
	s.mu.Lock()
	s.conns[c] = true
	s.mu.Unlock()
	s.f.wg.Go(func() { s.read(c) })
}

func (s *fakeServer) read(c *fakeConn) {
	defer c.Close()
	r := bufio.NewReader(c)
	for {
		frame, err := remoting.ReadFrame(r, remoting.MaxFrame)
		if err != nil {
			return
		}
		cmd, err := remoting.Decode(frame)
		if err != nil {
			return
		}
		if answer := s.handle(c, cmd); answer != nil {
			c.reply(answer)
		}
	}
}

func (c *fakeConn) reply(answer *remoting.Command) {
	frame, err := answer.Append(nil)
	if err != nil {
		panic(err)
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	c.Write(frame)
}

func (s *fakeServer) handle(c *fakeConn, cmd *remoting.Command) *remoting.Command {
	s.mu.Lock()
	s.seen = append(s.seen, cmd)
	intercept := s.intercept
	s.mu.Unlock()
	if intercept != nil {
		if answer, handled := intercept(cmd); handled {
			return answer
		}
	}
	ok := cmd.Response(remoting.Success, "")
	switch cmd.Code {
	case remoting.GetBrokerClusterInfo:
		ok.Body = s.f.clusterInfo()
	case remoting.GetRouteInfoByTopic:
		return s.f.route(cmd)
	case remoting.UpdateAndCreateTopic:
		n, _ := strconv.Atoi(cmd.Ext["writeQueueNums"])
		s.f.mu.Lock()
		s.f.topics[cmd.Ext["topic"]] = n
		s.f.mu.Unlock()
	case remoting.GetBrokerRuntimeInfo:
		ok.Body = []byte(`{"table":{"brokerVersionDesc":"V5_4_0"}}`)
	case remoting.GetMaxOffset, remoting.GetMinOffset:
		s.mu.Lock()
		n := len(s.queues[cmd.Ext["topic"]])
		s.mu.Unlock()
		if cmd.Code == remoting.GetMinOffset {
			n = 0
		}
		ok.Ext = map[string]string{"offset": strconv.Itoa(n)}
	case remoting.PullMessage:
		return s.pull(c, cmd)
	case remoting.PopMessage:
		return s.pop(c, cmd)
	case remoting.BatchAckMessage:
		return s.batchAck(cmd)
	case remoting.ChangeMessageInvisibleTime:
		return s.change(cmd)
	case remoting.SendMessageV2:
		ok.Ext = map[string]string{"queueId": cmd.Ext["e"], "queueOffset": "0", "msgId": "id"}
		s.store(cmd)
	case remoting.QueryMessage:
		s.mu.Lock()
		defer s.mu.Unlock()
		if s.stallIndex || !s.keys[cmd.Ext["topic"]+"#"+cmd.Ext["key"]] {
			return cmd.Response(remoting.QueryNotFound, "none")
		}
		m := remoting.Message{Topic: cmd.Ext["topic"], Properties: remoting.AppendProperty(nil, remoting.PropertyUniqueKey, cmd.Ext["key"])}
		ok.Body, _ = remoting.AppendMessage(nil, &m)
	}
	return ok
}

func (f *fakeCluster) clusterInfo() []byte {
	f.mu.Lock()
	defer f.mu.Unlock()
	info := remoting.ClusterInfo{Brokers: make(map[string]remoting.BrokerData)}
	for name, s := range f.brokers {
		info.Brokers[name] = remoting.BrokerData{Cluster: "c", Name: name, Addrs: map[string]string{"0": s.addr}}
	}
	info.Brokers["slave-only"] = remoting.BrokerData{Cluster: "c", Name: "slave-only", Addrs: map[string]string{"1": "nowhere:1"}}
	b, _ := info.Encode()
	return b
}

func (f *fakeCluster) route(cmd *remoting.Command) *remoting.Command {
	f.mu.Lock()
	defer f.mu.Unlock()
	n, ok := f.topics[cmd.Ext["topic"]]
	if !ok {
		return cmd.Response(remoting.TopicNotExist, "no route")
	}
	var r remoting.TopicRoute
	for name, s := range f.brokers {
		r.Brokers = append(r.Brokers, remoting.BrokerData{Name: name, Addrs: map[string]string{"0": s.addr}})
		r.Queues = append(r.Queues, remoting.QueueData{Broker: name, ReadNums: n, WriteNums: n, Perm: 6})
	}
	answer := cmd.Response(remoting.Success, "")
	answer.Body, _ = r.Encode()
	return answer
}

func (s *fakeServer) pull(c *fakeConn, cmd *remoting.Command) *remoting.Command {
	s.mu.Lock()
	defer s.mu.Unlock()
	answer := s.lookLocked(cmd)
	suspend, _ := strconv.Atoi(cmd.Ext["suspendTimeoutMillis"])
	if answer.Code != remoting.PullNotFound || suspend == 0 {
		return answer
	}
	h := &heldPull{conn: c, cmd: cmd}
	s.held[h] = true
	h.timer = time.AfterFunc(time.Duration(suspend)*time.Millisecond, func() {
		s.mu.Lock()
		answer := s.lookLocked(cmd)
		_, still := s.held[h]
		delete(s.held, h)
		s.mu.Unlock()
		if still {
			c.reply(answer)
		}
	})
	return nil
}

func (s *fakeServer) lookLocked(cmd *remoting.Command) *remoting.Command {
	q := s.queues[cmd.Ext["topic"]]
	offset, _ := strconv.Atoi(cmd.Ext["queueOffset"])
	limit, _ := strconv.Atoi(cmd.Ext["maxMsgNums"])
	answer := cmd.Response(remoting.Success, "")
	next := offset
	switch {
	case offset > len(q):
		answer.Code, next = remoting.PullOffsetMoved, len(q)
	case offset == len(q):
		answer.Code = remoting.PullNotFound
	default:
		for next < min(len(q), offset+limit) {
			answer.Body, _ = remoting.AppendMessage(answer.Body, &q[next])
			next++
		}
	}
	answer.Ext = map[string]string{"nextBeginOffset": strconv.Itoa(next), "minOffset": "0", "maxOffset": strconv.Itoa(len(q))}
	return answer
}

// store takes a send: into the LMQs, the index, and to held pulls.
func (s *fakeServer) store(cmd *remoting.Command) {
	props := remoting.Properties(cmd.Ext["i"])
	list, _ := props.Get(remoting.PropertyMultiDispatch)
	key, _ := props.Get(remoting.PropertyUniqueKey)
	s.mu.Lock()
	s.keys[cmd.Ext["b"]+"#"+key] = true
	s.mu.Unlock()
	if list != "" {
		s.put(strings.Split(list, ","), cmd.Ext["b"], props, cmd.Body)
	}
}

func (s *fakeServer) put(names []string, topic string, props remoting.Properties, body []byte) {
	s.mu.Lock()
	var offsets []string
	for _, n := range names {
		offsets = append(offsets, strconv.Itoa(len(s.queues[n])))
	}
	p := remoting.AppendProperty(append(remoting.Properties(nil), props...), remoting.PropertyMultiQueueOffset, strings.Join(offsets, ","))
	for _, n := range names {
		s.queues[n] = append(s.queues[n], remoting.Message{Topic: topic, QueueOffset: 1 << 30, Body: body, Properties: p, StoreMillis: time.Now().UnixMilli()})
	}
	type wake struct {
		h      *heldPull
		answer *remoting.Command
	}
	var wakes []wake
	for h := range s.held {
		if !slices.Contains(names, h.cmd.Ext["topic"]) {
			continue
		}
		if a := s.lookLocked(h.cmd); a.Code == remoting.Success && !s.loseWakeups {
			h.timer.Stop()
			delete(s.held, h)
			wakes = append(wakes, wake{h, a})
		}
	}
	wakePops := s.wakePopsLocked()
	s.mu.Unlock()
	wakePops()
	for _, w := range wakes {
		w.h.conn.reply(w.answer)
	}
}

// message stores one message of body in the LMQ name.
func (s *fakeServer) message(name, body string) {
	p := remoting.AppendProperty(nil, remoting.PropertyMultiDispatch, name)
	p = remoting.AppendProperty(p, remoting.PropertyUniqueKey, body)
	s.put([]string{name}, "t", p, []byte(body))
}

func (s *fakeServer) count(code int32, topic string) int {
	s.mu.Lock()
	defer s.mu.Unlock()
	n := 0
	for _, c := range s.seen {
		if c.Code == code && (topic == "" || c.Ext["topic"] == topic) {
			n++
		}
	}
	return n
}

// last is the last request of that code; there must be one.
func (s *fakeServer) last(code int32) *remoting.Command {
	s.mu.Lock()
	defer s.mu.Unlock()
	for i := len(s.seen) - 1; ; i-- {
		if s.seen[i].Code == code {
			return s.seen[i]
		}
	}
}

func (s *fakeServer) heldCount() int {
	s.mu.Lock()
	defer s.mu.Unlock()
	return len(s.held)
}

func (s *fakeServer) script(f func(cmd *remoting.Command) (*remoting.Command, bool)) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.intercept = f
}

// client starts a client of f. To be used in a synctest bubble.
func (f *fakeCluster) client(t *testing.T, change func(*rocketmq.Config)) *rocketmq.Client {
	t.Helper()
	cfg := rocketmq.Config{NameServers: []string{nameServer}, Dial: f.dial, Deliverers: 2}
	if change != nil {
		change(&cfg)
	}
	c, err := rocketmq.New(cfg)
	if err != nil {
		t.Fatal(err)
	}
	if err := c.Start(t.Context()); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		ctx, cancel := context.WithTimeout(context.Background(), time.Minute)
		defer cancel()
		if err := c.Close(ctx); err != nil {
			t.Error(err)
		}
		f.mu.Lock()
		all := make([]*fakeServer, 0, len(f.servers))
		for _, s := range f.servers {
			all = append(all, s)
		}
		f.mu.Unlock()
		for _, s := range all {
			s.cut()
		}
		f.wg.Wait()
	})
	return c
}
