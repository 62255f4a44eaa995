package gateway

import (
	"fmt"
	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/alicebob/miniredis/v2"

	"lmqgate/adapter/packet"
	"lmqgate/infra/config"
	"lmqgate/infra/minimq"
)

// stalls is a gateway before n brokers, with a subscriber to index/+ and a publisher.
func stalls(t *testing.T, n int) (mq *minimq.Server, g *Gateway, sub, pub *peer) {
	redis := miniredis.RunT(t)
	mq = minimq.RunWith(t, minimq.Config{Brokers: n})
	g = start(t, stalledConfig(t, redis.Addr(), mq.Addr()))
	becomes(t, g, http.StatusOK)
	sub, _ = dial(t, g, connect("sub", 3600))
	sub.subscribe("index/+", 1)
	pub, _ = dial(t, g, connect("pub", 0))
	return mq, g, sub, pub
}

func stalledConfig(t *testing.T, redis, names string) config.Config {
	return load(t, env("REDIS_URL", "redis://"+redis), env("NAMESRV_ADDR", names), "AUTH=anonymous", "BIND_ADDR=127.0.0.1")
}

// noticed waits until the gateway holds broker for stalled, or no longer does.
func noticed(t *testing.T, g *Gateway, broker string, stalled bool) {
	t.Helper()
	for deadline := time.Now().Add(patience); ; {
		if _, is := g.rocket.Stalled(broker); is == stalled {
			return
		}
		if time.Now().After(deadline) {
			t.Fatalf("%s stalled=%v was not noticed", broker, stalled)
		}
		<-time.After(10 * time.Millisecond) // nothing waits for it but the machine
	}
}

// TestStalledAlone: while the only broker does not index, the instance is not ready and says why, and gives no PUBACK though
// it goes on serving the connection; both come back, and the message with them, when it indexes again (decision 11).
func TestStalledAlone(t *testing.T) {
	t.Parallel()
	mq, g, sub, pub := stalls(t, 1)
	pub.publish("index/1", "before")
	sub.receive("before")

	mq.Faults().StallIndex(true)
	noticed(t, g, "broker-a", true)
	if checks := becomes(t, g, http.StatusServiceUnavailable); !strings.Contains(checks["rocketmq"], "index") || checks["redis"] != "ok" {
		t.Errorf("health says %v", checks)
	}
	pub.send(&packet.Publish{Topic: "index/1", Payload: []byte("during"), QoS: 1, PacketID: 7})
	for range 20 {
		pub.send(&packet.Pingreq{})
		if p := pub.next(); p == nil || p.Type() != (&packet.Pingresp{}).Type() {
			t.Fatalf("%+v while the broker does not index", p)
		}
	}

	mq.Faults().StallIndex(false)
	if ack, ok := pub.next().(*packet.Puback); !ok || ack.PacketID != 7 || ack.Code.Failed() {
		t.Fatalf("PUBLISH answered with %+v", ack)
	}
	sub.receive("during")
	noticed(t, g, "broker-a", false)
	becomes(t, g, http.StatusOK)
}

// TestStalledOneOfTwo: with a sound broker left the instance stays ready, and publishes go there, those to topics that were
// in use as well; when the other one indexes again everything goes on.
func TestStalledOneOfTwo(t *testing.T) {
	t.Parallel()
	mq, g, sub, pub := stalls(t, 2)
	const topics = 16
	name := func(i int) string { return fmt.Sprintf("index/%d", i) }
	for i := range topics {
		pub.publish(name(i), "before")
		sub.receive("before")
	}

	mq.Faults().StallIndex(true) // broker-a
	noticed(t, g, "broker-a", true)
	for i := range 2 * topics {
		pub.publish(name(i), fmt.Sprint(i))
		sub.receive(fmt.Sprint(i))
	}
	if _, is := g.rocket.Stalled("broker-b"); is {
		t.Error("the sound broker is held for stalled")
	}
	becomes(t, g, http.StatusOK)

	mq.Faults().StallIndex(false)
	noticed(t, g, "broker-a", false)
	for i := range topics {
		pub.publish(name(i), "after")
		sub.receive("after")
	}
}
