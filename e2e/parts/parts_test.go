package parts

import (
	"strings"
	"testing"

	"github.com/redis/go-redis/v9"
)

func TestRedisKeepsWhatItAcknowledged(t *testing.T) {
	for _, tt := range []struct {
		name string
		aof  bool
		want string
	}{{"memory", false, ""}, {"aof", true, "kept"}} {
		t.Run(tt.name, func(t *testing.T) {
			s := Redis(t, RedisOptions{AOF: tt.aof})
			if err := newClient(t, s.Addr).Set(t.Context(), "k", "kept", 0).Err(); err != nil {
				t.Fatal(err)
			}
			s.Kill()
			if err := ping(s.Addr); err == nil {
				t.Error("a killed redis answers")
			}
			s.Start()
			got, err := newClient(t, s.Addr).Get(t.Context(), "k").Result()
			if err != nil && err != redis.Nil {
				t.Fatal(err)
			}
			if got != tt.want {
				t.Errorf("after a crash the key is %q, want %q", got, tt.want)
			}
		})
	}
}

func TestRedisClusterServesAllSlots(t *testing.T) {
	c := RedisCluster(t)
	client := redis.NewClusterClient(&redis.ClusterOptions{Addrs: c.Addrs})
	defer client.Close()
	for _, key := range []string{"a", "b", "c", "{x}1", "{y}2"} {
		if err := client.Set(t.Context(), key, key, 0).Err(); err != nil {
			t.Fatal(err)
		}
		if got, err := client.Get(t.Context(), key).Result(); got != key || err != nil {
			t.Errorf("%s: %q, %v", key, got, err)
		}
	}
}

// TestRocketMQ starts the other kind than a whole run shares: file index, two masters; and takes one through a crash.
func TestRocketMQ(t *testing.T) {
	s := RocketMQ(t, RocketMQOptions{Brokers: 2, FileIndex: true, Heap: "512m"})
	if len(s.Brokers) != 2 || s.Brokers[0].Addr == s.Brokers[1].Addr {
		t.Fatalf("brokers %+v", s.Brokers)
	}
	broker := s.Brokers[1]
	conf, err := ask(broker.Addr, codeBrokerConfig)
	if err != nil {
		t.Fatal(err)
	}
	for _, want := range []string{"brokerName=broker-b\n", "enableLmq=true\n", "enableMultiDispatch=true\n", "storeType=default\n"} {
		if !strings.Contains(string(conf), want) {
			t.Errorf("the broker's configuration lacks %q", want)
		}
	}
	broker.Kill()
	if _, err := ask(broker.Addr, codeBrokerConfig); err == nil {
		t.Error("a killed broker answers")
	}
	broker.Start()
	if err := brokerReady(s.Addr, broker.Addr, broker.Addr, nil); err != nil {
		t.Error(err)
	}
}

func TestMQTTJS(t *testing.T) {
	out, err := MQTTJS(t, "version.mjs").CombinedOutput()
	if err != nil || string(out) != "function function\n" {
		t.Errorf("%v: %s", err, out)
	}
}

func TestReservedPortsAreNotGivenTwice(t *testing.T) {
	port := FreePort(t, -2, +1)
	for _, taken := range []int{port - 2, port, port + 1} {
		if release, ok := reserve(taken, nil); ok {
			release()
			t.Errorf("port %d was given twice", taken)
		}
	}
}

func newClient(t *testing.T, addr string) *redis.Client {
	t.Helper()
	client := redis.NewClient(&redis.Options{Addr: addr})
	t.Cleanup(func() { _ = client.Close() })
	return client
}
