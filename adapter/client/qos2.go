package client

import (
	"fmt"
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
	in.c.lane.Publish(p)
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
	in.pubrecs.fill(slot, &packet.Pubrec{PacketID: id}, in.pubrec)
	return true
}

// abandoned is asked right before each send. What is not sent any more is repeated by the client's next connection,
// which waits RepeatWait after it took the session over: so no send of this one may come later than that, whether or not
// the word of the takeover has come. A recent fenced write shows that there was none.
func (in *inbound) abandoned() bool {
	c := in.c
	if c.ending.begun() || !c.srv.deps.Lease.Valid() {
		return true
	}
	return in.persist && c.srv.now()-in.fresh.Load() > int64(c.srv.cfg.RepeatWait-time.Second)
}

// unsure reports whether a fenced write is due so that what waits for the log is not abandoned.
func (c *client) unsure(now int64) bool {
	in := c.in.Load()
	return in != nil && in.persist && in.unsent.Load() > 0 && now-in.fresh.Load() > int64(500*time.Millisecond)
}

// renew writes what is known of one publication once more.
func (in *inbound) renew() {
	in.mu.Lock()
	var r *received
	for _, one := range in.ids {
		if one.stage == stageRunning && one.Key != "" {
			r = one
			break
		}
	}
	if r == nil || in.closed {
		in.mu.Unlock()
		return
	}
	in.write(r, func(error) {})
	in.mu.Unlock()
	in.c.writer.Mark(true)
}

// prepare keeps key and place before anything is sent, so that a repeat goes the same way.
func (in *inbound) prepare(r *received, key string, at message.Place, ready func(error)) {
	if !in.persist {
		ready(nil)
		return
	}
	in.mu.Lock()
	r.Key, r.Topic, r.Broker, r.Queue, r.AtMillis = key, at.Topic, at.Broker, at.Queue, time.Now().UnixMilli()
	in.mu.Unlock()
	in.keep(r, ready)
}

// errUnkept ends a publication whose record could not be written; lost says why and closes the connection.
var errUnkept = fmt.Errorf("packet id not recorded: %w", message.ErrAbandoned)

// keep writes r; ready is called when that is done, or abandons the publication.
func (in *inbound) keep(r *received, ready func(error)) {
	in.mu.Lock()
	if in.closed {
		in.mu.Unlock()
		ready(message.ErrAbandoned)
		return
	}
	in.write(r, func(err error) {
		if err != nil {
			err = errUnkept
		}
		ready(err)
	})
	in.mu.Unlock()
	in.c.writer.Mark(true)
}

// prepareAgain waits until what an earlier owner may still have had on its way to the broker has arrived or never will.
func (in *inbound) prepareAgain(r *received, ready func(error)) {
	in.mu.Lock()
	if in.closed {
		in.mu.Unlock()
		ready(message.ErrAbandoned)
		return
	}
	in.resting = append(in.resting, func(err error) {
		if err != nil || !in.persist {
			ready(err)
			return
		}
		in.keep(r, ready)
	})
	if in.rest == nil {
		in.rest = time.AfterFunc(max(0, time.Duration(in.restful-in.c.srv.now())), in.rested)
	} else if len(in.resting) == 1 {
		in.rest.Reset(max(0, time.Duration(in.restful-in.c.srv.now())))
	}
	in.mu.Unlock()
}

// rested lets repeats go on.
func (in *inbound) rested() {
	in.mu.Lock()
	resting := in.resting
	in.resting = nil
	in.mu.Unlock()
	for _, fn := range resting {
		fn(nil)
	}
}

// write notes r to be written. Called under in.mu.
func (in *inbound) write(r *received, after func(error)) {
	if !r.toWrite {
		r.toWrite = true
		in.set = append(in.set, r)
	}
	in.after = append(in.after, after)
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
	in.pubrecs.fill(slot, &packet.Pubrec{PacketID: r.PacketID, Code: code, Reason: why}, in.pubrec)
}

// drop notes the record of a packet id to be deleted. Called under in.mu.
func (in *inbound) drop(id uint16, after func(error)) {
	in.dropped = append(in.dropped, id)
	in.after = append(in.after, after)
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
