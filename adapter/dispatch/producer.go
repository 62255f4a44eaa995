package dispatch

import (
	"context"
	"errors"
	"time"

	"lmqgate/meta/message"
)

// Errors of a Producer. Any other error counts as ErrUnknown: nothing is assumed about what became of the message.
var (
	// ErrRejected says that the message is definitely not stored; to send it again later is sensible (broker busy,
	// connection refused).
	ErrRejected = errors.New("send rejected")
	// ErrIllegal says that the broker will never take the message as it is.
	ErrIllegal = errors.New("message illegal")
	// ErrUnknown says that the message may be stored or not (time-out, connection lost).
	ErrUnknown = errors.New("outcome of send unknown")
	// ErrNoTopic says that the RocketMQ topic does not exist and will not be created; nothing was stored.
	ErrNoTopic = errors.New("no such rocketmq topic")
)

// Matcher finds the filters with a subscriber that match a topic.
type Matcher interface {
	// Match calls done once with the filters, as of a registry state that is not older than the call. It does not block;
	// done may be called before it returns, and only reads the slice. For a message to be retained the call comes after the
	// write was acknowledged.
	Match(topic string, done func(filters []string, err error))
}

// Outgoing is one RocketMQ message to be sent.
type Outgoing struct {
	Place      message.Place
	Tag        string
	Key        string            // UNIQ_KEY
	Properties map[string]string // without TAGS, UNIQ_KEY and INNER_MULTI_DISPATCH; read only
	Dispatch   []string          // LMQ names, unique; empty = no dispatch property at all; read only
	Body       []byte            // read only
}

// Others knows queues that have readers elsewhere: clients of Java gateways on the same RocketMQ.
type Others interface {
	// Queues returns the names of queues that a message with that topic name has to be dispatched to besides, each a valid
	// LMQ name. An error means that this is not known at the moment, and the publication waits.
	Queues(topic string) ([]string, error)
}

// Producer sends to RocketMQ. Safe for concurrent use.
type Producer interface {
	// Pick chooses the queue of rocketTopic by the hash of hashKey. It may ask the name server, or create the topic.
	// ErrNoTopic is final, other errors are not.
	Pick(ctx context.Context, rocketTopic, hashKey string) (message.Place, error)
	// TryPick is Pick without waiting: false says that the route is not known, or due for a refresh.
	TryPick(rocketTopic, hashKey string) (message.Place, bool)
	// Send sends without any retry of its own and calls done once, before or after it returns. It does not block.
	Send(o *Outgoing, done func(error))
	// Find reports whether a message with that UNIQ_KEY, or with that word in KEYS, is stored at the broker. It
	// answers only after the broker's index has caught up with what was stored before the call. since is when, by our
	// clock, the first attempt began.
	Find(ctx context.Context, broker, rocketTopic, key string, since time.Time) (bool, error)
	// NewKey makes a UNIQ_KEY.
	NewKey() string
	// DispatchBudget is how many bytes a dispatch list may cost beside these properties, a name counting as
	// message.SplitDispatch does: with room for the offset that the broker adds.
	DispatchBudget(properties map[string]string) int
}
