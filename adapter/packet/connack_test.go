package packet

import "testing"

func TestConnack(t *testing.T) {
	bothWays(t, []wireCase{
		{name: "accepted", version: V311, listing: `20 02 00 00`, packet: &Connack{}},
		{name: "session present", version: V311, listing: `20 02 01 00`, packet: &Connack{SessionPresent: true}},
		{name: "refused", version: V311, listing: `20 02 00 05`, packet: &Connack{Code: 5}},
		{name: "accepted", version: V31, listing: `20 02 00 00`, packet: &Connack{}},
		{name: "reserved byte is not used", version: V31, listing: `20 02 ff 04`, packet: &Connack{Code: 4}, oneWay: true},
		{
			name: "accepted", version: V5, listing: `
			20 03 01 00 // session present, success
			00          // no properties`,
			packet: &Connack{SessionPresent: true},
		},
		{
			name: "refused with a reason", version: V5, listing: `
			20 08 00 87       // not authorized
			05 1f 00 02 'no'  // reason string`,
			packet: &Connack{Code: NotAuthorized, Properties: ConnackProperties{Reason: "no"}},
		},
		{
			name: "everything", version: V5, listing: `
			20 4d 00 00
			4a                      // 74 bytes of properties
			11 00 00 00 00          // session expiry 0
			21 00 40                // receive maximum 64
			24 01                   // maximum QoS 1
			25 00                   // no retain
			27 00 04 00 00          // maximum packet size 262144
			12 00 04 'auto'         // assigned client identifier
			22 ff ff                // topic alias maximum 65535
			1f 00 02 'ok'           // reason string
			26 00 01 'a' 00 01 'b'  // user properties, in order
			26 00 01 'a' 00 01 'a'
			28 00 29 00 2a 00       // no wildcards, subscription identifiers, shared subscriptions
			13 00 00                // server keep alive 0
			1a 00 01 'i'            // response information
			1c 00 05 'h:443'        // server reference
			15 00 01 'M'            // authentication method
			16 00 00                // authentication data, empty`,
			packet: &Connack{Properties: ConnackProperties{
				HasSessionExpiry: true, ReceiveMaximum: 64, HasMaximumQoS: true, MaximumQoS: 1, NoRetain: true,
				MaximumPacketSize: 262144, AssignedClientID: "auto", TopicAliasMaximum: 65535, Reason: "ok",
				User:       []UserProperty{{Key: "a", Value: "b"}, {Key: "a", Value: "a"}},
				NoWildcard: true, NoSubscriptionIDs: true, NoShared: true, HasServerKeepAlive: true,
				ResponseInfo: "i", ServerReference: "h:443", AuthMethod: "M", AuthData: []byte{},
			}},
		},
	})
}

func TestConnackRefused(t *testing.T) {
	refused(t, []badCase{
		{"length 3", V311, `20 03 00 00 00`, MalformedPacket},
		{"length 1", V31, `20 01 00`, MalformedPacket},
		{"reserved flag", V311, `20 02 02 00`, MalformedPacket},
		{"reserved flag", V5, `20 03 80 00 00`, MalformedPacket},
		{"unknown return code", V311, `20 02 00 06`, ProtocolError},
		{"session present in a refusal", V311, `20 02 01 05`, ProtocolError},
		{"session present in a refusal", V5, `20 03 01 87 00`, ProtocolError},
		{"return code of 3.1.1", V5, `20 03 00 05 00`, ProtocolError},
		{"maximum QoS 2", V5, `20 05 00 00 02 24 02`, ProtocolError},
		{"retain available 2", V5, `20 05 00 00 02 25 02`, ProtocolError},
		{"receive maximum 0", V5, `20 06 00 00 03 21 00 00`, ProtocolError},
		{"reason string twice", V5, `20 09 00 00 06 1f 00 00 1f 00 00`, ProtocolError},
		{"request problem information", V5, `20 05 00 00 02 17 01`, MalformedPacket},
		{"no property length", V5, `20 02 00 00`, MalformedPacket},
	})
}

// TestConnackCodes checks which return code leaves for a reason code before 5.0, and which reason code in 5.0 itself.
func TestConnackCodes(t *testing.T) {
	for code, want := range map[ReasonCode]struct{ v3, v5 byte }{
		Success:                    {0, 0},
		UnsupportedProtocolVersion: {1, 0x84},
		ClientIdentifierNotValid:   {2, 0x85},
		ServerUnavailable:          {3, 0x88},
		BadUserNameOrPassword:      {4, 0x86},
		NotAuthorized:              {5, 0x87},
		ServerBusy:                 {3, 0x89},
		QuotaExceeded:              {3, 0x97},
		UseAnotherServer:           {3, 0x9C},
		ServerShuttingDown:         {3, 0x89},
		Banned:                     {5, 0x8A},
		MalformedPacket:            {5, 0x81},
		SessionTakenOver:           {5, 0x80},
	} {
		c := &Connack{SessionPresent: true, Code: code}
		flags := byte(0)
		if code == Success {
			flags = 1
		}
		if b, err := c.Append(nil, V311); err != nil || string(b) != string([]byte{0x20, 2, flags, want.v3}) {
			t.Errorf("%v in 3.1.1: %x, %v", code, b, err)
		}
		if b, err := c.Append(nil, V31); err != nil || string(b) != string([]byte{0x20, 2, 0, want.v3}) {
			t.Errorf("%v in 3.1: %x, %v", code, b, err)
		}
		if b, err := c.Append(nil, V5); err != nil || string(b) != string([]byte{0x20, 3, flags, want.v5, 0}) {
			t.Errorf("%v in 5.0: %x, %v", code, b, err)
		}
	}
	for code := range byte(6) {
		if got := FromV3(code).V3(); got != code {
			t.Errorf("return code %d comes back as %d", code, got)
		}
	}
	unencodable(t, V5, map[string]Packet{
		"maximum QoS": &Connack{Properties: ConnackProperties{HasMaximumQoS: true, MaximumQoS: 2}},
		"reason":      &Connack{Properties: ConnackProperties{Reason: "\x00"}},
	})
}
