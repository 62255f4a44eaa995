package e2e

import (
	"bufio"
	"os/exec"
	"strings"
	"sync"
	"testing"
	"time"

	"lmqgate/adapter/packet"
)

var mqttApp = sync.OnceValues(func() (string, error) {
	return buildPackage("mqttapp", "lmqgate/adapter/rocketmq/app/examples/mqttapp")
})

// mqttapp starts the example of package app; what it prints can be read line by line.
func (f *fleet) mqttapp(args ...string) *bufio.Scanner {
	f.t.Helper()
	path, err := mqttApp()
	must(f.t, err)
	cmd := exec.Command(path, args...)
	cmd.SysProcAttr = dieWithParent()
	cmd.Env = f.env
	_, out := running(f.t, cmd)
	return out
}

// says reads lines until one is as wanted.
func (f *fleet) says(out *bufio.Scanner, wanted func(line string) bool) {
	f.t.Helper()
	var lines []string
	for out.Scan() {
		if lines = append(lines, out.Text()); wanted(out.Text()) {
			return
		}
	}
	f.t.Fatalf("it printed %q: %v", lines, out.Err())
}

// TestApplication: a RocketMQ application made with package app publishes to MQTT clients, wildcards included, retains, reaches one
// client alone, consumes what they publish, and asks and answers.
func TestApplication(t *testing.T) {
	onEach(t, func(t *testing.T, b backend) {
		f := start(t, 2, b)
		reader := connected(t, "app-reader", packet.V5, f.instances[0].tcp)
		phone := connected(t, "app-phone", packet.V5, f.instances[1].tcp)
		reader.subscribed(1, f.topic("room/+/light"), f.topic("answers"))
		gets := func(d *device, topic, payload string, retain bool) {
			t.Helper()
			if !d.gets(soon, 1, func(a arrival) bool { return a.topic == topic && a.payload == payload && a.retain == retain }) {
				t.Errorf("%s has not got %q on %s, RETAIN %v", d.id, payload, topic, retain)
			}
		}
		queues := func(line string) bool { return strings.HasSuffix(line, " queues") }

		f.says(f.mqttapp("-retain", "publish", f.topic("room/1/light"), "on"), queues)
		gets(reader, f.topic("room/1/light"), "on", false)
		late := connected(t, "app-late", packet.V311, f.instances[1].tcp)
		late.subscribed(1, f.topic("room/#"))
		gets(late, f.topic("room/1/light"), "on", true)
		f.says(f.mqttapp("-qos", "2", "publish", f.topic("p2p/app-phone/word"), "psst"), queues)
		gets(phone, f.topic("p2p/app-phone/word"), "psst", false)

		phone.publish(f.topic("room/2/light"), 1, "off", nil)
		consumed := f.mqttapp("consume", "G-"+f.first+"-consume", f.topic("room/#"))
		f.says(consumed, func(line string) bool { return line == f.topic("room/2/light")+" off" })

		f.mqttapp("answer", "G-"+f.first+"-answer", f.topic("ask/#"))
		phone.post(packet.Publish{
			Topic: f.topic("ask/me"), QoS: 1, Payload: []byte("loud"),
			Properties: packet.Properties{ResponseTopic: f.topic("answers"), CorrelationData: []byte("7")},
		}, nil)
		gets(reader, f.topic("answers"), "LOUD", false)
		f.says(f.mqttapp("ask", f.topic("ask/me"), "who"), func(line string) bool { return line == "WHO" })
		for _, d := range []*device{reader, phone, late} {
			d.sane()
		}
	})
}

// TestApplicationTells: errors name what is wrong.
func TestApplicationTells(t *testing.T) {
	f := start(t, 1, mini)
	path, err := mqttApp()
	must(t, err)
	for _, tt := range []struct{ args, want string }{
		{"publish a/# x", "a/#"}, {"publish a", "usage"}, {"consume G +/x", "first level"}, {"dance a b", "unknown command"},
	} {
		cmd := exec.Command(path, strings.Fields(tt.args)...)
		cmd.Env = f.env
		late := time.AfterFunc(soon, func() { _ = cmd.Process.Kill() })
		out, err := cmd.CombinedOutput()
		late.Stop()
		if err == nil || !strings.Contains(string(out), tt.want) {
			t.Errorf("%s: %v, %s", tt.args, err, out)
		}
	}
}
