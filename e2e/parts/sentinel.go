package parts

import (
	"net"
	"os/exec"
	"path/filepath"
	"strconv"
)

// Sentinel starts a Redis Sentinel that watches a master under a name and, alone, decides on a failover after five seconds
// of silence: less is taken for a failure on a busy machine, and loses what the replica does not have. The URL of the result names the Sentinel, not the master.
func Sentinel(t T, name, master string) *RedisServer {
	t.Helper()
	needRedis(t)
	dir, port := t.TempDir(), FreePort(t)
	host, masterPort, _ := net.SplitHostPort(master)
	conf := writeConf(t, filepath.Join(dir, "sentinel.conf"),
		"port "+strconv.Itoa(port), "bind 127.0.0.1", "dir "+dir,
		"sentinel monitor "+name+" "+host+" "+masterPort+" 1",
		"sentinel down-after-milliseconds "+name+" 5000",
		"sentinel failover-timeout "+name+" 5000")
	addr := loopback(port)
	p := start(t, &Process{
		name: "sentinel " + addr, log: filepath.Join(dir, "sentinel.log"),
		command: func() *exec.Cmd { return exec.Command("redis-server", conf, "--sentinel") },
		ready:   func() error { return ping(addr) },
	})
	return &RedisServer{Process: p, Addr: addr, URL: "redis://" + addr}
}
