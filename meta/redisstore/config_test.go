package redisstore

import (
	"crypto/tls"
	"fmt"
	"log/slog"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/redis/go-redis/v9"
)

func TestOptions(t *testing.T) {
	bad := filepath.Join(t.TempDir(), "bad.pem")
	if err := os.WriteFile(bad, []byte("no certificate"), 0o600); err != nil {
		t.Fatal(err)
	}
	for _, c := range []struct {
		name   string
		config Config
		want   string // of show, or the beginning of the error
	}{
		{"plain", Config{URL: "redis://h:1/3?read_timeout=6s"}, "addrs=[h:1] db=3 user= password= master= cluster=false tls=false pool=0"},
		{"user", Config{URL: "redis://u:p%40ss@h", PoolSize: 7}, "addrs=[h:6379] db=0 user=u password=p@ss master= cluster=false tls=false pool=7"},
		{"cluster", Config{URL: "redis://u:p@h1:1,h2,h3:3", Cluster: true}, "addrs=[h1:1 h2:6379 h3:3] db=0 user=u password=p master= cluster=true tls=false pool=0"},
		{"cluster of one seed", Config{URL: "rediss://h1:1", Cluster: true}, "addrs=[h1:1] db=0 user= password= master= cluster=true tls=true pool=0"},
		{"sentinel", Config{URL: "redis://:p@h1:1,h2:2/2", SentinelMaster: "m"}, "addrs=[h1:1 h2:2] db=2 user= password=p master=m cluster=false tls=false pool=0"},
		{"sentinel in url", Config{URL: "redis://h1:1,h2:2?sentinel_master=m&pool_size=4"}, "addrs=[h1:1 h2:2] db=0 user= password= master=m cluster=false tls=false pool=4"},
		{"own tls", Config{URL: "redis://h", TLS: &tls.Config{}}, "addrs=[h:6379] db=0 user= password= master= cluster=false tls=true pool=0"},
		{"several hosts", Config{URL: "redis://h1,h2"}, "several hosts"},
		{"both", Config{URL: "redis://h1", Cluster: true, SentinelMaster: "m"}, "cluster and sentinel"},
		{"cluster db", Config{URL: "redis://h1/1", Cluster: true}, "a cluster has database 0 only"},
		{"ca without tls", Config{URL: "redis://h1", CAFile: bad}, "a CA file needs"},
		{"ca missing", Config{URL: "rediss://h1", CAFile: bad + "x"}, "read CA file: "},
		{"ca empty", Config{URL: "rediss://h1", CAFile: bad}, "read CA file"},
		{"unknown option", Config{URL: "redis://u:hush@h1?colour=red"}, "parse url: redis: unexpected option: colour"},
		{"scheme", Config{URL: "http://u:hush@h1"}, "parse url: redis: invalid URL scheme"},
		{"port", Config{URL: "redis://u:hush@h1:port"}, "parse url: malformed"},
		{"empty", Config{}, "parse url: "},
	} {
		t.Run(c.name, func(t *testing.T) {
			o, err := c.config.options()
			got := ""
			if err != nil {
				got = err.Error()
			} else {
				got = show(o)
			}
			if !strings.HasPrefix(got, c.want) {
				t.Errorf("got  %s\nwant %s", got, c.want)
			}
			if strings.Contains(got, "hush") {
				t.Errorf("the password is in %q", got)
			}
			if o != nil && o.TLSConfig != nil && o.TLSConfig.ServerName != "" {
				t.Error("one server name for all nodes")
			}
		})
	}
}

func show(o *redis.UniversalOptions) string {
	return fmt.Sprintf("addrs=%v db=%d user=%s password=%s master=%s cluster=%v tls=%v pool=%d",
		slices.Clone(o.Addrs), o.DB, o.Username, o.Password, o.MasterName, o.IsClusterMode, o.TLSConfig != nil, o.PoolSize)
}

func TestConfigHidesPassword(t *testing.T) {
	var b strings.Builder
	log := slog.New(slog.NewTextHandler(&b, nil))
	log.Info("open", "redis", Config{URL: "redis://u:hush@h1:1,h2:2/0?sentinel_password=hush", Prefix: "p:"})
	log.Info("open", "redis", Config{URL: "redis://u:hush@h1:x"})
	if out := b.String(); strings.Contains(out, "hush") || !strings.Contains(out, "redis://h1:1") {
		t.Error(out)
	}
}

func TestPrefix(t *testing.T) {
	if _, err := Open(Config{URL: "redis://h", Prefix: "a{b"}); err == nil {
		t.Error("a prefix with a brace is taken")
	}
}
