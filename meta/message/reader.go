package message

import (
	"context"
	"errors"
	"fmt"
	"net/netip"
	"time"

	"lmqgate/meta/access"
)

// Errors of reading that callers branch on; ErrUnavailable is one too.
var (
	// ErrTakenOver says that somebody else reads under the same name now, or that an operator ended the reading.
	ErrTakenOver = errors.New("somebody else reads under this name now")
	// ErrGoing says that this instance is going away or sheds load: another one goes on where this one stopped.
	ErrGoing = errors.New("this instance is going away")
	// ErrPosition says that a text is no Position, or not one of this session and these filters.
	ErrPosition = errors.New("not a position in this stream")
	// ErrNotAllowed says that the identity may not read under this name, or not any more.
	ErrNotAllowed = errors.New("not allowed")
)

// FilterError says why one filter was refused.
type FilterError struct {
	Filter string
	Code   byte   // the MQTT reason code: 0x87 not authorized, 0x8F not a topic filter, 0x97 over a limit, ...
	Reason string // in words
}

func (e *FilterError) Error() string { return fmt.Sprintf("filter %.100q: %s", e.Filter, e.Reason) }

// Position says where a reader stands in the log: behind a message, in the queues of all its filters on all brokers. It is
// opaque, printable ASCII without spaces, of about 55 bytes for each filter and broker. "" says nothing.
type Position string

// ReadRequest says who reads what.
type ReadRequest struct {
	// Name is the MQTT client id under which the session is kept, seen by operators and fenced like any other: whoever opens
	// it last has it.
	Name     string
	Identity access.Identity // already verified; it decides what may be read, and whose session it may be
	Address  netip.Addr      // of the caller, for operators; the zero value for this gateway's own readers
	Filters  []string        // shared ones too
	QoS      byte            // of the subscriptions; with 0 nothing is to be acknowledged and Position is how to go on
	// From is where to go on; "" goes on with the session where it acknowledged last, and at the end of the log if there is
	// none. With QoS 1 it must be "".
	From Position
	// Expiry is how long the filters are held after Close, so that what is published meanwhile can be read later; 0 ends
	// the session with Close.
	Expiry time.Duration
	Clean  bool // begin anew whatever session there is
	Window int  // most unacknowledged messages, 0 = the gateway's default
	Retain bool // retained messages of new subscriptions are wanted
}

// Arrival is one message read.
type Arrival struct {
	Message  *Message // shared by many readers: not to be changed. Message.Key is its id
	Position Position // behind this message; "" with QoS 1 and 2, and for a retained message
	Retained bool     // it was published before the subscription and kept for its topic
	Again    bool     // it may have been handed out before (DUP)
	QoS      byte     // the lower of the publisher's and the subscription's
	ID       uint16   // for Reading.Ack; 0: nothing is to be acknowledged
}

// Reading is a session being read. For one caller of Next at a time; Ack and Close may be called from anywhere.
type Reading interface {
	// Next waits for the next message, until ctx ends; one that is there already is returned even so. After any error but ctx's
	// the reading is over.
	Next(ctx context.Context) (Arrival, error)
	// Ack says that a message with an ID was dealt with. What is not acknowledged comes again to the next reader.
	Ack(id uint16)
	// Position is where the reading began: to open with it reads the same again. "" with QoS 1.
	Position() Position
	// Resumed reports whether nothing is missing between ReadRequest.From and now; false where there was no From, or the
	// session has ended since, so that nobody held the filters.
	Resumed() bool
	// Close stops reading; the session is kept for Expiry. It waits until that is written, bounded.
	Close() error
}

// Reader reads messages as an MQTT client would get them, with the same sessions, rules and limits, and shares what was
// pulled from the log with all of them. Safe for concurrent use.
type Reader interface {
	// Open returns once everything published from now on reaches the reading. Errors are *FilterError and the package's.
	Open(ctx context.Context, r ReadRequest) (Reading, error)
}
