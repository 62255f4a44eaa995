package gateway

import (
	"fmt"
	"net/http"
	"os"
	"strings"
	"sync"
	"testing"

	"github.com/alicebob/miniredis/v2"

	"lmqgate/adapter/packet"
	"lmqgate/adapter/rocketmq"
	"lmqgate/infra/minimq"
	"lmqgate/meta/topic"
)

// sharer is a member that acknowledges everything and counts.
type sharer struct {
	*peer
	mu  sync.Mutex // protects got
	got map[string]int
}

// answer sends what may come too late for the end of the test.
func (s *sharer) answer(p packet.Packet) {
	if b, err := p.Append(nil, packet.V5); err == nil {
		_, _ = s.conn.Write(b)
	}
}

// serve reads until the stream ends and reports each payload that was not seen by this member before.
func (s *sharer) serve(seen chan<- string) {
	for {
		switch p := s.next().(type) {
		case nil:
			return
		case *packet.Publish:
			s.mu.Lock()
			s.got[string(p.Payload)]++
			s.mu.Unlock()
			switch p.QoS {
			case 1:
				s.answer(&packet.Puback{PacketID: p.PacketID})
			case 2:
				s.answer(&packet.Pubrec{PacketID: p.PacketID})
			}
			seen <- string(p.Payload)
		case *packet.Pubrel:
			s.answer(&packet.Pubcomp{PacketID: p.PacketID})
		}
	}
}

// TestSharedSubscription: members on two instances share what is published on either; a new group gets nothing old; what an
// offline member's group got waits.
func TestSharedSubscription(t *testing.T) {
	noLeaks(t)
	_, _, cfg := shared(t)
	a, b := start(t, cfg), start(t, cfg)
	becomes(t, a, http.StatusOK)
	becomes(t, b, http.StatusOK)

	pub, _ := dial(t, a, connect("pub", 0))
	plain, _ := dial(t, a, connect("plain", 0))
	plain.subscribe("work/#", 1)
	pub.publish("work/old", "old")
	if p, ok := plain.next().(*packet.Publish); !ok || string(p.Payload) != "old" {
		t.Fatalf("got %+v", p)
	}

	const n = 200
	seen := make(chan string, 4*n)
	var members []*sharer
	for i := range 4 {
		g := []*Gateway{a, b}[i%2]
		p, _ := dial(t, g, connect(fmt.Sprint("m", i), uint32(3600*(i%2))))
		p.subscribe("$share/g/work/+", byte(1+i/2))
		m := &sharer{peer: p, got: map[string]int{}}
		members = append(members, m)
		go m.serve(seen)
	}
	for i := range n {
		pub.send(&packet.Publish{Topic: "work/1", Payload: fmt.Append(nil, i), QoS: 2, PacketID: uint16(i + 1)})
		for done := false; !done; {
			switch p := pub.next().(type) {
			case *packet.Pubrec:
				pub.send(&packet.Pubrel{PacketID: p.PacketID})
			case *packet.Pubcomp:
				done = true
			default:
				t.Fatalf("publisher got %+v", p)
			}
		}
	}
	total := map[string]int{}
	for len(total) < n {
		total[<-seen]++
	}
	for p, k := range total {
		if k != 1 || p == "old" {
			t.Errorf("%s came %d times", p, k)
		}
	}
	for i, m := range members {
		m.mu.Lock()
		if len(m.got) < n/10 {
			t.Errorf("member %d got %d of %d", i, len(m.got), n)
		}
		m.mu.Unlock()
	}
}

// receive is the next PUBLISH.
func (c *peer) receive(want string) *packet.Publish {
	c.t.Helper()
	p, ok := c.next().(*packet.Publish)
	if !ok || string(p.Payload) != want || p.DUP {
		c.t.Fatalf("got %+v, want %s", p, want)
	}
	return p
}

// TestSharedMoves: what a member had not acknowledged when its instance stopped goes to a member elsewhere; what an
// offline member's group gets waits; a group that has ended leaves nothing to the next of its name.
func TestSharedMoves(t *testing.T) {
	servers := map[string]func(t *testing.T) string{
		"minimq": func(t *testing.T) string { return minimq.RunWith(t, minimq.Config{ReviveDelay: 1}).Addr() },
		"RocketMQ": func(t *testing.T) string {
			servers := os.Getenv("LMQGATE_TEST_NAMESRV")
			if servers == "" {
				t.Skip("LMQGATE_TEST_NAMESRV is not set; it takes host:port")
			}
			return servers
		},
	}
	long := strings.Repeat("x", 176) + "/"
	for server, run := range servers {
		for name, levels := range map[string]string{
			"plain": "t/", "of 180 bytes": "t/" + long, "not ASCII": "t/温度/é/", "long and not ASCII": "t/" + strings.Repeat("温度/", 20),
			"with an @": "t/a@b.example/",
		} {
			t.Run(server+"/"+name, func(t *testing.T) {
				noLeaks(t)
				sharedMoves(t, run(t), levels)
			})
		}
	}
}

// sharedMoves publishes to a topic and shares the filter of all with these first levels.
func sharedMoves(t *testing.T, servers, levels string) {
	name, filter := levels+"1", levels+"+"
	redis := miniredis.RunT(t)
	cfg := load(t, env("REDIS_URL", "redis://"+redis.Addr()), env("NAMESRV_ADDR", servers), "AUTH=anonymous", "BIND_ADDR=127.0.0.1")
	a, b := start(t, cfg), start(t, cfg)
	becomes(t, a, http.StatusOK)
	becomes(t, b, http.StatusOK)

	pub, _ := dial(t, b, connect("pub", 0))
	one, _ := dial(t, a, connect("one", 3600))
	one.subscribe("$share/g/"+filter, 1)
	pub.publish(name, "a")
	pub.publish(name, "b")
	one.receive("a")
	one.receive("b")
	two, _ := dial(t, b, connect("two", 3600))
	two.subscribe("$share/g/"+filter, 1)
	stop(t, a)
	got := map[string]bool{}
	for range 2 {
		p, ok := two.next().(*packet.Publish)
		if !ok || p.DUP || p.QoS != 1 {
			t.Fatalf("got %+v", p)
		}
		got[string(p.Payload)] = true
		two.send(&packet.Puback{PacketID: p.PacketID})
	}
	if !got["a"] || !got["b"] {
		t.Errorf("got %v", got)
	}

	two.send(&packet.Disconnect{})
	two.next()
	pub.publish(name, "waits")
	two, _ = dial(t, b, connect("two", 3600))
	two.receive("waits")
	for i, c := range []*peer{two, nil} {
		if i == 1 {
			c, _ = dial(t, b, connect("one", 3600))
		}
		c.send(&packet.Unsubscribe{PacketID: 2, Filters: []string{"$share/g/" + filter}})
		if ack, ok := c.next().(*packet.Unsuback); !ok || ack.Codes[0] != packet.Success {
			t.Fatalf("UNSUBSCRIBE answered with %+v", ack)
		}
	}
	plain, _ := dial(t, b, connect("plain", 0))
	plain.subscribe(filter, 0) // keeps the queue of the filter filled
	pub.publish(name, "nobody's")
	plain.receive("nobody's")
	three, _ := dial(t, b, connect("three", 0))
	three.subscribe("$share/g/"+filter, 1)
	pub.publish(name, "new")
	three.receive("new")
}

// TestSharedQueues: groups can consume the queues of filters of all lengths.
func TestSharedQueues(t *testing.T) {
	group := rocketmq.GroupName("share", "$share/g/t", "a token that makes the name a long one")
	if len(group) > rocketmq.MaxGroupName {
		t.Errorf("group of %d bytes", len(group))
	}
	group += strings.Repeat("x", rocketmq.MaxGroupName-len(group))
	for _, unit := range []string{"x", "é", "中", "😀", "中x", "%"} {
		for n := range 220 {
			filter := "t/" + strings.Repeat(unit, n)
			if err := rocketmq.CheckGroup(group, topic.SharedLMQ(filter)); err != nil {
				t.Errorf("%s: %v", filter, err)
			}
		}
	}
}
