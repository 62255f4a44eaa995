package e2e

import (
	"context"
	"fmt"
	"net/url"
	"os"
	"os/exec"
	"strings"
	"testing"
	"time"

	"github.com/eclipse/paho.golang/packets"
	"github.com/eclipse/paho.golang/paho"
	pahov3 "github.com/eclipse/paho.mqtt.golang"
)

// TestSmoke sends and receives with the Paho clients, each version over each transport at each QoS.
func TestSmoke(t *testing.T) {
	for _, b := range []backend{embedded, mini, real} {
		t.Run(string(b), func(t *testing.T) {
			f := start(t, 1, b)
			for _, addr := range []string{f.instances[0].ws(), "tcp://" + f.instances[0].tcp} {
				scheme, _, _ := strings.Cut(addr, ":")
				t.Run("3.1.1 over "+scheme, func(t *testing.T) { smokeV3(t, f, addr) })
				t.Run("5.0 over "+scheme, func(t *testing.T) { smokeV5(t, f, addr) })
			}
		})
	}
}

func smokeV3(t *testing.T, f *fleet, addr string) {
	o := pahov3.NewClientOptions().AddBroker(addr).SetClientID(clientID(t)).SetProtocolVersion(4).
		SetConnectTimeout(soon).SetWriteTimeout(soon).SetAutoReconnect(false).SetOrderMatters(true)
	c := pahov3.NewClient(o)
	await(t, c.Connect())
	defer c.Disconnect(250)
	got := make(chan pahov3.Message, 16)
	prefix := f.topic("v3/%s", clientID(t))
	for qos := range byte(3) {
		topic := fmt.Sprintf("%s/q%d/x", prefix, qos)
		await(t, c.Subscribe(fmt.Sprintf("%s/q%d/+", prefix, qos), qos, func(_ pahov3.Client, m pahov3.Message) { got <- m }))
		await(t, c.Publish(topic, qos, false, fmt.Sprintf("hello %d", qos)))
		m := take(t, got)
		if m.Topic() != topic || string(m.Payload()) != fmt.Sprintf("hello %d", qos) || m.Qos() != qos || m.Retained() || m.Duplicate() {
			t.Errorf("QoS %d: got %s %q QoS %d retained %v dup %v", qos, m.Topic(), m.Payload(), m.Qos(), m.Retained(), m.Duplicate())
		}
	}
}

func await(t *testing.T, token pahov3.Token) {
	t.Helper()
	if !token.WaitTimeout(soon) {
		t.Fatal("no answer")
	}
	if token.Error() != nil {
		t.Fatal(token.Error())
	}
}

func smokeV5(t *testing.T, f *fleet, addr string) {
	ctx, cancel := context.WithTimeout(t.Context(), soon)
	defer cancel()
	got := make(chan *paho.Publish, 16)
	c := pahoV5(t, addr, got)
	ack, err := c.Connect(ctx, &paho.Connect{ClientID: clientID(t), CleanStart: true, KeepAlive: 60})
	if err != nil || ack.ReasonCode != 0 {
		t.Fatalf("connect: %v %+v", err, ack)
	}
	defer func() { _ = c.Disconnect(&paho.Disconnect{}) }()
	for qos := range byte(3) {
		topic, id := f.topic("v5/%s/q%d", clientID(t), qos), int(qos)+1
		if _, err := c.Subscribe(ctx, &paho.Subscribe{
			Subscriptions: []paho.SubscribeOptions{{Topic: topic, QoS: qos}},
			Properties:    &paho.SubscribeProperties{SubscriptionIdentifier: &id},
		}); err != nil {
			t.Fatalf("subscribe: %v", err)
		}
		format, expiry := byte(1), uint32(1000)
		if _, err := c.Publish(ctx, &paho.Publish{Topic: topic, QoS: qos, Payload: []byte("grüße"), Properties: &paho.PublishProperties{
			PayloadFormat: &format, MessageExpiry: &expiry, ContentType: "text/plain", ResponseTopic: "answer/here",
			CorrelationData: []byte{0, 1, 0xff}, User: paho.UserProperties{{Key: "a", Value: "1"}, {Key: "a", Value: "2"}},
		}}); err != nil {
			t.Fatalf("publish: %v", err)
		}
		m := take(t, got)
		p := m.Properties
		if m.Topic != topic || string(m.Payload) != "grüße" || m.QoS != qos {
			t.Errorf("QoS %d: got %s %q QoS %d", qos, m.Topic, m.Payload, m.QoS)
		}
		if p.PayloadFormat == nil || *p.PayloadFormat != 1 || p.MessageExpiry == nil || *p.MessageExpiry > 1000 || *p.MessageExpiry < 900 ||
			p.ContentType != "text/plain" || p.ResponseTopic != "answer/here" || string(p.CorrelationData) != "\x00\x01\xff" ||
			len(p.User) != 2 || p.User[0].Value != "1" || p.User[1].Value != "2" ||
			p.SubscriptionIdentifier == nil || *p.SubscriptionIdentifier != id {
			t.Errorf("QoS %d: properties %v", qos, p)
		}
	}
}

// pahoV5 returns a Paho client over an open connection; messages go to got.
func pahoV5(t *testing.T, addr string, got chan<- *paho.Publish) *paho.Client {
	t.Helper()
	u, err := url.Parse(addr)
	must(t, err)
	raw := u.Host
	if u.Scheme == "ws" {
		raw = addr
	}
	conn, err := open(raw)
	must(t, err)
	t.Cleanup(func() { _ = conn.Close() })
	return paho.NewClient(paho.ClientConfig{
		Conn: packets.NewThreadSafeConn(conn), PacketTimeout: soon,
		OnPublishReceived: []func(paho.PublishReceived) (bool, error){func(r paho.PublishReceived) (bool, error) {
			got <- r.Packet
			return true, nil
		}},
	})
}

func take[T any](t *testing.T, ch <-chan T) T {
	t.Helper()
	select {
	case v := <-ch:
		return v
	case <-time.After(soon):
		t.Fatal("nothing received")
	}
	panic("unreachable")
}

// clientID makes an id of the test's name, in letters that every server takes.
func clientID(t *testing.T) string {
	return strings.Map(func(r rune) rune {
		if r >= 'a' && r <= 'z' || r >= 'A' && r <= 'Z' || r >= '0' && r <= '9' {
			return r
		}
		return '-'
	}, t.Name())
}

// TestCommands runs `lmqgate sub` and `lmqgate pub` as the start-up lines of the embedded mode say them.
func TestCommands(t *testing.T) {
	f := start(t, 1, embedded)
	i := f.instances[0]
	out := i.log.String()
	for _, line := range []string{
		"lmqgate is running.", i.ws(), "tcp://" + i.tcp, "http://" + i.http + "/console", "http://" + i.http + "/health/ready", "EMBEDDED: Redis and RocketMQ run inside this process",
		" sub --url " + i.ws() + " 'chat/#'", " pub --url " + i.ws() + " chat/room1 hello",
	} {
		if !strings.Contains(out, line) {
			t.Errorf("start-up lines lack %q:\n%s", line, out)
		}
	}
	binary, err := f.binary()
	must(t, err)
	var printed, talk logBuffer
	sub := command(binary, "sub", "-v", "--url", i.ws(), "--count", "2", "--timeout", "60s", "chat/#")
	sub.Stdout, sub.Stderr = &printed, &talk
	must(t, sub.Start())
	eventually(t, soon, func() error {
		if !strings.Contains(talk.String(), "connected to") {
			return fmt.Errorf("sub says %q", talk.String())
		}
		return nil
	})
	for _, url := range []string{i.ws(), "tcp://" + i.tcp} {
		if out, err := command(binary, "pub", "--url", url, "chat/room1", "hello").CombinedOutput(); err != nil {
			t.Fatalf("pub: %v\n%s", err, out)
		}
	}
	if err := sub.Wait(); err != nil {
		t.Fatalf("sub: %v\n%s", err, talk.String())
	}
	if got := strings.Count(printed.String(), "chat/room1"); got != 2 || strings.Count(printed.String(), "hello") != 2 {
		t.Errorf("sub printed %q", printed.String())
	}
}

// command is the binary with arguments, in an environment without settings of the gateway.
func command(binary string, args ...string) *exec.Cmd {
	cmd := exec.Command(binary, args...)
	cmd.Env = clean(os.Environ())
	cmd.SysProcAttr = dieWithParent()
	return cmd
}

// TestRefusesHalfEmbedded: with one real server only, cursors would outlive the log.
func TestRefusesHalfEmbedded(t *testing.T) {
	binary, err := binaries.race()
	must(t, err)
	cmd := command(binary)
	cmd.Env = append(cmd.Env, "REDIS_URL=redis://127.0.0.1:1", "PORT=0", "MQTT_TCP_ADDR=off")
	out, err := cmd.CombinedOutput()
	if cmd.ProcessState.ExitCode() != 2 || !strings.Contains(string(out), "NAMESRV_ADDR") || !strings.Contains(string(out), "AUTH") {
		t.Errorf("%v, want exit status 2 and both variables named:\n%s", err, out)
	}
}
