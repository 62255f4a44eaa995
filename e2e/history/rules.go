package history

import (
	"slices"
	"time"
)

// forged: every delivery is of a message that was sent before, to that topic.
func (c *checker) forged() {
	for client, places := range c.deliveries {
		for _, i := range places {
			e := c.events[i]
			m := c.messages[e.Msg]
			switch {
			case m == nil, m.first > i:
				c.found(Forged, []int{i}, "%s got %s, which nobody had sent", client, e.Msg)
			case m.topic != e.Topic:
				c.found(Forged, []int{m.first, i}, "%s got %s as one of topic %s", client, e.Msg, e.Topic)
			}
		}
	}
}

// uninvited: there is a subscription that may have asked for it, and the QoS is the publisher's at most.
func (c *checker) uninvited() {
	for client, places := range c.deliveries {
		for _, i := range places {
			e := c.events[i]
			m := c.messages[e.Msg]
			if m == nil || m.topic != e.Topic {
				continue
			}
			if e.QoS > m.qos {
				c.found(Uninvited, []int{m.first, i}, "%s got %s with more than the publisher's QoS", client, e.Msg)
			}
			proof, ok, top := []int{m.first, i}, false, byte(0)
			for _, s := range c.matchingOf(client, e.Topic) {
				if s.asked > i {
					continue
				}
				// What was sent before the end may have been on its way [MQTT-3.10.4-2].
				if s.ended > m.first && !c.ancient(s, m, e.Retain) {
					ok, top = true, max(top, s.top)
				}
				proof = append(proof, s.asked, s.ended)
			}
			if !ok {
				c.found(Uninvited, proof, "%s got %s without a subscription", client, e.Msg)
			} else if e.QoS <= m.qos && e.QoS > top {
				c.found(Uninvited, proof, "%s got %s with more than the QoS it asked for", client, e.Msg)
			}
		}
	}
}

// older is how much older than its subscription a message may be. The end of a queue lags what was acknowledged by some
// milliseconds, by more while a broker stands still.
const older = time.Minute

// ancient tells whether a message, no retained one, is too old for a subscription.
func (c *checker) ancient(s *sub, m *message, retained bool) bool {
	return !retained && !m.will && m.acked < s.asked && c.events[s.asked].At-c.events[m.acked].At > older
}

// copies is how often a client may get one message at once: once by all its plain subscriptions, and once by each group.
func (c *checker) copies(client, topic string) int {
	plain, groups := 0, map[string]bool{}
	for _, s := range c.matchingOf(client, topic) {
		if s.group == "" {
			plain = 1
		} else {
			groups[s.filter] = true
		}
	}
	return max(1, plain+len(groups))
}

// twice: see the package's documentation.
func (c *checker) twice() {
	for client, places := range c.deliveries {
		type once struct {
			msg  string
			conn int
		}
		all, onConn := map[string][]int{}, map[once][]int{}
		for _, i := range places {
			e := c.events[i]
			m := c.messages[e.Msg]
			if m == nil || e.Retain && !m.will { // a retained message comes with every subscription
				continue
			}
			if e.QoS < 2 && c.inGroup(client, e.Topic) { // what comes back to a group may come back to the same member
				continue
			}
			repeated, what := onConn[once{e.Msg, e.Conn}], "on one connection"
			most := c.copies(client, e.Topic)
			if m.qos == 1 { // a server may take a repeated one for another message, section 4.3.2
				most *= max(1, m.sends)
			}
			if e.QoS == 2 {
				repeated, what = all[e.Msg], "with QoS 2"
				all[e.Msg] = append(repeated, i)
			} else {
				onConn[once{e.Msg, e.Conn}] = append(repeated, i)
			}
			if len(repeated) >= most && !c.renewed(client, e.Topic, m.first, i) {
				c.found(Twice, append(c.connsOf(client, repeated[0], i), append(slices.Clone(repeated), m.first, i)...), "%s got %s again %s", client, e.Msg, what)
			}
		}
	}
	c.twiceShared()
}

// twiceShared: a QoS 2 message is for one member of a group, as long as none of them leaves.
func (c *checker) twiceShared() {
	got := map[string][]int{} // by group's filter and message
	for client, places := range c.deliveries {
		for _, i := range places {
			e := c.events[i]
			if e.QoS != 2 || e.Retain || c.messages[e.Msg] == nil {
				continue
			}
			for _, s := range c.matchingOf(client, e.Topic) {
				// Of who has other subscriptions besides nobody knows which one it came by.
				if s.group != "" && s.asked < i && c.alone(s, client, e.Topic) {
					got[s.filter+" "+e.Msg] = append(got[s.filter+" "+e.Msg], i)
				}
			}
		}
	}
	for _, places := range got {
		slices.Sort(places)
		places = slices.Compact(places)
		e, clients := c.events[places[0]], map[string]bool{}
		for _, i := range places {
			clients[c.events[i].Client] = true
		}
		if len(clients) > 1 && !c.leaves(e.Topic, c.messages[e.Msg].first, places[len(places)-1]) {
			c.found(Twice, append(places, c.messages[e.Msg].first), "%d members of a group got %s", len(clients), e.Msg)
		}
	}
}

// alone tells whether no other subscription of the client ever matched the topic.
func (c *checker) alone(s *sub, client, topic string) bool {
	return !slices.ContainsFunc(c.matchingOf(client, topic), func(o *sub) bool { return o.filter != s.filter })
}

// leaves tells whether a shared subscription to a topic begins or ends between two places.
func (c *checker) leaves(topic string, from, to int) bool {
	for _, s := range c.matching(topic) {
		if s.group != "" && (s.endAsked < to && s.ended > from || s.granted > from && s.asked < to) {
			return true
		}
	}
	return false
}

// connsOf are the beginnings and ends of a client's connections between two places.
func (c *checker) connsOf(client string, from, to int) []int {
	var list []int
	for _, o := range c.byClient[client] {
		for _, i := range []int{o.connect, o.connected, o.refused, o.ended} {
			if i > from && i < to && len(list) < 40 {
				list = append(list, i)
			}
		}
	}
	return list
}

// order: first deliveries in the order of sending.
func (c *checker) order() {
	type lane struct {
		publisher, topic string
		qos              byte
	}
	for client, places := range c.deliveries {
		last, seen := map[lane]int{}, map[string]bool{}
		for _, i := range places {
			e := c.events[i]
			m := c.messages[e.Msg]
			if m == nil || m.will || e.Retain || seen[e.Msg] || c.inGroup(client, e.Topic) {
				continue
			}
			seen[e.Msg] = true
			l := lane{m.client, m.topic, m.qos}
			if prev, ok := last[l]; ok {
				p := c.messages[c.events[prev].Msg]
				if p.seq > m.seq {
					if !overtakes(p, m) && !c.renewed(client, e.Topic, m.first, i) {
						c.found(Order, append(c.connsOf(client, prev, i), m.first, p.first, prev, i), "%s got %s after %s", client, m.id, p.id)
					}
					continue
				}
			}
			last[l] = i
		}
	}
}

// overtakes tells whether p, sent after m, may come first: m was sent on a connection that ended before anything was known
// of it, so it may still have been under way when p went over the next one.
func overtakes(p, m *message) bool {
	return p.conn != m.conn && (m.qos == 0 || m.acked == never)
}

func (c *checker) inGroup(client, topic string) bool {
	return slices.ContainsFunc(c.matchingOf(client, topic), func(s *sub) bool { return s.group != "" })
}

// sessions: see index.fresh.
func (c *checker) sessions() {
	for _, i := range c.lostState {
		o := c.conns[c.events[i].Conn]
		old := c.before(o)
		c.found(Session, []int{old.connected, old.ended, o.connect, i}, "the session of %s is gone", o.client)
	}
	for _, o := range c.conns {
		if o.connected < never && o.clean && c.events[o.connected].Present { // [MQTT-3.2.2-2]
			c.found(Session, []int{o.connect, o.connected}, "%s asked for a new session and was told of an old one", o.client)
		} else if o.connected < never && c.events[o.connected].Present && c.byClient[o.client][0] == o {
			c.found(Session, []int{o.connect, o.connected}, "%s never was here and was told of its session", o.client)
		}
	}
}

// owner: after a later connection was accepted the earlier one is granted nothing, and ends.
func (c *checker) owner() {
	for client, list := range c.byClient {
		accepted := slices.DeleteFunc(slices.Clone(list), func(o *conn) bool { return o.connected == never })
		slices.SortFunc(accepted, func(a, b *conn) int { return a.connected - b.connected })
		for k := 1; k < len(accepted); k++ {
			old, later := accepted[k-1], accepted[k]
			if c.quiet < never && old.ended == never && later.connect > old.connected {
				c.found(Owner, []int{old.connected, later.connect, later.connected, c.quiet}, "%s has two connections", client)
			}
		}
	}
	for _, s := range c.subs {
		for _, sp := range s.spans {
			if sp.granted < never {
				c.stale(s, sp)
			}
		}
	}
}

// stale: a SUBSCRIBE that was sent on a connection after a later one was accepted must not be granted there.
func (c *checker) stale(s *sub, sp span) {
	asked, granted := c.events[sp.asked], c.events[sp.granted]
	mine := c.conns[asked.Conn]
	if mine == nil || granted.Conn != asked.Conn {
		return
	}
	for _, o := range c.byClient[s.client] {
		if o != mine && o.connect > mine.connected && o.connected < sp.asked {
			c.found(Owner, []int{mine.connected, o.connected, sp.asked, sp.granted}, "%s is served on a connection that was taken over", s.client)
			return
		}
	}
}
