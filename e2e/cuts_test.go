package e2e

import (
	"bytes"
	"fmt"
	"net"
	"slices"
	"strconv"
	"sync"
	"testing"
	"time"

	"lmqgate/adapter/packet"
	"lmqgate/e2e/parts"
)

// renamed forwards TCP connections to a name server and has it name another address for the broker, of the same length.
func renamed(t *testing.T, target, broker, instead string) string {
	t.Helper()
	if len(broker) != len(instead) {
		t.Skipf("%s and %s differ in length, which the frames around them would show", broker, instead)
	}
	ln, err := net.Listen("tcp", "127.0.0.1:0")
	must(t, err)
	var work sync.WaitGroup
	copied := func(to, from net.Conn) {
		defer to.Close()
		buf := make([]byte, 64<<10)
		for {
			n, err := from.Read(buf)
			if err != nil {
				return
			}
			if _, err := to.Write(bytes.ReplaceAll(buf[:n], []byte(broker), []byte(instead))); err != nil {
				return
			}
		}
	}
	var mu sync.Mutex // protects open
	var open []net.Conn
	work.Go(func() {
		for {
			c, err := ln.Accept()
			if err != nil {
				return
			}
			s, err := net.Dial("tcp", target)
			if err != nil {
				c.Close()
				continue
			}
			mu.Lock()
			open = append(open, c, s)
			mu.Unlock()
			work.Go(func() { copied(s, c) })
			work.Go(func() { copied(c, s) })
		}
	})
	t.Cleanup(func() {
		ln.Close()
		mu.Lock()
		for _, c := range open {
			c.Close()
		}
		mu.Unlock()
		work.Wait()
	})
	return ln.Addr().String()
}

// TestNetworkTrouble makes the network between an instance and Redis, or RocketMQ, slow or silent for a while: a slow one ends
// no connection, and after a silent one everything acknowledged is there, once and in order. The log of the test says what
// the clients saw.
func TestNetworkTrouble(t *testing.T) {
	t.Parallel()
	for _, to := range []string{"Redis", "RocketMQ"} {
		for _, trouble := range scale([]time.Duration{0}, []time.Duration{0, 5 * time.Second}, []time.Duration{0, 5 * time.Second, 12 * time.Second, 20 * time.Second}) {
			name := fmt.Sprintf("%s silent for %v", to, trouble)
			if trouble == 0 {
				name = to + " 500 ms away"
			}
			t.Run(name, func(t *testing.T) {
				t.Parallel()
				inTrouble(t, to, trouble)
			})
		}
	}
}

func inTrouble(t *testing.T, to string, trouble time.Duration) {
	f := prepare(t, mini)
	redis, broker := parts.Proxy(t, f.redis), parts.Proxy(t, f.minimq.Brokers()[0].Addr())
	i := f.add("REDIS_URL=redis://"+redis.Addr, "NAMESRV_ADDR="+renamed(t, f.namesrv, f.minimq.Brokers()[0].Addr(), broker.Addr))
	i.ready()
	path := map[string]*parts.ProxyServer{"Redis": redis, "RocketMQ": broker}[to]

	sub, pub := connected(t, f.first+"-sub", packet.V5, i.tcp), connected(t, f.first+"-pub", packet.V5, i.tcp)
	must(t, sub.subscribe(1, f.topic("x")))
	sub.keep(func() string { return i.tcp })
	pub.keep(func() string { return i.tcp })
	var mu sync.Mutex // protects acked, last and longest
	var acked []string
	last, longest := time.Now(), time.Duration(0)
	n := 0
	publish := func(d time.Duration) {
		for end := time.Now().Add(d); time.Now().Before(end); n++ {
			text := strconv.Itoa(n)
			pub.publish(f.topic("x"), 1, text, func(packet.ReasonCode) {
				mu.Lock()
				defer mu.Unlock()
				acked = append(acked, text)
				longest = max(longest, time.Since(last))
				last = time.Now()
			})
			<-time.After(20 * time.Millisecond) // a rate, nothing waits for it
		}
	}
	publish(time.Second)
	began := time.Now()
	if trouble == 0 {
		path.Delay(250*time.Millisecond, 0)
		publish(20 * time.Second)
		path.Delay(0, 0)
	} else {
		time.AfterFunc(trouble, path.Mend)
		path.Cut()
		publish(trouble)
		eventually(t, soon, func() error { return get("http://"+i.http+"/health/ready", nil) })
	}
	back := time.Since(began)
	publish(time.Second)
	pub.flushed(2 * soon)
	gotInOrder(t, sub, "", numbered("", n))
	pub.sane()
	sub.sane()
	for _, d := range []*device{sub, pub} {
		d.mu.Lock()
		connects, ended := d.connects, slices.Clone(d.ended)
		d.mu.Unlock()
		if trouble == 0 && connects != 1 {
			t.Errorf("%s was closed: %v", d.id, ended)
		}
		t.Logf("%s %v: %s connected %d times, closed with %v", to, trouble, d.id, connects, ended)
	}
	mu.Lock()
	defer mu.Unlock()
	if len(acked) != n {
		t.Errorf("%d of %d acknowledged", len(acked), n)
	}
	t.Logf("%s %v: ready again after %.1f s, the longest time without an acknowledgement was %.1f s", to, trouble, back.Seconds(), longest.Seconds())
}
