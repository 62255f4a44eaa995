package transport

import (
	"crypto/tls"
	"log/slog"
	"net/netip"
	"sync/atomic"
	"time"

	"github.com/prometheus/client_golang/prometheus"
)

// Config says what is accepted. The zero value accepts WebSockets of the same origin without a limit on their number.
type Config struct {
	// Path is where the WebSocket endpoint is mounted; "/mqtt" when empty.
	Path string
	// Origins are the patterns of web pages that may connect besides those of the same origin; see CheckOriginPattern.
	// A request without an Origin header comes from no browser and is always let in.
	Origins []string
	// ReadLimit is the largest WebSocket message in bytes; a larger one closes the connection with 1009. A message may
	// hold several MQTT packets, and none of it is buffered here, so it can be well above the largest packet.
	// 0 means 1 MiB, a negative value no limit.
	ReadLimit int64
	// ConnectTimeout is how long a connection may take from accept to Conn.Established, TLS and PROXY header included.
	// 0 means 10 s, a negative value no limit.
	ConnectTimeout time.Duration
	// MaxConnections is how many connections of all kinds may be open; 0 means any number. A few more may be open while
	// they are told so.
	MaxConnections int
	// ConnectRate is how many connections may come in a second, and how many at once after a quiet second; 0 means any
	// number. Those beyond wait for two seconds at most.
	ConnectRate int
	// MaxHalfMade is how many connections may be open that are no clients yet; when there are more, the one that has been
	// so for longest is closed. 0 means any number. It needs Listener, and for the HTTP server's connections Serving.
	MaxHalfMade int
	// Admit says whether a client of that address may connect now; nil means always. It must not block. Behind a trusted
	// proxy it is the address that the proxy names.
	Admit func(netip.Addr) Refusal
	// TrustedProxies are the peers whose X-Forwarded-For and PROXY headers are believed.
	TrustedProxies []netip.Prefix
	// ProxyProtocol says that connections of TrustedProxies begin with a PROXY protocol header, version 1 or 2.
	// A connection of a trusted proxy without one is closed; connections of others are taken as they are.
	ProxyProtocol bool
	// TLS is the configuration of ServeTLS.
	TLS *tls.Config
	// Traffic counts the bytes that handlers read and write; nil: nobody wants to know.
	Traffic *Traffic
	// Logger gets refusals at debug level, accept errors and panics above; nil discards.
	Logger *slog.Logger
	// Registerer gets this package's metrics; nil keeps them unregistered.
	Registerer prometheus.Registerer
}

// Traffic counts bytes of MQTT, which are what is inside of WebSocket frames and TLS records.
type Traffic struct{ In, Out atomic.Int64 }

const (
	defaultPath           = "/mqtt"
	defaultReadLimit      = 1 << 20
	defaultConnectTimeout = 10 * time.Second
)

func (c Config) withDefaults() Config {
	if c.Path == "" {
		c.Path = defaultPath
	}
	if c.ReadLimit == 0 {
		c.ReadLimit = defaultReadLimit
	}
	if c.ConnectTimeout == 0 {
		c.ConnectTimeout = defaultConnectTimeout
	}
	if c.Traffic == nil {
		c.Traffic = &Traffic{}
	}
	if c.Logger == nil {
		c.Logger = slog.New(slog.DiscardHandler)
	}
	return c
}

// trusted says whether the peer at ip is one of the proxies that may speak for others.
func (c *Config) trusted(ip netip.Addr) bool {
	for _, p := range c.TrustedProxies {
		if p.Contains(ip) {
			return true
		}
	}
	return false
}
