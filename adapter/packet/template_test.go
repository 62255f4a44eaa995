package packet

import (
	"bytes"
	"fmt"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
)

// TestTemplate holds every copy of a template against what Publish itself encodes.
func TestTemplate(t *testing.T) {
	messages := map[string]*Publish{
		"plain": {Topic: "a/b", Payload: []byte("hi")},
		"empty": {Topic: "t"},
		"properties": {Topic: "a/b", Payload: []byte("hi"), Properties: Properties{
			HasExpiry: true, Expiry: 60, HasFormat: true, PayloadFormat: 1, ContentType: "text", ResponseTopic: "r",
			CorrelationData: []byte{}, User: []UserProperty{{Key: "k", Value: "v"}, {Key: "k", Value: ""}},
		}},
		"long":  {Topic: strings.Repeat("l", 130), Payload: bytes.Repeat([]byte("x"), 16250)},
		"ports": {Topic: "t", Properties: Properties{User: []UserProperty{{Key: strings.Repeat("k", 115)}}}},
	}
	deliveries := []Delivery{
		{},
		{Retain: true},
		{DUP: true}, // means nothing with QoS 0
		{QoS: 1, PacketID: 1},
		{QoS: 2, PacketID: 0xffff, DUP: true, Retain: true},
		{QoS: 1, PacketID: 2, SubscriptionIDs: []uint32{1}},
		{SubscriptionIDs: []uint32{127, 128, 16384, 268435455}, TopicAlias: 3},
		{QoS: 1, PacketID: 3, TopicAlias: 3, OmitTopic: true},
		{OmitTopic: true}, // no alias: the topic stays
		{Waited: 59},
		{Waited: 60},
		{Waited: 61, QoS: 1, PacketID: 9},
	}
	for name, m := range messages {
		for _, v := range []Version{V31, V311, V5} {
			tmpl, err := NewTemplate(m, v)
			if err != nil || tmpl.Version() != v {
				t.Fatalf("%s in %v: %v", name, v, err)
			}
			for _, d := range deliveries {
				t.Run(fmt.Sprintf("%v/%s/%+v", v, name, d), func(t *testing.T) { checkTemplate(t, tmpl, m, d) })
			}
			checkShared(t, tmpl, m)
		}
	}
}

func checkTemplate(t *testing.T, tmpl *Template, m *Publish, d Delivery) {
	t.Helper()
	v := tmpl.Version()
	want, err := expected(m, v, d).Append([]byte("before"), v)
	if err != nil {
		t.Fatal(err)
	}
	got := tmpl.Append([]byte("before"), d)
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("copy (-want +got):\n%s", diff)
	}
	if n := tmpl.EncodedSize(d); n != len(want)-len("before") {
		t.Errorf("EncodedSize %d, want %d", n, len(want)-len("before"))
	}
	if parts := append(tmpl.AppendHead([]byte("before"), d), tmpl.Tail()...); !bytes.Equal(parts, want) {
		t.Errorf("head and tail differ from Append")
	}
}

// expected is the PUBLISH that a delivery of m stands for.
func expected(m *Publish, v Version, d Delivery) *Publish {
	p := &Publish{
		DUP: d.DUP, QoS: d.QoS, Retain: d.Retain, Topic: m.Topic, PacketID: d.PacketID, Payload: m.Payload,
		Properties: m.Properties, TopicAlias: d.TopicAlias, SubscriptionIDs: d.SubscriptionIDs,
	}
	p.Properties.Expiry -= min(p.Properties.Expiry, d.Waited)
	if d.OmitTopic && d.TopicAlias != 0 && v == V5 {
		p.Topic = ""
	}
	return p
}

func checkShared(t *testing.T, tmpl *Template, m *Publish) {
	t.Helper()
	want, err := expected(m, tmpl.Version(), Delivery{}).Append(nil, tmpl.Version())
	if err != nil || !bytes.Equal(tmpl.Bytes(), want) {
		t.Errorf("shared bytes %x, want %x (%v)", tmpl.Bytes(), want, err)
	}
	if cap(tmpl.Bytes()) != len(tmpl.Bytes()) {
		t.Error("appending to the shared bytes would write behind them")
	}
}

func TestTemplateRefused(t *testing.T) {
	for name, m := range map[string]*Publish{
		"wildcard":  {Topic: "a/+"},
		"no topic":  {TopicAlias: 1},
		"not UTF-8": {Topic: "\xff"},
		"too long":  {Topic: "t", Payload: make([]byte, maxVarint)},
	} {
		if tmpl, err := NewTemplate(m, V5); err == nil {
			t.Errorf("%s: got %v", name, tmpl)
		}
	}
}

func TestAppendWithin(t *testing.T) {
	reason, user := "because", []UserProperty{{Key: "k", Value: "v"}}
	for _, c := range []struct {
		name        string
		full, short Packet
	}{
		{
			"CONNACK", &Connack{Code: Banned, Properties: ConnackProperties{Reason: reason, User: user, ServerReference: "s"}},
			&Connack{Code: Banned, Properties: ConnackProperties{ServerReference: "s"}},
		},
		{"PUBACK", &Puback{PacketID: 1, Code: NotAuthorized, Reason: reason, User: user}, &Puback{PacketID: 1, Code: NotAuthorized}},
		{"PUBREC", &Pubrec{PacketID: 1, Reason: reason, User: user}, &Pubrec{PacketID: 1}},
		{"PUBREL", &Pubrel{PacketID: 1, Reason: reason, User: user}, &Pubrel{PacketID: 1}},
		{"PUBCOMP", &Pubcomp{PacketID: 1, Reason: reason, User: user}, &Pubcomp{PacketID: 1}},
		{"SUBACK", &Suback{PacketID: 1, Codes: []ReasonCode{1}, Reason: reason, User: user}, &Suback{PacketID: 1, Codes: []ReasonCode{1}}},
		{"UNSUBACK", &Unsuback{PacketID: 1, Codes: []ReasonCode{0}, Reason: reason, User: user}, &Unsuback{PacketID: 1, Codes: []ReasonCode{0}}},
		{"DISCONNECT", &Disconnect{Code: QuotaExceeded, Reason: reason, User: user}, &Disconnect{Code: QuotaExceeded}},
		{"AUTH", &Auth{Code: ContinueAuthentication, Method: "M", Reason: reason, User: user}, &Auth{Code: ContinueAuthentication, Method: "M"}},
	} {
		full, err1 := c.full.Append([]byte("."), V5)
		short, err2 := c.short.Append([]byte("."), V5)
		if err1 != nil || err2 != nil {
			t.Fatal(err1, err2)
		}
		for limit, want := range map[int][]byte{
			0: full, len(full) - 1: full, len(full) - 2: short, len(short) - 1: short,
		} {
			if got, err := AppendWithin([]byte("."), c.full, V5, uint32(limit)); err != nil || !bytes.Equal(got, want) {
				t.Errorf("%s within %d: %x, %v; want %x", c.name, limit, got, err, want)
			}
		}
		got, err := AppendWithin([]byte("."), c.full, V5, uint32(len(short)-2))
		if code := err.(*Error).Code; code != PacketTooLarge || string(got) != "." {
			t.Errorf("%s too large: %q, %v", c.name, got, err)
		}
	}
	p := &Publish{Topic: "t", Properties: Properties{User: user}} // never shortened [MQTT-3.3.2-17]
	if got, err := AppendWithin(nil, p, V5, uint32(p.EncodedSize(V5)-1)); err == nil || len(got) != 0 {
		t.Errorf("PUBLISH: %x, %v", got, err)
	}
}

func TestDirections(t *testing.T) {
	client := []Packet{
		&Connect{}, &Subscribe{}, &Unsubscribe{}, &Pingreq{},
		&Disconnect{Code: DisconnectWithWill}, &Disconnect{HasSessionExpiry: true}, &Auth{Code: ReAuthenticate},
	}
	server := []Packet{
		&Connack{}, &Suback{}, &Unsuback{}, &Pingresp{}, &Publish{SubscriptionIDs: []uint32{1}},
		&Disconnect{ServerReference: "s"}, &Disconnect{Code: SessionTakenOver}, &Disconnect{Code: ServerShuttingDown},
		&Disconnect{Code: UseAnotherServer}, &Auth{Code: Success},
	}
	both := []Packet{
		&Publish{}, &Puback{}, &Pubrec{}, &Pubrel{}, &Pubcomp{}, &Disconnect{}, &Disconnect{Code: ProtocolError},
		&Disconnect{Code: PacketTooLarge}, &Auth{Code: ContinueAuthentication},
	}
	check := func(packets []Packet, fromClient, fromServer bool) {
		for _, p := range packets {
			if err := CheckFromClient(p); (err == nil) != fromClient {
				t.Errorf("%v %+v from a client: %v", p.Type(), p, err)
			}
			if err := CheckFromServer(p); (err == nil) != fromServer {
				t.Errorf("%v %+v from a server: %v", p.Type(), p, err)
			}
		}
	}
	check(client, true, false)
	check(server, false, true)
	check(both, true, true)
}

// TestTemplateTopic: the topic alone, in every version.
func TestTemplateTopic(t *testing.T) {
	for _, v := range []Version{V31, V311, V5} {
		tp, err := NewTemplate(&Publish{Topic: "a/b", Payload: []byte("x")}, v)
		if err != nil {
			t.Fatal(err)
		}
		if got := string(tp.Topic()); got != "a/b" {
			t.Errorf("%v: %q", v, got)
		}
	}
}
