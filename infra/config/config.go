// Package config turns the environment into a Config. It is the only reader of the environment: the gateway takes no
// flags, and every other package is handed values.
//
// A wrong environment is reported whole, one line a variable, so that it is put right in one go. What each variable
// means stands in vars.go, from which the table in the project's README is made.
package config

import (
	"crypto/tls"
	"log/slog"
	"net/netip"
	"time"

	"lmqgate/adapter/auth"
	"lmqgate/adapter/relay"
	"lmqgate/meta/access"
	"lmqgate/meta/push"
)

// Config is the gateway's configuration, checked: a Config returned by Load is within all bounds named in vars.go.
// The zero Config is not valid; tests that need one call Load with the variables they care about.
type Config struct {
	Port        int           `env:"PORT" envDefault:"8080"`
	BindAddr    string        `env:"BIND_ADDR"` // an IP address or host name, without a port
	WSPath      string        `env:"WS_PATH" envDefault:"/mqtt"`
	WSOrigins   []string      `env:"WS_ORIGINS"`               // empty: the page's own origin only
	WSPing      time.Duration `env:"WS_PING" envDefault:"45s"` // 0: off
	MQTTTCPAddr string        `env:"MQTT_TCP_ADDR"`
	MQTTTLSAddr string        `env:"MQTT_TLS_ADDR"`

	TLSCertFile     string `env:"TLS_CERT_FILE"`
	TLSKeyFile      string `env:"TLS_KEY_FILE"`
	TLSClientCAFile string `env:"TLS_CLIENT_CA_FILE"`

	NameServers       []string `env:"NAMESRV_ADDR"` // empty: minimq, in this process
	RocketMQAccessKey string   `env:"ROCKETMQ_ACCESS_KEY"`
	RocketMQSecretKey Secret   `env:"ROCKETMQ_SECRET_KEY"`

	RocketMQTLS        bool        `env:"ROCKETMQ_TLS" envDefault:"false"`
	RocketMQCAFile     string      `env:"ROCKETMQ_CA_FILE"`
	RocketMQServerName string      `env:"ROCKETMQ_TLS_SERVER_NAME"` // "*": any
	RocketMQCertFile   string      `env:"ROCKETMQ_CERT_FILE"`
	RocketMQKeyFile    string      `env:"ROCKETMQ_KEY_FILE"`
	RocketMQTLSConfig  *tls.Config `env:"-" json:"-"` // nil: no TLS

	FirstTopics      []string `env:"FIRST_TOPICS"` // empty: any valid name
	FallbackTopic    string   `env:"FALLBACK_TOPIC" envDefault:"MQTT_OTHER"`
	TopicAutoCreate  bool     `env:"TOPIC_AUTO_CREATE" envDefault:"true"`
	RocketMQProducer string   `env:"ROCKETMQ_PRODUCER" envDefault:"direct"` // "direct" or "client-go"

	RedisURL            Secret `env:"REDIS_URL"` // empty: miniredis, in this process
	RedisCluster        bool   `env:"REDIS_CLUSTER" envDefault:"false"`
	RedisSentinelMaster string `env:"REDIS_SENTINEL_MASTER"`
	RedisCAFile         string `env:"REDIS_CA_FILE"`
	RedisPrefix         string `env:"REDIS_PREFIX"`

	Auth          []string `env:"AUTH"` // in the order in which they are asked
	AuthUsername  string   `env:"AUTH_USERNAME"`
	AuthSecretKey Secret   `env:"AUTH_SECRET_KEY"`
	// AuthScramUsers is empty if the user of AUTH=scram is AuthUsername with AuthSecretKey as password; ScramUsers has
	// the users of both variables, read.
	AuthScramUsers     Secret `env:"AUTH_SCRAM_USERS"`
	AuthScramUsersFile string `env:"AUTH_SCRAM_USERS_FILE"`

	JWTSecret        Secret        `env:"AUTH_JWT_SECRET"`    // as it is; of HS256 to HS512
	JWTKeysFile      string        `env:"AUTH_JWT_KEYS_FILE"` // PEM, or a JWK Set
	JWTJWKSURL       string        `env:"AUTH_JWT_JWKS_URL"`
	JWTJWKSMaxStale  time.Duration `env:"AUTH_JWT_JWKS_MAX_STALE" envDefault:"24h"`
	JWTIssuers       []string      `env:"AUTH_JWT_ISSUER"`
	JWTAudience      []string      `env:"AUTH_JWT_AUDIENCE"`
	JWTUsernameClaim string        `env:"AUTH_JWT_USERNAME_CLAIM" envDefault:"sub"`
	JWTClientIDClaim string        `env:"AUTH_JWT_CLIENT_ID_CLAIM"`
	JWTACLClaim      string        `env:"AUTH_JWT_ACL_CLAIM" envDefault:"acl"`
	JWTTenantClaim   string        `env:"AUTH_JWT_TENANT_CLAIM"`
	JWTCookie        string        `env:"AUTH_JWT_COOKIE"`
	AuthHTTPURL      string        `env:"AUTH_HTTP_URL"`
	AuthHTTPToken    Secret        `env:"AUTH_HTTP_TOKEN"`
	AuthMTLSUsername string        `env:"AUTH_MTLS_USERNAME" envDefault:"cn"` // "cn", "dns", "uri" or "email"
	AuthFailures     int           `env:"AUTH_FAILURES" envDefault:"10"`      // of a user from one address, a minute; 0: any number

	TenantSeparator string `env:"TENANT_SEPARATOR"` // between tenant and user in verified user names; empty: there are no tenants in them

	ACLRules     string `env:"ACL_RULES"` // JSON
	ACLRulesFile string `env:"ACL_RULES_FILE"`
	ACLDefault   string `env:"ACL_DEFAULT"` // "allow" or "deny" where no rule decides

	JWTKeys    auth.StaticKeys          `env:"-"` // of JWTKeysFile
	Rules      []access.Rule            `env:"-"` // of ACLRules and ACLRulesFile
	ScramUsers []access.ScramCredential `env:"-"`

	MaxPacketSize    int           `env:"MAX_PACKET_SIZE" envDefault:"262144"` // bytes of one MQTT packet
	MaxConnections   int           `env:"MAX_CONNECTIONS"`
	ConnectRate      int           `env:"CONNECT_RATE" envDefault:"1000"` // a second; 0: any number
	AddrConnectRate  int           `env:"ADDRESS_CONNECT_RATE" envDefault:"0"`
	UserConnectRate  int           `env:"USER_CONNECT_RATE" envDefault:"0"` // the rates: a second; 0: any number
	PublishRate      int           `env:"PUBLISH_RATE" envDefault:"0"`      // of one client
	PublishBytes     int           `env:"PUBLISH_BYTES" envDefault:"0"`
	UserPublishRate  int           `env:"USER_PUBLISH_RATE" envDefault:"0"` // of the clients of one user, on one instance
	UserPublishBytes int           `env:"USER_PUBLISH_BYTES" envDefault:"0"`
	AllPublishRate   int           `env:"INSTANCE_PUBLISH_RATE" envDefault:"0"`
	AllPublishBytes  int           `env:"INSTANCE_PUBLISH_BYTES" envDefault:"0"`
	PublishOver      string        `env:"PUBLISH_OVER" envDefault:"wait"`      // or "disconnect"
	MaxHandshakes    int           `env:"MAX_HANDSHAKES"`                      // connections that are no clients yet
	MaxSubscriptions int           `env:"MAX_SUBSCRIPTIONS" envDefault:"1000"` // of one client
	ReceiveMaximum   uint16        `env:"RECEIVE_MAXIMUM" envDefault:"64"`
	SessionBinding   string        `env:"SESSION_BINDING" envDefault:"user"`     // or "off"
	TakeoverBurst    int           `env:"TAKEOVER_BURST" envDefault:"5"`         // of one client id; 0: any number
	RetainedMax      int64         `env:"RETAINED_MAX" envDefault:"1000000"`     // topics, on all instances together
	RetainedMaxSize  int           `env:"RETAINED_MAX_SIZE" envDefault:"262144"` // bytes of one payload
	SharedRedelivery time.Duration `env:"SHARED_REDELIVERY" envDefault:"30s"`
	MaxFilters       int64         `env:"MAX_FILTERS" envDefault:"1000000"`   // ever, on all instances together
	MaxP2PQueues     int64         `env:"MAX_P2P_QUEUES" envDefault:"900000"` // client ids ever, on all instances together
	MaxGroups        int           `env:"MAX_GROUPS" envDefault:"4096"`       // of shared subscriptions, on one instance
	ConnectTimeout   time.Duration `env:"CONNECT_TIMEOUT" envDefault:"10s"`   // from accept to a complete CONNECT
	PacketTimeout    time.Duration `env:"PACKET_TIMEOUT" envDefault:"60s"`    // from a packet's first byte to its last
	WriteTimeout     time.Duration `env:"WRITE_TIMEOUT" envDefault:"30s"`     // of bytes that a client does not read
	KeepAliveMax     time.Duration `env:"KEEPALIVE_MAX" envDefault:"300s"`
	SessionExpiryMax time.Duration `env:"SESSION_EXPIRY_MAX" envDefault:"168h"`
	MaxConnectionAge time.Duration `env:"MAX_CONNECTION_AGE"` // 0: no limit; the listener adds the jitter
	DrainTimeout     time.Duration `env:"DRAIN_TIMEOUT" envDefault:"8s"`

	MetricsAddr    string        `env:"METRICS_ADDR"`                     // "": off, "main": on Port, else host:port
	StatusInterval time.Duration `env:"STATUS_INTERVAL" envDefault:"10s"` // 0: no status topics
	StatusUsers    []string      `env:"STATUS_USERS"`                     // "*": everybody
	PresenceEvents bool          `env:"PRESENCE_EVENTS" envDefault:"false"`
	TickToken      Secret        `env:"TICK_TOKEN"`                                 // "": POST /v1/tick is off, or open when embedded
	Functions      []string      `env:"FUNCTIONS" envDefault:"publish,stream,push"` // what HTTP offers beside tick; nil: nothing
	CORSOrigins    []string      `env:"CORS_ORIGINS"`                               // empty: pages of the gateway's own origin only
	StreamResume   time.Duration `env:"STREAM_RESUME" envDefault:"5m"`              // for which a stream's session outlives it
	PushAllow      []string      `env:"PUSH_ALLOW"`                                 // what pushes may call beside public addresses by https
	EventsURL      string        `env:"EVENTS_URL"`                                 // "": no webhook
	EventsSecret   Secret        `env:"EVENTS_SECRET"`                              // signs them: whsec_..., two while one replaces the other
	Events         []string      `env:"EVENTS"`                                     // types, nil: none
	AdminToken     Secret        `env:"ADMIN_TOKEN"`                                // "": /v1/admin is off, or open when embedded on this machine only
	AdminAddr      string        `env:"ADMIN_ADDR"`                                 // "": on Port, else host:port
	Console        bool          `env:"CONSOLE"`                                    // the page at /console
	P2P            bool          `env:"P2P" envDefault:"true"`
	KVCompat       bool          `env:"LMQ_KV_COMPAT" envDefault:"false"`
	RelayTopics    []string      `env:"RELAY_TOPICS"` // rules of package relay
	RelayFrom      string        `env:"RELAY_FROM" envDefault:"end"`
	Relay          []relay.Rule  `env:"-"` // RelayTopics, read
	AllowEmbedded  bool          `env:"ALLOW_EMBEDDED" envDefault:"false"`
	ProxyProtocol  bool          `env:"PROXY_PROTOCOL" envDefault:"false"`

	LogLevel   slog.Level `env:"LOG_LEVEL" envDefault:"info"`
	LogClients []string   `env:"LOG_CLIENTS"` // client ids and patterns of which everything is logged
	LogFormat  string     `env:"LOG_FORMAT"`  // "json", "text", or "": text on a terminal, else json

	OTLPEndpoint       string `env:"OTEL_EXPORTER_OTLP_ENDPOINT"` // see Tracing
	OTLPTracesEndpoint string `env:"OTEL_EXPORTER_OTLP_TRACES_ENDPOINT"`
	OTLPHeaders        Secret `env:"OTEL_EXPORTER_OTLP_HEADERS"`
	OTLPProtocol       string `env:"OTEL_EXPORTER_OTLP_PROTOCOL" envDefault:"http/protobuf"`
	TracesExporter     string `env:"OTEL_TRACES_EXPORTER" envDefault:"otlp"`
	TracesSampler      string `env:"OTEL_TRACES_SAMPLER" envDefault:"parentbased_always_on"`
	TracesSamplerArg   string `env:"OTEL_TRACES_SAMPLER_ARG"`
	OTelService        string `env:"OTEL_SERVICE_NAME" envDefault:"lmqgate"`
	OTelDisabled       bool   `env:"OTEL_SDK_DISABLED" envDefault:"false"`

	TrustedProxies []netip.Prefix `env:"-"` // TRUSTED_PROXIES, single addresses as /32 or /128

	// MQTTTCPAddrSet tells an address that the user asked for from the default of embedded mode: only for the
	// latter is a busy port a warning instead of an error.
	MQTTTCPAddrSet bool `env:"-"`
	// EventsTarget is where EVENTS_URL has events pushed to; nil: nowhere.
	EventsTarget *push.Target `env:"-"`
	// Tick is whether POST /v1/tick is served.
	Tick bool `env:"-"`
	// Admin is whether /v1/admin is served.
	Admin bool `env:"-"`
	// Embedded is whether any of the two servers runs in this process; the next two say which.
	Embedded         bool   `env:"-"`
	EmbeddedRedis    bool   `env:"-"`
	EmbeddedRocketMQ bool   `env:"-"`
	GoMemLimit       string `env:"GOMEMLIMIT"`
	// MemoryLimit is GOMEMLIMIT in bytes, or what goes for it in a container that may use MemoryLimitOfContainer; 0: none.
	MemoryLimit, MemoryLimitOfContainer uint64 `env:"-"`
	// FittingConnections is how many clients fit into the limits of open files and memory: the default of MAX_CONNECTIONS.
	FittingConnections int `env:"-"`
	// Failpoint and StaleRegistry break the gateway on purpose, for tests of what it promises; they come from
	// LMQGATE_TEST_FAILPOINT and LMQGATE_TEST_STALE_REGISTRY and are not for users.
	Failpoint     string `env:"-"`
	TestClock     string `env:"-"` // a file with how far the clock is wrong, such as "-1h"
	StaleRegistry bool   `env:"-"`
	// Warnings are findings worth a log line that stop nothing: probable typos, keys of RocketMQ MQTT (Java).
	// They name variables and never repeat a value.
	Warnings []string `env:"-"`
}
