package gateway

import (
	"fmt"
	"net"
	"os"
	"strings"

	"lmqgate/functions/console"
)

// announce says where the instance listens and, when embedded, what to try next.
func (g *Gateway) announce() {
	g.log.Info("accepting clients", "http", g.HTTPAddr().String(), "ws_path", g.cfg.WSPath,
		"tcp", addrText(g.listeners.tcp), "tls", addrText(g.listeners.tls), "embedded", g.cfg.Embedded)
	if !g.cfg.Embedded {
		return
	}
	var b strings.Builder
	http := reachable(g.HTTPAddr())
	url := "ws://" + http + g.cfg.WSPath
	fmt.Fprintf(&b, "\n  lmqgate is running.\n\n    MQTT over WebSocket  %s\n", url)
	if g.listeners.tcp != nil {
		fmt.Fprintf(&b, "    MQTT over TCP        tcp://%s\n", reachable(g.listeners.tcp.Addr()))
	}
	if g.cfg.Console {
		fmt.Fprintf(&b, "    Console              http://%s%s\n", http, console.Path)
	}
	if len(g.cfg.Functions) > 0 {
		fmt.Fprintf(&b, "    HTTP                 http://%s/v1/openapi.json\n", http)
	}
	fmt.Fprintf(&b, "    Health               http://%s/health/ready\n", http)
	fmt.Fprintf(&b, "\n  EMBEDDED: %s. Nothing survives a restart; not for production.\n", g.embeddedWords())
	self, flag := selfCommand(), ""
	if url != "ws://127.0.0.1:8080/mqtt" {
		flag = " --url " + url
	}
	fmt.Fprintf(&b, "\n  Try it, in two more terminals:\n\n    %s sub%s 'chat/#'\n    %s pub%s chat/room1 hello\n\n", self, flag, self, flag)
	_, _ = fmt.Fprint(g.out, b.String())
}

func (g *Gateway) embeddedWords() string {
	switch {
	case !g.cfg.EmbeddedRocketMQ:
		return "Redis runs inside this process"
	case !g.cfg.EmbeddedRedis:
		return "RocketMQ runs inside this process"
	}
	return "Redis and RocketMQ run inside this process"
}

// selfCommand is how this program was started, for copying.
func selfCommand() string {
	if strings.Contains(os.Args[0], "go-build") {
		return "go run ."
	}
	return os.Args[0]
}

// reachable is an address to give to a client on this machine: one that listens everywhere cannot be dialled as it is.
func reachable(a net.Addr) string {
	host, port, err := net.SplitHostPort(a.String())
	if err != nil {
		return a.String()
	}
	if ip := net.ParseIP(host); ip != nil && ip.IsUnspecified() {
		host = "127.0.0.1"
	}
	return net.JoinHostPort(host, port)
}

func addrText(l net.Listener) string {
	if l == nil {
		return "off"
	}
	return l.Addr().String()
}
