package client

import (
	"fmt"
	"slices"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"lmqgate/adapter/packet"
	"lmqgate/meta/message"
	"lmqgate/meta/session"
)

// guests are a Presence.
type guests struct {
	mu   sync.Mutex
	said []string
	last Present
}

func (g *guests) Online(p Present) { g.note(p, fmt.Sprint("+", p.ClientID, p.Epoch)) }
func (g *guests) Offline(p Present, code packet.ReasonCode) {
	g.note(p, fmt.Sprintf("-%s%d %02x", p.ClientID, p.Epoch, byte(code)))
}

func (g *guests) Subscribed(p Present, filters []string) {
	g.note(p, fmt.Sprint("s", p.ClientID, filters))
}

func (g *guests) Unsubscribed(p Present, filters []string) {
	g.note(p, fmt.Sprint("u", p.ClientID, filters))
}

func (g *guests) note(p Present, what string) {
	g.mu.Lock()
	defer g.mu.Unlock()
	g.said, g.last = append(g.said, what), p
}

// TestPresence: who came and went, and why.
func TestPresence(t *testing.T) {
	g := &guests{}
	runWith(t, Config{}, func(d *Deps) { d.Presence = g }, func(t *testing.T, r *rig) {
		in := connect(v5, "c", func(c *packet.Connect) { c.HasUsername, c.Username, c.KeepAlive = true, "ann", 60 })
		bye := []packet.Packet{&packet.Disconnect{}, &packet.Disconnect{Code: packet.DisconnectWithWill}, connect(v5, "c")}
		for _, last := range bye {
			p := r.dial(v5, false, nil).send(in, last)
			<-p.served
		}
		p := r.dial(v5, false, nil).send(in)
		p.want("CONNACK 00")
		want := Present{
			ClientID: "c", Username: "ann", Address: p.far.RemoteIP(), Transport: "tcp", Version: v5, CleanStart: true,
			KeepAlive: time.Minute, Epoch: 4, At: time.Now(),
		}
		if g.last != want {
			t.Errorf("got  %+v\nwant %+v", g.last, want)
		}
		_ = p.conn.Close()
		<-p.served
		q := r.dial(v5, false, nil).send(in)
		q.want("CONNACK 00")
		r.dial(v5, false, nil).send(in).want("CONNACK 00") // takes over
		<-q.served
		r.srv.Word(session.Word{Kind: "kick", ClientID: "c"})
		synctest.Wait()
		r.dial(packet.V31, false, nil).send(connect(packet.V31, "d"), &packet.Disconnect{})
		synctest.Wait()
		r.store.onAttach = func(session.AttachRequest) (error, error) { return errNoRoute, nil }
		r.dial(v5, false, nil).send(in)
		synctest.Wait()
	})
	if n := len(g.said); n != 14 {
		t.Errorf("%d words", n)
	}
	// A connection that was taken over may go before or after its successor came.
	var rest []string
	for _, w := range g.said {
		if w != "-c5 8e" && w != "+c6" {
			rest = append(rest, w)
		}
	}
	equal(t, "said", rest, []string{"+c1", "-c1 00", "+c2", "-c2 04", "+c3", "-c3 82", "+c4", "-c4 80", "+c5", "-c6 98", "+d7", "-d7 00"})
}

// TestPings: a WebSocket on which nothing moves is sent pings, and only that.
func TestPings(t *testing.T) {
	cfg := Config{PingAfter: 45 * time.Second}
	idle := func(r *rig, p *peer, d time.Duration) int32 {
		p.want("CONNACK 00")
		time.Sleep(d)
		synctest.Wait()
		return p.far.pings.Load()
	}
	run(t, cfg, func(t *testing.T, r *rig) {
		r.kind = "ws"
		p := r.dial(v5, false, nil).send(connect(v5, "c"))
		if n := idle(r, p, 40*time.Second); n != 0 {
			t.Errorf("%d pings in 40 s", n)
		}
		p.send(&packet.Pingreq{})
		time.Sleep(40 * time.Second)
		r.deliver.last().link.Send(pub(0, 0, "t", ""))
		time.Sleep(40 * time.Second)
		p.send(pub(0, 0, "t", "")) // nothing goes back
		time.Sleep(40 * time.Second)
		if n := p.far.pings.Load(); n != 0 {
			t.Errorf("%d pings of a busy client", n)
		}
		time.Sleep(5 * time.Minute)
		if n := p.far.pings.Load(); n < 6 || n > 7 {
			t.Errorf("%d pings in 340 s", n)
		}
		p.far.deads.Store(true)
		time.Sleep(time.Minute)
		<-p.served
		equal(t, "partings", r.store.parted(), []string{"c lost"})
	})
	run(t, cfg, func(t *testing.T, r *rig) {
		if n := idle(r, r.dial(v5, false, nil).send(connect(v5, "c")), time.Hour); n != 0 {
			t.Errorf("%d pings over TCP", n)
		}
	})
	run(t, Config{}, func(t *testing.T, r *rig) {
		r.kind = "ws"
		if n := idle(r, r.dial(v5, false, nil).send(connect(v5, "c")), time.Hour); n != 0 {
			t.Errorf("%d pings though they are off", n)
		}
	})
	run(t, cfg, func(t *testing.T, r *rig) { // pings are no packets of the client's
		r.kind = "ws"
		p := r.dial(v5, false, nil).send(connect(v5, "c", func(c *packet.Connect) { c.KeepAlive = 100 }))
		<-p.served
		p.want("CONNACK 00, DISCONNECT 8d, closed 8d")
		if n := p.far.pings.Load(); n != 3 {
			t.Errorf("%d pings", n)
		}
	})
}

// TestTold: who is told of subscriptions, and of messages of QoS 0 that are lost.
func TestTold(t *testing.T) {
	g := &guests{}
	var lost []string
	runWith(t, Config{}, func(d *Deps) {
		d.Presence = g
		d.Dropped = func(clientID, cause, topic string, n int) {
			lost = append(lost, fmt.Sprint(clientID, " ", cause, " ", topic, " ", n))
		}
	}, func(t *testing.T, r *rig) {
		p := r.dial(v5, false, nil).send(connect(v5, "c"))
		p.want("CONNACK 00")
		p.send(&packet.Subscribe{PacketID: 1, Filters: []packet.Subscription{{Filter: "a"}, {Filter: "b#"}, {Filter: "c/+", QoS: 1}}})
		synctest.Wait()
		p.send(&packet.Unsubscribe{PacketID: 2, Filters: []string{"a", "never"}})
		synctest.Wait()
		r.log.verdict = func(m *message.Message) (time.Duration, bool, error) {
			if m.Topic == "lost" {
				return 0, false, message.ErrUnavailable
			}
			return 0, true, nil
		}
		p.send(&packet.Publish{Topic: "lost"}, &packet.Publish{Topic: "kept"})
		synctest.Wait()
	})
	if want := []string{"+c1", "sc[a c/+]", "uc[a]"}; !slices.Equal(g.said[:3], want) {
		t.Errorf("%q", g.said)
	}
	if want := []string{"c not_stored lost 1"}; !slices.Equal(lost, want) {
		t.Errorf("%q", lost)
	}
}
