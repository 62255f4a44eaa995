package e2e

import (
	"fmt"
	"strings"
	"testing"
	"time"

	"lmqgate/adapter/packet"
)

// TestReceiveMaximum: a subscriber that acknowledges nothing gets as many QoS 1 and 2 messages as it asked for, not one
// more [MQTT-4.9.0-2], and QoS 0 all the same; each acknowledgement lets one through.
func TestReceiveMaximum(t *testing.T) {
	t.Parallel()
	onEach(t, func(t *testing.T, b backend) {
		f := start(t, 1, b)
		for qos := byte(1); qos <= 2; qos++ {
			t.Run(fmt.Sprintf("QoS %d", qos), func(t *testing.T) { receiveMaximum(t, f, f.instances[0], qos) })
		}
	})
}

func receiveMaximum(t *testing.T, f *fleet, i *instance, qos byte) {
	w := dialed(t, i.tcp, packet.V5)
	c := session(fmt.Sprintf("slow-%d", qos))
	c.Properties.ReceiveMaximum = 3
	w.connect(t, c)
	w.subscribe(t, 2, f.topic("x"), f.topic("zero"))
	publisher := connected(t, "publisher", packet.V5, i.tcp)
	for m := range 10 { // order is promised for a topic and QoS
		publisher.publish(f.topic("x"), qos, fmt.Sprint(m), nil)
	}
	publisher.flushed(soon)
	var open []*packet.Publish
	for m := range 3 {
		open = append(open, want[*packet.Publish](t, w))
		if string(open[m].Payload) != fmt.Sprint(m) {
			t.Errorf("message %d is %q", m, open[m].Payload)
		}
	}
	publisher.publish(f.topic("zero"), 0, "zero", nil)
	if p := want[*packet.Publish](t, w); p.QoS != 0 {
		t.Fatalf("a fourth message: %+v", p)
	}
	for m := 3; m < 10; m++ {
		p := open[0]
		open = open[1:]
		if p.QoS == 1 {
			w.send(&packet.Puback{PacketID: p.PacketID})
		} else {
			w.send(&packet.Pubrec{PacketID: p.PacketID})
			want[*packet.Pubrel](t, w)
			w.send(&packet.Pingreq{})
			want[*packet.Pingresp](t, w) // PUBREC alone frees no place
			w.send(&packet.Pubcomp{PacketID: p.PacketID})
		}
		next := want[*packet.Publish](t, w)
		if string(next.Payload) != fmt.Sprint(m) {
			t.Errorf("message %d is %q", m, next.Payload)
		}
		open = append(open, next)
	}
	w.send(&packet.Pingreq{})
	want[*packet.Pingresp](t, w)
}

// TestQoS: a message comes with the lower of its QoS and the subscription's [MQTT-3.8.4-8].
func TestQoS(t *testing.T) {
	t.Parallel()
	onEach(t, func(t *testing.T, b backend) {
		f := start(t, 2, b)
		publisher := connected(t, "publisher", packet.V311, f.instances[1].tcp)
		var subscribers []*device
		for qos := range byte(3) {
			d := connected(t, fmt.Sprintf("qos-%d", qos), version(int(qos)), f.instances[0].tcp)
			must(t, d.subscribe(qos, f.topic("+")))
			subscribers = append(subscribers, d)
		}
		for qos := range byte(3) {
			publisher.publish(f.topic("x"), qos, fmt.Sprint(qos), nil)
			publisher.flushed(soon)
		}
		for granted, d := range subscribers {
			gotExactly(t, d, "", []string{"0", "1", "2"})
			for _, a := range d.received(nil) {
				if wanted := min(byte(granted), a.payload[0]-'0'); a.qos != wanted {
					t.Errorf("%s: message of QoS %s came with %d", d.id, a.payload, a.qos)
				}
			}
			d.sane()
		}
	})
}

// TestUnsubscribe: after UNSUBACK nothing new comes [MQTT-3.10.4-2], also not through another instance; other
// subscriptions stay, and a message that both match still comes.
func TestUnsubscribe(t *testing.T) {
	t.Parallel()
	onEach(t, func(t *testing.T, b backend) {
		f := start(t, 2, b)
		d := connected(t, "subscriber", packet.V5, f.instances[0].tcp)
		publisher := connected(t, "publisher", packet.V5, f.instances[1].tcp)
		rounds := scale(5, 20, 100)
		must(t, d.subscribe(1, f.topic("end")))
		for r := range rounds {
			exact, wild := f.topic("r%d/x", r), f.topic("r%d/+", r)
			must(t, d.subscribe(1, exact, wild))
			publisher.publish(exact, 1, fmt.Sprintf("%d both", r), nil)
			must(t, d.unsubscribe(exact))
			publisher.publish(exact, 1, fmt.Sprintf("%d wild", r), nil)
			publisher.flushed(soon)
			must(t, d.unsubscribe(wild))
			publisher.publish(exact, 1, fmt.Sprintf("%d none", r), nil)
			publisher.flushed(soon)
		}
		publisher.unheard(f.topic("r0/x"))
		publisher.publish(f.topic("end"), 1, "end", nil)
		d.gets(soon, 1, with("end"))
		got := map[string]int{}
		for _, p := range payloads(d.received(nil)) {
			got[p]++
		}
		// A message on its way when UNSUBSCRIBE came may be delivered or not [MQTT-3.10.4-3], so "wild" and "both" may
		// be missing; "none" may not come.
		for r := range rounds {
			if got[fmt.Sprintf("%d none", r)] > 0 {
				t.Errorf("round %d: a message came after UNSUBACK", r)
			}
		}
		// UNSUBSCRIBE of the filter that had a message which is not acknowledged yet leaves it to the other one (QoS 1).
		for p, n := range got {
			if n > 2 || n > 1 && !strings.HasSuffix(p, "both") {
				t.Errorf("%q came %d times", p, n)
			}
		}
		d.sane()
	})
}

// TestKeepAlive: a silent client is disconnected after one and a half times its keep alive [MQTT-3.1.2-22], not before; with
// 0 it never is.
func TestKeepAlive(t *testing.T) {
	t.Parallel()
	f := start(t, 1, embedded)
	i := f.instances[0]
	connect := func(id string, v packet.Version, addr string, alive uint16) *wire {
		w := dialed(t, addr, v)
		w.connect(t, packet.Connect{ClientID: id, CleanStart: true, KeepAlive: alive})
		return w
	}
	forever := connect("forever", packet.V311, i.tcp, 0)
	began := time.Now()
	v3 := connect("v3", packet.V311, i.ws(), 2)
	v5 := connect("v5", packet.V5, i.tcp, 2)
	if got := v5.wantEnd(t); len(got) != 1 || got[0].Type() != packet.DISCONNECT || got[0].(*packet.Disconnect).Code != packet.KeepAliveTimeout {
		t.Errorf("5.0 client got %v", got)
	}
	if d := time.Since(began); d < 3*time.Second {
		t.Errorf("disconnected after %v", d)
	}
	if got := v3.wantEnd(t); len(got) != 0 {
		t.Errorf("3.1.1 client got %v", got)
	}
	forever.send(&packet.Pingreq{})
	want[*packet.Pingresp](t, forever)
}
