package e2e

import (
	"encoding/json"
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"lmqgate/adapter/packet"
)

// presenceEvent is the body of an event as consumers know it: Java's fields, then the gateway's own.
type presenceEvent struct {
	ChannelID string `json:"channelId"`
	ClientID  string `json:"clientId"`
	EventInfo string `json:"eventInfo"`
	EventTime int64  `json:"eventTime"`
	EventType string `json:"eventType"`
	Host      string `json:"host"`
	IP        string `json:"ip"`
	PacketID  *int   `json:"packetId"`
	Port      *int   `json:"port"`

	Epoch      uint64 `json:"epoch"`
	Instance   string `json:"instance"`
	KeepAlive  *int   `json:"keepAlive"`
	Protocol   int    `json:"protocol"`
	ReasonCode *int   `json:"reasonCode"`
	Transport  string `json:"transport"`
	Username   string `json:"username"`
}

// TestPresence: a RocketMQ consumer of the topic %SYS_MQTT, and an MQTT client of %SYS_MQTT/online_offline_event, see who
// comes and goes: at the client's wish, by takeover, by a broken connection, and with an instance that dies.
func TestPresence(t *testing.T) {
	t.Parallel()
	onEach(t, func(t *testing.T, b backend) {
		f := start(t, 2, b, "PRESENCE_EVENTS=true", "STATUS_USERS=*", "STATUS_INTERVAL=0")
		one, two := f.instances[0], f.instances[1]
		watcher := connected(t, f.first+"-watcher", packet.V5, two.tcp)
		must(t, watcher.subscribe(1, "%SYS_MQTT/online_offline_event"))
		everything := connected(t, f.first+"-everything", packet.V5, two.tcp)
		must(t, everything.subscribe(1, "#", "+/online_offline_event"))
		_, out := application(t, "consume", f.namesrv, "%SYS_MQTT", "G-presence-"+f.first, "CLIENT_EVENT")
		events := make(chan presenceEvent, 1000)
		go func() {
			for out.Scan() {
				var m rocketMessage
				var e presenceEvent
				if json.Unmarshal(out.Bytes(), &m) != nil || json.Unmarshal(m.Body, &e) != nil {
					e = presenceEvent{ClientID: f.first, EventInfo: "cannot be read: " + out.Text()}
				}
				if !strings.HasPrefix(e.ClientID, f.first) {
					continue // of another test on the same broker
				}
				p := m.Properties
				if p["originMqttTopic"] != "%SYS_MQTT/online_offline_event" || p["qosLevel"] != "1" || m.Tag != "CLIENT_EVENT" || p["UNIQ_KEY"] == "" {
					e.EventInfo = fmt.Sprintf("wrong properties: %v", m)
				}
				events <- e
			}
		}()
		seen := map[string][]presenceEvent{} // by client id and type: the consumer takes messages side by side
		next := func(id, kind string) presenceEvent {
			t.Helper()
			key := f.first + "-" + id + kind
			for len(seen[key]) == 0 {
				e := take(t, events)
				seen[e.ClientID+e.EventType] = append(seen[e.ClientID+e.EventType], e)
			}
			e := seen[key][0]
			seen[key] = seen[key][1:]
			if d := time.Since(time.UnixMilli(e.EventTime)); d < -time.Second || d > 2*soon {
				t.Errorf("%s: time of the event is %v ago", id, d)
			}
			return e
		}
		const in, gone = "CLIENT_CONNECT", "CLIENT_DISCONNECT"
		zero, keepAlive := 0, 60
		expect := func(e presenceEvent, wanted presenceEvent) {
			t.Helper()
			wanted.ClientID, wanted.EventTime, wanted.Epoch, wanted.PacketID, wanted.Port = f.first+"-"+wanted.ClientID, e.EventTime, e.Epoch, &zero, &zero
			wanted.ChannelID = fmt.Sprintf("%s:%d", wanted.Instance, e.Epoch)
			if diff := cmp.Diff(wanted, e); diff != "" {
				t.Errorf("(-want +got)\n%s", diff)
			}
		}
		came := func(id string, at *instance, protocol int, transport, username string) presenceEvent {
			return presenceEvent{
				ClientID: id, EventType: in, Host: "127.0.0.1", IP: "127.0.0.1", Instance: at.id(), KeepAlive: &keepAlive,
				Protocol: protocol, Transport: transport, Username: username,
			}
		}
		went := func(e presenceEvent, code int, info string) presenceEvent {
			e.EventType, e.ReasonCode, e.EventInfo = gone, &code, info
			return e
		}
		join := func(id string, addr string, v packet.Version, user string) *wire {
			t.Helper()
			w := dialed(t, addr, v)
			c := session(f.first + "-" + id)
			c.KeepAlive, c.HasUsername, c.Username = 60, user != "", user
			w.connect(t, c)
			return w
		}

		w := join("goodbye", one.ws(), packet.V5, "user")
		first := next("goodbye", in)
		expect(first, came("goodbye", one, 5, "ws", "user"))
		w.send(&packet.Disconnect{})
		w.wantEnd(t)
		e := next("goodbye", gone)
		expect(e, went(came("goodbye", one, 5, "ws", "user"), 0, "success"))
		if e.Epoch != first.Epoch || e.Epoch == 0 {
			t.Errorf("epochs %d and %d of one connection", first.Epoch, e.Epoch)
		}

		w = join("with-will", two.tcp, packet.V5, "")
		w.send(&packet.Disconnect{Code: packet.DisconnectWithWill})
		w.wantEnd(t)
		expect(next("with-will", in), came("with-will", two, 5, "tcp", ""))
		expect(next("with-will", gone), went(came("with-will", two, 5, "tcp", ""), 4, "disconnect with will message"))

		w = join("cut", one.tcp, packet.V311, "")
		w.cut()
		expect(next("cut", in), came("cut", one, 4, "tcp", ""))
		expect(next("cut", gone), went(came("cut", one, 4, "tcp", ""), 0x80, "unspecified error"))

		old := join("moves", one.tcp, packet.V5, "")
		first = next("moves", in)
		expect(first, came("moves", one, 5, "tcp", ""))
		join("moves", two.ws(), packet.V311, "")
		old.wantEnd(t)
		left, arrived := next("moves", gone), next("moves", in)
		expect(left, went(came("moves", one, 5, "tcp", ""), 0x8e, "session taken over"))
		expect(arrived, came("moves", two, 4, "ws", ""))
		if left.Epoch != first.Epoch || arrived.Epoch <= first.Epoch {
			t.Errorf("epochs %d, %d and %d", first.Epoch, left.Epoch, arrived.Epoch)
		}

		for n := range 10 {
			id := fmt.Sprint("orphan-", n)
			join(id, one.tcp, packet.V5, "")
			expect(next(id, in), came(id, one, 5, "tcp", ""))
		}
		killed := one.id()
		one.kill()
		for n := range 10 {
			id := fmt.Sprint("orphan-", n)
			expect(next(id, gone), presenceEvent{ClientID: id, EventType: gone, EventInfo: "instance gone", Instance: killed})
		}
		join("last", two.tcp, packet.V5, "")
		expect(next("last", in), came("last", two, 5, "tcp", ""))
		for id, rest := range seen {
			if len(rest) > 0 && !strings.HasPrefix(id, watcher.id) && !strings.HasPrefix(id, everything.id) {
				t.Errorf("%s: more events than wanted: %+v", id, rest)
			}
		}

		ours := func(a arrival) bool { return strings.Contains(a.payload, `"clientId":"`+f.first) }
		isLast := func(a arrival) bool { return strings.Contains(a.payload, `"clientId":"`+f.first+`-last"`) }
		if !watcher.gets(soon, 1, isLast) {
			t.Error("the MQTT client does not get the last event")
		}
		const comings, goings = 1 + 1 + 1 + 2 + 10 + 1, 1 + 1 + 1 + 1 + 10
		got := map[string]int{}
		open := map[string]uint64{} // epochs of those who came, by channel id
		for _, a := range watcher.received(ours) {
			var e presenceEvent
			must(t, json.Unmarshal([]byte(a.payload), &e))
			if a.topic != "%SYS_MQTT/online_offline_event" || a.qos != 1 || a.retain {
				t.Errorf("an event came under %s with QoS %d, retain %v", a.topic, a.qos, a.retain)
			}
			if e.ClientID == watcher.id || e.ClientID == everything.id { // they may see themselves come
				continue
			}
			got[e.EventType]++
			switch {
			case e.EventType == in:
				open[e.ChannelID] = e.Epoch
			case e.Epoch != 0 && open[e.ChannelID] != e.Epoch:
				t.Errorf("%s went before it came", e.ClientID)
			}
		}
		if got[in] != comings || got[gone] != goings {
			t.Errorf("the MQTT client got %v, want %d comings and %d goings", got, comings, goings)
		}
		if list := everything.received(ours); len(list) > 0 {
			t.Errorf("a wildcard at the beginning got %d events", len(list))
		}
		watcher.sane()
	})
}
