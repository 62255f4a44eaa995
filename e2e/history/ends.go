package history

import (
	"slices"
	"time"
)

// lost: see the package's documentation.
func (c *checker) lost() {
	reached := map[string]map[string]bool{} // by message, clients
	for client, places := range c.deliveries {
		for _, i := range places {
			id := c.events[i].Msg
			if reached[id] == nil {
				reached[id] = map[string]bool{}
			}
			reached[id][client] = true
		}
	}
	for _, m := range c.messages {
		if m.acked == never || m.qos == 0 || m.empty {
			continue
		}
		c.owed(m, reached[m.id])
	}
}

// owed looks for subscriptions that a message did not reach. One that may have ended is owed nothing: what was not on its way
// by then may be dropped [MQTT-3.10.4-2].
func (c *checker) owed(m *message, reached map[string]bool) {
	groups, owes := map[string]*sub{}, map[string]bool{} // by filter; by client, once for all its subscriptions
	for _, s := range c.matching(m.topic) {
		if s.qos == 0 || s.granted > m.first || s.endAsked < never {
			continue
		}
		if s.group != "" {
			groups[s.filter] = s
			continue
		}
		if owes[s.client] {
			continue
		}
		owes[s.client] = true
		c.verdict.Expected++
		if !reached[s.client] {
			c.decided(Lost, []int{s.granted, m.first, m.acked}, c.connsOf(s.client, m.first, c.quiet), "%s never got %s", s.client, m.id)
		}
	}
	for filter, s := range groups {
		c.verdict.Expected++
		if !slices.ContainsFunc(c.subs, func(o *sub) bool { return o.filter == filter && reached[o.client] }) {
			c.found(Lost, []int{s.granted, m.first, m.acked}, "nobody of %s got %s", filter, m.id)
		}
	}
}

// fate says how often a will has to come.
type fate int

const (
	perhaps fate = iota
	once
	nowhere
)

// fateOf tells what has to become of a connection's will, section 3.1.2.5.
func (c *checker) fateOf(o *conn) fate {
	switch {
	case o.connected == never && o.refused < never && !unknown(c.events[o.refused].Code):
		return nowhere // a will is one of an accepted connection
	case o.connected == never || o.ended == never || o.moved:
		return perhaps
	case o.goodbye < never:
		return c.parted(o)
	case o.delay == 0:
		return once
	}
	return c.delayed(o)
}

// unknown tells of a refusal whether the session may have been taken all the same: Redis may hear late, or not at all, what
// was given up. There is none if the connection broke.
func unknown(code byte) bool { return code == 0 || code == 0x88 || code == 0x03 }

// parted is the fate after a DISCONNECT. If the connection broke right behind it, it may not have arrived.
func (c *checker) parted(o *conn) fate {
	switch {
	case c.events[o.ended].Cut:
		return perhaps
	case c.events[o.goodbye].Code == 0x04 && o.delay > 0:
		return c.delayed(o)
	case c.events[o.goodbye].Code == 0x04:
		return once
	case c.events[o.ended].Text != "closed", c.disturbed(o): // by the server, in answer
		return perhaps
	}
	return nowhere
}

// disturbed tells whether a fault may have kept an instance from hearing a DISCONNECT.
func (c *checker) disturbed(o *conn) bool {
	from, to := c.events[o.goodbye].At-time.Second, c.events[o.ended].At
	return slices.ContainsFunc(c.faults, func(i int) bool { return c.events[i].At >= from && c.events[i].At <= to })
}

// delayed is the fate of a will that waits for its client to return.
func (c *checker) delayed(o *conn) fate {
	end := c.events[o.ended].At
	for _, n := range c.byClient[o.client] {
		if n.connect < o.connect || n == o {
			continue
		}
		switch at := c.events[n.connect].At; {
		case n.clean || n.connected == never:
			return perhaps
		case c.events[n.connected].At-end < o.delay/2:
			return nowhere
		case at-end < 2*o.delay+time.Minute:
			return perhaps
		}
	}
	if c.events[c.quiet].At-end > o.delay+time.Minute {
		return once
	}
	return perhaps
}

// wills: each comes if fateOf says so to everybody who listened all the time. That it comes once is a matter of twice.
func (c *checker) wills() {
	got := map[string]map[string][]int{} // by message and client
	for client, places := range c.deliveries {
		for _, i := range places {
			e := c.events[i]
			if m := c.messages[e.Msg]; m != nil && m.will && !e.Dup {
				if got[e.Msg] == nil {
					got[e.Msg] = map[string][]int{}
				}
				got[e.Msg][client] = append(got[e.Msg][client], i)
			}
		}
	}
	for _, o := range c.conns {
		m := c.messages[o.will]
		if o.will == "" || m == nil {
			continue
		}
		f := c.fateOf(o)
		if f == once {
			c.verdict.Wills++
		}
		proof := []int{o.connect, o.connected, o.goodbye, o.dismiss, o.ended}
		for client, places := range got[o.will] {
			if f == nowhere {
				c.found(WillRule, append(proof, places...), "%s got %s, which was not to be sent", client, o.will)
			}
		}
		told := map[string]bool{} // by client, once for all its subscriptions
		for _, s := range c.matching(m.topic) {
			if f == once && s.group == "" && s.qos > 0 && m.qos > 0 && s.granted < m.first && s.endAsked == never && len(got[o.will][s.client]) == 0 && !told[s.client] {
				told[s.client] = true
				c.found(WillRule, append(proof, s.granted), "%s never got %s", s.client, o.will)
			}
		}
	}
}

// retained: what stands at the end is a write that no acknowledged one certainly followed.
func (c *checker) retained() {
	writes := map[string][]*message{}
	for _, m := range c.messages {
		if m.retain && !m.will {
			writes[m.topic] = append(writes[m.topic], m)
		}
	}
	for topic, i := range c.finals {
		e := c.events[i]
		var kept []*message // what may stand
		none := true
		for _, m := range writes[topic] {
			if m.acked < never {
				none = false
			}
			if !slices.ContainsFunc(writes[topic], func(o *message) bool { return follows(o, m) }) {
				kept = append(kept, m)
			}
		}
		ok := none && e.Msg == ""
		for _, m := range kept {
			ok = ok || m.empty && e.Msg == "" || m.id == e.Msg
		}
		if !ok {
			proof := []int{i}
			for _, m := range kept {
				proof = append(proof, m.first, m.acked)
			}
			if m := c.messages[e.Msg]; m != nil {
				proof = append(proof, m.first, m.acked)
			}
			c.found(RetainRule, proof, "topic %s has %q at the end", topic, e.Msg)
		}
	}
}

// follows tells whether o, which is acknowledged, certainly came after m. A write without an answer may come at any time, and
// so may the first copy of a QoS 1 message that was sent again: only one of them has been answered.
func follows(o, m *message) bool {
	if o == m || o.acked == never || m.acked == never || m.qos == 1 && m.sends > 1 {
		return false
	}
	return o.first > m.acked || o.client == m.client && o.qos == m.qos && o.seq > m.seq
}

// unanswered: see the package's documentation.
func (c *checker) unanswered() {
	for _, m := range c.messages {
		if m.will || m.qos == 0 || m.settled || m.acked < never {
			continue
		}
		list := c.byClient[m.client]
		if len(list) == 0 {
			continue
		}
		if o := list[len(list)-1]; o.connected < never && o.ended == never {
			c.found(Unanswered, []int{m.first, o.connected, c.quiet}, "%s has no acknowledgement of %s", m.client, m.id)
		}
	}
}
