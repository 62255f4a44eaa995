package client

import (
	"context"
	"fmt"
	"testing"
	"testing/synctest"
	"time"

	"lmqgate/adapter/packet"
	"lmqgate/meta/message"
	"lmqgate/meta/session"
)

// goodbye is how a client sees the end.
func goodbye(v packet.Version, code packet.ReasonCode) string {
	if v == v5 {
		return fmt.Sprintf("DISCONNECT %02x, closed %02[1]x", byte(code))
	}
	return fmt.Sprintf("closed %02x", byte(code))
}

// later returns a Detach that takes d.
func later(d time.Duration) func(string) error {
	return func(string) error { time.Sleep(d); return nil }
}

// drained drains the rig's server meanwhile; the channel is closed at the end.
func drained(r *rig) chan struct{} {
	done := make(chan struct{})
	go func() { r.stop(); close(done) }()
	return done
}

// TestMoved: a client that is sent elsewhere is told when its session is released, and nothing is delivered in between.
func TestMoved(t *testing.T) {
	for _, tt := range []struct {
		v    packet.Version
		code packet.ReasonCode
	}{{v5, packet.ServerShuttingDown}, {packet.V311, packet.ServerShuttingDown}, {v5, packet.UseAnotherServer}, {packet.V311, packet.UseAnotherServer}} {
		run(t, Config{MaxAge: time.Hour}, func(t *testing.T, r *rig) {
			r.store.onDetach = later(time.Second)
			p := r.dial(tt.v, false, nil).send(connect(tt.v, "c", lasting, func(c *packet.Connect) { c.KeepAlive = 1 }))
			p.want("CONNACK 00")
			c, d := r.srv.all()[0], r.deliver.last()
			if tt.code == packet.ServerShuttingDown {
				drained(r)
			} else {
				r.srv.mu.Lock()
				c.retire = 1
				r.srv.mu.Unlock()
				time.Sleep(time.Second)
			}
			synctest.Wait()
			d.link.Send(pub(0, 0, "t", "before"))
			p.want("PUBLISH t before")
			time.Sleep(lastCall)
			synctest.Wait()
			d.link.Send(pub(0, 0, "t", "after"))
			time.Sleep(900 * time.Millisecond) // the keep alive is over
			p.want("")
			if r.srv.Len() != 1 {
				t.Error("forgotten before its session is released")
			}
			time.Sleep(200 * time.Millisecond)
			p.want(goodbye(tt.v, tt.code))
			equal(t, "partings", r.store.parted(), []string{"c moved"})
			<-p.served
		})
	}
}

// TestMovedStore: a store that hangs does not keep the goodbye for long.
func TestMovedStore(t *testing.T) {
	for _, v := range []packet.Version{packet.V311, v5} {
		run(t, Config{}, func(t *testing.T, r *rig) {
			r.store.onDetach = later(4 * time.Second)
			p := r.dial(v, false, nil).send(connect(v, "c"))
			p.want("CONNACK 00")
			done := drained(r)
			time.Sleep(moveTime - time.Millisecond)
			p.want("")
			time.Sleep(2 * time.Millisecond)
			p.want(goodbye(v, packet.ServerShuttingDown))
			<-done
			equal(t, "partings", r.store.parted(), []string{"c moved"})
		})
	}
}

// TestMovedMeanwhile: what else may happen to a client that is sent elsewhere, at the time that it may still speak and
// while its session is being released.
func TestMovedMeanwhile(t *testing.T) {
	for _, tt := range []struct {
		name        string
		do          func(*rig, *peer)
		early, late string // what the client gets from then on
		part        string // how it parts if it was early
	}{
		{
			"DISCONNECT", func(_ *rig, p *peer) { p.send(pub(1, 1, "t", "last"), &packet.Disconnect{}) },
			"PUBACK 1, closed 00", "DISCONNECT 8b, closed 8b", "clean",
		},
		{"DISCONNECT with will", func(_ *rig, p *peer) { p.send(&packet.Disconnect{Code: packet.DisconnectWithWill}) }, "closed 00", "DISCONNECT 8b, closed 8b", "lost"},
		{"end of the stream", func(_ *rig, p *peer) { _ = p.conn.Close() }, "closed 00", "closed 8b", "moved"},
		{"half a packet", func(_ *rig, p *peer) { p.send([]byte{0x30, 0x7f, 0xe0, 0x00}) }, "DISCONNECT 8b, closed 8b", "DISCONNECT 8b, closed 8b", "moved"},
		{"a fault", func(_ *rig, p *peer) { p.send([]byte{0xff}) }, "DISCONNECT 81, closed 81", "DISCONNECT 8b, closed 8b", "lost"},
		{
			"taken over elsewhere", func(r *rig, _ *peer) { r.srv.Word(session.Word{Kind: "lost", ClientID: "c", Epoch: 1}) },
			"DISCONNECT 8e, closed 8e", "DISCONNECT 8e, closed 8e", "lost",
		},
		{"lapsed", func(r *rig, _ *peer) { r.srv.Lapsed() }, "DISCONNECT 89, closed 89", "DISCONNECT 89, closed 89", "moved"},
	} {
		for _, early := range []bool{true, false} {
			t.Run(fmt.Sprint(tt.name, early), func(t *testing.T) {
				run(t, Config{}, func(t *testing.T, r *rig) {
					r.store.onDetach = later(time.Second)
					p := r.dial(v5, false, nil).send(connect(v5, "c"))
					p.want("CONNACK 00")
					done := drained(r)
					synctest.Wait()
					want, part := tt.early, tt.part
					if !early {
						time.Sleep(500 * time.Millisecond)
						want, part = tt.late, "moved"
					}
					tt.do(r, p)
					<-done
					p.want(want)
					equal(t, "partings", r.store.parted(), []string{"c " + part})
				})
			})
		}
	}
}

// TestMovedTakenOver: a connection that takes over here while the session is being released.
func TestMovedTakenOver(t *testing.T) {
	run(t, Config{MaxAge: time.Hour}, func(t *testing.T, r *rig) {
		r.store.onDetach = later(time.Second)
		p := r.dial(v5, false, nil).send(connect(v5, "c", lasting))
		p.want("CONNACK 00")
		r.srv.all()[0].move(packet.UseAnotherServer, "")
		time.Sleep(500 * time.Millisecond)
		q := r.dial(v5, false, nil).send(connect(v5, "c", lasting))
		q.want("CONNACK 00 present")
		p.want("DISCONNECT 8e, closed 8e")
		<-p.served
		if o := r.store.owner("c"); o != "i1" || r.srv.Len() != 1 {
			t.Errorf("owner %q, %d clients", o, r.srv.Len())
		}
	})
}

// TestMovedSettles: PUBLISHes that were taken are acknowledged before the goodbye, SUBSCRIBE too, if that comes in time.
func TestMovedSettles(t *testing.T) {
	for _, took := range []time.Duration{time.Second, time.Hour} {
		run(t, Config{}, func(t *testing.T, r *rig) {
			r.log.verdict = func(m *message.Message) (time.Duration, bool, error) {
				return took + time.Duration(m.QoS)*time.Millisecond, true, nil
			}
			p := r.dial(v5, false, nil).send(connect(v5, "c", lasting), pub(1, 1, "a", ""), pub(2, 2, "b", ""), pub(0, 0, "c", ""))
			p.want("CONNACK 00")
			done := drained(r)
			if took > time.Minute {
				time.Sleep(moveTime + time.Millisecond)
				p.want("DISCONNECT 8b, closed 8b")
			} else {
				<-done
				p.want("PUBACK 1, PUBREC 2, DISCONNECT 8b, closed 8b")
			}
			equal(t, "received", r.store.received("c"), []uint16{2})
		})
	}
	run(t, Config{}, func(t *testing.T, r *rig) {
		r.deliver.onSub = func(ctx context.Context) packet.ReasonCode {
			select {
			case <-ctx.Done():
				return packet.UnspecifiedError
			case <-time.After(time.Second):
				return 0
			}
		}
		quick := r.dial(v5, false, nil).send(connect(v5, "quick"), subscribe(1, "a"))
		slow := r.dial(v5, false, nil).send(connect(v5, "slow"), subscribe(1, "a", "b", "c"))
		quick.want("CONNACK 00")
		slow.want("CONNACK 00")
		<-drained(r)
		quick.want("SUBACK 1 01, DISCONNECT 8b, closed 8b")
		slow.want("DISCONNECT 8b, closed 8b")
	})
}

// TestMovedArrival: a client that is being accepted is sent away when its session is released.
func TestMovedArrival(t *testing.T) {
	run(t, Config{}, func(t *testing.T, r *rig) {
		r.store.onAttach = func(session.AttachRequest) (error, error) { time.Sleep(time.Second); return nil, nil }
		r.store.onDetach = later(500 * time.Millisecond)
		p := r.dial(v5, false, nil).send(connect(v5, "c", willing5))
		synctest.Wait()
		done := drained(r)
		time.Sleep(1400 * time.Millisecond)
		p.want("")
		<-done
		p.want("closed 8b")
		equal(t, "partings", r.store.parted(), []string{"c moved"})
	})
}

// TestMovedCrowd: 1,000 clients with a store that takes its time are gone within the time of a drain.
func TestMovedCrowd(t *testing.T) {
	const n = 1000
	run(t, Config{}, func(t *testing.T, r *rig) {
		r.store.onDetach = later(time.Second)
		peers := make([]*peer, n)
		for i := range peers {
			peers[i] = r.dial(v5, false, nil).send(connect(v5, fmt.Sprint("c", i), willing5))
		}
		synctest.Wait()
		ctx, cancel := context.WithTimeout(t.Context(), 8*time.Second)
		defer cancel()
		if err := r.srv.Drain(ctx, packet.ServerShuttingDown, 4800*time.Millisecond); err != nil {
			t.Error(err)
		}
		for _, p := range peers {
			p.want("CONNACK 00, DISCONNECT 8b, closed 8b")
		}
		for _, how := range r.store.parting {
			if how != "moved" {
				t.Fatalf("parted: %s", how)
			}
		}
	})
}

// TestGivenUp: a client that cannot be served any more is told when its session is released too, so that its will does not
// become due when it connects elsewhere at once; nothing of it is handled meanwhile.
func TestGivenUp(t *testing.T) {
	for name, do := range map[string]func(*rig, *peer){
		"a publish fails": func(r *rig, p *peer) {
			r.log.verdict = func(*message.Message) (time.Duration, bool, error) { return 0, false, message.ErrUnavailable }
			p.send(pub(1, 1, "t", ""))
		},
		"lapsed":           func(r *rig, _ *peer) { r.srv.Lapsed() },
		"lease is over":    func(r *rig, p *peer) { r.lease.lapsed.Store(true); p.send(&packet.Pingreq{}) },
		"session unstored": func(r *rig, _ *peer) { r.srv.all()[0].lost(session.ErrUnavailable) },
	} {
		t.Run(name, func(t *testing.T) {
			run(t, Config{}, func(t *testing.T, r *rig) {
				r.store.onDetach = later(time.Second)
				p := r.dial(v5, false, nil).send(connect(v5, "c", lasting))
				p.want("CONNACK 00")
				do(r, p)
				synctest.Wait()
				p.send(&packet.Pingreq{}, pub(1, 2, "t", ""))
				r.deliver.last().link.Send(pub(0, 0, "t", "dropped"))
				time.Sleep(990 * time.Millisecond)
				p.want("")
				time.Sleep(20 * time.Millisecond)
				p.want("DISCONNECT 89, closed 89")
				equal(t, "partings", r.store.parted(), []string{"c moved"})
			})
		})
	}
}

// TestMovedSlowly: while the store is only slow, nobody is told before the session is released; to a store that has stopped
// to answer, nobody is bound for long.
func TestMovedSlowly(t *testing.T) {
	for _, tt := range []struct {
		stops time.Duration // when the store does not answer any more
		want  time.Duration // when the last client is told
	}{{time.Hour, 5 * time.Second}, {1200 * time.Millisecond, moveTime + moveTime/4}} {
		run(t, Config{}, func(t *testing.T, r *rig) {
			e := newEnds()
			r.crowd(10, e)
			turn := make(chan struct{}, 1)
			began := time.Now()
			r.store.onDetach = func(string) error { // one after the other
				turn <- struct{}{}
				defer func() { <-turn }()
				time.Sleep(500 * time.Millisecond)
				if time.Since(began) > tt.stops {
					time.Sleep(5 * time.Second)
				}
				return nil
			}
			for _, c := range r.srv.all() {
				c.move(packet.UseAnotherServer, "")
			}
			time.Sleep(8 * time.Second)
			synctest.Wait()
			if len(e.at) != 10 {
				t.Fatalf("%d were told", len(e.at))
			}
			if last := e.at[9]; last < tt.want || last > tt.want+time.Second {
				t.Errorf("the last was told after %v", last)
			}
			time.Sleep(time.Hour)
		})
	}
}
