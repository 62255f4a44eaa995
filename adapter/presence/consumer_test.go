package presence_test

import (
	"context"
	"encoding/json"
	"fmt"
	"math/rand/v2"
	"os"
	"strconv"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"lmqgate/adapter/packet"
	"lmqgate/adapter/presence"
	"lmqgate/adapter/rocketmq/remoting"
	"lmqgate/infra/minimq"
	"lmqgate/meta/message"
	"lmqgate/meta/topic"
)

const namesrvEnv = "LMQGATE_TEST_NAMESRV"

// broker speaks to a broker with bare requests, as a producer and as a consumer.
type broker struct {
	t    *testing.T
	conn *remoting.Conn
	name string
}

func dial(t *testing.T, addr, name string) *broker {
	t.Helper()
	conn, err := remoting.Dial(t.Context(), addr, remoting.DialConfig{})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = conn.Close() })
	return &broker{t: t, conn: conn, name: name}
}

func (b *broker) do(code int32, ext map[string]string) *remoting.Command {
	b.t.Helper()
	answer, err := b.conn.Do(b.t.Context(), remoting.NewRequest(code, ext, nil))
	if err != nil {
		b.t.Fatal(err)
	}
	return answer
}

// Match has one subscriber to all presence events.
func (b *broker) Match(_ string, done func([]string, error)) { done([]string{"%SYS_MQTT/#"}, nil) }

func (b *broker) Pick(_ context.Context, topic, _ string) (message.Place, error) {
	return message.Place{Topic: topic, Broker: b.name}, nil
}

func (b *broker) NewKey() string { return fmt.Sprintf("%016X%016X", rand.Uint64(), rand.Uint64()) }

func (b *broker) Send(o *presence.Outgoing, done func(error)) {
	var props []byte
	for k, v := range o.Properties {
		props = remoting.AppendProperty(props, k, v)
	}
	list := ""
	for i, name := range o.Dispatch {
		if i > 0 {
			list += ","
		}
		list += name
	}
	for k, v := range map[string]string{"TAGS": o.Tag, "UNIQ_KEY": o.Key, "INNER_MULTI_DISPATCH": list} {
		props = remoting.AppendProperty(props, k, v)
	}
	b.conn.Go(remoting.NewRequest(remoting.SendMessageV2, map[string]string{
		"a": "PG", "b": o.Place.Topic, "c": "TBW102", "d": "1", "e": strconv.Itoa(o.Place.Queue), "f": "0", "g": "1700000000000",
		"h": "0", "i": string(props), "j": "0", "k": "false", "l": "0", "m": "false",
	}, o.Body), time.Minute, func(a *remoting.Command, err error) {
		if err == nil && a.Code != remoting.Success {
			err = fmt.Errorf("code %d: %s", a.Code, a.Remark)
		}
		done(err)
	})
}

// end is the offset behind the last message of a queue.
func (b *broker) end(topic string) int64 {
	b.t.Helper()
	n, err := strconv.ParseInt(b.do(remoting.GetMaxOffset, map[string]string{"topic": topic, "queueId": "0"}).Ext["offset"], 10, 64)
	if err != nil {
		b.t.Fatalf("end of %s: %v", topic, err)
	}
	return n
}

// read returns n messages of a queue with a tag from an offset on, waiting for them.
func (b *broker) read(topic, tag string, from int64, n int) []remoting.Message {
	b.t.Helper()
	var all []remoting.Message
	for len(all) < n {
		a := b.do(remoting.PullMessage, map[string]string{
			"consumerGroup": "%LMQ%g", "topic": topic, "queueId": "0", "queueOffset": strconv.FormatInt(from, 10), "maxMsgNums": "32",
			"sysFlag": "6", "commitOffset": "0", "suspendTimeoutMillis": "1000", "subscription": tag, "subVersion": "0", "expressionType": "TAG",
		})
		list, err := remoting.DecodeMessages(a.Body)
		if err != nil {
			b.t.Fatal(err)
		}
		all = append(all, list...)
		if next, err := strconv.ParseInt(a.Ext["nextBeginOffset"], 10, 64); err == nil {
			from = next
		}
	}
	return all
}

// consume checks what a RocketMQ consumer of the topic, a client of the Java gateway and a subscriber of ours get.
func consume(t *testing.T, b *broker) {
	b.do(remoting.UpdateAndCreateTopic, map[string]string{
		"topic": "%SYS_MQTT", "defaultTopic": "TBW102", "readQueueNums": "1", "writeQueueNums": "1", "perm": "6",
		"topicFilterType": "SINGLE_TAG", "topicSysFlag": "0", "order": "false",
	})
	queues := []string{"%SYS_MQTT", "%LMQ%%SYS_MQTT%online_offline_event%", topic.LMQ("%SYS_MQTT/#")}
	var from []int64
	for _, q := range queues {
		from = append(from, b.end(q))
	}
	e := presence.New(b, b, presence.Config{Instance: "gw"})
	e.Online(client("c1", 7))
	e.Offline(client("c1", 7), packet.KeepAliveTimeout)
	if err := e.Close(t.Context()); err != nil {
		t.Fatal(err)
	}
	for i, q := range queues {
		tag := "*"
		if i == 0 {
			tag = "CLIENT_EVENT"
		}
		var got []string
		for _, m := range b.read(q, tag, from[i], 2) {
			var event struct {
				ClientID, ChannelID, EventType, EventInfo string
			}
			if err := json.Unmarshal(m.Body, &event); err != nil {
				t.Fatal(err)
			}
			p := m.Properties.Map()
			got = append(got, fmt.Sprint(m.Topic, " ", p["TAGS"], " ", p["originMqttTopic"], " ", event))
		}
		const about = "%SYS_MQTT CLIENT_EVENT %SYS_MQTT/online_offline_event {c1 gw:7 "
		want := []string{about + "CLIENT_CONNECT }", about + "CLIENT_DISCONNECT keep alive timeout}"}
		if diff := cmp.Diff(want, got); diff != "" {
			t.Errorf("%s (-want +got)\n%s", q, diff)
		}
	}
}

func TestConsumers(t *testing.T) {
	t.Run("minimq", func(t *testing.T) {
		s := minimq.RunWith(t, minimq.Config{})
		consume(t, dial(t, s.Brokers()[0].Addr(), "broker-a"))
	})
	t.Run("rocketmq", func(t *testing.T) {
		addr := os.Getenv(namesrvEnv)
		if addr == "" {
			t.Skipf("%s is not set: needs the host:port of the name server of a RocketMQ 5.4.0", namesrvEnv)
		}
		info, err := remoting.DecodeClusterInfo(dial(t, addr, "").do(remoting.GetBrokerClusterInfo, nil).Body)
		if err != nil {
			t.Fatal(err)
		}
		for name, b := range info.Brokers {
			consume(t, dial(t, b.Addrs[remoting.MasterID], name))
		}
	})
}
