package packet

import (
	"bytes"
	"log/slog"
	"strings"
	"testing"
)

func TestConnect(t *testing.T) {
	bothWays(t, []wireCase{
		{
			name: "smallest", version: V311, listing: `
			10 0d         // CONNECT
			00 04 'MQTT'  // protocol name
			04 02 00 3c   // level, clean session, keep alive 60
			00 01 'c'     // client id`,
			packet: &Connect{Version: V311, CleanStart: true, KeepAlive: 60, ClientID: "c"},
		},
		{
			name: "no client id, clean", version: V311, listing: `
			10 0c 00 04 'MQTT' 04 02 00 00 00 00`,
			packet: &Connect{Version: V311, CleanStart: true},
		},
		{
			name: "smallest", version: V31, listing: `
			10 0f            // CONNECT
			00 06 'MQIsdp'   // protocol name
			03 00 00 3c      // level, flags, keep alive 60
			00 01 'c'        // client id`,
			packet: &Connect{Version: V31, KeepAlive: 60, ClientID: "c"},
		},
		{
			name: "everything", version: V31, listing: `
			10 1f 00 06 'MQIsdp'
			03 ee 00 0a      // user name, password, will retain, will QoS 1, will, clean
			00 01 'c'        // client id
			00 03 'w/t' 00 02 'by'
			00 01 'u' 00 02 'pw'`,
			packet: &Connect{
				Version: V31, CleanStart: true, KeepAlive: 10, ClientID: "c",
				HasUsername: true, Username: "u", HasPassword: true, Password: []byte("pw"),
				Will: &Will{Topic: "w/t", Payload: []byte("by"), QoS: 1, Retain: true},
			},
		},
		{
			name: "flags without strings", version: V31, listing: `
			10 0f 00 06 'MQIsdp' 03 c0 00 3c 00 01 'c'`,
			packet: &Connect{Version: V31, KeepAlive: 60, ClientID: "c"}, oneWay: true,
		},
		{
			name: "padded remaining length", version: V311, listing: `
			10 8d 00 00 04 'MQTT' 04 02 00 3c 00 01 'c'`,
			packet: &Connect{Version: V311, CleanStart: true, KeepAlive: 60, ClientID: "c"}, oneWay: true,
		},
		{
			name: "will, user, empty password", version: V311, listing: `
			10 17 00 04 'MQTT'
			04 d4 00 00      // user name, password, will QoS 2, will
			00 01 'c'
			00 01 'w' 00 00  // will topic, empty will payload
			00 01 'u' 00 00  // user name, empty password`,
			packet: &Connect{
				Version: V311, ClientID: "c", HasUsername: true, Username: "u", HasPassword: true, Password: []byte{},
				Will: &Will{Topic: "w", Payload: []byte{}, QoS: 2},
			},
		},
		{
			name: "smallest", version: V5, listing: `
			10 0d 00 04 'MQTT' 05 00 00 00
			00               // no properties
			00 00            // no client id`,
			packet: &Connect{Version: V5},
		},
		{
			name: "password without user name", version: V5, listing: `
			10 10 00 04 'MQTT' 05 40 00 00 00 00 00 00 01 'p'`,
			packet: &Connect{Version: V5, HasPassword: true, Password: []byte("p")},
		},
		{
			name: "everything", version: V5, listing: `
			10 72 00 04 'MQTT'
			05 ee 01 2c                // user name, password, will retain, will QoS 1, will, clean; 300 s
			28                         // 40 bytes of properties
			11 00 00 0e 10             // session expiry 3600
			21 00 14                   // receive maximum 20
			27 00 01 00 00             // maximum packet size 65536
			22 00 0a                   // topic alias maximum 10
			19 01 17 00                // request response information, no problem information
			15 00 05 'SCRAM'           // authentication method
			16 00 02 01 02             // authentication data
			26 00 01 'a' 00 01 'b'     // user property
			00 03 'dev'
			27                         // 39 bytes of will properties
			18 00 00 00 1e             // delay 30
			02 00 00 00 3c             // expiry 60
			01 01                      // payload format
			03 00 04 'text'            // content type
			08 00 03 'r/t'             // response topic
			09 00 02 'id'              // correlation data
			26 00 01 'k' 00 03 'v12'
			00 01 'w' 00 03 'bye'
			00 02 'me' 00 04 'pass'`,
			packet: &Connect{
				Version: V5, CleanStart: true, KeepAlive: 300, ClientID: "dev",
				HasUsername: true, Username: "me", HasPassword: true, Password: []byte("pass"),
				Properties: ConnectProperties{
					SessionExpiry: 3600, ReceiveMaximum: 20, MaximumPacketSize: 65536, TopicAliasMaximum: 10,
					RequestResponseInfo: true, NoProblemInfo: true, AuthMethod: "SCRAM", AuthData: []byte{1, 2},
					User: []UserProperty{{Key: "a", Value: "b"}},
				},
				Will: &Will{
					Topic: "w", Payload: []byte("bye"), QoS: 1, Retain: true, Delay: 30,
					Properties: Properties{
						HasExpiry: true, Expiry: 60, HasFormat: true, PayloadFormat: 1, ContentType: "text",
						ResponseTopic: "r/t", CorrelationData: []byte("id"), User: []UserProperty{{Key: "k", Value: "v12"}},
					},
				},
			},
		},
		{
			name: "defaults spelled out", version: V5, listing: `
			10 19 00 04 'MQTT' 05 02 00 00
			0c                         // 12 bytes of properties
			11 00 00 00 00             // session expiry 0
			22 00 00                   // topic alias maximum 0
			17 01 19 00                // problem information, no response information
			00 00`,
			packet: &Connect{Version: V5, CleanStart: true}, oneWay: true,
		},
	})
}

func TestConnectRefused(t *testing.T) {
	refused(t, []badCase{
		{"protocol name", V311, `10 0d 00 04 'MQTX' 04 02 00 3c 00 01 'c'`, UnsupportedProtocolVersion},
		{"name of 3.1, level of 3.1.1", V31, `10 0f 00 06 'MQIsdp' 04 02 00 3c 00 01 'c'`, UnsupportedProtocolVersion},
		{"level 3 with MQTT", V311, `10 0d 00 04 'MQTT' 03 02 00 3c 00 01 'c'`, UnsupportedProtocolVersion},
		{"level 6", V5, `10 0d 00 04 'MQTT' 06 02 00 3c 00 01 'c'`, UnsupportedProtocolVersion},
		{"bridge bit", V311, `10 0d 00 04 'MQTT' 84 02 00 3c 00 01 'c'`, UnsupportedProtocolVersion},
		{"empty", V5, `10 00`, MalformedPacket},
		{"reserved flag", V311, `10 0d 00 04 'MQTT' 04 03 00 3c 00 01 'c'`, MalformedPacket},
		{"reserved flag", V5, `10 0d 00 04 'MQTT' 05 03 00 3c 00 00 00`, MalformedPacket},
		{"will QoS 3", V5, `10 13 00 04 'MQTT' 05 1e 00 3c 00 00 00 00 00 01 'w' 00 00`, MalformedPacket},
		{"will QoS without will", V311, `10 0d 00 04 'MQTT' 04 0a 00 3c 00 01 'c'`, MalformedPacket},
		{"will retain without will", V5, `10 0d 00 04 'MQTT' 05 22 00 3c 00 00 00`, MalformedPacket},
		{"password without user name", V311, `10 10 00 04 'MQTT' 04 42 00 3c 00 01 'c' 00 01 'p'`, MalformedPacket},
		{"no client id", V31, `10 0e 00 06 'MQIsdp' 03 02 00 3c 00 00`, ClientIdentifierNotValid},
		{"no client id, not clean", V311, `10 0c 00 04 'MQTT' 04 00 00 3c 00 00`, ClientIdentifierNotValid},
		{"client id not UTF-8", V5, `10 0e 00 04 'MQTT' 05 02 00 3c 00 00 01 ff`, MalformedPacket},
		{"client id with U+0000", V311, `10 0d 00 04 'MQTT' 04 02 00 3c 00 01 00`, MalformedPacket},
		{"client id with a surrogate", V311, `10 0f 00 04 'MQTT' 04 02 00 3c 00 03 ed a0 80`, MalformedPacket},
		{"client id with an overlong form", V311, `10 0e 00 04 'MQTT' 04 02 00 3c 00 02 c0 80`, MalformedPacket},
		{"user name missing", V311, `10 0d 00 04 'MQTT' 04 82 00 3c 00 01 'c'`, MalformedPacket},
		{"will missing", V311, `10 0d 00 04 'MQTT' 04 06 00 3c 00 01 'c'`, MalformedPacket},
		{"bytes left over", V311, `10 0e 00 04 'MQTT' 04 02 00 3c 00 01 'c' 00`, MalformedPacket},
		{"padded remaining length", V5, `10 8d 00 00 04 'MQTT' 05 02 00 3c 00 00 00`, MalformedPacket},
		{"will topic with wildcard", V311, `10 12 00 04 'MQTT' 04 06 00 3c 00 01 'c' 00 01 '+' 00 00`, TopicNameInvalid},
		{"will topic empty", V311, `10 11 00 04 'MQTT' 04 06 00 3c 00 01 'c' 00 00 00 00`, TopicNameInvalid},
		{"flags", V311, `11 0d 00 04 'MQTT' 04 02 00 3c 00 01 'c'`, MalformedPacket},
		{"receive maximum 0", V5, `10 10 00 04 'MQTT' 05 02 00 3c 03 21 00 00 00 00`, ProtocolError},
		{"maximum packet size 0", V5, `10 12 00 04 'MQTT' 05 02 00 3c 05 27 00 00 00 00 00 00`, ProtocolError},
		{"request problem information 2", V5, `10 0f 00 04 'MQTT' 05 02 00 3c 02 17 02 00 00`, ProtocolError},
		{"session expiry twice", V5, `10 17 00 04 'MQTT' 05 02 00 3c 0a 11 00 00 00 00 11 00 00 00 00 00 00`, ProtocolError},
		{"authentication data alone", V5, `10 10 00 04 'MQTT' 05 02 00 3c 03 16 00 00 00 00`, ProtocolError},
		{"authentication method empty", V5, `10 10 00 04 'MQTT' 05 02 00 3c 03 15 00 00 00 00`, BadAuthenticationMethod},
		{"topic alias", V5, `10 10 00 04 'MQTT' 05 02 00 3c 03 23 00 01 00 00`, MalformedPacket},
		{"will delay outside the will", V5, `10 12 00 04 'MQTT' 05 02 00 3c 05 18 00 00 00 01 00 00`, MalformedPacket},
		{"session expiry in the will", V5, `10 17 00 04 'MQTT' 05 06 00 3c 00 00 00 05 11 00 00 00 01 00 01 'w' 00 00`, MalformedPacket},
		{"unknown property", V5, `10 0f 00 04 'MQTT' 05 02 00 3c 02 7e 00 00 00`, MalformedPacket},
		{"property identifier of two bytes", V5, `10 10 00 04 'MQTT' 05 02 00 3c 03 91 02 00 00 00`, MalformedPacket},
		{"property longer than the list", V5, `10 12 00 04 'MQTT' 05 02 00 3c 04 11 00 00 00 01 00 00`, MalformedPacket},
		{"property list longer than the packet", V5, `10 0d 00 04 'MQTT' 05 02 00 3c 20 00 00`, MalformedPacket},
		{"property length padded", V5, `10 0e 00 04 'MQTT' 05 02 00 3c 80 00 00 00`, MalformedPacket},
		{"property length of five bytes", V5, `10 11 00 04 'MQTT' 05 02 00 3c 80 80 80 80 01 00 00`, MalformedPacket},
	})
}

// TestConnectAnswerVersion checks which version the answer to a broken CONNECT goes out in.
func TestConnectAnswerVersion(t *testing.T) {
	for listing, want := range map[string]Version{
		`10 0d 00 04 'MQTT' 09 02 00 3c 00 01 'c'`:     V5,
		`10 0d 00 04 'MQTT' 02 02 00 3c 00 01 'c'`:     V311,
		`10 0f 00 06 'MQIsdp' 09 02 00 3c 00 01 'c'`:   V311,
		`10 0d 00 04 'MQTT' 05 03 00 3c 00 00 00`:      V5,
		`10 0f 00 06 'MQIsdp' 03 0a 00 3c 00 01 'c'`:   V31,
		`10 0c 00 04 'MQTT' 04 00 00 3c 00 00`:         V311,
		`30 0c 00 04 'MQTT' 04 00 00 3c 00 00`:         0,
		`10 03 00 04 'M'`:                              0,
		`10 0e 00 04 'MQTT' 05 02 00 3c 80 00 00 00`:   V5,
		`10 0e 00 04 'MQTT' 04 02 00 3c 00 01 'c' '.'`: V311,
	} {
		d := NewDecoder(bytes.NewReader(wire(t, listing)), 0)
		if _, err := d.Next(); err == nil {
			t.Errorf("%s: accepted", listing)
		}
		if d.Version() != want {
			t.Errorf("%s: answer in %v, want %v", listing, d.Version(), want)
		}
	}
}

func TestConnectUnencodable(t *testing.T) {
	long := strings.Repeat("x", 1<<16)
	unencodable(t, V5, map[string]Packet{
		"version":      &Connect{Version: 7, ClientID: "c"},
		"long id":      &Connect{ClientID: long},
		"id not UTF-8": &Connect{ClientID: "\xff"},
		"long password": &Connect{
			HasPassword: true, Password: []byte(long),
		},
		"will QoS":        &Connect{Will: &Will{Topic: "t", QoS: 3}},
		"will topic":      &Connect{Will: &Will{Topic: "#"}},
		"auth data alone": &Connect{Properties: ConnectProperties{AuthData: []byte{}}},
	})
	unencodable(t, V311, map[string]Packet{
		"empty id":                   &Connect{},
		"password without user name": &Connect{ClientID: "c", HasPassword: true},
	})
}

func TestConnectLogHidesSecrets(t *testing.T) {
	var out bytes.Buffer
	c := &Connect{Version: V5, ClientID: "dev", HasPassword: true, Password: []byte("secret"), Username: "name"}
	slog.New(slog.NewTextHandler(&out, nil)).Info("connect", "packet", c)
	if s := out.String(); !strings.Contains(s, "dev") || strings.Contains(s, "secret") || strings.Contains(s, "name") {
		t.Errorf("logged %s", s)
	}
}
