package client

import (
	"fmt"
	"log/slog"
	"testing"
	"testing/synctest"
	"time"

	"lmqgate/adapter/packet"
	"lmqgate/meta/session"
)

// flap makes the store refuse the next n takeovers of client ids that somebody has.
func (r *rig) flap(n int) (asked *int) {
	asked = new(int)
	r.store.onAttach = func(a session.AttachRequest) (error, error) {
		if r.store.owner(a.ClientID) == "" {
			return nil, nil
		}
		if *asked++; *asked <= n {
			f := &session.Flapping{Wait: time.Second, Takeovers: 7, Holder: session.Owner{Instance: "i2"}, Address: "192.0.2.7"}
			return fmt.Errorf("attach: %w", f), nil
		}
		return nil, nil
	}
	return asked
}

// TestHeld: a client whose id is taken over again and again waits for its CONNACK, while the one that has it is served.
func TestHeld(t *testing.T) {
	lines := &journal{}
	run(t, Config{Logger: newLogger(lines)}, func(t *testing.T, r *rig) {
		r.flap(1)
		p := r.dial(v5, false, nil).send(connect(v5, "c", lasting))
		p.want("CONNACK 00")
		q := r.dial(v5, false, nil).send(connect(v5, "c", lasting))
		time.Sleep(time.Second - time.Millisecond)
		p.send(&packet.Pingreq{}).want("PINGRESP")
		q.want("")
		time.Sleep(2 * time.Millisecond)
		q.want("CONNACK 00 present")
		p.want("DISCONNECT 8e, closed 8e")
		time.Sleep(time.Minute) // the deadline of the wait is gone
		q.send(&packet.Pingreq{}).want("PINGRESP")
	})
	if n := lines.count(slog.LevelWarn.String() + " a client id is taken over again and again, by several devices perhaps; the next one has to wait"); n != 1 {
		t.Errorf("%d lines in the log: %v", n, lines.lines)
	}
}

// TestHeldEagerly: what the client sends behind CONNECT is kept for it.
func TestHeldEagerly(t *testing.T) {
	run(t, Config{}, func(t *testing.T, r *rig) {
		r.flap(1)
		r.dial(v5, false, nil).send(connect(v5, "c")).want("CONNACK 00")
		q := r.dial(v5, false, nil).send(connect(v5, "c"), pub(1, 1, "t", ""))
		time.Sleep(time.Second - time.Millisecond)
		q.want("")
		time.Sleep(2 * time.Millisecond)
		q.want("CONNACK 00, PUBACK 1")
	})
}

// TestHeldInVain: one that comes too soon again is refused; nothing has changed for the other.
func TestHeldInVain(t *testing.T) {
	run(t, Config{}, func(t *testing.T, r *rig) {
		asked := r.flap(100)
		p := r.dial(v5, false, nil).send(connect(v5, "c"))
		p.want("CONNACK 00")
		for v, want := range map[packet.Version]string{v5: "CONNACK 9f, closed 9f", packet.V311: "CONNACK 03, closed 9f"} {
			*asked = 0
			q := r.dial(v, false, nil).send(connect(v, "c"))
			time.Sleep(2 * time.Second)
			q.want(want)
			if *asked != 2 {
				t.Errorf("the store was asked %d times", *asked)
			}
		}
		p.send(&packet.Pingreq{}).want("PINGRESP")
		if n := r.srv.undone.some(); n != nil {
			t.Errorf("to be looked at: %v", n)
		}
	})
}

// TestHeldAndGone: a client that does not wait takes nothing over, and one that waits holds up no drain.
func TestHeldAndGone(t *testing.T) {
	for _, tt := range []struct {
		name string
		do   func(*rig, *peer)
		want string
		code packet.ReasonCode // for the one that had the client id
	}{
		{"hangs up", func(_ *rig, q *peer) { _ = q.conn.Close() }, "closed 00", 0},
		{"drain", func(r *rig, _ *peer) { drained(r) }, "CONNACK 9c, closed 9c", packet.ServerShuttingDown},
		{"lapsed", func(r *rig, _ *peer) { r.srv.Lapsed() }, "closed 89", packet.ServerBusy},
	} {
		t.Run(tt.name, func(t *testing.T) {
			run(t, Config{}, func(t *testing.T, r *rig) {
				asked := r.flap(1)
				p := r.dial(v5, false, nil).send(connect(v5, "c"))
				p.want("CONNACK 00")
				q := r.dial(v5, false, nil).send(connect(v5, "c"))
				time.Sleep(500 * time.Millisecond)
				tt.do(r, q)
				time.Sleep(100 * time.Millisecond)
				q.want(tt.want)
				<-q.served
				time.Sleep(10 * time.Second)
				if *asked != 1 {
					t.Errorf("the store was asked %d times", *asked)
				}
				if tt.code != 0 {
					p.want(goodbye(v5, tt.code))
				} else {
					p.send(&packet.Pingreq{}).want("PINGRESP")
				}
			})
		})
	}
}

// pending is a change that waits to be written.
type pending struct{ sub session.Subscription }

func (p *pending) Collect(ch *session.Change) func(error) {
	if p.sub.Filter != "" {
		ch.SetSubs = append(ch.SetSubs, p.sub)
		p.sub = session.Subscription{}
	}
	return nil
}

// TestPrecede: what the predecessor on this instance has still to write is written before it is fenced off, unless that
// takes long.
func TestPrecede(t *testing.T) {
	for _, tt := range []struct {
		took, waits time.Duration
		kept        int
	}{{3 * time.Millisecond, 3 * time.Millisecond, 1}, {time.Hour, settleTime, 0}} {
		run(t, Config{}, func(t *testing.T, r *rig) {
			p := r.dial(v5, false, nil).send(connect(v5, "c", lasting))
			p.want("CONNACK 00")
			kept := -1
			r.store.onWrite = func(session.Change) (error, error) { time.Sleep(tt.took); return nil, nil }
			r.store.onAttach = func(session.AttachRequest) (error, error) {
				r.store.mu.Lock()
				defer r.store.mu.Unlock()
				kept = len(r.store.sessions["c"].subs)
				return nil, nil
			}
			d := r.deliver.last()
			d.writer.Add(&pending{session.Subscription{Filter: "f"}})
			time.Sleep(time.Second)
			began := time.Now()
			d.writer.Mark(false)
			accepted := time.Duration(0)
			q := r.dial(v5, false, func(packet.Packet) { accepted = time.Since(began) }).send(connect(v5, "c", lasting))
			time.Sleep(time.Second)
			synctest.Wait()
			if kept != tt.kept || accepted != tt.waits {
				t.Errorf("%d written at Attach, accepted after %v", kept, accepted)
			}
			if tt.kept > 0 {
				q.want("CONNACK 00 present")
				return
			}
			r.store.onWrite = nil
			time.Sleep(2 * time.Hour)
		})
	}
}
