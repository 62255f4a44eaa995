package doctor

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strconv"
	"strings"
	"sync"
	"time"

	"github.com/redis/go-redis/v9"
	"github.com/redis/go-redis/v9/maintnotifications"

	"lmqgate/infra/config"
	"lmqgate/meta/redisstore"
)

// Limits of asking a Redis.
const (
	redisTime = 5 * time.Second // for one answer
	pings     = 5
)

// commander is the part of a Redis connection that the checks use.
type commander interface {
	Do(ctx context.Context, args ...any) *redis.Cmd
}

// redisNode is what a Redis says of itself: a single server, the master that a Sentinel names, or one master of a cluster.
type redisNode struct {
	addr   string
	info   map[string]string
	conf   map[string]string // nil: CONFIG GET is refused, as managed services do
	ping   time.Duration     // the median
	offset time.Duration     // of its clock from ours
	// unsure is how far offset may be wrong: half a round trip.
	unsure time.Duration
}

// examineRedis asks all about the Redis of REDIS_URL.
func examineRedis(ctx context.Context, c Config, cfg *config.Config) []Finding {
	opt, err := cfg.RedisOptions()
	if err != nil {
		return []Finding{failure("see REDIS_URL", "%v", err).as("redis.reach", "")}
	}
	opt.ContextTimeoutEnabled, opt.DialerRetries, opt.DisableIdentity, opt.Protocol = true, 1, true, 2
	opt.MaxRetries, opt.PoolSize, opt.ReadTimeout = -1, 4, redisTime
	opt.MaintNotificationsConfig = &maintnotifications.Config{Mode: maintnotifications.ModeDisabled}
	redisstore.RedirectLogs(c.Logger)
	client := redis.NewUniversalClient(opt)
	defer func() { _ = client.Close() }()

	var found []Finding
	if opt.MasterName != "" {
		found = append(found, examineSentinels(ctx, opt)...)
	}
	found = append(found, examineCertificates(ctx, opt, c.Now)...)
	if err := reach(ctx, client); err != nil {
		_, remedy := ExplainRedis(err)
		return append(found, failure(remedy, "no answer: %v", err).as("redis.reach", strings.Join(opt.Addrs, ",")))
	}
	var more []Finding
	cluster, isCluster := client.(*redis.ClusterClient)
	if isCluster {
		more = examineCluster(ctx, cluster)
	}
	nodes, unreached := ask(ctx, client, strings.Join(opt.Addrs, ","), c.Now)
	for _, n := range nodes {
		for _, check := range redisChecks() {
			if f, arises := check.ask(n, cfg); arises {
				found = append(found, f.as(check.name, n.addr))
			}
		}
	}
	found = append(found, unreached...)
	found = append(found, more...)
	found = append(found, askFilters(ctx, client, cfg)...)
	if c.NoWrites {
		return found
	}
	return append(found, tryRedis(ctx, client, cfg.RedisPrefix).as("redis.permissions", ""))
}

func reach(ctx context.Context, client redis.UniversalClient) error {
	ctx, cancel := context.WithTimeout(ctx, redisTime)
	defer cancel()
	return client.Ping(ctx).Err()
}

// ask asks every master, at once on a cluster. What does not answer is a finding.
func ask(ctx context.Context, client redis.UniversalClient, addr string, now func() time.Time) (nodes []*redisNode, unreached []Finding) {
	cluster, ok := client.(*redis.ClusterClient)
	if !ok {
		n, err := interview(ctx, client, addr, now)
		if err != nil {
			return nil, []Finding{silent(addr, err)}
		}
		return []*redisNode{n}, nil
	}
	var mu sync.Mutex
	err := cluster.ForEachMaster(ctx, func(ctx context.Context, one *redis.Client) error {
		addr := one.Options().Addr
		n, err := interview(ctx, one, addr, now)
		mu.Lock()
		defer mu.Unlock()
		if err != nil {
			unreached = append(unreached, silent(addr, err))
		} else {
			nodes = append(nodes, n)
		}
		return nil
	})
	if err != nil {
		unreached = append(unreached, silent(addr, err))
	}
	slices.SortFunc(nodes, func(a, b *redisNode) int { return strings.Compare(a.addr, b.addr) })
	return nodes, unreached
}

func silent(addr string, err error) Finding {
	_, remedy := ExplainRedis(err)
	return failure(remedy, "does not say how it is: %v", err).as("redis.reach", addr)
}

// interview asks one server for its state, settings, clock and speed.
func interview(ctx context.Context, node commander, addr string, now func() time.Time) (*redisNode, error) {
	ctx, cancel := context.WithTimeout(ctx, redisTime)
	defer cancel()
	n := &redisNode{addr: addr}
	text, err := node.Do(ctx, "INFO").Text()
	if err != nil {
		return nil, fmt.Errorf("ask for its state: %w", err)
	}
	n.info = infoTable(text)
	n.conf = settings(ctx, node)
	var took []time.Duration
	for range pings {
		began := time.Now()
		if err := node.Do(ctx, "PING").Err(); err != nil {
			return nil, fmt.Errorf("ping: %w", err)
		}
		took = append(took, time.Since(began))
	}
	slices.Sort(took)
	n.ping = took[len(took)/2]
	began := time.Now()
	before := now()
	parts, err := node.Do(ctx, "TIME").StringSlice()
	if err != nil {
		return nil, fmt.Errorf("ask for its time: %w", err)
	}
	half := time.Since(began) / 2
	theirs, err := redisTimeOf(parts)
	if err != nil {
		return nil, err
	}
	n.offset, n.unsure = theirs.Sub(before.Add(half)), half
	return n, nil
}

func redisTimeOf(parts []string) (time.Time, error) {
	if len(parts) != 2 {
		return time.Time{}, errors.New("ask for its time: no time in the answer")
	}
	seconds, err := strconv.ParseInt(parts[0], 10, 64)
	if err != nil {
		return time.Time{}, fmt.Errorf("ask for its time: %w", err)
	}
	micros, err := strconv.ParseInt(parts[1], 10, 64)
	if err != nil {
		return time.Time{}, fmt.Errorf("ask for its time: %w", err)
	}
	return time.Unix(seconds, micros*1000), nil
}

// settings asks for the settings that INFO does not tell; nil if that is refused.
func settings(ctx context.Context, node commander) map[string]string {
	conf := map[string]string{}
	for _, name := range []string{"save", "appendfsync"} {
		reply, err := node.Do(ctx, "CONFIG", "GET", name).StringSlice()
		if err != nil {
			return nil
		}
		for i := 0; i+1 < len(reply); i += 2 {
			conf[reply[i]] = reply[i+1]
		}
	}
	return conf
}

// infoTable reads the answer to INFO: `name:value` lines.
func infoTable(text string) map[string]string {
	table := map[string]string{}
	for line := range strings.Lines(text) {
		if name, value, ok := strings.Cut(strings.TrimSpace(line), ":"); ok && !strings.HasPrefix(line, "#") {
			table[name] = value
		}
	}
	return table
}

// number reads a number of the state; 0 if it is not there.
func (n *redisNode) number(name string) int64 {
	v, _ := strconv.ParseInt(n.info[name], 10, 64)
	return v
}
