package client

import (
	"context"
	"errors"
	"log/slog"
	"strings"
	"time"

	"lmqgate/adapter/packet"
	"lmqgate/meta/session"
)

// The log tells the story of a client id: one line at info when it connects, one when it goes, warnings in between where
// something is lost or refused, and every packet at debug level, of clients that are followed. Payloads, passwords and
// what was said in enhanced authentication are never in it.

// log writes a line about this connection: client_id is the client's, conn counts the connections of the instance, epoch
// those of the session; it is 0 until the session is attached.
func (c *client) log(l slog.Level, msg string, args ...any) {
	ctx := context.Background()
	if !c.srv.cfg.Logger.Enabled(ctx, l) {
		return
	}
	c.srv.cfg.Logger.Log(ctx, l, msg, append([]any{"client_id", c.id, "conn", c.number, "epoch", uint64(c.epoch)}, args...)...)
}

// came tells that the client was accepted; began is when its CONNECT was there.
func (c *client) came(p *packet.Connect, st session.State, began int64) {
	c.since = c.srv.now()
	m, found, from := &c.srv.metrics.life, "new", ""
	if st.Present {
		found = "resumed"
	}
	if st.Previous != nil {
		if from = "elsewhere"; st.Previous.Instance == c.srv.cfg.Instance {
			from = "here"
		}
	}
	m.accepted.WithLabelValues(c.version.String()).Inc()
	m.attached.WithLabelValues(found).Inc()
	took := time.Duration(c.since - began)
	m.connect.Observe(took.Seconds())
	args := []any{
		"user", c.user, "address", addressOf(c.conn), "transport", c.conn.Kind(), "version", c.version.String(),
		"session", found, "clean", p.CleanStart, "expiry", c.expiry, "subscriptions", len(st.Subscriptions), "took", took,
	}
	if id := c.trace(p, packet.Success, st.Present, began); id != "" {
		args = append(args, "trace_id", id)
	}
	if from != "" {
		args = append(args, "taken_over", from)
	}
	c.log(slog.LevelInfo, "connected", args...)
}

// went tells that it has gone; err is what ended reading.
func (c *client) went(err error) {
	code, side := c.reason(), "server"
	switch {
	case c.goodbye != nil:
		side = "client"
	case c.ending.code() == packet.Success && c.moving.Load() == nil:
		side = "network"
	}
	c.srv.metrics.life.ended.WithLabelValues(side, code.String()).Inc()
	c.out.mu.Lock()
	sent := c.out.sent
	c.out.mu.Unlock()
	args := []any{
		"user", c.user, "address", addressOf(c.conn), "by", side, "code", code.String(),
		"duration", time.Duration(c.srv.now() - c.since), "messages_in", c.taken, "messages_out", sent,
	}
	if err != nil && side != "client" && !errors.Is(err, errClosing) {
		args = append(args, "reason", err)
	}
	c.log(slog.LevelInfo, "disconnected", args...)
}

// packetIn logs a packet of a client that is followed.
func (c *client) packetIn(p packet.Packet) { c.packet("packet in", p) }

// packetOut logs a packet to a client that is followed, other than a delivery.
func (c *client) packetOut(p packet.Packet, size int) { c.packet("packet out", p, "size", size) }

// deliveryOut logs a delivery to a client that is followed.
func (c *client) deliveryOut(d packet.Delivery) {
	c.log(slog.LevelDebug, "packet out", "type", packet.PUBLISH.String(), "id", d.PacketID, "qos", d.QoS, "dup", d.DUP, "retain", d.Retain)
}

func (c *client) packet(msg string, p packet.Packet, args ...any) {
	args = append([]any{"type", p.Type().String()}, args...)
	switch p := p.(type) {
	case *packet.Publish:
		args = append(args, "id", p.PacketID, "qos", p.QoS, "dup", p.DUP, "retain", p.Retain, "topic", p.Topic, "payload_bytes", len(p.Payload))
	case *packet.Subscribe:
		filters := make([]string, len(p.Filters))
		for i, s := range p.Filters {
			filters[i] = s.Filter
		}
		args = append(args, "id", p.PacketID, "filters", strings.Join(filters, " "))
	case *packet.Suback:
		args = append(args, "id", p.PacketID, "codes", p.Codes)
	case *packet.Unsubscribe:
		args = append(args, "id", p.PacketID, "filters", strings.Join(p.Filters, " "))
	case *packet.Puback:
		args = append(args, "id", p.PacketID, "code", p.Code.String())
	case *packet.Pubrec:
		args = append(args, "id", p.PacketID, "code", p.Code.String())
	case *packet.Pubrel:
		args = append(args, "id", p.PacketID)
	case *packet.Pubcomp:
		args = append(args, "id", p.PacketID)
	case *packet.Disconnect:
		args = append(args, "code", p.Code.String())
	case *packet.Connack:
		args = append(args, "code", p.Code.String(), "session_present", p.SessionPresent)
	}
	c.log(slog.LevelDebug, msg, args...)
}

// addressOf is the client's address for the log; "" of a reader of this gateway's own.
func addressOf(c Conn) string {
	if at := c.RemoteIP(); at.IsValid() {
		return at.String()
	}
	return ""
}
