package client

import (
	"context"
	"errors"
	"fmt"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"lmqgate/adapter/packet"
	"lmqgate/meta/session"
)

const v5 = packet.V5

// TestTakeoverHere: the newer connection gets the session, the older one 0x8E, and the store ends without an owner.
func TestTakeoverHere(t *testing.T) {
	run(t, Config{}, func(t *testing.T, r *rig) {
		a := r.dial(v5, false, nil).send(connect(v5, "c", lasting))
		a.want("CONNACK 00")
		b := r.dial(v5, false, nil).send(connect(v5, "c", lasting))
		b.want("CONNACK 00 present")
		a.want("DISCONNECT 8e, closed 8e")
		if n := r.srv.Len(); n != 1 {
			t.Errorf("%d clients", n)
		}
		if o := r.store.owner("c"); o != "i1" {
			t.Errorf("owner %q while one is connected", o)
		}
		b.send(&packet.Disconnect{})
		time.Sleep(10 * time.Millisecond)
		b.want("closed 00")
		if o := r.store.owner("c"); o != "" {
			t.Errorf("owner %q at the end", o)
		}
	})
}

// TestTwoAtOnce: of many CONNECTs of one client id at the same moment, on a store that takes its time and serves them in
// any order, one stays and owns the session.
func TestTwoAtOnce(t *testing.T) {
	run(t, Config{}, func(t *testing.T, r *rig) {
		n := 0
		r.store.onAttach = func(session.AttachRequest) (error, error) {
			n++
			time.Sleep(time.Duration(10-n) * 10 * time.Millisecond) // those that come later are faster
			return nil, nil
		}
		var peers []*peer
		for range 8 {
			peers = append(peers, r.dial(v5, false, nil).send(connect(v5, "c", lasting)))
		}
		time.Sleep(5 * time.Second)
		open := 0
		for _, p := range peers {
			switch got := p.take(); got {
			case "CONNACK 00", "CONNACK 00 present":
				open++
				p.send(pub(2, 1, "t", "x"))
				time.Sleep(time.Second)
				p.want("PUBREC 1") // it really owns the session
			case "CONNACK 00, DISCONNECT 8e, closed 8e", "CONNACK 00 present, DISCONNECT 8e, closed 8e":
			default:
				t.Errorf("got %q", got)
			}
		}
		if open != 1 || r.srv.Len() != 1 {
			t.Errorf("%d connections, %d clients", open, r.srv.Len())
		}
	})
}

// TestAttachFails: the connection that holds the session goes on when a takeover fails.
func TestAttachFails(t *testing.T) {
	run(t, Config{}, func(t *testing.T, r *rig) {
		a := r.dial(v5, false, nil).send(connect(v5, "c", lasting))
		a.want("CONNACK 00")
		r.store.onAttach = func(session.AttachRequest) (error, error) { return errNoRoute, nil }
		r.dial(v5, false, nil).send(connect(v5, "c", lasting)).want("CONNACK 88, closed 88")
		a.send(pub(2, 1, "t", "x"))
		time.Sleep(10 * time.Millisecond)
		a.want("PUBREC 1")
		if r.srv.Len() != 1 {
			t.Errorf("%d clients", r.srv.Len())
		}
	})
}

// TestAttachUnanswered: a session attached without our knowing is released all the same, unless its client has come.
func TestAttachUnanswered(t *testing.T) {
	for _, back := range []bool{false, true} {
		t.Run(fmt.Sprint(back), func(t *testing.T) {
			run(t, Config{}, func(t *testing.T, r *rig) {
				fail := true
				r.store.onAttach = func(session.AttachRequest) (before, after error) {
					if fail {
						return nil, context.DeadlineExceeded
					}
					return nil, nil
				}
				r.dial(v5, false, nil).send(connect(v5, "c", lasting)).want("CONNACK 88, closed 88")
				if o := r.store.owner("c"); o != "i1" {
					t.Fatalf("owner %q: nothing to test", o)
				}
				fail = false
				if back {
					r.dial(v5, false, nil).send(connect(v5, "c", lasting)).want("CONNACK 00 present")
				}
				time.Sleep(10 * time.Second)
				synctest.Wait()
				if o := r.store.owner("c"); (o == "i1") != back {
					t.Errorf("owner %q, client is back: %v", o, back)
				}
				if n := len(r.srv.undone.some()); n > 0 {
					t.Errorf("%d are looked at for ever", n)
				}
			})
		})
	}
}

// TestReleaseFails: a session whose release failed is released later, without the instance's end.
func TestReleaseFails(t *testing.T) {
	run(t, Config{}, func(t *testing.T, r *rig) {
		var back atomic.Bool
		r.store.onDetach = func(string) error {
			if !back.Load() {
				return errNoRoute
			}
			return nil
		}
		for i := range 3 {
			p := r.dial(v5, false, nil).send(connect(v5, fmt.Sprint("c", i)))
			p.want("CONNACK 00")
			p.send(&packet.Disconnect{}).want("closed 00")
		}
		again := r.dial(v5, false, nil).send(connect(v5, "c1")) // its earlier connection's failure is not its own
		again.want("CONNACK 00")
		time.Sleep(5 * time.Second)
		back.Store(true)
		time.Sleep(5 * time.Second)
		synctest.Wait()
		for i, want := range []string{"", "i1", ""} {
			if o := r.store.owner(fmt.Sprint("c", i)); o != want {
				t.Errorf("c%d is owned by %q", i, o)
			}
		}
	})
}

// TestWordBeforeAttached: a takeover elsewhere whose word overtakes the answer of the store.
func TestWordBeforeAttached(t *testing.T) {
	run(t, Config{}, func(t *testing.T, r *rig) {
		r.store.onAttach = func(session.AttachRequest) (error, error) {
			r.srv.Word(session.Word{Kind: "lost", ClientID: "c", Epoch: 1}) // this one's epoch
			return nil, nil
		}
		p := r.dial(v5, false, nil).send(connect(v5, "c"))
		p.want("CONNACK 00, DISCONNECT 8e, closed 8e")
		if n := r.srv.Len(); n != 0 {
			t.Errorf("%d clients", n)
		}
	})
}

// TestWordOfOlderEpoch: a word about an earlier connection does not harm the one that came back.
func TestWordOfOlderEpoch(t *testing.T) {
	run(t, Config{}, func(t *testing.T, r *rig) {
		r.dial(v5, false, nil).send(connect(v5, "c")).want("CONNACK 00")
		p := r.dial(v5, false, nil).send(connect(v5, "c"))
		p.want("CONNACK 00")
		r.srv.Word(session.Word{Kind: "lost", ClientID: "c", Epoch: 1})
		r.srv.Word(session.Word{Kind: "lost", ClientID: "other", Epoch: 9})
		p.send(&packet.Pingreq{}).want("PINGRESP")
		r.srv.Word(session.Word{Kind: "lost", ClientID: "c", Epoch: 2})
		p.want("DISCONNECT 8e, closed 8e")
	})
}

func TestKick(t *testing.T) {
	run(t, Config{}, func(t *testing.T, r *rig) {
		p := r.dial(v5, false, nil).send(connect(v5, "c"))
		p.want("CONNACK 00")
		r.srv.Word(session.Word{Kind: "kick", ClientID: "c"})
		p.want("DISCONNECT 98, closed 98")
	})
}

// TestCloseWhileAttaching: whatever closes a connection that is being attached, nothing stays owned and no CONNACK with
// success is followed by silence.
func TestCloseWhileAttaching(t *testing.T) {
	for name, end := range map[string]func(r *rig){
		"kicked":   func(r *rig) { r.srv.Word(session.Word{Kind: "kick", ClientID: "c"}) },
		"draining": func(r *rig) { go r.stop() },
		"lapsed":   func(r *rig) { r.lease.lapsed.Store(true); time.Sleep(2 * time.Second) },
	} {
		t.Run(name, func(t *testing.T) {
			run(t, Config{}, func(t *testing.T, r *rig) {
				reached, goOn := make(chan struct{}), make(chan struct{})
				r.store.onAttach = func(session.AttachRequest) (error, error) { close(reached); <-goOn; return nil, nil }
				p := r.dial(v5, false, nil).send(connect(v5, "c", lasting))
				<-reached
				end(r)
				synctest.Wait()
				close(goOn)
				time.Sleep(time.Second)
				synctest.Wait()
				if o := r.store.owner("c"); o != "" {
					t.Errorf("owner %q", o)
				}
				<-p.served
				r.lease.lapsed.Store(false)
			})
		})
	}
}

// TestLost: the committer's word ends the connection; fencing is a takeover.
func TestLost(t *testing.T) {
	run(t, Config{}, func(t *testing.T, r *rig) {
		p := r.dial(v5, false, nil).send(connect(v5, "c", lasting))
		p.want("CONNACK 00")
		r.store.mu.Lock()
		r.store.sessions["c"].epoch = 99 // somebody else, and the word got lost
		r.store.mu.Unlock()
		p.send(pub(2, 1, "t", "x"))
		time.Sleep(10 * time.Millisecond)
		p.want("DISCONNECT 8e, closed 8e")
		if n := len(r.log.stored()); n != 0 {
			t.Errorf("%d messages of a session that was lost", n)
		}
	})
}

// TestCleanSessionEnds: filters of a session that ends are given back and the session is settled; those of a discarded
// one are given back by its successor.
func TestCleanSessionEnds(t *testing.T) {
	run(t, Config{}, func(t *testing.T, r *rig) {
		p := r.dial(v5, false, nil).send(connect(v5, "c"))
		p.want("CONNACK 00")
		r.store.mu.Lock()
		r.store.sessions["c"].subs = []session.Subscription{{Filter: "a", HoldEpoch: 1, HoldSeq: 2}}
		r.store.mu.Unlock()
		q := r.dial(v5, false, nil).send(connect(v5, "c"))
		q.want("CONNACK 00")
		r.store.mu.Lock()
		if n := len(r.store.released); n != 1 || r.store.released[0].Filter != "a" || r.store.released[0].Seq != 2 {
			t.Errorf("released %v", r.store.released)
		}
		r.store.sessions["c"].subs = []session.Subscription{{Filter: "b"}}
		r.store.mu.Unlock()
		q.send(&packet.Disconnect{}).want("closed 00")
		r.store.mu.Lock()
		defer r.store.mu.Unlock()
		if n := len(r.store.released); n != 2 || r.store.released[1].Filter != "b" {
			t.Errorf("released %v", r.store.released)
		}
		equal(t, "settled", r.store.settled, []string{"c"})
	})
}

// TestExpiryAtDisconnect: a session expiry interval given at DISCONNECT is written, bounded.
func TestExpiryAtDisconnect(t *testing.T) {
	for _, tt := range []struct{ seconds, want int }{{10, 10}, {1 << 30, 7200}, {0, -1}} {
		run(t, Config{SessionExpiryMax: 2 * time.Hour}, func(t *testing.T, r *rig) {
			p := r.dial(v5, false, nil).send(connect(v5, "c", lasting))
			p.want("CONNACK 00")
			p.send(&packet.Disconnect{HasSessionExpiry: true, SessionExpiry: uint32(tt.seconds)})
			time.Sleep(time.Second)
			p.want("closed 00")
			r.store.mu.Lock()
			defer r.store.mu.Unlock()
			s := r.store.sessions["c"]
			switch {
			case tt.want < 0 && s != nil:
				t.Errorf("session is kept with expiry %v", s.expiry)
			case tt.want >= 0 && (s == nil || s.expiry != time.Duration(tt.want)*time.Second):
				t.Errorf("session %+v, want %d s", s, tt.want)
			}
		})
	}
}

// TestPrevious: the previous owner elsewhere is told of the epoch that it lost.
func TestPrevious(t *testing.T) {
	run(t, Config{}, func(t *testing.T, r *rig) {
		var told []string
		r.store.words = func(instance string, w session.Word) {
			told = append(told, fmt.Sprint(instance, w.Kind, w.ClientID, w.Epoch))
		}
		_, err := r.store.Attach(t.Context(), session.AttachRequest{ClientID: "c", Instance: "i2", Expiry: time.Hour})
		if err != nil {
			t.Fatal(err)
		}
		r.dial(v5, false, nil).send(connect(v5, "c", lasting)).want("CONNACK 00 present")
		equal(t, "told", told, []string{"i2lostc1"})
	})
}

// TestKeepAlive: silence ends a connection at 1.5 times the keep alive, 5.0 clients are held to the server's, 0 is off,
// and a client that we let wait is not silent.
func TestKeepAlive(t *testing.T) {
	alive := func(s uint16) func(*packet.Connect) { return func(c *packet.Connect) { c.KeepAlive = s } }
	for _, tt := range []struct {
		v     packet.Version
		alive uint16
		at    time.Duration // still there then, gone 2 s later; 0 = never gone
	}{
		{packet.V311, 10, 15 * time.Second},
		{v5, 10, 15 * time.Second},
		{v5, 1000, 150 * time.Second},
		{packet.V311, 1000, 1500 * time.Second},
		{packet.V311, 0, 0},
		{v5, 0, 0},
	} {
		run(t, Config{KeepAliveMax: 100 * time.Second}, func(t *testing.T, r *rig) {
			p := r.dial(tt.v, false, nil).send(connect(tt.v, "c", alive(tt.alive)))
			p.want("CONNACK 00")
			if tt.at == 0 {
				time.Sleep(24 * time.Hour)
				p.send(&packet.Pingreq{}).want("PINGRESP")
				return
			}
			time.Sleep(tt.at - 10*time.Millisecond)
			p.want("")
			time.Sleep(2 * time.Second)
			p.want(map[packet.Version]string{v5: "DISCONNECT 8d, closed 8d", packet.V311: "closed 8d"}[tt.v])
		})
	}
	run(t, Config{}, func(t *testing.T, r *rig) {
		goOn := make(chan struct{})
		r.deliver.onSub = func(context.Context) packet.ReasonCode { <-goOn; return 0 }
		p := r.dial(v5, false, nil).send(connect(v5, "c", alive(5)), subscribe(1, "a"), &packet.Pingreq{})
		time.Sleep(time.Minute)
		p.want("CONNACK 00")
		close(goOn)
		p.want("SUBACK 1 01, PINGRESP")
	})
}

// TestLeaseLapses: a packet that comes while the heartbeat has lapsed is not handled, and within a second everything is
// closed.
func TestLeaseLapses(t *testing.T) {
	run(t, Config{}, func(t *testing.T, r *rig) {
		a := r.dial(v5, false, nil).send(connect(v5, "a"))
		b := r.dial(packet.V311, false, nil).send(connect(packet.V311, "b"))
		a.want("CONNACK 00")
		b.want("CONNACK 00")
		r.lease.lapsed.Store(true)
		a.send(pub(1, 1, "t", "x")).want("DISCONNECT 89, closed 89")
		if n := len(r.log.stored()); n != 0 {
			t.Error("published without a lease")
		}
		b.want("")
		time.Sleep(1100 * time.Millisecond)
		b.want("closed 89")
		r.lease.lapsed.Store(false)
	})
}

// TestAge: connections are asked to go between 9/10 of the age and all of it.
func TestAge(t *testing.T) {
	run(t, Config{MaxAge: 100 * time.Second}, func(t *testing.T, r *rig) {
		p := r.dial(v5, false, nil).send(connect(v5, "c"))
		time.Sleep(89 * time.Second)
		p.want("CONNACK 00")
		time.Sleep(13 * time.Second)
		p.want("DISCONNECT 9c, closed 9c")
	})
}

// TestDrain: everybody gets 0x8B within the time, one after the other, sessions are released, connections without
// CONNECT hold nothing up, and nothing is left running.
func TestDrain(t *testing.T) {
	run(t, Config{}, func(t *testing.T, r *rig) {
		idle := r.dial(v5, false, nil)
		var peers []*peer
		for i := range 200 {
			peers = append(peers, r.dial(v5, false, nil).send(connect(v5, fmt.Sprint("c", i), lasting)))
		}
		synctest.Wait()
		ctx, cancel := context.WithTimeout(t.Context(), 8*time.Second)
		defer cancel()
		start := time.Now()
		if err := r.srv.Drain(ctx, packet.ServerShuttingDown, 5*time.Second); err != nil {
			t.Error(err)
		}
		if took := time.Since(start); took > 1200*time.Millisecond || took < 900*time.Millisecond {
			t.Errorf("200 clients took %v", took)
		}
		for i, p := range peers {
			p.want("CONNACK 00, DISCONNECT 8b, closed 8b")
			if o := r.store.owner(fmt.Sprint("c", i)); o != "" {
				t.Errorf("c%d is owned by %q", i, o)
			}
		}
		_ = idle.conn.Close()
	})
}

// TestDrainDeadline: with a store that does not answer Drain ends when its time does, and everybody was told.
func TestDrainDeadline(t *testing.T) {
	run(t, Config{}, func(t *testing.T, r *rig) {
		r.store.onDetach = func(string) error { time.Sleep(4 * time.Second); return errNoRoute }
		var peers []*peer
		for i := range 50 {
			peers = append(peers, r.dial(v5, false, nil).send(connect(v5, fmt.Sprint("c", i))))
		}
		synctest.Wait()
		ctx, cancel := context.WithTimeout(t.Context(), 100*time.Millisecond)
		defer cancel()
		if err := r.srv.Drain(ctx, packet.ServerShuttingDown, 10*time.Second); !errors.Is(err, context.DeadlineExceeded) {
			t.Errorf("drain: %v", err)
		}
		for _, p := range peers {
			p.want("CONNACK 00, DISCONNECT 8b, closed 8b")
		}
	})
}
