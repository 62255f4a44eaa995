package client

import (
	"errors"
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"

	"lmqgate/adapter/packet"
	"lmqgate/meta/access"
	"lmqgate/meta/message"
	"lmqgate/meta/session"
)

// TestReplies: what a client sends, and all that it gets.
func TestReplies(t *testing.T) {
	const ok = "CONNACK 00, "
	v3, v4, v5 := packet.V31, packet.V311, packet.V5
	deep := strings.Repeat("a/", maxLevels) + "a"
	for _, tt := range []struct {
		name string
		v    packet.Version
		send []any // behind CONNECT, or from the start if that is the first
		want string
	}{
		{"3.1 connects", v3, []any{connect(v3, "c")}, "CONNACK 00"},
		{"3.1.1 connects", v4, []any{connect(v4, "c")}, "CONNACK 00"},
		{"5.0 connects", v5, []any{connect(v5, "c")}, "CONNACK 00"},
		{"no client id, clean, 3.1.1", v4, []any{connect(v4, "")}, "CONNACK 00"},
		{"no client id, 5.0", v5, []any{connect(v5, "", lasting)}, "CONNACK 00"},
		{"no client id, not clean, 3.1.1", v4, []any{[]byte("\x10\x0c\x00\x04MQTT\x04\x00\x00\x00\x00\x00")}, "CONNACK 02, closed 85"},
		{"no client id, 3.1", v3, []any{[]byte("\x10\x0e\x00\x06MQIsdp\x03\x02\x00\x00\x00\x00")}, "CONNACK 02, closed 85"},
		{"unknown level", v5, []any{[]byte("\x10\x0c\x00\x04MQTT\x06\x02\x00\x00\x00\x00")}, "CONNACK 84, closed 84"},
		{"unknown name", v4, []any{[]byte("\x10\x0c\x00\x04MQXX\x04\x02\x00\x00\x00\x00")}, "CONNACK 01, closed 84"},
		{"malformed CONNECT, 3.1.1", v4, []any{[]byte("\x10\x0c\x00\x04MQTT\x04\x03\x00\x00\x00\x00")}, "closed 81"},
		{"malformed CONNECT, 5.0", v5, []any{[]byte("\x10\x0d\x00\x04MQTT\x05\x03\x00\x00\x00\x00\x00")}, "CONNACK 81, closed 81"},
		{"authentication method", v5, []any{connect(v5, "c", func(c *packet.Connect) { c.Properties.AuthMethod = "SCRAM" })}, "CONNACK 8c, closed 8c"},
		{"will retain, 5.0", v5, []any{connect(v5, "c", func(c *packet.Connect) { c.Will = &packet.Will{Topic: "w", Retain: true} })}, "CONNACK 00"},
		{"will retain, 3.1.1", v4, []any{connect(v4, "c", func(c *packet.Connect) { c.Will = &packet.Will{Topic: "w", Retain: true} })}, "CONNACK 00"},
		{"PUBLISH first", v4, []any{pub(0, 0, "t", "")}, "closed 82"},
		{"garbage first", v4, []any{[]byte("GET / HTTP/1.1\r\n\r\n")}, "closed 82"},
		{"second CONNECT, 5.0", v5, []any{connect(v5, "c"), connect(v5, "c")}, ok + "DISCONNECT 82, closed 82"},
		{"second CONNECT, 3.1.1", v4, []any{connect(v4, "c"), connect(v4, "c")}, ok + "closed 82"},
		{"ping", v4, []any{connect(v4, "c"), &packet.Pingreq{}, &packet.Pingreq{}}, ok + "PINGRESP, PINGRESP"},
		{"goodbye", v5, []any{connect(v5, "c"), &packet.Disconnect{}}, ok + "closed 00"},
		{"goodbye, then more", v5, []any{connect(v5, "c"), &packet.Disconnect{}, &packet.Pingreq{}}, ok + "closed 00"},
		{"expiry at DISCONNECT, none at CONNECT", v5, []any{connect(v5, "c"), &packet.Disconnect{HasSessionExpiry: true, SessionExpiry: 5}}, ok + "DISCONNECT 82, closed 82"},
		{"expiry 0 at DISCONNECT, none at CONNECT", v5, []any{connect(v5, "c"), &packet.Disconnect{HasSessionExpiry: true}}, ok + "closed 00"},
		{"DISCONNECT of a server", v5, []any{connect(v5, "c"), &packet.Disconnect{Code: packet.ServerBusy}}, ok + "DISCONNECT 82, closed 82"},
		{"AUTH", v5, []any{connect(v5, "c"), &packet.Auth{Code: packet.ReAuthenticate, Method: "x"}}, ok + "DISCONNECT 82, closed 82"},
		{"AUTH with success", v5, []any{connect(v5, "c"), &packet.Auth{}}, ok + "DISCONNECT 82, closed 82"},
		{"CONNACK of a client", v5, []any{connect(v5, "c"), &packet.Connack{}}, ok + "DISCONNECT 82, closed 82"},
		{"reserved type", v4, []any{connect(v4, "c"), []byte("\xf0\x00")}, ok + "closed 81"},
		{"too large, 5.0", v5, []any{connect(v5, "c"), pub(0, 0, "t", strings.Repeat("x", 5000))}, ok + "DISCONNECT 95, closed 95"},
		{"too large, 3.1.1", v4, []any{connect(v4, "c"), pub(0, 0, "t", strings.Repeat("x", 5000))}, ok + "closed 95"},

		{"QoS 0", v4, []any{connect(v4, "c"), pub(0, 0, "t", "x"), &packet.Pingreq{}}, ok + "PINGRESP"},
		{"QoS 1", v4, []any{connect(v4, "c"), pub(1, 7, "t", "x")}, ok + "PUBACK 7"},
		{"QoS 1, 3.1", v3, []any{connect(v3, "c"), pub(1, 7, "t", "x")}, ok + "PUBACK 7"},
		{"QoS 2", v4, []any{connect(v4, "c"), pub(2, 7, "t", "x"), &packet.Pubrel{PacketID: 7}}, ok + "PUBREC 7, PUBCOMP 7"},
		{"QoS 2, lasting", v5, []any{connect(v5, "c", lasting), pub(2, 7, "t", "x")}, ok + "PUBREC 7"},
		{"PUBREL of unknown id, 5.0", v5, []any{connect(v5, "c"), &packet.Pubrel{PacketID: 9}}, ok + "PUBCOMP 9 92"},
		{"PUBREL of unknown id, 3.1.1, lasting", v4, []any{connect(v4, "c", lasting), &packet.Pubrel{PacketID: 9}}, ok + "PUBCOMP 9"},
		{"retain, 5.0", v5, []any{connect(v5, "c"), &packet.Publish{Topic: "t", Retain: true, QoS: 1, PacketID: 1}}, ok + "PUBACK 1"},
		{"retain, 3.1.1", v4, []any{connect(v4, "c"), &packet.Publish{Topic: "t", Retain: true, QoS: 1, PacketID: 1}}, ok + "PUBACK 1"},
		{"topic with NUL", v5, []any{connect(v5, "c"), []byte("\x30\x06\x00\x03a\x00b\x00")}, ok + "DISCONNECT 81, closed 81"},
		{"empty topic, 5.0", v5, []any{connect(v5, "c"), []byte("\x30\x03\x00\x00\x00")}, ok + "DISCONNECT 82, closed 82"},
		{"wildcard in a topic", v5, []any{connect(v5, "c"), []byte("\x30\x04\x00\x01#\x00")}, ok + "DISCONNECT 90, closed 90"},
		{"subscription identifier in PUBLISH", v5, []any{connect(v5, "c"), &packet.Publish{Topic: "t", SubscriptionIDs: []uint32{1}}}, ok + "DISCONNECT 82, closed 82"},
		{"topic alias", v5, []any{connect(v5, "c"), &packet.Publish{Topic: "t", TopicAlias: 2, QoS: 1, PacketID: 1}, &packet.Publish{TopicAlias: 2, QoS: 1, PacketID: 2}}, ok + "PUBACK 1, PUBACK 2"},
		{"topic alias not set", v5, []any{connect(v5, "c"), &packet.Publish{TopicAlias: 2}}, ok + "DISCONNECT 82, closed 82"},
		{"topic alias too high", v5, []any{connect(v5, "c"), &packet.Publish{Topic: "t", TopicAlias: 33}}, ok + "DISCONNECT 94, closed 94"},

		{"SUBSCRIBE", v5, []any{connect(v5, "c"), subscribe(3, "a", "b/#", "+/c")}, ok + "SUBACK 3 01 01 01"},
		{"SUBSCRIBE, wrong ones", v5, []any{connect(v5, "c"), subscribe(3, "a", "b/#/c", "$share/g/t", "$share/g", deep)}, ok + "SUBACK 3 01 8f 01 8f 8f"},
		{"SUBSCRIBE, wrong ones, 3.1.1", v4, []any{connect(v4, "c"), subscribe(3, "a", "b/#/c", "$share/g/t")}, ok + "SUBACK 3 01 80 01"},
		{
			"SUBSCRIBE beyond the limit", v5,
			[]any{connect(v5, "c"), subscribe(1, "a", "b", "c", "d", "a"), subscribe(2, "d"), subscribe(3, "b", "c")},
			ok + "SUBACK 1 01 01 01 97 01, SUBACK 2 97, SUBACK 3 01 01",
		},
		{
			"SUBSCRIBE at the limit after UNSUBSCRIBE", v5,
			[]any{connect(v5, "c"), subscribe(1, "a", "b", "c"), unsubscribe(2, "b"), subscribe(3, "d", "e")},
			ok + "SUBACK 1 01 01 01, UNSUBACK 2 00, SUBACK 3 01 97",
		},
		{"UNSUBSCRIBE fails, 5.0", v5, []any{connect(v5, "c"), unsubscribe(1, "a", "fail")}, ok + "UNSUBACK 1 00 80"},
		{"UNSUBSCRIBE fails, 3.1.1", v4, []any{connect(v4, "c"), unsubscribe(1, "a", "fail")}, ok + "closed 89"},
		{"PUBREC of a delivery", v5, []any{connect(v5, "c"), &packet.Pubrec{PacketID: 4}, &packet.Pubcomp{PacketID: 4}, &packet.Puback{PacketID: 5}}, ok + "PUBREL 4"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			run(t, Config{MaxPacketSize: 4096, MaxSubscriptions: 3}, func(t *testing.T, r *rig) {
				p := r.dial(tt.v, false, nil)
				for _, one := range tt.send {
					p.send(one)
					time.Sleep(10 * time.Millisecond) // a commit
					if got := p.take(); got != "" {   // one after the other, as a client would
						p.mu.Lock()
						p.got = append([]string{got}, p.got...)
						p.mu.Unlock()
					}
				}
				if got := strings.TrimSuffix(dedupClosed(p.take()), ", "); got != tt.want {
					t.Errorf("got  %q\nwant %q", got, tt.want)
				}
			})
		})
	}
}

// dedupClosed leaves the end of the stream out where it was seen before.
func dedupClosed(got string) string {
	parts := strings.Split(got, ", ")
	return strings.Join(slices.CompactFunc(parts, func(a, b string) bool { return a == b && strings.HasPrefix(a, "closed") }), ", ")
}

func subscribe(id uint16, filters ...string) *packet.Subscribe {
	s := &packet.Subscribe{PacketID: id}
	for _, f := range filters {
		s.Filters = append(s.Filters, packet.Subscription{Filter: f, QoS: 1})
	}
	return s
}

func unsubscribe(id uint16, filters ...string) *packet.Unsubscribe {
	return &packet.Unsubscribe{PacketID: id, Filters: filters}
}

// TestRefusals: what stands against a CONNECT that is right in itself, in both dialects.
func TestRefusals(t *testing.T) {
	for _, tt := range []struct {
		name   string
		break_ func(*rig)
		v4, v5 string
	}{
		{"credentials", func(r *rig) { r.verify = func(*access.Login) error { return access.ErrDenied } }, "CONNACK 04, closed 86", "CONNACK 86, closed 86"},
		{"verifier away", func(r *rig) { r.verify = func(*access.Login) error { return access.ErrUnavailable } }, "CONNACK 03, closed 88", "CONNACK 88, closed 88"},
		{"lease lapsed", func(r *rig) { r.lease.lapsed.Store(true) }, "CONNACK 03, closed 88", "CONNACK 88, closed 88"},
		{"draining", func(r *rig) { r.stop() }, "CONNACK 03, closed 9c", "CONNACK 9c, closed 9c"},
		{"store away", func(r *rig) { r.store.onAttach = func(session.AttachRequest) (error, error) { return errNoRoute, nil } }, "CONNACK 03, closed 88", "CONNACK 88, closed 88"},
		{"newer format", func(r *rig) {
			r.store.onAttach = func(session.AttachRequest) (error, error) { return fmt.Errorf("x: %w", session.ErrFormat), nil }
		}, "CONNACK 03, closed 80", "CONNACK 80, closed 80"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			run(t, Config{}, func(t *testing.T, r *rig) {
				tt.break_(r)
				r.dial(packet.V311, false, nil).send(connect(packet.V311, "c")).want(tt.v4)
				r.dial(packet.V5, false, nil).send(connect(packet.V5, "c")).want(tt.v5)
				if n := r.srv.Len(); n != 0 {
					t.Errorf("%d clients", n)
				}
			})
		})
	}
}

// TestPublishFails: one close with the right reason, whatever the number of publications; what is refused for good has a
// code in 5.0 and is acknowledged before, since it would be sent again without end.
func TestPublishFails(t *testing.T) {
	for _, tt := range []struct {
		name   string
		err    error
		v4, v5 string
	}{
		{"unavailable", message.ErrUnavailable, "closed 89", "DISCONNECT 89, closed 89"},
		{"busy", message.ErrBusy, "closed 89", "DISCONNECT 89, closed 89"},
		{"abandoned", message.ErrAbandoned, "closed 89", "DISCONNECT 89, closed 89"},
		{"refused", message.ErrRefused, "PUBACK 1, PUBACK 3, PUBREC 2", "PUBACK 1 83, PUBACK 3 83, PUBREC 2 83"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			j := &journal{}
			run(t, Config{Logger: newLogger(j)}, func(t *testing.T, r *rig) {
				r.log.verdict = func(m *message.Message) (time.Duration, bool, error) {
					if m.QoS == 0 {
						return 0, false, message.ErrBusy
					}
					return time.Duration(m.QoS) * 20 * time.Millisecond, false, tt.err
				}
				for _, v := range []packet.Version{packet.V311, packet.V5} {
					p := r.dial(v, false, nil).send(connect(v, v.String(), lasting), pub(0, 0, "t", ""))
					p.want("CONNACK 00")
					p.send(pub(1, 1, "a", ""), pub(2, 2, "b", ""), pub(1, 3, "c", ""))
					time.Sleep(time.Second)
					p.want(map[packet.Version]string{packet.V311: tt.v4, packet.V5: tt.v5}[v])
					if v == packet.V5 && errors.Is(tt.err, message.ErrRefused) {
						p.send(pub(2, 2, "b", "")) // the id is free
						time.Sleep(time.Second)
						p.want("PUBREC 2 83")
					}
				}
			})
			if n := j.count("WARN publish failed, closing the connection"); n > 2 {
				t.Errorf("%d warnings", n)
			}
		})
	}
}
