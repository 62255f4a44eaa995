package client

import (
	"hash/maphash"

	"lmqgate/adapter/packet"
)

// Bounds of the topic aliases that this side gives to one client.
const (
	maxAliases  = 32
	aliasedFrom = 4    // bytes of a topic: an alias takes three
	aliasedTo   = 4096 // a longer topic is not remembered
	onceSeen    = 32   // topics of which it is remembered that they came once
	aliasRest   = 4 * maxAliases
)

// aliases are the topic aliases that a 5.0 client was given, never more than it takes [MQTT-3.1.2-26], [MQTT-3.1.2-27]. A topic gets one
// when it comes a second time; with none left it takes that of a topic that has not come for a while. Protected by
// output.mu: what is chosen goes out with the packet that it is chosen for, and in that order.
type aliases struct {
	clock uint32
	once  [onceSeen]uint32 // hashes of topics, at the place of their hash
	given []given          // alias 1 first
}

type given struct {
	hash  uint32
	used  uint32 // by clock
	topic string
}

// alias chooses the topic alias of a delivery. Called under o.mu, when nothing keeps the packet from being queued.
func (o *output) alias(t *packet.Template, d *packet.Delivery) {
	topic := t.Topic()
	if o.most == 0 || len(topic) < aliasedFrom || len(topic) > aliasedTo {
		return
	}
	if o.aliases == nil {
		o.aliases = &aliases{}
	}
	a, hash := o.aliases, uint32(maphash.Bytes(o.c.srv.seed, topic))
	a.clock++
	if i := a.find(hash, topic); i >= 0 {
		a.given[i].used = a.clock
		d.TopicAlias, d.OmitTopic = uint16(i+1), true
		return
	}
	if slot := &a.once[hash%onceSeen]; *slot != hash {
		*slot = hash
		return
	}
	i := a.place(int(o.most))
	if i < 0 {
		return
	}
	d.TopicAlias = uint16(i + 1)
	if limit := o.c.maxPacket; limit > 0 && t.EncodedSize(*d) > limit { // the message was looked at without an alias
		d.TopicAlias = 0
		return
	}
	one := given{hash: hash, used: a.clock, topic: string(topic)}
	if i == len(a.given) {
		a.given = append(a.given, one)
	} else {
		a.given[i] = one
	}
}

// find returns the place of a topic, -1 if it has none.
func (a *aliases) find(hash uint32, topic []byte) int {
	for i := range a.given {
		if g := &a.given[i]; g.hash == hash && g.topic == string(topic) {
			return i
		}
	}
	return -1
}

// place returns where a new alias goes, -1 if all are in use.
func (a *aliases) place(most int) int {
	if len(a.given) < most {
		return len(a.given)
	}
	oldest := 0
	for i := range a.given {
		if a.clock-a.given[i].used > a.clock-a.given[oldest].used {
			oldest = i
		}
	}
	if a.clock-a.given[oldest].used < aliasRest {
		return -1
	}
	return oldest
}
