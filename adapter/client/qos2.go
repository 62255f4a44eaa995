package client

import (
	"time"

	"lmqgate/adapter/packet"
	"lmqgate/meta/message"
	"lmqgate/meta/session"
)

// stage says how far a QoS 2 PUBLISH got.
type stage byte

const (
	stageLeft    stage = iota // recorded by an earlier connection, which did not get it through as far as is known
	stageRunning              // a publication of this connection is on its way to the log
	stageSaving               // in the log; that is being written, PUBREC leaves after, and the packet id goes to inbound.acked
)

// received is a QoS 2 PUBLISH whose PUBREC was not sent. Protected by inbound.mu.
type received struct {
	session.Inbound
	stage   stage
	counted bool // came on this connection: counts against Receive Maximum
	toWrite bool // in inbound.set
}

// restore takes over what earlier connections left.
func (c *client) restore(st session.State) {
	if len(st.In) == 0 {
		return
	}
	in := c.inbound()
	in.restful = c.srv.now() + int64(c.srv.cfg.RepeatWait)
	in.ids = map[uint16]*received{}
	for _, i := range st.In {
		if i.Done {
			in.acked.add(i.PacketID)
		} else {
			in.ids[i.PacketID] = &received{Inbound: i}
		}
	}
}

// publish2 publishes exactly once: a packet id already received is not published again.
func (in *inbound) publish2(id uint16, m *message.Message) {
	if in.repeated(id, len(m.Payload)) {
		return
	}
	in.mu.Lock()
	r := in.ids[id]
	if r == nil {
		r = &received{Inbound: session.Inbound{PacketID: id}}
		if in.ids == nil {
			in.ids = map[uint16]*received{}
		}
		in.ids[id] = r
	}
	if !r.counted {
		r.counted = true
		in.quota++
	}
	if r.stage != stageLeft { // its PUBREC is on the way
		in.mu.Unlock()
		in.left(len(m.Payload))
		return
	}
	r.stage = stageRunning
	in.mu.Unlock()
	slot, size := in.reserve(2), len(m.Payload) // in the order of PUBLISHes: this is the reading goroutine
	p := &message.Publication{
		Message:   m,
		Abandoned: in.abandoned,
		Done:      func(res message.Result, err error) { in.produced(r, slot, size, res, err) },
	}
	if r.Key != "" {
		m.Key, p.Repeat, p.Since = r.Key, true, time.UnixMilli(r.AtMillis)
		p.Place = &message.Place{Topic: r.Topic, Broker: r.Broker, Queue: r.Queue}
		p.Prepare = func(_ string, _ message.Place, ready func(error)) { in.prepareAgain(r, ready) }
	} else {
		p.Prepare = func(key string, at message.Place, ready func(error)) { in.prepare(r, key, at, ready) }
	}
	in.unsent.Add(1)
	in.lane.Publish(p)
}

// repeated answers a PUBLISH that was published and waits for PUBREL [MQTT-4.3.3-10].
func (in *inbound) repeated(id uint16, size int) bool {
	in.mu.Lock()
	if !in.acked.has(id) {
		in.mu.Unlock()
		return false
	}
	if !in.counted.has(id) {
		in.counted.add(id)
		in.quota++
	}
	in.mu.Unlock()
	slot := in.reserve(2)
	in.left(size)
	in.pubrecs.fill(slot, &packet.Pubrec{PacketID: id}, in.answer)
	return true
}

// produced handles the end of a QoS 2 publication: PUBREC follows once it is noted that it must not be repeated.
func (in *inbound) produced(r *received, slot uint64, size int, res message.Result, err error) {
	in.unsent.Add(-1)
	in.left(size)
	code, why, ok := in.c.outcome(res, err)
	in.mu.Lock()
	if !ok || in.closed {
		r.stage = stageLeft // for another connection to repeat; this one is closing
		in.mu.Unlock()
		return
	}
	r.stage, r.Inbound = stageSaving, session.Inbound{PacketID: r.PacketID, Done: true, AtMillis: r.AtMillis}
	ack := func(err error) {
		if err == nil {
			in.recorded(r, slot, code, why)
		}
	}
	switch {
	case !in.persist:
		in.mu.Unlock()
		ack(nil)
		return
	case code.Failed():
		r.toWrite = false
		in.drop(r.PacketID, ack)
	default:
		in.write(r, ack)
	}
	in.mu.Unlock()
	in.c.writer.Mark(true)
}

// recorded sends PUBREC. A failed one ends the exchange: the packet id is free [MQTT-4.3.3-9].
func (in *inbound) recorded(r *received, slot uint64, code packet.ReasonCode, why string) {
	in.mu.Lock()
	delete(in.ids, r.PacketID)
	switch {
	case !code.Failed():
		in.acked.add(r.PacketID)
		if r.counted {
			in.counted.add(r.PacketID)
		}
	case r.counted:
		in.quota--
	}
	in.mu.Unlock()
	in.pubrecs.fill(slot, &packet.Pubrec{PacketID: r.PacketID, Code: code, Reason: why}, in.answer)
}

// release handles PUBREL: the packet id is free again once that is kept [MQTT-4.3.3-11]. So a repeated PUBREL is not
// answered before that either.
func (in *inbound) release(id uint16) error {
	comp := &packet.Pubcomp{PacketID: id}
	in.mu.Lock()
	r := in.ids[id]
	switch {
	case r != nil && r.stage != stageLeft:
		in.mu.Unlock()
		return reject(packet.ProtocolError, "PUBREL before PUBREC")
	case r != nil: // of an earlier connection, which did not get so far as PUBREC
		r.toWrite = false
		delete(in.ids, id)
		if r.counted {
			in.quota--
		}
	case in.acked.remove(id):
		if in.counted.remove(id) {
			in.quota--
		}
	default:
		comp.Code, comp.Reason, _ = in.c.failed(packet.PacketIdentifierNotFound, "no PUBLISH with this packet identifier waits for PUBREL")
	}
	if !in.persist {
		in.mu.Unlock()
		in.c.Send(comp)
		return nil
	}
	answer := func(err error) {
		if err == nil {
			in.c.Send(comp)
		}
	}
	if comp.Code == packet.Success {
		in.drop(id, answer)
	} else {
		in.after = append(in.after, answer)
	}
	in.mu.Unlock()
	in.c.writer.Mark(true)
	return nil
}
