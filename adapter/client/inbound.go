package client

import (
	"sync"
	"time"

	"lmqgate/adapter/packet"
	"lmqgate/meta/message"
	"lmqgate/meta/session"
)

// received is a QoS 2 PUBLISH whose PUBREL has not come.
type received struct {
	session.Inbound
	acked   bool // PUBREC was sent, on this connection or an earlier one
	running bool // a publication of this connection is under way
}

// inbound is what a client's PUBLISHes keep until they are through: places in flight, the order of acknowledgements
// and QoS 2 packet ids. As a session.Source it writes the ids of persistent sessions (decision 6).
type inbound struct {
	pubacks, pubrecs ackQueue

	mu       sync.Mutex // protects the fields below
	closed   bool
	persist  bool
	attached time.Time
	count    int           // publications on their way to the log
	bytes    int           // their payloads
	once     int           // those with QoS 1
	room     chan struct{} // closed when there is room; nil: nobody waits
	ids      map[uint16]*received
	set      map[uint16]*received // to be written
	dropped  []uint16
	expiry   *time.Duration
	after    []func(error) // called when set, dropped and expiry are written
}

var _ session.Source = (*inbound)(nil)

// restore takes over what earlier connections left.
func (in *inbound) restore(c *client, st session.State) {
	in.persist, in.attached = c.expiry > 0, time.Now()
	for _, r := range st.In {
		if in.ids == nil {
			in.ids = map[uint16]*received{}
		}
		in.ids[r.PacketID] = &received{Inbound: r, acked: r.Done}
	}
}

// enter takes a place in flight for a PUBLISH. Without one it waits, which holds the client back by TCP; a 5.0 client
// that exceeds the Receive Maximum is disconnected [MQTT-3.3.4-9].
func (in *inbound) enter(c *client, p *packet.Publish) error {
	if c.ctx.Err() != nil { // closing: what is still buffered comes again on the next connection
		return c.ctx.Err()
	}
	in.mu.Lock()
	defer in.mu.Unlock()
	if c.version == packet.V5 && p.QoS > 0 && (p.QoS == 1 || in.ids[p.PacketID] == nil) &&
		in.once+len(in.ids) >= c.srv.cfg.ReceiveMaximum {
		return &packet.Error{Code: packet.ReceiveMaximumExceeded, Msg: "more PUBLISH packets than Receive Maximum"}
	}
	limit := 4 * c.srv.cfg.MaxPacketSize
	for in.count >= c.srv.cfg.InFlight || in.count > 0 && in.bytes+len(p.Payload) > limit {
		room := make(chan struct{})
		in.room = room
		in.mu.Unlock()
		select {
		case <-room:
		case <-c.ctx.Done():
		}
		in.mu.Lock()
		if c.ctx.Err() != nil {
			return c.ctx.Err()
		}
	}
	in.count++
	in.bytes += len(p.Payload)
	if p.QoS == 1 {
		in.once++
	}
	return nil
}

// left gives a place back.
func (in *inbound) left(bytes int) {
	in.mu.Lock()
	defer in.mu.Unlock()
	in.count--
	in.bytes -= bytes
	if in.room != nil {
		close(in.room)
		in.room = nil
	}
}

// acknowledged counts a QoS 1 PUBLISH that was answered.
func (in *inbound) acknowledged() {
	in.mu.Lock()
	defer in.mu.Unlock()
	in.once--
}

// publish2 publishes exactly once: a packet id already received is not published again.
func (in *inbound) publish2(c *client, id uint16, m *message.Message) {
	in.mu.Lock()
	r := in.ids[id]
	repeat := r != nil && !r.acked && !r.running // an earlier connection did not get it through, as far as is known
	if r != nil && !repeat {
		again := r.acked
		in.mu.Unlock()
		in.left(len(m.Payload))
		if again { // [MQTT-4.3.3-10]
			in.pubrecs.fill(in.pubrecs.reserve(), &packet.Pubrec{PacketID: id}, c.Send)
		}
		return
	}
	if r == nil {
		r = &received{Inbound: session.Inbound{PacketID: id}}
		if in.ids == nil {
			in.ids = map[uint16]*received{}
		}
		in.ids[id] = r
	}
	r.running = true
	slot := in.pubrecs.reserve()
	in.mu.Unlock()

	p := &message.Publication{
		Message: m,
		Abandoned: func() bool {
			return c.closing.Load() || !c.srv.deps.Lease.Valid()
		},
		Prepare: func(key string, at message.Place, ready func(error)) { in.prepare(c, r, key, at, ready) },
		Done:    func(res message.Result, err error) { in.produced(c, r, slot, len(m.Payload), res, err) },
	}
	if repeat {
		m.Key, p.Repeat, p.Since = r.Key, true, time.UnixMilli(r.AtMillis)
		p.Place = &message.Place{Topic: r.Topic, Broker: r.Broker, Queue: r.Queue}
		p.Prepare = func(_ string, _ message.Place, ready func(error)) { in.settleDown(c, ready) }
	}
	c.lane.Publish(p)
}

// settleDown waits until what an earlier owner may still have had on its way to the broker has arrived or never will.
func (in *inbound) settleDown(c *client, ready func(error)) {
	wait := time.Until(in.attached.Add(c.srv.cfg.RepeatWait))
	time.AfterFunc(max(wait, 0), func() { ready(nil) })
}

// prepare keeps key and place before anything is sent, so that a repeat goes the same way.
func (in *inbound) prepare(c *client, r *received, key string, at message.Place, ready func(error)) {
	in.mu.Lock()
	if !in.persist || in.closed {
		closed := in.closed
		in.mu.Unlock()
		if closed {
			ready(message.ErrAbandoned)
			return
		}
		ready(nil)
		return
	}
	r.Key, r.Topic, r.Broker, r.Queue, r.AtMillis = key, at.Topic, at.Broker, at.Queue, time.Now().UnixMilli()
	in.write(r, func(err error) {
		if err != nil {
			err = message.ErrAbandoned
		}
		ready(err)
	})
	in.mu.Unlock()
	c.writer.Mark(true)
}

// write notes r to be written. Called under in.mu.
func (in *inbound) write(r *received, after func(error)) {
	if in.set == nil {
		in.set = map[uint16]*received{}
	}
	in.set[r.PacketID] = r
	in.after = append(in.after, after)
}

// produced handles the end of a QoS 2 publication: PUBREC follows once it is noted that it must not be repeated.
func (in *inbound) produced(c *client, r *received, slot uint64, bytes int, res message.Result, err error) {
	in.left(bytes)
	code, ok := c.outcome(res, err)
	in.mu.Lock()
	r.running = false
	if !ok || in.closed {
		in.mu.Unlock()
		return
	}
	ack := func(err error) {
		if err != nil {
			return
		}
		in.mu.Lock()
		r.acked = true
		in.mu.Unlock()
		in.pubrecs.fill(slot, &packet.Pubrec{PacketID: r.PacketID, Code: code}, c.Send)
	}
	if code.Failed() {
		delete(in.ids, r.PacketID)
		in.dropped = append(in.dropped, r.PacketID)
		in.after = append(in.after, ack)
	} else {
		r.Done = true
		in.write(r, ack)
	}
	persist := in.persist
	if !persist {
		in.set, in.dropped, in.after = nil, nil, nil
	}
	in.mu.Unlock()
	if !persist {
		ack(nil)
		return
	}
	c.writer.Mark(true)
}

// release handles PUBREL: the packet id is free again once that is kept [MQTT-4.3.3-11].
func (in *inbound) release(c *client, id uint16) error {
	in.mu.Lock()
	r := in.ids[id]
	switch {
	case r == nil:
		in.mu.Unlock()
		c.Send(&packet.Pubcomp{PacketID: id, Code: packet.PacketIdentifierNotFound})
		return nil
	case r.running:
		in.mu.Unlock()
		return &packet.Error{Code: packet.ProtocolError, Msg: "PUBREL before PUBREC"}
	}
	delete(in.ids, id)
	if !in.persist {
		in.mu.Unlock()
		c.Send(&packet.Pubcomp{PacketID: id})
		return nil
	}
	delete(in.set, id)
	in.dropped = append(in.dropped, id)
	in.after = append(in.after, func(err error) {
		if err == nil {
			c.Send(&packet.Pubcomp{PacketID: id})
		}
	})
	in.mu.Unlock()
	c.writer.Mark(true)
	return nil
}

// expire notes a session expiry interval given at DISCONNECT.
func (in *inbound) expire(c *client) {
	if c.goodbye == nil || !c.goodbye.HasSessionExpiry || c.expiry == 0 {
		return
	}
	d := min(time.Duration(c.goodbye.SessionExpiry)*time.Second, c.srv.cfg.SessionExpiryMax)
	in.mu.Lock()
	defer in.mu.Unlock()
	in.expiry = &d
}

// Collect implements session.Source.
func (in *inbound) Collect(ch *session.Change) func(error) {
	in.mu.Lock()
	defer in.mu.Unlock()
	ch.DropIn = append(ch.DropIn, in.dropped...)
	in.dropped = in.dropped[:0]
	for id, r := range in.set {
		ch.SetIn = append(ch.SetIn, r.Inbound)
		delete(in.set, id)
	}
	ch.Expiry, in.expiry = in.expiry, nil
	after := in.after
	in.after = nil
	if len(after) == 0 {
		return nil
	}
	return func(err error) {
		for _, fn := range after {
			fn(err)
		}
	}
}

// close ends what still waits; nothing is written any more.
func (in *inbound) close() {
	in.mu.Lock()
	in.closed = true
	after := in.after
	in.after, in.set, in.dropped = nil, nil, nil
	in.mu.Unlock()
	for _, fn := range after {
		fn(message.ErrAbandoned)
	}
}
