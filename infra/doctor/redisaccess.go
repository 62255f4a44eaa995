package doctor

import (
	"context"
	"crypto/rand"
	_ "embed"
	"errors"
	"fmt"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/redis/go-redis/v9"

	"lmqgate/infra/config"
	"lmqgate/meta/redisstore"
)

// permissionsSource tries every command that the store's scripts use; see there.
//
//go:embed permissions.lua
var permissionsSource string

// redisRights are enough for a gateway.
const redisRights = "ACL SETUSER name ~PREFIX* &PREFIXword:* +@all -@admin -@dangerous +info (PREFIX as in REDIS_PREFIX)"

// families are how keys begin, behind the prefix: a user of an ACL may be given some of them only.
var families = []string{"s:", "reg:", "ret:", "inst:", "seed:", "lease:", "own:"}

// tryRedis does what the gateway does, on keys of its own that live for a minute at most: scripts with all their commands on
// each family of keys, the commands outside scripts, and both ends of a channel.
func tryRedis(ctx context.Context, client redis.UniversalClient, prefix string) Finding {
	ctx, cancel := context.WithTimeout(ctx, redisTime)
	defer cancel()
	name := "{doctor-" + strings.ToLower(rand.Text()[:10]) + "}"
	began := time.Now()
	var refused []string
	for _, family := range families {
		out, err := client.Eval(ctx, permissionsSource, []string{prefix + family + name + ":probe", prefix + family + name + ":probe2"}).StringSlice()
		if err != nil {
			return notPermitted(fmt.Sprintf("scripts (EVAL) on keys %s%s*", prefix, family), err)
		}
		for _, one := range out {
			if one = strings.ToUpper(one); !slices.Contains(refused, one) {
				refused = append(refused, one)
			}
		}
	}
	if len(refused) > 0 {
		return notPermitted("in scripts "+strings.Join(refused, ", "), errors.New("NOPERM"))
	}
	key := prefix + "s:" + name + ":probe"
	for _, command := range [][]any{
		{"EVALSHA", "0000000000000000000000000000000000000000", 1, key},
		{"HSCAN", key, 0},
		{"SSCAN", key, 0},
		{"SCAN", 0, "MATCH", key, "COUNT", 1},
		{"HGETALL", key},
		{"HMGET", key, "a"},
		{"HLEN", key},
		{"HVALS", key},
		{"HEXISTS", key, "a"},
		{"HDEL", key, "a"},
		{"HRANDFIELD", key, 1, "WITHVALUES"},
		{"GET", key},
		{"MGET", key},
		{"SMISMEMBER", key, "a"},
		{"SISMEMBER", key, "a"},
		{"ZSCORE", prefix + "due", "a"},
		{"PFCOUNT", key},
		{"SCARD", key},
		{"DEL", key},
	} {
		err := client.Do(ctx, command...).Err()
		if err != nil && !errors.Is(err, redis.Nil) && !redis.HasErrorPrefix(err, "NOSCRIPT") {
			return notPermitted(fmt.Sprint(command[0]), err)
		}
	}
	if err := tryChannel(ctx, client, prefix+"word:"+name); err != nil {
		return notPermitted(fmt.Sprintf("channel %sword:*", prefix), err)
	}
	return fine("scripts, %d kinds of keys and pub/sub may be used (%s)", len(families), short(time.Since(began)))
}

func notPermitted(what string, err error) Finding {
	if redis.HasErrorPrefix(err, "NOPERM") || strings.Contains(err.Error(), "NOPERM") {
		return failure(redisRights, "not permitted: %s (%v)", what, err)
	}
	_, remedy := ExplainRedis(err)
	return failure(remedy, "%s: %v", what, err)
}

// askFilters compares the filters that were ever subscribed to, and the clients that had a queue of their own, with their limits. Nothing is said where they cannot be counted:
// other findings say why.
func askFilters(ctx context.Context, client redis.UniversalClient, cfg *config.Config) []Finding {
	ctx, cancel := context.WithTimeout(ctx, redisTime)
	defer cancel()
	store, err := redisstore.New(client, redisstore.Config{Prefix: cfg.RedisPrefix})
	if err != nil {
		return nil
	}
	named, err := store.Named(redisstore.NamedConfig{})
	if err != nil {
		return nil
	}
	n, err := named.Count(ctx)
	if err != nil {
		return nil
	}
	found := []Finding{filters(n, cfg.MaxFilters).as("redis.filters", "")}
	own, err := store.Own(redisstore.OwnConfig{})
	if err != nil || !cfg.P2P {
		return found
	}
	if n, err = own.Count(ctx); err != nil {
		return found
	}
	return append(found, ownQueues(n, cfg.MaxP2PQueues).as("redis.p2p", ""))
}

// ownQueues judges how many clients have had a queue of their own.
func ownQueues(n, most int64) Finding {
	const remedy = "give clients ids that stay the same, raise MAX_P2P_QUEUES and the brokers' maxLmqConsumeQueueNum, or set P2P=false if nothing is sent to first/p2p/<client id>"
	text := strconv.FormatInt(n, 10) + " different client ids ever had a queue of their own"
	switch {
	case most == 0:
		return fine("%s", text)
	case n >= most:
		return failure(remedy, "%s, which is MAX_P2P_QUEUES=%d: new ones get none, and nothing that is sent to them point to point", text, most)
	case n >= most/10*8:
		return warning(remedy, "%s; from MAX_P2P_QUEUES=%d on new ones get none", text, most)
	}
	return fine("%s, of %d (MAX_P2P_QUEUES)", text, most)
}

// filters judges how many queues the brokers have been told of: they never forget one.
func filters(n, most int64) Finding {
	const remedy = "raise MAX_FILTERS and the brokers' maxLmqConsumeQueueNum; see why clients subscribe to ever new filters (lmqgate topics)"
	text := strconv.FormatInt(n, 10) + " different filters were ever subscribed to"
	switch {
	case most == 0:
		return fine("%s", text)
	case n >= most:
		return failure(remedy, "%s, which is MAX_FILTERS=%d: new ones are refused", text, most)
	case n >= most/10*8:
		return warning(remedy, "%s; from MAX_FILTERS=%d on new ones are refused", text, most)
	}
	return fine("%s, of %d (MAX_FILTERS)", text, most)
}

// tryChannel sends a word to itself.
func tryChannel(ctx context.Context, client redis.UniversalClient, channel string) error {
	sub := client.Subscribe(ctx, channel)
	defer func() { _ = sub.Close() }()
	if _, err := sub.Receive(ctx); err != nil {
		return err
	}
	if err := client.Publish(ctx, channel, "doctor").Err(); err != nil {
		return err
	}
	_, err := sub.ReceiveMessage(ctx)
	return err
}
