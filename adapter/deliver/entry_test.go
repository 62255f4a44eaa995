package deliver

import (
	"testing"

	"lmqgate/adapter/packet"
	"lmqgate/meta/message"
	"lmqgate/meta/topic"
)

// TestEntryInSpace: a message is encoded once for all clients of its tenant and once for those who see the whole; those of
// another tenant get nothing of it.
func TestEntryInSpace(t *testing.T) {
	m := &message.Message{Topic: "$tenant/acme/t/x", Payload: []byte("p")}
	m.Properties.ResponseTopic = "$tenant/acme/r"
	e := &Entry{Message: m}
	acme, beta := topic.SpaceIn("$tenant/acme/c"), topic.SpaceIn("$tenant/beta/c")
	if !acme.Mounts() || !beta.Mounts() {
		t.Fatal("no space")
	}
	own := e.in(acme)
	if own == nil || own.Message.Topic != "t/x" || own.Message.Properties.ResponseTopic != "r" || m.Topic != "$tenant/acme/t/x" {
		t.Fatalf("%+v", own)
	}
	if e.in(acme).template(packet.V5) != own.template(packet.V5) || string(own.template(packet.V5).Topic()) != "t/x" {
		t.Error("encoded again")
	}
	if e.in(topic.Space{}) != e || string(e.template(packet.V5).Topic()) != m.Topic {
		t.Error("those who see the whole get something else")
	}
	if e.in(beta) != nil {
		t.Error("another tenant gets it")
	}
	m = &message.Message{Topic: "$tenant/beta/t", Properties: message.Properties{ResponseTopic: "elsewhere"}}
	if own := (&Entry{Message: m}).in(beta); own.Message.Properties.ResponseTopic != "" {
		t.Error("a response topic that the client cannot use is sent to it")
	}
	for range 2 {
		if n := testing.AllocsPerRun(100, func() { e.in(acme); e.in(topic.SpaceIn("c")) }); n > 0 {
			t.Errorf("%v allocations a delivery", n)
		}
	}
}
