package gateway

import (
	"context"
	"strings"

	"lmqgate/adapter/client"
	"lmqgate/adapter/dispatch"
	"lmqgate/adapter/events"
	"lmqgate/adapter/packet"
	"lmqgate/adapter/presence"
	"lmqgate/meta/session"
)

// openPresence makes what sends presence events to RocketMQ, nil if they are not wanted.
func (g *Gateway) openPresence() *presence.Events {
	if !g.cfg.PresenceEvents {
		return nil
	}
	return presence.New(g.matcher, presenceProducer{producer{g.rocket}}, presence.Config{Instance: g.id, Logger: g.log, Registerer: g.reg})
}

// openEvents makes what publishes events, nil if none are wanted.
func (g *Gateway) openEvents() *events.Publisher {
	if len(g.cfg.Events) == 0 {
		return nil
	}
	return events.New(lanes{g.dispatch}, events.Config{Types: g.cfg.Events, Instance: g.id, Now: g.now, Logger: g.log, Registerer: g.reg})
}

// dropped tells events of messages that a client was not sent; nil if nobody wants to know.
func (g *Gateway) dropped() func(clientID, cause, topic string, n int) {
	if !g.events.Wants(events.Dropped) {
		return nil
	}
	return g.events.Drop
}

// present tells presence and events of clients; nil if neither is wanted.
func (g *Gateway) present() client.Presence {
	if g.presence == nil && g.events == nil {
		return nil
	}
	return comings{g.presence, g.events}
}

// comings lets client tell of clients that come and go. What this process reads by itself is no client.
type comings struct {
	presence *presence.Events  // nil: not wanted
	events   *events.Publisher // nil: not wanted
}

var _ client.Presence = comings{}

func inProcess(clientID string) bool {
	return strings.HasPrefix(clientID, client.StreamIDs) || strings.HasPrefix(clientID, client.PushIDs)
}

func (c comings) Online(p client.Present) {
	if inProcess(p.ClientID) {
		return
	}
	if c.presence != nil {
		c.presence.Online(presence.Info(p))
	}
	c.tell(events.Connected, p, func(e *events.Event) {
		e.Clean, e.KeepAlive, e.At = p.CleanStart, int(p.KeepAlive.Seconds()), p.At
	})
}

func (c comings) Offline(p client.Present, code packet.ReasonCode) {
	if inProcess(p.ClientID) {
		return
	}
	if c.presence != nil {
		c.presence.Offline(presence.Info(p), code)
	}
	c.tell(events.Disconnected, p, func(e *events.Event) {
		number := int(code)
		e.Code, e.Reason, e.Since = &number, code.String(), p.At
	})
}

func (c comings) Subscribed(p client.Present, filters []string) {
	c.tell(events.Subscribed, p, func(e *events.Event) { e.Filters = filters })
}

func (c comings) Unsubscribed(p client.Present, filters []string) {
	c.tell(events.Unsubscribed, p, func(e *events.Event) { e.Filters = filters })
}

func (c comings) tell(kind string, p client.Present, fill func(*events.Event)) {
	if !c.events.Wants(kind) || inProcess(p.ClientID) {
		return
	}
	e := events.Event{
		Type: kind, ClientID: p.ClientID, Username: p.Username, Address: p.Address.String(), Transport: p.Transport, Protocol: p.Version.String(),
	}
	fill(&e)
	c.events.Tell(e)
}

// presenceProducer lets presence send through the RocketMQ client.
type presenceProducer struct{ producer }

func (p presenceProducer) Send(o *presence.Outgoing, done func(error)) {
	p.producer.Send((*dispatch.Outgoing)(o), done)
}

// sweptClients tells that the clients of a dead instance are gone.
func (g *Gateway) sweptClients(instance string, ended []session.Ended) {
	ids := make([]string, 0, len(ended))
	for _, e := range ended {
		if inProcess(e.ClientID) {
			continue
		}
		ids = append(ids, e.ClientID)
		g.events.Tell(events.Event{Type: events.Disconnected, ClientID: e.ClientID, Instance: instance, Reason: "its instance is gone"})
	}
	if g.presence != nil && len(ids) > 0 {
		g.presence.Swept(instance, ids)
	}
}

// expired tells that a session is over.
func (g *Gateway) expired(e session.Ended) {
	if inProcess(e.ClientID) {
		return
	}
	event := events.Event{Type: events.Expired, ClientID: e.ClientID}
	for _, sub := range e.Subscriptions {
		event.Filters = append(event.Filters, sub.Filter)
	}
	g.events.Tell(event)
}

// closeEvents sends the last events.
func (g *Gateway) closeEvents(ctx context.Context) error {
	if g.events != nil {
		g.events.Close(ctx)
	}
	if g.presence == nil {
		return nil
	}
	return g.presence.Close(ctx)
}
