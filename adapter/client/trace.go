package client

import (
	"time"

	"lmqgate/adapter/packet"
	"lmqgate/meta/message"
)

// Connected is a CONNECT that was answered.
type Connected struct {
	ClientID, Address, Transport string
	Version                      packet.Version
	Code                         packet.ReasonCode // of CONNACK
	SessionPresent               bool
	User                         []message.UserProperty // of CONNECT
	Took                         time.Duration
}

// trace tells Config.Trace of a CONNECT that was answered and returns its trace id.
func (c *client) trace(p *packet.Connect, code packet.ReasonCode, present bool, began int64) string {
	if c.srv.cfg.Trace == nil {
		return ""
	}
	return c.srv.cfg.Trace(Connected{
		ClientID: c.id, Address: c.conn.RemoteIP().String(), Transport: c.conn.Kind(), Version: p.Version, Code: code,
		SessionPresent: present, User: p.Properties.User, Took: time.Duration(c.srv.now() - began),
	})
}
