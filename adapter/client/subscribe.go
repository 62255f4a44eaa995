package client

import (
	"context"
	"slices"

	"lmqgate/adapter/packet"
	"lmqgate/meta/session"
	"lmqgate/meta/topic"
)

// maxLevels bounds the depth of a topic filter, since what matches topics grows with it.
const maxLevels = 128

// subscribe handles SUBSCRIBE. It blocks the reading goroutine until the promise behind SUBACK is made, so that what the
// client sends next comes after it.
func (c *client) subscribe(p *packet.Subscribe) error {
	codes := make([]packet.ReasonCode, len(p.Filters))
	asks := make([]session.Subscription, 0, len(p.Filters))
	places := make([]int, 0, len(p.Filters))
	fresh := filterSet{} // those that the client did not have
	for i, f := range p.Filters {
		if codes[i] = subscribable(f); codes[i] != packet.Success {
			continue
		}
		if !c.filters.has(f.Filter) && !fresh.has(f.Filter) {
			if len(c.filters)+len(fresh) >= c.srv.cfg.MaxSubscriptions {
				codes[i] = packet.QuotaExceeded
				continue
			}
			fresh.add(f.Filter)
		}
		places = append(places, i)
		asks = append(asks, session.Subscription{
			Filter: f.Filter, QoS: f.QoS, NoLocal: f.NoLocal, RetainAsPublished: f.RetainAsPublished,
			RetainHandling: f.RetainHandling, ID: p.SubscriptionID,
		})
	}
	if len(asks) > 0 {
		c.during(func(ctx context.Context) {
			for i, code := range c.delivery.Subscribe(ctx, asks) {
				codes[places[i]] = code
				if !code.Failed() {
					c.filters.add(asks[i].Filter)
				}
			}
		})
	}
	c.Send(&packet.Suback{PacketID: p.PacketID, Codes: codes}) // [MQTT-3.8.4-1..6]
	return nil
}

// subscribable says what stands against a filter; Success if nothing does.
func subscribable(f packet.Subscription) packet.ReasonCode {
	_, _, shared, err := topic.ParseShared(f.Filter)
	switch {
	case err != nil || topic.ValidFilter(f.Filter) != nil || topic.Levels(f.Filter) > maxLevels:
		return packet.TopicFilterInvalid
	case shared:
		return packet.SharedSubscriptionsNotSupported
	}
	return packet.Success
}

// unsubscribe handles UNSUBSCRIBE. Before 5.0 a failure has no code, so the connection ends instead.
func (c *client) unsubscribe(p *packet.Unsubscribe) error {
	var codes []packet.ReasonCode
	c.during(func(ctx context.Context) { codes = c.delivery.Unsubscribe(ctx, p.Filters) })
	for i, code := range codes {
		switch {
		case !code.Failed():
			c.filters.remove(p.Filters[i])
		case c.version != packet.V5:
			return &packet.Error{Code: packet.ServerBusy, Msg: "unsubscribing failed"}
		}
	}
	c.Send(&packet.Unsuback{PacketID: p.PacketID, Codes: codes}) // [MQTT-3.10.4-4]
	return nil
}

// filterSet is a sorted list without repeats: the filters of a client are mostly few, and their strings are the
// delivery's.
type filterSet []string

func (s filterSet) has(f string) bool {
	_, found := slices.BinarySearch(s, f)
	return found
}

func (s *filterSet) add(f string) {
	if i, found := slices.BinarySearch(*s, f); !found {
		*s = slices.Insert(*s, i, f)
	}
}

func (s *filterSet) remove(f string) {
	if i, found := slices.BinarySearch(*s, f); found {
		*s = slices.Delete(*s, i, i+1)
	}
}

// filtersOf are those of a session that is resumed.
func filtersOf(subs []session.Subscription) filterSet {
	if len(subs) == 0 {
		return nil
	}
	s := make(filterSet, len(subs))
	for i, sub := range subs {
		s[i] = sub.Filter
	}
	slices.Sort(s)
	return slices.Compact(s)
}
