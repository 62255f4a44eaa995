package client

import (
	"context"
	"fmt"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"lmqgate/adapter/packet"
	"lmqgate/meta/message"
	"lmqgate/meta/session"
)

func willing5(c *packet.Connect) {
	c.Will = &packet.Will{
		Topic: "w/t", Payload: []byte("gone"), QoS: 1, Retain: true, Delay: 7,
		Properties: packet.Properties{ContentType: "x", HasExpiry: true, Expiry: 9},
	}
}

// TestWillKept: what the store is given of a will.
func TestWillKept(t *testing.T) {
	keys := 0
	deps := func(d *Deps) { d.NewKey = func() string { keys++; return fmt.Sprint("K", keys) } }
	runWith(t, Config{}, deps, func(t *testing.T, r *rig) {
		r.dial(v5, false, nil).send(connect(v5, "five", willing5)).want("CONNACK 00")
		r.dial(packet.V311, false, nil).send(connect(packet.V311, "four", func(c *packet.Connect) {
			c.Will = &packet.Will{Topic: "w", QoS: 2}
		})).want("CONNACK 00")
		r.dial(v5, false, nil).send(connect(v5, "none")).want("CONNACK 00")
		five, four := r.store.given["five"], r.store.given["four"]
		if five.Delay != 7*time.Second || five.Message.Key != "K1" || five.Message.Topic != "w/t" || string(five.Message.Payload) != "gone" ||
			five.Message.QoS != 1 || !five.Message.Retain || five.Message.Publisher != "five" ||
			five.Message.Properties.ContentType != "x" || five.Message.Properties.Expiry != 9 || five.Message.BornMillis != 0 {
			t.Errorf("5.0: %+v %+v", five, five.Message)
		}
		if four.Delay != 0 || four.Message.Key != "K2" || four.Message.Topic != "w" || four.Message.QoS != 2 || four.Message.Publisher != "" {
			t.Errorf("3.1.1: %+v %+v", four, four.Message)
		}
		if w, ok := r.store.given["none"]; w != nil || !ok {
			t.Errorf("no will: %+v", w)
		}
	})
}

// TestParting: what becomes of the will, for every way to end.
func TestParting(t *testing.T) {
	v4 := packet.V311
	say := func(p ...any) func(*rig, *peer) { return func(_ *rig, q *peer) { q.send(p...) } }
	for _, tt := range []struct {
		name string
		v    packet.Version
		end  func(*rig, *peer)
		want string
	}{
		{"DISCONNECT, 3.1", packet.V31, say(&packet.Disconnect{}), "clean"},
		{"DISCONNECT, 3.1.1", v4, say(&packet.Disconnect{}), "clean"},
		{"DISCONNECT", v5, say(&packet.Disconnect{}), "clean"},
		{"DISCONNECT with will", v5, say(&packet.Disconnect{Code: packet.DisconnectWithWill}), "lost"},
		{"DISCONNECT with an error", v5, say(&packet.Disconnect{Code: packet.UnspecifiedError}), "lost"},
		{"DISCONNECT of a server", v5, say(&packet.Disconnect{Code: packet.ServerBusy}), "lost"},
		{"DISCONNECT that is wrong", v5, say(&packet.Disconnect{HasSessionExpiry: true, SessionExpiry: 5}), "lost"},
		{"protocol error", v5, say(connect(v5, "c")), "lost"},
		{"malformed", v4, say([]byte{0xff, 0xff}), "lost"},
		{"broken stream", v4, func(_ *rig, q *peer) { _ = q.conn.Close() }, "lost"},
		{"half a packet", v5, func(_ *rig, q *peer) { q.send([]byte{0x30, 0x7f, 0x01}); synctest.Wait(); _ = q.conn.Close() }, "lost"},
		{"keep alive", v5, func(*rig, *peer) { time.Sleep(time.Hour) }, "lost"},
		{"kick", v5, func(r *rig, _ *peer) { r.srv.Word(session.Word{Kind: "kick", ClientID: "c"}) }, "lost"},
		{"refused by the log, 3.1.1", v4, say(pub(1, 1, "refused", "")), "lost"},
		{"log away", v5, say(pub(1, 1, "away", "")), "moved"},
		{"lease lapsed", v5, func(r *rig, _ *peer) { r.srv.Lapsed() }, "moved"},
		{"session cannot be written", v5, func(r *rig, _ *peer) { r.srv.all()[0].lost(session.ErrUnavailable) }, "moved"},
		{"drain", v5, func(r *rig, _ *peer) { r.stop() }, "moved"},
		{"age", v5, func(*rig, *peer) { time.Sleep(31 * time.Second) }, "moved"},
		{"unsubscribing fails, 3.1.1", v4, say(unsubscribe(1, "fail")), "moved"},
		{"cut off, then DISCONNECT", v5, func(r *rig, q *peer) { // read by the server when it was closing already
			c := r.srv.all()[0]
			c.ending.begin(packet.ServerBusy)
			q.send(&packet.Disconnect{})
			synctest.Wait()
			c.out.finish(packet.ServerBusy, nil)
		}, "clean"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			cfg := Config{}
			if tt.name == "age" {
				cfg.MaxAge = 30 * time.Second
			}
			run(t, cfg, func(t *testing.T, r *rig) {
				r.log.verdict = func(m *message.Message) (time.Duration, bool, error) {
					return 0, false, map[string]error{"refused": message.ErrRefused, "away": message.ErrUnavailable}[m.Topic]
				}
				q := r.dial(tt.v, false, nil).send(connect(tt.v, "c", func(c *packet.Connect) { c.KeepAlive = 60 }))
				q.want("CONNACK 00")
				tt.end(r, q)
				<-q.served
				equal(t, "partings", r.store.parted(), []string{"c " + tt.want})
			})
		})
	}
}

// TestWillOfTheRefused: a connection that gets no CONNACK has no will.
func TestWillOfTheRefused(t *testing.T) {
	run(t, Config{}, func(t *testing.T, r *rig) {
		r.store.wills = []session.DueWill{{Message: &message.Message{Key: "old"}}}
		q := r.dial(v5, false, nil).send(connect(v5, "c", willing5, func(c *packet.Connect) { c.Properties.MaximumPacketSize = 4 }))
		q.want("closed 95")
		equal(t, "partings", r.store.parted(), []string{"c clean"})
		equal(t, "published", r.store.due, []string{"old"}) // one of an earlier connection
	})
	run(t, Config{}, func(t *testing.T, r *rig) { // it asked for an instance that was going: another one may have it
		r.store.onAttach = func(session.AttachRequest) (error, error) { time.Sleep(time.Second); return nil, nil }
		q := r.dial(v5, false, nil).send(connect(v5, "c", willing5))
		synctest.Wait()
		go r.stop()
		<-q.served
		q.want("closed 8b")
		equal(t, "partings", r.store.parted(), []string{"c moved"})
		r.stop()
	})
	run(t, Config{}, func(t *testing.T, r *rig) {
		r.store.onAttach = func(session.AttachRequest) (error, error) { return session.ErrWills, nil }
		r.dial(v5, false, nil).send(connect(v5, "c", willing5)).want("CONNACK 97, closed 97")
		if n := len(r.srv.undone.some()); n > 0 {
			t.Errorf("%d left over", n)
		}
	})
}

// TestWillsHandedOn: those that Attach and Detach return are published, by Attach's before the client can say more.
func TestWillsHandedOn(t *testing.T) {
	due := func(key string) []session.DueWill { return []session.DueWill{{Message: &message.Message{Key: key}}} }
	run(t, Config{}, func(t *testing.T, r *rig) {
		r.store.wills = due("a")
		q := r.dial(v5, false, nil).send(connect(v5, "c"))
		q.want("CONNACK 00")
		equal(t, "published", r.store.due, []string{"a"})
		r.store.wills = due("b")
		_ = q.conn.Close()
		<-q.served
		equal(t, "published", r.store.due, []string{"a", "b"})
	})
	runWith(t, Config{}, func(d *Deps) { d.Wills = nil }, func(t *testing.T, r *rig) {
		r.store.wills = due("a")
		r.dial(v5, false, nil).send(connect(v5, "c")).want("CONNACK 00")
	})
}

// TestUndoneKeepsParting: what could not be released is released as it parted, and its wills are handed on.
func TestUndoneKeepsParting(t *testing.T) {
	run(t, Config{}, func(t *testing.T, r *rig) {
		var back atomic.Bool
		r.store.onDetach = func(string) error {
			if !back.Load() {
				return errNoRoute
			}
			return nil
		}
		for id, last := range map[string]packet.Packet{"bye": &packet.Disconnect{}, "will": &packet.Disconnect{Code: packet.DisconnectWithWill}} {
			q := r.dial(v5, false, nil).send(connect(v5, id), last)
			<-q.served
		}
		r.store.mu.Lock()
		r.store.wills = []session.DueWill{{Message: &message.Message{Key: "late"}}}
		r.store.mu.Unlock()
		back.Store(true)
		time.Sleep(3 * time.Second)
		synctest.Wait()
		got := map[string]bool{}
		for _, p := range r.store.parted() {
			got[p] = true
		}
		if len(got) != 2 || !got["bye clean"] || !got["will lost"] {
			t.Errorf("partings %v", got)
		}
		equal(t, "published", r.store.due, []string{"late"})
	})
	run(t, Config{}, func(t *testing.T, r *rig) { // Attach carried out, its answer lost: not accepted, so no will
		r.store.onAttach = func(session.AttachRequest) (error, error) { return nil, context.DeadlineExceeded }
		r.dial(v5, false, nil).send(connect(v5, "c", willing5)).want("CONNACK 88, closed 88")
		time.Sleep(10 * time.Second)
		equal(t, "partings", r.store.parted(), []string{"c clean"})
	})
}

// TestPartingIsKnown: a close from elsewhere is seen with its reason by the reading goroutine, however they interleave.
func TestPartingIsKnown(t *testing.T) {
	for range 200 {
		run(t, Config{}, func(t *testing.T, r *rig) {
			q := r.dial(packet.V311, false, nil).send(connect(packet.V311, "c"))
			q.want("CONNACK 00")
			for range 20 {
				q.send(&packet.Pingreq{})
			}
			r.srv.all()[0].Close(packet.ServerShuttingDown)
			<-q.served
			equal(t, "partings", r.store.parted(), []string{"c moved"})
		})
	}
}

// TestGoodbyeFirst: what DISCONNECT ends has ended before the stream is closed, and before another connection of the client
// id is served, also where the store is slow. A connection that says nothing is not waited for.
func TestGoodbyeFirst(t *testing.T) {
	slow := func(r *rig) {
		r.store.onDetach = func(string) error { time.Sleep(2 * time.Second); return nil }
	}
	run(t, Config{}, func(t *testing.T, r *rig) {
		slow(r)
		p := r.dial(v5, false, nil).send(connect(v5, "c"))
		p.want("CONNACK 00")
		d := r.deliver.last()
		p.send(&packet.Disconnect{}).want("")
		d.link.Send(&packet.Pingresp{})
		if !d.link.Full() {
			t.Error("takes more")
		}
		q := r.dial(v5, false, nil).send(connect(v5, "c", lasting))
		q.want("")
		time.Sleep(2 * time.Second)
		p.want("closed 00")
		equal(t, "partings", r.store.parted(), []string{"c clean"})
		q.want("CONNACK 00")
		_ = q.conn.Close()
		synctest.Wait()
		r.dial(v5, false, nil).send(connect(v5, "c", lasting)).want("CONNACK 00 present")
	})
	run(t, Config{Redis: time.Second}, func(t *testing.T, r *rig) { // but not for ever
		slow(r)
		r.dial(v5, false, nil).send(connect(v5, "c"), &packet.Disconnect{})
		synctest.Wait()
		q := r.dial(v5, false, nil).send(connect(v5, "c"))
		time.Sleep(time.Second)
		q.want("CONNACK 88, closed 88")
	})
}
