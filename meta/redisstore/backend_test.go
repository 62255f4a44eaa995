package redisstore_test

import (
	"context"
	"crypto/rand"
	"encoding/hex"
	"os"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/alicebob/miniredis/v2"
	"github.com/redis/go-redis/v9"

	"lmqgate/meta/metatest"
	"lmqgate/meta/redisstore"
)

const (
	realEnv    = "LMQGATE_TEST_REDIS"
	clusterEnv = "LMQGATE_TEST_REDIS_CLUSTER"
)

// benchURL names the real server for benchmarks.
func benchURL() string { return os.Getenv(realEnv) }

// server is one Redis under test and a prefix of its own in it.
type server struct {
	config redisstore.Config
	raw    redis.UniversalClient // for what a test does behind the store's back
	mini   *miniredis.Miniredis  // nil when the server is real
}

// onServers runs a test on every server there is: miniredis always, the others when the environment names them.
func onServers(t *testing.T, test func(t *testing.T, open func(t *testing.T) *server)) {
	t.Run("miniredis", func(t *testing.T) { test(t, openMini) })
	t.Run("single", func(t *testing.T) {
		url := os.Getenv(realEnv)
		if url == "" {
			t.Skipf("%s is not set; it takes redis://host:port", realEnv)
		}
		test(t, func(t *testing.T) *server { return openReal(t, redisstore.Config{URL: url}) })
	})
	t.Run("cluster", func(t *testing.T) {
		seeds := os.Getenv(clusterEnv)
		if seeds == "" {
			t.Skipf("%s is not set; it takes host:port,host:port,host:port", clusterEnv)
		}
		test(t, func(t *testing.T) *server {
			return openReal(t, redisstore.Config{URL: "redis://" + seeds, Cluster: true})
		})
	})
}

// start is where the clock of miniredis stands when a test begins.
var start = time.Date(2026, 3, 1, 12, 0, 0, 0, time.UTC)

func openMini(t *testing.T) *server {
	m := miniredis.RunT(t)
	m.SetTime(start)
	s := &server{config: redisstore.Config{URL: "redis://" + m.Addr(), Prefix: "p:"}, mini: m}
	return s.connect(t)
}

func openReal(t *testing.T, config redisstore.Config) *server {
	var b [6]byte
	_, _ = rand.Read(b[:])
	config.Prefix = "lmqgate-test-" + hex.EncodeToString(b[:]) + ":"
	s := &server{config: config}
	s.connect(t)
	t.Cleanup(func() { s.clear(t) })
	return s
}

func (s *server) connect(t *testing.T) *server {
	s.config.MaxLog, s.config.Grace, s.config.PoolSize = metatest.MaxLog, time.Minute, 8
	hosts := strings.Split(strings.TrimPrefix(s.config.URL, "redis://"), ",")
	s.raw = redis.NewUniversalClient(&redis.UniversalOptions{Addrs: hosts, IsClusterMode: s.config.Cluster, Protocol: 2})
	t.Cleanup(func() { _ = s.raw.Close() })
	return s
}

func (s *server) store(t *testing.T) *redisstore.Store {
	t.Helper()
	store, err := redisstore.Open(s.config)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := store.Close(); err != nil {
			t.Error(err)
		}
	})
	return store
}

func (s *server) now(t *testing.T) time.Time {
	t.Helper()
	now, err := s.raw.Time(t.Context()).Result()
	if err != nil {
		t.Fatal(err)
	}
	return now
}

// pass advances the clock of miniredis; on a real server it asks for the time until it has come.
func (s *server) pass(t *testing.T, d time.Duration) {
	t.Helper()
	now := s.now(t)
	if s.mini != nil {
		s.mini.SetTime(now.Add(d))
		return
	}
	for s.now(t).Sub(now) < d {
	}
}

func (s *server) backend() *metatest.Backend {
	return &metatest.Backend{
		Open: func(t *testing.T) metatest.Store { return s.store(t) },
		Now:  s.now, Pass: s.pass, Jumps: s.mini != nil, Save: s.save, Grace: s.config.Grace,
	}
}

func backends(open func(t *testing.T) *server) metatest.Opener {
	return func(t *testing.T) *metatest.Backend { return open(t).backend() }
}

// names are all keys of the prefix.
func (s *server) names(t *testing.T) []string {
	t.Helper()
	var (
		mu  sync.Mutex // protects all
		all []string
	)
	scan := func(ctx context.Context, node redis.Cmdable) error {
		var cursor uint64
		for {
			page, next, err := node.Scan(ctx, cursor, s.config.Prefix+"*", 1000).Result()
			if err != nil {
				return err
			}
			mu.Lock()
			all = append(all, page...)
			mu.Unlock()
			if cursor = next; cursor == 0 {
				return nil
			}
		}
	}
	var err error
	if c, ok := s.raw.(*redis.ClusterClient); ok {
		err = c.ForEachMaster(context.Background(), func(ctx context.Context, n *redis.Client) error { return scan(ctx, n) })
	} else {
		err = scan(context.Background(), s.raw)
	}
	if err != nil {
		t.Fatal(err)
	}
	return all
}

func (s *server) clear(t *testing.T) {
	t.Helper()
	pipe := s.raw.Pipeline()
	for _, key := range s.names(t) {
		pipe.Del(context.Background(), key)
	}
	if _, err := pipe.Exec(context.Background()); err != nil {
		t.Error(err)
	}
}

// save copies all keys; the function it returns brings them back.
func (s *server) save(t *testing.T) func() {
	t.Helper()
	ctx := t.Context()
	var restore []func(redis.Pipeliner)
	for _, key := range s.names(t) {
		kind, err := s.raw.Type(ctx, key).Result()
		if err != nil {
			t.Fatal(err)
		}
		var put func(redis.Pipeliner)
		switch kind {
		case "string":
			v := s.raw.Get(ctx, key).Val()
			put = func(p redis.Pipeliner) { p.Set(ctx, key, v, 0) }
		case "hash":
			v := s.raw.HGetAll(ctx, key).Val()
			put = func(p redis.Pipeliner) { p.HSet(ctx, key, v) }
		case "set":
			v := s.raw.SMembers(ctx, key).Val()
			put = func(p redis.Pipeliner) { p.SAdd(ctx, key, v) }
		case "list":
			v := s.raw.LRange(ctx, key, 0, -1).Val()
			put = func(p redis.Pipeliner) { p.RPush(ctx, key, v) }
		case "zset":
			v := s.raw.ZRangeWithScores(ctx, key, 0, -1).Val()
			put = func(p redis.Pipeliner) { p.ZAdd(ctx, key, v...) }
		case "hll": // miniredis only, which cannot copy one: that it is there will do
			put = func(p redis.Pipeliner) { p.PFAdd(ctx, key, "saved") }
		default:
			t.Fatalf("%s is a %s", key, kind)
		}
		restore = append(restore, put)
	}
	return func() {
		s.clear(t)
		pipe := s.raw.Pipeline()
		for _, put := range restore {
			put(pipe)
		}
		if _, err := pipe.Exec(ctx); err != nil {
			t.Fatal(err)
		}
	}
}
