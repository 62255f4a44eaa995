package client

import (
	"context"
	"errors"
	"math"
	"sync/atomic"
	"time"

	"lmqgate/adapter/packet"
	"lmqgate/meta/session"
)

// client is one connection. Fields without a note are set before the session is attached and not changed after.
type client struct {
	srv    *Server
	conn   Conn
	inside Insider         // conn, if it is one
	dec    *packet.Decoder // the reading goroutine's
	out    output

	id        string
	user      string        // whom it was authenticated as
	number    uint64        // of this connection, on this instance
	since     int64         // when the session was attached, ns since Server.start
	follow    bool          // its packets are logged
	epoch     session.Epoch // 0 until the session is attached
	expiry    time.Duration // session expiry interval agreed on; over 0 the session is persistent
	maxPacket int           // bytes that the client accepts in one packet, 0 = any number
	patience  int64         // 1.5 times the keep alive, ns; 0 = none
	retire    int64         // when the connection is old enough, ns since Server.start; 0 = never
	version   packet.Version
	problems  bool // reason strings are wanted [MQTT-3.1.2-29]
	arrived   bool // Server.arrive counts it
	clean     bool // Clean Start
	lasting   bool // CONNECT asked for a session expiry interval over 0

	ending   ending
	welcomed atomic.Bool                        // CONNACK with success was sent
	attached atomic.Bool                        // delivery is set
	moving   atomic.Pointer[move]               // the client is sent elsewhere
	lostTo   atomic.Uint64                      // highest epoch that another instance says was taken over
	seen     atomic.Int64                       // when the last packet was dealt with, ns since Server.start; busy during one
	expires  atomic.Int64                       // when the credentials end, ns since Server.start; 0 = never
	begun    atomic.Int64                       // when the packet began that is being read, ns since Server.start; 0: none
	wrote    atomic.Int64                       // when bytes last went to the client, pings included
	stop     atomic.Pointer[context.CancelFunc] // of what the reading goroutine waits for

	writer   *session.Writer
	delivery Delivery
	about    *about   // nil where nobody asks
	account  *account // the user's; nil: no limits of a user apply
	behalf   behalf

	// The reading goroutine's.
	in      atomic.Pointer[inbound] // made by the first packet that needs it; others may look
	filters filterSet               // changed under behalf.mu
	goodbye *packet.Disconnect
	taken   uint64 // PUBLISHes that were handled

	left chan struct{} // protected by Server.mu; closed when a client that said goodbye is forgotten
}

var _ Link = (*client)(nil)

// busy stands for the time of the last packet while one is being handled: a client is not silent while we let it wait.
const busy = math.MaxInt64 / 2

// mostConnect bounds CONNECT, and what else comes before the client is known: enough for a will and a password of full
// length.
const mostConnect = 160 << 10

// Serve handles one connection until it ends. It returns when the session is released and the last byte is written.
//
// Its frames, and those of read, are what a waiting connection keeps on its stack: everything else is in calls of their
// own.
func (s *Server) Serve(conn Conn) {
	c := s.newClient(conn)
	if c.handshake() {
		c.leave(c.read())
	}
	c.out.wait()
	s.accounts.leave(c.account)
	if c.arrived {
		s.gone(c)
	}
}

//go:noinline
func (s *Server) newClient(conn Conn) *client {
	c := &client{srv: s, conn: conn, number: s.conns.Add(1)}
	c.inside, _ = conn.(Insider)
	c.dec = packet.NewDecoder((*reader)(c), min(s.cfg.MaxPacketSize, mostConnect))
	c.out.c = c
	return c
}

// read handles packets until the connection ends; the error says why.
//
//go:noinline
func (c *client) read() error {
	for {
		p, err := c.dec.Next()
		if err != nil {
			return err
		}
		if err := c.take(p); err != nil {
			return err
		}
	}
}

// take handles one packet, unless the connection is closing or the instance may have lost its sessions (decision 5).
//
//go:noinline
func (c *client) take(p packet.Packet) error {
	c.seen.Store(busy)
	switch {
	case c.ending.begun(), c.given():
		c.part(p)
		return errClosing
	case !c.srv.deps.Lease.Valid():
		return &packet.Error{Code: packet.ServerBusy, Msg: "this instance has lost contact to its session store"}
	}
	c.srv.metrics.received(p.Type())
	if c.follow {
		c.packetIn(p)
	}
	if err := packet.CheckFromClient(p); err != nil {
		return err
	}
	err := c.handle(p)
	c.through()
	return err
}

// errGoodbye ends reading after a DISCONNECT.
var errGoodbye = errors.New("client said goodbye")

// handle does what one packet asks for.
func (c *client) handle(p packet.Packet) error {
	switch p := p.(type) {
	case *packet.Publish:
		return c.publish(p)
	case *packet.Puback:
		c.delivery.Puback(p.PacketID)
	case *packet.Pubrec:
		c.delivery.Pubrec(p.PacketID, p.Code)
	case *packet.Pubrel:
		return c.inbound().release(p.PacketID)
	case *packet.Pubcomp:
		c.delivery.Pubcomp(p.PacketID)
	case *packet.Subscribe:
		return c.subscribe(p)
	case *packet.Unsubscribe:
		return c.unsubscribe(p)
	case *packet.Pingreq:
		c.Send(&packet.Pingresp{}) // [MQTT-3.12.4-1]
	case *packet.Disconnect:
		return c.disconnect(p)
	case *packet.Auth:
		return c.reauthenticate(p)
	default: // a second CONNECT [MQTT-3.1.0-2]
		return &packet.Error{Code: packet.ProtocolError, Msg: "unexpected " + p.Type().String()}
	}
	return nil
}

// disconnect handles the client's goodbye [MQTT-3.14.4-3].
func (c *client) disconnect(p *packet.Disconnect) error {
	if p.HasSessionExpiry && p.SessionExpiry > 0 && !c.lasting { // section 3.14.2.2.2
		return &packet.Error{Code: packet.ProtocolError, Msg: "session expiry set at DISCONNECT of a session without one"}
	}
	c.goodbye = p
	return errGoodbye
}

// part takes note of a DISCONNECT that came while this side was closing: the will is deleted all the same.
func (c *client) part(p packet.Packet) {
	if d, ok := p.(*packet.Disconnect); ok && packet.CheckFromClient(d) == nil {
		_ = c.disconnect(d)
	}
}

// inbound returns the client's inbound state; the reading goroutine's.
func (c *client) inbound() *inbound {
	in := c.in.Load()
	if in == nil {
		in = &inbound{c: c, persist: c.expiry > 0}
		c.in.Store(in)
	}
	return in
}

// silent reports whether the client's keep alive has run out.
func (c *client) silent(now int64) bool {
	return c.patience > 0 && now-c.seen.Load() > c.patience
}

// idle reports whether nothing moved on a WebSocket for so long that a proxy may close it.
func (c *client) idle(now int64) bool {
	after := int64(c.srv.cfg.PingAfter)
	return after > 0 && now-c.seen.Load() > after && now-c.wrote.Load() > after && c.conn.Kind() == "ws"
}

// ping sends a ping of the transport's, which is no MQTT packet.
func (c *client) ping(now int64) {
	c.wrote.Store(now)
	if c.conn.Ping() != nil { // nothing can be written any more
		c.Close(packet.Success)
	}
}

// wake lets the delivery go on after Full was answered with true. Before the delivery is known here, attach does it.
func (c *client) wake() {
	if c.attached.Load() {
		c.delivery.Wake()
	}
}

// Version implements Link.
func (c *client) Version() packet.Version { return c.version }

// MaxPacket implements Link.
func (c *client) MaxPacket() int { return c.maxPacket }
