package e2e

import (
	"encoding/json"
	"fmt"
	"maps"
	"regexp"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"lmqgate/adapter/packet"
	"lmqgate/e2e/parts"
	"lmqgate/meta/metatest"
)

// applications are RocketMQ applications beside a fleet: in Go, and in Java on real brokers.
type applications struct {
	consume func(topic, tags string) <-chan rocketMessage
	produce func(messages ...rocketMessage)
}

// in is the fleet for a part of its test.
func (f *fleet) in(t *testing.T) *fleet {
	part := *f
	part.t = t
	return &part
}

func (f *fleet) goApplications() applications { return applications{f.consume, f.produce} }

// javaApplications are those of e2e/rocketmq/java with the client of a RocketMQ version, "" for the usual one.
func (f *fleet) javaApplications(version string) applications {
	return applications{
		consume: func(topic, tags string) <-chan rocketMessage {
			_, out := running(f.t, parts.JavaApplication(f.t, version, "MqttApplication", "consume", f.namesrv, topic, "G-"+topic, tags))
			return messages(out)
		},
		produce: func(messages ...rocketMessage) {
			f.t.Helper()
			in, out := running(f.t, parts.JavaApplication(f.t, version, "MqttApplication", "publish", f.namesrv))
			sent(f.t, in, out, messages)
		},
	}
}

// TestContract: what a RocketMQ application sees of MQTT messages, and what MQTT clients get of its messages, is what the
// contract says, byte for byte.
func TestContract(t *testing.T) {
	onEach(t, func(t *testing.T, b backend) {
		f := start(t, 1, b)
		t.Run("written", func(t *testing.T) { f.written(t, f.in(t).goApplications()) })
		t.Run("read", func(t *testing.T) { f.read(t, f.in(t).goApplications()) })
	})
}

// TestJavaApplication is TestContract with an application in Java.
func TestJavaApplication(t *testing.T) {
	needs(t, "LMQGATE_TEST_NAMESRV")
	f := start(t, 1, real)
	t.Run("written", func(t *testing.T) { f.written(t, f.in(t).javaApplications("")) })
	t.Run("read", func(t *testing.T) { f.read(t, f.in(t).javaApplications("")) })
	t.Run("dispatch", f.javaDispatch)
}

// javaDispatch: what the Java application dispatches to filters by itself reaches their readers.
func (f *fleet) javaDispatch(t *testing.T) {
	long := f.topic("j/%s", strings.Repeat("é", 120))
	topics := []string{f.topic("j/r1"), f.topic("j/r,1"), long, f.topic("j/r1/")}
	readers := []struct {
		filter string
		wanted []string
	}{
		{f.topic("j/r1"), topics[:1]},
		{f.topic("j/r1/"), topics[3:]}, // the same queue
		{f.topic("j/+"), topics[:3]},
		{f.topic("#"), topics},
		{"+/j/#", topics},
		{f.topic("+/r,1"), topics[1:2]},
		{long, topics[2:3]},
	}
	devices := make([]*device, len(readers))
	filters := make([]string, len(readers))
	for n, r := range readers {
		devices[n] = connected(t, fmt.Sprint("j-reader-", n), packet.V311, f.instances[0].tcp)
		must(t, devices[n].subscribe(1, r.filter))
		filters[n] = r.filter
	}
	devices[0].publish(f.topic("makes/the/topic"), 1, "topic exists", nil)
	devices[0].flushed(soon)
	type dispatched struct {
		rocketMessage
		Filters []string `json:"filters"`
	}
	var list []dispatched
	for _, name := range topics {
		ext := fmt.Sprintf(`{"mqttRealTopic":%q,"qosLevel":"1"}`, name)
		list = append(list, dispatched{rocketMessage{f.first, "MQ2MQTT", []byte(f.first), map[string]string{"extData": ext}}, filters})
	}
	in, out := running(t, parts.JavaApplication(t, "", "MqttApplication", "publish", f.namesrv))
	sent(t, in, out, list)
	for n, r := range readers {
		devices[n].gets(soon, len(r.wanted), with(f.first))
		var got []string
		for _, a := range devices[n].received(with(f.first)) {
			got = append(got, a.topic)
		}
		slices.Sort(got)
		if diff := cmp.Diff(slices.Sorted(slices.Values(r.wanted)), got); diff != "" {
			t.Errorf("readers of %.60s (-want +got)\n%s", r.filter, diff)
		}
		devices[n].sane()
	}
}

// TestJavaNames: the Java application finds the queues of the contract's names as the gateway does.
func TestJavaNames(t *testing.T) {
	t.Parallel()
	needs(t, "LMQGATE_TEST_NAMESRV") // where RocketMQ is, its jars are
	in, out := running(t, parts.JavaApplication(t, "", "MqttApplication", "names"))
	for _, n := range metatest.LoadContract(t, "").Names {
		must(t, json.NewEncoder(in).Encode(n.Name))
		var got string
		if !out.Scan() {
			t.Fatalf("no answer for %q: %v", n.Name, out.Err())
		}
		if err := json.Unmarshal(out.Bytes(), &got); err != nil || got != n.LMQ {
			t.Errorf("%.40q: %q, %v; want %q", n.Name, got, err, n.LMQ)
		}
	}
}

// readers subscribes a client to each of the contract's filters.
func (f *fleet) readers(t *testing.T, c *metatest.Contract, role string) map[string]*device {
	t.Helper()
	all := map[string]*device{}
	for n, filter := range c.Subscribed {
		d := connected(t, fmt.Sprint(role, n), packet.V5, f.instances[n%len(f.instances)].tcp)
		must(t, d.subscribe(2, filter))
		all[filter] = d
	}
	return all
}

// added are the properties that brokers and RocketMQ's clients add.
var added = []string{
	"UNIQ_KEY", "INNER_MULTI_DISPATCH", "INNER_MULTI_QUEUE_OFFSET", "CLUSTER", "MSG_REGION", "TRACE_ON", "MIN_OFFSET", "MAX_OFFSET",
	"CONSUME_START_TIME",
}

var uniqKey = regexp.MustCompile(`^[0-9A-F]{32}$`)

// written publishes the contract's messages over MQTT and has an application consume them.
func (f *fleet) written(t *testing.T, apps applications) {
	first := f.first + "w"
	c := metatest.LoadContract(t, first)
	f.readers(t, c, "w-reader-")
	connected(t, first+"-gold1", packet.V311, f.instances[0].tcp) // to whom something is published by its id
	publishers := map[string]*device{"": connected(t, "w-v3", packet.V311, f.instances[0].tcp)}
	var wanted, got []string
	for _, w := range c.Written {
		if publishers[w.MQTT.Publisher] == nil {
			publishers[w.MQTT.Publisher] = connected(t, w.MQTT.Publisher, packet.V5, f.instances[0].tcp)
		}
		m := w.MQTT.Message()
		d := publishers[w.MQTT.Publisher]
		d.post(packet.Publish{QoS: m.QoS, Retain: m.Retain, Topic: m.Topic, Payload: m.Payload, Properties: m.Properties}, nil)
		d.flushed(soon)
		if w.RocketMQ.Topic == first { // else in a topic that other tests write to as well
			wanted = append(wanted, seenAsText(w.RocketMQ.Body, w.RocketMQ.Dispatch, w.RocketMQ.Properties))
		}
	}
	incoming := apps.consume(first, "MQTT_COMMON")
	keys := map[string]bool{}
	for range wanted {
		m := take(t, incoming)
		if m.Topic != first || keys[m.Properties["UNIQ_KEY"]] || !uniqKey.MatchString(m.Properties["UNIQ_KEY"]) {
			t.Errorf("topic %s, UNIQ_KEY %q", m.Topic, m.Properties["UNIQ_KEY"])
		}
		keys[m.Properties["UNIQ_KEY"]] = true
		list, offsets := m.Properties["INNER_MULTI_DISPATCH"], m.Properties["INNER_MULTI_QUEUE_OFFSET"]
		if strings.Count(list, ",") != strings.Count(offsets, ",") || (list == "") != (offsets == "") {
			t.Errorf("dispatched to %s, with offsets %s", list, offsets)
		}
		properties := maps.Clone(m.Properties)
		maps.DeleteFunc(properties, func(k, _ string) bool { return slices.Contains(added, k) })
		got = append(got, seenAsText(m.Body, list, properties))
	}
	slices.Sort(wanted)
	slices.Sort(got)
	if diff := cmp.Diff(wanted, got); diff != "" {
		t.Errorf("consumed (-want +got)\n%s", diff)
	}
	for _, d := range publishers {
		d.sane()
	}
}

func seenAsText(body []byte, dispatch string, properties map[string]string) string {
	text, _ := json.Marshal(properties) // strings by name, in order
	return fmt.Sprintf("%s %x to %q", text, body, dispatch)
}

// read has an application produce the contract's messages and compares what subscribers get.
func (f *fleet) read(t *testing.T, apps applications) {
	first := f.first + "r"
	c := metatest.LoadContract(t, first)
	readers := f.readers(t, c, "r-reader-")
	d := connected(t, "r-first", packet.V311, f.instances[0].tcp)
	d.publish(first+"/a/b/c/creates/the/topic", 1, "end", nil)
	d.flushed(soon)

	wanted := map[string][]string{} // by filter, and by client id
	var list []rocketMessage
	for _, r := range c.Read {
		if r.Client != "" && readers[r.Client] == nil {
			readers[r.Client] = connected(t, r.Client, packet.V5, f.instances[0].tcp)
		}
		properties := maps.Clone(r.RocketMQ.Properties)
		delete(properties, "TAGS")
		list = append(list, rocketMessage{first, r.RocketMQ.Properties["TAGS"], r.RocketMQ.Body, properties})
		for _, filter := range append(r.Readers, r.Client) {
			if filter == "" {
				continue
			}
			wanted[filter] = append(wanted[filter], fmt.Sprintf("%s %q %d", r.MQTT.Topic, []byte(r.MQTT.Payload), r.MQTT.QoS))
		}
	}
	// What is read in a queue comes in its order on one broker; more messages at the end than a topic has queues reach each broker.
	const ends = 16
	for range ends {
		for filter := range readers {
			name, lmq := strings.NewReplacer("/#", "/all/of/it", "/+", "/each").Replace(filter), c.LMQ(filter)
			if !slices.Contains(c.Subscribed, filter) {
				name, lmq = first+"/p2p/"+filter, "%LMQ%%p2p%"+filter+"%"
			}
			properties := map[string]string{"originMqttTopic": name, "INNER_MULTI_DISPATCH": lmq}
			list = append(list, rocketMessage{first, "MQ2MQTT", []byte("end"), properties})
		}
	}
	apps.produce(list...)
	deadline := time.Now().Add(soon) // for all of them: who lacks something waits in vain
	for filter, d := range readers {
		isEnd := func(a arrival) bool { return a.payload == "end" }
		isOther := func(a arrival) bool { return a.payload != "end" }
		if !d.gets(time.Until(deadline), ends, isEnd) {
			t.Errorf("%.60s: %d of %d last messages", filter, len(d.received(isEnd)), ends)
		}
		d.gets(time.Until(deadline), len(wanted[filter]), isOther)
		var got []string
		for _, a := range d.received(isOther) {
			got = append(got, fmt.Sprintf("%s %q %d", a.topic, a.payload, a.qos))
			if a.retain || a.dup {
				t.Errorf("%.60s: %.60s came with retain %v, dup %v", filter, a.topic, a.retain, a.dup)
			}
		}
		slices.Sort(got)
		slices.Sort(wanted[filter])
		if diff := cmp.Diff(wanted[filter], got); diff != "" {
			t.Errorf("readers of %.60s (-want +got)\n%s", filter, diff)
		}
		d.sane()
	}
}
