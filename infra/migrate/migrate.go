// Package migrate moves persistent clients of Apache RocketMQ MQTT (Java) over: it reads the cursors that the Java gateway
// committed to the brokers and makes sessions of them in Redis, which go on where the client stopped.
//
// Planning changes nothing. Taking over may be repeated at any time: what was taken over is left alone, or moved on if the
// client has read on at the Java gateway since. Whatever would lose or repeat messages is refused and said, the other
// clients go on.
package migrate

import (
	"context"
	"time"

	"lmqgate/adapter/rocketmq"
	"lmqgate/meta/registry"
	"lmqgate/meta/session"
)

// Log is the RocketMQ that the Java gateway worked on. *rocketmq.Client is one.
type Log interface {
	Brokers() []rocketmq.Broker
	KVTable(ctx context.Context, namespace string) (map[string]string, error)
	KVTables(ctx context.Context, namespace string) (map[string]map[string]string, error)
	PutKV(ctx context.Context, namespace, key, value string) error
	LMQOffsets(ctx context.Context, broker string) ([]rocketmq.ConsumerOffset, error)
	QueryConsumerOffset(ctx context.Context, broker, group, topic string, queueID int) (int64, bool, error)
	MinOffset(ctx context.Context, l rocketmq.LMQ) (int64, error)
	MaxOffset(ctx context.Context, l rocketmq.LMQ) (int64, error)
	Pull(ctx context.Context, l rocketmq.LMQ, offset int64, limit int) (rocketmq.PullResult, error)
}

// Sessions is where they are taken over to. *redisstore.Store is one.
type Sessions interface {
	session.Store
	session.Viewer
	Beat(ctx context.Context, instance string, ttl time.Duration) error
	Leave(ctx context.Context, instance string) error
	Hold(ctx context.Context, holds []registry.Hold) error
	Release(ctx context.Context, holds []registry.Hold) error
	Snapshot(ctx context.Context) (registry.Position, []string, error)
}

var _ Log = (*rocketmq.Client)(nil)

// Options say what is taken over and how.
type Options struct {
	Namespace        string        // of the name servers' configuration, rocketmq.KVNamespace when empty
	Clients          []Client      // empty: all that have committed a cursor
	QoS              byte          // of the subscriptions; the Java gateway keeps that nowhere
	Expiry           time.Duration // of new sessions
	MaxSubscriptions int           // of one client, 0: any number
	P2P              bool          // what is sent to a client by `first/p2p/<id>` is taken over too
	AcceptGaps       bool          // take over also where messages are lost or repeated, and say so
	Apply            bool          // take over; else only plan
	Now              func() time.Time
}

// Client names a client, and its filters where they are known. Without filters its queues are those that it committed
// cursors of, and filters are read from the names of the queues.
type Client struct {
	ID      string
	Filters []string
}

// Actions of a Queue.
const (
	Take    = "take"    // the session begins at the cursor
	Advance = "advance" // the session exists and the client has read on at the Java gateway: its cursor moves on
	Same    = "same"    // the session is there already
	Ahead   = "ahead"   // the session has gone on from there
	End     = "end"     // no cursor was committed at this broker: the session begins at the end of the queue
	Leave   = "leave"   // not taken over, nothing is lost by that
	Refuse  = "refuse"
)

// Results of a client.
const (
	WouldTake = "would take over"
	Taken     = "taken over"
	Unchanged = "nothing to do"
	Refused   = "refused"
	Failed    = "failed"
)

// Queue is what is planned for one of a client's queues at one broker.
type Queue struct {
	Filter  string `json:"filter,omitempty"`
	LMQ     string `json:"lmq"`
	Broker  string `json:"broker"`
	Action  string `json:"action"`
	Cursor  int64  `json:"cursor"`         // that the Java gateway committed, -1 if none
	Here    *int64 `json:"here,omitempty"` // of the session that exists
	Next    int64  `json:"next"`           // of the session after this
	Min     int64  `json:"min"`
	Max     int64  `json:"max"`
	Waiting int64  `json:"waiting"` // messages from Next on
	Note    string `json:"note,omitempty"`
}

// Outcome is what is planned for, or became of, one client.
type Outcome struct {
	ClientID string  `json:"client_id"`
	Result   string  `json:"result"`
	Why      string  `json:"why,omitempty"` // of refused and failed ones
	Queues   []Queue `json:"queues"`
}

// Report is what Run found and did.
type Report struct {
	Applied     bool                `json:"applied"`
	FirstTopics []string            `json:"first_topics"`
	Wildcards   map[string][]string `json:"wildcards"`
	Nodes       []string            `json:"connect_nodes"`
	Problems    []string            `json:"problems"` // of the lists in the name server
	Skipped     []string            `json:"skipped"`  // groups that belong to no client
	Clients     []Outcome           `json:"clients"`
}

// Count returns how many clients have one of the results.
func (r *Report) Count(results ...string) int {
	n := 0
	for i := range r.Clients {
		for _, result := range results {
			if r.Clients[i].Result == result {
				n++
			}
		}
	}
	return n
}
