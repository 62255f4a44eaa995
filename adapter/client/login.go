package client

import (
	"context"
	"errors"
	"math"
	"strings"

	"lmqgate/adapter/packet"
	"lmqgate/meta/access"
)

// identity is who a client is.
type identity = access.Identity

// credentials are what the client shows of itself.
func (c *client) credentials(p *packet.Connect) *access.Login {
	l := &access.Login{
		ClientID: c.id, HasUsername: p.HasUsername, Username: p.Username, HasPassword: p.HasPassword, Password: p.Password,
		Transport: c.conn.Kind(), Address: c.conn.RemoteIP(), Header: c.conn.Header(),
	}
	if t := c.conn.TLS(); t != nil && len(t.VerifiedChains) > 0 {
		l.Certificate = t.VerifiedChains[0]
	}
	return l
}

// authenticate finds out who the client is; reply is for CONNACK, nil without enhanced authentication.
func (c *client) authenticate(p *packet.Connect) (id identity, reply []byte, err error) {
	l := c.credentials(p)
	defer c.conn.DropHeader()
	switch {
	case c.inside != nil:
		id = c.inside.Identity()
	case p.Properties.AuthMethod != "":
		id, reply, err = c.exchange(p, l)
	default:
		id, err = c.verify(l)
	}
	if err == nil {
		c.expires.Store(c.until(id))
	}
	if err == nil && (c.srv.deps.Access != nil || c.srv.deps.Presence != nil) {
		c.known().login = id
	}
	return id, reply, err
}

// until is when an identity ends, ns since Server.start; 0 = never.
func (c *client) until(id identity) int64 {
	if id.Expires.IsZero() {
		return 0
	}
	now, left := c.srv.now(), int64(id.Expires.Sub(c.srv.cfg.Now()))
	if left > math.MaxInt64-now { // as with certificates that end in the year 9999, RFC 5280 section 4.1.2.5
		return math.MaxInt64
	}
	return max(now+left, 1)
}

func (c *client) verify(l *access.Login) (id identity, err error) {
	ctx, cancel := context.WithTimeout(context.Background(), c.srv.cfg.Redis)
	defer cancel()
	id, err = c.srv.deps.Verifier.Verify(ctx, l)
	switch {
	case err == nil:
		return id, nil
	case errors.Is(err, access.ErrLimited):
		return id, reject(packet.ConnectionRateExceeded, "%v", access.ErrLimited)
	case errors.Is(err, access.ErrDenied):
		return id, reject(packet.BadUserNameOrPassword, "%v", err)
	}
	return id, c.undecided(err)
}

// undecided is for a verifier that could not tell.
func (c *client) undecided(err error) error {
	c.srv.warn("authentication failed to decide", "client_id", c.id, "error", err)
	return reject(packet.ServerUnavailable, "authentication is unavailable, try again")
}

// may reports whether the client is allowed something with a topic of its own. The reading goroutine's.
func (c *client) may(a access.Action, topic string) bool {
	az := c.srv.deps.Access
	return az == nil || az.Allowed(c.about.login, c.ownID(), a, topic)
}

// mayPublish reports what stands against publishing to a valid topic name. Names under $SYS are the server's
// [MQTT-4.7.2-1].
func (c *client) mayPublish(topic string, retain bool) error {
	switch {
	case topic == "$SYS", strings.HasPrefix(topic, "$SYS/"), topic[0] == '$' && c.space().Mounts():
		return reject(packet.NotAuthorized, "topics under $SYS, and of tenants' all that begin with '$', are the server's")
	case !c.may(access.Publish, topic):
		return reject(packet.NotAuthorized, "not allowed to publish to this topic")
	case retain && !c.may(access.Retain, topic):
		return reject(packet.NotAuthorized, "not allowed to publish retained messages to this topic")
	}
	return nil
}
