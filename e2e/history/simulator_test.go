package history

import (
	"fmt"
	"math/rand/v2"
	"time"
)

// simulator is a server that does all right, at once, and the clients that use it.
type simulator struct {
	rng      *rand.Rand
	now      time.Duration
	events   []Event
	conns    int
	sent     int
	clients  []*simClient
	retained map[string]string
	topics   []string
}

type simClient struct {
	name       string
	persistent bool
	conn       int // 0: away
	known      bool
	will       string
	subs       map[string]byte
	waiting    []Event
}

// simulated is a valid history of so many steps.
func simulated(seed uint64, steps int) []Event {
	s := &simulator{rng: rand.New(rand.NewPCG(seed, 1)), retained: map[string]string{}}
	for i := range 4 {
		s.topics = append(s.topics, fmt.Sprintf("a/%d", i), fmt.Sprintf("b/%d/x", i))
	}
	for i := range 6 {
		s.clients = append(s.clients, &simClient{name: fmt.Sprintf("c%d", i), persistent: i%2 == 0, subs: map[string]byte{}})
	}
	for range steps {
		s.step(s.clients[s.rng.IntN(len(s.clients))])
	}
	for _, c := range s.clients {
		s.connect(c)
	}
	for _, topic := range s.topics {
		s.add(Event{Kind: Retained, Topic: topic, Msg: s.retained[topic]})
	}
	s.add(Event{Kind: Quiet})
	return s.events
}

func (s *simulator) add(e Event) {
	s.now += time.Duration(s.rng.IntN(40)) * time.Millisecond
	e.At = s.now
	s.events = append(s.events, e)
}

func (s *simulator) on(c *simClient, e Event) {
	e.Client, e.Conn = c.name, c.conn
	s.add(e)
}

func (s *simulator) step(c *simClient) {
	if c.conn == 0 {
		s.connect(c)
		return
	}
	filters := []string{"a/#", "a/+", "b/+/x", "a/1", "#", "$share/g/a/#", "$share/h/b/0/x"}
	f := filters[s.rng.IntN(len(filters))]
	switch s.rng.IntN(12) {
	case 0:
		s.leave(c, s.rng.IntN(2) == 0)
	case 1, 2:
		if _, again := c.subs[f]; !again {
			qos := byte(s.rng.IntN(3))
			s.on(c, Event{Kind: Subscribe, Filter: f, QoS: qos})
			s.on(c, Event{Kind: Subscribed, Filter: f, QoS: qos})
			c.subs[f] = qos
		}
	case 3:
		if _, ok := c.subs[f]; ok {
			s.on(c, Event{Kind: Unsubscribe, Filter: f})
			s.on(c, Event{Kind: Unsubscribed, Filter: f})
			delete(c.subs, f)
		}
	default:
		s.publish(c)
	}
}

func (s *simulator) connect(c *simClient) {
	if c.conn != 0 {
		return
	}
	s.conns++
	c.conn, c.will = s.conns, ""
	e := Event{Kind: Connect, Clean: !c.persistent}
	if c.persistent {
		e.Expiry = 24 * time.Hour
	} else {
		c.subs = map[string]byte{}
	}
	if s.rng.IntN(3) == 0 {
		c.will = fmt.Sprintf("will-%d", c.conn)
		e.Msg, e.Topic, e.QoS = c.will, "a/1", 1
	}
	s.on(c, e)
	s.on(c, Event{Kind: Connected, Present: c.persistent && c.known})
	c.known = true
	for _, w := range c.waiting {
		s.on(c, w)
	}
	c.waiting = nil
}

func (s *simulator) leave(c *simClient, politely bool) {
	if politely {
		s.on(c, Event{Kind: Goodbye})
	}
	s.on(c, Event{Kind: Ended, Cut: !politely, Text: "closed"})
	c.conn = 0
	if !c.persistent {
		c.subs = map[string]byte{}
	}
	if c.will != "" && !politely {
		s.deliver(Event{Kind: Deliver, Msg: c.will, Topic: "a/1", QoS: 1})
	}
}

func (s *simulator) publish(c *simClient) {
	s.sent++
	e := Event{
		Kind: Publish, Msg: fmt.Sprintf("m%d", s.sent), Topic: s.topics[s.rng.IntN(len(s.topics))],
		QoS: byte(s.rng.IntN(3)), Retain: s.rng.IntN(5) == 0,
	}
	if e.Retain {
		e.QoS = max(e.QoS, 1)
		e.Empty = s.rng.IntN(4) == 0
	}
	s.on(c, e)
	if e.Retain {
		s.retained[e.Topic] = e.Msg
		if e.Empty {
			delete(s.retained, e.Topic)
		}
	}
	if e.QoS > 0 {
		s.on(c, Event{Kind: Acked, Msg: e.Msg})
	}
	if !e.Empty {
		s.deliver(Event{Kind: Deliver, Msg: e.Msg, Topic: e.Topic, QoS: e.QoS})
	}
}

// deliver hands a message to who is subscribed: once for all plain subscriptions, and to one member of each group.
func (s *simulator) deliver(e Event) {
	groups := map[string]bool{}
	for _, c := range s.clients {
		plain, best := false, byte(0)
		for f, qos := range c.subs {
			if !matches(f, e.Topic) {
				continue
			}
			if g, _ := shared(f); g == "" {
				plain, best = true, max(best, qos)
			} else if !groups[f] {
				groups[f] = true
				s.give(c, e, qos)
			}
		}
		if plain {
			s.give(c, e, best)
		}
	}
}

func (s *simulator) give(c *simClient, e Event, qos byte) {
	e.QoS = min(e.QoS, qos)
	if c.conn == 0 {
		c.waiting = append(c.waiting, e)
		return
	}
	s.on(c, e)
}
