package e2e

import (
	"fmt"
	"regexp"
	"strconv"
	"strings"
	"testing"

	"lmqgate/adapter/packet"
)

// board is a client of the status topics: the last value of each.
type board struct {
	*device
	t *testing.T
}

func newBoard(t *testing.T, at *instance) *board {
	t.Helper()
	d := connected(t, "board-"+strings.ReplaceAll(at.name, " ", "-"), packet.V5, at.tcp)
	d.clean = true
	must(t, d.subscribe(0, "$SYS/broker/#"))
	return &board{d, t}
}

// values are the last ones by topic, without the root.
func (b *board) values() map[string]string {
	all := map[string]string{}
	for _, a := range b.received(nil) {
		all[strings.TrimPrefix(a.topic, "$SYS/broker/")] = a.payload
	}
	return all
}

// number is a value that must be a whole number.
func (b *board) number(topic string) int {
	b.t.Helper()
	n, err := strconv.Atoi(b.values()[topic])
	if err != nil {
		b.t.Fatalf("%s: %v", topic, err)
	}
	return n
}

// shows waits until a value is as it must be.
func (b *board) shows(topic, value string) {
	b.t.Helper()
	eventually(b.t, soon, func() error {
		if got, ok := b.values()[topic]; got != value {
			return fmt.Errorf("%s is %q (%v), want %q", topic, got, ok, value)
		}
		return nil
	})
}

// round waits until the next round of the topics has come.
func (b *board) round() {
	b.t.Helper()
	isUptime := func(a arrival) bool { return a.topic == "$SYS/broker/uptime" }
	if before := len(b.received(isUptime)); !b.gets(soon, before+2, isUptime) { // the one after that which may be under way
		b.t.Fatal("no more status topics come")
	}
}

// id is the instance's own name.
func (i *instance) id() string {
	i.t.Helper()
	m := regexp.MustCompile(`"accepting clients","instance":"([^"]+)"`).FindStringSubmatch(i.log.String())
	if m == nil {
		i.t.Fatalf("%s does not say its id", i.name)
	}
	return m[1]
}

// TestStatus: the status topics of a gateway without configuration, and what they say.
func TestStatus(t *testing.T) {
	t.Parallel()
	f := start(t, 1, embedded, "STATUS_INTERVAL=1s")
	i := f.instances[0]
	everything := connected(t, "everything", packet.V311, i.tcp)
	must(t, everything.subscribe(0, "#", "+/broker/#", "+/+/clients/connected"))
	b := newBoard(t, i)
	own := "instances/" + i.id() + "/"
	b.shows("clients/connected", "2")
	b.round() // the topics come one after another: until here the last of them may be missing
	all := b.values()
	for topic, pattern := range map[string]string{
		"version": ".+", "uptime": `\d+ seconds`, "clients/connected": "2", "messages/received": `\d+`, "messages/sent": `\d+`,
		"publish/messages/received": `\d+`, "publish/messages/sent": `\d+`, "publish/messages/dropped": "0", "bytes/received": `\d+`, "bytes/sent": `\d+`,
		"subscriptions/count": `\d+`, "retained messages/count": `\d+`, "instances/count": "1",
		own + "version": ".+", own + "uptime": `\d+ seconds`, own + "clients/connected": "2", own + "clients/maximum": "2", own + "messages/received": `\d+`,
		own + "messages/sent": `\d+`, own + "publish/messages/received": `\d+`, own + "publish/messages/sent": `\d+`, own + "publish/messages/dropped": "0",
		own + "bytes/received": `\d+`, own + "bytes/sent": `\d+`, own + "subscriptions/count": `\d+`,
	} {
		if !regexp.MustCompile("^" + pattern + "$").MatchString(all[topic]) {
			t.Errorf("%s is %q, want %s", topic, all[topic], pattern)
		}
	}
	for _, a := range b.received(func(a arrival) bool { return a.qos != 0 || !strings.HasPrefix(a.topic, "$SYS/broker/") }) {
		t.Errorf("%s came with QoS %d", a.topic, a.qos)
	}

	received, bytesIn, bytesOut := b.number("publish/messages/received"), b.number("bytes/received"), b.number("bytes/sent")
	var crowd []*device
	for n := range 5 {
		crowd = append(crowd, connected(t, fmt.Sprint("client-", n), version(n), []string{i.tcp, i.ws()}[n%2]))
	}
	b.shows("clients/connected", "7")
	b.shows(own+"clients/maximum", "7")
	const published = 50
	for n := range published {
		crowd[n%5].publish("status-test/x", byte(n%3), strings.Repeat("x", 1000), nil)
	}
	for _, d := range crowd {
		d.flushed(soon)
	}
	everything.gets(soon, published, nil)
	b.shows("publish/messages/received", fmt.Sprint(received+published))
	b.round()
	if in, out := b.number("bytes/received")-bytesIn, b.number("bytes/sent")-bytesOut; in < published*1000 || out < published*1000 || in > published*3000 {
		t.Errorf("%d messages of 1,000 bytes: bytes/received grew by %d, bytes/sent by %d", published, in, out)
	}
	crowd[0].disconnect()
	crowd[1].cut()
	b.shows("clients/connected", "5")
	b.shows(own+"clients/maximum", "7")
	must(t, everything.unsubscribe("+/broker/#"))
	b.shows("subscriptions/count", "3")

	for _, a := range everything.received(func(a arrival) bool { return a.topic != "status-test/x" }) {
		t.Errorf("a wildcard at the beginning got %s [MQTT-4.7.2-1]", a.topic)
	}
}

// TestStatusIsTheServers: nobody publishes to the status topics, also where everybody may read them.
func TestStatusIsTheServers(t *testing.T) {
	t.Parallel()
	f := start(t, 1, embedded, "STATUS_INTERVAL=1s")
	i := f.instances[0]
	b := newBoard(t, i)
	b.round()
	version := b.values()["version"]
	for _, topic := range []string{"$SYS/x", "$SYS/broker/version", "$SYS", "%SYS_MQTT/online_offline_event"} {
		for _, retain := range []bool{false, true} {
			w := dialed(t, i.tcp, packet.V5)
			w.connect(t, packet.Connect{ClientID: "forger", CleanStart: true})
			w.send(&packet.Publish{QoS: 1, PacketID: 1, Topic: topic, Payload: []byte("forged"), Retain: retain})
			if ack := want[*packet.Puback](t, w); ack.Code != packet.NotAuthorized {
				t.Errorf("PUBLISH to %s: PUBACK %v", topic, ack.Code)
			}
			w.send(&packet.Publish{QoS: 2, PacketID: 2, Topic: topic, Payload: []byte("forged"), Retain: retain})
			if rec := want[*packet.Pubrec](t, w); rec.Code != packet.NotAuthorized {
				t.Errorf("PUBLISH to %s: PUBREC %v", topic, rec.Code)
			}
			old := dialed(t, i.tcp, packet.V311)
			old.connect(t, packet.Connect{ClientID: "old-forger", CleanStart: true})
			old.send(&packet.Publish{QoS: 1, PacketID: 1, Topic: topic, Payload: []byte("forged"), Retain: retain})
			if rest := old.wantEnd(t); len(rest) > 0 {
				t.Errorf("PUBLISH to %s before 5.0: %v", topic, rest[0].Type())
			}
			w.send(&packet.Connect{Version: packet.V5, ClientID: "x"}) // a second one: the end
			w.wantEnd(t)
			w = dialed(t, i.tcp, packet.V5)
			c := packet.Connect{Version: packet.V5, ClientID: "forger", CleanStart: true, Will: &packet.Will{Topic: topic, Payload: []byte("forged"), Retain: retain}}
			w.send(&c)
			if ack := want[*packet.Connack](t, w); ack.Code != packet.NotAuthorized {
				t.Errorf("a will for %s: CONNACK %v", topic, ack.Code)
			}
		}
	}
	late := connected(t, "late", packet.V5, i.tcp)
	must(t, late.subscribe(0, "$SYS/#"))
	b.round()
	b.round()
	for _, d := range []*device{b.device, late} {
		for _, a := range d.received(with("forged")) {
			t.Errorf("%s got a forged %s", d.id, a.topic)
		}
	}
	b.shows("version", version)
}

// TestStatusUsers: with real servers only those whom STATUS_USERS names may subscribe, and only by a name that was proven.
func TestStatusUsers(t *testing.T) {
	t.Parallel()
	filters := []string{"$SYS/broker/#", "$SYS/#", "$SYS/broker/uptime", "$share/g/$SYS/#", "%SYS_MQTT/online_offline_event", "%SYS_MQTT/#"}
	codes := func(t *testing.T, w *wire) []packet.ReasonCode {
		t.Helper()
		s := &packet.Subscribe{PacketID: 1}
		for _, filter := range filters {
			s.Filters = append(s.Filters, packet.Subscription{Filter: filter})
		}
		w.send(s)
		return want[*packet.Suback](t, w).Codes
	}
	all := func(t *testing.T, who string, got []packet.ReasonCode, code packet.ReasonCode) {
		t.Helper()
		for n, c := range got {
			if c != code {
				t.Errorf("%s, %s: %v, want %v", who, filters[n], c, code)
			}
		}
	}
	onEach(t, func(t *testing.T, b backend) {
		f := start(t, 1, b, "STATUS_INTERVAL=1s")
		named := f.add("STATUS_USERS=alice")
		named.ready()
		for name, i := range map[string]*instance{"nobody may": f.instances[0], "an unproven alice": named} {
			for v, code := range map[packet.Version]packet.ReasonCode{packet.V5: packet.NotAuthorized, packet.V311: 0x80} {
				w := dialed(t, i.tcp, v)
				w.connect(t, packet.Connect{ClientID: "reader", CleanStart: true, HasUsername: true, Username: "alice"})
				all(t, name, codes(t, w), code)
				w.subscribe(t, 0, "#")
			}
		}
		locked := scramFleet(t, 1, b, "STATUS_INTERVAL=1s", "STATUS_USERS=alice,carol")
		for user, may := range map[string]bool{"alice": true, "bob": false} {
			w := dialed(t, locked.instances[0].tcp, packet.V5)
			password := map[string]string{"alice": "pencil", "bob": "pässwörd, long"}[user]
			if ack := newHandshake(t, w, user, password).connect(packet.Connect{ClientID: user, CleanStart: true}); ack.Code != packet.Success {
				t.Fatalf("%s: CONNACK %v", user, ack.Code)
			}
			got := codes(t, w)
			if !may {
				all(t, user, got, packet.NotAuthorized)
				continue
			}
			all(t, user, got, packet.GrantedQoS0)
			if m := want[*packet.Publish](t, w); !strings.HasPrefix(m.Topic, "$SYS/broker/") {
				t.Errorf("alice got %s", m.Topic)
			}
		}
	})
}

// TestStatusOfInstances: the sums of two instances, told by one of them; when one is killed its figures go, and the other one
// goes on telling, whichever it was.
func TestStatusOfInstances(t *testing.T) {
	t.Parallel()
	onEach(t, func(t *testing.T, b backend) {
		for n, name := range []string{"the one with the smaller id", "the other one"} {
			t.Run("without "+name, func(t *testing.T) {
				f := start(t, 2, b, "STATUS_INTERVAL=1s", "STATUS_USERS=*")
				going, staying := f.instances[0], f.instances[1]
				if (going.id() < staying.id()) != (n == 0) {
					going, staying = staying, going
				}
				here, there := newBoard(t, staying), newBoard(t, going)
				for i := range 3 {
					connected(t, fmt.Sprint("there-", i), version(i), going.tcp)
				}
				for _, board := range []*board{here, there} {
					board.shows("instances/count", "2")
					board.shows("clients/connected", "5")
					board.shows("instances/"+going.id()+"/clients/connected", "4")
					board.shows("instances/"+staying.id()+"/clients/connected", "1")
				}
				going.kill()
				here.shows("instances/count", "1")
				here.shows("clients/connected", "1")
				eventually(t, soon, func() error { // what it said of itself vanishes for those who come later
					late := connected(t, "late", packet.V5, staying.ws())
					defer late.stop()
					must(t, late.subscribe(0, "$SYS/broker/instances/#", "$SYS/broker/uptime"))
					late.gets(soon, 2, func(a arrival) bool { return a.topic == "$SYS/broker/uptime" && !a.retain })
					for _, a := range late.received(nil) {
						if strings.Contains(a.topic, going.id()) {
							return fmt.Errorf("%s is still there", a.topic)
						}
					}
					return nil
				})
				here.sane()
			})
		}
	})
}
