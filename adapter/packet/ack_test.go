package packet

import "testing"

func TestAcks(t *testing.T) {
	var cases []wireCase
	for _, v := range []Version{V31, V311, V5} {
		cases = append(
			cases,
			wireCase{name: "PUBACK", version: v, listing: `40 02 12 34`, packet: &Puback{PacketID: 0x1234}},
			wireCase{name: "PUBREC", version: v, listing: `50 02 00 01`, packet: &Pubrec{PacketID: 1}},
			wireCase{name: "PUBREL", version: v, listing: `62 02 00 01`, packet: &Pubrel{PacketID: 1}},
			wireCase{name: "PUBCOMP", version: v, listing: `70 02 ff ff`, packet: &Pubcomp{PacketID: 0xffff}},
		)
	}
	bothWays(t, append(cases, []wireCase{
		{name: "PUBREL sent again", version: V31, listing: `6a 02 00 01`, packet: &Pubrel{PacketID: 1}, oneWay: true},
		{
			name: "PUBACK with code", version: V5, listing: `40 03 00 01 10`,
			packet: &Puback{PacketID: 1, Code: NoMatchingSubscribers},
		},
		{
			name: "PUBACK with code 0", version: V5, listing: `40 03 00 01 00`,
			packet: &Puback{PacketID: 1}, oneWay: true,
		},
		{
			name: "PUBACK with empty properties", version: V5, listing: `40 04 00 01 87 00`,
			packet: &Puback{PacketID: 1, Code: NotAuthorized}, oneWay: true,
		},
		{
			name: "PUBREC with code", version: V5, listing: `50 03 00 01 97`,
			packet: &Pubrec{PacketID: 1, Code: QuotaExceeded},
		},
		{
			name: "PUBREL with code", version: V5, listing: `62 03 00 01 92`,
			packet: &Pubrel{PacketID: 1, Code: PacketIdentifierNotFound},
		},
		{
			name: "PUBCOMP with everything", version: V5, listing: `
			70 10 00 01
			92                      // packet identifier not found
			0c                      // 12 bytes of properties
			1f 00 02 'no'
			26 00 01 'k' 00 01 'v'`,
			packet: &Pubcomp{
				PacketID: 1, Code: PacketIdentifierNotFound, Reason: "no",
				User: []UserProperty{{Key: "k", Value: "v"}},
			},
		},
		{
			name: "PUBACK with a reason only", version: V5, listing: `40 09 00 01 00 05 1f 00 02 'ok'`,
			packet: &Puback{PacketID: 1, Reason: "ok"},
		},
	}...))
}

func TestAcksRefused(t *testing.T) {
	refused(t, []badCase{
		{"PUBACK id 0", V311, `40 02 00 00`, ProtocolError},
		{"PUBREL id 0", V5, `62 02 00 00`, ProtocolError},
		{"PUBACK of 3 bytes", V311, `40 03 00 01 00`, MalformedPacket},
		{"PUBACK of 1 byte", V31, `40 01 00`, MalformedPacket},
		{"PUBACK of 1 byte", V5, `40 01 00`, MalformedPacket},
		{"PUBACK flags", V5, `42 02 00 01`, MalformedPacket},
		{"PUBREL flags", V311, `60 02 00 01`, MalformedPacket},
		{"PUBREL with DUP", V311, `6a 02 00 01`, MalformedPacket},
		{"PUBREL flags", V31, `60 02 00 01`, MalformedPacket},
		{"PUBACK code", V5, `40 03 00 01 92`, ProtocolError},
		{"PUBREL code", V5, `62 03 00 01 10`, ProtocolError},
		{"PUBCOMP bytes left over", V5, `70 05 00 01 00 00 00`, MalformedPacket},
		{"PUBREC reason twice", V5, `50 0a 00 01 00 06 1f 00 00 1f 00 00`, ProtocolError},
		{"PUBACK content type", V5, `40 07 00 01 00 03 03 00 00`, MalformedPacket},
	})
}

func TestAcksEncode(t *testing.T) {
	for _, v := range []Version{V31, V311, V5} {
		unencodable(t, v, map[string]Packet{
			"PUBACK": &Puback{}, "PUBREC": &Pubrec{}, "PUBREL": &Pubrel{}, "PUBCOMP": &Pubcomp{},
		})
	}
	for _, c := range []struct {
		packet Packet
		want   string
	}{ // a code that the packet may not carry goes out as the nearest one
		{&Puback{PacketID: 1, Code: ServerBusy}, `40 03 00 01 80`},
		{&Pubrel{PacketID: 1, Code: UnspecifiedError}, `62 03 00 01 92`},
		{&Pubcomp{PacketID: 1, Code: NoMatchingSubscribers}, `70 02 00 01`},
	} {
		got, err := c.packet.Append(nil, V5)
		if err != nil || string(got) != string(wire(t, c.want)) {
			t.Errorf("%v: %x, %v; want %s", c.packet, got, err, c.want)
		}
	}
}
