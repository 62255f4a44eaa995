package packet

import (
	"strings"
	"testing"
)

func TestSubscribe(t *testing.T) {
	bothWays(t, []wireCase{
		{
			name: "two filters", version: V311, listing: `
			82 0e 00 0a
			00 03 'a/b' 01
			00 03 '+/#' 02`,
			packet: &Subscribe{PacketID: 10, Filters: []Subscription{{Filter: "a/b", QoS: 1}, {Filter: "+/#", QoS: 2}}},
		},
		{
			name: "sent again", version: V31, listing: `8a 06 00 01 00 01 'a' 00`,
			packet: &Subscribe{PacketID: 1, Filters: []Subscription{{Filter: "a"}}}, oneWay: true,
		},
		{
			name: "upper option bits are not used", version: V31, listing: `82 06 00 01 00 01 'a' fd`,
			packet: &Subscribe{PacketID: 1, Filters: []Subscription{{Filter: "a", QoS: 1}}}, oneWay: true,
		},
		{
			name: "one filter", version: V31, listing: `82 06 00 01 00 01 'a' 02`,
			packet: &Subscribe{PacketID: 1, Filters: []Subscription{{Filter: "a", QoS: 2}}},
		},
		{
			name: "one filter", version: V5, listing: `82 07 00 01 00 00 01 'a' 00`,
			packet: &Subscribe{PacketID: 1, Filters: []Subscription{{Filter: "a"}}},
		},
		{
			name: "everything", version: V5, listing: `
			82 25 00 01
			0a                       // 10 bytes of properties
			0b 80 01                 // subscription identifier 128
			26 00 01 'k' 00 01 'v'
			00 01 'a' 2d             // retain handling 2, retain as published, no local, QoS 1
			00 0c '$share/g/t/#' 1a  // retain handling 1, retain as published, QoS 2
			00 02 't/' 04            // no local`,
			packet: &Subscribe{
				PacketID: 1, SubscriptionID: 128, User: []UserProperty{{Key: "k", Value: "v"}},
				Filters: []Subscription{
					{Filter: "a", QoS: 1, NoLocal: true, RetainAsPublished: true, RetainHandling: 2},
					{Filter: "$share/g/t/#", QoS: 2, RetainAsPublished: true, RetainHandling: 1},
					{Filter: "t/", NoLocal: true},
				},
			},
		},
	})
}

func TestSubscribeRefused(t *testing.T) {
	refused(t, []badCase{
		{"no filter", V311, `82 02 00 01`, ProtocolError},
		{"no filter", V5, `82 03 00 01 00`, ProtocolError},
		{"packet id 0", V311, `82 06 00 00 00 01 'a' 00`, ProtocolError},
		{"flags", V311, `80 06 00 01 00 01 'a' 00`, MalformedPacket},
		{"flags", V31, `84 06 00 01 00 01 'a' 00`, MalformedPacket},
		{"no options", V311, `82 05 00 01 00 01 'a'`, MalformedPacket},
		{"QoS 3", V311, `82 06 00 01 00 01 'a' 03`, ProtocolError},
		{"QoS 3", V5, `82 07 00 01 00 00 01 'a' 03`, ProtocolError},
		{"options of 5.0", V311, `82 06 00 01 00 01 'a' 04`, MalformedPacket},
		{"retain handling 3", V5, `82 07 00 01 00 00 01 'a' 30`, ProtocolError},
		{"reserved option", V5, `82 07 00 01 00 00 01 'a' 40`, MalformedPacket},
		{"no local on a shared one", V5, `82 10 00 01 00 00 0a '$share/g/t' 04`, ProtocolError},
		{"filter not UTF-8", V311, `82 06 00 01 00 01 ff 00`, MalformedPacket},
		{"subscription identifier 0", V5, `82 09 00 01 02 0b 00 00 01 'a' 00`, ProtocolError},
		{"subscription identifier twice", V5, `82 0b 00 01 04 0b 01 0b 02 00 01 'a' 00`, ProtocolError},
		{"subscription identifier too long", V5, `82 0d 00 01 06 0b ff ff ff ff 01 00 01 'a' 00`, MalformedPacket},
		{"reason string", V5, `82 0a 00 01 03 1f 00 00 00 01 'a' 00`, MalformedPacket},
	})
	unencodable(t, V5, map[string]Packet{
		"no filter":       &Subscribe{PacketID: 1},
		"packet id 0":     &Subscribe{Filters: []Subscription{{Filter: "a"}}},
		"QoS 3":           &Subscribe{PacketID: 1, Filters: []Subscription{{Filter: "a", QoS: 3}}},
		"retain handling": &Subscribe{PacketID: 1, Filters: []Subscription{{Filter: "a", RetainHandling: 3}}},
		"no local":        &Subscribe{PacketID: 1, Filters: []Subscription{{Filter: "$share/g/a", NoLocal: true}}},
		"identifier":      &Subscribe{PacketID: 1, SubscriptionID: 1 << 28, Filters: []Subscription{{Filter: "a"}}},
		"long filter":     &Subscribe{PacketID: 1, Filters: []Subscription{{Filter: strings.Repeat("x", 1<<16)}}},
	})
}

func TestSuback(t *testing.T) {
	bothWays(t, []wireCase{
		{
			name: "codes", version: V31, listing: `90 05 00 01 00 01 02`,
			packet: &Suback{PacketID: 1, Codes: []ReasonCode{0, 1, 2}},
		},
		{
			name: "codes", version: V311, listing: `90 04 00 01 02 80`,
			packet: &Suback{PacketID: 1, Codes: []ReasonCode{GrantedQoS2, UnspecifiedError}},
		},
		{
			name: "codes", version: V5, listing: `90 06 00 01 00 01 87 9e`,
			packet: &Suback{PacketID: 1, Codes: []ReasonCode{GrantedQoS1, NotAuthorized, SharedSubscriptionsNotSupported}},
		},
		{
			name: "properties", version: V5, listing: `90 10 00 01 0c 1f 00 02 'no' 26 00 01 'k' 00 01 'v' 8f`,
			packet: &Suback{
				PacketID: 1, Codes: []ReasonCode{TopicFilterInvalid}, Reason: "no",
				User: []UserProperty{{Key: "k", Value: "v"}},
			},
		},
	})
	refused(t, []badCase{
		{"packet id 0", V311, `90 03 00 00 00`, ProtocolError},
		{"no code", V311, `90 02 00 01`, ProtocolError},
		{"no code", V5, `90 03 00 01 00`, ProtocolError},
		{"code of 5.0", V311, `90 03 00 01 87`, ProtocolError},
		{"QoS 3", V5, `90 04 00 01 00 03`, ProtocolError},
		{"subscription identifier", V5, `90 06 00 01 02 0b 01 00`, MalformedPacket},
	})
	unencodable(t, V311, map[string]Packet{"no code": &Suback{PacketID: 1}, "packet id 0": &Suback{Codes: []ReasonCode{0}}})
	got, err := (&Suback{PacketID: 1, Codes: []ReasonCode{1, QuotaExceeded, ServerBusy}}).Append(nil, V311)
	if err != nil || string(got) != string(wire(t, `90 05 00 01 01 80 80`)) {
		t.Errorf("3.1.1 failures: %x, %v", got, err)
	}
}

func TestUnsubscribe(t *testing.T) {
	bothWays(t, []wireCase{
		{
			name: "two filters", version: V311, listing: `a2 0a 00 01 00 03 'a/b' 00 01 '#'`,
			packet: &Unsubscribe{PacketID: 1, Filters: []string{"a/b", "#"}},
		},
		{
			name: "sent again", version: V31, listing: `aa 05 00 01 00 01 'a'`,
			packet: &Unsubscribe{PacketID: 1, Filters: []string{"a"}}, oneWay: true,
		},
		{
			name: "user property", version: V5, listing: `a2 0d 00 01 07 26 00 01 'k' 00 01 'v' 00 01 'a'`,
			packet: &Unsubscribe{PacketID: 1, Filters: []string{"a"}, User: []UserProperty{{Key: "k", Value: "v"}}},
		},
	})
	refused(t, []badCase{
		{"no filter", V311, `a2 02 00 01`, ProtocolError},
		{"no filter", V5, `a2 03 00 01 00`, ProtocolError},
		{"packet id 0", V5, `a2 06 00 00 00 00 01 'a'`, ProtocolError},
		{"flags", V5, `a0 06 00 01 00 00 01 'a'`, MalformedPacket},
		{"filter ends early", V311, `a2 05 00 01 00 02 'a'`, MalformedPacket},
		{"reason string", V5, `a2 09 00 01 03 1f 00 00 00 01 'a'`, MalformedPacket},
	})
	unencodable(t, V5, map[string]Packet{
		"no filter": &Unsubscribe{PacketID: 1}, "packet id 0": &Unsubscribe{Filters: []string{"a"}},
	})
}

func TestUnsuback(t *testing.T) {
	bothWays(t, []wireCase{
		{name: "plain", version: V31, listing: `b0 02 00 01`, packet: &Unsuback{PacketID: 1}},
		{name: "plain", version: V311, listing: `b0 02 00 01`, packet: &Unsuback{PacketID: 1}},
		{
			name: "codes", version: V5, listing: `b0 0a 00 01 05 1f 00 02 'ok' 00 11`,
			packet: &Unsuback{PacketID: 1, Codes: []ReasonCode{Success, NoSubscriptionExisted}, Reason: "ok"},
		},
	})
	refused(t, []badCase{
		{"packet id 0", V311, `b0 02 00 00`, ProtocolError},
		{"codes", V311, `b0 03 00 01 00`, MalformedPacket},
		{"no code", V5, `b0 03 00 01 00`, ProtocolError},
		{"granted QoS", V5, `b0 04 00 01 00 01`, ProtocolError},
	})
	unencodable(t, V5, map[string]Packet{"no code": &Unsuback{PacketID: 1}})
}
