package parts

import (
	"fmt"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"time"
)

// GatewayServer is an instance of the gateway that keeps its addresses over Kill and Start.
type GatewayServer struct {
	*Process
	HTTP string // host:port of HTTP and WebSocket
	TCP  string // host:port of MQTT over TCP
}

// Gateway starts the binary on free ports with the environment given, and with nothing else that would configure it. It
// accepts connections then; whether it is ready is what Ready tells.
func Gateway(t T, binary, name string, env ...string) *GatewayServer {
	t.Helper()
	http, tcp := FreePort(t), FreePort(t)
	g := &GatewayServer{HTTP: loopback(http), TCP: loopback(tcp)}
	environ := slices.DeleteFunc(os.Environ(), configures)
	environ = append(environ, "PORT="+portOf(g.HTTP), "BIND_ADDR=127.0.0.1", "MQTT_TCP_ADDR="+g.TCP, "METRICS_ADDR=main",
		"LOG_FORMAT=json", "DRAIN_TIMEOUT=4s", "GORACE=halt_on_error=0")
	environ = append(environ, env...)
	g.Process = start(t, &Process{
		name: name, log: filepath.Join(t.TempDir(), "gateway.log"),
		command: func() *exec.Cmd { cmd := exec.Command(binary); cmd.Env = environ; return cmd },
		ready:   func() error { return healthy(g.HTTP, "live") },
	})
	return g
}

// Ready asks the instance whether it can serve clients.
func (g *GatewayServer) Ready() error { return healthy(g.HTTP, "ready") }

// All returns what the instance has logged, over all its runs.
func (g *GatewayServer) All() (string, error) {
	text, err := os.ReadFile(g.log)
	return string(text), err
}

func healthy(addr, what string) error {
	c := http.Client{Timeout: 5 * time.Second}
	defer c.CloseIdleConnections()
	res, err := c.Get("http://" + addr + "/health/" + what)
	if err != nil {
		return err
	}
	_ = res.Body.Close()
	if res.StatusCode != http.StatusOK {
		return fmt.Errorf("%s says of %s: %s", addr, what, res.Status)
	}
	return nil
}

// configures reports whether a variable of the test's own environment would change the gateway.
func configures(entry string) bool {
	name, _, _ := strings.Cut(entry, "=")
	for _, p := range []string{"PORT", "BIND_ADDR", "MQTT_", "REDIS_", "NAMESRV_ADDR", "ROCKETMQ_", "AUTH", "METRICS_ADDR", "K_SERVICE", "LOG_", "TLS_", "MAX_", "LMQGATE_TEST_"} {
		if strings.HasPrefix(name, p) {
			return true
		}
	}
	return false
}
