package main

import (
	"bufio"
	"context"
	"fmt"
	"net/http"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/redis/go-redis/v9"
)

// counters are what Redis and the instances have counted so far.
type counters struct {
	at     time.Time
	trips  float64            // round trips of the instances, whatever number of commands is in one
	sent   float64            // commands and scripts that they sent
	run    float64            // commands that Redis executed, those inside of scripts too
	writes float64            // those of them that change something
	in     float64            // bytes to Redis
	out    float64            // bytes from Redis
	named  map[string]float64 // commands and scripts sent, by name
}

// reading are commands of Redis that change nothing; what is not among them is taken for a write.
var reading = []string{
	"evalsha", "eval", "hmget", "hget", "hgetall", "hvals", "hlen", "hexists", "hkeys", "hscan", "exists", "get", "mget", "strlen", "time",
	"smismember", "sismember", "smembers", "scard", "sscan", "llen", "lrange", "lindex", "zrange", "zrangebyscore", "zrangebylex", "zscore",
	"zmscore", "zcard", "zscan", "zcount", "zlexcount", "ttl", "pttl", "ping", "echo", "scan", "type", "publish", "subscribe", "unsubscribe",
}

// ours are commands that bench itself sends, and those that open a connection.
var ours = []string{"info", "hello", "auth", "select", "client", "client|setinfo", "client|setname", "client|maint_notifications", "command", "command|docs", "config|get", "readonly"}

// count reads them. Looking at the counters is not counted, but for its bytes.
func (b *bench) count(gs ...*instance) (counters, error) {
	c := counters{named: map[string]float64{}}
	for _, g := range gs {
		if err := g.scrape(&c); err != nil {
			return c, err
		}
	}
	o, err := redis.ParseURL(b.redis)
	if err != nil {
		return c, err
	}
	o.Protocol, o.DisableIdentity = 2, true
	r := redis.NewClient(o)
	defer r.Close()
	info, err := r.Info(context.Background(), "commandstats", "stats").Result()
	if err != nil {
		return c, fmt.Errorf("count commands: %w", err)
	}
	for line := range strings.Lines(info) {
		name, value, _ := strings.Cut(strings.TrimSpace(line), ":")
		switch {
		case name == "total_net_input_bytes":
			c.in = number(value)
		case name == "total_net_output_bytes":
			c.out = number(value)
		case strings.HasPrefix(name, "cmdstat_"):
			name = strings.TrimPrefix(name, "cmdstat_")
			calls, _, _ := strings.Cut(strings.TrimPrefix(value, "calls="), ",")
			if slices.Contains(ours, name) {
				continue
			}
			c.run += number(calls)
			if !slices.Contains(reading, name) {
				c.writes += number(calls)
			}
		}
	}
	c.at = time.Now()
	return c, nil
}

// scrape adds what one instance's metrics say.
func (i *instance) scrape(c *counters) error {
	r, err := http.Get("http://" + i.ops + "/metrics")
	if err != nil {
		return fmt.Errorf("read metrics: %w", err)
	}
	defer r.Body.Close()
	opened, named := 0.0, false
	lines := bufio.NewScanner(r.Body)
	for lines.Scan() {
		name, value, _ := strings.Cut(lines.Text(), " ")
		kind, label, _ := strings.Cut(name, "{")
		_, label, _ = strings.Cut(label, `command="`)
		label, _, _ = strings.Cut(label, `"`)
		switch { // opening a connection is a HELLO, and with a name for it a pipeline of its own
		case label == "hello" && kind == "lmqgate_redis_commands_total":
			opened = number(value)
			continue
		case label == "client" && kind == "lmqgate_redis_commands_total":
			named = true
			continue
		case label == "hello" || label == "client":
			continue
		}
		switch kind {
		case "lmqgate_redis_seconds_count":
			c.trips += number(value)
		case "lmqgate_redis_commands_total":
			c.sent += number(value)
			c.named[label] += number(value)
		}
	}
	if named {
		c.trips -= opened
	}
	return lines.Err()
}

func number(s string) float64 {
	f, _ := strconv.ParseFloat(s, 64)
	return f
}

// since is what was counted after from.
func (c counters) since(from counters) counters {
	d := counters{
		trips: c.trips - from.trips, sent: c.sent - from.sent, run: c.run - from.run, writes: c.writes - from.writes,
		in: c.in - from.in, out: c.out - from.out, named: map[string]float64{},
	}
	d.at = time.Time{}.Add(c.at.Sub(from.at))
	for name, n := range c.named {
		d.named[name] = n - from.named[name]
	}
	return d
}

// times multiplies all counters.
func (c counters) times(f float64) counters {
	d := counters{at: c.at, trips: c.trips * f, sent: c.sent * f, run: c.run * f, writes: c.writes * f, in: c.in * f, out: c.out * f, named: map[string]float64{}}
	for name, n := range c.named {
		d.named[name] = n * f
	}
	return d
}

// seconds is how long was counted.
func (c counters) seconds() float64 { return c.at.Sub(time.Time{}).Seconds() }

// names lists what was sent, the most frequent first.
func (c counters) names() string {
	var list []string
	for name, n := range c.named {
		if n >= 0.005 {
			list = append(list, name)
		}
	}
	slices.SortFunc(list, func(a, b string) int {
		if d := c.named[b] - c.named[a]; d != 0 {
			return int(d*1000) | 1
		}
		return strings.Compare(a, b)
	})
	for i, name := range list {
		list[i] = fmt.Sprintf("%s %.2f", name, c.named[name])
	}
	return strings.Join(list, ", ")
}
