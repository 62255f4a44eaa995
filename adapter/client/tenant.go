package client

import (
	"strings"

	"lmqgate/adapter/packet"
	"lmqgate/meta/message"
	"lmqgate/meta/topic"
)

// A client of a tenant sees names of its own; here they are put into its tenant's space, and everything behind this package
// knows them by the mounted form only: sessions, filters, wills, messages and the client id (see meta/topic's Space). What is sent to
// the client is taken out again where it is encoded (deliver). Rules and CONNACK are about its own names. A reader in this
// process has a client id that is the gateway's, and says mounted filters.

// TenantIDs begins the client ids of tenants' clients as the gateway knows them; nobody else can be called so.
const TenantIDs = topic.TenantLevel + "/"

// enter puts the client into its tenant's space, before anything of it is kept.
func (c *client) enter(id *identity) error {
	if id.Tenant == "" {
		return nil
	}
	space, err := topic.SpaceOf(id.Tenant)
	if err != nil {
		return reject(packet.BadUserNameOrPassword, "%v", err)
	}
	if c.inside == nil {
		mounted, err := space.MountID(c.id)
		if err != nil {
			return reject(packet.ClientIdentifierNotValid, "the client id is too long beside the name of its tenant")
		}
		c.id = mounted
	}
	a := c.known()
	a.login, a.space = *id, space
	if follow := c.srv.cfg.Follow; follow != nil {
		c.follow = c.follow || follow(c.id)
	}
	return nil
}

// space is the client's topic space.
func (c *client) space() topic.Space {
	if c.about == nil {
		return topic.Space{}
	}
	return c.about.space
}

// ownID is the client id as the client knows it.
func (c *client) ownID() string {
	if own, ok := c.space().Unmount(c.id); ok {
		return own
	}
	return c.id // a reader in this process
}

// place puts a message of the client's into its space.
func (c *client) place(m *message.Message) error {
	if err := m.Mount(c.space()); err != nil {
		return reject(packet.TopicNameInvalid, "%v", err)
	}
	return nil
}

// both are the two forms of a valid filter that the client says. ok is false if it cannot be in the client's space.
func (c *client) both(said string) (own, mounted string, ok bool) {
	space := c.space()
	if !space.Mounts() {
		return said, said, true
	}
	if c.inside != nil {
		own, ok = space.UnmountFilter(said)
		return own, said, ok
	}
	mounted, err := space.MountFilter(said)
	return said, mounted, err == nil
}

// held is the form under which the client has a filter that it says, valid or not. One that it cannot have stays as it is:
// nobody's filter of that name is its own.
func (c *client) held(said []string) []string {
	if !c.space().Mounts() || c.inside != nil {
		return said
	}
	list := make([]string, len(said))
	for i, f := range said {
		list[i] = f
		if _, mounted, ok := c.both(f); ok {
			list[i] = mounted
		}
	}
	return list
}

// within reports whether a mounted filter is in the space of the client's.
func (c *client) within(mounted string) bool {
	_, ok := c.space().UnmountFilter(mounted)
	return ok
}

// reserved reports whether a client may not be called so, whoever it is.
func reserved(clientID string) bool {
	return strings.HasPrefix(clientID, StreamIDs) || strings.HasPrefix(clientID, PushIDs) || topic.Reserves(clientID)
}
