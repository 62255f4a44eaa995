package e2e

import (
	"fmt"
	"strconv"
	"strings"
	"sync"
	"testing"
	"time"

	"lmqgate/adapter/packet"
	"lmqgate/e2e/parts"
)

// refused connects and returns the code of the CONNACK.
func refused(addr string, v packet.Version, id string) (packet.ReasonCode, error) {
	w, err := dial(addr, v)
	if err != nil {
		return 0, err
	}
	defer w.cut()
	w.send(&packet.Connect{Version: v, ClientID: id, CleanStart: true})
	p, err := w.next(soon)
	if ack, ok := p.(*packet.Connack); ok {
		return ack.Code, nil
	}
	return 0, fmt.Errorf("answered with %v, %v", p, err)
}

// TestLate: an instance comes before Redis, and Redis before RocketMQ: it lives and is not ready, refuses clients in the words
// of their version, and serves as soon as both are there; the same when both have been away.
func TestLate(t *testing.T) {
	t.Parallel()
	onEach(t, func(t *testing.T, b backend) {
		f := prepare(t, b)
		redis, names := parts.Proxy(t, f.redis), parts.Proxy(t, f.namesrv)
		redis.Refuse()
		names.Refuse()
		i := f.add("REDIS_URL=redis://"+redis.Addr, "NAMESRV_ADDR="+names.Addr)
		away := func(step string) {
			t.Helper()
			must(t, get("http://"+i.http+"/health/live", nil))
			eventually(t, soon, func() error {
				if err := get("http://"+i.http+"/health/ready", nil); err == nil || !strings.Contains(err.Error(), "503") {
					return fmt.Errorf("%s: ready is %v", step, err)
				}
				return nil
			})
			for v, want := range map[packet.Version]packet.ReasonCode{packet.V5: packet.ServerUnavailable, packet.V311: 0x03} {
				if got, err := refused(i.tcp, v, "early"); got != want {
					t.Errorf("%s, %v: CONNACK %v, %v", step, v, got, err)
				}
			}
		}
		away("nothing is there")
		eventually(t, soon, func() error { // what comes sooner is not mentioned
			for _, line := range []string{"waiting for Redis", "waiting for RocketMQ"} {
				if !strings.Contains(i.log.tail(1000), line) {
					return fmt.Errorf("not in the log: %s", line)
				}
			}
			return nil
		})
		redis.Mend()
		eventually(t, soon, func() error {
			if err := get("http://"+i.http+"/health/ready", nil); !strings.Contains(err.Error(), `"redis":"ok"`) {
				return err
			}
			return nil
		})
		away("Redis is there")
		names.Mend()
		i.ready()
		d := connected(t, f.first+"-d", packet.V5, i.tcp)
		must(t, d.subscribe(1, f.topic("x")))
		d.publish(f.topic("x"), 1, "one", nil)
		gotInOrder(t, d, "", []string{"one"})
		for _, line := range []string{"Redis is reachable", "RocketMQ is reachable"} {
			if n := strings.Count(i.log.tail(1000), line); n == 0 {
				t.Errorf("not in the log: %s", line)
			}
		}
	})
}

// TestCrowdAtHangingRedis: thousands of clients come while Redis takes connections and says nothing. All are refused, soon, and
// the instance is not larger for it afterwards; it serves when Redis answers.
func TestCrowdAtHangingRedis(t *testing.T) {
	f := prepare(t, mini, "CONNECT_RATE=0")
	f.binary = binaries.plain
	redis := parts.Proxy(t, f.redis)
	i := f.add("REDIS_URL=redis://" + redis.Addr)
	i.ready()
	before, goroutines := i.metric("process_resident_memory_bytes"), i.metric("go_goroutines")
	redis.Cut()
	n := scale(500, 5000, 5000)
	for _, when := range []string{"as it begins", "when it is known"} {
		var slowest time.Duration
		told := 0
		var most float64
		var mu sync.Mutex // protects slowest and told
		var all sync.WaitGroup
		began := time.Now()
		for c := range n {
			all.Go(func() {
				at := time.Now()
				code, err := refused(i.tcp, packet.V5, fmt.Sprint("c", c))
				mu.Lock()
				defer mu.Unlock()
				switch { // who is late with its CONNECT among so many is cut off without an answer
				case err == nil && code != packet.ServerUnavailable:
					t.Errorf("CONNACK %v", code)
				case err == nil:
					told++
				}
				slowest = max(slowest, time.Since(at))
			})
		}
		for range 5 {
			var page string
			if get("http://"+i.http+"/metrics", &page) == nil { // one of so many connections, it may be cut off like them
				most = max(most, residentOf(page))
			}
		}
		all.Wait()
		if told < n/5 {
			t.Errorf("only %d of %d clients were told why", told, n)
		}
		t.Logf("%d clients %s: all refused in %.1f s, %d with a CONNACK, the slowest after %.1f s; resident %.0f MiB before, %.0f meanwhile, %.0f afterwards",
			n, when, time.Since(began).Seconds(), told, slowest.Seconds(), before/(1<<20), most/(1<<20), i.metric("process_resident_memory_bytes")/(1<<20))
		eventually(t, soon, func() error {
			if err := get("http://"+i.http+"/health/ready", nil); err == nil || !strings.Contains(err.Error(), "lease") {
				return fmt.Errorf("the lease goes on: %v", err)
			}
			return nil
		})
	}
	eventually(t, soon, func() error {
		if now := i.metric("go_goroutines"); now > goroutines+50 {
			return fmt.Errorf("%v goroutines, %v before", now, goroutines)
		}
		return nil
	})
	if now := i.metric("process_resident_memory_bytes"); now > before+float64(n)*(64<<10) {
		t.Errorf("%.0f MiB resident, %.0f before %d clients", now/(1<<20), before/(1<<20), n)
	}
	if n := strings.Count(i.log.tail(100000), "refusing clients"); n == 0 || n > 20 {
		t.Errorf("%d lines about refused clients", n)
	}
	redis.Mend()
	i.ready()
	connected(t, "after", packet.V5, i.tcp)
}

// residentOf finds the resident memory in a page of metrics.
func residentOf(page string) float64 {
	_, rest, _ := strings.Cut(page, "\nprocess_resident_memory_bytes ")
	value, _, _ := strings.Cut(rest, "\n")
	n, _ := strconv.ParseFloat(value, 64)
	return n
}
