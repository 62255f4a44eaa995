package client

import (
	"fmt"
	"maps"
	"math/rand/v2"
	"slices"
	"sync"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"lmqgate/adapter/packet"
	"lmqgate/meta/message"
	"lmqgate/meta/session"
)

// TestQoS2Again: what a packet id that came before gets, in each state it may be in.
func TestQoS2Again(t *testing.T) {
	connected := func(r *rig) *peer {
		p := r.dial(v5, false, nil).send(connect(v5, "c", lasting))
		time.Sleep(10 * time.Millisecond)
		p.take()
		return p
	}
	settle := func() { time.Sleep(10 * time.Millisecond) }
	x := pub(2, 7, "t", "x")

	run(t, Config{}, func(t *testing.T, r *rig) { // on its way: one PUBREC, and PUBREL before it is an error
		release := r.log.hold()
		p := connected(r).send(x, x)
		settle()
		release()
		settle()
		p.want("PUBREC 7")
		release = r.log.hold()
		p.send(pub(2, 8, "t", "y"), &packet.Pubrel{PacketID: 8})
		settle()
		p.want("DISCONNECT 82, closed 82")
		release()
		equal(t, "log", r.log.stored(), []string{"t x"})
	})
	run(t, Config{}, func(t *testing.T, r *rig) { // its record is being written: PUBREC comes after, once
		p := connected(r)
		slow := 0
		r.store.onWrite = func(c session.Change) (error, error) {
			if len(c.SetIn) > 0 && c.SetIn[0].Done {
				slow++
				time.Sleep(time.Second)
			}
			return nil, nil
		}
		p.send(x)
		time.Sleep(500 * time.Millisecond)
		p.send(x).want("")
		time.Sleep(time.Second)
		p.want("PUBREC 7")
		p.send(x).want("PUBREC 7")
		if slow != 1 {
			t.Errorf("recorded %d times", slow)
		}
		equal(t, "log", r.log.stored(), []string{"t x"})
	})
	run(t, Config{}, func(t *testing.T, r *rig) { // PUBREL twice while the deletion is being written
		p := connected(r).send(x)
		settle()
		p.want("PUBREC 7")
		r.store.onWrite = func(session.Change) (error, error) { time.Sleep(time.Second); return nil, nil }
		p.send(&packet.Pubrel{PacketID: 7})
		time.Sleep(100 * time.Millisecond)
		p.send(&packet.Pubrel{PacketID: 7}).want("")
		time.Sleep(3 * time.Second)
		p.want("PUBCOMP 7, PUBCOMP 7 92")
		equal(t, "recorded", r.store.received("c"), nil)
		p.send(pub(2, 7, "t", "y")) // the id is new again
		time.Sleep(5 * time.Second)
		p.want("PUBREC 7")
		equal(t, "log", r.log.stored(), []string{"t x", "t y"})
	})
	run(t, Config{}, func(t *testing.T, r *rig) { // acknowledged on an earlier connection
		p := connected(r).send(x)
		settle()
		p.want("PUBREC 7")
		_ = p.conn.Close()
		<-p.served
		q := connected(r).send(x)
		settle()
		q.want("PUBREC 7")
		q.send(&packet.Pubrel{PacketID: 7})
		settle()
		q.want("PUBCOMP 7")
		equal(t, "log", r.log.stored(), []string{"t x"})
	})
	run(t, Config{}, func(t *testing.T, r *rig) { // recorded, not sent, connection gone: repeated once it is safe
		release := r.log.hold()
		p := connected(r).send(x)
		settle()
		_ = p.conn.Close()
		<-p.served
		release()
		equal(t, "log of the first", r.log.stored(), nil)
		q := connected(r).send(x)
		time.Sleep(3900 * time.Millisecond)
		q.want("")
		time.Sleep(200 * time.Millisecond)
		q.want("PUBREC 7")
		equal(t, "log", r.log.stored(), []string{"t x"})
	})
	run(t, Config{}, func(t *testing.T, r *rig) { // a repeat that waits does not hold a close up
		release := r.log.hold()
		p := connected(r).send(x)
		settle()
		_ = p.conn.Close()
		<-p.served
		release()
		q := connected(r).send(x)
		settle()
		start := time.Now()
		_ = q.conn.Close()
		<-q.served
		synctest.Wait()
		if took := time.Since(start); took > time.Second {
			t.Errorf("left after %v", took)
		}
	})
}

// TestOldOwnerStops: an owner that was taken over elsewhere and not told does not send any more by the time the new one
// repeats; while it is the owner, renewed records let its messages wait for the log as long as it takes.
func TestOldOwnerStops(t *testing.T) {
	for _, taken := range []bool{false, true} {
		t.Run(fmt.Sprint(taken), func(t *testing.T) {
			run(t, Config{}, func(t *testing.T, r *rig) {
				release := r.log.hold()
				p := r.dial(v5, false, nil).send(connect(v5, "c", lasting), pub(2, 7, "t", "x"))
				time.Sleep(15 * time.Second)
				p.want("CONNACK 00")
				if taken {
					r.store.mu.Lock()
					r.store.sessions["c"].epoch = 99
					r.store.mu.Unlock()
					time.Sleep(4 * time.Second) // RepeatWait
				}
				release()
				time.Sleep(time.Second)
				if n := len(r.log.stored()); (n == 0) != taken {
					t.Errorf("%d messages in the log", n)
				}
			})
		})
	}
}

// TestExactlyOnce: a client that follows the rules of [MQTT-4.4.0-1] gets every QoS 2 message into the log once, over
// connections cut at any moment, takeovers between two instances of which neither is told, writes that fail before or
// after they are made, and an instance that dies with sends under way.
func TestExactlyOnce(t *testing.T) {
	for seed := range uint64(60) {
		t.Run(fmt.Sprint(seed), func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) { exactlyOnce(t, seed) })
		})
	}
}

// sender is a client with a session that it keeps.
type sender struct {
	mu       sync.Mutex
	publish  map[uint16]string // sent or to be sent, no PUBREC yet
	released map[uint16]bool   // PUBREC came, no PUBCOMP yet
	left     []string          // payloads not begun
}

// begin starts another message if a packet id is free, and returns its packet.
func (s *sender) begin() packet.Packet {
	s.mu.Lock()
	defer s.mu.Unlock()
	for id := uint16(1); id <= 6 && len(s.left) > 0; id++ {
		if _, used := s.publish[id]; !used && !s.released[id] {
			s.publish[id], s.left = s.left[0], s.left[1:]
			return s.packet(id)
		}
	}
	return nil
}

func (s *sender) packet(id uint16) packet.Packet {
	payload := s.publish[id]
	return pub(2, id, fmt.Sprint("t", len(payload)%3), payload)
}

// got answers what the server sends.
func (s *sender) got(p packet.Packet) (answer packet.Packet) {
	s.mu.Lock()
	defer s.mu.Unlock()
	switch p := p.(type) {
	case *packet.Pubrec:
		if _, ok := s.publish[p.PacketID]; ok {
			delete(s.publish, p.PacketID)
			s.released[p.PacketID] = true
		}
		return &packet.Pubrel{PacketID: p.PacketID}
	case *packet.Pubcomp:
		delete(s.released, p.PacketID)
	}
	return nil
}

// again is what a new connection begins with.
func (s *sender) again() (list []any) {
	s.mu.Lock()
	defer s.mu.Unlock()
	for _, id := range slices.Sorted(maps.Keys(s.released)) {
		list = append(list, &packet.Pubrel{PacketID: id})
	}
	for _, id := range slices.Sorted(maps.Keys(s.publish)) {
		d := s.packet(id).(*packet.Publish)
		d.DUP = true
		list = append(list, d)
	}
	return list
}

func (s *sender) done() bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	return len(s.left)+len(s.publish)+len(s.released) == 0
}

func exactlyOnce(t *testing.T, seed uint64) {
	var mu sync.Mutex // protects random
	random := rand.New(rand.NewPCG(seed, 7))
	n := func(limit int) int { mu.Lock(); defer mu.Unlock(); return random.IntN(limit) }
	store, log := newFakeStore(), newFakeLog()
	var calm atomic.Bool
	store.onWrite = func(session.Change) (before, after error) {
		time.Sleep(time.Duration(n(20)) * time.Millisecond)
		switch k := n(20); {
		case calm.Load():
		case k == 0:
			return errNoRoute, nil
		case k == 1:
			return nil, errNoRoute
		}
		return nil, nil
	}
	log.verdict = func(*message.Message) (time.Duration, bool, error) {
		took := time.Duration(1+n(30)) * time.Millisecond
		if n(30) == 0 && !calm.Load() { // stored late, and nobody hears of it in time
			took = time.Duration(n(900)) * time.Millisecond
		}
		return took, true, nil
	}
	rigs := []*rig{newRig(t, store, log, Config{Instance: "i1"}), newRig(t, store, log, Config{Instance: "i2"})}
	defer rigs[0].stop()
	defer rigs[1].stop()

	s := &sender{publish: map[uint16]string{}, released: map[uint16]bool{}}
	var want []string
	for i := range 40 {
		payload := fmt.Sprintf("%0*d", 1+i%5, i)
		s.left = append(s.left, payload)
		want = append(want, fmt.Sprint("t", len(payload)%3, " ", payload))
	}
	var current atomic.Int64
	for round := 0; !s.done(); round++ {
		calm.Store(round > 30)
		current.Store(int64(round)) // a client that connects anew is done with its old connection
		if round > 60 {
			t.Fatalf("not done: %v to be acknowledged, %v to be released", s.publish, s.released)
		}
		var p *peer
		ready := make(chan struct{})
		p = rigs[n(2)].dial(v5, false, func(q packet.Packet) {
			<-ready
			if current.Load() != int64(round) {
				return
			}
			if a := s.got(q); a != nil {
				p.send(a)
			}
			if b := s.begin(); b != nil {
				p.send(b)
			}
		})
		close(ready)
		p.send(connect(v5, "c", lasting)).send(s.again()...)
		time.Sleep(time.Duration(n(8000)) * time.Millisecond / time.Duration(1+n(20)))
		if n(3) > 0 || calm.Load() {
			time.Sleep(5 * time.Second) // repeats get through
		}
		if n(2) == 0 {
			_ = p.conn.Close() // else it is taken over
			if n(2) == 0 {
				<-p.served
			}
		}
	}
	time.Sleep(time.Minute)
	got := log.stored()
	slices.Sort(got)
	slices.Sort(want)
	equal(t, "log", got, want)
	equal(t, "recorded", store.received("c"), nil)
}
