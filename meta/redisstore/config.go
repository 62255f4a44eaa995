package redisstore

import (
	"crypto/tls"
	"crypto/x509"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net/url"
	"os"
	"strings"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/redis/go-redis/v9"
	"github.com/redis/go-redis/v9/maintnotifications"
)

const (
	defaultGrace        = time.Minute
	defaultReconcileAge = 10 * time.Minute
	defaultMaxLog       = 10_000
)

// Config says where Redis is and how the store behaves. The zero value of every field but URL is sane.
type Config struct {
	// URL is redis[s]://[user:password@]host:port[,host:port...][/db][?options of go-redis]. Several hosts are the
	// seeds of a cluster, or Sentinels: then the option sentinel_master may name the master, and sentinel_username
	// and sentinel_password log in to them.
	URL            string
	Cluster        bool        // Redis Cluster: only database 0, keys spread over the nodes
	SentinelMaster string      // name of the master that the Sentinels at URL watch; "" = no Sentinel
	CAFile         string      // PEM file of the authorities that signed the server's certificate; "" = the system's
	TLS            *tls.Config // replaces what the URL's scheme and CAFile say
	Prefix         string      // begins every key; no braces
	PoolSize       int         // connections per node; 0 = 10 per CPU

	Logger     *slog.Logger
	Registerer prometheus.Registerer // nil = no metrics
	Rand       io.Reader             // nil = crypto/rand

	Grace        time.Duration // how long an ended session may stay unsettled before it is handed out again; 0 = 1 min
	ReconcileAge time.Duration // how long Reconcile watches what looks wrong before it acts; 0 = 10 min
	MaxLog       int           // length of the change log of wildcard filters; 0 = 10,000
}

// LogValue keeps the URL's password out of logs.
func (c Config) LogValue() slog.Value {
	shown := "invalid"
	if u, err := url.Parse(firstHost(c.URL)); err == nil {
		shown = u.Scheme + "://" + u.Host
	}
	return slog.GroupValue(slog.String("url", shown), slog.Bool("cluster", c.Cluster),
		slog.String("sentinel_master", c.SentinelMaster), slog.String("prefix", c.Prefix))
}

// options turns the configuration into those of the client.
func (c Config) options() (*redis.UniversalOptions, error) {
	first, extra, err := splitURL(c.URL)
	if err != nil {
		return nil, err
	}
	o, err := redis.ParseURL(first)
	if err != nil {
		return nil, errors.New("parse url: " + redact(err.Error(), c.URL))
	}
	master := c.SentinelMaster
	if master == "" {
		master = extra.query.Get("sentinel_master")
	}
	switch {
	case c.Cluster && master != "":
		return nil, errors.New("cluster and sentinel exclude each other")
	case c.Cluster && o.DB != 0:
		return nil, errors.New("a cluster has database 0 only")
	case !c.Cluster && master == "" && len(extra.hosts) > 0:
		return nil, errors.New("several hosts need cluster mode or a sentinel master")
	}
	security, err := c.tls(o.TLSConfig)
	if err != nil {
		return nil, err
	}
	u := &redis.UniversalOptions{
		Addrs: append([]string{o.Addr}, extra.hosts...), MasterName: master, IsClusterMode: c.Cluster,
		ClientName: o.ClientName, DB: o.DB, Protocol: 2, Username: o.Username, Password: o.Password,
		SentinelUsername: extra.query.Get("sentinel_username"), SentinelPassword: extra.query.Get("sentinel_password"),
		MaxRetries: o.MaxRetries, MinRetryBackoff: o.MinRetryBackoff, MaxRetryBackoff: o.MaxRetryBackoff,
		DialTimeout: o.DialTimeout, DialerRetries: 1, ReadTimeout: o.ReadTimeout, WriteTimeout: o.WriteTimeout,
		ContextTimeoutEnabled: true, PoolFIFO: o.PoolFIFO, PoolSize: o.PoolSize, PoolTimeout: o.PoolTimeout,
		MinIdleConns: o.MinIdleConns, MaxIdleConns: o.MaxIdleConns, MaxActiveConns: o.MaxActiveConns,
		ConnMaxIdleTime: o.ConnMaxIdleTime, ConnMaxLifetime: o.ConnMaxLifetime, TLSConfig: security,
		DisableIdentity:          true,
		MaintNotificationsConfig: &maintnotifications.Config{Mode: maintnotifications.ModeDisabled},
	}
	if c.PoolSize > 0 {
		u.PoolSize = c.PoolSize
	}
	return u, nil
}

// tls returns the TLS configuration to use, nil for none. The server's name is left to each address.
func (c Config) tls(fromURL *tls.Config) (*tls.Config, error) {
	if c.TLS != nil {
		return c.TLS, nil
	}
	if fromURL == nil {
		if c.CAFile != "" {
			return nil, errors.New("a CA file needs a rediss:// url")
		}
		return nil, nil
	}
	config := &tls.Config{MinVersion: tls.VersionTLS12, InsecureSkipVerify: fromURL.InsecureSkipVerify}
	if c.CAFile == "" {
		return config, nil
	}
	pem, err := os.ReadFile(c.CAFile)
	if err != nil {
		return nil, fmt.Errorf("read CA file: %w", err)
	}
	config.RootCAs = x509.NewCertPool()
	if !config.RootCAs.AppendCertsFromPEM(pem) {
		return nil, fmt.Errorf("read CA file %s: no certificate in it", c.CAFile)
	}
	return config, nil
}

// moreHosts is what a URL has beyond what go-redis parses.
type moreHosts struct {
	hosts []string
	query url.Values
}

// splitURL takes the further hosts and our own options out of a URL.
func splitURL(raw string) (first string, extra moreHosts, err error) {
	first = firstHost(raw)
	u, err := url.Parse(first)
	if err != nil {
		return "", extra, errors.New("parse url: malformed") // the error would show the password
	}
	_, hosts, _ := strings.Cut(hostList(raw), ",")
	for host := range strings.SplitSeq(hosts, ",") {
		if host = strings.TrimSpace(host); host == "" {
			continue
		}
		if !strings.Contains(host, ":") {
			host += ":6379"
		}
		extra.hosts = append(extra.hosts, host)
	}
	extra.query = make(url.Values)
	query := u.Query()
	for _, name := range []string{"sentinel_master", "sentinel_username", "sentinel_password"} {
		extra.query.Set(name, query.Get(name))
		query.Del(name)
	}
	u.RawQuery = query.Encode()
	return u.String(), extra, nil
}

// hostList is the part of a URL between the user and the path.
func hostList(raw string) string {
	_, rest, _ := strings.Cut(raw, "://")
	if i := strings.IndexAny(rest, "/?#"); i >= 0 {
		rest = rest[:i]
	}
	return rest[strings.LastIndex(rest, "@")+1:]
}

// firstHost drops all hosts but the first.
func firstHost(raw string) string {
	hosts := hostList(raw)
	first, _, _ := strings.Cut(hosts, ",")
	if hosts == first {
		return raw
	}
	return strings.Replace(raw, hosts, first, 1)
}

// redact keeps the URL and its password out of an error's text.
func redact(text, raw string) string {
	text = strings.ReplaceAll(text, raw, "(url)")
	if u, err := url.Parse(firstHost(raw)); err == nil && u.User != nil {
		if password, ok := u.User.Password(); ok && password != "" {
			text = strings.ReplaceAll(text, password, "(password)")
		}
	}
	return text
}
