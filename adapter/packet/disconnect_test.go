package packet

import "testing"

func TestPings(t *testing.T) {
	for _, v := range []Version{V31, V311, V5} {
		bothWays(t, []wireCase{
			{name: "PINGREQ", version: v, listing: `c0 00`, packet: &Pingreq{}},
			{name: "PINGRESP", version: v, listing: `d0 00`, packet: &Pingresp{}},
		})
		refused(t, []badCase{
			{"PINGREQ with a body", v, `c0 01 00`, MalformedPacket},
			{"PINGREQ flags", v, `c1 00`, MalformedPacket},
			{"PINGRESP with a body", v, `d0 02 00 00`, MalformedPacket},
		})
	}
}

func TestDisconnect(t *testing.T) {
	bothWays(t, []wireCase{
		{name: "empty", version: V31, listing: `e0 00`, packet: &Disconnect{}},
		{name: "empty", version: V311, listing: `e0 00`, packet: &Disconnect{}},
		{name: "empty", version: V5, listing: `e0 00`, packet: &Disconnect{}},
		{name: "code 0", version: V5, listing: `e0 01 00`, packet: &Disconnect{}, oneWay: true},
		{name: "code 0, no properties", version: V5, listing: `e0 02 00 00`, packet: &Disconnect{}, oneWay: true},
		{name: "taken over", version: V5, listing: `e0 01 8e`, packet: &Disconnect{Code: SessionTakenOver}},
		{
			name: "everything", version: V5, listing: `
			e0 18 04                // disconnect with will message
			16                      // 22 bytes of properties
			11 ff ff ff ff          // session expiry
			1f 00 02 'by'
			26 00 01 'k' 00 01 'v'
			1c 00 02 's2'           // server reference`,
			packet: &Disconnect{
				Code: DisconnectWithWill, HasSessionExpiry: true, SessionExpiry: 0xffffffff, Reason: "by",
				ServerReference: "s2", User: []UserProperty{{Key: "k", Value: "v"}},
			},
		},
	})
	refused(t, []badCase{
		{"with a body", V311, `e0 01 00`, MalformedPacket},
		{"flags", V311, `e1 00`, MalformedPacket},
		{"code of CONNACK", V5, `e0 01 86`, ProtocolError},
		{"code of PUBACK", V5, `e0 01 91`, ProtocolError},
		{"session expiry twice", V5, `e0 0c 00 0a 11 00 00 00 00 11 00 00 00 00`, ProtocolError},
		{"receive maximum", V5, `e0 05 00 03 21 00 01`, MalformedPacket},
		{"bytes left over", V5, `e0 03 00 00 00`, MalformedPacket},
	})
	for code, want := range map[ReasonCode]byte{
		ServerUnavailable:        0x89, // known to CONNACK only
		Banned:                   0x87,
		ClientIdentifierNotValid: 0x80,
		KeepAliveTimeout:         0x8d,
		BadAuthenticationMethod:  0x8c,
	} {
		got, err := (&Disconnect{Code: code}).Append(nil, V5)
		if err != nil || string(got) != string([]byte{0xe0, 1, want}) {
			t.Errorf("%v: %x, %v; want %x", code, got, err, want)
		}
	}
}

func TestAuth(t *testing.T) {
	bothWays(t, []wireCase{
		{name: "empty", version: V5, listing: `f0 00`, packet: &Auth{}},
		{
			name: "everything", version: V5, listing: `
			f0 18 18                // continue authentication
			16                      // 22 bytes of properties
			15 00 02 'MD'           // method
			16 00 02 01 02          // data
			1f 00 02 'go'
			26 00 01 'k' 00 01 'v'`,
			packet: &Auth{
				Code: ContinueAuthentication, Method: "MD", Data: []byte{1, 2}, Reason: "go",
				User: []UserProperty{{Key: "k", Value: "v"}},
			},
		},
		{
			name: "re-authenticate", version: V5, listing: `f0 06 19 04 15 00 01 'M'`,
			packet: &Auth{Code: ReAuthenticate, Method: "M"},
		},
	})
	refused(t, []badCase{
		{"in 3.1.1", V311, `f0 00`, MalformedPacket},
		{"in 3.1", V31, `f0 00`, MalformedPacket},
		{"no method", V5, `f0 02 18 00`, ProtocolError},
		{"data without method", V5, `f0 05 18 03 16 00 00`, ProtocolError},
		{"method empty", V5, `f0 05 18 03 15 00 00`, BadAuthenticationMethod},
		{"no property length", V5, `f0 01 18`, MalformedPacket},
		{"code", V5, `f0 06 87 04 15 00 01 'M'`, ProtocolError},
		{"flags", V5, `f2 00`, MalformedPacket},
	})
	unencodable(t, V311, map[string]Packet{"before 5.0": &Auth{Method: "M"}})
	unencodable(t, V5, map[string]Packet{
		"code":                &Auth{Code: NotAuthorized, Method: "M"},
		"no method":           &Auth{Code: ContinueAuthentication},
		"data without method": &Auth{Code: ContinueAuthentication, Data: []byte{1}},
	})
}
