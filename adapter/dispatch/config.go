package dispatch

import (
	"log/slog"
	"math/rand/v2"
	"time"

	"github.com/prometheus/client_golang/prometheus"
)

// Config says how publications travel. The zero value is sane.
type Config struct {
	// Fallback is the RocketMQ topic of names whose first level cannot be one; "MQTT_OTHER" when empty.
	Fallback string
	// FirstTopics are the first levels that may be RocketMQ topics; empty means any valid one.
	FirstTopics []string
	// P2P says that `first/p2p/<clientId>/...` goes to the queue of that client only.
	P2P bool
	// Clients says whether such a client has a session, so that nothing is dispatched to queues that nobody reads; nil means
	// that each may have one, here or elsewhere.
	Clients Clients
	// PublishTimeout bounds the life of a publication from its arrival, retries and settling included; 0 means 20 s.
	PublishTimeout time.Duration
	// SettleGap is the time between the two look-ups that must both miss before a message of unknown outcome is sent
	// again. It has to exceed the time that a broker keeps a send waiting in its queue (200 ms) before it gives it up.
	// 0 means 300 ms.
	SettleGap time.Duration
	// MaxInFlight bounds the publications of all lanes that are admitted and not yet done, 0 means 20000. Beyond it a
	// publication ends with message.ErrBusy at once; for QoS 0 that is a counted loss.
	MaxInFlight int
	// MaxInFlightBytes bounds their size in the same way, 0 means 128 MiB. It is exceeded by one message at most.
	MaxInFlightBytes int64
	// Retainer keeps the publications with Message.Retain before they are sent; nil means that they are only sent.
	Retainer Retainer
	// Others names queues that others than this gateway read; nil means that there are none.
	Others Others
	// Failpoint is called by name at the Failpoint constants, for crash tests; nil in production.
	Failpoint func(name string)
	// Now is the clock; nil means time.Now.
	Now func() time.Time
	// Random gives numbers in [0, 1) for the jitter of retries; nil means math/rand/v2. Safe for concurrent use.
	Random func() float64
	// Logger gets look-ups of routes that failed and of messages in doubt, at debug level. Nil discards.
	Logger *slog.Logger
	// Registerer gets this package's metrics; nil keeps them unregistered.
	Registerer prometheus.Registerer

	// Tracer follows publications; nil follows none.
	Tracer Tracer

	allowed func(first string) bool // FirstTopics as a set, nil = any
}

// Failpoints, in the order in which a publication passes them. The first two are for those with Message.Retain; each part
// of a split message passes the other three anew.
const (
	FailBeforeRetain = "dispatch.before_retain" // Prepare is through, nothing kept or sent; passed anew by each attempt
	FailAfterRetain  = "dispatch.after_retain"  // kept or removed, not yet matched
	FailBeforeSend   = "dispatch.before_send"   // Prepare is through and a retained message kept, nothing sent
	FailAfterSend    = "dispatch.after_send"    // acknowledged by the broker, Done not yet called
	FailBeforeFind   = "dispatch.before_find"   // outcome unknown or a repeat, not yet looked up
)

const (
	defaultFallback         = "MQTT_OTHER"
	defaultPublishTimeout   = 20 * time.Second
	defaultSettleGap        = 300 * time.Millisecond
	defaultMaxInFlight      = 20_000
	defaultMaxInFlightBytes = 128 << 20

	findersMax = 64 // look-ups at a time at one broker
	pickersMax = 16 // RocketMQ topics whose route is asked for at a time

	keepMost      = 512     // retained messages written at once
	keepMostBytes = 4 << 20 // their size, exceeded by a single larger one only

	pickTimeout  = 5 * time.Second // of one attempt
	findTimeout  = 5 * time.Second // of one attempt
	keepTimeout  = 3 * time.Second // of one attempt
	keepPatience = 5 * time.Second // after which QoS 0 goes without being kept; half of PublishTimeout if that is less
	backoffFirst = 20 * time.Millisecond
	backoffMost  = time.Second
)

func (c Config) withDefaults() Config {
	if c.Fallback == "" {
		c.Fallback = defaultFallback
	}
	if c.PublishTimeout <= 0 {
		c.PublishTimeout = defaultPublishTimeout
	}
	if c.SettleGap <= 0 {
		c.SettleGap = defaultSettleGap
	}
	if c.MaxInFlight <= 0 {
		c.MaxInFlight = defaultMaxInFlight
	}
	if c.MaxInFlightBytes <= 0 {
		c.MaxInFlightBytes = defaultMaxInFlightBytes
	}
	if c.Now == nil {
		c.Now = time.Now
	}
	if c.Random == nil {
		c.Random = rand.Float64
	}
	if c.Logger == nil {
		c.Logger = slog.New(slog.DiscardHandler)
	}
	c.allowed = nil
	if len(c.FirstTopics) > 0 {
		set := make(map[string]bool, len(c.FirstTopics))
		for _, t := range c.FirstTopics {
			set[t] = true
		}
		c.allowed = func(first string) bool { return set[first] }
	}
	return c
}

// backoff is the pause before retry n (from 0): doubling, bounded, the upper half of it random.
func (c *Config) backoff(n int) time.Duration {
	d := backoffMost
	if n < 6 {
		d = min(backoffMost, backoffFirst<<n)
	}
	return d/2 + time.Duration(c.Random()*float64(d/2))
}
