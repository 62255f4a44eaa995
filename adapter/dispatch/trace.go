package dispatch

import (
	"time"

	"lmqgate/meta/message"
)

// Tracer follows publications. Safe for concurrent use.
type Tracer interface {
	// Publish begins to follow a publication of which Key is set.
	Publish(m *message.Message, rocketTopic string, arrived time.Time) Trace
}

// Trace follows one publication. Its methods do not block; Matched may come beside or after Done, when a publication ended
// early.
type Trace interface {
	// Matched is told of the message's queues; began is when they were asked for.
	Matched(began time.Time, queues int)
	// Sending is called before the message is encoded, maybe more than once, and may change its properties.
	Sending(at message.Place)
	// Done is the end.
	Done(err error, queues int)
}
