package client

import (
	"sync"
	"sync/atomic"
	"time"

	"lmqgate/adapter/packet"
	"lmqgate/meta/message"
	"lmqgate/meta/session"
)

// maxAcks bounds the acknowledgements of a client that are not sent yet, those included that wait for an earlier one.
const maxAcks = 4096

// inbound is what a client's PUBLISHes keep until they are through: places in flight, the order of acknowledgements
// and QoS 2 packet ids.
type inbound struct {
	c       *client
	persist bool
	restful int64        // ns since Server.start: from then on nothing of an earlier connection is on its way
	fresh   atomic.Int64 // ns since Server.start: the session was ours then, as a fenced write has shown
	unsent  atomic.Int32 // QoS 2 publications on their way to the log

	// The reading goroutine's.
	lane    message.Lane
	spent   meter
	aliases []string // topic aliases of the client, by number; for this connection only [MQTT-3.3.2-7]

	pubacks, pubrecs ackQueue

	mu      sync.Mutex // protects the fields below
	closed  bool
	count   int                  // publications on their way to the log, any QoS
	bytes   int                  // their payloads
	quota   int                  // PUBLISHes of this connection that count against Receive Maximum [MQTT-3.3.4-7]
	acks    int                  // acknowledgements reserved and not sent
	room    chan struct{}        // see wait; nil: nobody waits
	ids     map[uint16]*received // QoS 2: on their way
	acked   idSet                // QoS 2: PUBREC was sent, on this connection or an earlier one; waits for PUBREL
	counted idSet                // of acked, those that count in quota
	set     []*received          // to be written
	dropped []uint16             // to be deleted
	expiry  *time.Duration
	after   []func(error) // called when set, dropped and expiry are written
	resting []func(error) // repeats that wait until restful
	rest    *time.Timer
}

// overrun reports whether one more PUBLISH exceeds what was agreed. Clients before 5.0 may have all 65,535 packet ids
// open. Called under in.mu.
func (in *inbound) overrun(p *packet.Publish) error {
	if in.c.version != packet.V5 || p.QoS == 0 || in.quota < in.c.srv.cfg.ReceiveMaximum {
		return nil
	}
	if r := in.ids[p.PacketID]; p.QoS == 2 && (r != nil && r.counted || in.counted.has(p.PacketID)) {
		return nil
	}
	return reject(packet.ReceiveMaximumExceeded, "more PUBLISH packets than Receive Maximum")
}

// open reports whether a QoS 2 packet id is in use.
func (in *inbound) open(id uint16) bool {
	in.mu.Lock()
	defer in.mu.Unlock()
	return in.ids[id] != nil || in.acked.has(id)
}

// enter takes a place in flight for a PUBLISH. Without one it waits, which holds the client back by TCP; a client that
// exceeds what was agreed is disconnected, section 3.1.2.11.3.
func (in *inbound) enter(p *packet.Publish) error {
	in.mu.Lock()
	defer in.mu.Unlock()
	if err := in.overrun(p); err != nil {
		return err
	}
	for waited := false; ; {
		most, bytes := in.c.srv.allowance()
		if in.count < most && in.acks < maxAcks && (in.count == 0 || in.bytes+len(p.Payload) <= bytes) {
			break
		}
		if in.c.ending.begun() || in.c.given() {
			return errClosing
		}
		if !waited {
			waited = true
			in.c.srv.metrics.held.Inc()
		}
		in.wait()
	}
	if in.c.ending.begun() || in.c.given() {
		return errClosing
	}
	in.count++
	in.bytes += len(p.Payload)
	in.c.srv.hand.count.Add(1)
	in.c.srv.hand.bytes.Add(int64(len(p.Payload)))
	return nil
}

// wait waits until there may be room, all is quiet or the connection closes. Called under in.mu, by the reading goroutine.
func (in *inbound) wait() {
	room := make(chan struct{})
	in.room = room
	in.mu.Unlock()
	<-room
	in.mu.Lock()
}

// quiet returns when all PUBLISHes that were taken are through and acknowledged, or the connection closes.
func (in *inbound) quiet() {
	in.mu.Lock()
	defer in.mu.Unlock()
	for in.count+in.acks > 0 && !in.c.ending.begun() {
		in.wait()
	}
}

// wake lets wait look again.
func (in *inbound) wake() {
	in.mu.Lock()
	defer in.mu.Unlock()
	in.wakeLocked()
}

func (in *inbound) wakeLocked() {
	if in.room != nil {
		close(in.room)
		in.room = nil
	}
}

// left gives a place back.
func (in *inbound) left(bytes int) {
	in.mu.Lock()
	defer in.mu.Unlock()
	in.count--
	in.bytes -= bytes
	in.c.srv.hand.count.Add(-1)
	in.c.srv.hand.bytes.Add(-int64(bytes))
	in.wakeLocked()
}

// close ends what still waits; nothing is written any more.
func (in *inbound) close() {
	in.mu.Lock()
	in.closed = true
	waiting := append(in.after, in.resting...)
	in.after, in.resting, in.set, in.dropped = nil, nil, nil, nil
	if in.rest != nil {
		in.rest.Stop()
	}
	in.mu.Unlock()
	for _, fn := range waiting {
		fn(message.ErrAbandoned)
	}
}

// source is what an attached client has to write, as a session.Source.
type source client

var _ session.Source = (*source)(nil)

// Collect implements session.Source.
func (s *source) Collect(ch *session.Change) func(error) {
	if in := s.in.Load(); in != nil {
		return in.collect(ch)
	}
	return nil
}

func (in *inbound) collect(ch *session.Change) func(error) {
	began := in.c.srv.now()
	in.mu.Lock()
	defer in.mu.Unlock()
	ch.DropIn = append(ch.DropIn, in.dropped...)
	for _, r := range in.set {
		if r.toWrite {
			r.toWrite = false
			ch.SetIn = append(ch.SetIn, r.Inbound)
		}
	}
	ch.Expiry = in.expiry
	wrote := len(in.dropped)+len(ch.SetIn) > 0 || in.expiry != nil
	after := in.after
	in.dropped, in.set, in.expiry, in.after = nil, nil, nil, nil
	if len(after) == 0 {
		return nil
	}
	return func(err error) {
		if err == nil && wrote {
			in.fresh.Store(max(in.fresh.Load(), began)) // one write at a time
		}
		for _, fn := range after {
			fn(err)
		}
	}
}

// expire notes a session expiry interval given at DISCONNECT.
func (c *client) expire() {
	if c.goodbye == nil || !c.goodbye.HasSessionExpiry || c.expiry == 0 {
		return
	}
	d := min(time.Duration(c.goodbye.SessionExpiry)*time.Second, c.srv.cfg.SessionExpiryMax)
	in := c.inbound()
	in.mu.Lock()
	defer in.mu.Unlock()
	in.expiry = &d
}
