package client

import (
	"fmt"
	"testing"
	"testing/synctest"
	"time"

	"lmqgate/adapter/packet"
	"lmqgate/meta/message"
	"lmqgate/meta/session"
)

// FuzzStateMachine drives a connection, and a second one of the same client id, with packets that are valid in
// themselves in any order, and with what happens around them. Nothing may panic, hang or be left running, and the store
// ends without an owner.
func FuzzStateMachine(f *testing.F) {
	f.Add(byte(2), []byte{0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15, 16, 17, 18, 19})
	f.Add(byte(1), []byte{6, 6, 7, 26, 7, 46, 30, 6, 40, 7, 7, 15, 6})
	f.Add(byte(0), []byte{5, 5, 5, 16, 0, 4, 36, 17, 56, 18, 3})
	f.Add(byte(5), []byte{2, 22, 42, 62, 82, 102, 122, 14, 19, 39, 2, 2, 17, 9})
	f.Fuzz(func(t *testing.T, kind byte, steps []byte) {
		if len(steps) > 300 {
			steps = steps[:300]
		}
		synctest.Test(t, func(t *testing.T) {
			r := newRig(t, newFakeStore(), newFakeLog(), Config{ReceiveMaximum: 8, InFlight: 4, MaxSubscriptions: 3, MaxPacketSize: 1024})
			defer r.stop()
			play(t, r, kind, steps)
		})
	})
}

func play(t *testing.T, r *rig, kind byte, steps []byte) {
	v := []packet.Version{packet.V31, packet.V311, packet.V5}[kind%3]
	change := []func(*packet.Connect){func(*packet.Connect) {}, lasting}[kind/3%2]
	r.log.verdict = func(m *message.Message) (time.Duration, bool, error) {
		var err error
		if len(m.Payload) > 2 {
			err = []error{nil, message.ErrRefused, message.ErrUnavailable}[len(m.Payload)%3]
		}
		return time.Duration(len(m.Topic)) * time.Millisecond, err == nil, err
	}
	r.store.onWrite = func(session.Change) (error, error) { time.Sleep(time.Millisecond); return nil, nil }
	var release func()
	let := func() {
		if release != nil {
			release()
			release = nil
		}
	}
	p := r.dial(v, false, nil).send(connect(v, "c", change))
	for _, b := range steps {
		n := uint16(b/20) + 1
		name := fmt.Sprint("t", n)
		switch b % 20 {
		case 0:
			p.send(pub(0, 0, name, "x"))
		case 1:
			p.send(pub(1, n, name, "x"))
		case 2, 3:
			p.send(pub(2, n, name, "x"))
		case 4:
			p.send(pub(b%3, n, name, "failing"[:n%7]))
		case 5:
			p.send(&packet.Pubrel{PacketID: n})
		case 6:
			p.send(&packet.Pubrec{PacketID: n}, &packet.Puback{PacketID: n}, &packet.Pubcomp{PacketID: n})
		case 7:
			p.send(subscribe(n, name, "a/#"))
		case 8:
			p.send(unsubscribe(n, name, "none"))
		case 9:
			p.send(&packet.Pingreq{})
		case 10:
			if n > 11 {
				p.send(&packet.Disconnect{})
			}
		case 11:
			if n > 11 {
				p.send(connect(v, "c", change))
			}
		case 12:
			if v == packet.V5 {
				p.send(&packet.Publish{Topic: name, TopicAlias: n % 4, QoS: 1, PacketID: n}, &packet.Publish{TopicAlias: 1 + n%3})
			}
		case 13:
			time.Sleep(time.Duration(n*n) * 10 * time.Millisecond)
		case 14:
			let()
			release = r.log.hold()
		case 15:
			let()
		case 16: // another connection takes over, or the same client comes back
			if n%2 == 0 {
				_ = p.conn.Close()
			}
			p = r.dial(v, n%5 == 0, nil).send(connect(v, "c", change))
		case 17:
			r.srv.Word(session.Word{Kind: "lost", ClientID: "c", Epoch: session.Epoch(n)})
		case 18:
			r.lease.lapsed.Store(n > 9)
		case 19:
			synctest.Wait()
		}
	}
	let()
	r.lease.lapsed.Store(false)
	r.stop()
	synctest.Wait()
	<-p.served
	if o := r.store.owner("c"); o != "" {
		t.Errorf("owner %q at the end", o)
	}
}
