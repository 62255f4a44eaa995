package e2e

import (
	"fmt"
	"maps"
	"regexp"
	"slices"
	"strconv"
	"testing"

	"lmqgate/adapter/packet"
)

// background is what instances ask Redis for by themselves: heartbeats, sweeps, push targets, and looking at
// the registry, which messages do as well: all that wait share one look.
var background = []string{
	"hello", "client", "ping", "inst_beat", "inst_list", "due_page", "status_report", "status_all", "retain_count",
	"check", "mget", "smismember", "snapshot", "push",
}

// reconciling is what Reconcile asks for besides.
var reconciling = []string{"scan", "hmget", "hvals", "hsetnx", "hold", "release", "peek"}

// asked is what an instance has asked Redis for so far, by command or script, without what it does by itself.
func (i *instance) asked() map[string]float64 {
	i.t.Helper()
	var page string
	must(i.t, get("http://"+i.http+"/metrics", &page))
	counts := map[string]float64{}
	for _, m := range regexp.MustCompile(`(?m)^lmqgate_redis_commands_total\{command="([^"]*)"\} (\S+)$`).FindAllStringSubmatch(page, -1) {
		n, err := strconv.ParseFloat(m[2], 64)
		must(i.t, err)
		if !slices.Contains(background, m[1]) {
			counts[m[1]] = n
		}
	}
	return counts
}

// TestMessageCost holds messages to what they may cost at Redis (architecture decision 6): those of clean sessions write
// nothing, whatever their QoS and in both directions; those of lasting ones are written by scripts that one round trip
// carries for all sessions.
func TestMessageCost(t *testing.T) {
	t.Parallel()
	onEach(t, func(t *testing.T, b backend) {
		f := start(t, 1, b, "STATUS_INTERVAL=0") // status topics are retained now and then
		i := f.instances[0]
		const messages, subscribers = 20, 10
		for _, clean := range []bool{true, false} {
			kind := map[bool]string{true: "clean", false: "lasting"}[clean]
			topic := f.topic("cost/%s", kind)
			joined := func(id string) *device {
				d := newDevice(t, kind+id, packet.V5)
				d.clean = clean
				must(t, d.connect(i.tcp))
				return d
			}
			publisher := joined("publisher")
			var list []*device
			for n := range subscribers {
				d := joined(fmt.Sprint("subscriber", n))
				must(t, d.subscribe(2, topic+"/+"))
				list = append(list, d)
			}
			publisher.publish(topic+"/0", 2, "first", nil)
			publisher.flushed(soon)
			for _, d := range list {
				if !d.gets(soon, 1, nil) {
					t.Fatalf("%s got nothing", d.id)
				}
			}
			for qos := range byte(3) {
				settled(t, i)
				before := i.asked()
				for n := range messages {
					publisher.publish(fmt.Sprintf("%s/%d", topic, qos), qos, fmt.Sprint(qos, " ", n), nil)
				}
				publisher.flushed(soon)
				for _, d := range list {
					if !d.gets(soon, 1+int(qos+1)*messages, nil) {
						t.Fatalf("%s did not get all of QoS %d", d.id, qos)
					}
				}
				settled(t, i)
				wrote, after := 0.0, i.asked()
				for name, n := range after {
					switch {
					case name == "write":
						wrote = n - before[name]
					case after["scan"] != before["scan"] && slices.Contains(reconciling, name): // that took place once a minute
					case n != before[name]:
						t.Errorf("%s, QoS %d: %s %v times, which no message needs", kind, qos, name, n-before[name])
					}
				}
				// A message into a lasting session is written for three times at most (kept, released, finished with), and so is
				// one out of it (pending, sent, released); packet ids are reserved now and then.
				most := float64(3*messages*(subscribers+1) + subscribers)
				if clean {
					most = 0
				}
				if wrote > most || (!clean && wrote == 0) {
					t.Errorf("%s, QoS %d: %v writes for %d messages to %d sessions, want %v at most", kind, qos, wrote, messages, subscribers, most)
				}
			}
			for _, d := range append(list, publisher) {
				d.disconnect()
			}
			settled(t, i)
		}
	})
}

// settled waits until the instance has written all that it has to write, and done what follows the end of a connection.
func settled(t *testing.T, i *instance) {
	t.Helper()
	var last map[string]float64
	same := 0
	eventually(t, soon, func() error {
		now := i.asked()
		if !maps.Equal(now, last) {
			last, same = now, 0
		}
		if same++; same < 5 { // 100 ms, many times what a change waits for company
			return fmt.Errorf("still asking Redis: %v", now)
		}
		return nil
	})
}
