package client

import (
	"lmqgate/adapter/packet"
	"lmqgate/meta/session"
	"lmqgate/meta/topic"
)

// subscribe handles SUBSCRIBE. It blocks the reading goroutine until the promise behind SUBACK is made, so that what the
// client sends next comes after it.
func (c *client) subscribe(p *packet.Subscribe) error {
	codes := make([]packet.ReasonCode, len(p.Filters))
	asks := make([]session.Subscription, 0, len(p.Filters))
	places := make([]int, 0, len(p.Filters))
	room := c.srv.cfg.MaxSubscriptions - c.delivery.Subscriptions()
	for i, f := range p.Filters {
		if codes[i] = subscribable(f, room-len(asks)); codes[i] != packet.Success {
			continue
		}
		places = append(places, i)
		asks = append(asks, session.Subscription{
			Filter: f.Filter, QoS: f.QoS, NoLocal: f.NoLocal, RetainAsPublished: f.RetainAsPublished,
			RetainHandling: f.RetainHandling, ID: p.SubscriptionID,
		})
	}
	if len(asks) > 0 {
		for i, code := range c.delivery.Subscribe(c.ctx, asks) {
			codes[places[i]] = code
		}
	}
	c.Send(&packet.Suback{PacketID: p.PacketID, Codes: codes}) // [MQTT-3.8.4-1..6]
	return nil
}

// subscribable says what stands against a filter; Success if nothing does.
func subscribable(f packet.Subscription, room int) packet.ReasonCode {
	_, _, shared, err := topic.ParseShared(f.Filter)
	switch {
	case err != nil || topic.ValidFilter(f.Filter) != nil:
		return packet.TopicFilterInvalid
	case shared:
		return packet.SharedSubscriptionsNotSupported
	case room <= 0:
		return packet.QuotaExceeded
	}
	return packet.Success
}

// unsubscribe handles UNSUBSCRIBE. Before 5.0 a failure has no code, so the connection ends instead.
func (c *client) unsubscribe(p *packet.Unsubscribe) error {
	codes := c.delivery.Unsubscribe(c.ctx, p.Filters)
	if c.version != packet.V5 {
		for _, code := range codes {
			if code.Failed() {
				return packet.ServerBusy
			}
		}
	}
	c.Send(&packet.Unsuback{PacketID: p.PacketID, Codes: codes}) // [MQTT-3.10.4-4]
	return nil
}
