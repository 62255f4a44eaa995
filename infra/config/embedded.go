package config

import (
	"time"

	"lmqgate/meta/access"
)

// Names by which the platforms that throw instances away make themselves known.
const (
	cloudRunVar = "K_SERVICE"
	ecsVar      = "ECS_CONTAINER_METADATA_URI_V4"
)

// cloudRunAge keeps connections below Cloud Run's limit of 60 minutes a request.
const cloudRunAge = 55 * time.Minute

// embedded decides which servers run in this process, and refuses what would lose data unless the user allows it.
func (c *Config) embedded(set map[string]string, wrong *Problems) {
	c.EmbeddedRedis = set["REDIS_URL"] == ""
	c.EmbeddedRocketMQ = set["NAMESRV_ADDR"] == ""
	c.Embedded = c.EmbeddedRedis || c.EmbeddedRocketMQ
	if !c.Embedded || c.AllowEmbedded || wrong.has("ALLOW_EMBEDDED") {
		return
	}
	const one = "is not set while %s is: sessions and messages would outlive each other; set both or none, or ALLOW_EMBEDDED=true"
	switch {
	case !c.EmbeddedRocketMQ:
		wrong.add("REDIS_URL", one+"; REDIS_URL takes %s", "NAMESRV_ADDR", accepts("REDIS_URL"))
	case !c.EmbeddedRedis:
		wrong.add("NAMESRV_ADDR", one+"; NAMESRV_ADDR takes %s", "REDIS_URL", accepts("NAMESRV_ADDR"))
	case set[cloudRunVar] != "" || set[ecsVar] != "":
		wrong.add("ALLOW_EMBEDDED", "this platform throws instances away, and embedded Redis and RocketMQ with them; "+
			"set REDIS_URL and NAMESRV_ADDR, or ALLOW_EMBEDDED=true to lose data")
	}
}

// platformDefaults fills what depends on where the process runs. Values that the user gave stay.
func (c *Config) platformDefaults(set map[string]string, files uint64) {
	if c.BindAddr == "" {
		c.BindAddr = "0.0.0.0"
		if c.Embedded {
			c.BindAddr = "127.0.0.1"
		}
	}
	c.MQTTTCPAddrSet = set["MQTT_TCP_ADDR"] != ""
	if !c.MQTTTCPAddrSet && c.Embedded {
		c.MQTTTCPAddr = "127.0.0.1:1883"
	}
	// With one real server the data is no toy any more: AUTH has to be chosen.
	if len(c.Auth) == 0 && c.EmbeddedRedis && c.EmbeddedRocketMQ {
		c.Auth = []string{"anonymous"}
	}
	if len(c.StatusUsers) == 0 && c.EmbeddedRedis && c.EmbeddedRocketMQ {
		c.StatusUsers = []string{access.Everybody}
	}
	c.Tick = c.TickToken != "" || c.EmbeddedRedis && c.EmbeddedRocketMQ
	c.Admin = c.AdminToken != "" || c.EmbeddedRedis && c.EmbeddedRocketMQ && isLoopback(c.BindAddr)
	if set["CONSOLE"] == "" {
		c.Console = c.EmbeddedRedis && c.EmbeddedRocketMQ
	}
	if set["MAX_CONNECTION_AGE"] == "" && set[cloudRunVar] != "" {
		c.MaxConnectionAge = cloudRunAge
	}
	if set["MAX_CONNECTIONS"] == "" {
		c.MaxConnections = defaultConnections(files, c.MemoryLimit)
	}
	if set["MAX_HANDSHAKES"] == "" {
		c.MaxHandshakes = min(defaultHandshakes, max(leastConnections, c.MaxConnections/4))
	}
}
