package e2e

import (
	"fmt"
	"math/rand/v2"
	"slices"
	"strings"
	"testing"

	"lmqgate/adapter/packet"
)

// TestTopics publishes to topics and subscribes to filters made of what is legal in MQTT and awkward in LMQ names: '%', ',',
// spaces, empty levels, other scripts, long names. Who gets what is compared with the rules of section 4.7.
func TestTopics(t *testing.T) {
	t.Parallel()
	onEach(t, func(t *testing.T, b backend) {
		seed := seeds(t, 1)[0]
		t.Logf("seed %d", seed)
		rng := random(seed, 0, 0)
		f := start(t, 2, b)
		subscribers := map[string]*device{}
		for n := range scale(20, 60, 200) {
			filter := f.first + "/" + randomName(rng, true)
			if n%10 == 0 {
				filter = "+/" + randomName(rng, true)
			}
			if subscribers[filter] != nil {
				continue
			}
			d := connected(t, fmt.Sprintf("sub-%d", n), version(n), f.instances[n%2].tcp)
			must(t, d.subscribe(1, filter))
			subscribers[filter] = d
		}
		all := connected(t, "all-of-them", packet.V5, f.instances[0].tcp)
		for filter := range subscribers {
			must(t, all.subscribe(1, filter))
		}
		publisher := connected(t, "publisher", packet.V5, f.instances[1].tcp)
		wanted := map[*device][]string{}
		for n := range scale(100, 400, 2000) {
			name := f.first + "/" + randomName(rng, false)
			payload := fmt.Sprintf("%s %d %s", f.first, n, name)
			publisher.publish(name, byte(rng.IntN(3)), payload, nil)
			matched := false
			for filter, d := range subscribers {
				if matches(filter, name) {
					wanted[d] = append(wanted[d], payload)
					matched = true
				}
			}
			if matched {
				wanted[all] = append(wanted[all], payload)
			}
		}
		publisher.flushed(soon)
		publisher.sane()
		total := 0
		for filter, d := range subscribers {
			total += len(wanted[d])
			gotEach(t, d, filter, f.first, wanted[d])
		}
		gotEach(t, all, "all filters", f.first, wanted[all])
		t.Logf("%d filters, %d deliveries", len(subscribers), total)
	})
}

// gotEach is gotExactly without order.
func gotEach(t *testing.T, d *device, filter, prefix string, wanted []string) {
	t.Helper()
	d.gets(soon, len(wanted), with(prefix))
	got := payloads(d.received(with(prefix)))
	slices.Sort(got)
	slices.Sort(wanted)
	if diff := difference(wanted, got); diff != "" {
		t.Errorf("%s, filter %q: %s", d.id, filter, diff)
	}
	for _, a := range d.received(with(prefix)) {
		if !strings.HasSuffix(a.payload, " "+a.topic) {
			t.Errorf("%s: %q came under the topic %q", d.id, a.payload, a.topic)
		}
	}
}

// randomName makes a topic name of a few levels, or a filter.
func randomName(rng *rand.Rand, filter bool) string {
	words := []string{"a", "b", "a%b", "%", "%LMQ%a", "a,b", ",", "", " ", "ä", "日本", "$x", "😀", "{a}", "a\"b", `a\b`, "~a", "p2p", strings.Repeat("long", 60)}
	levels := make([]string, 1+rng.IntN(4))
	for i := range levels {
		levels[i] = words[rng.IntN(len(words))]
		if i > 0 && levels[0] == "p2p" { // first/p2p/<client id> means something else
			levels[0] = "a"
		}
		if filter && rng.IntN(4) == 0 {
			levels[i] = "+"
		}
	}
	if filter && rng.IntN(4) == 0 {
		levels[len(levels)-1] = "#"
	}
	return strings.Join(levels, "/")
}

// matches is section 4.7.1, level by level.
func matches(filter, name string) bool {
	fs, ns := strings.Split(filter, "/"), strings.Split(name, "/")
	if strings.HasPrefix(name, "$") && (fs[0] == "+" || fs[0] == "#") { // [MQTT-4.7.2-1]
		return false
	}
	for i, level := range fs {
		if level == "#" { // also the parent level
			return true
		}
		if i >= len(ns) || level != "+" && level != ns[i] {
			return false
		}
	}
	return len(fs) == len(ns)
}

// TestFirstLevels: first levels that cannot be a RocketMQ topic work like any other.
func TestFirstLevels(t *testing.T) {
	t.Parallel()
	onEach(t, func(t *testing.T, b backend) {
		f := start(t, 2, b)
		names := []string{
			"/" + f.first, "//" + f.first, f.first + " with spaces/x", "ü" + f.first + "/x", "%RETRY%" + f.first + "/x", "%LMQ%" + f.first,
			"SCHEDULE_TOPIC_XXXX/" + f.first, "TBW102/" + f.first, "RMQ_SYS_TRACE_TOPIC/" + f.first, "rmq_sys_x/" + f.first, "%DLQ%x/" + f.first,
			strings.Repeat("x", 128) + "/" + f.first, "a.b/" + f.first, "a|b/" + f.first, "$SYS-like/" + f.first, "-/" + f.first, "SELF_TEST_TOPIC/" + f.first,
			"OFFSET_MOVED_EVENT/" + f.first, "BenchmarkTest/" + f.first, "DefaultCluster/" + f.first, "broker-a/" + f.first, "MQTT_OTHER/" + f.first,
		}
		publisher := connected(t, "publisher", packet.V5, f.instances[1].tcp)
		for n, name := range names {
			d := connected(t, fmt.Sprintf("exact-%d", n), packet.V5, f.instances[0].tcp)
			must(t, d.subscribe(2, name))
			for qos := range byte(3) {
				publisher.publish(name, qos, fmt.Sprintf("%s %d", name, qos), nil)
				publisher.flushed(soon)
			}
			gotExactly(t, d, "", numbered(name+" ", 3))
			d.disconnect()
		}
		publisher.sane()
	})
}

// TestChurn subscribes and unsubscribes overlapping filters while messages flow: a filter that stays gets everything, once,
// whatever comes and goes beside it.
func TestChurn(t *testing.T) {
	t.Parallel()
	onEach(t, func(t *testing.T, b backend) {
		f := start(t, 2, b)
		n := scale(100, 500, 5000)
		seed := seeds(t, 1)[0]
		t.Logf("seed %d", seed)
		rng := random(seed, 0, 0)
		stays := []string{f.topic("+"), f.topic("x"), f.topic("#")}
		publisher := connected(t, "publisher", packet.V5, f.instances[1].tcp)
		var all []*device
		for i, stay := range stays {
			d := connected(t, fmt.Sprintf("churn-%d", i), version(i), f.instances[0].tcp)
			must(t, d.subscribe(2, stay))
			all = append(all, d)
		}
		stop := make(chan struct{})
		done := make(chan struct{})
		go func() {
			defer close(done)
			for m := range n {
				publisher.publish(f.topic("x"), 1+byte(m%2), fmt.Sprintf("q%d %d", 1+m%2, m/2), nil)
			}
			publisher.flushed(2 * soon)
			close(stop)
		}()
		changes := 0
		for running := true; running; changes++ {
			i := rng.IntN(len(all))
			filter := stays[rng.IntN(len(stays))]
			if filter == stays[i] {
				must(t, all[i].subscribe(2, filter)) // once more: nothing is lost or repeated [MQTT-3.8.4-3]
			} else if rng.IntN(2) == 0 {
				must(t, all[i].subscribe(2, filter))
			} else {
				must(t, all[i].unsubscribe(filter))
			}
			select {
			case <-stop:
				running = false
			default:
			}
		}
		<-done
		for _, d := range all {
			for qos := 1; qos <= 2; qos++ {
				prefix := fmt.Sprintf("q%d ", qos)
				gotExactly(t, d, prefix, numbered(prefix, n/2))
			}
			d.sane()
		}
		t.Logf("%d changes of subscriptions during %d messages", changes, n)
	})
}
