package inside

import (
	"crypto/tls"
	"net"
	"net/http"
	"net/netip"
	"slices"

	"lmqgate/adapter/packet"
	"lmqgate/meta/access"
	"lmqgate/meta/message"
	"lmqgate/meta/session"
)

// Conn is the server's end of a reading: a client.Insider.
type Conn struct {
	net.Conn
	q       message.ReadRequest
	from    []session.Place
	queue   *queue
	resumed bool             // set by Resume, before CONNACK is sent
	begin   message.Position // set by Placed, before SUBACK is sent
	others  []string         // filters of the session that nobody asked for any more; set by Resume
}

// Kind is the transport's name.
func (c *Conn) Kind() string { return "http" }

// RemoteIP is the address of whom the reading is for.
func (c *Conn) RemoteIP() netip.Addr { return c.q.Address }

// Header has nothing.
func (c *Conn) Header() http.Header { return nil }

// DropHeader does nothing.
func (c *Conn) DropHeader() {}

// TLS has nothing.
func (c *Conn) TLS() *tls.ConnectionState { return nil }

// Refused says that there is a place.
func (c *Conn) Refused() (packet.ReasonCode, string) { return packet.Success, "" }

// Established does nothing.
func (c *Conn) Established() {}

// Ping does nothing.
func (c *Conn) Ping() error { return nil }

// Bye closes the pipe.
func (c *Conn) Bye(packet.ReasonCode) { _ = c.Close() }

// Identity is whom the reading is for.
func (c *Conn) Identity() access.Identity { return c.q.Identity }

// Lasts reports whether what is acknowledged is noted in the session.
func (c *Conn) Lasts() bool { return c.q.QoS > 0 && c.q.Expiry > 0 }

// Attached takes what is to be called when there is room again.
func (c *Conn) Attached(wake func()) { c.queue.wakes(wake) }

// Placed notes where the subscriptions begin.
func (c *Conn) Placed(p message.Position) { c.begin = p }

// Take queues a message.
func (c *Conn) Take(a message.Arrival) { c.queue.put(a) }

// Full says that the reader has enough to read.
func (c *Conn) Full() bool { return c.queue.isFull() }

// Resume puts the cursors where the reader says that it stands. Filters that the session does not have, since it ended
// meanwhile, are given to it: the SUBSCRIBE that follows holds them, as it does those that are there.
func (c *Conn) Resume(st *session.State, may func(filter string) bool) {
	if c.Lasts() {
		for _, s := range st.Subscriptions {
			if !slices.Contains(c.q.Filters, s.Filter) {
				c.others = append(c.others, s.Filter)
			}
		}
		return
	}
	st.Cursors, c.resumed = nil, len(c.from) > 0
	subs := st.Subscriptions
	st.Subscriptions = nil
	for _, filter := range c.q.Filters {
		i := slices.IndexFunc(subs, func(s session.Subscription) bool { return s.Filter == filter })
		cursors := c.cursorsOf(filter)
		switch {
		case !may(filter) || len(cursors) == 0 && c.from != nil && i < 0:
			c.resumed = false
		case i >= 0:
			if len(cursors) == 0 { // where it stands is not known to anybody: from now on, by SUBSCRIBE
				c.resumed = false
				continue
			}
			st.Subscriptions = append(st.Subscriptions, subs[i])
		case len(cursors) > 0:
			c.resumed = false
			st.Subscriptions = append(st.Subscriptions, session.Subscription{Filter: filter, Seq: st.NextSeq, SinceMillis: since(cursors)})
			st.NextSeq++
		}
		st.Cursors = append(st.Cursors, cursors...)
	}
}

// cursorsOf are the places that the reader gave for a filter, one of each broker: of several the first.
func (c *Conn) cursorsOf(filter string) (list []session.Cursor) {
	hash, seen := session.FilterHash(filter), make(map[string]bool)
	for _, p := range c.from {
		if p.Hash == hash && !seen[p.Broker] {
			seen[p.Broker] = true
			p.Filter = filter
			list = append(list, p.Cursor)
		}
	}
	return list
}

// since is the latest store time that the reader has seen, for brokers that appeared since.
func since(cursors []session.Cursor) (millis int64) {
	for _, c := range cursors {
		millis = max(millis, c.LastStore)
	}
	return millis
}
