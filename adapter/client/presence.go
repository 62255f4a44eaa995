package client

import (
	"net/netip"
	"time"

	"lmqgate/adapter/packet"
	"lmqgate/meta/session"
	"lmqgate/meta/topic"
)

// Presence is told which clients come and go: Online once for every accepted connection, Offline once when it has
// ended. The calls for one connection come in that order; those of two connections of a client id may overlap where one
// takes over from the other, and Epoch orders them. Implementations are safe for concurrent use and do not block.
type Presence interface {
	Online(p Present)
	// Offline tells why: the code that the client said goodbye with, the one that this side closed with, or
	// packet.UnspecifiedError for a stream that broke.
	Offline(p Present, code packet.ReasonCode)
	// Subscribed tells of filters that were granted, again or anew, Unsubscribed of those that were given up or taken away.
	Subscribed(p Present, filters []string)
	Unsubscribed(p Present, filters []string)
}

// Present is one accepted connection.
type Present struct {
	ClientID   string
	Username   string
	Address    netip.Addr
	Transport  string // "ws", "tcp", "tls"
	Version    packet.Version
	CleanStart bool
	KeepAlive  time.Duration // agreed on; 0 = off
	Epoch      session.Epoch
	At         time.Time // when CONNECT was accepted
}

// about is what is known of a client beyond what serves it; it is made where somebody asks for it.
type about struct {
	login identity
	space topic.Space     // its tenant's
	auth  *authentication // nil: no enhanced authentication
	came  int64           // when CONNECT was accepted, ns since 1970
}

// online notes and tells that the client came.
func (c *client) online() {
	if pres := c.srv.deps.Presence; pres != nil {
		c.known().came = time.Now().UnixNano()
		pres.Online(c.present())
	}
}

// offline tells that it went.
func (c *client) offline() {
	if pres := c.srv.deps.Presence; pres != nil {
		pres.Offline(c.present(), c.reason())
	}
}

// subscribed tells of filters that were granted.
func (c *client) subscribed(filters []string) {
	if pres := c.srv.deps.Presence; pres != nil && len(filters) > 0 {
		pres.Subscribed(c.present(), filters)
	}
}

// unsubscribed tells of filters that the client no longer has.
func (c *client) unsubscribed(filters []string) {
	if pres := c.srv.deps.Presence; pres != nil && len(filters) > 0 {
		pres.Unsubscribed(c.present(), filters)
	}
}

func (c *client) present() Present {
	a := c.about
	return Present{
		ClientID: c.id, Username: a.login.Username, Address: c.conn.RemoteIP(), Transport: c.conn.Kind(), Version: c.version,
		CleanStart: c.clean, KeepAlive: time.Duration(c.patience) * 2 / 3, Epoch: c.epoch, At: time.Unix(0, a.came),
	}
}

// known returns the client's about.
func (c *client) known() *about {
	if c.about == nil {
		c.about = &about{}
	}
	return c.about
}
