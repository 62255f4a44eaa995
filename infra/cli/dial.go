package cli

import (
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"net"
	"net/http"
	"net/url"
	"syscall"

	"github.com/coder/websocket"
	"github.com/eclipse/paho.golang/packets"
)

// errScheme lists what --url takes.
var errScheme = errors.New("--url takes ws://, wss://, tcp:// (or mqtt://), mqtts:// (or tls://, ssl://)")

// dial connects to the gateway. ctx bounds the dialing only. The connection may be written by several goroutines as
// paho does it: one packet under its lock.
func dial(ctx context.Context, address string) (net.Conn, error) {
	u, err := url.Parse(address)
	if err != nil {
		return nil, fmt.Errorf("parse --url: %w", err)
	}
	var conn net.Conn
	switch u.Scheme {
	case "ws", "wss":
		conn, err = dialWebSocket(ctx, u)
	case "tcp", "mqtt":
		conn, err = new(net.Dialer).DialContext(ctx, "tcp", hostPort(u, "1883"))
	case "mqtts", "tls", "ssl":
		conn, err = new(tls.Dialer).DialContext(ctx, "tcp", hostPort(u, "8883"))
	default:
		return nil, errScheme
	}
	if err != nil {
		return nil, explain(u, err)
	}
	return packets.NewThreadSafeConn(conn), nil
}

func hostPort(u *url.URL, port string) string {
	if u.Port() != "" {
		port = u.Port()
	}
	return net.JoinHostPort(u.Hostname(), port)
}

// dialWebSocket offers the subprotocol mqtt and insists on it [MQTT-6.0.0-3].
func dialWebSocket(ctx context.Context, u *url.URL) (net.Conn, error) {
	ws, answer, err := websocket.Dial(ctx, u.String(), &websocket.DialOptions{Subprotocols: []string{"mqtt"}})
	if err != nil {
		if answer != nil && answer.StatusCode != http.StatusSwitchingProtocols {
			return nil, statusError(answer.StatusCode)
		}
		return nil, err
	}
	if ws.Subprotocol() != "mqtt" {
		_ = ws.CloseNow()
		return nil, errors.New("the server speaks WebSocket, but not MQTT over it")
	}
	// The connection outlives ctx, which is for dialing.
	return websocket.NetConn(context.WithoutCancel(ctx), ws, websocket.MessageBinary), nil
}

// statusError is an HTTP answer in place of a WebSocket.
type statusError int

func (s statusError) Error() string {
	text := fmt.Sprintf("the server answered %d %s", int(s), http.StatusText(int(s)))
	switch int(s) {
	case http.StatusNotFound, http.StatusOK, http.StatusUpgradeRequired:
		text += "; is the path right? the gateway's WS_PATH is /mqtt unless set"
	case http.StatusServiceUnavailable:
		text += "; the gateway is full or draining"
	}
	return text
}

// explain adds to an error of dialing what to do about it.
func explain(u *url.URL, err error) error {
	target := u.Redacted()
	var dns *net.DNSError
	switch {
	case errors.Is(err, syscall.ECONNREFUSED):
		return fmt.Errorf("connect to %s: connection refused; nothing listens there: "+
			"start a gateway with `lmqgate`, or name another one with --url or LMQGATE_URL", target)
	case errors.As(err, &dns):
		return fmt.Errorf("connect to %s: no such host %q", target, dns.Name)
	case errors.Is(err, context.DeadlineExceeded):
		return fmt.Errorf("connect to %s: no answer in time: %w", target, err)
	}
	return fmt.Errorf("connect to %s: %w", target, err)
}
