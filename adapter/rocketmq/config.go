// Package rocketmq is the gateway's client of a RocketMQ cluster: it knows the
// brokers, sends messages with a multi-dispatch list, holds long polls on tens
// of thousands of light message queues (LMQ) over a few connections, pops
// messages for consumer groups, and answers for offsets and stored keys.
//
// Goroutines: one per broker connection, two to each for the wire (package
// remoting), one for the cluster information, one for the shared timing wheel,
// one that lets pulls and POPs through, and a few that call sinks and Pops back.
// Close joins them all: new work is refused, Pops end, sends and
// acknowledgements under way are waited for, watches end, connections close.
package rocketmq

import (
	"context"
	"crypto/tls"
	"log/slog"
	"net"
	"runtime"
	"strconv"
	"time"

	"github.com/prometheus/client_golang/prometheus"

	"lmqgate/adapter/rocketmq/remoting"
)

// Config says which cluster and how. Zero values are usable but for NameServers.
type Config struct {
	// NameServers are host:port; any one that answers will do.
	NameServers []string
	// AccessKey and SecretKey sign requests when set.
	AccessKey, SecretKey string
	// TLS is used for all connections when set. Sends are direct then, since the
	// producer library has none.
	TLS *tls.Config
	// Dial makes TCP connections, nil the usual way. The producer library does not
	// know it: with Dial set, sends are direct.
	Dial func(ctx context.Context, network, addr string) (net.Conn, error)
	// InstanceID tells this client from others, also of the same process. Empty
	// takes a random one.
	InstanceID string
	Logger     *slog.Logger
	// Explain says for the log what can be done about an error, naming variables that this package does not know; nil, or an
	// empty answer, leaves that out.
	Explain    func(error) (remedy string)
	Registerer prometheus.Registerer
	// ConnsPerBroker is the number of connections that carry held pulls and
	// POPs; one more carries everything else. 0 is 2.
	ConnsPerBroker int
	// TopicAutoCreate creates topics that do not exist, on all masters, at most
	// MaxTopics (0: 1000) in the life of this client.
	TopicAutoCreate bool
	MaxTopics       int
	// TopicQueues is the number of queues a created topic has on each master. 0 is 8.
	TopicQueues int
	// ProducerGroup of the messages sent. Empty is "GID_lmqgate".
	ProducerGroup string
	// PullGroup is the consumer group pulls name; no configuration of it is
	// needed, it keeps no offsets. Empty is "%LMQ%lmqgate".
	PullGroup string
	// CanaryTopic takes the messages of FindKey that measure the index. Empty is
	// "MQTT_OTHER".
	CanaryTopic string
	// CanaryEvery is about how often a message goes through the index of every broker. 0 is never.
	CanaryEvery time.Duration
	// DirectSend sends over our own connections instead of the producer library.
	DirectSend bool
	// SendTimeout is after how long an unanswered send is ErrUnknown. 0 is 3 s;
	// the library cannot do longer.
	SendTimeout time.Duration
	// MaxInFlight bounds sends under way; one more is rejected with ErrBusy. 0 is 4096.
	MaxInFlight int
	// Suspend is how long a broker holds a pull at most. 0 is 30 s.
	Suspend time.Duration
	// PullRate is how many pulls and POPs a second are let through that are not the
	// answer to an answer: first ones, after errors and reconnects. 0 is 5000.
	PullRate int
	// MaxPops bounds the POPs held at brokers. 0 is 16384.
	MaxPops int
	// Deliverers is the number of goroutines that call sinks and Pops back. 0 is GOMAXPROCS,
	// at least 2.
	Deliverers int
	// RefreshEvery is how often the cluster is asked for its brokers and topics
	// for their queues. 0 is 15 s.
	RefreshEvery time.Duration
}

func orElse[T comparable](v, fallback T) T {
	var zero T
	if v == zero {
		return fallback
	}
	return v
}

func (c Config) withDefaults() Config {
	c.InstanceID = orElse(c.InstanceID, strconv.FormatUint(randomUint64(), 36))
	c.Logger = orElse(c.Logger, slog.New(slog.DiscardHandler))
	c.ConnsPerBroker = orElse(c.ConnsPerBroker, 2)
	c.MaxTopics = orElse(c.MaxTopics, 1000)
	c.TopicQueues = orElse(c.TopicQueues, 8)
	c.ProducerGroup = orElse(c.ProducerGroup, "GID_lmqgate")
	c.PullGroup = orElse(c.PullGroup, "%LMQ%lmqgate")
	c.CanaryTopic = orElse(c.CanaryTopic, "MQTT_OTHER")
	c.SendTimeout = orElse(c.SendTimeout, 3*time.Second)
	c.MaxInFlight = orElse(c.MaxInFlight, 4096)
	c.Suspend = orElse(c.Suspend, 30*time.Second)
	c.PullRate = orElse(c.PullRate, 5000)
	c.MaxPops = orElse(c.MaxPops, 16384)
	c.Deliverers = orElse(c.Deliverers, max(2, runtime.GOMAXPROCS(0)))
	c.RefreshEvery = orElse(c.RefreshEvery, 15*time.Second)
	if c.TLS != nil || c.Dial != nil {
		c.DirectSend = true
	}
	return c
}

func (c Config) credentials() remoting.Credentials {
	return remoting.Credentials{AccessKey: c.AccessKey, SecretKey: c.SecretKey}
}
