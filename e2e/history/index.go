package history

import (
	"math"
	"time"
)

// never is a place behind the end.
const never = math.MaxInt

// index is a history by what it is about. Places are those in events.
type index struct {
	events []Event
	quiet  int // place of Quiet, or never

	conns      map[int]*conn
	byClient   map[string][]*conn // in the order of their CONNECTs
	subs       []*sub
	subsOf     map[string][]*sub // by client
	messages   map[string]*message
	deliveries map[string][]int // by client, places
	finals     map[string]int   // by topic, places of Retained
	byTopic    map[string][]*sub
	byBoth     map[[2]string][]*sub // by client and topic
	published  int
	faults     []int
	lostState  []int // places of Connected where a session was to be present
}

// conn is a connection.
type conn struct {
	client                                               string
	connect, connected, refused, goodbye, ended, dismiss int
	clean                                                bool
	expiry, delay                                        time.Duration
	will                                                 string
	moved                                                bool // asked to go elsewhere
}

// sub is a subscription from being asked for to its end.
type sub struct {
	client, filter, group string
	qos                   byte
	top                   byte // the highest QoS ever asked for
	asked, granted        int
	endAsked              int // from here on it may be gone
	ended                 int // from here on it is gone
	spans                 []span
}

// span is one SUBSCRIBE, from being sent to its SUBACK.
type span struct{ asked, granted int }

// message is a PUBLISH or a will.
type message struct {
	id, client, topic string
	qos               byte
	retain, empty     bool
	will              bool
	first, acked      int
	sends             int  // times it was sent, with DUP after the first
	conn              int  // that it was first sent on
	settled           bool // refused, or given up by its client
	seq               int  // among those of its client
}

func newIndex(events []Event) *index {
	x := &index{
		events: events, quiet: never, conns: map[int]*conn{}, byClient: map[string][]*conn{}, subsOf: map[string][]*sub{},
		messages: map[string]*message{}, deliveries: map[string][]int{}, finals: map[string]int{}, byTopic: map[string][]*sub{}, byBoth: map[[2]string][]*sub{},
	}
	live := map[string]map[string]*sub{} // by client and filter
	seq := map[string]int{}
	for i := range events {
		x.connection(i, live)
		x.subscription(i, live)
		x.message(i, seq)
	}
	return x
}

// connection takes in what is about connections.
func (x *index) connection(i int, live map[string]map[string]*sub) {
	e := &x.events[i]
	c := x.conns[e.Conn]
	if e.Kind == Connect {
		c = &conn{
			client: e.Client, connect: i, connected: never, refused: never, goodbye: never, ended: never, dismiss: never,
			clean: e.Clean, expiry: e.Expiry, delay: e.Delay, will: e.Msg,
		}
		x.conns[e.Conn] = c
		x.byClient[e.Client] = append(x.byClient[e.Client], c)
		if e.Clean {
			mayEnd(live[e.Client], i)
		}
		return
	}
	if c == nil {
		return
	}
	switch e.Kind {
	case Connected:
		c.connected = i
		if !e.Present {
			x.fresh(c, i, live[e.Client])
		}
	case Refused:
		c.refused = i
	case Goodbye:
		c.goodbye = i
		if c.expiry == 0 {
			mayEnd(live[e.Client], i)
		}
	case Dismissed:
		c.dismiss = i
		c.moved = c.moved || e.Code == 0x8B || e.Code == 0x9C || e.Code == 0x88 || e.Code == 0x89
	case Ended:
		c.ended = i
		if c.expiry == 0 {
			mayEnd(live[e.Client], i)
		}
	}
}

// fresh begins a session anew: what was subscribed is gone. Where nothing asked for that, a session was lost.
func (x *index) fresh(c *conn, i int, live map[string]*sub) {
	if old := x.before(c); old != nil && !c.clean && !x.mayBeOver(old, c) {
		x.lostState = append(x.lostState, i)
	}
	for f, s := range live {
		s.endAsked, s.ended = min(s.endAsked, s.granted, c.connect), i
		delete(live, f)
	}
}

// before is the last connection of c's client before it that was accepted.
func (x *index) before(c *conn) *conn {
	var last *conn
	for _, o := range x.byClient[c.client] {
		if o != c && o.connected < c.connect {
			last = o
		}
	}
	return last
}

// mayBeOver tells whether the session of old may have ended before c: by its expiry, by a DISCONNECT, or by a CONNECT in
// between of which nothing was heard.
func (x *index) mayBeOver(old, c *conn) bool {
	if old.expiry == 0 {
		return true
	}
	end := old.connected
	if old.ended < c.connect {
		end = old.ended
	}
	if x.events[c.connect].At-x.events[end].At >= old.expiry {
		return true
	}
	for _, o := range x.byClient[c.client] {
		if o.connect > old.connect && o != c && o.connect < c.connected && (o.clean || o.expiry == 0) {
			return true
		}
	}
	return false
}

func mayEnd(live map[string]*sub, i int) {
	for _, s := range live {
		s.endAsked = min(s.endAsked, i)
	}
}

// subscription takes in what is about subscriptions.
func (x *index) subscription(i int, live map[string]map[string]*sub) {
	e := &x.events[i]
	mine := live[e.Client]
	if mine == nil {
		mine = map[string]*sub{}
		live[e.Client] = mine
	}
	s := mine[e.Filter]
	switch e.Kind {
	case Subscribe:
		if s == nil || s.endAsked < never { // of one that may have ended, the time up to here counts too
			s = x.begin(e, i)
			mine[e.Filter] = s
		}
		s.top = max(s.top, e.QoS)
		s.spans = append(s.spans, span{i, never})
	case Subscribed:
		if s == nil {
			return
		}
		s.qos = e.QoS
		s.granted = min(s.granted, i)
		for k := range s.spans {
			s.spans[k].granted = min(s.spans[k].granted, i)
		}
	case Unsubscribe:
		if s != nil {
			s.endAsked = min(s.endAsked, i)
		}
	case Unsubscribed:
		if s != nil {
			s.ended = i
			delete(mine, e.Filter)
		}
	}
}

func (x *index) begin(e *Event, i int) *sub {
	group, _ := shared(e.Filter)
	s := &sub{client: e.Client, filter: e.Filter, group: group, qos: e.QoS, asked: i, granted: never, endAsked: never, ended: never}
	x.subs = append(x.subs, s)
	x.subsOf[e.Client] = append(x.subsOf[e.Client], s)
	return s
}

// message takes in what is about messages.
func (x *index) message(i int, seq map[string]int) {
	e := &x.events[i]
	switch e.Kind {
	case Connect:
		if e.Msg != "" {
			x.messages[e.Msg] = &message{
				id: e.Msg, client: e.Client, topic: e.Topic, qos: e.QoS, retain: e.Retain, will: true, first: i, acked: never,
			}
		}
	case Publish:
		if x.messages[e.Msg] == nil {
			seq[e.Client]++
			x.published++
			x.messages[e.Msg] = &message{
				id: e.Msg, client: e.Client, topic: e.Topic, qos: e.QoS, retain: e.Retain, empty: e.Empty, first: i, acked: never,
				conn: e.Conn, seq: seq[e.Client],
			}
		}
		x.messages[e.Msg].sends++
	case Acked:
		if m := x.messages[e.Msg]; m != nil {
			m.acked = min(m.acked, i)
		}
	case Failed, Abandoned:
		if m := x.messages[e.Msg]; m != nil {
			m.settled = true
		}
	case Deliver:
		x.deliveries[e.Client] = append(x.deliveries[e.Client], i)
	case Retained:
		x.finals[e.Topic] = i
	case Fault:
		x.faults = append(x.faults, i)
	case Quiet:
		x.quiet = i
	}
}

// matching are the subscriptions, of all times, that match a topic.
func (x *index) matching(topic string) []*sub {
	list, ok := x.byTopic[topic]
	if !ok {
		for _, s := range x.subs {
			if matches(s.filter, topic) {
				list = append(list, s)
			}
		}
		x.byTopic[topic] = list
	}
	return list
}

// matchingOf are those of one client.
func (x *index) matchingOf(client, topic string) []*sub {
	key := [2]string{client, topic}
	list, ok := x.byBoth[key]
	if !ok {
		for _, s := range x.subsOf[client] {
			if matches(s.filter, topic) {
				list = append(list, s)
			}
		}
		x.byBoth[key] = list
	}
	return list
}

// renewed tells whether a client may have subscribed anew to something that matches, later than from and before to: then
// it may see again what it has seen.
func (x *index) renewed(client, topic string, from, to int) bool {
	for _, s := range x.matchingOf(client, topic) {
		for _, sp := range s.spans {
			if sp.granted > from && sp.asked < to {
				return true
			}
		}
	}
	return false
}
