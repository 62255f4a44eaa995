// Package session holds the nouns of an MQTT session as they are kept outside the instance that serves it: identity,
// subscriptions, cursors, in-flight messages, and the interfaces of their store.
//
// A session is only a set of cursors: the messages themselves stay in the RocketMQ log. Every write carries the epoch
// that Attach handed out and is refused with ErrFenced once another CONNECT took the client id over.
package session

import (
	"errors"
	"time"
)

// Errors that callers branch on.
var (
	// ErrFenced says that another connection owns the session now; nothing was written.
	ErrFenced = errors.New("session taken over by another connection")
	// ErrFormat says that a stored value has a format version this build cannot read.
	ErrFormat = errors.New("stored session has an unknown format version")
)

// Never is the session expiry interval that means "does not expire" [MQTT-3.1.2.11.2].
const Never = time.Duration(0xFFFFFFFF) * time.Second

// Epoch is the fencing number of one connection of a client id. It grows with every CONNECT of that client id, also
// over the deletion of the session in between (it is at least the store's clock in microseconds). It stays below 2^53.
type Epoch uint64

// Subscription is one plain (or shared) subscription of a session.
type Subscription struct {
	Filter            string
	QoS               byte
	NoLocal           bool
	RetainAsPublished bool
	RetainHandling    byte
	ID                uint32 // subscription identifier, 0 = none
	Seq               uint64 // order of the first SUBSCRIBE of this filter in the session; a re-subscribe keeps it
	HoldEpoch         Epoch  // with HoldSeq: the tag of this subscription's holding in the filter registry
	HoldSeq           uint64
	SinceMillis       int64 // store time before which messages do not belong to the subscription (brokers that appear later)
	// Granted says that an operator gave the subscription to the client: the rules that say what the client may subscribe to do
	// not take it away again. A SUBSCRIBE of the client's keeps it.
	Granted bool
	// Retained says that the delivery of retained messages to this subscription is under way, RetainedAt how far it got: a
	// cursor of retain.Store.Match, "" for its beginning.
	Retained   bool
	RetainedAt string
}

// CursorKey names one cursor: a subscription reads the LMQ of its filter on every broker.
type CursorKey struct {
	Filter, Broker string
}

// Range is a closed interval of offsets.
type Range struct{ First, Last int64 }

// Cursor is the persisted position of a subscription in its LMQ on one broker.
type Cursor struct {
	CursorKey
	Begin     int64   // first offset that belongs to the subscription
	Next      int64   // lowest offset not yet acknowledged; everything below is done
	Acked     []Range // acknowledged offsets not below Next, ascending, disjoint, bounded
	LastKey   string  // UNIQ_KEY of the message at Next-1, "" if unknown
	LastStore int64   // its store time, ms
	// AckedTill is the latest store time of the messages in Acked, ms, 0 if unknown: what stands at such an offset and was
	// stored later is another message, in a queue that lost its end and has grown again.
	AckedTill int64
}

// OutState says how far an outbound QoS 1 or 2 message got.
type OutState byte

// States of an outbound message.
const (
	OutSent     OutState = 1 // PUBLISH may have left; resend with DUP
	OutReleased OutState = 2 // QoS 2: PUBREC seen, PUBREL may have left; resend PUBREL
)

// Outbound is one outbound in-flight message. The payload stays in the log (Filter's LMQ on Broker at Offset, checked
// against Key) unless Message is set: retained messages carry their own encoding.
type Outbound struct {
	PacketID uint16
	Order    uint64 // send order within the session
	QoS      byte
	State    OutState
	CursorKey
	Offset  int64
	Key     string // UNIQ_KEY
	Message []byte // nil unless the message is not in a log
}

// Inbound is one received QoS 2 packet id that PUBREL has not yet released.
type Inbound struct {
	PacketID uint16
	Key      string // UNIQ_KEY under which it is produced
	Topic    string // RocketMQ topic
	Broker   string
	Queue    int
	Done     bool  // produced and acknowledged by the broker
	AtMillis int64 // when it was recorded
}

// AttachRequest asks for the ownership of a client id.
type AttachRequest struct {
	ClientID   string
	Instance   string        // id of the instance that will own the connection
	CleanStart bool          // discard an existing session [MQTT-3.1.2-4]
	Expiry     time.Duration // session expiry interval after the connection ends; 0 = ends with the connection
	Protocol   byte          // MQTT version byte
	Username   string        // for admin views
	Address    string        // for admin views
	Will       *Will         // of this connection, nil if it has none
	Holder     string        // the verified user whom the session belongs to, "" = nobody in particular; see ErrForeign
	AnyHolder  bool          // whomever it may belong to
	Takeovers  int           // how many in quick succession are granted before Flapping; 0 = any number
}

// Owner is a connection that owned the session when another one attached.
type Owner struct {
	Instance string
	Epoch    Epoch
}

// State is a whole session as Attach returns it.
type State struct {
	ClientID      string
	Epoch         Epoch
	Present       bool   // an existing session is resumed [MQTT-3.2.2-2]
	Previous      *Owner // the still connected owner that lost the session and wants to be told, nil if none
	Subscriptions []Subscription
	Cursors       []Cursor
	Out           []Outbound // ascending by Order
	In            []Inbound
	PacketIDs     uint64 // packet ids reserved so far, a running count; the id of count n is (n-1)%65535+1
	NextSeq       uint64 // next free Subscription.Seq
	NextOrder     uint64 // greater than any Outbound.Order
	// Discarded are the subscriptions of a session that CleanStart (or expiry) ended: the caller releases their holdings.
	Discarded []Subscription
	// Wills of earlier connections whose time has come with this one, claimed for the caller.
	Wills []DueWill
}

// Change is one fenced, atomic batch of writes to one session. Order of application: drops, then sets.
type Change struct {
	ClientID    string
	Epoch       Epoch
	DropSubs    []string
	SetSubs     []Subscription
	DropCursors []CursorKey
	SetCursors  []Cursor
	DropOut     []uint16
	SetOut      []Outbound
	DropIn      []uint16
	SetIn       []Inbound
	PacketIDs   uint64         // new running count of reserved packet ids, 0 = unchanged; never moves back
	Expiry      *time.Duration // new session expiry interval (MQTT 5 DISCONNECT), nil = unchanged
}

// Empty reports whether the change writes nothing.
func (c *Change) Empty() bool {
	return len(c.DropSubs)+len(c.SetSubs)+len(c.DropCursors)+len(c.SetCursors)+len(c.DropOut)+len(c.SetOut)+
		len(c.DropIn)+len(c.SetIn) == 0 && c.PacketIDs == 0 && c.Expiry == nil
}

// Ended is what the end of a connection or of a session leaves to the caller.
type Ended struct {
	ClientID      string
	Over          bool           // the session was deleted: Subscriptions' holdings are to be released, then Settled called
	Subscriptions []Subscription // of a session that is over
	Wills         []DueWill      // whose time has come, claimed for the caller
}
