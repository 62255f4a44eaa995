package gateway

import (
	"context"
	"net/http"
	"runtime"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"lmqgate/adapter/packet"
)

// TestSchedule: of the usual 8 s, one is for being noticed, five are for goodbyes and two for what is left.
func TestSchedule(t *testing.T) {
	for _, tt := range []struct{ timeout, notice, spread time.Duration }{
		{8 * time.Second, time.Second, 5 * time.Second},
		{4 * time.Second, 500 * time.Millisecond, 2500 * time.Millisecond},
		{80 * time.Second, time.Second, 50 * time.Second},
		{0, 0, 0},
		{-time.Second, 0, 0},
	} {
		synctest.Test(t, func(t *testing.T) {
			ctx, cancel := context.WithTimeout(t.Context(), tt.timeout)
			defer cancel()
			if got := scheduled(ctx); got != (schedule{tt.notice, tt.spread}) {
				t.Errorf("%v: %+v", tt.timeout, got)
			}
		})
	}
	if got := scheduled(t.Context()); got != (schedule{}) {
		t.Errorf("without a deadline: %+v", got)
	}
}

// TestRefusesWhileDraining: before the goodbyes begin, and until the last is said, who connects is asked elsewhere, in the
// words of its protocol and transport. The process is alive and not ready.
func TestRefusesWhileDraining(t *testing.T) {
	noLeaks(t)
	_, _, cfg := shared(t)
	g := start(t, cfg)
	becomes(t, g, http.StatusOK)
	staying, _ := dial(t, g, connect("staying", 60))
	staying.subscribe("a", 1)
	g.clients.Refuse() // what Stop begins with
	g.transport.TurnAway()
	g.draining.Store(true)

	if _, ack := dial(t, g, connect("new", 0)); ack.Code != packet.UseAnotherServer {
		t.Errorf("CONNACK %v", ack.Code)
	}
	if res := upgrade(t, g); res.StatusCode != http.StatusServiceUnavailable || res.Header.Get("Retry-After") == "" {
		t.Errorf("WebSocket: %v %v", res.Status, res.Header)
	}
	if code, checks := health(t, g); code != http.StatusServiceUnavailable || !strings.Contains(checks["drain"], "going away") {
		t.Errorf("ready: %d %v", code, checks)
	}
	res, err := http.Get("http://" + g.HTTPAddr().String() + "/health/live")
	if err != nil || res.StatusCode != http.StatusOK {
		t.Errorf("live: %v %v", res, err)
	} else {
		_ = res.Body.Close()
	}
	http.DefaultClient.CloseIdleConnections()
	staying.publish("b", "still served") // what it subscribes to could come before the PUBACK

	stopped := make(chan error, 1)
	go func() {
		ctx, cancel := context.WithTimeout(context.Background(), patience)
		defer cancel()
		stopped <- g.Stop(ctx)
	}()
	for {
		p := staying.next()
		if d, ok := p.(*packet.Disconnect); ok {
			if d.Code != packet.ServerShuttingDown {
				t.Errorf("DISCONNECT %v", d.Code)
			}
			break
		}
		if p == nil {
			t.Fatal("no DISCONNECT")
		}
	}
	if err := <-stopped; err != nil {
		t.Error(err)
	}
}

// upgrade asks for a WebSocket.
func upgrade(t *testing.T, g *Gateway) *http.Response {
	t.Helper()
	r, err := http.NewRequest(http.MethodGet, "http://"+g.HTTPAddr().String()+"/mqtt", nil)
	if err != nil {
		t.Fatal(err)
	}
	for name, value := range map[string]string{
		"Connection": "Upgrade", "Upgrade": "websocket", "Sec-WebSocket-Version": "13",
		"Sec-WebSocket-Key": "AAAAAAAAAAAAAAAAAAAAAA==", "Sec-WebSocket-Protocol": "mqtt",
	} {
		r.Header.Set(name, value)
	}
	res, err := http.DefaultClient.Do(r)
	if err != nil {
		t.Fatal(err)
	}
	_ = res.Body.Close()
	return res
}

// TestInAHurry: when hurry ends, so does the drain, whatever it waits for.
func TestInAHurry(t *testing.T) {
	noLeaks(t)
	_, _, cfg := shared(t)
	cfg.DrainTimeout = patience
	log := &screen{}
	g, err := New(cfg, Options{Err: log})
	if err != nil {
		t.Fatal(err)
	}
	if err := g.Start(t.Context()); err != nil {
		t.Fatal(err)
	}
	crowd := make([]*peer, 300) // of which a goodbye takes 5 ms each
	for i := range crowd {
		crowd[i], _ = dial(t, g, connect(strings.Repeat("c", i+1), 60))
	}
	hurry, now := context.WithCancel(context.Background())
	drained := make(chan struct{})
	go func() { g.drain(hurry); close(drained) }()
	for !g.draining.Load() {
		runtime.Gosched()
	}
	now()
	<-drained
	for _, p := range crowd {
		if d, ok := p.next().(*packet.Disconnect); ok && d.Code != packet.ServerShuttingDown {
			t.Errorf("DISCONNECT %v", d.Code)
		}
	}
	if !strings.Contains(log.String(), "stopped at once, at the second signal") {
		t.Errorf("log:\n%s", log)
	}
}
