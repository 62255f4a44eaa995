package parts

import (
	"bufio"
	"context"
	"fmt"
	"net"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"time"

	"github.com/redis/go-redis/v9"
)

// RedisOptions choose how a Redis keeps its data.
type RedisOptions struct {
	AOF       bool   // append only file, written through at each command: nothing acknowledged is lost by Kill
	Fsync     string // with AOF, "everysec" or "no" instead of "always"
	ReplicaOf string // host:port of a Redis to follow; "" is a master
}

// RedisServer is a redis-server of its own.
type RedisServer struct {
	*Process
	Addr string // host:port
	URL  string // redis://host:port
}

// Redis starts a redis-server. Without AOF a restart empties it.
func Redis(t T, o RedisOptions) *RedisServer {
	t.Helper()
	needRedis(t)
	port := FreePort(t)
	args := []string{}
	if o.AOF {
		fsync := o.Fsync
		if fsync == "" {
			fsync = "always"
		}
		args = append(args, "--appendonly", "yes", "--appendfsync", fsync)
	}
	if o.ReplicaOf != "" {
		host, master, _ := net.SplitHostPort(o.ReplicaOf)
		args = append(args, "--replicaof", host, master)
	}
	return redisServer(t, port, args...)
}

func redisServer(t T, port int, more ...string) *RedisServer {
	t.Helper()
	dir := t.TempDir()
	args := append([]string{
		"--port", strconv.Itoa(port), "--bind", "127.0.0.1", "--dir", dir, "--save", "", "--loglevel", "notice",
	}, more...)
	addr := loopback(port)
	p := start(t, &Process{
		name: "redis-server " + addr, log: filepath.Join(dir, "redis.log"),
		command: func() *exec.Cmd { return exec.Command("redis-server", args...) },
		ready:   func() error { return ping(addr) },
	})
	return &RedisServer{Process: p, Addr: addr, URL: "redis://" + addr}
}

// ping asks a Redis whether it serves; one that still loads its data does not.
func ping(addr string) error {
	conn, err := net.DialTimeout("tcp", addr, time.Second)
	if err != nil {
		return err
	}
	defer conn.Close()
	_ = conn.SetDeadline(time.Now().Add(time.Second))
	if _, err := conn.Write([]byte("PING\r\n")); err != nil {
		return err
	}
	answer, err := bufio.NewReader(conn).ReadString('\n')
	if err != nil {
		return err
	}
	if answer != "+PONG\r\n" {
		return fmt.Errorf("redis answers %q", answer)
	}
	return nil
}

// RedisClusterServers are three masters without replicas.
type RedisClusterServers struct {
	Nodes []*RedisServer
	Addrs []string
	URL   string // redis://host:port,host:port,host:port
}

// RedisCluster starts three redis-servers in cluster mode, each with a third of the slots.
func RedisCluster(t T) *RedisClusterServers {
	t.Helper()
	needRedis(t)
	c := new(RedisClusterServers)
	var clients []*redis.Client
	for range 3 {
		n := redisServer(t, FreePort(t), "--cluster-enabled", "yes", "--cluster-port", strconv.Itoa(FreePort(t)),
			"--cluster-node-timeout", "2000", "--appendonly", "yes")
		client := redis.NewClient(&redis.Options{Addr: n.Addr})
		defer client.Close()
		c.Nodes, c.Addrs, clients = append(c.Nodes, n), append(c.Addrs, n.Addr), append(clients, client)
	}
	c.URL = "redis://" + strings.Join(c.Addrs, ",")
	ctx, cancel := context.WithTimeout(context.Background(), startLimit)
	defer cancel()
	if err := join(ctx, clients); err != nil {
		t.Fatalf("start redis cluster: %v", err)
	}
	return c
}

// join makes a cluster of empty nodes and waits until each of them serves all slots.
func join(ctx context.Context, clients []*redis.Client) error {
	const slots = 16384
	bus, err := busPort(ctx, clients[0])
	if err != nil {
		return err
	}
	for i, client := range clients {
		first, last := i*slots/len(clients), (i+1)*slots/len(clients)-1
		if err := client.ClusterAddSlotsRange(ctx, first, last).Err(); err != nil {
			return fmt.Errorf("give slots: %w", err)
		}
		if i == 0 {
			continue
		}
		host, port, _ := net.SplitHostPort(clients[0].Options().Addr)
		if err := client.Do(ctx, "CLUSTER", "MEET", host, port, bus).Err(); err != nil {
			return fmt.Errorf("meet: %w", err)
		}
	}
	poll := time.NewTicker(pollEvery)
	defer poll.Stop()
	for {
		if serves(ctx, clients) {
			return nil
		}
		select {
		case <-ctx.Done():
			return fmt.Errorf("wait for all slots: %w", ctx.Err())
		case <-poll.C:
		}
	}
}

// busPort asks a node for the port on which nodes talk to each other.
func busPort(ctx context.Context, client *redis.Client) (string, error) {
	answer, err := client.ConfigGet(ctx, "cluster-port").Result()
	if err != nil {
		return "", fmt.Errorf("ask for the bus port: %w", err)
	}
	return answer["cluster-port"], nil
}

// serves reports whether every node knows all others and all slots.
func serves(ctx context.Context, clients []*redis.Client) bool {
	for _, client := range clients {
		info, err := client.ClusterInfo(ctx).Result()
		known := fmt.Sprintf("cluster_known_nodes:%d\r\n", len(clients))
		if err != nil || !strings.Contains(info, "cluster_state:ok\r\n") || !strings.Contains(info, known) {
			return false
		}
	}
	return true
}
