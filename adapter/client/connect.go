package client

import (
	"context"
	"crypto/rand"
	"errors"
	"fmt"
	"log/slog"

	"lmqgate/adapter/packet"
	"lmqgate/meta/access"
	"lmqgate/meta/session"
)

// handshake handles CONNECT. It reports whether the client is attached; if not, the connection is closed.
//
//go:noinline
func (c *client) handshake() bool {
	p, err := c.dec.Next()
	if err != nil {
		c.refuseDecode(err)
		return false
	}
	c.srv.metrics.received(p.Type())
	connect, ok := p.(*packet.Connect)
	if !ok { // [MQTT-3.1.0-1]
		c.bye(packet.ProtocolError, "first packet is not CONNECT")
		return false
	}
	began := c.srv.now()
	c.conn.Established()
	c.version = connect.Version
	connack, st, err := c.connect(connect)
	if err != nil {
		c.refuse(err)
		code := packet.UnspecifiedError
		errors.As(err, &code)
		c.trace(connect, code, false, began)
		return false
	}
	attach := c.begin(connect, st)
	switch {
	case c.ending.begun(), c.moving.Load() != nil:
		c.turnAway(st)
		return false
	case c.out.send(connack) != nil: // it cannot even take a CONNACK
		c.Close(packet.PacketTooLarge)
		c.turnAway(st)
		return false
	}
	c.dec.SetMaxPacketSize(c.srv.cfg.MaxPacketSize)
	c.welcomed.Store(true)
	c.attach(attach, st)
	if c.srv.rechecks.Load() { // rules changed while it was on its way, maybe
		c.recheck()
	}
	c.came(connect, st, began)
	c.announce(st)
	return true
}

// refuseDecode ends a connection whose first bytes are no CONNECT that we can serve. It is answered where the
// specification wants that, in the version of the client.
func (c *client) refuseDecode(err error) {
	var code packet.ReasonCode
	if !errors.As(err, &code) {
		_ = c.conn.Close() // the peer went, or did not send CONNECT in time
		return
	}
	c.version = c.dec.Version()
	switch {
	case code == packet.UnsupportedProtocolVersion && !c.version.Valid(): // [MQTT-3.1.2-2]
		c.version = packet.V311
		c.Send(&packet.Connack{Code: code})
	case code == packet.UnsupportedProtocolVersion, c.version == packet.V5,
		code == packet.ClientIdentifierNotValid: // [3.1.1 MQTT-3.1.3-9]
		c.Send(&packet.Connack{Code: code})
	}
	c.bye(code, err.Error())
}

// refuse answers CONNECT with a failure and closes [MQTT-3.2.2-7].
func (c *client) refuse(err error) {
	if errors.Is(err, errGoodbye) {
		c.Close(packet.Success)
		return
	}
	code := packet.UnspecifiedError
	errors.As(err, &code)
	ack := &packet.Connack{Code: code}
	if c.problems {
		ack.Properties.Reason = words(err)
	}
	c.Send(ack)
	c.bye(code, err.Error())
}

// bye closes a connection that is not attached. What passes by itself is no news in the log: with a store away, every
// client of the fleet comes back again and again.
func (c *client) bye(code packet.ReasonCode, why string) {
	c.srv.metrics.refused(code)
	level := slog.LevelInfo
	refused, _ := c.conn.Refused()
	if code == packet.ServerUnavailable || code == packet.UseAnotherServer || refused != packet.Success {
		level = slog.LevelDebug
		c.srv.refuses(why)
	}
	c.log(level, "connection refused", "code", code.String(), "reason", why, "user", c.user,
		"address", addressOf(c.conn), "transport", c.conn.Kind())
	c.Close(code)
}

// reject is an error with the reason code for CONNACK.
func reject(code packet.ReasonCode, format string, args ...any) error {
	return &packet.Error{Code: code, Msg: fmt.Sprintf(format, args...)}
}

// connect checks CONNECT and takes the session.
func (c *client) connect(p *packet.Connect) (*packet.Connack, session.State, error) {
	c.problems = p.Version == packet.V5 && !p.Properties.NoProblemInfo
	c.id = p.ClientID
	c.clean = p.CleanStart
	c.maxPacket = int(p.Properties.MaximumPacketSize)
	c.out.most = min(p.Properties.TopicAliasMaximum, maxAliases)
	if err := c.acceptable(p); err != nil {
		return nil, session.State{}, err
	}
	assigned := ""
	if c.id == "" { // [MQTT-3.1.3-6]; before 5.0 with a clean session only, as the decoder has checked [3.1.1 MQTT-3.1.3-8]
		c.id = "lmq-" + rand.Text()
		assigned = c.id
	}
	if follow := c.srv.cfg.Follow; follow != nil {
		c.follow = follow(c.id)
	}
	id, reply, err := c.authenticate(p)
	if err != nil {
		return nil, session.State{}, err
	}
	if err := c.enter(&id); err != nil {
		return nil, session.State{}, err
	}
	if err := c.register(&id); err != nil {
		return nil, session.State{}, err
	}
	will, err := c.will(p)
	if err != nil {
		return nil, session.State{}, err
	}
	c.user = id.Username
	c.agree(p)
	st, err := c.own(p, &id, will)
	if err != nil {
		return nil, session.State{}, err
	}
	ack := &packet.Connack{SessionPresent: st.Present}
	if c.version == packet.V5 {
		c.advertise(&ack.Properties, p, assigned)
		ack.Properties.AuthMethod, ack.Properties.AuthData = p.Properties.AuthMethod, reply // [MQTT-4.12.0-5]
	}
	return ack, st, nil
}

// acceptable checks what does not need anybody else.
func (c *client) acceptable(p *packet.Connect) error {
	refused, why := c.conn.Refused()
	switch {
	case refused != packet.Success:
		return reject(refused, "%s", why)
	case c.inside == nil && reserved(c.id):
		return reject(packet.ClientIdentifierNotValid, "client ids that begin with %s, %s and %s are the gateway's own", StreamIDs, PushIDs, TenantIDs)
	case c.srv.draining.Load():
		return errDraining
	case c.inside == nil && !c.srv.welcome(c.conn.RemoteIP()):
		return reject(packet.ConnectionRateExceeded, "too many connections from this address, try again later")
	case !c.srv.deps.Lease.Valid():
		return reject(packet.ServerUnavailable, "this instance has no contact to its session store, try again")
	}
	if c.srv.deps.Admit != nil {
		if err := c.srv.deps.Admit(); err != nil {
			return reject(packet.ServerUnavailable, "%v", err)
		}
	}
	return willing(p.Will)
}

// own takes the session from whoever holds it: one round trip, nobody elsewhere is waited for (decision 5). The call is
// not cut short when the connection closes, so that its outcome is known.
func (c *client) own(p *packet.Connect, id *access.Identity, will *session.Will) (session.State, error) {
	if err := c.arrive(); err != nil {
		return session.State{}, err
	}
	holder := ""
	if id.Method != access.MethodAnonymous { // what an anonymous client calls itself is nobody's name
		holder = id.Username
	}
	st, err := c.takeOver(session.AttachRequest{
		ClientID: c.id, Instance: c.srv.cfg.Instance, CleanStart: p.CleanStart, Expiry: c.expiry,
		Protocol: byte(p.Version), Username: id.Username, Address: c.conn.RemoteIP().String(), Holder: holder, AnyHolder: c.srv.cfg.Unbound,
		Will: will, Takeovers: max(c.srv.cfg.Takeovers, 0),
	})
	if err != nil {
		c.srv.turnBack(c)
		return st, c.unattached(err)
	}
	c.epoch = st.Epoch
	if st.Previous != nil {
		c.srv.metrics.takeovers.Inc()
	}
	if old := c.srv.claim(c); old != nil {
		old.Close(packet.SessionTakenOver) // [MQTT-3.1.4-3]
	}
	return st, nil
}

// arrive waits for the client's turn on this instance.
func (c *client) arrive() error {
	ctx, cancel := context.WithTimeout(context.Background(), c.srv.cfg.Redis)
	defer cancel()
	if err := c.srv.arrive(ctx, c); err != nil {
		return err
	}
	c.srv.precede(ctx, c.id)
	return nil
}

// begin does what has to be done before CONNACK: from then on what is sent to the client reaches it.
func (c *client) begin(p *packet.Connect, st session.State) (attach func(Link) Delivery) {
	deps := &c.srv.deps
	c.writer = deps.Committer.Writer(c.id, c.epoch, c.lost)
	c.revoke(&st)
	o := AttachOptions{Persistent: c.expiry > 0, ReceiveMaximum: int(p.Properties.ReceiveMaximum)}
	if c.inside != nil {
		c.inside.Resume(&st, c.maySubscribe)
		o.Persistent, o.Take, o.Placed = c.inside.Lasts(), c.inside.Take, c.inside.Placed
	}
	return deps.Deliver.Begin(st, o, c.writer)
}

// attach starts serving the session.
func (c *client) attach(attach func(Link) Delivery, st session.State) {
	c.behalf.mu.Lock() // operators wait until it is known that the client came
	defer c.behalf.mu.Unlock()
	c.restore(st)
	c.filters, c.behalf.given = filtersOf(st.Subscriptions), givenIn(st.Subscriptions)
	c.writer.Add((*source)(c))
	c.delivery = attach(c)
	c.attached.Store(true)
	if c.inside != nil {
		c.inside.Attached(c.wake)
	}
	c.delivery.Wake()
	c.lose(0)
	c.through()
	c.online()
}

// announce does what the client need not wait for: wills of earlier connections are published, the previous owner is
// told, a discarded session's filters are given back.
func (c *client) announce(st session.State) {
	c.srv.due(st.Wills)
	if st.Previous == nil && len(st.Discarded) == 0 {
		return
	}
	ctx, cancel := context.WithTimeout(context.Background(), c.srv.cfg.Redis)
	defer cancel()
	if st.Previous != nil && st.Previous.Instance != c.srv.cfg.Instance && c.srv.deps.Words != nil {
		w := session.Word{Kind: "lost", ClientID: c.id, Epoch: st.Previous.Epoch}
		if err := c.srv.deps.Words.Tell(ctx, st.Previous.Instance, w); err != nil {
			c.log(slog.LevelInfo, "telling the previous owner failed; it will find out", "error", err)
		}
	}
	c.srv.release(ctx, c.id, st.Discarded)
}

// lost is the committer's word that the session cannot be written any more.
func (c *client) lost(err error) {
	if errors.Is(err, session.ErrFenced) {
		c.Close(packet.SessionTakenOver)
		return
	}
	if c.giveUp(packet.ServerBusy, "the session cannot be written") {
		c.log(slog.LevelWarn, "session cannot be written", "error", err)
	}
}
