package config

import (
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/pem"
	"math/big"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
)

func TestRedisOptions(t *testing.T) {
	type seen struct {
		Addrs                []string
		User, Password       string
		DB, Pool             int
		TLS, Cluster         bool
		Master, SentinelUser string
		ReadTimeout          time.Duration
	}
	tests := []struct {
		name    string
		environ []string
		want    seen
	}{
		{
			"single",
			[]string{"REDIS_URL=redis://bob:p%40ss@cache:6380/3?pool_size=7&read_timeout=2s"},
			seen{Addrs: []string{"cache:6380"}, User: "bob", Password: "p@ss", DB: 3, Pool: 7, ReadTimeout: 2 * time.Second},
		},
		{"default port", []string{"REDIS_URL=redis://cache"}, seen{Addrs: []string{"cache:6379"}}},
		{"ipv6", []string{"REDIS_URL=redis://[::1]:6379"}, seen{Addrs: []string{"[::1]:6379"}}},
		{"tls", []string{"REDIS_URL=rediss://:x@cache:6379"}, seen{Addrs: []string{"cache:6379"}, Password: "x", TLS: true}},
		{
			"cluster",
			[]string{"REDIS_URL=redis://a:1,b:2,c", "REDIS_CLUSTER=true"},
			seen{Addrs: []string{"a:1", "b:2", "c:6379"}, Cluster: true},
		},
		{
			"sentinel",
			[]string{"REDIS_URL=redis://:pw@s1:26379,s2:26379/1?sentinel_username=su", "REDIS_SENTINEL_MASTER=main"},
			seen{Addrs: []string{"s1:26379", "s2:26379"}, Password: "pw", DB: 1, Master: "main", SentinelUser: "su"},
		},
		{
			"sentinel by parameter",
			[]string{"REDIS_URL=redis://s1:26379?master_name=main"},
			seen{Addrs: []string{"s1:26379"}, Master: "main"},
		},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			cfg, err := load(append(tt.environ, "NAMESRV_ADDR=h:9876", "AUTH=anonymous"), 0)
			if err != nil {
				t.Fatal(err)
			}
			o, err := cfg.RedisOptions()
			if err != nil {
				t.Fatal(err)
			}
			got := seen{
				o.Addrs, o.Username, o.Password, o.DB, o.PoolSize, o.TLSConfig != nil, o.IsClusterMode,
				o.MasterName, o.SentinelUsername, o.ReadTimeout,
			}
			if diff := cmp.Diff(tt.want, got); diff != "" {
				t.Errorf("(-want +got)\n%s", diff)
			}
			if o.TLSConfig != nil && o.TLSConfig.ServerName != "" {
				t.Errorf("every node would be checked against the name %q", o.TLSConfig.ServerName)
			}
		})
	}
}

func TestWrongRedis(t *testing.T) {
	ca := authority(t)
	tests := []struct{ environ, wrong string }{
		{"REDIS_URL=cache:6379", "REDIS_URL"},
		{"REDIS_URL=http://cache", "REDIS_URL"},
		{"REDIS_URL=redis://", "REDIS_URL"},
		{"REDIS_URL=redis://a:1,b:2", "REDIS_URL"},
		{"REDIS_URL=redis://a:1/x", "REDIS_URL"},
		{"REDIS_URL=redis://a:1?nonsense=1", "REDIS_URL"},
		{"REDIS_URL=redis://a:1/2 REDIS_CLUSTER=true", "REDIS_URL"},
		{"REDIS_URL=redis://a:1 REDIS_CLUSTER=true REDIS_SENTINEL_MASTER=m", "REDIS_CLUSTER"},
		{"REDIS_URL=redis://a:1 REDIS_CA_FILE=" + ca, "REDIS_CA_FILE"},
		{"REDIS_URL=rediss://a:1 REDIS_CA_FILE=" + ca, ""},
		{"REDIS_URL=rediss://a:1 REDIS_CA_FILE=/nonexistent", "REDIS_CA_FILE"},
		{"REDIS_URL=rediss://a:1 REDIS_CA_FILE=" + empty(t), "REDIS_CA_FILE"},
	}
	for _, tt := range tests {
		t.Run(tt.environ, func(t *testing.T) {
			_, err := load(append(strings.Fields(tt.environ), "NAMESRV_ADDR=h:9876", "AUTH=anonymous"), 0)
			if got := strings.Join(names(t, err), " "); got != tt.wrong {
				t.Errorf("wrong variables %q, want %q; error:\n%v", got, tt.wrong, err)
			}
		})
	}
}

func TestRedisAuthorityIsUsed(t *testing.T) {
	cfg, err := load([]string{"REDIS_URL=rediss://a:1", "REDIS_CA_FILE=" + authority(t), "NAMESRV_ADDR=h:1", "AUTH=anonymous"}, 0)
	if err != nil {
		t.Fatal(err)
	}
	o, err := cfg.RedisOptions()
	if err != nil {
		t.Fatal(err)
	}
	if o.TLSConfig.RootCAs == nil {
		t.Error("REDIS_CA_FILE is not among the roots")
	}
}

func TestRedisOptionsOfEmbedded(t *testing.T) {
	cfg, err := load(nil, 0)
	if err != nil {
		t.Fatal(err)
	}
	if _, err := cfg.RedisOptions(); err == nil {
		t.Error("options for a Redis that has no address yet")
	}
}

// authority writes a self-signed certificate and returns its file.
func authority(t *testing.T) string {
	t.Helper()
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	template := &x509.Certificate{
		SerialNumber: big.NewInt(1), Subject: pkix.Name{CommonName: "test authority"},
		NotAfter: time.Now().Add(time.Hour), IsCA: true, BasicConstraintsValid: true,
	}
	der, err := x509.CreateCertificate(rand.Reader, template, template, &key.PublicKey, key)
	if err != nil {
		t.Fatal(err)
	}
	file := filepath.Join(t.TempDir(), "ca.pem")
	if err := os.WriteFile(file, pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: der}), 0o600); err != nil {
		t.Fatal(err)
	}
	return file
}

func empty(t *testing.T) string {
	t.Helper()
	file := filepath.Join(t.TempDir(), "empty.pem")
	if err := os.WriteFile(file, nil, 0o600); err != nil {
		t.Fatal(err)
	}
	return file
}
