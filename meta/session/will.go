package session

import (
	"context"
	"errors"
	"time"

	"lmqgate/meta/message"
)

// ErrWills says that too many wills of the client id wait to be published: it cannot attach with another one.
var ErrWills = errors.New("too many unpublished wills")

// ErrForeign says that the session of the client id belongs to another user, see AttachRequest.Holder.
var ErrForeign = errors.New("the session belongs to another user")

// Will is the Will Message of one connection [MQTT-3.1.2-7].
type Will struct {
	Message *message.Message // Key is set: the UNIQ_KEY it is to have in the log, whoever publishes it
	Delay   time.Duration    // Will Delay Interval, section 3.1.3.2.2; 0 before MQTT 5.0
}

// Parting says how a connection ended.
type Parting byte

const (
	// PartingLost is an end without a clean DISCONNECT: the will is published once its delay is over or the session
	// ends, whichever comes first.
	PartingLost Parting = iota
	// PartingClean is a DISCONNECT with reason code 0x00: the will is deleted [MQTT-3.14.4-3].
	PartingClean
	// PartingMoved is an end that this side wanted so that the client connects elsewhere (drain, connection age): the will
	// is kept back for MovedGrace at least, also if the session ends now, and is deleted if the client returns meanwhile
	// to any instance.
	PartingMoved
)

// MovedGrace is for how long the will of a client that was asked to connect elsewhere waits for it.
const MovedGrace = 30 * time.Second

// DueWill is a will whose time has come, claimed for the caller to publish it: for ClaimTime nobody else is given it,
// afterwards somebody is unless WillsDone was called.
type DueWill struct {
	ClientID string
	ID       string           // of this will among those of the client id
	Claim    string           // tells this claim from earlier and later ones
	Message  *message.Message // Key is set
	Repeat   bool             // an earlier claimant may have published it, having recorded Place: look it up first
	Since    time.Time        // with Repeat: when the earlier one recorded Place
	Place    *message.Place   // with Repeat: where the earlier one was about to send it
}

// ClaimTime is how long a claim of a will lasts, counted anew from PlaceWill.
const ClaimTime = 15 * time.Second

// Wills keeps wills whose time has come until they are published. Implementations are safe for concurrent use.
type Wills interface {
	// PlaceWill records where a claimed will is about to be sent, before it is; ErrFenced says that somebody else has
	// claimed it since.
	PlaceWill(ctx context.Context, w DueWill, p message.Place) error
	// WillsDone forgets wills that were published, or that never can be; claims that were lost are left alone.
	WillsDone(ctx context.Context, wills []DueWill) error
}
