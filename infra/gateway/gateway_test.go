package gateway

import (
	"context"
	"fmt"
	"net"
	"net/http"
	"os"
	"regexp"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/alicebob/miniredis/v2"

	"lmqgate/adapter/packet"
	"lmqgate/infra/config"
	"lmqgate/infra/minimq"
	"lmqgate/meta/session"
)

// TestEmbedded: start, one message from end to end, health, stop; nothing is left running.
func TestEmbedded(t *testing.T) {
	noLeaks(t)
	g := start(t, load(t))
	becomes(t, g, http.StatusOK)
	sub, _ := dial(t, g, connect("sub", 0))
	sub.subscribe("chat/#", 1)
	pub, _ := dial(t, g, connect("pub", 0))
	pub.publish("chat/room1", "hello")
	if p, ok := sub.next().(*packet.Publish); !ok || string(p.Payload) != "hello" {
		t.Fatalf("got %+v", p)
	}
	stop(t, g)
	if code := pub.disconnected(); code != packet.ServerShuttingDown {
		t.Errorf("DISCONNECT %v", code)
	}
}

// shared are one Redis and one RocketMQ for several gateways.
func shared(t *testing.T) (*miniredis.Miniredis, *minimq.Server, config.Config) {
	redis, mq := miniredis.RunT(t), minimq.Run(t)
	return redis, mq, load(t, env("REDIS_URL", "redis://"+redis.Addr()), env("NAMESRV_ADDR", mq.Addr()), "AUTH=anonymous", "BIND_ADDR=127.0.0.1")
}

// TestTwoInstances: a message crosses instances, a takeover closes the connection on the other one, and one whose word
// gets lost is noticed by the next write.
func TestTwoInstances(t *testing.T) {
	noLeaks(t)
	_, _, cfg := shared(t)
	a, b := start(t, cfg), start(t, cfg)
	becomes(t, a, http.StatusOK)
	becomes(t, b, http.StatusOK)

	sub, _ := dial(t, a, connect("sub", 3600))
	sub.subscribe("chat/+", 1)
	pub, _ := dial(t, b, connect("pub", 3600))
	pub.publish("chat/1", "across")
	if p, ok := sub.next().(*packet.Publish); !ok || string(p.Payload) != "across" {
		t.Fatalf("got %+v", p)
	}

	again, ack := dial(t, b, connect("sub", 3600))
	if !ack.SessionPresent {
		t.Error("the session is not there on the other instance")
	}
	if code := sub.disconnected(); code != packet.SessionTakenOver {
		t.Errorf("DISCONNECT %v", code)
	}
	if p, ok := again.next().(*packet.Publish); !ok || string(p.Payload) != "across" {
		t.Errorf("unacknowledged message: got %+v", p)
	}

	if _, err := a.store.Attach(t.Context(), session.AttachRequest{ClientID: "pub", Instance: a.id, Expiry: time.Hour, Protocol: 5}); err != nil {
		t.Fatal(err) // and nobody is told
	}
	pub.send(&packet.Publish{Topic: "chat/1", QoS: 2, PacketID: 9})
	if code := pub.disconnected(); code != packet.SessionTakenOver {
		t.Errorf("DISCONNECT %v", code)
	}
}

// TestRedisComesLate: an instance that starts without Redis refuses clients, says why, and serves when Redis is there;
// the same when it goes away in between.
func TestRedisComesLate(t *testing.T) {
	noLeaks(t)
	redis, _, cfg := shared(t)
	redis.Close()
	g := start(t, cfg)
	if checks := becomes(t, g, http.StatusServiceUnavailable); checks["redis"] == "ok" || checks["lease"] == "" {
		t.Errorf("health says %v", checks)
	}
	if _, ack := dial(t, g, connect("c", 0)); ack.Code != packet.ServerUnavailable {
		t.Errorf("CONNACK %v", ack.Code)
	}
	if err := redis.Restart(); err != nil {
		t.Fatal(err)
	}
	becomes(t, g, http.StatusOK)
	c, ack := dial(t, g, connect("c", 3600))
	if ack.Code != packet.Success {
		t.Fatalf("CONNACK %v", ack.Code)
	}
	c.subscribe("a/b", 1)
	c.publish("a/b", "x")

	redis.Close()
	for becomes(t, g, http.StatusServiceUnavailable)["redis"] == "ok" { // the lease's failure was seen first
		<-time.After(10 * time.Millisecond) // between two questions
	}
	if err := redis.Restart(); err != nil {
		t.Fatal(err)
	}
	becomes(t, g, http.StatusOK)
	d, ack := dial(t, g, connect("d", 0))
	if ack.Code != packet.Success {
		t.Fatalf("CONNACK %v", ack.Code)
	}
	d.publish("a/c", "y")
}

// TestRocketMQComesLate: an instance that starts without RocketMQ refuses clients, says so, and serves when a broker is there;
// when it goes away for a moment, clients connect, and a message that waited is acknowledged when it is back.
func TestRocketMQComesLate(t *testing.T) {
	noLeaks(t)
	_, mq, cfg := shared(t)
	mq.Faults().Down()
	g := start(t, cfg)
	if checks := becomes(t, g, http.StatusServiceUnavailable); checks["rocketmq"] == "ok" || checks["redis"] != "ok" {
		t.Errorf("health says %v", checks)
	}
	if _, ack := dial(t, g, connect("c", 0)); ack.Code != packet.ServerUnavailable {
		t.Errorf("CONNACK %v", ack.Code)
	}
	if err := mq.Faults().Up(); err != nil {
		t.Fatal(err)
	}
	becomes(t, g, http.StatusOK)
	for range 2 {
		mq.Faults().Down()
		c, ack := dial(t, g, connect("c", 0))
		if ack.Code != packet.Success {
			t.Fatalf("CONNACK %v", ack.Code)
		}
		c.send(&packet.Publish{Topic: "late/1", QoS: 1, PacketID: 5})
		if err := mq.Faults().Up(); err != nil {
			t.Fatal(err)
		}
		if ack, ok := c.next().(*packet.Puback); !ok || ack.Code.Failed() {
			t.Errorf("PUBLISH answered with %+v", ack)
		}
		becomes(t, g, http.StatusOK)
	}
}

// TestDrain: 200 clients are told to go, their sessions belong to nobody afterwards, and the instance is forgotten.
func TestDrain(t *testing.T) {
	noLeaks(t)
	redis, _, cfg := shared(t)
	g := start(t, cfg)
	becomes(t, g, http.StatusOK)
	var codes sync.Map
	var all sync.WaitGroup
	for i := range 200 {
		c, ack := dial(t, g, connect(fmt.Sprint("c", i), 3600))
		if ack.Code != packet.Success {
			t.Fatalf("CONNACK %v", ack.Code)
		}
		all.Go(func() { codes.Store(i, c.disconnected()) })
	}
	if idle, err := net.Dial("tcp", g.TCPAddr().String()); err != nil { // never says CONNECT
		t.Fatal(err)
	} else {
		defer idle.Close()
	}
	stop(t, g)
	all.Wait()
	codes.Range(func(i, code any) bool {
		if code != packet.ServerShuttingDown {
			t.Errorf("client %v got %v", i, code)
		}
		return true
	})
	for _, key := range redis.Keys() {
		if strings.HasPrefix(key, "inst") {
			t.Errorf("key %s is left", key)
		}
	}
	other := start(t, cfg)
	list, _, err := other.store.List(t.Context(), "", 1000)
	if err != nil || len(list) < 200 {
		t.Fatalf("%d sessions, %v", len(list), err)
	}
	for _, info := range list {
		if info.Connected {
			t.Errorf("%s is owned by %s", info.ClientID, info.Instance)
		}
	}
}

// TestStopWithoutTime: with no time at all everything ends, Redis or not.
func TestStopWithoutTime(t *testing.T) {
	for _, away := range []bool{false, true} {
		t.Run(fmt.Sprint(away), func(t *testing.T) {
			noLeaks(t)
			redis, _, cfg := shared(t)
			g := start(t, cfg)
			becomes(t, g, http.StatusOK)
			c, _ := dial(t, g, connect("c", 3600))
			if away {
				redis.Close()
			}
			ctx, cancel := context.WithCancel(t.Context())
			cancel()
			_ = g.Stop(ctx)
			if code := c.disconnected(); code != packet.ServerShuttingDown {
				t.Errorf("DISCONNECT %v", code)
			}
		})
	}
}

// TestStartFails: what a person has to put right is said with the variable's name, and Stop cleans up.
func TestStartFails(t *testing.T) {
	busy, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer busy.Close()
	port := busy.Addr().(*net.TCPAddr).Port
	for _, tt := range []struct {
		name   string
		change func(*config.Config)
		want   string
	}{
		{"port", func(c *config.Config) { c.Port = port }, "PORT: cannot listen on 127.0.0.1:PORT: address already in use; set PORT to another port, 0 is any free one"},
		{"tcp", func(c *config.Config) { c.MQTTTCPAddr = busy.Addr().String() }, "MQTT_TCP_ADDR: cannot listen on 127.0.0.1:PORT: address already in use; set MQTT_TCP_ADDR to another address"},
		{"metrics", func(c *config.Config) { c.MetricsAddr = busy.Addr().String() }, "METRICS_ADDR: cannot listen on 127.0.0.1:PORT: address already in use; set METRICS_ADDR to another address"},
		{"tls", func(c *config.Config) { c.MQTTTLSAddr, c.TLSCertFile = "127.0.0.1:0", "none.pem" }, "TLS_CERT_FILE, TLS_KEY_FILE: open none.pem: no such file or directory"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			noLeaks(t)
			cfg := load(t)
			tt.change(&cfg)
			g, err := New(cfg, Options{})
			if err != nil {
				t.Fatal(err)
			}
			err = g.Start(t.Context())
			if err == nil || err.Error() != strings.ReplaceAll(tt.want, "PORT:", fmt.Sprint(port, ":")) && strings.ReplaceAll(err.Error(), fmt.Sprint(port), "PORT") != tt.want {
				t.Errorf("error %v, want %s", err, tt.want)
			}
			if err := inTime(g.Stop(t.Context())); err != nil {
				t.Errorf("stop: %v", err)
			}
		})
	}
}

// TestDefaultTCPAddressBusy: only a warning, since the user did not ask for it.
func TestDefaultTCPAddressBusy(t *testing.T) {
	noLeaks(t)
	busy, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer busy.Close()
	cfg := load(t)
	cfg.MQTTTCPAddr, cfg.MQTTTCPAddrSet = busy.Addr().String(), false
	log := &screen{}
	g, err := New(cfg, Options{Err: log})
	if err != nil {
		t.Fatal(err)
	}
	if err := g.Start(t.Context()); err != nil {
		t.Fatal(err)
	}
	if g.TCPAddr() != nil || !strings.Contains(log.String(), "MQTT over TCP is off") {
		t.Errorf("TCP at %v, log:\n%s", g.TCPAddr(), log)
	}
	if err := inTime(g.Stop(t.Context())); err != nil {
		t.Error(err)
	}
}

// TestAnnounce: what a newcomer sees.
func TestAnnounce(t *testing.T) {
	noLeaks(t)
	out := &screen{}
	g, err := New(load(t, "BIND_ADDR=0.0.0.0"), Options{Out: out})
	if err != nil {
		t.Fatal(err)
	}
	if err := g.Start(t.Context()); err != nil {
		t.Fatal(err)
	}
	defer stop(t, g)
	got := regexp.MustCompile(`127\.0\.0\.1:\d+`).ReplaceAllString(out.String(), "127.0.0.1:NNNN")
	got = strings.ReplaceAll(got, selfCommand(), "lmqgate")
	want, err := os.ReadFile("testdata/announce.txt")
	if err != nil {
		t.Fatal(err)
	}
	if got != string(want) {
		t.Errorf("printed:\n%s\nwant:\n%s", got, want)
	}
}

// TestFailpointOff: without a value nothing is hooked in.
func TestFailpointOff(t *testing.T) {
	f := newFailpoint("")
	if f.armed() || f.hook() != nil {
		t.Error("armed without a value")
	}
	for range 1000 {
		f.hit("redis.before")
	}
	if !newFailpoint("any:3").armed() {
		t.Error("not armed by a value")
	}
}
