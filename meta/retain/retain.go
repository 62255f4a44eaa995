// Package retain is the keeping of retained messages: the last one of each topic, for the subscriptions to come
// [MQTT-3.3.1-5].
//
// # Order
//
// All writes of one topic are put into one order by the store, that in which it executes them, and every reader on every
// instance sees the result of the last. A Set that began after another one was acknowledged comes after it. Of two that
// overlap either may be last, but it is the same one for everybody.
//
// This order is not that of the log: the publisher's instance calls Set first, asks for the filters that match once Set has
// returned, and sends the message then. So a subscription that is in the registry before that match gets the message live,
// and one that comes later reads the store after it: none misses it, and none reads an older one behind it. Setting it
// behind the send would allow both, for a message not yet acknowledged.
//
// One publisher's messages of a topic have the same order here and in the log, since nothing of the next is done before the
// last one is in the log (a message.Lane does them one after the other). Messages of different publishers have no order in
// MQTT, so their last one in the log and the retained one may differ when both were published at the same moment. The store
// may have a message that did not get into the log: its publisher was cut off, and repeats it, or the broker refused it.
//
// After an error of the connection the outcome of a Set is unknown, and a command that was on its way may still be
// executed a little later, even behind the next Set of the topic if the store was stopped meanwhile. Whoever must know
// repeats the Set.
package retain

import (
	"context"
	"errors"

	"lmqgate/meta/message"
)

// Errors that callers branch on.
var (
	// ErrNotFound says that the topic has no retained message.
	ErrNotFound = errors.New("no retained message")
	// ErrLimit says that a further topic would be more than the store is to keep; messages that replace one are taken.
	ErrLimit = errors.New("too many retained messages")
	// ErrTooLarge says that the payload is larger than what is kept. The topic's retained message is still the old one.
	ErrTooLarge = errors.New("payload is too large to be retained")
	// ErrFormat says that a stored message has a format that this build cannot read; it is neither returned nor replaced.
	ErrFormat = errors.New("stored retained message has an unknown format")
	// ErrCursor says that a cursor is not one that Match returned for this filter.
	ErrCursor = errors.New("invalid cursor")
)

// Store keeps the last retained message of each topic. It is safe for concurrent use.
type Store interface {
	// Set makes m the retained message of its topic, in the place of any other; an empty payload removes it
	// [MQTT-3.3.1-6]. Kept are topic, payload, QoS, properties, Key, Publisher and BornMillis. A message with an expiry
	// interval disappears when it is over [MQTT-3.3.2-5]; one that is expired already removes what is there.
	Set(ctx context.Context, m *message.Message) error

	// SetAll is Set for each of the messages in the order given, in one round trip as long as nothing must be counted, and
	// returns the error of each: as many as there are messages. One that fails does not stop those behind it. Of several
	// of the same topic only the last that can be kept is written, the others share its outcome. The caller bounds their
	// number and bytes, and does not change the messages meanwhile.
	SetAll(ctx context.Context, messages []*message.Message) []error

	// Get returns the retained message of a topic, with Retain set, or ErrNotFound.
	Get(ctx context.Context, topic string) (*message.Message, error)

	// Match returns, page by page, the retained messages whose topics match a valid filter by the rules of topic.Match.
	// cursor is "" for the first page, then what the last call returned as next, until that is "". A cursor is valid for
	// its filter only, for any time and in any process.
	//
	// A page has at most limit messages (a sane number if limit is 0 or less), and may have fewer or none though more
	// follow: the work and the bytes of a call are bounded as well. A topic that has a retained message during the whole
	// iteration is returned exactly once, one that is set or removed meanwhile once or not at all.
	//
	// When err is ErrFormat, found and next are still valid: the page without the messages that could not be read.
	Match(ctx context.Context, filter, cursor string, limit int) (found []*message.Message, next string, err error)

	// Count returns the number of topics with a retained message.
	Count(ctx context.Context) (int64, error)
}
