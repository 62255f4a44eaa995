// Package chaos disturbs a whole system of gateways, Redis and RocketMQ: a World is the system, a Fault disturbs it and
// mends it again. The gateway is the built binary, looked at from outside.
package chaos

import (
	"context"
	"crypto/rand"
	"errors"
	"fmt"
	"path/filepath"
	"regexp"
	"strings"
	"sync"
	"time"

	"github.com/alicebob/miniredis/v2"

	"lmqgate/e2e/parts"
	"lmqgate/infra/minimq"
)

// RedisKind is how Redis is kept.
type RedisKind string

// Kinds of Redis. The zero value is miniredis in this process.
const (
	MiniRedis RedisKind = ""
	OneRedis  RedisKind = "one"      // a redis-server with an append-only file
	Replica   RedisKind = "replica"  // a master and a replica behind proxies that move
	Sentinel  RedisKind = "sentinel" // a master and a replica watched by a Sentinel, no proxies
	Cluster   RedisKind = "cluster"  // three masters, no proxies
)

// Topology is what stands behind the instances.
type Topology struct {
	Redis   RedisKind
	Fsync   string // of OneRedis: "always" when empty, or "everysec"
	Brokers int    // 0 means 1
}

// WorldOptions say how large a world is.
type WorldOptions struct {
	Instances int  // 0 means 2
	Real      bool // a real RocketMQ, and a real Redis if Topology names none
	Topology  Topology
	Env       []string // of every instance
	Binary    string   // of the gateway; "" builds one for all worlds of this process
}

// World is a number of instances with their own Redis and RocketMQ. Each instance reaches Redis and the name server through
// proxies of its own; each broker has one proxy for all. Everything ends with the test.
type World struct {
	t       parts.T
	options WorldOptions

	Instances []*parts.GatewayServer
	RedisWays []*parts.ProxyServer // one an instance; none with Sentinel and Cluster
	NameWays  []*parts.ProxyServer // one an instance
	MQWays    []*parts.ProxyServer // one a broker

	clocks    []string               // files that say how wrong the clock of each instance is
	MiniRedis *miniredis.Miniredis   // of MiniRedis
	Redis     []*parts.RedisServer   // of the other kinds; the first is the master of OneRedis, Replica and Sentinel at the start
	Watch     *parts.RedisServer     // the Sentinel
	MiniMQ    *minimq.Server         // unless Real
	RocketMQ  *parts.RocketMQServers // if Real

	mu      sync.Mutex // protects what follows
	onEvent func(name, detail string)
}

// NewWorld starts a world and returns when all instances are ready.
func NewWorld(t parts.T, o WorldOptions) *World {
	t.Helper()
	if o.Instances == 0 {
		o.Instances = 2
	}
	if o.Real && o.Topology.Redis == MiniRedis {
		o.Topology.Redis = OneRedis
	}
	o.Topology.Brokers = max(1, o.Topology.Brokers)
	w := &World{t: t, options: o}
	binary := o.Binary
	if binary == "" {
		var err error
		if binary, err = shared(); err != nil {
			t.Fatalf("%v", err)
		}
	}
	redis, env := w.startRedis()
	names := w.startRocketMQ()
	env = append(env, "AUTH=anonymous", "REDIS_PREFIX="+strings.ToLower(rand.Text()[:8])+":")
	for n := range o.Instances {
		own := append([]string(nil), env...)
		if redis != "" {
			way := parts.Proxy(t, redis)
			w.RedisWays = append(w.RedisWays, way)
			own = append(own, "REDIS_URL=redis://"+way.Addr)
		}
		way := parts.Proxy(t, names)
		w.NameWays = append(w.NameWays, way)
		w.clocks = append(w.clocks, filepath.Join(t.TempDir(), "clock"))
		own = append(append(own, "NAMESRV_ADDR="+way.Addr, "LMQGATE_TEST_CLOCK="+w.clocks[n]), o.Env...)
		g := parts.Gateway(t, binary, fmt.Sprintf("instance %d", n+1), own...)
		t.Cleanup(func() { w.healthyLog(g) })
		w.Instances = append(w.Instances, g)
	}
	ctx, cancel := context.WithTimeout(context.Background(), mendLimit)
	defer cancel()
	if err := w.Ready(ctx); err != nil {
		t.Fatalf("start world: %v", err)
	}
	return w
}

// mendLimit is more than any part takes to serve again on a slow machine.
const mendLimit = 2 * time.Minute

// TCP lists the addresses for MQTT over TCP, also of instances that are down just now.
func (w *World) TCP() []string {
	var list []string
	for _, g := range w.Instances {
		list = append(list, g.TCP)
	}
	return list
}

// WS lists the URLs for MQTT over WebSocket, also of instances that are down just now.
func (w *World) WS() []string {
	var list []string
	for _, g := range w.Instances {
		list = append(list, "ws://"+g.HTTP+"/mqtt")
	}
	return list
}

// OnEvent sets who is told what faults do, at the moment they do it, from their goroutine.
func (w *World) OnEvent(f func(name, detail string)) {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.onEvent = f
}

// event tells what is done now.
func (w *World) event(name, format string, args ...any) {
	w.mu.Lock()
	f := w.onEvent
	w.mu.Unlock()
	if f != nil {
		f(name, fmt.Sprintf(format, args...))
	}
}

// Ready waits until every instance says that it can serve clients.
func (w *World) Ready(ctx context.Context) error {
	return eventually(ctx, func() error {
		var all []error
		for _, g := range w.Instances {
			all = append(all, g.Ready())
		}
		return errors.Join(all...)
	})
}

// eventually polls until check returns nil or ctx ends.
func eventually(ctx context.Context, check func() error) error {
	poll := time.NewTicker(50 * time.Millisecond)
	defer poll.Stop()
	for {
		err := check()
		if err == nil {
			return nil
		}
		select {
		case <-ctx.Done():
			return errors.Join(ctx.Err(), err)
		case <-poll.C:
		}
	}
}

// inLibrary is a data race within go-redis: while slots of a Cluster move it may repeat a command of a pipeline on two nodes at
// once, and read both answers into it. Both accesses have to be its own, made by the function that reads the answers of a
// node. What is left of the report tells of no race.
var inLibrary = regexp.MustCompile(`(?m)^WARNING: DATA RACE\n(?:Write|Read) at .*\n` + reading + `(?:.+\n)*\nPrevious (?:write|read) at .*\n` + reading)

// reading are the frames of a stack from within go-redis up to that function.
const reading = `(?:  github\.com/redis/go-redis/v9[./].*\n {6}.*\n){0,8}?  github\.com/redis/go-redis/v9\.\(\*ClusterClient\)\.pipelineReadCmds\(\)\n`

var trouble = regexp.MustCompile(`(?m)^(WARNING: DATA RACE|panic: |fatal error: |unexpected fault address)|http: panic serving`)

// healthyLog fails the test if an instance's log tells of a data race or a panic.
func (w *World) healthyLog(g *parts.GatewayServer) {
	text, err := g.All()
	if err != nil {
		w.t.Fatalf("read log: %v", err)
	}
	text = inLibrary.ReplaceAllString(text, "")
	if at := trouble.FindStringIndex(text); at != nil {
		w.t.Fatalf("log of an instance:\n%s", text[at[0]:min(len(text), at[0]+6000)])
	}
}
