package gateway

import (
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/tls"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/pem"
	"io"
	"math/big"
	"net"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/alicebob/miniredis/v2"

	"lmqgate/adapter/packet"
	"lmqgate/infra/minimq"
)

// launched starts a gateway, with its log.
func launched(t *testing.T, env ...string) (*Gateway, *screen) {
	t.Helper()
	log := &screen{}
	g, err := New(load(t, append([]string{"AUTH=anonymous", "LOG_FORMAT=text"}, env...)...), Options{Err: log})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		stop(t, g)
		if t.Failed() {
			t.Logf("log:\n%s", log)
		}
	})
	if err := g.Start(t.Context()); err != nil {
		t.Fatalf("start: %v", err)
	}
	return g, log
}

// finds waits until a check says something in particular.
func finds(t *testing.T, g *Gateway, name, want string) {
	t.Helper()
	for deadline := time.Now().Add(patience); ; {
		_, checks := health(t, g)
		if checks[name] == want {
			return
		}
		if time.Now().After(deadline) {
			t.Fatalf("%s stays %q, want %q", name, checks[name], want)
		}
		<-time.After(10 * time.Millisecond) // nothing waits for it but the machine
	}
}

// says waits until the log has all the words.
func says(t *testing.T, log *screen, words ...string) {
	t.Helper()
	for deadline := time.Now().Add(patience); ; <-time.After(10 * time.Millisecond) {
		missing := ""
		for _, w := range words {
			if !strings.Contains(log.String(), w) {
				missing = w
			}
		}
		if missing == "" {
			return
		}
		if time.Now().After(deadline) {
			t.Fatalf("not in the log: %s\n%s", missing, log)
		}
	}
}

// serves has a client publish to a topic that no broker has yet, and get it.
func serves(t *testing.T, g *Gateway) {
	t.Helper()
	becomes(t, g, http.StatusOK)
	c, ack := dial(t, g, connect("served", 0))
	if ack.Code != packet.Success {
		t.Fatalf("CONNACK %v", ack.Code)
	}
	c.subscribe("fresh/topic", 0)
	p, _ := dial(t, g, connect("serves", 0)) // another client: its PUBACK and the message may come in any order
	p.publish("fresh/topic", "x")
	if p, ok := c.next().(*packet.Publish); !ok || string(p.Payload) != "x" {
		t.Errorf("got %+v", p)
	}
}

func refuses(t *testing.T, g *Gateway) {
	t.Helper()
	if _, ack := dial(t, g, connect("early", 0)); ack.Code != packet.ServerUnavailable {
		t.Errorf("CONNACK %v", ack.Code)
	}
}

// TestOrders: dependencies that come late, one after the other in any order, and partly.
func TestOrders(t *testing.T) {
	type world struct {
		redis *miniredis.Miniredis
		mq    *minimq.Server
	}
	redisUp := func(t *testing.T, w world) { must(t, w.redis.Restart()) }
	rocketUp := func(t *testing.T, w world) { must(t, w.mq.Start()) }
	namesUp := func(t *testing.T, w world) {
		must(t, w.mq.Start())
		w.mq.Faults().Down()
	}
	brokerUp := func(t *testing.T, w world) { must(t, w.mq.Faults().Up()) }
	for _, tt := range []struct {
		name  string
		steps []func(*testing.T, world)
		redis []string // what is said behind each step, but the last
		mq    []string
	}{
		{"Redis first", []func(*testing.T, world){redisUp, rocketUp}, []string{"ok"}, []string{"not reachable"}},
		{"RocketMQ first", []func(*testing.T, world){rocketUp, redisUp}, []string{"not reachable"}, []string{"ok"}},
		{"broker last", []func(*testing.T, world){namesUp, redisUp, brokerUp}, []string{"not reachable", "ok"}, []string{"no broker", "no broker"}},
	} {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			w := world{miniredis.RunT(t), minimq.Run(t)}
			environ := []string{env("REDIS_URL", "redis://"+w.redis.Addr()), env("NAMESRV_ADDR", w.mq.Addr())}
			w.redis.Close()
			must(t, w.mq.Close())
			g, log := launched(t, environ...)
			finds(t, g, redisCheck, "not reachable")
			finds(t, g, rocketCheck, "not reachable")
			says(t, log, "waiting for Redis", "waiting for RocketMQ") // what comes sooner is not mentioned
			for i, step := range tt.steps {
				refuses(t, g)
				step(t, w)
				if i == len(tt.redis) {
					break
				}
				finds(t, g, redisCheck, tt.redis[i])
				finds(t, g, rocketCheck, tt.mq[i])
			}
			serves(t, g)
			says(t, log, "waiting for Redis", "waiting for RocketMQ", "REDIS_URL", "NAMESRV_ADDR",
				`"Redis is reachable"`, `"RocketMQ is reachable"`, `refusing clients with`)
			if n := strings.Count(log.String(), "refusing clients"); n > 2 {
				t.Errorf("%d lines about refused clients", n)
			}
		})
	}
}

func must(t *testing.T, err error) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
}

// TestRedisAnswersErrors: a Redis that answers but not as it should makes the instance not ready, says what to do, and
// is taken as it is when it answers again: at start, and later.
func TestRedisAnswersErrors(t *testing.T) {
	for _, tt := range []struct{ answer, public, remedy string }{
		{"LOADING Redis is loading the dataset in memory", "loading its data", "will answer by itself"},
		{"MASTERDOWN Link with MASTER is down and replica-serve-stale-data is set to 'no'.", "without its master", "REDIS_URL"},
		{"READONLY You can't write against a read only replica.", "read-only", "REDIS_URL"},
		{"NOAUTH Authentication required.", "login refused", "REDIS_URL"},
		{"OOM command not allowed when used memory > 'maxmemory'.", "out of memory", "maxmemory"},
	} {
		t.Run(strings.Fields(tt.answer)[0], func(t *testing.T) {
			t.Parallel()
			redis, mq := miniredis.RunT(t), minimq.Run(t)
			redis.SetError(tt.answer)
			g, log := launched(t, env("REDIS_URL", "redis://"+redis.Addr()), env("NAMESRV_ADDR", mq.Addr()))
			finds(t, g, redisCheck, tt.public)
			refuses(t, g)
			says(t, log, "waiting for Redis") // what comes sooner is not mentioned
			redis.SetError("")
			serves(t, g)
			redis.SetError(tt.answer)
			finds(t, g, redisCheck, tt.public)
			says(t, log, tt.answer[:12], tt.remedy, "Redis is reachable")
			redis.SetError("")
			serves(t, g)
			says(t, log, "Redis is reachable again")
		})
	}
}

// TestHealthSecrets: who may ask anybody's question learns no address; the operator's own listener says the error.
func TestHealthSecrets(t *testing.T) {
	redis, mq := miniredis.RunT(t), minimq.Run(t)
	redisAddr := redis.Addr()
	redis.Close()
	must(t, mq.Close())
	g, _ := launched(t, env("REDIS_URL", "redis://"+redisAddr), env("NAMESRV_ADDR", mq.Addr()), "METRICS_ADDR=127.0.0.1:0")
	page := func(addr net.Addr) string {
		res, err := http.Get("http://" + addr.String() + "/health/ready")
		must(t, err)
		defer res.Body.Close()
		defer http.DefaultClient.CloseIdleConnections()
		body, err := io.ReadAll(res.Body)
		must(t, err)
		if res.StatusCode != http.StatusServiceUnavailable {
			t.Errorf("status %d", res.StatusCode)
		}
		return string(body)
	}
	finds(t, g, redisCheck, "not reachable")
	finds(t, g, rocketCheck, "not reachable")
	public, inside := page(g.HTTPAddr()), page(g.listeners.metrics.Addr())
	for _, secret := range []string{redisAddr, mq.Addr(), "127.0.0.1", "dial", "REDIS_URL"} {
		if strings.Contains(public, secret) {
			t.Errorf("the public is told %q: %s", secret, public)
		}
	}
	for _, word := range []string{redisAddr, mq.Addr(), "since 20"} {
		if !strings.Contains(inside, word) {
			t.Errorf("the operator is not told %q: %s", word, inside)
		}
	}
	must(t, redis.Restart()) // so that the instance can leave
	finds(t, g, redisCheck, "ok")
}

// certificate makes a certificate of 127.0.0.1 that is valid from then on, and the PEM file of its authority: itself.
func certificate(t *testing.T, from time.Time) (tls.Certificate, *x509.Certificate) {
	t.Helper()
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	must(t, err)
	c := &x509.Certificate{
		SerialNumber: big.NewInt(time.Now().UnixNano()), Subject: pkix.Name{CommonName: "redis"}, IPAddresses: []net.IP{net.IPv4(127, 0, 0, 1)},
		NotBefore: from, NotAfter: from.Add(24 * time.Hour), IsCA: true, BasicConstraintsValid: true,
		KeyUsage: x509.KeyUsageDigitalSignature | x509.KeyUsageCertSign,
	}
	der, err := x509.CreateCertificate(rand.Reader, c, c, &key.PublicKey, key)
	must(t, err)
	parsed, err := x509.ParseCertificate(der)
	must(t, err)
	return tls.Certificate{Certificate: [][]byte{der}, PrivateKey: key}, parsed
}

// TestRedisTLSNotYetValid: a certificate that is not valid yet is no reason to end, and once another one is there the
// instance serves.
func TestRedisTLSNotYetValid(t *testing.T) {
	early, earlyRoot := certificate(t, time.Now().Add(time.Hour))
	valid, validRoot := certificate(t, time.Now().Add(-time.Hour))
	var now atomic.Pointer[tls.Certificate]
	now.Store(&early)
	redis, err := miniredis.RunTLS(&tls.Config{GetCertificate: func(*tls.ClientHelloInfo) (*tls.Certificate, error) { return now.Load(), nil }})
	must(t, err)
	t.Cleanup(redis.Close)
	file := filepath.Join(t.TempDir(), "ca.pem")
	var ca []byte
	for _, root := range []*x509.Certificate{earlyRoot, validRoot} {
		ca = append(ca, pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: root.Raw})...)
	}
	must(t, os.WriteFile(file, ca, 0o600))
	g, log := launched(t, env("REDIS_URL", "rediss://"+redis.Addr()), env("REDIS_CA_FILE", file), env("NAMESRV_ADDR", minimq.Run(t).Addr()))
	finds(t, g, redisCheck, "certificate not accepted")
	says(t, log, "not valid now")
	refuses(t, g)
	now.Store(&valid)
	serves(t, g)
}

// TestAddressMoves: names are looked up anew for every connection, so one that was wrong, or whose server moved, becomes right
// without a restart.
func TestAddressMoves(t *testing.T) {
	names := newNames(t)
	redis, mq := miniredis.RunT(t), minimq.Run(t)
	redisRelay, mqRelay := relayed(t, "127.0.0.2:0", redis.Addr()), relayed(t, "127.0.0.2:0", mq.Addr())
	port := func(r *forwarder) string { _, p, _ := net.SplitHostPort(r.addr()); return p }
	relayed(t, "127.0.0.4:"+port(redisRelay), redis.Addr())
	g, _ := launched(t, env("REDIS_URL", "redis://redis.moves.test:"+port(redisRelay)), env("NAMESRV_ADDR", "mq.moves.test:"+port(mqRelay)))
	finds(t, g, redisCheck, "not reachable") // no such name
	names.set("redis.moves.test.", "127.0.0.3")
	names.set("mq.moves.test.", "127.0.0.3")
	finds(t, g, rocketCheck, "not reachable") // nobody there
	names.set("redis.moves.test.", "127.0.0.2")
	names.set("mq.moves.test.", "127.0.0.2")
	serves(t, g)
	redisRelay.stop()
	names.set("redis.moves.test.", "127.0.0.4")
	finds(t, g, redisCheck, "ok")
	serves(t, g)
}

// TestRedisHangs: with a Redis that takes connections and says nothing, clients are refused at once, probes are answered, and
// the number of goroutines and connections is bounded however many come.
func TestRedisHangs(t *testing.T) {
	redis := miniredis.RunT(t)
	r := relayed(t, "127.0.0.1:0", "")
	g, log := launched(t, env("REDIS_URL", "redis://"+r.addr()), env("NAMESRV_ADDR", minimq.Run(t).Addr()))
	for range 100 {
		refuses(t, g)
	}
	finds(t, g, redisCheck, "no answer")
	if n := strings.Count(log.String(), "refusing clients"); n == 0 || n > 20 {
		t.Errorf("%d lines about refused clients", n)
	}
	r.mu.Lock()
	links := len(r.links)
	r.mu.Unlock()
	if links > 100 {
		t.Errorf("%d connections to Redis", links)
	}
	r.to(redis.Addr())
	serves(t, g)
}

// TestNameServerAway: while the brokers go on, nobody misses the name server; with one broker of two away the instance goes
// on, too.
func TestNameServerAway(t *testing.T) {
	mq := minimq.RunWith(t, minimq.Config{Brokers: 2})
	names := relayed(t, "127.0.0.1:0", mq.Addr())
	g, log := launched(t, env("REDIS_URL", "redis://"+miniredis.RunT(t).Addr()), env("NAMESRV_ADDR", names.addr()))
	serves(t, g)
	names.stop()
	mq.Brokers()[0].Faults().Down() // it is still known
	w := g.monitor.find(rocketCheck)
	for range 3 {
		<-w.begin()
		if f := w.now(); f.err != nil {
			t.Errorf("not ready: %v", f.err)
		}
	}
	becomes(t, g, http.StatusOK)
	says(t, log, "no name server answers, going on with the brokers known")
	mq.Brokers()[1].Faults().Down()
	finds(t, g, rocketCheck, "not reachable")
	must(t, mq.Brokers()[1].Faults().Up())
	finds(t, g, rocketCheck, "ok")
}
