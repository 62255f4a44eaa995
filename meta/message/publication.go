package message

import (
	"errors"
	"time"
)

// Errors of publishing that callers branch on.
var (
	// ErrUnavailable says that the log or the registry could not be reached within the bound; the outcome of a QoS 1
	// or 2 publication may be unknown, and so whether a message to be retained is kept. The publisher may try again later.
	ErrUnavailable = errors.New("message log is unavailable")
	// ErrRefused says that the log will never take this message as it is (too large, topic not allowed). One to be retained is
	// kept all the same if only the broker could know that.
	ErrRefused = errors.New("message refused by the log")
	// ErrBusy says that a bound on waiting publications was reached; nothing was sent.
	ErrBusy = errors.New("too many publications waiting")
	// ErrAbandoned says that the publisher had gone before the message was sent. One to be retained may be kept.
	ErrAbandoned = errors.New("publication abandoned")
	// ErrNotRetained says that the message is in the log and reaches its subscribers, but is not kept as the retained
	// message of its topic: that is still the old one. It comes with a Result and wraps the cause, and is final: to
	// publish the message again does not help.
	ErrNotRetained = errors.New("message not retained")
)

// Place is one RocketMQ queue.
type Place struct {
	Topic  string
	Broker string
	Queue  int
}

// Publication is one message on its way into the log.
type Publication struct {
	Message *Message // Message.Key may be preset (a repeat); otherwise the lane makes one

	// Place is where the message goes; nil lets the lane choose by the topic's hash. A repeat gives the place of the
	// first attempt.
	Place *Place
	// Repeat says that an earlier attempt with this key may have been stored: it is looked up first and sent only if
	// absent. Since is when the first attempt was made.
	Repeat bool
	Since  time.Time
	// Prepare, when not nil, is called once with the chosen key and place before anything is kept or sent; that waits until
	// ready is called with nil. An error given to ready becomes the error of Done. Prepare must not block.
	Prepare func(key string, place Place, ready func(error))
	// Abandoned, when not nil, is asked right before each attempt to keep a retained message, and to send; true ends the
	// publication with ErrAbandoned instead. QoS 2 uses it: once a connection is lost, its next one, maybe elsewhere, repeats
	// what was not done.
	Abandoned func() bool
	// Done is called exactly once, after the retained message was kept or removed, if Message.Retain is set, and then the
	// broker has acknowledged every part; or with the error. It must not block. The message is not referenced any more
	// afterwards.
	Done func(Result, error)
}

// Lane keeps the order of one publisher's messages: publications of the same topic are sent one after the other in the
// order of Publish, different topics go in parallel. Safe for one caller at a time.
type Lane interface {
	Publish(p *Publication)
}

// Lanes hands out a lane for each publisher (a connection).
type Lanes interface {
	NewLane() Lane
}
