package doctor

import (
	"context"
	"crypto/tls"
	"crypto/x509"
	"strconv"
	"strings"
	"sync"
	"time"

	"github.com/redis/go-redis/v9"
)

// examineSentinels asks each Sentinel that REDIS_URL names for the master, and one whether a failover could be agreed on.
func examineSentinels(ctx context.Context, opt *redis.UniversalOptions) []Finding {
	found := make([]Finding, len(opt.Addrs))
	var asked sync.WaitGroup
	for i, addr := range opt.Addrs {
		asked.Go(func() {
			ctx, cancel := context.WithTimeout(ctx, redisTime)
			defer cancel()
			one := redis.NewClient(&redis.Options{
				Addr: addr, Username: opt.SentinelUsername, Password: opt.SentinelPassword, TLSConfig: opt.TLSConfig, Protocol: 2,
				ContextTimeoutEnabled: true, MaxRetries: -1, DialerRetries: 1, DisableIdentity: true,
				MaintNotificationsConfig: opt.MaintNotificationsConfig,
			})
			defer func() { _ = one.Close() }()
			found[i] = askSentinel(ctx, one, opt.MasterName).as("redis.sentinel", addr)
		})
	}
	asked.Wait()
	return found
}

func askSentinel(ctx context.Context, node commander, master string) Finding {
	reply, err := node.Do(ctx, "SENTINEL", "MASTER", master).StringSlice()
	if err != nil {
		switch text := err.Error(); {
		case strings.Contains(text, "No such master"):
			return failure("REDIS_SENTINEL_MASTER has to be a name of `sentinel monitor` in sentinel.conf", "this Sentinel knows no master named %q", master)
		case strings.Contains(text, "unknown command"):
			return failure("name Sentinels in REDIS_URL, mostly port 26379", "is no Sentinel")
		}
		_, remedy := ExplainRedis(err)
		return failure(remedy, "the Sentinel does not answer: %v", err)
	}
	state := map[string]string{}
	for i := 0; i+1 < len(reply); i += 2 {
		state[reply[i]] = reply[i+1]
	}
	others, _ := strconv.Atoi(state["num-other-sentinels"])
	quorum, _ := strconv.Atoi(state["quorum"])
	replicas, _ := strconv.Atoi(state["num-slaves"])
	name := state["ip"] + ":" + state["port"]
	switch {
	case strings.Contains(state["flags"], "o_down"), strings.Contains(state["flags"], "s_down"):
		return failure("see why the master is away, and that there is a replica to take over", "the master %s is down (%s)", name, state["flags"])
	case quorum > others+1:
		return failure("lower the quorum or start more Sentinels", "a failover needs %d Sentinels and there are %d", quorum, others+1)
	case replicas == 0:
		return warning("give it a replica", "the master %s has no replica: nobody can take over", name)
	case others < 2:
		return warning("run three Sentinels, on three machines", "there %s %d: when the machine of one fails, none may be left to decide", plural(others+1, "is one Sentinel, of", "are few Sentinels,"), others+1)
	}
	return fine("the master is %s; %d Sentinels, %d replicas", name, others+1, replicas)
}

// examineCertificates looks at how long the certificates of the servers that REDIS_URL names are good. One that is not accepted
// is a finding of reaching them.
func examineCertificates(ctx context.Context, opt *redis.UniversalOptions, now func() time.Time) []Finding {
	if opt.TLSConfig == nil {
		return nil
	}
	var found []Finding
	for _, addr := range opt.Addrs {
		if leaf := leafOf(ctx, addr, opt.TLSConfig); leaf != nil {
			found = append(found, certificate(leaf, now()).as("redis.certificate", addr))
		}
	}
	return found
}

// leafOf is the certificate that a server shows, nil if it shows none that is accepted.
func leafOf(ctx context.Context, addr string, cfg *tls.Config) *x509.Certificate {
	ctx, cancel := context.WithTimeout(ctx, redisTime)
	defer cancel()
	conn, err := (&tls.Dialer{Config: cfg}).DialContext(ctx, "tcp", addr)
	if err != nil {
		return nil
	}
	defer func() { _ = conn.Close() }()
	if c, ok := conn.(*tls.Conn); ok && len(c.ConnectionState().PeerCertificates) > 0 {
		return c.ConnectionState().PeerCertificates[0]
	}
	return nil
}

// examineCluster asks a cluster for its slots.
func examineCluster(ctx context.Context, c *redis.ClusterClient) []Finding {
	ctx, cancel := context.WithTimeout(ctx, redisTime)
	defer cancel()
	text, err := c.ClusterInfo(ctx).Result()
	if err != nil {
		_, remedy := ExplainRedis(err)
		return []Finding{failure(remedy, "CLUSTER INFO: %v", err).as("redis.cluster", "")}
	}
	return []Finding{clusterState(infoTable(text)).as("redis.cluster", "")}
}

func clusterState(info map[string]string) Finding {
	const remedy = "redis-cli --cluster check HOST:PORT, then --cluster fix"
	text := info["cluster_slots_assigned"] + " of 16384 slots are assigned, " + info["cluster_slots_ok"] + " are served, " + info["cluster_size"] + " masters"
	switch {
	case info["cluster_state"] != "ok":
		return failure(remedy, "the cluster is %s: %s", info["cluster_state"], text)
	case info["cluster_slots_ok"] != "16384":
		return warning(remedy, "%s", text)
	}
	return fine("%s", text)
}
