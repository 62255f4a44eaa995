package packet

import (
	"bytes"
	"strings"
	"testing"
)

func TestPublish(t *testing.T) {
	bothWays(t, []wireCase{
		{
			name: "QoS 0", version: V31, listing: `30 05 00 01 't' 'hi'`,
			packet: &Publish{Topic: "t", Payload: []byte("hi")},
		},
		{
			name: "QoS 0, DUP without meaning", version: V31, listing: `38 05 00 01 't' 'hi'`,
			packet: &Publish{Topic: "t", Payload: []byte("hi")}, oneWay: true,
		},
		{
			name: "QoS 0, empty payload", version: V311, listing: `30 03 00 01 't'`,
			packet: &Publish{Topic: "t", Payload: []byte{}},
		},
		{
			name: "QoS 1, retained", version: V311, listing: `
			33 09            // QoS 1, RETAIN
			00 03 'a/b'
			12 34            // packet id
			'hi'`,
			packet: &Publish{QoS: 1, Retain: true, Topic: "a/b", PacketID: 0x1234, Payload: []byte("hi")},
		},
		{
			name: "QoS 2, DUP", version: V311, listing: `3c 06 00 01 't' ff ff 00`,
			packet: &Publish{DUP: true, QoS: 2, Topic: "t", PacketID: 0xffff, Payload: []byte{0}},
		},
		{
			name: "QoS 0", version: V5, listing: `30 06 00 01 't' 00 'hi'`,
			packet: &Publish{Topic: "t", Payload: []byte("hi")},
		},
		{
			name: "alias for the topic", version: V5, listing: `
			30 06 00 00      // empty topic
			03 23 00 07      // topic alias 7`,
			packet: &Publish{TopicAlias: 7, Payload: []byte{}},
		},
		{
			name: "everything", version: V5, listing: `
			3b 41            // DUP, QoS 1, RETAIN
			00 03 'a/b' 00 01
			36               // 54 bytes of properties
			23 00 02                // topic alias
			0b 01 0b ff ff ff 7f    // subscription identifiers 1 and 268435455
			02 00 00 00 00          // expiry 0
			01 00                   // payload format 0
			03 00 02 'js'           // content type
			08 00 02 'r/'           // response topic
			09 00 00                // correlation data, empty
			26 00 03 'two' 00 01 '2'
			26 00 01 'z' 00 00
			26 00 03 'two' 00 01 '2'
			'hi!'`,
			packet: &Publish{
				DUP: true, QoS: 1, Retain: true, Topic: "a/b", PacketID: 1, Payload: []byte("hi!"), TopicAlias: 2,
				SubscriptionIDs: []uint32{1, 268435455},
				Properties: Properties{
					HasExpiry: true, HasFormat: true, ContentType: "js", ResponseTopic: "r/", CorrelationData: []byte{},
					User: []UserProperty{{Key: "two", Value: "2"}, {Key: "z"}, {Key: "two", Value: "2"}},
				},
			},
		},
		{
			name: "other order", version: V5, listing: `
			30 0d 00 01 't' 09 01 01 02 00 00 00 05 0b 03`,
			packet: &Publish{
				Topic: "t", Payload: []byte{}, SubscriptionIDs: []uint32{3},
				Properties: Properties{HasFormat: true, PayloadFormat: 1, HasExpiry: true, Expiry: 5},
			}, oneWay: true,
		},
	})
}

func TestPublishRefused(t *testing.T) {
	refused(t, []badCase{
		{"QoS 3", V5, `36 06 00 01 't' 00 01 00`, MalformedPacket},
		{"QoS 3", V311, `36 05 00 01 't' 00 01`, MalformedPacket},
		{"DUP with QoS 0", V311, `38 03 00 01 't'`, MalformedPacket},
		{"packet id 0", V311, `32 05 00 01 't' 00 00`, ProtocolError},
		{"no packet id", V311, `32 04 00 01 't' 01`, MalformedPacket},
		{"topic +", V311, `30 05 00 03 'a/+'`, TopicNameInvalid},
		{"topic #", V5, `30 04 00 01 '#' 00`, TopicNameInvalid},
		{"topic empty", V311, `30 02 00 00`, ProtocolError},
		{"topic empty without alias", V5, `30 03 00 00 00`, ProtocolError},
		{"topic with U+0000", V5, `30 04 00 01 00 00`, MalformedPacket},
		{"topic not UTF-8", V31, `30 03 00 01 80`, MalformedPacket},
		{"topic longer than the packet", V311, `30 03 00 02 't'`, MalformedPacket},
		{"nothing", V311, `30 00`, MalformedPacket},
		{"topic alias 0", V5, `30 07 00 01 't' 03 23 00 00`, TopicAliasInvalid},
		{"topic alias twice", V5, `30 0a 00 01 't' 06 23 00 01 23 00 01`, ProtocolError},
		{"payload format 2", V5, `30 06 00 01 't' 02 01 02`, ProtocolError},
		{"subscription identifier 0", V5, `30 06 00 01 't' 02 0b 00`, ProtocolError},
		{"subscription identifier padded", V5, `30 07 00 01 't' 03 0b 81 00`, MalformedPacket},
		{"response topic with wildcard", V5, `30 08 00 01 't' 04 08 00 01 '+'`, ProtocolError},
		{"response topic empty", V5, `30 07 00 01 't' 03 08 00 00`, ProtocolError},
		{"will delay", V5, `30 09 00 01 't' 05 18 00 00 00 00`, MalformedPacket},
		{"user property not UTF-8", V5, `30 0a 00 01 't' 06 26 00 01 ff 00 00`, MalformedPacket},
		{"no property length", V5, `30 03 00 01 't'`, MalformedPacket},
		{"remaining length padded", V5, `30 84 00 00 01 't' 00`, MalformedPacket},
		{"remaining length of five bytes", V311, `30 ff ff ff ff 01`, MalformedPacket},
	})
}

func TestPublishUnencodable(t *testing.T) {
	for _, v := range []Version{V31, V311, V5} {
		unencodable(t, v, map[string]Packet{
			"QoS 3":       &Publish{QoS: 3, Topic: "t", PacketID: 1},
			"packet id 0": &Publish{QoS: 1, Topic: "t"},
			"wildcard":    &Publish{Topic: "a/#"},
			"no topic":    &Publish{},
			"U+0000":      &Publish{Topic: "a\x00"},
			"long topic":  &Publish{Topic: strings.Repeat("x", 1<<16)},
		})
	}
	unencodable(t, V311, map[string]Packet{"alias only": &Publish{TopicAlias: 1}})
	unencodable(t, V5, map[string]Packet{
		"payload format":          &Publish{Topic: "t", Properties: Properties{HasFormat: true, PayloadFormat: 2}},
		"response topic":          &Publish{Topic: "t", Properties: Properties{ResponseTopic: "+"}},
		"subscription identifier": &Publish{Topic: "t", SubscriptionIDs: []uint32{1 << 28}},
		"no identifier":           &Publish{Topic: "t", SubscriptionIDs: []uint32{0}},
		"long user property":      &Publish{Topic: "t", Properties: Properties{User: []UserProperty{{Key: strings.Repeat("x", 1<<16)}}}},
		"long correlation data":   &Publish{Topic: "t", Properties: Properties{CorrelationData: make([]byte, 1<<16)}},
	})
}

// TestPublishSizes crosses the borders where the remaining length takes another byte.
func TestPublishSizes(t *testing.T) {
	for _, n := range []int{0, 120, 124, 125, 126, 127, 128, 16376, 16380, 16384, 1<<21 - 4, 1 << 21} {
		for _, v := range []Version{V311, V5} {
			p := &Publish{Topic: "t", Payload: bytes.Repeat([]byte{'x'}, n)}
			b, err := p.Append(nil, v)
			if err != nil || len(b) != p.EncodedSize(v) {
				t.Fatalf("payload of %d: %d bytes, EncodedSize says %d, %v", n, len(b), p.EncodedSize(v), err)
			}
			d := NewDecoder(bytes.NewReader(b), len(b))
			d.SetVersion(v)
			got, err := d.Next()
			if err != nil || !bytes.Equal(got.(*Publish).Payload, p.Payload) {
				t.Fatalf("payload of %d: %v", n, err)
			}
		}
	}
}

// TestPublishBodyIsItsOwn checks that a decoded PUBLISH does not change when later packets are read.
func TestPublishBodyIsItsOwn(t *testing.T) {
	b := wire(t, `30 05 00 01 'a' '11'  30 05 00 01 'b' '22'  40 02 00 09`)
	d := NewDecoder(bytes.NewReader(b), 0)
	d.SetVersion(V311)
	var got []*Publish
	for range 2 {
		p, err := d.Next()
		if err != nil {
			t.Fatal(err)
		}
		got = append(got, p.(*Publish))
	}
	if _, err := d.Next(); err != nil {
		t.Fatal(err)
	}
	_ = append(got[0].Payload, "xxxxxxxx"...)
	if got[0].Topic != "a" || string(got[0].Payload) != "11" || got[1].Topic != "b" || string(got[1].Payload) != "22" {
		t.Errorf("got %v %v", got[0], got[1])
	}
}
