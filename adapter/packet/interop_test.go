package packet

import (
	"bytes"
	"testing"

	paho5 "github.com/eclipse/paho.golang/packets"
	paho3 "github.com/eclipse/paho.mqtt.golang/packets"
	"github.com/google/go-cmp/cmp"
)

// TestPaho5 lets another implementation read and write again what we encode; the packet must come back unchanged. It
// guards against a misreading of the specification that our encoder and decoder share.
func TestPaho5(t *testing.T) {
	user := []UserProperty{{Key: "k", Value: "v"}, {Key: "k", Value: "w"}}
	for _, p := range []Packet{
		&Connect{
			Version: V5, CleanStart: true, KeepAlive: 30, ClientID: "c", HasUsername: true, Username: "u",
			HasPassword: true, Password: []byte("p"),
			Properties: ConnectProperties{
				SessionExpiry: 60, ReceiveMaximum: 10, MaximumPacketSize: 9999, TopicAliasMaximum: 5,
				RequestResponseInfo: true, NoProblemInfo: true, AuthMethod: "M", AuthData: []byte("d"), User: user,
			},
			Will: &Will{
				Topic: "w/t", Payload: []byte("bye"), QoS: 2, Retain: true, Delay: 5,
				Properties: Properties{User: user}, // paho writes no other will properties than these two
			},
		},
		&Connack{SessionPresent: true, Properties: ConnackProperties{
			HasSessionExpiry: true, SessionExpiry: 5, ReceiveMaximum: 6, HasMaximumQoS: true, MaximumQoS: 1, NoRetain: true,
			MaximumPacketSize: 70000, AssignedClientID: "id", TopicAliasMaximum: 8, Reason: "r", User: user,
			NoWildcard: true, NoSubscriptionIDs: true, NoShared: true, HasServerKeepAlive: true, ServerKeepAlive: 9,
			ResponseInfo: "ri", ServerReference: "sr", AuthMethod: "M", AuthData: []byte("d"),
		}},
		&Connack{Code: BadUserNameOrPassword},
		&Publish{
			DUP: true, QoS: 1, Retain: true, Topic: "a/b", PacketID: 3, Payload: []byte("hi"), TopicAlias: 4,
			SubscriptionIDs: []uint32{300},
			Properties: Properties{
				HasFormat: true, PayloadFormat: 1, HasExpiry: true, Expiry: 7, ContentType: "text",
				ResponseTopic: "r", CorrelationData: []byte("id"), User: user,
			},
		},
		&Publish{Topic: "t", Payload: bytes.Repeat([]byte("x"), 20000)},
		&Puback{PacketID: 1}, &Puback{PacketID: 2, Code: NotAuthorized, Reason: "r", User: user},
		&Pubrec{PacketID: 1}, &Pubrel{PacketID: 1}, &Pubcomp{PacketID: 1, Code: PacketIdentifierNotFound},
		&Subscribe{PacketID: 5, SubscriptionID: 268435455, User: user, Filters: []Subscription{
			{Filter: "a/#", QoS: 2, NoLocal: true, RetainAsPublished: true, RetainHandling: 2}, {Filter: "b"},
		}},
		&Suback{PacketID: 5, Codes: []ReasonCode{GrantedQoS2, QuotaExceeded}, Reason: "r", User: user},
		&Unsubscribe{PacketID: 6, Filters: []string{"a/#", "b"}, User: user},
		&Unsuback{PacketID: 6, Codes: []ReasonCode{Success, NoSubscriptionExisted}, Reason: "r", User: user},
		&Pingreq{}, &Pingresp{},
		&Disconnect{Code: DisconnectWithWill, HasSessionExpiry: true, SessionExpiry: 3, Reason: "r", User: user},
		&Disconnect{Code: UseAnotherServer, ServerReference: "s"},
		&Auth{Code: ContinueAuthentication, Method: "M", Data: []byte("d"), Reason: "r", User: user},
	} {
		t.Run(p.Type().String(), func(t *testing.T) {
			b := encoded(t, p, V5)
			theirs, err := paho5.ReadPacket(bytes.NewReader(b))
			if err != nil {
				t.Fatalf("paho reads %x: %v", b, err)
			}
			var out bytes.Buffer
			if _, err := theirs.WriteTo(&out); err != nil {
				t.Fatal(err)
			}
			comesBack(t, p, V5, &out)
		})
	}
}

// TestPaho3 is TestPaho5 for MQTT 3.1 and 3.1.1.
func TestPaho3(t *testing.T) {
	for _, v := range []Version{V31, V311} {
		for _, p := range []Packet{
			&Connect{
				Version: v, CleanStart: true, KeepAlive: 30, ClientID: "c", HasUsername: true, Username: "u",
				HasPassword: true, Password: []byte("p"),
				Will: &Will{Topic: "w/t", Payload: []byte("bye"), QoS: 1, Retain: true},
			},
			&Connack{}, &Connack{Code: 4}, // an accepted and a refused one
			&Publish{DUP: true, QoS: 2, Retain: true, Topic: "a/b", PacketID: 3, Payload: []byte("hi")},
			&Publish{Topic: "t", Payload: bytes.Repeat([]byte("x"), 20000)},
			&Puback{PacketID: 1}, &Pubrec{PacketID: 1}, &Pubrel{PacketID: 1}, &Pubcomp{PacketID: 1},
			&Subscribe{PacketID: 5, Filters: []Subscription{{Filter: "a/#", QoS: 2}, {Filter: "b"}}},
			&Suback{PacketID: 5, Codes: []ReasonCode{GrantedQoS2, UnspecifiedError}},
			&Unsubscribe{PacketID: 6, Filters: []string{"a/#", "b"}},
			&Unsuback{PacketID: 6},
			&Pingreq{}, &Pingresp{}, &Disconnect{},
		} {
			t.Run(v.String()+"/"+p.Type().String(), func(t *testing.T) {
				b := encoded(t, p, v)
				theirs, err := paho3.ReadPacket(bytes.NewReader(b))
				if err != nil {
					t.Fatalf("paho reads %x: %v", b, err)
				}
				var out bytes.Buffer
				if err := theirs.Write(&out); err != nil {
					t.Fatal(err)
				}
				comesBack(t, p, v, &out)
			})
		}
	}
}

func encoded(t *testing.T, p Packet, v Version) []byte {
	t.Helper()
	b, err := p.Append(nil, v)
	if err != nil {
		t.Fatal(err)
	}
	return b
}

func comesBack(t *testing.T, want Packet, v Version, wire *bytes.Buffer) {
	t.Helper()
	got, err := newTestDecoder(bytes.NewReader(wire.Bytes()), v, want.Type()).Next()
	if err != nil {
		t.Fatalf("paho wrote %x: %v", wire.Bytes(), err)
	}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("packet changed (-want +got):\n%s", diff)
	}
}
