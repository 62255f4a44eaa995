package doctor

import (
	"context"
	"crypto/tls"
	"crypto/x509"
	"errors"
	"maps"
	"net/http/httptest"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/redis/go-redis/v9"

	"lmqgate/infra/config"
)

// healthy is what a Redis says with which nothing is wrong.
func healthy() map[string]string {
	return map[string]string{
		"redis_version": "7.2.4", "role": "master", "maxmemory_policy": "noeviction", "maxmemory": "1073741824", "used_memory": "1048576",
		"aof_enabled": "1", "aof_last_write_status": "ok", "connected_slaves": "1", "slave0": "ip=10.0.0.2,port=6379,state=online,offset=1,lag=0",
		"connected_clients": "10", "maxclients": "10000", "cluster_enabled": "0",
	}
}

// TestRedisChecks breaks one thing at a time in what a Redis says, and looks at which check finds it and what it advises.
func TestRedisChecks(t *testing.T) {
	for _, tt := range []struct {
		name   string
		state  string // name=value words that are other
		conf   map[string]string
		cfg    config.Config
		check  string
		grade  Grade
		remedy string
	}{
		{name: "evicts", state: "maxmemory_policy=allkeys-lru", check: "redis.eviction", grade: Fail, remedy: "noeviction"},
		{name: "evicts what expires", state: "maxmemory_policy=volatile-lru", check: "redis.eviction", grade: Warn, remedy: "noeviction"},
		{name: "would evict", state: "maxmemory_policy=allkeys-lfu maxmemory=0", check: "redis.eviction", grade: Warn, remedy: "noeviction"},
		{name: "does not tell whether it evicts", state: "maxmemory_policy=", check: "redis.eviction", grade: Warn, remedy: "noeviction"},
		{name: "keeps nothing", state: "aof_enabled=0 connected_slaves=0", conf: map[string]string{"save": ""}, check: "redis.persistence", grade: Fail, remedy: "appendonly"},
		{name: "keeps nothing but on replicas", state: "aof_enabled=0", conf: map[string]string{"save": ""}, check: "redis.persistence", grade: Warn, remedy: "appendonly"},
		{name: "snapshots", state: "aof_enabled=0", conf: map[string]string{"save": "3600 1"}, check: "redis.persistence", grade: Warn, remedy: "appendonly"},
		{name: "does not tell whether it keeps", state: "aof_enabled=0", check: "redis.persistence", grade: Warn, remedy: "appendonly"},
		{name: "cannot save", state: "aof_enabled=0 rdb_last_bgsave_status=err", conf: map[string]string{"save": "1 1"}, check: "redis.persistence", grade: Fail, remedy: "disk"},
		{name: "cannot append", state: "aof_last_write_status=err", check: "redis.persistence", grade: Fail, remedy: "disk"},
		{name: "leaves it to the system when", conf: map[string]string{"appendfsync": "no"}, check: "redis.persistence", grade: Warn, remedy: "everysec"},
		{name: "old", state: "redis_version=6.0.16", check: "redis.version", grade: Fail, remedy: "6.2"},
		{name: "nameless", state: "redis_version=", check: "redis.version", grade: Warn, remedy: "6.2"},
		{name: "replica", state: "role=slave master_host=10.0.0.1 master_port=6379", check: "redis.role", grade: Fail, remedy: "REDIS_SENTINEL_MASTER"},
		{name: "loading", state: "loading=1", check: "redis.role", grade: Fail, remedy: "wait"},
		{name: "cluster unasked", state: "cluster_enabled=1", check: "redis.kind", grade: Fail, remedy: "REDIS_CLUSTER=true"},
		{name: "no cluster", cfg: config.Config{RedisCluster: true}, check: "redis.kind", grade: Fail, remedy: "REDIS_CLUSTER"},
		{name: "filling", state: "used_memory=900000000", check: "redis.memory", grade: Warn, remedy: "maxmemory"},
		{name: "full", state: "used_memory=1073741824", check: "redis.memory", grade: Fail, remedy: "maxmemory"},
		{name: "machine full", state: "maxmemory=0 total_system_memory=1048577", check: "redis.memory", grade: Fail, remedy: "maxmemory"},
		{name: "replica that does not follow", state: "slave0=ip=10.0.0.2,state=wait_bgsave", check: "redis.replicas", grade: Warn, remedy: "sync"},
		{name: "nobody to take over", state: "connected_slaves=0", cfg: config.Config{RedisSentinelMaster: "m"}, check: "redis.replicas", grade: Warn, remedy: "replica"},
		{name: "crowded", state: "connected_clients=9000", check: "redis.clients", grade: Warn, remedy: "maxclients"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			n := &redisNode{addr: "10.0.0.1:6379", info: healthy(), conf: tt.conf, ping: time.Millisecond}
			for word := range strings.FieldsSeq(tt.state) {
				name, value, _ := strings.Cut(word, "=")
				n.info[name] = value
			}
			for _, c := range redisChecks() {
				f, arises := c.ask(n, &tt.cfg)
				switch {
				case c.name == tt.check && (!arises || f.Grade != tt.grade || !strings.Contains(f.Remedy, tt.remedy)):
					t.Errorf("%s: %+v", c.name, f)
				case c.name != tt.check && arises && f.Grade != OK:
					t.Errorf("%s: %+v, which is well", c.name, f)
				}
			}
		})
	}
}

func TestRedisHealthy(t *testing.T) {
	for _, conf := range []map[string]string{nil, {"save": "", "appendfsync": "everysec"}, {"appendfsync": "always"}} {
		n := &redisNode{info: healthy(), conf: conf}
		for _, c := range redisChecks() {
			if f, arises := c.ask(n, &config.Config{}); arises && (f.Grade != OK || f.Remedy != "" || f.Text == "") {
				t.Errorf("%s: %+v", c.name, f)
			}
		}
	}
}

func TestPing(t *testing.T) {
	for took, want := range map[time.Duration]Grade{time.Millisecond: OK, 15 * time.Millisecond: Warn, 2 * time.Second: Fail} {
		if f, _ := askPing(&redisNode{ping: took}, nil); f.Grade != want {
			t.Errorf("%v: %+v", took, f)
		}
	}
}

func TestClock(t *testing.T) {
	for _, tt := range []struct {
		offset, unsure time.Duration
		want           Grade
		text           string
	}{
		{0, 0, OK, "ours"},
		{-time.Second, 0, OK, "ours"},
		{10 * time.Second, 0, Warn, "ahead"},
		{-10 * time.Second, 0, Warn, "behind"},
		{10 * time.Second, 9 * time.Second, OK, "ours"}, // the answer took that long
		{-2 * time.Hour, 0, Fail, "behind"},
	} {
		if f := clock(tt.offset, tt.unsure); f.Grade != tt.want || !strings.Contains(f.Text, tt.text) {
			t.Errorf("%v: %+v", tt.offset, f)
		}
	}
}

// fakeRedis answers commands by their words; others with an error.
type fakeRedis map[string]any

func (r fakeRedis) Do(ctx context.Context, args ...any) *redis.Cmd {
	words := make([]string, len(args))
	for i, a := range args {
		words[i] = a.(string)
	}
	cmd := redis.NewCmd(ctx, args...)
	switch v := r[strings.Join(words, " ")].(type) {
	case nil:
		cmd.SetErr(errors.New("ERR unknown command"))
	case error:
		cmd.SetErr(v)
	default:
		cmd.SetVal(v)
	}
	return cmd
}

// TestInterview: the clock of a Redis that is 90 s behind, and one that refuses CONFIG.
func TestInterview(t *testing.T) {
	r := fakeRedis{
		"PING": "PONG", "INFO": "# Server\r\nredis_version:7.0.15\r\n\r\nrole:master\r\n",
		"TIME": []any{"1000000", "500000"},
	}
	n, err := interview(t.Context(), r, "a:1", func() time.Time { return time.Unix(1000090, 0) })
	if err != nil {
		t.Fatal(err)
	}
	if off := n.offset + 90*time.Second; off < -2*time.Second || off > time.Second || n.conf != nil || n.info["redis_version"] != "7.0.15" {
		t.Errorf("%+v", n)
	}
	r["CONFIG GET save"], r["CONFIG GET appendfsync"] = []any{"save", "3600 1"}, []any{"appendfsync", "everysec"}
	if n, err = interview(t.Context(), r, "a:1", time.Now); err != nil || !maps.Equal(n.conf, map[string]string{"save": "3600 1", "appendfsync": "everysec"}) {
		t.Errorf("%+v, %v", n, err)
	}
	for _, broken := range []string{"PING", "INFO", "TIME"} {
		other := maps.Clone(r)
		other[broken] = errors.New("NOPERM no")
		if _, err := interview(t.Context(), other, "a:1", time.Now); err == nil {
			t.Errorf("without %s there is nothing to judge", broken)
		}
	}
}

func TestSentinel(t *testing.T) {
	state := func(words string) fakeRedis {
		reply := []any{"ip", "10.0.0.1", "port", "6379"}
		for word := range strings.FieldsSeq(words) {
			name, value, _ := strings.Cut(word, "=")
			reply = append(reply, name, value)
		}
		return fakeRedis{"SENTINEL MASTER m": reply}
	}
	for _, tt := range []struct {
		redis  fakeRedis
		grade  Grade
		remedy string
	}{
		{state("flags=master num-other-sentinels=2 quorum=2 num-slaves=1"), OK, ""},
		{state("flags=s_down,o_down,master num-other-sentinels=2 quorum=2 num-slaves=1"), Fail, "replica"},
		{state("flags=master num-other-sentinels=0 quorum=2 num-slaves=1"), Fail, "quorum"},
		{state("flags=master num-other-sentinels=2 quorum=2 num-slaves=0"), Warn, "replica"},
		{state("flags=master num-other-sentinels=0 quorum=1 num-slaves=1"), Warn, "three"},
		{fakeRedis{"SENTINEL MASTER m": errors.New("ERR No such master with that name")}, Fail, "REDIS_SENTINEL_MASTER"},
		{fakeRedis{}, Fail, "26379"},
		{fakeRedis{"SENTINEL MASTER m": errors.New("NOAUTH Authentication required.")}, Fail, "password"},
	} {
		if f := askSentinel(t.Context(), tt.redis, "m"); f.Grade != tt.grade || !strings.Contains(f.Remedy, tt.remedy) {
			t.Errorf("%v: %+v", tt.redis, f)
		}
	}
}

// TestCertificates looks at the certificate of a server with TLS, and of one whose authority nobody knows.
func TestCertificates(t *testing.T) {
	s := httptest.NewTLSServer(nil)
	defer s.Close()
	pool := x509.NewCertPool()
	pool.AddCert(s.Certificate())
	addr := s.Listener.Addr().String()
	opt := &redis.UniversalOptions{Addrs: []string{addr}, TLSConfig: &tls.Config{RootCAs: pool}}
	now := s.Certificate().NotAfter.Add(-time.Hour)
	if f := examineCertificates(t.Context(), opt, func() time.Time { return now }); len(f) != 1 || f[0].Grade != Warn || f[0].Of != addr {
		t.Errorf("%+v", f)
	}
	opt.TLSConfig = &tls.Config{}
	if f := examineCertificates(t.Context(), opt, time.Now); len(f) != 0 {
		t.Errorf("%+v", f)
	}
	opt.TLSConfig = nil
	if f := examineCertificates(t.Context(), opt, time.Now); len(f) != 0 {
		t.Errorf("%+v", f)
	}
}

func TestFilters(t *testing.T) {
	for n, want := range map[int64]Grade{0: OK, 79: OK, 80: Warn, 100: Fail} {
		if f := filters(n, 100); f.Grade != want {
			t.Errorf("%d: %+v", n, f)
		}
	}
	if f := filters(1<<40, 0); f.Grade != OK {
		t.Errorf("no limit: %+v", f)
	}
}

func TestOwnQueues(t *testing.T) {
	for n, want := range map[int64]Grade{0: OK, 79: OK, 80: Warn, 100: Fail} {
		if f := ownQueues(n, 100); f.Grade != want {
			t.Errorf("%d: %+v", n, f)
		}
	}
	if f := ownQueues(1<<40, 0); f.Grade != OK {
		t.Errorf("no limit: %+v", f)
	}
}

func TestClusterState(t *testing.T) {
	for text, want := range map[string]Grade{
		"cluster_state:ok\r\ncluster_slots_ok:16384\r\n":   OK,
		"cluster_state:ok\r\ncluster_slots_ok:16000\r\n":   Warn,
		"cluster_state:fail\r\ncluster_slots_ok:10923\r\n": Fail,
	} {
		if f := clusterState(infoTable(text)); f.Grade != want {
			t.Errorf("%q: %+v", text, f)
		}
	}
}

// TestChecksHaveNames: programs tell checks by their names.
func TestChecksHaveNames(t *testing.T) {
	var names []string
	for _, c := range redisChecks() {
		names = append(names, c.name)
	}
	for _, c := range brokerChecks() {
		names = append(names, c.name)
	}
	for _, c := range environmentChecks() {
		names = append(names, c.name)
	}
	slices.Sort(names)
	if len(slices.Compact(slices.Clone(names))) != len(names) {
		t.Errorf("a name stands twice: %q", names)
	}
}
