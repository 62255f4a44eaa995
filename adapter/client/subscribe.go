package client

import (
	"context"
	"fmt"
	"slices"

	"lmqgate/adapter/packet"
	"lmqgate/meta/access"
	"lmqgate/meta/session"
	"lmqgate/meta/topic"
)

// maxLevels bounds the depth of a topic filter, since what matches topics grows with it.
const maxLevels = 128

// subscribe handles SUBSCRIBE. It blocks the reading goroutine until the promise behind SUBACK is made, so that what the
// client sends next comes after it.
func (c *client) subscribe(p *packet.Subscribe) error {
	c.behalf.mu.Lock()
	defer c.behalf.mu.Unlock()
	ack := &packet.Suback{PacketID: p.PacketID, Codes: make([]packet.ReasonCode, len(p.Filters))}
	asks := make([]session.Subscription, 0, len(p.Filters))
	places := make([]int, 0, len(p.Filters))
	fresh := filterSet{} // those that the client did not have
	for i, f := range p.Filters {
		filter, err := c.subscribable(f.Filter, &fresh)
		if err != nil {
			ack.Codes[i] = err.Code
			c.explain(&ack.Reason, i, err.Msg)
			continue
		}
		places = append(places, i)
		asks = append(asks, session.Subscription{
			Filter: filter, QoS: f.QoS, NoLocal: f.NoLocal, RetainAsPublished: f.RetainAsPublished,
			RetainHandling: f.RetainHandling, ID: p.SubscriptionID,
		})
	}
	var granted []string
	if len(asks) > 0 {
		c.during(func(ctx context.Context) {
			for i, code := range c.delivery.Subscribe(ctx, asks) {
				ack.Codes[places[i]] = code
				if code.Failed() {
					c.explain(&ack.Reason, places[i], failure(code))
				} else {
					c.filters.add(asks[i].Filter)
					granted = append(granted, asks[i].Filter)
				}
			}
		})
	}
	c.Send(ack) // [MQTT-3.8.4-1], [MQTT-3.8.4-2], [MQTT-3.8.4-6], [MQTT-3.9.3-1]
	c.subscribed(granted)
	if len(asks) > 0 {
		c.delivery.Retained()
	}
	return nil
}

// subscribable is the filter as it is kept, or says what stands against it, and adds it to fresh if the client does not have it.
// Shared subscriptions count like any other; No Local on one of them was refused by the decoder [MQTT-3.8.3-4].
func (c *client) subscribable(said string, fresh *filterSet) (string, *packet.Error) {
	if topic.ValidFilter(said) != nil { // [MQTT-4.7.1-1], [MQTT-4.8.2-1], [MQTT-4.8.2-2]
		return "", &packet.Error{Code: packet.TopicFilterInvalid, Msg: "not a topic filter"}
	}
	own, filter, ok := c.both(said)
	if !ok {
		return "", &packet.Error{Code: packet.NotAuthorized, Msg: "filters that begin with '$', or are too long beside the tenant's name, are nobody's"}
	}
	_, inner, _, _ := topic.ParseShared(own)
	switch {
	case topic.Levels(inner) > maxLevels:
		return "", &packet.Error{Code: packet.TopicFilterInvalid, Msg: "too many levels"}
	case c.srv.cfg.P2P && !private(inner, inner != own, c.ownID()):
		return "", &packet.Error{Code: packet.NotAuthorized, Msg: "what is sent to a client goes to that client only"}
	case !c.may(access.Subscribe, inner):
		return "", &packet.Error{Code: packet.NotAuthorized, Msg: "not allowed to subscribe to this filter"}
	case c.filters.has(filter) || fresh.has(filter):
		return filter, nil
	case len(c.filters)+len(*fresh) >= c.srv.cfg.MaxSubscriptions:
		return "", &packet.Error{Code: packet.QuotaExceeded, Msg: "too many subscriptions"}
	}
	fresh.add(filter)
	return filter, nil
}

// maySubscribe reports whether a filter of an attached session is one that the client may have.
func (c *client) maySubscribe(filter string) bool {
	_, err := c.subscribable(filter, &filterSet{})
	return err == nil
}

// private reports whether a filter asks for no client's own messages, or for those of this one, which it need not
// subscribe to, and cannot share. Filter and id are of one form.
func private(inner string, shared bool, clientID string) bool {
	id, ok := topic.PrivateTo(inner)
	return !ok || id == clientID && !shared
}

// explain gives an acknowledgement words for its first failure, if the client wants any [MQTT-3.1.2-29].
func (c *client) explain(reason *string, i int, words string) {
	if c.problems && *reason == "" {
		*reason = fmt.Sprintf("filter %d: %s", i+1, words)
	}
}

// failure is what a code of a delivery means: one that is unspecified passes by itself.
func failure(code packet.ReasonCode) string {
	if code == packet.UnspecifiedError {
		return "that could not be kept, try again"
	}
	return code.String()
}

// unsubscribe handles UNSUBSCRIBE. Before 5.0 a failure has no code, so the connection ends instead.
func (c *client) unsubscribe(p *packet.Unsubscribe) error {
	c.behalf.mu.Lock()
	defer c.behalf.mu.Unlock()
	ack := &packet.Unsuback{PacketID: p.PacketID}
	filters := c.held(p.Filters)
	c.during(func(ctx context.Context) { ack.Codes = c.delivery.Unsubscribe(ctx, filters) })
	var gone []string
	defer func() { c.unsubscribed(gone) }()
	for i, code := range ack.Codes {
		switch {
		case !code.Failed():
			if c.filters.has(filters[i]) {
				gone = append(gone, filters[i])
			}
			c.drop(filters[i])
		case c.version != packet.V5:
			return reject(packet.ServerBusy, "unsubscribing failed")
		default:
			c.explain(&ack.Reason, i, failure(code))
		}
	}
	c.Send(ack) // [MQTT-3.10.4-4], [MQTT-3.10.4-5], [MQTT-3.11.3-1]
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
