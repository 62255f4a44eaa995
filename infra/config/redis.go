package config

import (
	"errors"
	"fmt"
	"net/url"
	"strings"

	"github.com/redis/go-redis/v9"
)

// Errors of a REDIS_URL say what is wrong without repeating any part of it: a password with an unescaped @ or /
// ends up in places where nobody expects one.
var (
	errRedisScheme = errors.New("its scheme is neither redis nor rediss")
	errRedisHost   = errors.New("one of its hosts is not host:port (escape @ : / , in a password as %40 %3A %2F %2C)")
	errRedisRest   = errors.New("its user, password, database number or a parameter behind ? cannot be read")
)

// RedisOptions returns the options for redis.NewUniversalClient: a single server, Sentinel (MasterName is set) or
// Cluster (IsClusterMode). It fails on an embedded Redis, whose address only its starter knows.
func (c *Config) RedisOptions() (*redis.UniversalOptions, error) {
	if c.EmbeddedRedis {
		return nil, errors.New("redis options: redis is embedded")
	}
	opts, err := c.redisURL()
	if err != nil {
		return nil, fmt.Errorf("redis options: %w", err)
	}
	if c.RedisCAFile != "" && opts.TLSConfig != nil {
		if opts.TLSConfig.RootCAs, err = caPool(c.RedisCAFile); err != nil {
			return nil, fmt.Errorf("redis options: %w", err)
		}
	}
	return opts, nil
}

// redisURL reads REDIS_URL: what go-redis takes for one server, with several hosts separated by commas and, for
// Sentinel, the parameters master_name, sentinel_username and sentinel_password besides.
func (c *Config) redisURL() (*redis.UniversalOptions, error) {
	scheme, rest, ok := strings.Cut(c.RedisURL.Reveal(), "://")
	if !ok || scheme != "redis" && scheme != "rediss" {
		return nil, errRedisScheme
	}
	authority, tail := rest, ""
	if i := strings.IndexAny(rest, "/?"); i >= 0 {
		authority, tail = rest[:i], rest[i:]
	}
	user, hosts := "", authority
	if i := strings.LastIndexByte(authority, '@'); i >= 0 {
		user, hosts = authority[:i+1], authority[i+1:]
	}
	addrs, err := redisAddrs(hosts)
	if err != nil {
		return nil, err
	}
	path, query, _ := strings.Cut(tail, "?")
	values, err := url.ParseQuery(query)
	if err != nil {
		return nil, errRedisRest
	}
	take := func(key string) string { v := values.Get(key); values.Del(key); return v }
	sentinel := redis.UniversalOptions{
		MasterName:       take("master_name"),
		SentinelUsername: take("sentinel_username"),
		SentinelPassword: take("sentinel_password"),
	}
	if c.RedisSentinelMaster != "" {
		sentinel.MasterName = c.RedisSentinelMaster
	}
	one, err := redis.ParseURL(scheme + "://" + user + addrs[0] + path + "?" + values.Encode())
	if err != nil {
		return nil, errRedisRest
	}
	return c.universal(one, addrs, sentinel), nil
}

// redisAddrs splits the hosts of a URL; a port left out is 6379.
func redisAddrs(hosts string) ([]string, error) {
	var addrs []string
	for addr := range strings.SplitSeq(hosts, ",") {
		if !isDialAddr(addr) {
			addr += ":6379"
		}
		if !isDialAddr(addr) {
			return nil, errRedisHost
		}
		addrs = append(addrs, addr)
	}
	return addrs, nil
}

// universal carries over what a URL can say to the options that serve all three kinds of Redis.
func (c *Config) universal(one *redis.Options, addrs []string, opts redis.UniversalOptions) *redis.UniversalOptions {
	opts.Addrs = addrs
	opts.IsClusterMode = c.RedisCluster
	opts.Username, opts.Password, opts.DB = one.Username, one.Password, one.DB
	opts.Protocol, opts.ClientName = one.Protocol, one.ClientName
	opts.MaxRetries, opts.MinRetryBackoff, opts.MaxRetryBackoff = one.MaxRetries, one.MinRetryBackoff, one.MaxRetryBackoff
	opts.DialTimeout, opts.ReadTimeout, opts.WriteTimeout = one.DialTimeout, one.ReadTimeout, one.WriteTimeout
	opts.PoolFIFO, opts.PoolSize, opts.PoolTimeout = one.PoolFIFO, one.PoolSize, one.PoolTimeout
	opts.MinIdleConns, opts.MaxIdleConns, opts.MaxActiveConns = one.MinIdleConns, one.MaxIdleConns, one.MaxActiveConns
	opts.ConnMaxIdleTime, opts.ConnMaxLifetime = one.ConnMaxIdleTime, one.ConnMaxLifetime
	if opts.TLSConfig = one.TLSConfig; opts.TLSConfig != nil {
		opts.TLSConfig.ServerName = "" // each node is checked against the name it was dialed by
	}
	return &opts
}

func (c *Config) checkRedis(set map[string]string, wrong *Problems) {
	wrong.must(set, "REDIS_PREFIX", len(c.RedisPrefix) <= 64 && strings.IndexFunc(c.RedisPrefix, notKeyRune) < 0)
	if c.EmbeddedRedis {
		for _, name := range []string{"REDIS_CLUSTER", "REDIS_SENTINEL_MASTER", "REDIS_CA_FILE"} {
			if set[name] != "" && (name != "REDIS_CLUSTER" || c.RedisCluster) {
				wrong.add(name, "means nothing without REDIS_URL; REDIS_URL takes %s", accepts("REDIS_URL"))
			}
		}
		return
	}
	opts, err := c.redisURL()
	if err != nil {
		wrong.add("REDIS_URL", "%v; give %s", err, accepts("REDIS_URL"))
		return
	}
	switch {
	case c.RedisCluster && opts.MasterName != "":
		wrong.add("REDIS_CLUSTER", "is on, and a Sentinel master is named too; give only one of them")
	case !c.RedisCluster && opts.MasterName == "" && len(opts.Addrs) > 1:
		wrong.add("REDIS_URL", "it names several hosts; say REDIS_CLUSTER=true or REDIS_SENTINEL_MASTER=name")
	case c.RedisCluster && opts.DB != 0:
		wrong.add("REDIS_URL", "it names a database number, and Redis Cluster has only number 0")
	}
	if c.RedisCAFile == "" {
		return
	}
	if opts.TLSConfig == nil {
		wrong.add("REDIS_CA_FILE", "is set, but REDIS_URL does not begin with rediss://")
	}
	if _, err := caPool(c.RedisCAFile); err != nil {
		wrong.add("REDIS_CA_FILE", "%v; give %s", err, accepts("REDIS_CA_FILE"))
	}
}

// notKeyRune reports runes that would upset key names; { and } would move the hash tag of Redis Cluster.
func notKeyRune(r rune) bool {
	letter := 'a' <= r && r <= 'z' || 'A' <= r && r <= 'Z' || '0' <= r && r <= '9'
	return !letter && !strings.ContainsRune(":_.-", r)
}
