package client

import (
	"log/slog"
	"time"

	"github.com/prometheus/client_golang/prometheus"
)

// Config tunes a Server; the zero value is sane.
type Config struct {
	Now func() time.Time // nil: time.Now; of messages, no connection is timed by it

	Instance         string        // id of this instance
	MaxPacketSize    int           // bytes, default 262,144
	ReceiveMaximum   int           // unacknowledged QoS 1 and 2 PUBLISHes a client may have, default 64
	InFlight         int           // publications of one client on their way to the log, any QoS; beyond, reading pauses. Default 128
	KeepAliveMax     time.Duration // granted to 5.0 clients, default 300 s
	SessionExpiryMax time.Duration // default 168 h, negative: sessions end with their connections
	MaxSubscriptions int           // per client, default 1,000
	P2P              bool          // what is sent to a client by `first/p2p/<clientId>` goes to that client only: others cannot subscribe to it
	ClientRate       Rate          // of each client
	UserRate         Rate          // of all clients of a verified user on this instance
	Rate             Rate          // of all clients
	DisconnectFast   bool          // clients beyond their own rate, or their user's, are disconnected with 0x96 instead of held back
	AddressConnects  int           // CONNECTs from one address (of IPv6, one /64) in a second, and at once after a quiet second; 0: any number
	UserConnects     int           // CONNECTs of a verified user in a second, and at once after a quiet second; 0: any number
	Unbound          bool          // any user may have the session of any client id
	Takeovers        int           // of one client id in quick succession before the next has to wait; default 5, negative: any number
	TopicAliases     int           // accepted from an MQTT 5.0 client, default 32
	MaxAge           time.Duration // connections are asked to go between 9/10 of it and all of it; 0 = never
	Redis            time.Duration // bound on one call of the session store, default 5 s
	RepeatWait       time.Duration // age below which another instance's unfinished QoS 2 publish may still arrive, default 4 s; over 1 s
	WriteTimeout     time.Duration // in which a client has to read 32 KiB of what waits for it, default 30 s
	PacketTimeout    time.Duration // from the first byte of a packet to its last, default 60 s
	InHand           int           // publications of all clients on their way to the log; from half of it on each client may have fewer. Default 20,000
	OutBytes         int           // bytes that wait to be written to all clients; beyond, deliveries wait in the log. Default 256 MiB
	InHandBytes      int           // their payloads, in the same way; default 128 MiB
	AuthTimeout      time.Duration // bound on one enhanced authentication, default 10 s
	PingAfter        time.Duration // a WebSocket on which nothing moved for so long is sent a ping; 0 = never
	ResponseInfo     string        // Response Information for 5.0 clients that ask for it; "" = none
	Logger           *slog.Logger
	Register         prometheus.Registerer

	// Follow says of which clients each packet is logged, at debug level; nil: of none.
	Follow func(clientID string) bool
	// Trace is told of every CONNECT that was answered and returns a trace id for the log, "" = none; nil: it is not wanted.
	Trace func(Connected) string

	limited bool // any Rate is set
}

func (c Config) withDefaults() Config {
	def := func(v *int, d int) {
		if *v <= 0 {
			*v = d
		}
	}
	dur := func(v *time.Duration, d time.Duration) {
		if *v <= 0 {
			*v = d
		}
	}
	if c.Now == nil {
		c.Now = time.Now
	}
	c.limited = !c.ClientRate.none() || !c.UserRate.none() || !c.Rate.none()
	def(&c.MaxPacketSize, 262144)
	def(&c.ReceiveMaximum, 64)
	def(&c.InFlight, 128)
	def(&c.MaxSubscriptions, 1000)
	def(&c.TopicAliases, 32)
	if c.Takeovers == 0 {
		c.Takeovers = 5
	}
	def(&c.InHand, 20_000)
	def(&c.InHandBytes, 128<<20)
	def(&c.OutBytes, 256<<20)
	dur(&c.KeepAliveMax, 300*time.Second)
	if c.SessionExpiryMax == 0 {
		c.SessionExpiryMax = 168 * time.Hour
	}
	dur(&c.Redis, 5*time.Second)
	dur(&c.RepeatWait, 4*time.Second)
	dur(&c.WriteTimeout, 30*time.Second)
	dur(&c.PacketTimeout, 60*time.Second)
	dur(&c.AuthTimeout, 10*time.Second)
	if c.Logger == nil {
		c.Logger = slog.New(slog.DiscardHandler)
	}
	return c
}
