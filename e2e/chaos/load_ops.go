package chaos

import (
	"maps"
	"slices"
	"time"

	"lmqgate/adapter/packet"
	"lmqgate/e2e/history"
)

// publish sends a message if the client is connected and has room; empty removes what is retained.
func (c *client) publish(topic string, qos byte, retain, empty bool) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.link == nil || len(c.unacked) >= c.window {
		return
	}
	s := &sent{msg: c.name(), Publish: packet.Publish{QoS: qos, Topic: topic, Retain: retain}}
	if !empty {
		s.Payload = []byte(s.msg)
	}
	if qos > 0 {
		s.PacketID = c.takeID()
		c.unacked = append(c.unacked, s)
	}
	c.transmit(s)
}

// subscribe asks for a filter and reports whether it was granted.
func (c *client) subscribe(filter string, qos byte) bool {
	return c.ask(filter, history.Event{Kind: history.Subscribe, Filter: filter, QoS: qos}, func(id uint16) packet.Packet {
		return &packet.Subscribe{PacketID: id, Filters: []packet.Subscription{{Filter: filter, QoS: qos}}}
	})
}

// unsubscribe gives a filter back and reports whether that was confirmed.
func (c *client) unsubscribe(filter string) bool {
	return c.ask(filter, history.Event{Kind: history.Unsubscribe, Filter: filter}, func(id uint16) packet.Packet {
		return &packet.Unsubscribe{PacketID: id, Filters: []string{filter}}
	})
}

// ask sends a packet that is answered by one with the same packet id.
func (c *client) ask(filter string, e history.Event, build func(id uint16) packet.Packet) bool {
	c.mu.Lock()
	if c.link == nil {
		c.mu.Unlock()
		return false
	}
	id, q := c.takeID(), question{filter, make(chan bool, 1)}
	c.asked[id] = q
	l := c.link
	e.Client, e.Conn = c.id, l.n
	c.rec.Add(e)
	l.send(build(id))
	c.mu.Unlock()
	late := time.NewTimer(answerTime)
	defer late.Stop()
	select {
	case ok := <-q.done: // with the connection at the latest
		return ok
	case <-late.C:
		c.rec.Add(history.Event{Kind: history.Fault, Client: c.id, Conn: l.n, Filter: filter, Text: "no answer to " + string(e.Kind)})
		c.cut()
		return false
	}
}

// cut breaks the connection without a word.
func (c *client) cut() {
	c.mu.Lock()
	l := c.link
	c.mu.Unlock()
	if l == nil {
		return
	}
	l.abort()
	c.within(byeTime, nil, func() bool { return c.link != l })
}

// goodbye sends DISCONNECT; the server closes.
func (c *client) goodbye(code packet.ReasonCode) {
	c.mu.Lock()
	l := c.link
	if l == nil {
		c.mu.Unlock()
		return
	}
	if c.v != packet.V5 {
		code = packet.Success
	}
	c.rec.Add(history.Event{Kind: history.Goodbye, Client: c.id, Conn: l.n, Code: byte(code)})
	l.send(&packet.Disconnect{Code: code})
	c.mu.Unlock()
	if !c.within(byeTime, nil, func() bool { return c.link != l }) {
		c.cut()
	}
}

// home keeps the client connected until stop.
func (c *client) home(stop <-chan struct{}) {
	for pause := 20 * time.Millisecond; ; {
		c.within(time.Hour, stop, func() bool { return c.link == nil })
		if isOver(stop) {
			return
		}
		if c.connect() {
			pause = 20 * time.Millisecond
			continue
		}
		c.within(pause, stop, func() bool { return false })
		pause = min(2*pause, time.Second)
	}
}

func isOver(stop <-chan struct{}) bool {
	select {
	case <-stop:
		return true
	default:
		return false
	}
}

// end cuts all connections and waits until they are read to their end.
func (c *client) end() {
	c.mu.Lock()
	all := slices.Collect(maps.Keys(c.links))
	c.mu.Unlock()
	for _, l := range all {
		l.abort()
	}
	c.reading.Wait()
}
