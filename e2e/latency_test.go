package e2e

import (
	"fmt"
	"math/rand/v2"
	"slices"
	"strconv"
	"strings"
	"sync"
	"testing"
	"time"

	"lmqgate/adapter/packet"
)

// TestLatency publishes at a low rate to many light message queues, each of which has one subscriber and a pull held at the
// broker: every delivery needs a wake-up. A broker loses about one in a thousand (decision 4), and what is lost shows as
// a message that is late by the broker's own look at held pulls, up to 5 s.
func TestLatency(t *testing.T) {
	onEach(t, func(t *testing.T, b backend) {
		count := scale(300, 1500, 15000)
		limit := scale(2*time.Second, 2*time.Second, 250*time.Millisecond)
		f := prepare(t, b)
		f.binary = binaries.plain
		f.add().ready()
		f.add().ready()

		subscribers := make([]*device, scale(100, 300, 300))
		var work sync.WaitGroup
		for n := range subscribers {
			d := newDevice(t, fmt.Sprintf("sub-%d", n), version(n))
			d.clean = n%3 != 0
			subscribers[n] = d
			work.Go(func() {
				if err := d.connect(f.instances[0].tcp); err != nil {
					t.Errorf("connect: %v", err)
					return
				}
				if err := d.subscribe(1, f.topic("l/%d", n)); err != nil {
					t.Error(err)
				}
			})
		}
		work.Wait()
		if t.Failed() {
			return
		}
		publisher := connected(t, "publisher", packet.V5, f.instances[1].tcp)
		publisher.window = 60

		tick := time.NewTicker(time.Second / 80)
		defer tick.Stop()
		sent := make([]int, len(subscribers))
		for range count {
			<-tick.C
			n := rand.IntN(len(subscribers))
			sent[n]++
			publisher.publish(f.topic("l/%d", n), 1, strconv.FormatInt(time.Now().UnixNano(), 10), nil)
		}
		publisher.flushed(soon)
		var latencies []time.Duration
		for n, d := range subscribers {
			d.gets(soon, sent[n], nil)
			for _, a := range d.received(nil) {
				ns, err := strconv.ParseInt(a.payload, 10, 64)
				must(t, err)
				latencies = append(latencies, a.at.Sub(time.Unix(0, ns)))
			}
		}
		if len(latencies) == 0 {
			t.Fatal("nothing delivered")
		}
		slices.Sort(latencies)
		t.Log(histogram(latencies))
		if len(latencies) != count {
			t.Errorf("%d deliveries of %d", len(latencies), count)
		}
		if worst := latencies[len(latencies)-1]; worst > limit {
			t.Errorf("the slowest delivery took %v, the limit is %v", worst, limit)
		}
	})
}

// histogram puts sorted durations into words.
func histogram(d []time.Duration) string {
	at := func(p float64) time.Duration { return d[int(p*float64(len(d)-1))].Round(10 * time.Microsecond) }
	var b strings.Builder
	fmt.Fprintf(&b, "%d deliveries: p50 %v, p90 %v, p99 %v, p99.9 %v, max %v;", len(d), at(.5), at(.9), at(.99), at(.999), at(1))
	for _, limit := range []time.Duration{20, 50, 100, 250, 1000} {
		limit *= time.Millisecond
		later, _ := slices.BinarySearch(d, limit)
		fmt.Fprintf(&b, " %d over %v,", len(d)-later, limit)
	}
	return strings.TrimSuffix(b.String(), ",")
}
