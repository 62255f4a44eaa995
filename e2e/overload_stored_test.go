package e2e

import (
	"fmt"
	"sync"
	"testing"
	"time"

	"lmqgate/adapter/packet"
)

// calm is a pair of clients that exchange messages one by one while something else goes on; it returns how many came through
// when stop is closed.
func calm(t *testing.T, f *fleet, i *instance, stop chan struct{}) int {
	d := newDevice(t, f.topic("calm"), packet.V5)
	if err := d.connect(i.tcp); err != nil {
		t.Errorf("connect: %v", err)
		return 0
	}
	if err := d.subscribe(1, f.topic("calm")); err != nil {
		t.Errorf("subscribe: %v", err)
		return 0
	}
	for n := 0; ; n++ {
		select {
		case <-stop:
			return n
		default:
		}
		d.publish(f.topic("calm"), 1, fmt.Sprint(n), nil)
		if !d.within(soon, func() bool { return len(d.got) > n }) {
			t.Errorf("message %d does not come", n)
			return n
		}
	}
}

// TestRetainedByTheThousand: several new subscribers get all retained messages, page by page, one that goes in the middle
// costs nothing further, and others get on meanwhile.
func TestRetainedByTheThousand(t *testing.T) {
	t.Parallel()
	f := start(t, 1, mini)
	i := f.instances[0]
	count := scale(500, 4000, 100_000)
	publisher := connected(t, "publisher", packet.V5, i.tcp)
	acked := make(chan packet.ReasonCode, count)
	for n := range count {
		publisher.mu.Lock()
		full := len(publisher.unacked) >= 60
		publisher.mu.Unlock()
		if full {
			publisher.await(soon, "acknowledgements", func() bool { return len(publisher.unacked) < 30 })
		}
		publisher.send(packet.Publish{Topic: f.topic("r/%d", n), QoS: 1, Retain: true, Payload: fmt.Append(nil, n)}, acked)
	}
	publisher.await(soon, "all acknowledgements", func() bool { return len(publisher.unacked) == 0 })

	stop, passed := make(chan struct{}), make(chan int)
	go func() { passed <- calm(t, f, i, stop) }()
	began := time.Now()
	var work sync.WaitGroup
	for n := range 5 {
		work.Go(func() {
			d := newDevice(t, fmt.Sprint("subscriber-", n), version(n))
			if err := d.connect([]string{i.tcp, i.ws()}[n%2]); err != nil {
				t.Errorf("connect: %v", err)
				return
			}
			if err := d.subscribe(byte(n%3), f.topic("r/#")); err != nil {
				t.Errorf("subscribe: %v", err)
				return
			}
			if n == 4 { // goes in the middle
				if !d.within(soon, func() bool { return len(d.got) > count/10 }) {
					t.Error("the retained messages do not begin to come")
				}
				d.stop()
				return
			}
			if !d.within(5*soon, func() bool { return len(d.got) >= count }) {
				t.Errorf("%s has %d of %d", d.id, len(d.received(with(""))), count)
			}
			if got := len(d.received(with(""))); got != count {
				t.Errorf("%s got %d messages of %d", d.id, got, count)
			}
		})
	}
	work.Wait()
	took := time.Since(began)
	close(stop)
	if n := <-passed; n == 0 {
		t.Error("nobody else got on")
	}
	eventually(t, soon, func() error {
		if n := i.metric("lmqgate_retained_waiting_sessions"); n != 0 {
			return fmt.Errorf("%v sessions wait for pages", n)
		}
		return nil
	})
	t.Logf("%d retained messages to each of 5 new subscribers, one of which left: %v", count, took)
}

// TestManySubscriptions: thousands of filters of one client, subscribed in large packets, resumed, taken over, used and
// given back.
func TestManySubscriptions(t *testing.T) {
	t.Parallel()
	count := scale(500, 2000, 10_000)
	f := start(t, 2, mini, fmt.Sprint("MAX_SUBSCRIPTIONS=", count))
	at := f.instances[0].tcp
	clock := time.Now()
	lap := func() time.Duration { d := time.Since(clock); clock = time.Now(); return d.Round(time.Millisecond) }
	w := dialed(t, at, packet.V5)
	w.connect(t, session("many"))
	for from := 0; from < count; from += 500 {
		var filters []string
		for n := from; n < from+500; n++ {
			filters = append(filters, f.topic("m/%d/x", n))
		}
		w.subscribe(t, 1, filters...)
	}
	subscribed := lap()
	w.send(&packet.Subscribe{PacketID: 7, Filters: []packet.Subscription{{Filter: f.topic("m/0/x"), QoS: 1}, {Filter: f.topic("more")}}})
	if codes := want[*packet.Suback](t, w).Codes; codes[0] != packet.GrantedQoS1 || codes[1] != packet.QuotaExceeded {
		t.Errorf("one more: %v", codes)
	}
	lap()
	next := dialed(t, f.instances[1].tcp, packet.V5)
	if !next.connect(t, session("many")).SessionPresent {
		t.Error("no session")
	}
	resumed := lap()
	if got := w.wantEnd(t); len(got) != 1 || got[0].(*packet.Disconnect).Code != packet.SessionTakenOver {
		t.Errorf("the old connection got %+v", got)
	}
	publisher := connected(t, "publisher", packet.V5, at)
	for n := 0; n < count; n += count / 20 {
		publisher.publish(f.topic("m/%d/x", n), 0, fmt.Sprint(n), nil)
		if p := want[*packet.Publish](t, next); string(p.Payload) != fmt.Sprint(n) {
			t.Errorf("got %s, want %d", p.Payload, n)
		}
	}
	lap()
	for from := 0; from < count; from += 500 {
		u := &packet.Unsubscribe{PacketID: 9}
		for n := from; n < from+500; n++ {
			u.Filters = append(u.Filters, f.topic("m/%d/x", n))
		}
		next.send(u)
		for n, code := range want[*packet.Unsuback](t, next).Codes {
			if code != packet.Success {
				t.Fatalf("filter %d: %v", from+n, code)
			}
		}
	}
	released := lap()
	next.subscribe(t, 1, f.topic("more"))
	t.Logf("%d filters: SUBSCRIBE %v, CONNECT elsewhere %v, UNSUBSCRIBE %v", count, subscribed, resumed, released)
}

// TestEverybodyIsBehind: many sessions come back at once, each to what it missed, one to much more than that: all get all of
// it, what is read for them stays within bounds, and others get on meanwhile.
func TestEverybodyIsBehind(t *testing.T) {
	t.Parallel()
	f := start(t, 1, mini)
	i := f.instances[0]
	clients, each, much := scale(20, 60, 1000), scale(20, 50, 1000), scale(500, 4000, 100_000)
	devices := make([]*device, clients)
	for n := range devices {
		devices[n] = connected(t, fmt.Sprint("behind-", n), version(n), []string{i.tcp, i.ws()}[n%2])
		must(t, devices[n].subscribe(1, f.topic("each/#")))
		devices[n].disconnect()
	}
	last := connected(t, "far-behind", packet.V5, i.tcp)
	must(t, last.subscribe(1, f.topic("much/#")))
	last.disconnect()
	publisher := connected(t, "publisher", packet.V5, i.tcp)
	var wanted, wantedMuch []string
	body := string(make([]byte, 1000))
	for n := range max(each, much) {
		if n < each {
			wanted = append(wanted, fmt.Sprintf("%06d%s", n, body))
			publisher.publish(f.topic("each/%d", n%3), 1, wanted[n], nil)
		}
		if n < much {
			wantedMuch = append(wantedMuch, fmt.Sprintf("%06d%s", n, body))
			publisher.publish(f.topic("much/a"), 0, wantedMuch[n], nil)
		}
		publisher.await(soon, "acknowledgements", func() bool { return len(publisher.unacked) < 60 })
	}
	publisher.publish(f.topic("much/a"), 1, "end", nil)
	wantedMuch = append(wantedMuch, "end")
	publisher.await(soon, "all acknowledgements", func() bool { return len(publisher.unacked) == 0 })

	stop, passed := make(chan struct{}), make(chan int)
	go func() { passed <- calm(t, f, i, stop) }()
	var work sync.WaitGroup
	for n, d := range append(devices, last) {
		work.Go(func() {
			if err := d.connect([]string{i.tcp, i.ws()}[n%2]); err != nil {
				t.Errorf("connect: %v", err)
			}
		})
	}
	work.Wait()
	most := 0.0
	for _, d := range devices {
		d.gets(2*soon, each, with(""))
		most = max(most, i.metric("lmqgate_ring_bytes"))
		if got := len(d.received(with(""))); got != each {
			t.Errorf("%s got %d messages of %d", d.id, got, each)
		}
	}
	last.gets(5*soon, len(wantedMuch), with(""))
	if got := len(last.received(with(""))); got != len(wantedMuch) {
		t.Errorf("%s got %d messages of %d", last.id, got, len(wantedMuch))
	}
	close(stop)
	if n := <-passed; n == 0 {
		t.Error("nobody else got on")
	}
	if most > 128<<20 {
		t.Errorf("%v bytes were read ahead", most)
	}
	t.Logf("%d sessions %d messages behind and one %d; %v bytes read ahead at most", clients, each, much, most)
}
