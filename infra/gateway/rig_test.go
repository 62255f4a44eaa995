package gateway

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net"
	"net/http"
	"runtime"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"lmqgate/adapter/packet"
	"lmqgate/infra/config"
)

// patience bounds every wait of these tests; nothing waits that long unless it fails.
const patience = 60 * time.Second

// screen is what a gateway prints.
type screen struct {
	mu  sync.Mutex // protects buf
	buf bytes.Buffer
}

func (s *screen) Write(p []byte) (int, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.buf.Write(p)
}

func (s *screen) String() string {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.buf.String()
}

// load is the configuration of an environment, on free ports.
func load(t *testing.T, env ...string) config.Config {
	t.Helper()
	cfg, err := config.Load(append([]string{"PORT=0", "MQTT_TCP_ADDR=127.0.0.1:0", "BIND_ADDR=127.0.0.1"}, env...))
	if err != nil {
		t.Fatal(err)
	}
	return cfg
}

// start starts a gateway that stops with the test.
func start(t *testing.T, cfg config.Config) *Gateway {
	t.Helper()
	g, err := New(cfg, Options{Err: &screen{}})
	if err != nil {
		t.Fatal(err)
	}
	if err := g.Start(t.Context()); err != nil {
		t.Fatalf("start: %v", err)
	}
	var once sync.Once
	t.Cleanup(func() { once.Do(func() { stop(t, g) }) })
	return g
}

// stop fails the test if the gateway does not end, or ends with an error other than that its last words, for which it has
// little time whatever the machine does, came too late: that is harmless, the others wait until the heartbeat has lapsed.
func stop(t *testing.T, g *Gateway) {
	t.Helper()
	if g.draining.Load() { // the test has stopped it
		return
	}
	ctx, cancel := context.WithTimeout(context.Background(), patience)
	defer cancel()
	if err := inTime(g.Stop(ctx)); err != nil || ctx.Err() != nil {
		t.Errorf("stop: %v, %v", err, ctx.Err())
	}
}

// inTime leaves out of what Stop returned which part was late: see stop.
func inTime(err error) error {
	joined, ok := err.(interface{ Unwrap() []error })
	if !ok {
		return err
	}
	return errors.Join(slices.DeleteFunc(slices.Clone(joined.Unwrap()), func(err error) bool {
		return errors.Is(err, context.DeadlineExceeded)
	})...)
}

// noLeaks fails the test if goroutines of ours are left at its end. Call it before anything else.
func noLeaks(t *testing.T) {
	t.Cleanup(func() {
		deadline := time.Now().Add(10 * time.Second)
		for {
			left := ours()
			if left == "" {
				return
			}
			if time.Now().After(deadline) {
				t.Errorf("goroutines are left:\n%s", left)
				return
			}
			runtime.Gosched()
		}
	})
}

// ours are the stacks of goroutines in this module or in a library that it started, other than tests.
func ours() string {
	buf := make([]byte, 8<<20)
	var list []string
	for i, stack := range strings.Split(string(buf[:runtime.Stack(buf, true)]), "\n\n") {
		if i > 0 && !strings.Contains(stack, "testing.(*T)") && !strings.Contains(stack, "testing.(*M)") &&
			(strings.Contains(stack, "lmqgate/") || strings.Contains(stack, "go-redis")) {
			list = append(list, stack)
		}
	}
	return strings.Join(list, "\n\n")
}

// peer is an MQTT 5.0 client over TCP.
type peer struct {
	t    *testing.T
	conn net.Conn
	dec  *packet.Decoder
}

// dial connects; ack is the CONNACK.
func dial(t *testing.T, g *Gateway, c *packet.Connect) (*peer, *packet.Connack) {
	t.Helper()
	conn, err := net.Dial("tcp", g.TCPAddr().String())
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = conn.Close() })
	_ = conn.SetDeadline(time.Now().Add(patience))
	cl := &peer{t: t, conn: conn, dec: packet.NewDecoder(conn, 0)}
	cl.dec.SetVersion(packet.V5)
	cl.send(c)
	ack, ok := cl.next().(*packet.Connack)
	if !ok {
		t.Fatal("no CONNACK")
	}
	return cl, ack
}

func (c *peer) send(p packet.Packet) {
	c.t.Helper()
	b, err := p.Append(nil, packet.V5)
	if err == nil {
		_, err = c.conn.Write(b)
	}
	if err != nil {
		c.t.Fatalf("send %v: %v", p.Type(), err)
	}
}

// next is the next packet; nil at the end of the stream.
func (c *peer) next() packet.Packet {
	p, err := c.dec.Next()
	if err != nil {
		return nil
	}
	return p
}

// disconnected returns the code of the DISCONNECT that has to come next, behind which the stream ends.
func (c *peer) disconnected() packet.ReasonCode {
	c.t.Helper()
	d, ok := c.next().(*packet.Disconnect)
	if !ok {
		c.t.Error("no DISCONNECT")
		return 0
	}
	if p := c.next(); p != nil {
		c.t.Errorf("%v behind DISCONNECT", p.Type())
	}
	return d.Code
}

func connect(id string, expiry uint32) *packet.Connect {
	return &packet.Connect{Version: packet.V5, ClientID: id, Properties: packet.ConnectProperties{SessionExpiry: expiry}}
}

// subscribe subscribes and waits for the SUBACK.
func (c *peer) subscribe(filter string, qos byte) {
	c.t.Helper()
	c.send(&packet.Subscribe{PacketID: 1, Filters: []packet.Subscription{{Filter: filter, QoS: qos}}})
	if ack, ok := c.next().(*packet.Suback); !ok || ack.Codes[0] != packet.ReasonCode(qos) {
		c.t.Fatalf("SUBSCRIBE answered with %+v", ack)
	}
}

// publish publishes with QoS 1 and waits for the PUBACK; what the client is sent meanwhile is left out.
func (c *peer) publish(topic, payload string) {
	c.t.Helper()
	c.send(&packet.Publish{Topic: topic, Payload: []byte(payload), QoS: 1, PacketID: 1})
	p := c.next()
	for _, delivery := p.(*packet.Publish); delivery; _, delivery = p.(*packet.Publish) {
		p = c.next()
	}
	if ack, ok := p.(*packet.Puback); !ok || ack.Code.Failed() {
		c.t.Fatalf("PUBLISH answered with %+v", p)
	}
}

// health asks for readiness.
func health(t *testing.T, g *Gateway) (int, map[string]string) {
	t.Helper()
	res, err := http.Get("http://" + g.HTTPAddr().String() + "/health/ready")
	if err != nil {
		t.Fatal(err)
	}
	defer res.Body.Close()
	defer http.DefaultClient.CloseIdleConnections()
	var body struct {
		Status string
		Checks map[string]string
	}
	if err := json.NewDecoder(res.Body).Decode(&body); err != nil {
		t.Fatal(err)
	}
	return res.StatusCode, body.Checks
}

// becomes waits until readiness is as wanted and returns what is wrong then.
func becomes(t *testing.T, g *Gateway, want int) map[string]string {
	t.Helper()
	for deadline := time.Now().Add(patience); ; {
		code, checks := health(t, g)
		if code == want {
			return checks
		}
		if time.Now().After(deadline) {
			t.Fatalf("health stays %d: %v", code, checks)
		}
		<-time.After(10 * time.Millisecond) // nothing waits for it but the machine
	}
}

func env(name, value string) string { return fmt.Sprint(name, "=", value) }
