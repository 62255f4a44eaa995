package remoting_test

import (
	"testing"

	"github.com/google/go-cmp/cmp"

	"lmqgate/adapter/rocketmq/remoting"
)

// TestBatchAck: the body as a Java client of RocketMQ 5.4.0 spells it.
func TestBatchAck(t *testing.T) {
	b := remoting.BatchAck{Broker: "broker-a", Runs: []remoting.AckedRun{{
		Group: "%LMQ%g", Topic: "%LMQ%t", Retry: "0", StartOffset: 7, QueueID: 0, ReviveQueue: 3,
		PopTime: 1700000000000, Invisible: 30000, Offsets: []byte{0b1000_0101, 1},
	}}}
	want := `{"brokerName":"broker-a","acks":[{"c":"%LMQ%g","t":"%LMQ%t","r":"0","so":7,"q":0,"rq":3,"pt":1700000000000,"it":30000,"b":"hQE="}]}`
	got, err := b.Encode()
	if err != nil || string(got) != want {
		t.Errorf("encoded %s, %v", got, err)
	}
	back, err := remoting.DecodeBatchAck([]byte(want))
	if err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff(b, back); diff != "" {
		t.Error(diff)
	}
	if _, err := remoting.DecodeBatchAck([]byte(`{"acks":[{"b":"%"}]}`)); err == nil {
		t.Error("bad base64 decoded")
	}
}
