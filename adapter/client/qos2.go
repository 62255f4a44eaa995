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
	stageSaving               // in the log; that is being written, PUBREC leaves after
	stageAcked                // PUBREC was sent, on this connection or an earlier one
)

// received is a QoS 2 PUBLISH whose PUBREL has not come. Protected by inbound.mu.
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
	in.ids = make(map[uint16]*received, len(st.In))
	for _, i := range st.In {
		r := &received{Inbound: i}
		if i.Done {
			r.stage = stageAcked
		}
		in.ids[i.PacketID] = r
	}
}

// publish2 publishes exactly once: a packet id already received is not published again.
func (in *inbound) publish2(id uint16, m *message.Message) {
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
	switch r.stage {
	case stageRunning, stageSaving: // its PUBREC is on the way
		in.mu.Unlock()
		in.left(len(m.Payload))
		return
	case stageAcked: // [MQTT-4.3.3-10]
		in.mu.Unlock()
		in.left(len(m.Payload))
		in.pubrecs.fill(in.pubrecs.reserve(), &packet.Pubrec{PacketID: id}, in.c.Send)
		return
	}
	r.stage = stageRunning
	slot, size := in.pubrecs.reserve(), len(m.Payload)
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
	in.mu.Unlock()
	in.unsent.Add(1)
	in.c.lane.Publish(p)
}

// abandoned is asked right before each send. What is not sent any more is repeated by the client's next connection,
// which waits RepeatWait after it took the session over: so no send of this one may come later than that, whether or not
// the word of the takeover has come. A recent fenced write shows that there was none.
func (in *inbound) abandoned() bool {
	c := in.c
	if c.closing.Load() || !c.srv.deps.Lease.Valid() {
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
	r.stage, r.Done = stageSaving, true
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
		in.drop(r, ack)
	default:
		in.write(r, ack)
	}
	in.mu.Unlock()
	in.c.writer.Mark(true)
}

// recorded sends PUBREC. A failed one ends the exchange: the packet id is free [MQTT-4.3.3-9].
func (in *inbound) recorded(r *received, slot uint64, code packet.ReasonCode, why string) {
	in.mu.Lock()
	r.stage = stageAcked
	if code.Failed() {
		in.free(r)
	}
	in.mu.Unlock()
	in.pubrecs.fill(slot, &packet.Pubrec{PacketID: r.PacketID, Code: code, Reason: why}, in.c.Send)
}

// free makes a packet id new again. Called under in.mu.
func (in *inbound) free(r *received) {
	if in.ids[r.PacketID] != r {
		return
	}
	delete(in.ids, r.PacketID)
	if r.counted {
		in.quota--
	}
}

// drop notes the record of r to be deleted. Called under in.mu.
func (in *inbound) drop(r *received, after func(error)) {
	r.toWrite = false
	in.dropped = append(in.dropped, r.PacketID)
	in.after = append(in.after, after)
}

// release handles PUBREL: the packet id is free again once that is kept [MQTT-4.3.3-11]. So a repeated PUBREL is not
// answered before that either.
func (in *inbound) release(id uint16) error {
	comp := &packet.Pubcomp{PacketID: id}
	in.mu.Lock()
	r := in.ids[id]
	switch {
	case r == nil:
		comp.Code = packet.PacketIdentifierNotFound
	case r.stage == stageRunning, r.stage == stageSaving:
		in.mu.Unlock()
		return &packet.Error{Code: packet.ProtocolError, Msg: "PUBREL before PUBREC"}
	default:
		in.free(r)
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
	if r != nil {
		in.drop(r, answer)
	} else {
		in.after = append(in.after, answer)
	}
	in.mu.Unlock()
	in.c.writer.Mark(true)
	return nil
}
