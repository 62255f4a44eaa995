package client

import (
	"math"
	mathrand "math/rand/v2"
	"time"

	"lmqgate/adapter/packet"
	"lmqgate/meta/session"
)

// agree settles session expiry and keep alive.
func (c *client) agree(p *packet.Connect) {
	most := min(max(c.srv.cfg.SessionExpiryMax, 0), session.Never)
	switch {
	case p.Version != packet.V5 && p.CleanStart:
		c.expiry = 0
	case p.Version != packet.V5, p.Properties.SessionExpiry == math.MaxUint32: // [MQTT-3.1.2-23]
		c.expiry = most
	default:
		c.expiry = min(time.Duration(p.Properties.SessionExpiry)*time.Second, most)
	}
	alive := time.Duration(p.KeepAlive) * time.Second
	if p.Version == packet.V5 {
		alive = min(alive, c.srv.cfg.KeepAliveMax) // Server Keep Alive says so [MQTT-3.2.2-21]
	}
	if c.inside != nil { // it is this process: it does not fall silent, and whoever it reads for knows how long it is wanted
		c.expiry, alive = min(time.Duration(p.Properties.SessionExpiry)*time.Second, session.Never), 0
	}
	c.lasting = p.Properties.SessionExpiry > 0
	c.patience = int64(alive) * 3 / 2 // [MQTT-3.1.2-22]
	c.seen.Store(busy)
	if age := c.srv.cfg.MaxAge; age > 0 { // those that came together do not go together
		c.retire = c.srv.now() + int64(age)*9/10 + mathrand.Int64N(int64(age)/10+1)
	}
}

// advertise tells a 5.0 client what was agreed and what is served.
func (c *client) advertise(a *packet.ConnackProperties, p *packet.Connect, assigned string) {
	cfg := &c.srv.cfg
	a.AssignedClientID = assigned // [MQTT-3.1.3-7], [MQTT-3.2.2-16]
	a.ReceiveMaximum = uint16(min(cfg.ReceiveMaximum, 65535))
	a.MaximumPacketSize = uint32(cfg.MaxPacketSize)
	a.TopicAliasMaximum = uint16(cfg.TopicAliases)
	if p.Properties.RequestResponseInfo {
		a.ResponseInfo = cfg.ResponseInfo // [MQTT-3.1.2-28]
	}
	if asked := p.Properties.SessionExpiry; time.Duration(asked)*time.Second != c.expiry { // section 3.2.2.3.2
		a.HasSessionExpiry, a.SessionExpiry = true, uint32(c.expiry/time.Second)
	}
	if time.Duration(p.KeepAlive)*time.Second > cfg.KeepAliveMax {
		a.HasServerKeepAlive, a.ServerKeepAlive = true, uint16(cfg.KeepAliveMax/time.Second)
	}
}
