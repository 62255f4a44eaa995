package client

import (
	"fmt"
	"math/rand/v2"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"lmqgate/adapter/packet"
	"lmqgate/meta/message"
	"lmqgate/meta/session"
)

// TestReceiveMaximum: a 5.0 client gets as many unacknowledged PUBLISHes as was agreed and not one more; those of earlier
// connections and repeats of one id do not count twice.
func TestReceiveMaximum(t *testing.T) {
	fill := func(r *rig) *peer {
		p := r.dial(v5, false, nil).send(connect(v5, "c", lasting))
		time.Sleep(10 * time.Millisecond)
		p.take()
		return p.send(pub(1, 1, "a", ""), pub(2, 2, "b", ""), pub(2, 2, "b", ""), pub(2, 3, "c", ""), pub(0, 0, "a", ""))
	}
	cfg := Config{ReceiveMaximum: 3}
	run(t, cfg, func(t *testing.T, r *rig) {
		defer r.log.hold()()
		p := fill(r)
		p.want("")
		p.send(pub(1, 4, "d", "")).want("DISCONNECT 93, closed 93")
	})
	run(t, cfg, func(t *testing.T, r *rig) {
		defer r.log.hold()()
		p := fill(r)
		p.send(pub(2, 4, "d", "")).want("DISCONNECT 93, closed 93")
	})
	run(t, cfg, func(t *testing.T, r *rig) {
		release := r.log.hold()
		p := fill(r)
		p.want("")
		time.Sleep(10 * time.Millisecond)
		release()
		time.Sleep(10 * time.Millisecond)
		p.want("PUBACK 1, PUBREC 2, PUBREC 3")
		p.send(pub(1, 4, "d", "")).want("PUBACK 4")
		p.send(pub(1, 5, "d", "")).want("PUBACK 5") // QoS 2 ids 2 and 3 are open, one place is left
		p.send(&packet.Pubrel{PacketID: 2})
		time.Sleep(10 * time.Millisecond)
		p.want("PUBCOMP 2")
		_ = p.conn.Close()
		<-p.served

		// 3 is left of that connection: it counts only once it comes here.
		q := r.dial(v5, false, nil).send(connect(v5, "c", lasting), pub(2, 10, "a", ""), pub(2, 11, "b", ""), pub(2, 12, "b", ""))
		time.Sleep(10 * time.Millisecond)
		q.want("CONNACK 00 present, PUBREC 10, PUBREC 11, PUBREC 12")
		q.send(&packet.Pubrel{PacketID: 3})
		time.Sleep(10 * time.Millisecond)
		q.want("PUBCOMP 3")
		q.send(pub(2, 13, "a", "")).want("DISCONNECT 93, closed 93")
	})
}

// TestUnreleased: before 5.0 nothing was agreed: a client may have every packet id open, at a few bytes each.
func TestUnreleased(t *testing.T) {
	run(t, Config{}, func(t *testing.T, r *rig) {
		p := r.dial(packet.V311, false, nil).send(connect(packet.V311, "c"))
		for id := range 65535 {
			if p.send(pub(2, uint16(id+1), "a", "")); id%10000 == 0 {
				synctest.Wait()
			}
		}
		if got := strings.Count(p.take(), "PUBREC"); got != 65535 {
			t.Fatalf("%d acknowledged", got)
		}
		p.send(pub(2, 1, "a", "")).want("PUBREC 1")
		in := r.srv.all()[0].in.Load()
		if len(in.ids) != 0 || len(in.acked.pages) != 256 || !in.open(65535) {
			t.Errorf("%d ids on their way, %d pages", len(in.ids), len(in.acked.pages))
		}
		for _, id := range []uint16{1, 255, 256, 65535} {
			p.send(&packet.Pubrel{PacketID: id}).want(fmt.Sprint("PUBCOMP ", id))
		}
		if in.open(1) || in.open(255) || in.open(256) || in.open(65535) || !in.open(2) || !in.open(65534) {
			t.Error("wrong ids released")
		}
		if n := len(r.log.stored()); n != 65535 {
			t.Errorf("%d stored", n)
		}
	})
}

// TestBackPressure: a client whose publications do not get through is not read from, and goes on when they do; a close in
// the meantime is not held up.
func TestBackPressure(t *testing.T) {
	for _, v := range []packet.Version{packet.V311, v5} {
		for _, ends := range []bool{false, true} {
			t.Run(fmt.Sprint(v, ends), func(t *testing.T) {
				run(t, Config{InFlight: 10}, func(t *testing.T, r *rig) {
					release := r.log.hold()
					p := r.dial(v, false, nil).send(connect(v, "c"))
					for i := range 100 {
						p.send(pub(0, 0, "t", fmt.Sprint(i)))
					}
					p.send(&packet.Pingreq{})
					p.want("CONNACK 00")
					if left := len(p.out); left != 100-10-1 { // ten in flight, one waits in enter, one in the pipe
						t.Logf("%d unread", left)
					}
					if len(p.out) < 80 {
						t.Errorf("only %d packets are held back", len(p.out))
					}
					if ends {
						r.srv.Word(session.Word{Kind: "kick", ClientID: "c"})
						synctest.Wait()
						<-p.served
						release()
						return
					}
					release()
					p.want("PINGRESP")
					if n := len(r.log.stored()); n != 100 {
						t.Errorf("%d stored", n)
					}
				})
			})
		}
	}
}

// TestBytesInFlight: payloads are bounded too; one that is larger than the bound passes alone.
func TestBytesInFlight(t *testing.T) {
	run(t, Config{MaxPacketSize: 1000}, func(t *testing.T, r *rig) {
		release := r.log.hold()
		p := r.dial(packet.V311, false, nil).send(connect(packet.V311, "c"))
		for range 8 {
			p.send(pub(0, 0, "t", strings.Repeat("x", 900)))
		}
		p.send(&packet.Pingreq{}).want("CONNACK 00")
		r.log.mu.Lock()
		n := len(r.log.waiting) // the first of the line
		r.log.mu.Unlock()
		in := r.srv.all()[0].in.Load()
		in.mu.Lock()
		if in.count != 4 || n != 1 {
			t.Errorf("%d in flight", in.count)
		}
		in.mu.Unlock()
		release()
		p.want("PINGRESP")
	})
}

// TestAckOrder: whatever order publications of different topics end in, PUBACKs and PUBRECs come in the order of their
// PUBLISHes.
func TestAckOrder(t *testing.T) {
	for seed := range uint64(20) {
		for _, last := range []func(*packet.Connect){lasting, func(*packet.Connect) {}} {
			run(t, Config{ReceiveMaximum: 1000}, func(t *testing.T, r *rig) {
				random := rand.New(rand.NewPCG(seed, 1))
				delays := make(chan time.Duration, 1000)
				for range 1000 {
					delays <- time.Duration(random.IntN(50)) * time.Millisecond
				}
				r.log.verdict = func(*message.Message) (time.Duration, bool, error) { return <-delays, true, nil }
				p := r.dial(v5, false, nil).send(connect(v5, "c", last))
				var acks, recs []string
				for id := range uint16(100) {
					qos := byte(1 + random.IntN(2))
					p.send(pub(qos, id+1, fmt.Sprint("t", random.IntN(10)), fmt.Sprint(id)))
					if qos == 1 {
						acks = append(acks, fmt.Sprint("PUBACK ", id+1))
					} else {
						recs = append(recs, fmt.Sprint("PUBREC ", id+1))
					}
				}
				time.Sleep(10 * time.Second)
				var gotAcks, gotRecs []string
				for _, one := range strings.Split(p.take(), ", ")[1:] {
					if strings.HasPrefix(one, "PUBACK") {
						gotAcks = append(gotAcks, one)
					} else {
						gotRecs = append(gotRecs, one)
					}
				}
				equal(t, "PUBACKs", gotAcks, acks)
				equal(t, "PUBRECs", gotRecs, recs)
			})
		}
	}
}

// TestStuckReader: a client that does not read is cut after the write timeout, without holding anybody up, and a close
// does not wait for that.
func TestStuckReader(t *testing.T) {
	deaf := func(r *rig) (*peer, *fakeDelivery) {
		near := r.dial(v5, true, nil)
		near.send(connect(v5, "c"))
		synctest.Wait()
		return near, r.deliver.last()
	}
	run(t, Config{}, func(t *testing.T, r *rig) {
		p, _ := deaf(r)
		start := time.Now()
		<-p.served
		if took := time.Since(start); took != 30*time.Second {
			t.Errorf("cut after %v", took)
		}
	})
	run(t, Config{}, func(t *testing.T, r *rig) {
		p, _ := deaf(r)
		time.Sleep(10 * time.Second)
		start := time.Now()
		r.srv.Word(session.Word{Kind: "kick", ClientID: "c"})
		<-p.served
		if took := time.Since(start); took != byeTimeout {
			t.Errorf("closed after %v", took)
		}
	})
	run(t, Config{}, func(t *testing.T, r *rig) { // more than the bound: at once
		p, d := deaf(r)
		start := time.Now()
		for range 1200 {
			d.link.Send(pub(0, 0, "t", strings.Repeat("x", 4096)))
		}
		<-p.served
		if took := time.Since(start); took > 0 {
			t.Errorf("cut after %v", took)
		}
		if !d.link.Full() {
			t.Error("not full after the end")
		}
	})
}

// TestLargePacket: one packet larger than the bound of what nobody reads is no reason to cut.
func TestLargePacket(t *testing.T) {
	run(t, Config{}, func(t *testing.T, r *rig) {
		p := r.dial(v5, false, nil).send(connect(v5, "c"))
		p.want("CONNACK 00")
		d := r.deliver.last()
		large, err := packet.NewTemplate(pub(0, 0, "t", strings.Repeat("x", stuckSize+100)), v5)
		if err != nil {
			t.Fatal(err)
		}
		d.link.SendDelivery(large, packet.Delivery{})
		d.link.Send(&packet.Pingresp{})
		if got := p.take(); !strings.HasSuffix(got, "x, PINGRESP") {
			t.Errorf("got %d bytes", len(got))
		}
	})
}

// TestWakeAfterFull: a delivery that was told of a full buffer is woken when there is room, however much waited.
func TestWakeAfterFull(t *testing.T) {
	for _, size := range []int{fullBytes + 1, stuckSize + 1} {
		run(t, Config{}, func(t *testing.T, r *rig) {
			p := r.dial(v5, true, nil).send(connect(v5, "c"))
			synctest.Wait()
			d := r.deliver.last()
			before := d.woken.Load()
			if d.link.Full() {
				t.Error("full at the start")
			}
			d.link.Send(pub(0, 0, "t", strings.Repeat("x", size)))
			if !d.link.Full() {
				t.Errorf("not full with %d bytes", size)
			}
			go p.read()
			synctest.Wait()
			if d.woken.Load() == before || d.link.Full() {
				t.Errorf("woken %d times, full: %v", d.woken.Load()-before, d.link.Full())
			}
		})
	}
}

// TestNothingBehindDisconnect: DISCONNECT is the last packet, whoever sends at the same time.
func TestNothingBehindDisconnect(t *testing.T) {
	for range 50 {
		run(t, Config{}, func(t *testing.T, r *rig) {
			p := r.dial(v5, false, nil).send(connect(v5, "c"))
			p.want("CONNACK 00")
			d := r.deliver.last()
			for range 4 {
				go func() {
					for range 20 {
						d.link.Send(&packet.Pingresp{})
					}
				}()
			}
			d.link.Close(packet.SessionTakenOver)
			got := p.take()
			if !strings.HasSuffix(got, "DISCONNECT 8e, closed 8e") || strings.Count(got, "DISCONNECT") != 1 {
				t.Errorf("got %q", got)
			}
		})
	}
}

// TestMaximumPacketSize: acknowledgements lose their reason strings before they exceed what the client takes; what is
// still too long is not sent.
func TestMaximumPacketSize(t *testing.T) {
	small := func(n uint32) func(*packet.Connect) {
		return func(c *packet.Connect) { c.Properties.MaximumPacketSize = n }
	}
	refuse := func(r *rig) {
		r.log.verdict = func(*message.Message) (time.Duration, bool, error) { return 0, false, message.ErrRefused }
	}
	run(t, Config{}, func(t *testing.T, r *rig) {
		refuse(r)
		var reasons []string
		see := func(p packet.Packet) {
			switch p := p.(type) {
			case *packet.Puback:
				reasons = append(reasons, p.Reason)
			case *packet.Disconnect:
				reasons = append(reasons, p.Reason)
			}
		}
		noProblems := func(c *packet.Connect) { c.Properties.NoProblemInfo = true }
		for _, change := range []func(*packet.Connect){small(0), small(35), noProblems} {
			r.dial(v5, false, see).send(connect(v5, "c", change), pub(1, 1, "t", ""), subscribe(2, "a", "b", "c", "d", "e"), &packet.Auth{}).
				want("CONNACK 00, PUBACK 1 83, SUBACK 2 01 01 01 01 01, DISCONNECT 82, closed 82")
		}
		synctest.Wait()
		equal(t, "reasons", reasons, []string{"RocketMQ does not take this message as it is", "AUTH with success from a client", "", "", "", ""})
	})
	run(t, Config{}, func(t *testing.T, r *rig) {
		p := r.dial(v5, false, nil).send(connect(v5, "c", small(5)))
		p.want("closed 95")
		if o := r.store.owner("c"); o != "" {
			t.Errorf("owner %q", o)
		}
	})
}
