package presence

import (
	"encoding/json"
	"net/netip"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"lmqgate/adapter/packet"
	"lmqgate/meta/message"
	"lmqgate/meta/topic"
)

var c1 = Info{
	ClientID: "c<1>", Username: "u\"é", Address: netip.MustParseAddr("192.0.2.7"), Transport: "ws", Version: packet.V5,
	KeepAlive: time.Minute, Epoch: 7, At: time.UnixMilli(1_700_000_000_000),
}

// The bodies as consumers get them. The fields up to "port" are Java's, in its order.
func TestBodies(t *testing.T) {
	at := time.UnixMilli(1_700_000_001_500)
	bare := Info{ClientID: "c2", Address: netip.MustParseAddr("::ffff:192.0.2.8"), Transport: "tcp", Version: packet.V311, Epoch: 1, At: at}
	for _, c := range []struct {
		b    body
		want string
	}{
		{came(c1, "gw-1"), `{"channelId":"gw-1:7","clientId":"c<1>","eventTime":1700000000000,"eventType":"CLIENT_CONNECT",` +
			`"host":"192.0.2.7","ip":"192.0.2.7","packetId":0,"port":0,` +
			`"epoch":7,"instance":"gw-1","keepAlive":60,"protocol":5,"transport":"ws","username":"u\"é"}`},
		{went(c1, "gw-1", packet.SessionTakenOver, at), `{"channelId":"gw-1:7","clientId":"c<1>","eventInfo":"session taken over",` +
			`"eventTime":1700000001500,"eventType":"CLIENT_DISCONNECT","host":"192.0.2.7","ip":"192.0.2.7","packetId":0,"port":0,` +
			`"epoch":7,"instance":"gw-1","keepAlive":60,"protocol":5,"reasonCode":142,"transport":"ws","username":"u\"é"}`},
		{went(bare, "gw-1", packet.Success, at), `{"channelId":"gw-1:1","clientId":"c2","eventInfo":"success",` +
			`"eventTime":1700000001500,"eventType":"CLIENT_DISCONNECT","host":"192.0.2.8","ip":"192.0.2.8","packetId":0,"port":0,` +
			`"epoch":1,"instance":"gw-1","keepAlive":0,"protocol":4,"reasonCode":0,"transport":"tcp"}`},
		{swept("c3", "gw-2", at), `{"channelId":"gw-2:0","clientId":"c3","eventInfo":"instance gone",` +
			`"eventTime":1700000001500,"eventType":"CLIENT_DISCONNECT","packetId":0,"port":0,"epoch":0,"instance":"gw-2"}`},
	} {
		if diff := cmp.Diff(c.want, string(c.b.encode())); diff != "" {
			t.Errorf("(-want +got)\n%s", diff)
		}
		if !json.Valid(c.b.encode()) {
			t.Errorf("no JSON: %s", c.b.encode())
		}
	}
}

// The message around a body is what Java's gateway writes.
func TestOutgoing(t *testing.T) {
	at := message.Place{Topic: RocketMQTopic, Broker: "b", Queue: 3}
	got := outgoing([]byte("{}"), "K", at, []string{"%SYS_MQTT/#"})
	want := &Outgoing{
		Place: at, Tag: "CLIENT_EVENT", Key: "K", Body: []byte("{}"),
		Properties: map[string]string{
			"originMqttTopic": "%SYS_MQTT/online_offline_event", "qosLevel": "1", "retryTimes": "0", "IS_EMPTY_MSG": "false",
			"WAIT": "true", "extData": `{"qosLevel":"1"}`,
		},
		Dispatch: []string{"%LMQ%%SYS_MQTT%online_offline_event%", topic.LMQ("%SYS_MQTT/#")},
	}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("(-want +got)\n%s", diff)
	}
	m, err := message.Decode(got.Body, func(k string) string { return got.Properties[k] })
	if err != nil || m.Topic != Topic || m.QoS != 1 || string(m.Payload) != "{}" {
		t.Errorf("a subscriber gets %+v, %v", m, err)
	}
}

func TestQueues(t *testing.T) {
	all := []string{
		"%SYS_MQTT/online_offline_event", "%SYS_MQTT/online_offline_event/#", "%SYS_MQTT/+", "%SYS_MQTT/+/#", "%SYS_MQTT/#",
		"#", "+/online_offline_event", "+/#", "%SYS_MQTT/other", "%SYS_MQTT", "%SYS_MQTT/+/x",
	}
	got := queues(append(all, all...))
	if len(got) != 6 || got[0] != JavaLMQ {
		t.Fatalf("queues %q", got)
	}
	for i, lmq := range got[1:] {
		if lmq != topic.LMQ(all[i]) || lmq == JavaLMQ || strings.ContainsAny(lmq, ",\x01\x02") || !strings.HasPrefix(lmq, "%LMQ%") {
			t.Errorf("%s: %q", all[i], lmq)
		}
	}
	if got := queues(nil); len(got) != 1 {
		t.Errorf("without subscribers: %q", got)
	}
}
