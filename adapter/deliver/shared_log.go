package deliver

import (
	"context"
	"time"

	"lmqgate/meta/registry"
)

// maxPop is the most messages that one POP is asked for; brokers refuse more.
const maxPop = 32

// Handle names a popped message towards Pops. It is opaque but for its time.
type Handle interface {
	// Until is when the message comes back to its group at the earliest.
	Until() time.Time
}

// Popped is one message handed out by POP. It comes back to the group unless it is acknowledged in time.
type Popped struct {
	Entry  *Entry // Offset is that in the LMQ, also of a message that has come back
	Handle Handle
	Again  bool // it was handed out before
}

// PopRequest asks for messages of one LMQ on one broker for a consumer group.
type PopRequest struct {
	Ref
	Group     string
	Max       int           // messages wanted at most
	Invisible time.Duration // for how long nobody else gets them
	Wait      time.Duration // for how long the broker may hold the request
}

// Pops lets the members of consumer groups share messages. Implementations are safe for concurrent use, never block in
// the calls with a callback, and call that exactly once, from any goroutine.
type Pops interface {
	// Pop asks for messages; none after about r.Wait is no error. rest is how many more the broker has. cancel ends the wait:
	// done is still called, with an error or with what had come; a message that comes later is returned by the implementation.
	Pop(r PopRequest, done func(got []Popped, rest int64, err error)) (cancel func())
	// Ack acknowledges a message: it does not come back. It is tried again until the message's time is over; an error says
	// that it may come back all the same.
	Ack(h Handle, done func(error))
	// Return changes the time of a message to after from now on, 0 gives it back to its group. done gets the handle that is
	// good from then on; after an error the message comes back after the one time or the other.
	Return(h Handle, after time.Duration, done func(Handle, error))
	// BeginGroup has a new group begin at the end of the LMQ.
	BeginGroup(ctx context.Context, group string, r Ref) error
	// EndGroup deletes what the broker keeps of a group.
	EndGroup(ctx context.Context, group string, r Ref) error
	// GroupName makes a name that brokers accept: the same for the same parts, another one for others.
	GroupName(parts ...string) string
}

// Shared says how shared subscriptions are served. The zero value refuses them.
type Shared struct {
	Pops      Pops            // nil = SUBSCRIBE is answered with 0x9E
	Groups    registry.Groups // set if Pops is
	Owners    registry.Owners // set if Pops is
	Invisible time.Duration   // after it a message goes to another member, should this instance be gone; default 30 s
	Max       int             // groups that this instance accepts new members for, default 4096; beyond it 0x97
	PerFilter int             // groups of one filter, default 128; beyond it 0x97
}

func (s Shared) withDefaults() Shared {
	if s.Invisible <= 0 {
		s.Invisible = 30 * time.Second
	}
	if s.Max <= 0 {
		s.Max = 4096
	}
	if s.PerFilter <= 0 {
		s.PerFilter = 128
	}
	return s
}
