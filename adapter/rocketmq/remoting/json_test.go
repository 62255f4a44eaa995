package remoting

import (
	"encoding/json"
	"testing"

	"github.com/google/go-cmp/cmp"
)

func TestClusterInfoFromFastjson(t *testing.T) {
	body := `{"brokerAddrTable":{"broker-a":{"brokerAddrs":{0:"127.0.0.1:10911",1:"127.0.0.1:10921"},"brokerName":"broker-a","cluster":"c"}},"clusterAddrTable":{"c":["broker-a"]}}`
	got, err := DecodeClusterInfo([]byte(body))
	if err != nil {
		t.Fatal(err)
	}
	want := ClusterInfo{
		Brokers: map[string]BrokerData{"broker-a": {
			Cluster: "c", Name: "broker-a",
			Addrs: map[string]string{"0": "127.0.0.1:10911", "1": "127.0.0.1:10921"},
		}},
		Clusters: map[string][]string{"c": {"broker-a"}},
	}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Fatal(diff)
	}
	out, err := want.Encode()
	if err != nil {
		t.Fatal(err)
	}
	if again, err := DecodeClusterInfo(out); err != nil || !cmp.Equal(want, again) {
		t.Fatalf("%+v, %v", again, err)
	}
}

func TestTopicRoute(t *testing.T) {
	want := TopicRoute{
		Brokers: []BrokerData{{Cluster: "c", Name: "b", Addrs: map[string]string{"0": "h:1"}}},
		Queues:  []QueueData{{Broker: "b", ReadNums: 4, WriteNums: 4, Perm: PermRead | PermWrite}},
	}
	out, err := want.Encode()
	if err != nil {
		t.Fatal(err)
	}
	if got, err := DecodeTopicRoute(out); err != nil || !cmp.Equal(want, got) {
		t.Fatalf("%+v, %v", got, err)
	}
}

func TestHeartbeat(t *testing.T) {
	out, err := Heartbeat{ClientID: "c", Producers: []ProducerGroup{{"g"}}}.Encode()
	if err != nil {
		t.Fatal(err)
	}
	want := `{"clientID":"c","producerDataSet":[{"groupName":"g"}],"consumerDataSet":[]}`
	if string(out) != want {
		t.Fatalf("got %s", out)
	}
	if h, err := DecodeHeartbeat(out); err != nil || h.Producers[0].Name != "g" {
		t.Fatalf("%+v, %v", h, err)
	}
}

func TestQuoteKeys(t *testing.T) {
	for in, want := range map[string]string{
		`{0:"a",1:[1,2,{3:true}]}`:    `{"0":"a","1":[1,2,{"3":true}]}`,
		`{"a":"{0:1}","b\"":{ 5 :6}}`: `{"a":"{0:1}","b\"":{ "5" :6}}`,
		`{`:                           `{`,
		`]}"`:                         `]}"`,
	} {
		if got := string(quoteKeys([]byte(in))); got != want {
			t.Errorf("%s: %s", in, got)
		}
	}
}

func FuzzQuoteKeys(f *testing.F) {
	f.Add([]byte(`{0:"a",1:[1,2,{3:true}]}`))
	f.Add([]byte(`{"a":"{0:1}"}`))
	f.Fuzz(func(t *testing.T, in []byte) {
		out := quoteKeys(in)
		if json.Valid(in) && string(out) != string(in) {
			t.Fatalf("valid json %q became %q", in, out)
		}
	})
}
