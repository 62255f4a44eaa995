package client

import (
	"context"
	"errors"
	"io"
	"log/slog"
	"sync/atomic"
	"time"

	"lmqgate/adapter/packet"
	"lmqgate/meta/message"
	"lmqgate/meta/registry"
	"lmqgate/meta/session"
)

// client is one connection. Fields without a note are set before the session is attached and not changed after.
type client struct {
	srv  *Server
	conn Conn
	dec  *packet.Decoder
	out  output

	version   packet.Version
	id        string
	epoch     session.Epoch // 0 until the session is attached
	expiry    time.Duration // session expiry interval agreed on
	maxPacket int
	patience  int64 // 1.5 times the keep alive, ns; 0 = none
	retire    int64 // when the connection is old enough, ns since Server.start; 0 = never
	problems  bool  // reason strings and user properties are wanted [MQTT-3.1.2-29]

	lostTo  atomic.Uint64 // highest epoch that another instance says was taken over
	seen    atomic.Int64  // when the last packet came, ns since Server.start
	closing atomic.Bool
	ctx     context.Context // ends with the connection
	cancel  context.CancelFunc

	writer   *session.Writer
	delivery Delivery
	attached atomic.Bool // delivery is set
	lane     message.Lane
	in       inbound
	aliases  []string // topic aliases of the client, by number; the reading goroutine's
	goodbye  *packet.Disconnect
}

var _ Link = (*client)(nil)

// Serve handles one connection until it ends. It returns when the session is released.
func (s *Server) Serve(conn Conn) {
	s.gone.Add(1)
	defer s.gone.Done()
	c := &client{srv: s, conn: conn, dec: packet.NewDecoder(conn, s.cfg.MaxPacketSize)}
	c.ctx, c.cancel = context.WithCancel(context.Background())
	defer c.cancel()
	c.out.c = c
	if !c.handshake() {
		return
	}
	err := c.read()
	c.leave(err)
}

// read handles packets until the connection ends; the error says why.
func (c *client) read() error {
	for {
		p, err := c.dec.Next()
		if err != nil {
			return err
		}
		c.seen.Store(c.srv.now())
		if !c.srv.deps.Lease.Valid() { // a paused or cut-off instance may have lost its sessions
			return packet.ServerBusy
		}
		c.srv.metrics.received(p.Type())
		if err := packet.CheckFromClient(p); err != nil {
			return err
		}
		if err := c.handle(p); err != nil {
			return err
		}
	}
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
		return c.in.release(c, p.PacketID)
	case *packet.Pubcomp:
		c.delivery.Pubcomp(p.PacketID)
	case *packet.Subscribe:
		return c.subscribe(p)
	case *packet.Unsubscribe:
		return c.unsubscribe(p)
	case *packet.Pingreq:
		c.Send(&packet.Pingresp{})
	case *packet.Disconnect:
		return c.disconnect(p)
	default: // a second CONNECT [MQTT-3.1.0-2], AUTH without a method, a packet that only servers send
		return &packet.Error{Code: packet.ProtocolError, Msg: "unexpected " + p.Type().String()}
	}
	return nil
}

// disconnect handles the client's goodbye [MQTT-3.14.4-3].
func (c *client) disconnect(p *packet.Disconnect) error {
	if p.HasSessionExpiry && p.SessionExpiry > 0 && c.expiry == 0 { // [MQTT-3.14.2-2]
		return &packet.Error{Code: packet.ProtocolError, Msg: "session expiry set at DISCONNECT of a session without one"}
	}
	c.goodbye = p
	return errGoodbye
}

// leave ends the session's stay on this connection.
func (c *client) leave(err error) {
	var code packet.ReasonCode
	switch {
	case errors.Is(err, errGoodbye), errors.Is(err, io.EOF), errors.Is(err, io.ErrUnexpectedEOF):
		c.Close(packet.Success)
	case errors.As(err, &code):
		c.log(slog.LevelInfo, "closing connection", "reason", err)
		c.Close(code)
	default:
		c.Close(packet.Success) // the stream broke, or it was closed from this side
	}
	c.cancel()
	ctx, cancel := context.WithTimeout(context.Background(), c.srv.cfg.Redis)
	defer cancel()
	c.in.expire(c)
	if err := c.delivery.Close(ctx); err != nil && !errors.Is(err, session.ErrFenced) {
		c.log(slog.LevelWarn, "last write of the session failed", "error", err)
	}
	c.in.close()
	c.srv.forget(c)
	c.detach(ctx)
	c.log(slog.LevelDebug, "disconnected", "reason", reasonText(err))
}

func reasonText(err error) string {
	if err == nil {
		return ""
	}
	return err.Error()
}

// detach gives the session's ownership up. What fails here is done by a sweep later.
func (c *client) detach(ctx context.Context) {
	ended, err := c.srv.deps.Sessions.Detach(ctx, c.id, c.epoch)
	if err != nil {
		if !errors.Is(err, session.ErrFenced) {
			c.log(slog.LevelWarn, "releasing the session failed, left to the sweep", "error", err)
		}
		return
	}
	if len(ended.Subscriptions) == 0 || !c.srv.release(ctx, c.id, ended.Subscriptions) {
		return
	}
	if err := c.srv.deps.Sweeper.Settled(ctx, []string{c.id}); err != nil {
		c.log(slog.LevelDebug, "settling the ended session failed, the sweep does it again", "error", err)
	}
}

// release gives back the filters of a session that has ended, and reports whether it could; what fails is mended by
// the sweep or by reconciliation.
func (s *Server) release(ctx context.Context, clientID string, subs []session.Subscription) bool {
	if len(subs) == 0 {
		return true
	}
	holds := make([]registry.Hold, len(subs))
	for i, sub := range subs {
		holds[i] = registry.Hold{Filter: sub.Filter, ClientID: clientID, Epoch: uint64(sub.HoldEpoch), Seq: sub.HoldSeq}
	}
	if err := s.deps.Filters.Release(ctx, holds); err != nil {
		s.cfg.Logger.Warn("releasing filters failed, left to reconciliation", "client_id", clientID, "error", err)
		return false
	}
	return true
}

// silent reports whether the client's keep alive has run out.
func (c *client) silent(now int64) bool {
	return c.patience > 0 && now-c.seen.Load() > c.patience
}

// wake lets the delivery go on after Full was answered with true. Before the delivery is known here, connect does it.
func (c *client) wake() {
	if c.attached.Load() {
		c.delivery.Wake()
	}
}

// Version implements Link.
func (c *client) Version() packet.Version { return c.version }

// MaxPacket implements Link.
func (c *client) MaxPacket() int { return c.maxPacket }

// Close ends the connection with the reason, once, without blocking. The reading goroutine then releases the session.
func (c *client) Close(code packet.ReasonCode) {
	if !c.closing.CompareAndSwap(false, true) {
		return
	}
	c.cancel()
	if c.version == packet.V5 && code != packet.Success && c.attached.Load() { // [MQTT-3.14.0-1]: only after CONNACK
		c.out.send(&packet.Disconnect{Code: code.For(packet.DISCONNECT)}, c.version)
	}
	c.out.finish(code)
}

func (c *client) log(l slog.Level, msg string, args ...any) {
	c.srv.cfg.Logger.Log(context.Background(), l, msg, append([]any{"client_id", c.id, "epoch", uint64(c.epoch)}, args...)...)
}
