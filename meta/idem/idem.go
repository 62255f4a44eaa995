// Package idem remembers requests that may be repeated by whoever did not hear their outcome, so that each is carried out
// once: the Idempotency-Key of HTTP.
package idem

import (
	"context"
	"errors"
	"time"

	"lmqgate/meta/message"
)

// ErrLost says that a request is no longer the caller's: it took longer than its lease, and somebody repeats it.
var ErrLost = errors.New("the request was taken over by a repetition of it")

// State is what is known of a request when it comes.
type State byte

// States.
const (
	Begun    State = iota // it is the caller's to carry out; Attempt says what an earlier try may have done
	Finished              // it was carried out, with Result
	UnderWay              // somebody is at it
	Another               // a request with other content has the name
)

// Attempt is a message that may have been sent under a key.
type Attempt struct {
	Key   string // UNIQ_KEY
	Place message.Place
	At    time.Time
}

// Answer is what Begin finds.
type Answer struct {
	State   State
	Token   string   // with Begun, for the other calls
	Attempt *Attempt // with Begun: of an earlier try whose outcome is not known; nil: there was none
	Result  []byte   // with Finished
}

// Store keeps requests. Implementations are safe for concurrent use. Every call is one round trip.
type Store interface {
	// Begin asks for a request by name, and makes it the caller's for the length of lease if it is nobody's. hash tells its
	// content. It is forgotten keep after the last call about it.
	Begin(ctx context.Context, name, hash string, lease, keep time.Duration) (Answer, error)
	// Sending notes what is about to be sent. ErrLost: it must not be.
	Sending(ctx context.Context, name, token string, a Attempt) error
	// Finish keeps the result.
	Finish(ctx context.Context, name, token string, result []byte) error
	// Leave gives the request back: a repetition may begin at once. Of one with nothing done, nothing is kept.
	Leave(ctx context.Context, name, token string, nothingDone bool) error
}
