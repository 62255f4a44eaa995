package doctor

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"testing"
	"time"

	"lmqgate/adapter/rocketmq"
	"lmqgate/adapter/rocketmq/remoting"
	"lmqgate/infra/config"
)

// prepared is a broker with which nothing is wrong.
func prepared() *broker {
	return &broker{
		name: "broker-a", addr: "10.0.0.1:10911",
		conf: map[string]string{
			"enableLmq": "true", "enableMultiDispatch": "true", "storeType": "defaultRocksDB", "maxLmqConsumeQueueNum": "2000000",
			"fileReservedTime": "168", "brokerPermission": "6", "maxMessageSize": "4194304", "flushDiskType": "SYNC_FLUSH",
		},
		runtime: map[string]string{"brokerVersionDesc": "V5_4_0", "commitLogDiskRatio": "0.4", "dispatchBehindBytes": "0"},
	}
}

// TestBrokerChecks breaks one thing at a time in what a broker says.
func TestBrokerChecks(t *testing.T) {
	for _, tt := range []struct {
		name    string
		setting string // name=value of broker.conf
		state   string // of its state
		environ func(*config.Config)
		check   string
		grade   Grade
		remedy  string
	}{
		{name: "another", setting: "brokerName=broker-b", check: "broker.identity", grade: Fail, remedy: "brokerIP1"},
		{name: "old", state: "brokerVersionDesc=V5_3_1", check: "broker.version", grade: Fail, remedy: "5.3.2"},
		{name: "very old", state: "brokerVersionDesc=V4_9_8", check: "broker.version", grade: Fail, remedy: "5.3.2"},
		{name: "nameless", state: "brokerVersionDesc=", check: "broker.version", grade: Warn, remedy: "5.3.2"},
		{name: "no LMQ", setting: "enableLmq=false", check: "broker.lmq", grade: Fail, remedy: "enableLmq=true"},
		{name: "no dispatch", setting: "enableMultiDispatch=false", check: "broker.lmq", grade: Fail, remedy: "enableMultiDispatch=true"},
		{name: "files", setting: "storeType=default", check: "broker.index", grade: Warn, remedy: "defaultRocksDB"},
		{name: "few queues", setting: "maxLmqConsumeQueueNum=20000", check: "broker.queues", grade: Warn, remedy: "MAX_FILTERS=10000"},
		{name: "more clients than queues", environ: func(c *config.Config) { c.P2P, c.MaxP2PQueues = true, 1_000_001 }, check: "broker.queues", grade: Warn, remedy: "maxLmqConsumeQueueNum=4000002"},
		{name: "as many clients as queues", environ: func(c *config.Config) { c.P2P, c.MaxP2PQueues = true, 1_000_000 }, check: "broker.queues", grade: OK},
		{name: "any number of clients", environ: func(c *config.Config) { c.P2P = true }, check: "broker.queues", grade: Warn, remedy: "MAX_P2P_QUEUES=800000"},
		{name: "any number of filters", environ: func(c *config.Config) { c.MaxFilters = 0 }, check: "broker.queues", grade: Warn, remedy: "MAX_FILTERS"},
		{name: "forgets", setting: "fileReservedTime=72", check: "broker.retention", grade: Warn, remedy: "SESSION_EXPIRY_MAX=72h"},
		{name: "read-only", setting: "brokerPermission=4", check: "broker.permission", grade: Fail, remedy: "brokerPermission"},
		{name: "small messages", setting: "maxMessageSize=65536", check: "broker.messages", grade: Warn, remedy: "MAX_PACKET_SIZE"},
		{name: "short polls", setting: "longPollingEnable=false", check: "broker.polling", grade: Warn, remedy: "longPollingEnable"},
		{name: "disk filling", state: "commitLogDiskRatio=0.8", check: "broker.disk", grade: Warn, remedy: "disk"},
		{name: "disk full", state: "commitLogDiskRatio_/data=0.93", check: "broker.disk", grade: Fail, remedy: "disk"},
		{name: "index behind", state: "dispatchBehindBytes=1073741824", check: "broker.behind", grade: Warn, remedy: "log"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			b, cfg := prepared(), config.Config{MaxFilters: 1_000_000, SessionExpiryMax: 168 * time.Hour, MaxPacketSize: 262144}
			if name, value, ok := strings.Cut(tt.setting, "="); ok {
				b.conf[name] = value
			}
			if name, value, ok := strings.Cut(tt.state, "="); ok {
				b.runtime[name] = value
			}
			if tt.environ != nil {
				tt.environ(&cfg)
			}
			for _, c := range brokerChecks() {
				f, arises := c.ask(b, &cfg)
				switch {
				case c.name == tt.check && (!arises || f.Grade != tt.grade || !strings.Contains(f.Remedy, tt.remedy)):
					t.Errorf("%s: %+v", c.name, f)
				case c.name != tt.check && arises && (f.Grade != OK || f.Remedy != ""):
					t.Errorf("%s: %+v, which is well", c.name, f)
				}
			}
		})
	}
}

// TestBrokerThatTellsNothing: rights that are needed for nothing else are missed, and nothing is claimed.
func TestBrokerThatTellsNothing(t *testing.T) {
	b := &broker{name: "a", addr: "10.0.0.1:10911"}
	f, ok := interviewBroker(t.Context(), fakeBroker{remoting.GetBrokerRuntimeInfo: denied, remoting.GetBrokerConfig: denied}, b)
	if !ok {
		t.Fatalf("%+v", f)
	}
	for _, c := range brokerChecks() {
		if f, arises := c.ask(b, &config.Config{}); arises && f.Grade != Warn {
			t.Errorf("%s: %+v", c.name, f)
		}
	}
}

// fakeBroker answers requests by their codes; others are not supported.
type fakeBroker map[int32]*remoting.Command

func (b fakeBroker) Do(_ context.Context, cmd *remoting.Command) (*remoting.Command, error) {
	if a := b[cmd.Code]; a != nil {
		return a, nil
	}
	return nil, errors.New("connection closed")
}

var denied = &remoting.Command{Code: remoting.NoPermission, Remark: "has no permission to access"}

func TestInterviewBroker(t *testing.T) {
	b := &broker{name: "a"}
	f, ok := interviewBroker(t.Context(), fakeBroker{
		remoting.GetBrokerRuntimeInfo: {Body: []byte(`{"table":{"brokerVersionDesc":"V5_4_0","commitLogDiskRatio":0.5}}`)},
		remoting.GetBrokerConfig:      {Body: []byte("enableLmq=true\nstoreType=default\n")},
	}, b)
	if !ok || b.runtime["brokerVersionDesc"] != "V5_4_0" || b.runtime["commitLogDiskRatio"] != "0.5" || b.conf["enableLmq"] != "true" {
		t.Errorf("%+v, %+v", f, b)
	}
	f, ok = interviewBroker(t.Context(), fakeBroker{
		remoting.GetBrokerRuntimeInfo: {Code: remoting.SystemError, Remark: "AclException: Check signature failed for accessKey=x"},
	}, b)
	if ok || f.Grade != Fail || !strings.Contains(f.Remedy, "ROCKETMQ_SECRET_KEY") {
		t.Errorf("a wrong key: %+v", f)
	}
	if f, ok = interviewBroker(t.Context(), fakeBroker{}, b); ok || f.Grade != Fail {
		t.Errorf("no answer: %+v", f)
	}
}

func TestTrip(t *testing.T) {
	stalled := fmt.Errorf("try: %w", rocketmq.ErrStalled)
	unprepared := prepared()
	unprepared.conf["enableLmq"] = "false"
	for _, tt := range []struct {
		b      *broker
		trial  rocketmq.Trial
		err    error
		grade  Grade
		remedy string
	}{
		{prepared(), rocketmq.Trial{Acked: time.Millisecond, Read: 2 * time.Millisecond}, nil, OK, ""},
		{prepared(), rocketmq.Trial{Read: 2 * time.Second}, nil, Warn, "load"},
		{prepared(), rocketmq.Trial{}, stalled, Fail, "log"},
		{unprepared, rocketmq.Trial{}, stalled, Fail, "enableLmq=true"},
		{prepared(), rocketmq.Trial{}, rocketmq.ErrNoTopic, Fail, "TOPIC_AUTO_CREATE"},
		{prepared(), rocketmq.Trial{}, errors.New("send: signature"), Fail, "ROCKETMQ_ACCESS_KEY"},
		{prepared(), rocketmq.Trial{}, errors.New("try broker a: send: message not stored: code 16: no permission"), Fail, "allow"},
		{prepared(), rocketmq.Trial{}, errors.New("try broker a: send: message not stored: code 14: service not available"), Fail, "disk"},
		{prepared(), rocketmq.Trial{}, errors.New("something else"), Fail, "log"},
	} {
		if f := trip(tt.b, tt.trial, tt.err); f.Grade != tt.grade || !strings.Contains(f.Remedy, tt.remedy) {
			t.Errorf("%v: %+v", tt.err, f)
		}
	}
}

func TestTopic(t *testing.T) {
	both := []string{"a", "b"}
	for _, tt := range []struct {
		queues map[string]int
		closed []string
		create bool
		grade  Grade
		remedy string
	}{
		{map[string]int{"a": 8, "b": 8}, nil, false, OK, ""},
		{map[string]int{"a": 8}, nil, false, Warn, "updateTopic"},
		{map[string]int{}, nil, true, OK, ""},
		{map[string]int{}, nil, false, Fail, "TOPIC_AUTO_CREATE=true"},
		{map[string]int{"a": 8}, []string{"b"}, true, Warn, "-p 6"},
		{map[string]int{}, both, true, Fail, "-p 6"},
	} {
		if f := judgeTopic("t", both, tt.queues, tt.closed, tt.create); f.Grade != tt.grade || !strings.Contains(f.Remedy, tt.remedy) {
			t.Errorf("%v: %+v", tt.queues, f)
		}
	}
}

func TestTopics(t *testing.T) {
	cfg := config.Config{FallbackTopic: "f", FirstTopics: []string{"a", "f", "b", "a"}, PresenceEvents: true}
	if got := strings.Join(topics(&cfg), " "); got != "f %SYS_MQTT a b" {
		t.Errorf("%s", got)
	}
}

// TestNames: name servers of which one is away, and one that a broker does not know.
func TestNames(t *testing.T) {
	info := func(names ...string) (c remoting.ClusterInfo) {
		c.Brokers = map[string]remoting.BrokerData{}
		for _, n := range names {
			c.Brokers[n] = remoting.BrokerData{Name: n, Addrs: map[string]string{"0": "10.0.0.1:1", "1": "10.0.0.2:1"}}
		}
		return c
	}
	down := errors.New("connection refused")
	answers := []register{{addr: "n1:1", info: info("a", "b")}, {addr: "n2:1", err: down}, {addr: "n3:1", info: info("a")}}
	brokers := known(answers)
	if len(brokers) != 2 || brokers[0].addr != "10.0.0.1:1" || brokers[0].slaves != 1 {
		t.Errorf("%+v", brokers)
	}
	for i, f := range judgeNames(answers, brokers) {
		if f.Grade != []Grade{OK, Warn, Warn}[i] {
			t.Errorf("%+v", f)
		}
	}
	if f := judgeNames([]register{{addr: "n2:1", err: down}}, nil); f[0].Grade != Fail {
		t.Errorf("%+v", f)
	}
}

func TestUnreachable(t *testing.T) {
	b := &broker{name: "a", addr: "127.0.0.1:10911"}
	if f := unreachable(b, []string{"10.0.0.9:9876"}, errors.New("refused")); f.Grade != Fail || !strings.Contains(f.Remedy, "this machine") {
		t.Errorf("%+v", f)
	}
	if f := unreachable(b, []string{"127.0.0.1:9876"}, errors.New("refused")); f.Grade != Fail || !strings.Contains(f.Remedy, "brokerIP1") {
		t.Errorf("%+v", f)
	}
}
