package config

import "errors"

// ErrNoRedis says that there is no shared store to look into.
var ErrNoRedis = errors.New("REDIS_URL is not set: it names the Redis that the gateways share. Set it as for the gateway, " +
	"with REDIS_PREFIX, REDIS_CLUSTER, REDIS_SENTINEL_MASTER and REDIS_CA_FILE if it has them. " +
	"(A gateway without REDIS_URL keeps all in its own memory, where no command can look.)")

// storeVars are the variables that say where the gateways' data are.
var storeVars = []string{
	"REDIS_URL", "REDIS_CLUSTER", "REDIS_SENTINEL_MASTER", "REDIS_CA_FILE", "REDIS_PREFIX",
	"NAMESRV_ADDR", "ROCKETMQ_ACCESS_KEY", "ROCKETMQ_SECRET_KEY", "ROCKETMQ_TLS", "ROCKETMQ_CA_FILE", "ROCKETMQ_TLS_SERVER_NAME",
	"ROCKETMQ_CERT_FILE", "ROCKETMQ_KEY_FILE", "FALLBACK_TOPIC", "FIRST_TOPICS",
	"MAX_SUBSCRIPTIONS", "MAX_FILTERS", "P2P",
}

// LoadStore makes a Config for commands that look into the gateways' Redis and, where NAMESRV_ADDR is set, RocketMQ. Of the
// environment only what concerns these is read, so that nothing else of the gateway's settings has to be at hand; without
// REDIS_URL it is ErrNoRedis, other errors are Problems.
func LoadStore(environ []string) (Config, error) {
	all := toMap(environ)
	if all["REDIS_URL"] == "" {
		return Config{}, ErrNoRedis
	}
	set := make(map[string]string, len(storeVars))
	for _, name := range storeVars {
		if v := all[name]; v != "" {
			set[name] = v
		}
	}
	var cfg Config
	var wrong Problems
	wrong.parse(&cfg, set)
	cfg.EmbeddedRocketMQ = set["NAMESRV_ADDR"] == ""
	cfg.Embedded = cfg.EmbeddedRocketMQ
	cfg.checkRedis(set, &wrong)
	cfg.checkRocketMQ(set, &wrong)
	if len(wrong) > 0 {
		return Config{}, wrong.sorted()
	}
	return cfg, nil
}
