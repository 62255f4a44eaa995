package doctor

import (
	"fmt"
	"strconv"
	"strings"
	"time"

	"lmqgate/infra/config"
)

// What is demanded of a Redis.
const (
	slowPing    = 10 * time.Millisecond // each CONNECT, SUBSCRIBE and QoS 2 message waits for several
	verySlow    = time.Second
	clockOff    = 2 * time.Second
	clockBroken = time.Hour // how far clocks may be apart in tests
	fullMemory  = 0.75
	nearlyOut   = 0.95
)

// leastRedis is the first version with all commands that are used.
var leastRedis = [2]int{6, 2}

// redisCheck asks one thing of what a server said of itself; the second result is false where the question does not arise.
type redisCheck struct {
	name string
	ask  func(*redisNode, *config.Config) (Finding, bool)
}

// redisChecks are asked of each master, in this order.
func redisChecks() []redisCheck {
	return []redisCheck{
		{"redis.reach", askPing},
		{"redis.version", askVersion},
		{"redis.kind", askKind},
		{"redis.role", askRole},
		{"redis.eviction", askEviction},
		{"redis.persistence", askPersistence},
		{"redis.memory", askMemory},
		{"redis.replicas", askReplicas},
		{"redis.clients", askClients},
		{"redis.clock", askRedisClock},
	}
}

func askPing(n *redisNode, _ *config.Config) (Finding, bool) {
	const remedy = "run the gateway in the region and network of Redis; look at SLOWLOG GET and at the load of both"
	text := "answers in " + short(n.ping)
	switch {
	case n.ping >= verySlow:
		return failure(remedy, "%s: clients time out", text), true
	case n.ping >= slowPing:
		return warning(remedy, "%s: connecting takes several times that", text), true
	}
	return fine("%s", text), true
}

func askVersion(n *redisNode, _ *config.Config) (Finding, bool) {
	v := n.info["redis_version"]
	if v == "" {
		return warning("make sure that it is 6.2 or later", "does not tell its version"), true
	}
	name := "Redis " + v
	if valkey := n.info["valkey_version"]; valkey != "" {
		name = "Valkey " + valkey + " (as Redis " + v + ")"
	}
	if !atLeast(v, leastRedis) {
		return failure("use Redis 6.2 or later, or Valkey", "%s is too old", name), true
	}
	return fine("%s", name), true
}

// atLeast compares the first two numbers of a version.
func atLeast(version string, least [2]int) bool {
	parts := strings.SplitN(version, ".", 3)
	for i, want := range least {
		if i >= len(parts) {
			return false
		}
		have, err := strconv.Atoi(parts[i])
		if err != nil || have < want {
			return false
		}
		if have > want {
			return true
		}
	}
	return true
}

func askKind(n *redisNode, cfg *config.Config) (Finding, bool) {
	switch isCluster := n.info["cluster_enabled"] == "1"; {
	case isCluster && !cfg.RedisCluster:
		return failure("set REDIS_CLUSTER=true", "is a node of a Redis Cluster, and REDIS_CLUSTER is not set"), true
	case !isCluster && cfg.RedisCluster:
		return failure("leave REDIS_CLUSTER out", "is no node of a Redis Cluster, and REDIS_CLUSTER=true"), true
	}
	return Finding{}, false
}

func askRole(n *redisNode, _ *config.Config) (Finding, bool) {
	switch role := n.info["role"]; {
	case role == "slave":
		return failure("name the master in REDIS_URL, or its Sentinels with REDIS_SENTINEL_MASTER",
			"is a read-only replica of %s:%s: no client can connect", n.info["master_host"], n.info["master_port"]), true
	case n.info["loading"] == "1":
		return failure("wait: it answers by itself when it is done", "is loading its data"), true
	default:
		return fine("is a master"), true
	}
}

// askEviction: a Redis that removes keys to make room loses sessions without a word.
func askEviction(n *redisNode, _ *config.Config) (Finding, bool) {
	policy, limit, evicted := n.info["maxmemory_policy"], n.number("maxmemory"), n.number("evicted_keys")
	const remedy = "CONFIG SET maxmemory-policy noeviction, and in redis.conf (or the service's parameter group); alert on its memory instead"
	gone := ""
	if evicted > 0 {
		gone = fmt.Sprintf("; %d keys are gone since it started", evicted)
	}
	switch {
	case policy == "":
		return warning("make sure that maxmemory-policy is noeviction", "does not tell its maxmemory-policy"), true
	case policy == "noeviction":
		return fine("never evicts (noeviction)"), true
	case limit == 0:
		return warning(remedy, "maxmemory-policy is %s: it will remove sessions as soon as there is a maxmemory%s", policy, gone), true
	case strings.HasPrefix(policy, "volatile-"):
		return warning(remedy, "maxmemory-policy is %s: at %s it removes keys that have a time to live; no session, but other state%s", policy, size(limit), gone), true
	}
	return failure(remedy, "maxmemory-policy is %s: at %s it removes sessions, subscriptions and retained messages%s", policy, size(limit), gone), true
}

// askPersistence: what is left after a restart.
func askPersistence(n *redisNode, _ *config.Config) (Finding, bool) {
	const remedy = "CONFIG SET appendonly yes, and in redis.conf (or the service's parameter group)"
	aof, snapshots, replicas := n.info["aof_enabled"] == "1", n.conf["save"] != "", n.number("connected_slaves")
	switch {
	case aof && n.info["aof_last_write_status"] == "err":
		return failure("look at its log and its disk", "writes to its append only file fail"), true
	case snapshots && n.info["rdb_last_bgsave_status"] == "err":
		return failure("look at its log and its disk", "saving fails; it refuses writes then (MISCONF)"), true
	case aof && n.conf["appendfsync"] == "no":
		return warning("CONFIG SET appendfsync everysec, or always", "appendonly, with appendfsync no: when the machine fails, up to half a minute of writes is lost"), true
	case aof && n.conf["appendfsync"] == "always":
		return fine("appendonly, with appendfsync always"), true
	case aof && n.conf == nil:
		return fine("appendonly"), true
	case aof:
		return fine("appendonly: when the machine fails, the last second is lost"), true
	case n.conf == nil && replicas > 0:
		return warning(remedy, "no append only file (%d replicas); whether it saves snapshots it does not tell: after a crash sessions may be gone", replicas), true
	case n.conf == nil:
		return warning(remedy, "no append only file, no replica; whether it saves snapshots it does not tell: after a crash sessions may be gone"), true
	case snapshots:
		return warning(remedy, "snapshots only (save %s): a crash loses what was written since the last one", n.conf["save"]), true
	case replicas > 0:
		return warning(remedy, "keeps nothing on disk, only on %d replicas: if it restarts before one took over, all sessions are gone", replicas), true
	}
	return failure(remedy, "keeps nothing on disk, and has no replica: a restart loses all sessions, subscriptions and retained messages"), true
}

func askMemory(n *redisNode, _ *config.Config) (Finding, bool) {
	used, limit, of := n.number("used_memory"), n.number("maxmemory"), "its maxmemory"
	if limit == 0 {
		limit, of = n.number("total_system_memory"), "the machine's memory (no maxmemory is set)"
	}
	if limit == 0 {
		return fine("uses %s; no limit is known", size(used)), true
	}
	const remedy = "raise maxmemory or use a bigger machine; lmqgate retained, clients --away show what is kept"
	text := fmt.Sprintf("uses %s of %s, %s", size(used), size(limit), of)
	switch share := float64(used) / float64(limit); {
	case share >= nearlyOut:
		return failure(remedy, "%s: at the end writes are refused", text), true
	case share >= fullMemory:
		return warning(remedy, "%s", text), true
	}
	return fine("%s", text), true
}

// askReplicas: whether somebody can take over, and does follow.
func askReplicas(n *redisNode, cfg *config.Config) (Finding, bool) {
	count := int(n.number("connected_slaves"))
	var behind []string
	for i := range count {
		state := n.info["slave"+strconv.Itoa(i)]
		if state != "" && !strings.Contains(state, "state=online") {
			behind = append(behind, state)
		}
	}
	switch {
	case len(behind) > 0:
		return warning("wait until it is in sync; look at its log", "%d of %d replicas do not follow yet (%s)", len(behind), count, strings.Join(behind, "; ")), true
	case count > 0:
		return fine("%d %s", count, plural(count, "replica follows", "replicas follow")), true
	case cfg.RedisCluster, n.info["redis_mode"] == "sentinel", cfg.RedisSentinelMaster != "":
		return warning("give it a replica", "has no replica: nobody can take over"), true
	}
	return fine("no replica: while it is away, clients wait or are refused"), true
}

func askClients(n *redisNode, _ *config.Config) (Finding, bool) {
	have, most := n.number("connected_clients"), n.number("maxclients")
	if most == 0 || float64(have) < fullMemory*float64(most) {
		return Finding{}, false
	}
	return warning("raise maxclients", "%d of %d connections are in use", have, most), true
}

func askRedisClock(n *redisNode, _ *config.Config) (Finding, bool) {
	return clock(n.offset, n.unsure), true
}

// clock judges how far a server's clock is from ours; unsure is how wrong that may be.
func clock(offset, unsure time.Duration) Finding {
	const remedy = "set both machines' clocks by NTP (chrony, systemd-timesyncd)"
	apart := max(offset.Abs()-unsure, 0)
	way := "ahead of"
	if offset < 0 {
		way = "behind"
	}
	switch {
	case apart >= clockBroken:
		return failure(remedy, "its clock is %s %s ours: expiry, leases and message times are wrong", short(offset.Abs()), way)
	case apart >= clockOff:
		return warning(remedy, "its clock is %s %s ours: messages and sessions expire that much too late or too soon", short(offset.Abs()), way)
	}
	return fine("its clock is ours (within %s)", short(max(offset.Abs(), time.Millisecond)))
}

// size is a number of bytes for people.
func size(n int64) string {
	switch {
	case n >= 10<<30:
		return strconv.FormatInt(n>>30, 10) + " GiB"
	case n >= 10<<20:
		return strconv.FormatInt(n>>20, 10) + " MiB"
	}
	return strconv.FormatInt((n+1023)>>10, 10) + " KiB"
}

func plural(n int, one, many string) string {
	if n == 1 {
		return one
	}
	return many
}
