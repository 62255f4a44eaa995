package client

import (
	"context"
	"errors"
	"sync/atomic"
	"time"

	"lmqgate/adapter/packet"
	"lmqgate/meta/access"
)

// authRounds bounds the packets that a client may send in one exchange, CONNECT included.
const authRounds = 16

// authentication is the enhanced authentication of a connected client. The reading goroutine's but for due.
type authentication struct {
	method   string
	login    *access.Login
	username string          // who the client is, which a re-authentication cannot change
	tenant   string          // nor whose topic space it lives in
	running  access.Exchange // nil: none
	rounds   int
	due      atomic.Int64 // when running has to be over, ns since Server.start; 0 = none
}

// exchange authenticates by AUTH packets before CONNACK, section 4.12. It is bounded in time and in rounds.
func (c *client) exchange(p *packet.Connect, l *access.Login) (id identity, reply []byte, err error) {
	method := p.Properties.AuthMethod
	x, err := c.beginExchange(l, method)
	if err != nil {
		return id, nil, err
	}
	late := time.AfterFunc(c.srv.cfg.AuthTimeout, func() { c.Close(packet.NotAuthorized) })
	defer late.Stop()
	data := p.Properties.AuthData
	for range authRounds {
		reply, got, err := c.step(x, data)
		switch {
		case err != nil:
			return id, nil, err
		case got != nil:
			l.Header, l.Password = nil, nil // secrets are not kept
			c.known().auth = &authentication{method: method, login: l, username: got.Username, tenant: got.Tenant}
			return *got, reply, nil
		}
		ask := &packet.Auth{Code: packet.ContinueAuthentication, Method: method, Data: reply} // [MQTT-4.12.0-2], [MQTT-4.12.0-5]
		if err := c.out.send(ask); err != nil {
			return id, nil, err
		}
		if data, err = c.answer(method); err != nil {
			return id, nil, err
		}
	}
	return id, nil, reject(packet.NotAuthorized, "too many rounds of authentication")
}

// beginExchange starts an exchange of the method, if that is offered [MQTT-4.12.0-1].
func (c *client) beginExchange(l *access.Login, method string) (access.Exchange, error) {
	offered := c.srv.deps.Enhanced
	if offered == nil {
		return nil, reject(packet.BadAuthenticationMethod, "enhanced authentication is not offered")
	}
	x, err := offered.Begin(l, method)
	switch {
	case err == nil:
		return x, nil
	case errors.Is(err, access.ErrIgnore):
		return nil, reject(packet.BadAuthenticationMethod, "authentication method is not offered")
	}
	return nil, c.authFailed(err)
}

// step gives the exchange what the client sent.
func (c *client) step(x access.Exchange, data []byte) (reply []byte, id *identity, err error) {
	c.during(func(ctx context.Context) {
		ctx, cancel := context.WithTimeout(ctx, c.srv.cfg.AuthTimeout)
		defer cancel()
		reply, id, err = x.Next(ctx, data)
	})
	if err != nil {
		err = c.authFailed(err)
	}
	return reply, id, err
}

func (c *client) authFailed(err error) error {
	switch {
	case errors.Is(err, access.ErrLimited):
		return reject(packet.ConnectionRateExceeded, "%v", access.ErrLimited)
	case errors.Is(err, access.ErrDenied):
		return reject(packet.NotAuthorized, "%v", err)
	}
	return c.undecided(err)
}

// answer reads the client's next packet before CONNACK: AUTH or DISCONNECT [MQTT-3.1.2-30].
func (c *client) answer(method string) ([]byte, error) {
	p, err := c.dec.Next()
	if err != nil {
		var code packet.ReasonCode
		if !errors.As(err, &code) { // the stream ended
			return nil, errGoodbye
		}
		return nil, err
	}
	c.srv.metrics.received(p.Type())
	switch p := p.(type) {
	case *packet.Disconnect:
		return nil, errGoodbye
	case *packet.Auth:
		switch {
		case p.Code != packet.ContinueAuthentication: // [MQTT-4.12.0-3]
			return nil, reject(packet.ProtocolError, "AUTH that does not continue the authentication")
		case p.Method != method: // [MQTT-4.12.0-5]
			return nil, reject(packet.BadAuthenticationMethod, "another authentication method than in CONNECT")
		}
		return p.Data, nil
	}
	return nil, reject(packet.ProtocolError, "%v during authentication", p.Type())
}

// reauthenticate handles AUTH of a connected client: it begins a re-authentication or continues one, while everything
// else goes on as before. A failure closes the connection [MQTT-4.12.1-2].
func (c *client) reauthenticate(p *packet.Auth) error {
	a := c.authentication()
	switch {
	case a == nil: // [MQTT-4.12.0-7]
		return reject(packet.ProtocolError, "AUTH without authentication method in CONNECT")
	case p.Method != a.method: // [MQTT-4.12.1-1]
		return reject(packet.BadAuthenticationMethod, "another authentication method than in CONNECT")
	case (p.Code == packet.ReAuthenticate) != (a.running == nil):
		return reject(packet.ProtocolError, "%v out of turn", p.Code)
	}
	if a.running == nil {
		x, err := c.beginExchange(a.login, a.method)
		if err != nil {
			return err
		}
		a.running, a.rounds = x, 0
		a.due.Store(c.srv.now() + int64(c.srv.cfg.AuthTimeout))
	}
	if a.rounds++; a.rounds > authRounds {
		return reject(packet.NotAuthorized, "too many rounds of authentication")
	}
	reply, id, err := c.step(a.running, p.Data)
	switch {
	case err != nil:
		return err
	case id == nil:
		c.Send(&packet.Auth{Code: packet.ContinueAuthentication, Method: a.method, Data: reply})
		return nil
	case id.Username != a.username || id.Tenant != a.tenant: // whose session this is does not change
		return reject(packet.NotAuthorized, "re-authentication as another user")
	}
	a.running = nil
	a.due.Store(0)
	c.behalf.mu.Lock() // who looks at it for an operator is another goroutine
	c.about.login = *id
	c.behalf.mu.Unlock()
	c.expires.Store(c.until(*id))
	c.recheck()
	c.Send(&packet.Auth{Method: a.method, Data: reply})
	return nil
}

// authentication is nil for a client that did not ask for enhanced authentication.
func (c *client) authentication() *authentication {
	if c.about == nil {
		return nil
	}
	return c.about.auth
}

// expired reports whether the credentials have ended, which AUTH renews.
func (c *client) expired(now int64) bool {
	end := c.expires.Load()
	return end > 0 && now > end
}

// overdue reports whether a re-authentication takes too long.
func (c *client) overdue(now int64) bool {
	a := c.authentication()
	if a == nil {
		return false
	}
	due := a.due.Load()
	return due > 0 && now > due
}
