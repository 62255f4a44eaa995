package e2e

import (
	"testing"
	"time"

	"github.com/coder/websocket"

	"lmqgate/adapter/packet"
)

// TestDrain: SIGTERM sends every client away in the way of its protocol and transport, within DRAIN_TIMEOUT, and the
// sessions go on elsewhere at once.
func TestDrain(t *testing.T) {
	t.Parallel()
	onEach(t, func(t *testing.T, b backend) {
		f := start(t, 2, b, "DRAIN_TIMEOUT=6s")
		going := f.instances[0]
		v5tcp, v5ws := dialed(t, going.tcp, packet.V5), dialed(t, going.ws(), packet.V5)
		v3tcp, v3ws := dialed(t, going.tcp, packet.V311), dialed(t, going.ws(), packet.V311)
		v5tcp.connect(t, session("v5-tcp"))
		v5ws.connect(t, session("v5-ws"))
		v3tcp.connect(t, session("v3-tcp"))
		v3ws.connect(t, session("v3-ws"))
		v5tcp.subscribe(t, 1, f.topic("x"))
		crowd := make([]*device, 50)
		for n := range crowd {
			crowd[n] = connected(t, f.topic("crowd-%d", n), version(n), []string{going.tcp, going.ws()}[n%2])
		}

		began := time.Now()
		if status := going.terminate(); status != 0 {
			t.Errorf("exit status %d\n%s", status, going.log.tail(20))
		}
		if d := time.Since(began); d > 6*time.Second+stopLimit/2 {
			t.Errorf("drained in %v, DRAIN_TIMEOUT is 6s", d)
		}
		for name, w := range map[string]*wire{"v5 tcp": v5tcp, "v5 ws": v5ws, "v3 tcp": v3tcp, "v3 ws": v3ws} {
			got := w.wantEnd(t)
			if w.v == packet.V5 {
				if len(got) != 1 || got[0].Type() != packet.DISCONNECT || got[0].(*packet.Disconnect).Code != packet.ServerShuttingDown {
					t.Errorf("%s: got %v", name, got)
				}
			} else if len(got) > 0 {
				t.Errorf("%s: got %v", name, got)
			}
		}
		w := dialed(t, f.instances[1].tcp, packet.V5)
		if !w.connect(t, session("v5-tcp")).SessionPresent {
			t.Error("session present is 0 on the other instance")
		}
		publisher := connected(t, "publisher", packet.V5, f.instances[1].tcp)
		publisher.publish(f.topic("x"), 1, "after", nil)
		want[*packet.Publish](t, w)
	})
}

// TestDrainClosesWebSockets: browsers see 1001, going away.
func TestDrainClosesWebSockets(t *testing.T) {
	t.Parallel()
	f := start(t, 1, embedded)
	i := f.instances[0]
	c, _, err := websocket.Dial(t.Context(), i.ws(), &websocket.DialOptions{Subprotocols: []string{"mqtt"}})
	must(t, err)
	defer func() { _ = c.CloseNow() }()
	must(t, c.Write(t.Context(), websocket.MessageBinary, connectBytes("MQTT", 4, 2, "browser")))
	_, connack, err := c.Read(t.Context())
	if err != nil || len(connack) != 4 || connack[3] != 0 {
		t.Fatalf("CONNACK % x %v", connack, err)
	}
	closed := make(chan error, 1)
	go func() { _, _, err := c.Read(t.Context()); closed <- err }()
	if status := i.terminate(); status != 0 {
		t.Errorf("exit status %d", status)
	}
	if err := take(t, closed); websocket.CloseStatus(err) != websocket.StatusGoingAway {
		t.Errorf("closed with %v", err)
	}
}
