package gateway

import (
	"encoding/json"
	"net/http"
	"testing"
	"time"

	"github.com/alicebob/miniredis/v2"

	"lmqgate/adapter/packet"
	"lmqgate/infra/minimq"
)

const tickToken = "a-token-of-a-scheduler"

// ticked calls POST /v1/tick.
func ticked(t *testing.T, g *Gateway, token string) (int, map[string]map[string]int) {
	t.Helper()
	r, err := http.NewRequestWithContext(t.Context(), http.MethodPost, "http://"+g.HTTPAddr().String()+"/v1/tick", nil)
	must(t, err)
	if token != "" {
		r.Header.Set("Authorization", "Bearer "+token)
	}
	res, err := http.DefaultClient.Do(r)
	must(t, err)
	defer res.Body.Close()
	defer http.DefaultClient.CloseIdleConnections()
	var body struct{ Done map[string]map[string]int }
	if err := json.NewDecoder(res.Body).Decode(&body); err != nil && res.StatusCode != http.StatusNotFound {
		t.Fatal(err)
	}
	return res.StatusCode, body.Done
}

// TestTickOff: without a token there is none, unless everything is embedded; with one it is asked for.
func TestTickOff(t *testing.T) {
	_, _, cfg := shared(t)
	if code, _ := ticked(t, start(t, cfg), ""); code != http.StatusNotFound {
		t.Errorf("without a token: %d", code)
	}
	if code, _ := ticked(t, start(t, load(t)), ""); code != http.StatusOK {
		t.Errorf("embedded: %d", code)
	}
	g := start(t, load(t, env("TICK_TOKEN", tickToken)))
	if code, _ := ticked(t, g, ""); code != http.StatusUnauthorized {
		t.Errorf("without the token: %d", code)
	}
	if code, _ := ticked(t, g, tickToken); code != http.StatusOK {
		t.Errorf("with the token: %d", code)
	}
}

// TestTick: what an instance that was killed left is done by one call, before its answer: the will is in the log, the session
// that expired is gone; a second call finds nothing to do; without Redis it says so.
func TestTick(t *testing.T) {
	redis, mq := miniredis.RunT(t), minimq.Run(t)
	gone := relayed(t, "127.0.0.1:0", redis.Addr()) // the way to Redis of the instance that dies
	environ := []string{env("NAMESRV_ADDR", mq.Addr()), env("TICK_TOKEN", tickToken)}
	dead, _ := launched(t, append(environ, env("REDIS_URL", "redis://"+gone.addr()))...)
	g, _ := launched(t, append(environ, env("REDIS_URL", "redis://"+redis.Addr()))...)
	becomes(t, dead, http.StatusOK)
	becomes(t, g, http.StatusOK)
	watcher, _ := dial(t, g, connect("watcher", 0))
	watcher.subscribe("wills/+", 1)
	c := connect("victim", 1)
	c.Will = &packet.Will{Topic: "wills/victim", Payload: []byte("gone"), QoS: 1}
	if _, ack := dial(t, dead, c); ack.Code != packet.Success {
		t.Fatalf("CONNACK %v", ack.Code)
	}
	gone.to("")
	redis.SetTime(time.Now().Add(leaseTTL + 2*time.Second))
	if code, done := ticked(t, g, tickToken); code != http.StatusOK { // its own sweep may have been faster
		t.Errorf("%d %v", code, done)
	}
	if n := published(t, g); n != 1 {
		t.Errorf("answered with %v wills published", n)
	}
	if p, ok := watcher.next().(*packet.Publish); !ok || string(p.Payload) != "gone" {
		t.Errorf("got %+v", p)
	}
	code, done := ticked(t, g, tickToken)
	if code != http.StatusOK || done["sessions"]["wills"] != 0 {
		t.Errorf("again: %d %v", code, done)
	}
	redis.SetError("LOADING")
	if code, _ = ticked(t, g, tickToken); code != http.StatusServiceUnavailable {
		t.Errorf("without Redis: %d", code)
	}
	redis.SetError("")
	gone.to(redis.Addr())
}

// published is how many wills an instance has published.
func published(t *testing.T, g *Gateway) (n float64) {
	t.Helper()
	families, err := g.reg.Gather()
	must(t, err)
	for _, family := range families {
		for _, m := range family.GetMetric() {
			if family.GetName() == "lmqgate_wills_total" && label(m, "outcome") == "published" {
				n += m.GetCounter().GetValue()
			}
		}
	}
	return n
}
