package e2e

import (
	"bytes"
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"

	"lmqgate/adapter/packet"
)

// TestProperties: what MQTT 5.0 lets travel with a message travels through RocketMQ to another instance, and a 3.1.1
// subscriber gets the same message without it.
func TestProperties(t *testing.T) {
	t.Parallel()
	onEach(t, func(t *testing.T, b backend) {
		f := start(t, 2, b)
		v5, v3 := dialed(t, f.instances[0].ws(), packet.V5), dialed(t, f.instances[0].tcp, packet.V311)
		v5.connect(t, packet.Connect{ClientID: "v5", CleanStart: true})
		v3.connect(t, packet.Connect{ClientID: "v3", CleanStart: true})
		v5.subscribe(t, 2, f.topic("x"))
		v3.subscribe(t, 2, f.topic("x"))
		publisher := dialed(t, f.instances[1].tcp, packet.V5)
		publisher.connect(t, packet.Connect{ClientID: "publisher", CleanStart: true})
		binary := make([]byte, 256)
		for i := range binary {
			binary[i] = byte(i)
		}
		for n, sent := range []packet.Publish{
			{Payload: []byte("plain")},
			{Payload: binary, Properties: packet.Properties{CorrelationData: binary, ResponseTopic: "answer/" + f.first}},
			{Payload: []byte("ü"), Properties: packet.Properties{HasFormat: true, PayloadFormat: 1, ContentType: "text/plain; charset=\"utf-8\""}},
			{Payload: nil, Properties: packet.Properties{User: []packet.UserProperty{{Key: "", Value: ""}, {Key: "b", Value: "2"}, {Key: "a", Value: "\"\\\n\u2028"}, {Key: "b", Value: "2"}}}},
			{Payload: []byte(strings.Repeat("long ", 40_000)), Properties: packet.Properties{ContentType: strings.Repeat("c", 4000)}},
			{Payload: []byte("★\r\n\t☀")}, // stands for the empty payload in RocketMQ
			{Payload: []byte{0}, Properties: packet.Properties{HasFormat: true}},
		} {
			sent.Topic, sent.QoS, sent.PacketID = f.topic("x"), byte(n%3), uint16(n%3)
			publisher.send(&sent)
			switch sent.QoS {
			case 1:
				if ack := want[*packet.Puback](t, publisher); ack.Code != packet.Success {
					t.Errorf("message %d: PUBACK %v", n, ack.Code)
				}
			case 2:
				if rec := want[*packet.Pubrec](t, publisher); rec.Code != packet.Success {
					t.Errorf("message %d: PUBREC %v", n, rec.Code)
				}
				publisher.send(&packet.Pubrel{PacketID: sent.PacketID})
				want[*packet.Pubcomp](t, publisher)
			}
			for _, w := range []*wire{v5, v3} {
				got := want[*packet.Publish](t, w)
				acknowledge(t, w, got)
				if !bytes.Equal(got.Payload, sent.Payload) || got.QoS != sent.QoS {
					t.Errorf("message %d: %v got %d bytes with QoS %d", n, w.v, len(got.Payload), got.QoS)
				}
				if wanted := sent.Properties; w.v == packet.V5 && !sameProperties(got.Properties, wanted) {
					t.Errorf("message %d: got %+v, sent %+v", n, got.Properties, wanted)
				}
			}
		}
	})
}

func sameProperties(a, b packet.Properties) bool {
	return a.HasFormat == b.HasFormat && a.PayloadFormat == b.PayloadFormat && a.ContentType == b.ContentType &&
		a.ResponseTopic == b.ResponseTopic && bytes.Equal(a.CorrelationData, b.CorrelationData) && slices.Equal(a.User, b.User) &&
		a.HasExpiry == b.HasExpiry
}

// acknowledge completes the exchange of a message.
func acknowledge(t *testing.T, w *wire, p *packet.Publish) {
	t.Helper()
	switch p.QoS {
	case 1:
		w.send(&packet.Puback{PacketID: p.PacketID})
	case 2:
		w.send(&packet.Pubrec{PacketID: p.PacketID})
		want[*packet.Pubrel](t, w)
		w.send(&packet.Pubcomp{PacketID: p.PacketID})
	}
}

// TestSubscriptionOptions: identifiers of all matching subscriptions on the one copy [MQTT-3.3.4-3], No Local
// [MQTT-3.8.3-3], filters that are refused.
func TestSubscriptionOptions(t *testing.T) {
	t.Parallel()
	onEach(t, func(t *testing.T, b backend) {
		f := start(t, 2, b)
		w := dialed(t, f.instances[0].tcp, packet.V5)
		w.connect(t, packet.Connect{ClientID: "w", CleanStart: true})
		subscribe := func(id uint32, subs ...packet.Subscription) []packet.ReasonCode {
			w.send(&packet.Subscribe{PacketID: 9, SubscriptionID: id, Filters: subs})
			return want[*packet.Suback](t, w).Codes
		}
		for id, filter := range []string{f.topic("x"), f.topic("+"), f.topic("#")} {
			subscribe(uint32(1000*id+1), packet.Subscription{Filter: filter, QoS: byte(id)})
		}
		subscribe(7, packet.Subscription{Filter: f.topic("mine/+"), QoS: 1, NoLocal: true})
		publisher := connected(t, "publisher", packet.V5, f.instances[1].tcp)
		publisher.publish(f.topic("x"), 2, "hello", nil)
		got := want[*packet.Publish](t, w)
		acknowledge(t, w, got)
		slices.Sort(got.SubscriptionIDs)
		if !slices.Equal(got.SubscriptionIDs, []uint32{1, 1001, 2001}) || got.QoS != 2 {
			t.Errorf("identifiers %v, QoS %d", got.SubscriptionIDs, got.QoS)
		}
		w.send(&packet.Unsubscribe{PacketID: 10, Filters: []string{f.topic("#"), f.topic("never")}})
		if codes := want[*packet.Unsuback](t, w).Codes; !slices.Equal(codes, []packet.ReasonCode{packet.Success, packet.NoSubscriptionExisted}) {
			t.Errorf("UNSUBACK %v", codes)
		}

		w.send(&packet.Publish{Topic: f.topic("mine/x"), Payload: []byte("own")})
		publisher.publish(f.topic("mine/x"), 1, "others", nil)
		if got = want[*packet.Publish](t, w); string(got.Payload) != "others" {
			t.Errorf("got %q", got.Payload)
		}
		acknowledge(t, w, got)

		codes := subscribe(0, packet.Subscription{Filter: "a#"}, packet.Subscription{Filter: "a/#/b"}, packet.Subscription{Filter: "a+"},
			packet.Subscription{Filter: ""}, packet.Subscription{Filter: f.topic("ok")})
		wanted := []packet.ReasonCode{packet.TopicFilterInvalid, packet.TopicFilterInvalid, packet.TopicFilterInvalid, packet.TopicFilterInvalid, 0}
		if !slices.Equal(codes, wanted) {
			t.Errorf("SUBACK %v, want %v", codes, wanted)
		}
	})
}

// TestMessageExpiry: a message whose expiry interval passed while its subscriber was away does not come [MQTT-3.3.2-5]; the
// interval of one that comes is reduced by the time it waited [MQTT-3.3.2-6].
func TestMessageExpiry(t *testing.T) {
	t.Parallel()
	onEach(t, func(t *testing.T, b backend) {
		f := start(t, 2, b)
		w := dialed(t, f.instances[0].tcp, packet.V5)
		w.connect(t, session("away"))
		w.subscribe(t, 1, f.topic("x"))
		w.send(&packet.Disconnect{})
		w.wantEnd(t)
		publisher := dialed(t, f.instances[1].tcp, packet.V5)
		publisher.connect(t, packet.Connect{ClientID: "publisher", CleanStart: true})
		for n, expiry := range []uint32{1, 1000, 2} {
			publisher.send(&packet.Publish{
				QoS: 1, PacketID: 1, Topic: f.topic("x"), Payload: fmt.Append(nil, n), Properties: packet.Properties{HasExpiry: true, Expiry: expiry},
			})
			want[*packet.Puback](t, publisher)
		}
		<-time.After(3500 * time.Millisecond)
		w = dialed(t, f.instances[1].tcp, packet.V5)
		w.connect(t, session("away"))
		got := want[*packet.Publish](t, w)
		if string(got.Payload) != "1" || !got.Properties.HasExpiry || got.Properties.Expiry > 997 || got.Properties.Expiry < 900 {
			t.Errorf("got %q with expiry %d", got.Payload, got.Properties.Expiry)
		}
		acknowledge(t, w, got)
		publisher.send(&packet.Publish{QoS: 1, PacketID: 1, Topic: f.topic("x"), Payload: []byte("end")})
		if got = want[*packet.Publish](t, w); string(got.Payload) != "end" {
			t.Errorf("then got %q", got.Payload)
		}
	})
}

// TestTopicAlias: a client sets aliases and uses them; subscribers see topics.
func TestTopicAlias(t *testing.T) {
	t.Parallel()
	f := start(t, 1, embedded)
	d := connected(t, "subscriber", packet.V5, f.instances[0].tcp)
	must(t, d.subscribe(0, f.topic("+")))
	w := dialed(t, f.instances[0].ws(), packet.V5)
	ack := w.connect(t, packet.Connect{ClientID: "publisher", CleanStart: true})
	limit := ack.Properties.TopicAliasMaximum
	if limit == 0 {
		t.Skip("no topic aliases are offered")
	}
	w.send(
		&packet.Publish{Topic: f.topic("a"), TopicAlias: 1, Payload: []byte("1")},
		&packet.Publish{Topic: f.topic("b"), TopicAlias: limit, Payload: []byte("2")},
		&packet.Publish{TopicAlias: 1, Payload: []byte("3")},
		&packet.Publish{Topic: f.topic("c"), TopicAlias: 1, Payload: []byte("4")}, // another topic now
		&packet.Publish{TopicAlias: limit, Payload: []byte("5")},
		&packet.Publish{TopicAlias: 1, Payload: []byte("6")},
	)
	wanted := map[string]string{"1": "a", "2": "b", "3": "a", "4": "c", "5": "b", "6": "c"}
	d.gets(soon, len(wanted), nil)
	for _, a := range d.received(nil) {
		if a.topic != f.topic("%s", wanted[a.payload]) {
			t.Errorf("message %s came under %s", a.payload, a.topic)
		}
		delete(wanted, a.payload)
	}
	if len(wanted) > 0 {
		t.Errorf("missing: %v", wanted)
	}
}

// TestMaximumPacketSize: a message larger than what the subscriber accepts is left out and does not hold up the next
// [MQTT-3.1.2-25]; one as large as the server accepts gets through.
func TestMaximumPacketSize(t *testing.T) {
	t.Parallel()
	onEach(t, func(t *testing.T, b backend) {
		f := start(t, 1, b)
		i := f.instances[0]
		small := dialed(t, i.tcp, packet.V5)
		c := packet.Connect{ClientID: "small", CleanStart: true}
		c.Properties.MaximumPacketSize = 500
		small.connect(t, c)
		small.subscribe(t, 2, f.topic("x"))
		large := connected(t, "large", packet.V311, i.ws())
		must(t, large.subscribe(2, f.topic("x")))
		publisher := dialed(t, i.tcp, packet.V5)
		limit := int(publisher.connect(t, packet.Connect{ClientID: "publisher", CleanStart: true}).Properties.MaximumPacketSize)
		p := &packet.Publish{QoS: 1, PacketID: 1, Topic: f.topic("x")}
		p.Payload = bytes.Repeat([]byte("x"), limit-p.EncodedSize(packet.V5)-3)
		for p.EncodedSize(packet.V5) < limit {
			p.Payload = append(p.Payload, 'x')
		}
		publisher.send(p)
		if ack := want[*packet.Puback](t, publisher); ack.Code != packet.Success {
			t.Errorf("PUBACK %v", ack.Code)
		}
		publisher.send(&packet.Publish{QoS: 1, PacketID: 1, Topic: f.topic("x"), Payload: []byte("fits")})
		if got := want[*packet.Publish](t, small); string(got.Payload) != "fits" {
			t.Errorf("got %d bytes", len(got.Payload))
		}
		gotExactly(t, large, "", []string{string(p.Payload), "fits"})
	})
}
