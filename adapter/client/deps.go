package client

import (
	"context"
	"crypto/tls"
	"io"
	"net/http"
	"net/netip"
	"time"

	"lmqgate/adapter/packet"
	"lmqgate/meta/access"
	"lmqgate/meta/message"
	"lmqgate/meta/session"
)

// Conn is the byte stream of a client.
type Conn interface {
	io.ReadWriteCloser
	SetReadDeadline(t time.Time) error // wakes a Read under way; what can be read when it is over is not read any more
	SetWriteDeadline(t time.Time) error
	Kind() string // "ws", "tcp", "tls"
	RemoteIP() netip.Addr
	Header() http.Header
	DropHeader() // lets go of Header
	TLS() *tls.ConnectionState
	// Refused says with what CONNECT is to be answered because there is no place for the client; Success: there is.
	Refused() (code packet.ReasonCode, why string)
	// Established says that CONNECT came in time.
	Established()
	// Ping keeps intermediaries from closing an idle connection. It never waits, and does nothing on transports that have
	// no such thing.
	Ping() error
	// Bye closes the stream in the way of its transport for the given MQTT reason, without waiting long for the peer.
	Bye(code packet.ReasonCode)
}

// Link is what a Delivery writes to; *client implements it.
type Link interface {
	Version() packet.Version
	MaxPacket() int
	Send(p packet.Packet)
	SendDelivery(t *packet.Template, d packet.Delivery)
	Full() bool
	Close(code packet.ReasonCode)
}

// Delivery is the outbound side of one attached session.
type Delivery interface {
	Subscribe(ctx context.Context, requests []session.Subscription) []packet.ReasonCode
	Unsubscribe(ctx context.Context, filters []string) []packet.ReasonCode
	Puback(id uint16)
	Pubrec(id uint16, code packet.ReasonCode)
	Pubcomp(id uint16)
	// Retained starts to send the retained messages that the last Subscribe is due. It is called after SUBACK.
	Retained()
	Wake()
	// Close writes what is left and stops delivering.
	Close(ctx context.Context) error
}

// Deliverer attaches sessions.
type Deliverer interface {
	// Begin finds where a new session begins to read what is sent to its client, for which it may wait for brokers and store,
	// bounded: from its return on nothing of that is missed. What it returns attaches, and is called once at most.
	Begin(st session.State, o AttachOptions, w *session.Writer) (attach func(l Link) Delivery)
}

// AttachOptions say how a session is served.
type AttachOptions struct {
	Persistent     bool
	ReceiveMaximum int                    // the client's; 0 = 65,535
	Take           func(message.Arrival)  // gets the messages in the place of packets; nil: packets
	Placed         func(message.Position) // with Take: told where new subscriptions begin, before anything of them is taken
}

// Insider is a Conn of this process: who it is was verified elsewhere, and deliveries reach it as messages.
type Insider interface {
	Conn
	// Identity is who it is.
	Identity() access.Identity
	// Lasts reports whether the session goes on where it was acknowledged; otherwise what was delivered is not noted in it, and
	// Resume says where it goes on.
	Lasts() bool
	// Resume changes a session that was attached, before anything of it is delivered. may says whether it may have a filter.
	Resume(st *session.State, may func(filter string) bool)
	// Attached hands over what is to be called when Full is no longer true.
	Attached(wake func())
	// Placed is where new subscriptions begin. It must not block and not call back.
	Placed(p message.Position)
	// Take is a delivery. It must not block and not call back.
	Take(a message.Arrival)
	// Full says that it wants no more for now.
	Full() bool
}

// Prefixes of the client ids that only readers in this process have.
const (
	StreamIDs = "$http/"
	PushIDs   = "$push/"
)

// Lease says whether this instance may still act for its sessions: its heartbeat has not lapsed (decision 5).
type Lease interface {
	Valid() bool
}
