package e2e

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"os/exec"
	"strings"
	"testing"
	"time"

	"lmqgate/adapter/packet"
	"lmqgate/adapter/rocketmq"
)

// migrated is what `lmqgate migrate --json` prints of clients.
type migrated struct {
	Clients []struct {
		Result string
		Why    string
		Queues []struct {
			Filter, Action string
			Cursor, Next   int64
		}
	}
	Missing map[string][]string
}

// migrate runs `lmqgate migrate` in the environment of the instances.
func (f *fleet) migrate(args ...string) (out migrated, text string, status int) {
	f.t.Helper()
	binary, err := f.binary()
	must(f.t, err)
	cmd := exec.Command(binary, append([]string{"migrate"}, args...)...)
	cmd.Env = f.env
	var stdout, stderr bytes.Buffer
	cmd.Stdout, cmd.Stderr = &stdout, &stderr
	var exit *exec.ExitError
	if err := cmd.Run(); err != nil && !errors.As(err, &exit) {
		f.t.Fatal(err)
	}
	if json.Unmarshal(stdout.Bytes(), &out) != nil && strings.Contains(strings.Join(args, " "), "--json") {
		f.t.Errorf("migrate %v: %s%s", args, stdout.String(), stderr.String())
	}
	return out, stdout.String() + stderr.String(), cmd.ProcessState.ExitCode()
}

// wantMigrated runs `lmqgate migrate --json` for one client with one queue at one broker.
func (f *fleet) wantMigrated(want string, args ...string) {
	f.t.Helper()
	out, text, status := f.migrate(append(args, "--json")...)
	got := fmt.Sprint(status)
	for _, c := range out.Clients {
		got += " " + c.Result
		for _, q := range c.Queues {
			got += fmt.Sprintf(", %s %s %d", strings.TrimPrefix(q.Filter, f.first), q.Action, q.Next)
		}
	}
	if got != want {
		f.t.Errorf("migrate %v: %s, want %s\n%s", args, got, want, text)
	}
}

// rocket is a client of the RocketMQ behind the instances.
func (f *fleet) rocket() *rocketmq.Client {
	f.t.Helper()
	c, err := rocketmq.New(rocketmq.Config{NameServers: []string{f.namesrv}, DirectSend: true})
	must(f.t, err)
	must(f.t, c.Start(f.t.Context()))
	f.t.Cleanup(func() {
		ctx, cancel := context.WithTimeout(context.Background(), soon)
		defer cancel()
		_ = c.Close(ctx)
	})
	return c
}

// javaMessages sends messages as the Java gateway writes them to first/a, with the wildcards first/+ and first/# listed.
func (f *fleet) javaMessages(from, to int) {
	f.t.Helper()
	var list []rocketMessage
	for i := from; i <= to; i++ {
		list = append(list, rocketMessage{Topic: f.first, Tag: "MQTT_COMMON", Body: fmt.Append(nil, i), Properties: map[string]string{
			"INNER_MULTI_DISPATCH": strings.ReplaceAll("%LMQ%F%a%,%LMQ%F%+%,%LMQ%F%#%", "F", f.first),
			"originMqttTopic":      f.topic("a"), "qosLevel": "1", "retryTimes": "0", "IS_EMPTY_MSG": "false", "extData": `{"qosLevel":"1"}`,
		}})
	}
	f.produce(list...)
}

// javaPrivate sends messages to a client as the Java gateway writes them.
func (f *fleet) javaPrivate(client string, n int) (lmq string) {
	f.t.Helper()
	lmq = "%LMQ%%p2p%" + client + "%"
	var list []rocketMessage
	for i := range n {
		list = append(list, rocketMessage{Topic: f.first, Tag: "MQTT_COMMON", Body: fmt.Append(nil, "private ", i+1), Properties: map[string]string{
			"INNER_MULTI_DISPATCH": lmq, "originMqttTopic": f.topic("p2p/%s/x", client),
			"qosLevel": "1", "retryTimes": "0", "IS_EMPTY_MSG": "false", "extData": `{"qosLevel":"1"}`,
		}})
	}
	f.produce(list...)
	return lmq
}

// TestMigrate: a client of a Java gateway goes on here where it stopped, with no message lost or repeated; and in a mixed
// fleet each side's clients get the messages of the other.
func TestMigrate(t *testing.T) {
	onEach(t, func(t *testing.T, b backend) {
		f := prepare(t, b, "LMQ_KV_COMPAT=true")
		mq := f.rocket()
		ctx, cancel := context.WithTimeout(t.Context(), 2*soon)
		defer cancel()
		must(t, mq.PutKV(ctx, "LMQ", "ALL_FIRST_TOPICS", f.first))
		must(t, mq.PutKV(ctx, "LMQ", f.first, f.topic("+")+","+f.topic("#")))
		f.javaMessages(1, 6)
		client, lmq := f.first+"@@@dev", strings.ReplaceAll("%LMQ%F%+%", "F", f.first)
		var broker string
		for _, one := range mq.Brokers() {
			broker = one.Name
		}
		end := func(lmq string, want int64) {
			t.Helper()
			for {
				n, err := mq.MaxOffset(ctx, rocketmq.LMQ{Broker: broker, Name: lmq})
				must(t, err)
				if n >= want {
					return
				}
				time.Sleep(5 * time.Millisecond)
			}
		}
		end(lmq, 6)
		private := f.javaPrivate(client, 3)
		end(private, 3)
		must(t, mq.CommitConsumerOffset(ctx, broker, "%LMQ%"+client, private, 0, 1))
		must(t, mq.CommitConsumerOffset(ctx, broker, "%LMQ%"+client, lmq, 0, 2))

		f.wantMigrated("0 would take over, #p2p take 1, /+ take 2", client)
		f.wantMigrated("0 taken over, #p2p take 1, /+ take 2", client, "--apply")
		f.wantMigrated("0 nothing to do, #p2p same 1, /+ same 2", client, "--apply")
		if _, text, status := f.migrate(client); status != 0 || !strings.Contains(text, "nothing to do: 1") {
			t.Errorf("migrate: %d\n%s", status, text)
		}
		f.wantMigrated("3 refused", f.first+"-nobody")

		i := f.add()
		i.ready()
		dev := newDevice(t, client, packet.V311)
		must(t, dev.connect(i.tcp))
		f.javaMessages(7, 8)
		if !dev.gets(soon, 6, func(a arrival) bool { return a.topic == f.topic("a") }) {
			t.Error("messages are missing")
		}
		toClient := func(a arrival) bool { return a.topic == f.topic("p2p/%s/x", client) }
		if !dev.gets(soon, 2, toClient) || fmt.Sprint(payloads(dev.received(toClient))) != "[private 2 private 3]" {
			t.Errorf("sent to the client itself: %v", payloads(dev.received(toClient)))
		}
		var got []string
		for _, a := range dev.received(func(a arrival) bool { return !toClient(a) }) {
			got = append(got, a.payload)
		}
		if fmt.Sprint(got) != "[3 4 5 6 7 8]" || !dev.present[0] {
			t.Errorf("got %v, session present %v", got, dev.present)
		}

		// What is published here goes to the queues that Java gateways' clients read, whoever subscribes here.
		dev.publish(f.topic("b/c"), 1, "x", nil)
		dev.flushed(soon)
		end(strings.ReplaceAll("%LMQ%F%b%c%", "F", f.first), 1)
		end(strings.ReplaceAll("%LMQ%F%#%", "F", f.first), 9)

		// What is subscribed to here is listed for Java gateways.
		dev.subscribed(1, f.topic("z/+/#"))
		out, text, status := f.migrate("--filters", "--apply", "--json")
		if status != 0 || fmt.Sprint(out.Missing) != fmt.Sprintf("map[%s:[%s]]", f.first, f.topic("z/+/#")) {
			t.Errorf("filters: %d %s", status, text)
		}
		table, err := mq.KVTable(ctx, "LMQ")
		if want := f.topic("#") + "," + f.topic("+") + "," + f.topic("z/+/#"); err != nil || table[f.first] != want {
			t.Errorf("listed %q, %v, want %q", table[f.first], err, want)
		}
		dev.sane()
	})
}

// TestMigrateNeedsServers: with nothing configured there is nothing to take over.
func TestMigrateNeedsServers(t *testing.T) {
	f := prepare(t, embedded)
	if _, text, status := f.migrate(); status != 2 || !strings.Contains(text, "REDIS_URL and NAMESRV_ADDR") {
		t.Errorf("%d %s", status, text)
	}
}
