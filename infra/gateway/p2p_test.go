package gateway

import (
	"crypto/rand"
	"net/http"
	"os"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/alicebob/miniredis/v2"

	"lmqgate/adapter/packet"
	"lmqgate/adapter/rocketmq"
	"lmqgate/infra/config"
	"lmqgate/infra/minimq"
	"lmqgate/meta/topic"
)

// onServers runs a test of two instances on minimq and, where there is one, on a RocketMQ.
func onServers(t *testing.T, test func(t *testing.T, cfg config.Config), more ...string) {
	for name, run := range map[string]func(t *testing.T) string{
		"minimq": func(t *testing.T) string { return minimq.Run(t).Addr() },
		"RocketMQ": func(t *testing.T) string {
			servers := os.Getenv("LMQGATE_TEST_NAMESRV")
			if servers == "" {
				t.Skip("LMQGATE_TEST_NAMESRV is not set; it takes host:port")
			}
			return servers
		},
	} {
		t.Run(name, func(t *testing.T) {
			noLeaks(t)
			servers := run(t)
			redis := miniredis.RunT(t)
			test(t, load(t, append([]string{env("REDIS_URL", "redis://"+redis.Addr()), env("NAMESRV_ADDR", servers), "AUTH=anonymous"}, more...)...))
		})
	}
}

// answered receives a message with its QoS and ends the exchange.
func (c *peer) answered(want, name string, qos byte) *packet.Publish {
	c.t.Helper()
	p := c.receive(want)
	if p.Topic != name || p.QoS != qos || p.Retain {
		c.t.Errorf("%s came to %s with QoS %d, RETAIN %v; want %s with %d", want, p.Topic, p.QoS, p.Retain, name, qos)
	}
	switch qos {
	case 1:
		c.send(&packet.Puback{PacketID: p.PacketID})
	case 2:
		c.send(&packet.Pubrec{PacketID: p.PacketID})
		if r, ok := c.next().(*packet.Pubrel); !ok || r.PacketID != p.PacketID {
			c.t.Errorf("no PUBREL: %+v", r)
		}
		c.send(&packet.Pubcomp{PacketID: p.PacketID})
	}
	return p
}

// goodbye disconnects and waits until the session is released.
func (c *peer) goodbye() {
	c.t.Helper()
	c.send(&packet.Disconnect{})
	if p := c.next(); p != nil {
		c.t.Errorf("%+v behind DISCONNECT", p)
	}
}

// publishRetained publishes with QoS 2, retained.
func (c *peer) publishRetained(name, payload string) {
	c.t.Helper()
	c.send(&packet.Publish{Topic: name, Payload: []byte(payload), QoS: 2, PacketID: 5, Retain: true})
	if p, ok := c.next().(*packet.Pubrec); !ok || p.Code.Failed() {
		c.t.Fatalf("PUBLISH answered with %+v", p)
	}
	c.send(&packet.Pubrel{PacketID: 5})
	if _, ok := c.next().(*packet.Pubcomp); !ok {
		c.t.Fatal("no PUBCOMP")
	}
}

// TestPointToPoint: what is sent to a client reaches it without a subscription, whoever sends it, and nobody else.
func TestPointToPoint(t *testing.T) { onServers(t, pointToPoint) }

func pointToPoint(t *testing.T, cfg config.Config) {
	a, b := start(t, cfg), start(t, cfg)
	becomes(t, a, http.StatusOK)
	becomes(t, b, http.StatusOK)
	id := "c" + rand.Text()
	first := "p" + rand.Text()[:8]
	name := first + "/p2p/" + id + "/x"
	pub, _ := dial(t, b, connect("pub"+id, 0))
	eye, _ := dial(t, a, connect("eye"+id, 0))
	for _, f := range []string{"#", first + "/#", first + "/p2p/+/x", "+/+/+/+"} {
		eye.subscribe(f, 1)
	}
	for _, f := range []string{name, first + "/p2p/" + id, "+/p2p/" + id + "/#", "/p2p/" + id, "/p2p/" + id + "/", "$share/g/" + name} {
		eye.send(&packet.Subscribe{PacketID: 2, Filters: []packet.Subscription{{Filter: f}}})
		if ack, ok := eye.next().(*packet.Suback); !ok || ack.Codes[0] != packet.NotAuthorized {
			t.Errorf("SUBSCRIBE to %s of another client answered with %+v", f, ack)
		}
	}

	c, _ := dial(t, a, connect(id, 3600))
	pub.publish(name, "one")
	c.answered("one", name, 1)
	pub.publishRetained(name, "two")
	c.answered("two", name, 2)
	pub.send(&packet.Publish{Topic: name, Payload: []byte("three")})
	c.answered("three", name, 0)
	pub.publish(first+"/x", "for all")
	eye.receive("for all") // and nothing before it
	c.subscribe(name, 1)   // which would have what is retained
	pub.publish(name, "four")
	c.answered("four", name, 1)

	place, err := b.rocket.PickQueue(t.Context(), first, "k")
	if err != nil {
		t.Fatal(err)
	}
	sent := make(chan error, 1)
	b.rocket.Send(&rocketmq.OutMessage{
		Queue: place, Tag: "MQ2MQTT", Properties: map[string]string{"extData": `{"qosLevel":"1"}`},
		Dispatch: []string{topic.P2PLMQ(id)}, Body: []byte("from an application"),
	}, func(_ rocketmq.SendResult, err error) { sent <- err })
	if err := <-sent; err != nil {
		t.Fatal(err)
	}
	c.answered("from an application", "/p2p/"+id, 1)

	pub.publish(name, "unacknowledged")
	left := c.receive("unacknowledged")
	if left.DUP {
		t.Error("DUP at first")
	}
	keptInFlight(t, a, id, left.PacketID) // what is not kept yet comes as if it were new
	again, ack := dial(t, b, connect(id, 3600))
	if p, ok := again.next().(*packet.Publish); !ok || !ack.SessionPresent || !p.DUP || string(p.Payload) != "unacknowledged" {
		t.Fatalf("after a takeover: got %+v", p)
	} else {
		again.send(&packet.Puback{PacketID: p.PacketID})
	}
	goes := connect("w"+id, 0)
	goes.Will = &packet.Will{Topic: name, Payload: []byte("will"), QoS: 1}
	w, _ := dial(t, a, goes)
	_ = w.conn.Close()
	again.answered("will", name, 1)
}

// TestPointToPointAway: a client that is away finds what was sent to it if its session is kept; one whose session is not kept
// gets what is sent while it is connected, and nothing is kept for one that never was.
func TestPointToPointAway(t *testing.T) { onServers(t, pointToPointAway) }

func pointToPointAway(t *testing.T, cfg config.Config) {
	a, b := start(t, cfg), start(t, cfg)
	becomes(t, a, http.StatusOK)
	becomes(t, b, http.StatusOK)
	id := "c" + rand.Text()
	pub, _ := dial(t, b, connect("pub"+id, 0))
	kept, _ := dial(t, a, connect(id, 3600))
	kept.goodbye()
	name := "p2ptest/p2p/" + id
	for _, m := range []string{"1", "2", "3"} {
		pub.publish(name, m)
	}
	kept, ack := dial(t, b, connect(id, 3600))
	if !ack.SessionPresent {
		t.Error("the session is gone")
	}
	for _, m := range []string{"1", "2", "3"} {
		kept.answered(m, name, 1)
	}

	name += "clean"
	for _, m := range []string{"first", "second"} {
		pub.publish(name, "to nobody")
		clean, _ := dial(t, a, connect(id+"clean", 0))
		pub.publish(name, m)
		clean.answered(m, name, 1)
		clean.goodbye()
	}
	if n := strangers(t, b); n != 2 {
		t.Errorf("%v messages to clients without a session, want 2", n)
	}
}

// TestPointToPointLimit: beyond MAX_P2P_QUEUES a new client has no queue of its own, nobody can send it anything there, and it
// works otherwise; those that had one are served on.
func TestPointToPointLimit(t *testing.T) {
	noLeaks(t)
	cfg := load(t, env("REDIS_URL", "redis://"+miniredis.RunT(t).Addr()), env("NAMESRV_ADDR", minimq.Run(t).Addr()), "AUTH=anonymous", "MAX_P2P_QUEUES=2")
	g := start(t, cfg)
	becomes(t, g, http.StatusOK)
	pub, _ := dial(t, g, connect("pub", 0))
	one, _ := dial(t, g, connect("one", 0))
	late, _ := dial(t, g, connect("late", 3600))
	late.subscribe("t/x", 1)
	pub.publish("t/p2p/late", "to nobody")
	pub.publish("t/x", "for late")
	late.answered("for late", "t/x", 1)
	if n := strangers(t, g); n != 1 {
		t.Errorf("%v messages to clients without a queue, want 1", n)
	}
	one.goodbye()
	one, _ = dial(t, g, connect("one", 0))
	pub.publish("t/p2p/one", "for one")
	one.answered("for one", "t/p2p/one", 1)
}

// keptInFlight waits until the session is kept with these packet ids in flight, and no others.
func keptInFlight(t *testing.T, g *Gateway, id string, packets ...uint16) {
	t.Helper()
	for deadline := time.Now().Add(patience); ; {
		_, st, err := g.store.Peek(t.Context(), id)
		var ids []uint16
		for _, o := range st.Out {
			ids = append(ids, o.PacketID)
		}
		if err == nil && slices.Equal(ids, packets) {
			return
		}
		if time.Now().After(deadline) {
			t.Fatalf("in flight are %v, %v", st.Out, err)
		}
		<-time.After(5 * time.Millisecond) // nothing waits for it but the machine
	}
}

func strangers(t *testing.T, g *Gateway) float64 {
	families, err := g.reg.Gather()
	if err != nil {
		t.Fatal(err)
	}
	for _, f := range families {
		if f.GetName() == "lmqgate_publish_strangers_total" {
			return f.GetMetric()[0].GetCounter().GetValue()
		}
	}
	return -1
}

// TestPointToPointOff: with P2P=false the topic is as any other.
func TestPointToPointOff(t *testing.T) {
	onServers(t, func(t *testing.T, cfg config.Config) {
		g := start(t, cfg)
		becomes(t, g, http.StatusOK)
		id := strings.ToLower(rand.Text())
		c, _ := dial(t, g, connect(id, 3600))
		eye, _ := dial(t, g, connect("eye"+id, 0))
		name := "p2ptest/p2p/" + id
		for _, f := range []string{"/p2p/" + id, name} {
			eye.subscribe(f, 1)
		}
		pub, _ := dial(t, g, connect("pub"+id, 0))
		pub.publish(name, "ordinary")
		eye.receive("ordinary")
		c.subscribe("p2ptest/end/"+id, 1)
		pub.publish("p2ptest/end/"+id, "end")
		c.receive("end")
		queues := []string{}
		for _, h := range g.hub.Holdings() {
			queues = append(queues, h.Filter)
		}
		if !slices.Contains(queues, name) {
			t.Errorf("holds %v", queues)
		}
	}, "P2P=false")
}
