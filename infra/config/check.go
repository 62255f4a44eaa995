package config

import (
	"fmt"
	"net"
	"net/netip"
	"path"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"time"

	"lmqgate/adapter/relay"
)

// must notes the value of the variable as not accepted unless ok, or unless it has a problem already.
func (p *Problems) must(set map[string]string, name string, ok bool) {
	if !ok && !p.has(name) {
		p.reject(name, set[name])
	}
}

func (c *Config) checkListeners(set map[string]string, wrong *Problems) {
	wrong.must(set, "PORT", c.Port >= 0 && c.Port <= 65535)
	wrong.must(set, "BIND_ADDR", isHost(c.BindAddr))
	c.MQTTTCPAddr = offOr(c.MQTTTCPAddr)
	c.MQTTTLSAddr = offOr(c.MQTTTLSAddr)
	c.MetricsAddr = offOr(c.MetricsAddr)
	wrong.must(set, "MQTT_TCP_ADDR", c.MQTTTCPAddr == "" || isListenAddr(c.MQTTTCPAddr))
	wrong.must(set, "MQTT_TLS_ADDR", c.MQTTTLSAddr == "" || isListenAddr(c.MQTTTLSAddr))
	wrong.must(set, "METRICS_ADDR", c.MetricsAddr == "" || c.MetricsAddr == "main" || isListenAddr(c.MetricsAddr))
	wrong.must(set, "WS_PATH", isWSPath(c.WSPath))
	wrong.must(set, "WS_PING", c.WSPing == 0 || c.WSPing >= 5*time.Second && c.WSPing <= 10*time.Minute)
	c.AdminAddr = offOr(c.AdminAddr)
	wrong.must(set, "ADMIN_ADDR", c.AdminAddr == "" || isListenAddr(c.AdminAddr))
	wrong.must(set, "ADMIN_TOKEN", c.AdminToken == "" || isToken(c.AdminToken.Reveal()))
	if c.AdminAddr != "" && c.AdminToken == "" {
		wrong.add("ADMIN_TOKEN", "is not set while ADMIN_ADDR is; give %s", accepts("ADMIN_TOKEN"))
	}
	wrong.must(set, "TICK_TOKEN", c.TickToken == "" || isToken(c.TickToken.Reveal()))
	c.checkFunctions(set, wrong)
	c.checkPush(set, wrong)
	for _, origin := range c.WSOrigins {
		wrong.must(set, "WS_ORIGINS", isOriginPattern(origin))
	}
}

// checkFunctions looks at what HTTP callers are offered.
func (c *Config) checkFunctions(set map[string]string, wrong *Problems) {
	if slices.ContainsFunc(c.Functions, func(name string) bool { return strings.EqualFold(name, "off") }) {
		wrong.must(set, "FUNCTIONS", len(c.Functions) == 1)
		c.Functions = nil
	}
	for _, name := range c.Functions {
		wrong.must(set, "FUNCTIONS", slices.Contains([]string{"publish", "stream", "push"}, name))
	}
	for _, origin := range c.CORSOrigins {
		wrong.must(set, "CORS_ORIGINS", isOriginPattern(origin))
	}
	wrong.must(set, "STREAM_RESUME", c.StreamResume == 0 || c.StreamResume >= time.Second && c.StreamResume <= 24*time.Hour)
}

// Offers reports whether HTTP callers are offered a function.
func (c *Config) Offers(function string) bool { return slices.Contains(c.Functions, function) }

func (c *Config) checkRocketMQ(set map[string]string, wrong *Problems) {
	for _, addr := range c.NameServers {
		wrong.must(set, "NAMESRV_ADDR", isDialAddr(addr))
	}
	wrong.must(set, "NAMESRV_ADDR", c.EmbeddedRocketMQ || len(c.NameServers) > 0)
	switch access, secret := c.RocketMQAccessKey != "", c.RocketMQSecretKey != ""; {
	case access && !secret:
		wrong.add("ROCKETMQ_SECRET_KEY", "is not set while ROCKETMQ_ACCESS_KEY is; give %s", accepts("ROCKETMQ_SECRET_KEY"))
	case secret && !access:
		wrong.add("ROCKETMQ_ACCESS_KEY", "is not set while ROCKETMQ_SECRET_KEY is; give %s", accepts("ROCKETMQ_ACCESS_KEY"))
	}
	for _, first := range c.FirstTopics {
		wrong.must(set, "FIRST_TOPICS", topicName.MatchString(first))
	}
	wrong.must(set, "FALLBACK_TOPIC", topicName.MatchString(c.FallbackTopic))
	c.checkRocketMQTLS(set, wrong)
	c.checkRelay(set, wrong)
	wrong.must(set, "ROCKETMQ_PRODUCER", c.RocketMQProducer == "direct" || c.RocketMQProducer == "client-go")
}

// checkRelay reads RELAY_TOPICS.
func (c *Config) checkRelay(set map[string]string, wrong *Problems) {
	wrong.must(set, "RELAY_FROM", c.RelayFrom == "end" || c.RelayFrom == "beginning")
	for _, s := range c.RelayTopics {
		rule, err := relay.ParseRule(s)
		if err == nil && slices.ContainsFunc(c.Relay, func(r relay.Rule) bool { return r.Topic == rule.Topic }) {
			err = fmt.Errorf("%q is named twice", rule.Topic)
		}
		if err != nil {
			wrong.add("RELAY_TOPICS", "%v; give %s", err, accepts("RELAY_TOPICS"))
			return
		}
		c.Relay = append(c.Relay, rule)
	}
}

func (c *Config) checkLimits(set map[string]string, wrong *Problems) {
	number := func(name string, v, low, high int) { wrong.must(set, name, v >= low && v <= high) }
	number("MAX_PACKET_SIZE", c.MaxPacketSize, 1024, 16<<20)
	number("MAX_CONNECTIONS", c.MaxConnections, 1, mostConnections)
	number("CONNECT_RATE", c.ConnectRate, 0, 1_000_000)
	number("ADDRESS_CONNECT_RATE", c.AddrConnectRate, 0, 1_000_000)
	number("USER_CONNECT_RATE", c.UserConnectRate, 0, 1_000_000)
	number("PUBLISH_RATE", c.PublishRate, 0, 1_000_000)
	number("USER_PUBLISH_RATE", c.UserPublishRate, 0, 1_000_000)
	number("INSTANCE_PUBLISH_RATE", c.AllPublishRate, 0, 1_000_000)
	for name, v := range map[string]int{"PUBLISH_BYTES": c.PublishBytes, "USER_PUBLISH_BYTES": c.UserPublishBytes, "INSTANCE_PUBLISH_BYTES": c.AllPublishBytes} {
		wrong.must(set, name, v == 0 || v >= 4096 && v <= 1<<30)
	}
	wrong.must(set, "PUBLISH_OVER", c.PublishOver == "wait" || c.PublishOver == "disconnect")
	wrong.must(set, "SESSION_BINDING", c.SessionBinding == "user" || c.SessionBinding == "off")
	number("MAX_HANDSHAKES", c.MaxHandshakes, 1, mostConnections)
	number("MAX_SUBSCRIPTIONS", c.MaxSubscriptions, 1, 100_000)
	number("RECEIVE_MAXIMUM", int(c.ReceiveMaximum), 1, 65535) // [MQTT-3.1.2.11.3]: 0 is a protocol error
	wrong.must(set, "RETAINED_MAX", c.RetainedMax >= 1 && c.RetainedMax <= 1_000_000_000)
	number("TAKEOVER_BURST", c.TakeoverBurst, 0, 1_000_000)
	wrong.must(set, "MAX_FILTERS", c.MaxFilters >= 0 && c.MaxFilters <= 1_000_000_000)
	wrong.must(set, "MAX_P2P_QUEUES", c.MaxP2PQueues >= 0 && c.MaxP2PQueues <= 1_000_000_000)
	number("MAX_GROUPS", c.MaxGroups, 1, 100_000)
	number("RETAINED_MAX_SIZE", c.RetainedMaxSize, 1, 16<<20)

	duration := func(name string, v, low, high time.Duration) { wrong.must(set, name, v >= low && v <= high) }
	whole := func(name string, v time.Duration) { wrong.must(set, name, v%time.Second == 0) }
	duration("CONNECT_TIMEOUT", c.ConnectTimeout, time.Second, 5*time.Minute)
	duration("PACKET_TIMEOUT", c.PacketTimeout, time.Second, time.Hour)
	duration("WRITE_TIMEOUT", c.WriteTimeout, time.Second, time.Hour)
	duration("KEEPALIVE_MAX", c.KeepAliveMax, 5*time.Second, 65535*time.Second) // two bytes of seconds on the wire
	whole("KEEPALIVE_MAX", c.KeepAliveMax)
	duration("SESSION_EXPIRY_MAX", c.SessionExpiryMax, 0, 1193046*time.Hour) // four bytes; all ones would be "never"
	whole("SESSION_EXPIRY_MAX", c.SessionExpiryMax)
	if c.MaxConnectionAge != 0 {
		duration("MAX_CONNECTION_AGE", c.MaxConnectionAge, 2*time.Second, 8760*time.Hour)
	}
	duration("DRAIN_TIMEOUT", c.DrainTimeout, 0, 15*time.Minute)
	duration("SHARED_REDELIVERY", c.SharedRedelivery, 10*time.Second, 5*time.Minute)
	if c.StatusInterval != 0 {
		duration("STATUS_INTERVAL", c.StatusInterval, time.Second, time.Hour)
	}

	if set[cloudRunVar] != "" && (c.MaxConnectionAge == 0 || c.MaxConnectionAge >= time.Hour) {
		c.Warnings = append(c.Warnings, "MAX_CONNECTION_AGE: Cloud Run cuts every connection after 60 minutes at most; keep it below")
	}
	if c.MaxPacketSize > 4<<20 {
		c.Warnings = append(c.Warnings, "MAX_PACKET_SIZE: a RocketMQ broker refuses messages over 4 MiB unless its maxMessageSize is raised")
	}
}

func (c *Config) checkProxies(set map[string]string, wrong *Problems) {
	for _, one := range parseList(set["TRUSTED_PROXIES"]) {
		prefix, err := netip.ParsePrefix(one)
		if err != nil {
			addr, err := netip.ParseAddr(one)
			if err != nil || addr.Zone() != "" {
				wrong.must(set, "TRUSTED_PROXIES", false)
				continue
			}
			prefix = netip.PrefixFrom(addr, addr.BitLen())
		}
		c.TrustedProxies = append(c.TrustedProxies, prefix.Masked())
	}
	if c.ProxyProtocol && len(c.TrustedProxies) == 0 && !wrong.has("TRUSTED_PROXIES") {
		wrong.add("PROXY_PROTOCOL", "is on, but whose header is believed? name them in TRUSTED_PROXIES: %s", accepts("TRUSTED_PROXIES"))
	}
}

func (c *Config) checkLog(set map[string]string, wrong *Problems) {
	for _, pattern := range c.LogClients {
		_, err := path.Match(pattern, "")
		wrong.must(set, "LOG_CLIENTS", err == nil)
	}
	c.LogFormat = strings.ToLower(c.LogFormat)
	wrong.must(set, "LOG_FORMAT", slices.Contains([]string{"", "json", "text"}, c.LogFormat))
}

// topicName is what RocketMQ takes as a topic and MQTT can have as a first level.
var topicName = regexp.MustCompile(`^[A-Za-z0-9_-]{1,127}$`)

var hostName = regexp.MustCompile(`^[A-Za-z0-9_]([A-Za-z0-9_.-]{0,251}[A-Za-z0-9_.])?$`)

func isHost(v string) bool {
	if _, err := netip.ParseAddr(v); err == nil {
		return true
	}
	return hostName.MatchString(v)
}

// isDialAddr accepts host:port; isListenAddr also an empty host (all addresses) and port 0 (any free one).
func isDialAddr(v string) bool {
	host, port, err := net.SplitHostPort(v)
	return err == nil && isHost(host) && isPort(port, 1)
}

func isListenAddr(v string) bool {
	host, port, err := net.SplitHostPort(v)
	return err == nil && (host == "" || isHost(host)) && isPort(port, 0)
}

func isPort(v string, least int) bool {
	n, err := strconv.Atoi(v)
	return err == nil && n >= least && n <= 65535
}

// offOr reads "off" as the empty address.
func offOr(v string) string {
	if strings.EqualFold(v, "off") {
		return ""
	}
	return v
}

// isWSPath keeps the WebSocket endpoint off the paths that the gateway serves itself.
func isWSPath(v string) bool {
	if !strings.HasPrefix(v, "/") || v == "/" || strings.ContainsAny(v, "?#%{} \t") || path.Clean(v) != v {
		return false
	}
	return v != "/metrics" && v != "/console" && !strings.HasPrefix(v, "/console/") && v != "/health" && !strings.HasPrefix(v, "/health/")
}

// isOriginPattern accepts "*" and host patterns with an optional scheme, and catches a pasted URL with a path.
func isOriginPattern(v string) bool {
	if v == "*" {
		return true
	}
	host := v
	if scheme, rest, ok := strings.Cut(v, "://"); ok {
		if scheme != "http" && scheme != "https" {
			return false
		}
		host = rest
	}
	_, err := path.Match(host, "")
	return err == nil && host != "" && !strings.ContainsAny(host, "/ \t")
}

// isToken accepts what a Bearer header can carry and nobody guesses.
func isToken(v string) bool {
	return len(v) >= 16 && len(v) <= 512 && strings.IndexFunc(v, func(r rune) bool { return r <= ' ' || r > '~' }) < 0
}
