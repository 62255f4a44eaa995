// Package admin is what operators ask of a running gateway and may do to it: clients and their sessions, filters and topics,
// retained messages, instances, and ending a connection or a session. It works on the shared store alone, so it needs no
// instance to be reachable; the commands of the binary and the HTTP interface are two faces of it.
//
// Nothing here holds up the store: lists are scanned page by page, every call looks at a bounded number of entries.
// The structs are also the JSON that both faces show, so their names are a promise.
package admin

import (
	"context"
	"errors"
	"time"

	"lmqgate/meta/registry"
	"lmqgate/meta/retain"
	"lmqgate/meta/session"
	"lmqgate/meta/status"
	"lmqgate/meta/topic"
)

// Errors that callers branch on.
var (
	// ErrNoClient says that there is neither a connection nor a session of the client id.
	ErrNoClient = errors.New("no such client")
	// ErrCursor says that a cursor is none that a page named.
	ErrCursor = errors.New("malformed cursor")
	// ErrUnconfirmed says that the client was to be disconnected and still is connected when the time is over.
	ErrUnconfirmed = errors.New("the client is still connected")
)

// Bounds of pages.
const (
	defaultPage = 100
	// MaxPage is the largest page that is given out; more is cut to it.
	MaxPage = 1000
	// looksPerCall bounds what one call looks at while it searches for what matches.
	looksPerCall = 20_000
	scanPage     = 500
)

// Sessions are read, and ended by becoming their owner.
type Sessions interface {
	session.Viewer
	session.Overview
	session.Amender
	session.Asker
	Attach(ctx context.Context, r session.AttachRequest) (session.State, error)
	Detach(ctx context.Context, clientID string, e session.Epoch, p session.Parting) (session.Ended, error)
	Settled(ctx context.Context, clientIDs []string) error
	Beat(ctx context.Context, instance string, ttl time.Duration) error
	Leave(ctx context.Context, instance string) error
	Tell(ctx context.Context, instance string, w session.Word) error
}

// Filters is the registry.
type Filters interface {
	registry.Counter
	Holders(ctx context.Context, filter string, cursor uint64, limit int) ([]registry.Hold, uint64, error)
	Filters(ctx context.Context, cursor string, limit int) ([]string, string, error)
	Hold(ctx context.Context, holds []registry.Hold) error
	Release(ctx context.Context, holds []registry.Hold) error
}

// Queue is a light message queue on one broker.
type Queue struct{ Broker, LMQ string }

// Log tells where queues end.
type Log interface {
	// MaxOffsets returns, for each queue, the offset that its next message gets. All queues are of one broker.
	MaxOffsets(ctx context.Context, queues []Queue) ([]int64, error)
	// Brokers are the names of those that have queues.
	Brokers() []string
}

// Config says what an Admin works on.
type Config struct {
	Sessions Sessions
	Filters  Filters
	Retained retain.Store
	Status   status.Peers
	Log      Log            // nil: lags are unknown
	Limit    registry.Limit // nil: any number of filters may be held

	MaxSubscriptions int  // of one client; 0 = any number
	NoP2P            bool // what is sent to `first/p2p/<client id>/...` is for everybody

	// RocketMQTopic names the RocketMQ topic of an MQTT topic; nil: that of a gateway with default settings.
	RocketMQTopic func(name string) string
	LogTimeout    time.Duration // for the offsets of one broker; 0 = 5 s
	Name          string        // of this Admin where it has to be the owner of a session for a moment; unique
}

// Admin answers operators. It is safe for concurrent use.
type Admin struct{ cfg Config }

// New returns an Admin.
func New(cfg Config) *Admin {
	if cfg.RocketMQTopic == nil {
		cfg.RocketMQTopic = func(name string) string { return topic.RocketMQTopic(name, "MQTT_OTHER", nil) }
	}
	if cfg.LogTimeout <= 0 {
		cfg.LogTimeout = 5 * time.Second
	}
	return &Admin{cfg}
}

// page is the number of entries to give out where n were asked for.
func page(n int) int {
	if n <= 0 {
		return defaultPage
	}
	return min(n, MaxPage)
}

// timestamp is nil for a time that is not known.
func timestamp(t time.Time) *time.Time {
	if t.IsZero() {
		return nil
	}
	t = t.UTC().Truncate(time.Millisecond)
	return &t
}
