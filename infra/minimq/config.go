package minimq

import (
	"crypto/tls"
	"log/slog"
	"time"
)

// Config of a Server. The zero value is one broker that behaves as RocketMQ
// 5.4.0 does with enableLmq, enableMultiDispatch, storeType=defaultRocksDB and
// autoCreateTopicEnable, on free loopback ports, bounded to 64 MiB.
type Config struct {
	// Brokers is their number; 0 means 1. They are called broker-a, broker-b, ...
	Brokers int
	// Cluster is the cluster's name; empty: DefaultCluster.
	Cluster string
	// Addr is where the name server listens; empty: 127.0.0.1 and a free port.
	Addr string
	// NoAutoTopic is autoCreateTopicEnable=false: no TBW102, unknown topics are refused.
	NoAutoTopic bool
	// NoAutoGroup is autoCreateSubscriptionGroup=false. Groups named %LMQ%... work anyway.
	NoAutoGroup bool
	// FileIndex behaves as the file-based index (storeType=default).
	FileIndex bool
	// IndexLag is how long a stored message cannot be read; 0: 1 ms, negative: none.
	IndexLag time.Duration
	// HoldCheck is how often held pulls are looked at besides wake-ups: a pull is
	// answered at the first look after its suspend time, and a lost wake-up is
	// found then. 0: 5 s, as RocketMQ does.
	HoldCheck time.Duration
	// IdleClose closes a connection on which nothing moved; 0: 120 s, negative: never.
	IdleClose time.Duration
	// ReorderSends lets sends that were pipelined on one connection overtake each
	// other now and then, as RocketMQ's send threads do. Seed makes it repeatable.
	ReorderSends bool
	Seed         uint64
	// MaxBytes bounds the messages of each broker; 0: 64 MiB, negative: no bound.
	MaxBytes int64
	// MaxAge is how long messages are kept; 0: 72 h, negative: for ever.
	MaxAge time.Duration
	// ReviveDelay is how long after its invisible time a popped, unacknowledged
	// message returns; 0: 2.2 s as measured on RocketMQ, negative: none.
	ReviveDelay time.Duration
	// DelayLevels are the delays of levels 1 to 18; nil: RocketMQ's 1s 5s 10s 30s 1m ... 2h.
	DelayLevels []time.Duration
	// Version is what brokers say of themselves; empty: V5_4_0.
	Version string
	// Settings are told instead of, or besides, what brokers say of their configuration, such as enableLmq=false; they
	// change nothing else.
	Settings map[string]string
	// TLS makes name server and brokers speak TLS only; nil: none.
	TLS *tls.Config
	// Users switch access control on, as authenticationEnabled and authorizationEnabled of ACL 2.0 do: brokers answer
	// requests only that a user has signed and may make. Server.SetUsers changes them.
	Users []User
	// Now is the clock of store times and expiry; nil: time.Now.
	Now func() time.Time
	// Logger gets what a broker would log; nil: nothing.
	Logger *slog.Logger
}

func (c Config) withDefaults() Config {
	def(&c.Brokers, 1)
	def(&c.Cluster, "DefaultCluster")
	def(&c.Addr, "127.0.0.1:0")
	def(&c.Version, "V5_4_0")
	defDuration(&c.IndexLag, time.Millisecond)
	def(&c.HoldCheck, 5*time.Second)
	defDuration(&c.IdleClose, 120*time.Second)
	if c.MaxBytes == 0 {
		c.MaxBytes = 64 << 20
	}
	c.MaxBytes = max(c.MaxBytes, 0)
	defDuration(&c.MaxAge, 72*time.Hour)
	defDuration(&c.ReviveDelay, 2200*time.Millisecond)
	if c.DelayLevels == nil {
		c.DelayLevels = delayLevels()
	}
	if c.Now == nil {
		c.Now = time.Now
	}
	if c.Logger == nil {
		c.Logger = slog.New(slog.DiscardHandler)
	}
	return c
}

func def[T comparable](v *T, d T) {
	var zero T
	if *v == zero {
		*v = d
	}
}

// defDuration sets the default for 0 and 0 for negative values.
func defDuration(v *time.Duration, d time.Duration) {
	def(v, d)
	*v = max(*v, 0)
}

// delayLevels is messageDelayLevel of RocketMQ.
func delayLevels() []time.Duration {
	const s, m, h = time.Second, time.Minute, time.Hour
	return []time.Duration{
		s, 5 * s, 10 * s, 30 * s, m, 2 * m, 3 * m, 4 * m, 5 * m, 6 * m, 7 * m, 8 * m, 9 * m,
		10 * m, 20 * m, 30 * m, h, 2 * h,
	}
}
