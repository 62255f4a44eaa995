package e2e

import (
	"bufio"
	"encoding/json"
	"fmt"
	"io"
	"os/exec"
	"slices"
	"strings"
	"sync"
	"testing"

	"github.com/google/go-cmp/cmp"

	"lmqgate/adapter/packet"
)

// rocketMessage is a line of rocketapp.
type rocketMessage struct {
	Topic      string            `json:"topic"`
	Tag        string            `json:"tag,omitempty"`
	Body       []byte            `json:"body"`
	Properties map[string]string `json:"properties"`
}

var rocketApp = sync.OnceValues(func() (string, error) { return buildPackage("rocketapp", "lmqgate/e2e/rocketapp") })

// application runs rocketapp for the test's lifetime.
func application(t *testing.T, args ...string) (in io.Writer, out *bufio.Scanner) {
	t.Helper()
	path, err := rocketApp()
	must(t, err)
	cmd := exec.Command(path, args...)
	cmd.SysProcAttr = dieWithParent()
	return running(t, cmd)
}

// running starts a command that ends with the test.
func running(t *testing.T, cmd *exec.Cmd) (in io.Writer, out *bufio.Scanner) {
	t.Helper()
	var complaints logBuffer
	cmd.Stderr = &complaints
	in, err := cmd.StdinPipe()
	must(t, err)
	stdout, err := cmd.StdoutPipe()
	must(t, err)
	must(t, cmd.Start())
	t.Cleanup(func() {
		_ = cmd.Process.Kill()
		_ = cmd.Wait()
		if t.Failed() {
			t.Logf("%q: %s", cmd.Args, complaints.String())
		}
	})
	lines := bufio.NewScanner(stdout)
	lines.Buffer(nil, 1<<20)
	return in, lines
}

// consume runs a RocketMQ push consumer; its messages come through the channel.
func (f *fleet) consume(topic, tags string) <-chan rocketMessage {
	f.t.Helper()
	_, out := application(f.t, "consume", f.namesrv, topic, "G-"+topic, tags)
	return messages(out)
}

// messages reads the lines of a consumer.
func messages(out *bufio.Scanner) <-chan rocketMessage {
	got := make(chan rocketMessage, 1000)
	go func() {
		for out.Scan() {
			var m rocketMessage
			if json.Unmarshal(out.Bytes(), &m) == nil {
				got <- m
			}
		}
	}()
	return got
}

// produce sends messages with a RocketMQ producer, one after the other.
func (f *fleet) produce(messages ...rocketMessage) {
	f.t.Helper()
	in, out := application(f.t, "produce", f.namesrv)
	sent(f.t, in, out, messages)
}

// sent has an application send messages, one after the other.
func sent[M any](t *testing.T, in io.Writer, out *bufio.Scanner, messages []M) {
	t.Helper()
	for _, m := range messages {
		must(t, json.NewEncoder(in).Encode(m))
		if !out.Scan() || out.Text() != "ok" {
			t.Fatalf("produce %v: %q %v", m, out.Text(), out.Err())
		}
	}
}

// TestRocketMQConsumer: a RocketMQ application that subscribes to a first topic with the tag MQTT_COMMON sees each MQTT
// message once, with the properties that Apache RocketMQ MQTT writes.
func TestRocketMQConsumer(t *testing.T) {
	onEach(t, func(t *testing.T, b backend) {
		f := start(t, 1, b)
		v3 := connected(t, "v3", packet.V311, f.instances[0].tcp)
		for _, filter := range []string{f.topic("r1"), f.topic("+"), f.topic("#")} {
			must(t, v3.subscribe(1, filter))
		}
		first := f.first
		all := []string{"%LMQ%" + first + "%r1%", "%LMQ%" + first + "%+%", "%LMQ%" + first + "%#%"}
		cases := []struct {
			topic, payload string
			qos            byte
			body, ext      string
			dispatch       []string
		}{
			{first + "/r1", "hi", 1, "hi", `{"qosLevel":"1"}`, all},
			{first + "/r1/", "hi2", 0, "hi2", `{"qosLevel":"0"}`, []string{"%LMQ%" + first + "%#%"}},
			{first, "single", 2, "single", `{"qosLevel":"2"}`, []string{"%LMQ%" + first + "%#%"}},
			{first + "/e", "", 1, "★\r\n\t☀", `{"qosLevel":"1"}`, all[1:]},
			{"/" + first + "/x", "lead", 1, "lead", `{"qosLevel":"1"}`, nil},
		}
		for _, c := range cases {
			v3.publish(c.topic, c.qos, c.payload, nil)
			v3.flushed(soon)
		}
		got := f.consume(first, "MQTT_COMMON")
		byTopic := map[string]rocketMessage{}
		for range cases {
			m := take(t, got)
			byTopic[m.Properties["originMqttTopic"]] = m
		}
		for _, c := range cases {
			m := byTopic[c.topic]
			lmqs := strings.Split(m.Properties["INNER_MULTI_DISPATCH"], ",")
			slices.Sort(lmqs)
			wanted := slices.Clone(c.dispatch)
			slices.Sort(wanted)
			if c.dispatch == nil {
				wanted = []string{""}
			}
			if diff := cmp.Diff(wanted, lmqs); diff != "" {
				t.Errorf("%s: dispatched to (-want +got)\n%s", c.topic, diff)
			}
			if string(m.Body) != c.body || m.Topic != first {
				t.Errorf("%s: body %q in topic %s", c.topic, m.Body, m.Topic)
			}
			props := map[string]string{}
			for _, name := range []string{"TAGS", "WAIT", "originMqttTopic", "qosLevel", "retryTimes", "IS_EMPTY_MSG", "extData"} {
				props[name] = m.Properties[name]
			}
			if diff := cmp.Diff(map[string]string{
				"TAGS": "MQTT_COMMON", "WAIT": "true", "originMqttTopic": c.topic, "qosLevel": fmt.Sprint(c.qos), "retryTimes": "0",
				"IS_EMPTY_MSG": fmt.Sprint(c.payload == ""), "extData": c.ext,
			}, props); diff != "" {
				t.Errorf("%s: properties (-want +got)\n%s", c.topic, diff)
			}
			if m.Properties["UNIQ_KEY"] == "" {
				t.Errorf("%s: no UNIQ_KEY", c.topic)
			}
		}
		v3.publish(f.topic("last"), 1, "last", nil)
		if m := take(t, got); m.Properties["originMqttTopic"] != f.topic("last") {
			t.Errorf("a message was consumed twice: %v", m)
		}
	})
}

// TestRocketMQProducer: messages that a RocketMQ application dispatches to LMQs by itself reach MQTT subscribers, with
// mqttRealTopic, with originMqttTopic only, with neither; messages without an LMQ harm nothing.
func TestRocketMQProducer(t *testing.T) {
	onEach(t, func(t *testing.T, b backend) {
		f := start(t, 2, b)
		exact := connected(t, "exact", packet.V311, f.instances[0].tcp)
		must(t, exact.subscribe(1, f.topic("r1")))
		wild := connected(t, "wild", packet.V5, f.instances[1].ws())
		must(t, wild.subscribe(2, f.topic("+")))
		exact.publish(f.topic("r1"), 1, "topic exists", nil)
		exact.flushed(soon)

		lmqs := fmt.Sprintf("%%LMQ%%%s%%+%%,%%LMQ%%%s%%r1%%", f.first, f.first)
		message := func(body string, properties map[string]string) rocketMessage {
			properties["INNER_MULTI_DISPATCH"] = lmqs
			return rocketMessage{f.first, "MQ2MQTT", []byte(body), properties}
		}
		f.produce(
			rocketMessage{f.first, "", []byte("plain"), nil},
			rocketMessage{f.first, "MQTT_COMMON", []byte("plain with our tag"), nil},
			message("real topic", map[string]string{"extData": fmt.Sprintf(`{"mqttRealTopic":%q}`, f.topic("r1")), "originMqttTopic": "elsewhere/x"}),
			message("origin only", map[string]string{"originMqttTopic": f.topic("r1"), "qosLevel": "1"}),
			message("neither", map[string]string{}),
			message("not json", map[string]string{"extData": "{", "originMqttTopic": f.topic("r1")}),
			message("for another topic", map[string]string{"originMqttTopic": f.topic("r2")}), // matches +, not r1
			message("bad topic", map[string]string{"originMqttTopic": "a/#"}),                 // then the LMQ names it
		)
		exact.publish(f.topic("r1"), 1, "after", nil)
		exact.flushed(soon)
		wanted := []string{"topic exists", "real topic", "origin only", "neither", "not json", "bad topic", "after"}
		check := func(d *device, wanted []string) {
			t.Helper()
			isLast := func(a arrival) bool { return a.payload == "after" }
			d.gets(soon, 1, isLast)
			d.gets(soon, len(wanted), nil)
			got := d.received(nil)
			all := payloads(got)
			slices.Sort(all) // the application's producer chooses queues as it likes
			wanted = slices.Sorted(slices.Values(wanted))
			if diff := cmp.Diff(wanted, all); diff != "" {
				t.Errorf("%s (-want +got)\n%s", d.id, diff)
			}
			for _, a := range got {
				if topic := f.topic("r1"); a.topic != topic && a.payload != "for another topic" {
					t.Errorf("%s: %q came under %q, want %q", d.id, a.payload, a.topic, topic)
				}
			}
			d.sane()
		}
		check(exact, wanted)
		check(wild, append(wanted, "for another topic"))
	})
}
