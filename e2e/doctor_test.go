package e2e

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"os/exec"
	"strings"
	"testing"
	"time"

	"github.com/redis/go-redis/v9"

	"lmqgate/adapter/packet"
	"lmqgate/adapter/rocketmq/remoting"
	"lmqgate/e2e/parts"
	"lmqgate/infra/minimq"
)

// patient is what `lmqgate doctor` is asked about.
type patient struct {
	binary string
	env    []string
}

// diagnosis is what `lmqgate doctor --json` prints.
type diagnosis struct {
	Grade    string
	Findings []finding
}

type finding struct{ Check, Of, Grade, Text, Remedy string }

// examined runs the command; env is added to the patient's.
func (p *patient) examined(t *testing.T, env []string, flags ...string) (d diagnosis, status int) {
	t.Helper()
	cmd := exec.Command(p.binary, append([]string{"doctor", "--json", "--timeout", "2m"}, flags...)...)
	cmd.Env = append(append([]string{}, p.env...), env...)
	var out, errs bytes.Buffer
	cmd.Stdout, cmd.Stderr = &out, &errs
	_ = cmd.Run()
	if err := json.Unmarshal(out.Bytes(), &d); err != nil {
		t.Fatalf("doctor: %v\n%s%s", err, out.String(), errs.String())
	}
	return d, cmd.ProcessState.ExitCode()
}

// finds waits until a check has a grade and a remedy with these words in it, and the exit status is that of a failure, or not: a
// machine with other work may be too slow for an answer.
func (p *patient) finds(t *testing.T, check, grade, remedy string, env []string, flags ...string) {
	t.Helper()
	eventually(t, soon, func() error {
		d, status := p.examined(t, env, flags...)
		if failed := d.Grade == "FAIL"; status != 0 != failed {
			t.Errorf("status %d with grade %s", status, d.Grade)
		}
		for _, f := range d.Findings {
			if f.Check == check && f.Grade == grade && strings.Contains(f.Remedy, remedy) {
				t.Logf("%s %s %s: %s -> %s", f.Grade, f.Check, f.Of, f.Text, f.Remedy)
				return nil
			}
		}
		return fmt.Errorf("no %s of %s with %q: %+v", grade, check, remedy, d.Findings)
	})
}

// TestDoctor examines a real Redis and a real RocketMQ as they should be, and then the broker broken in ways that are seen in
// practice.
func TestDoctor(t *testing.T) {
	t.Parallel()
	binary, err := binaries.plain()
	must(t, err)
	server := parts.Redis(t, parts.RedisOptions{AOF: true, Fsync: "everysec"})
	rocket := parts.RocketMQ(t, parts.RocketMQOptions{Heap: "512m", Conf: []string{"fileReservedTime=168"}})
	p := &patient{binary: binary, env: []string{
		"REDIS_URL=" + server.URL, "NAMESRV_ADDR=" + rocket.Addr, "AUTH=hmac", "AUTH_USERNAME=u", "AUTH_SECRET_KEY=0123456789abcdef",
	}}
	eventually(t, soon, func() error {
		text := exec.Command(binary, "doctor")
		text.Env = p.env
		out, err := text.CombinedOutput()
		if err != nil || bytes.Contains(out, []byte("FAIL  ")) || !bytes.Contains(out, []byte("broker.roundtrip")) {
			return fmt.Errorf("healthy servers: %w\n%s", err, out)
		}
		t.Logf("healthy servers:\n%s", out)
		return nil
	})
	p.finds(t, "broker.version", "OK", "", nil, "--no-writes")
	breakRocketMQ(t, p, rocket)
}

// TestDoctorOfRedis breaks a real Redis.
func TestDoctorOfRedis(t *testing.T) {
	t.Parallel()
	binary, err := binaries.plain()
	must(t, err)
	server := parts.Redis(t, parts.RedisOptions{AOF: true, Fsync: "everysec"})
	p := &patient{binary: binary, env: []string{
		"REDIS_URL=" + server.URL, "NAMESRV_ADDR=" + minimq.Run(t).Addr(), "AUTH=hmac", "AUTH_USERNAME=u", "AUTH_SECRET_KEY=0123456789abcdef",
	}}
	client := redis.NewClient(&redis.Options{Addr: server.Addr})
	defer client.Close()
	do := func(t *testing.T, command string) {
		t.Helper()
		var args []any
		for word := range strings.FieldsSeq(command) {
			args = append(args, word)
		}
		must(t, client.Do(t.Context(), args...).Err())
	}
	t.Run("evicts", func(t *testing.T) {
		do(t, "CONFIG SET maxmemory 100mb maxmemory-policy allkeys-lru")
		p.finds(t, "redis.eviction", "FAIL", "noeviction", nil, "--no-writes")
		do(t, "CONFIG SET maxmemory 0 maxmemory-policy noeviction")
	})
	t.Run("keeps nothing", func(t *testing.T) {
		do(t, "CONFIG SET appendonly no")
		p.finds(t, "redis.persistence", "FAIL", "appendonly yes", nil, "--no-writes")
		do(t, "CONFIG SET appendonly yes")
	})
	t.Run("wrong password", func(t *testing.T) {
		do(t, "ACL SETUSER app on >right ~* &* +@all")
		p.finds(t, "redis.reach", "FAIL", "wrong user or password", []string{"REDIS_URL=redis://app:wrong@" + server.Addr}, "--no-writes")
	})
	t.Run("user without a right", func(t *testing.T) {
		do(t, "ACL SETUSER app on >pw ~* &* +@all -hset")
		p.finds(t, "redis.permissions", "FAIL", "ACL SETUSER", []string{"REDIS_URL=redis://app:pw@" + server.Addr})
	})
	t.Run("user with the rights it advises", func(t *testing.T) {
		do(t, "ACL SETUSER least on >pw ~gw:* &gw:word:* +@all -@admin -@dangerous +info")
		login := []string{"REDIS_URL=redis://least:pw@" + server.Addr, "REDIS_PREFIX=gw:"}
		p.finds(t, "redis.permissions", "OK", "", login)
		enough(t, p.binary, append(login, "AUTH=anonymous", "ALLOW_EMBEDDED=true", "STATUS_INTERVAL=1s"))
	})
	t.Run("read-only replica", func(t *testing.T) {
		replica := parts.Redis(t, parts.RedisOptions{ReplicaOf: server.Addr})
		p.finds(t, "redis.role", "FAIL", "name the master", []string{"REDIS_URL=" + replica.URL}, "--no-writes")
	})
	t.Run("one Sentinel and no replica", func(t *testing.T) {
		sentinel := parts.Sentinel(t, "main", server.Addr)
		p.finds(t, "redis.sentinel", "WARN", "", []string{"REDIS_URL=" + sentinel.URL, "REDIS_SENTINEL_MASTER=main"})
		p.finds(t, "redis.sentinel", "FAIL", "sentinel monitor", []string{"REDIS_URL=" + sentinel.URL, "REDIS_SENTINEL_MASTER=other"}, "--no-writes")
	})
	t.Run("Cluster", func(t *testing.T) {
		cluster := parts.RedisCluster(t)
		p.finds(t, "redis.cluster", "OK", "", []string{"REDIS_URL=" + cluster.URL, "REDIS_CLUSTER=true"}, "--no-writes")
		p.finds(t, "redis.permissions", "OK", "", []string{"REDIS_URL=" + cluster.URL, "REDIS_CLUSTER=true"})
		p.finds(t, "redis.kind", "FAIL", "REDIS_CLUSTER=true", []string{"REDIS_URL=redis://" + cluster.Addrs[0]}, "--no-writes")
	})
	t.Run("no Sentinel", func(t *testing.T) {
		p.finds(t, "redis.sentinel", "FAIL", "26379", []string{"REDIS_SENTINEL_MASTER=main"}, "--no-writes")
	})
}

// enough expects that a gateway can do with its rights in Redis: lasting sessions, QoS 2, retained messages, shared
// subscriptions, and what it does by itself.
func enough(t *testing.T, binary string, env []string) {
	t.Helper()
	g := parts.Gateway(t, binary, "gateway with few rights", env...)
	eventually(t, soon, g.Ready)
	sub, pub := newDevice(t, "sub", packet.V5), newDevice(t, "pub", packet.V5)
	must(t, sub.connect(g.TCP))
	must(t, sub.subscribe(2, "few/+", "$share/g/few/shared/#"))
	must(t, pub.connect(g.TCP))
	pub.publish("few/a", 2, "1", nil)
	pub.publish("few/shared/a", 1, "2", nil)
	pub.send(packet.Publish{Topic: "few/kept", Payload: []byte("3"), QoS: 1, Retain: true}, make(chan packet.ReasonCode, 1))
	pub.flushed(soon)
	pub.disconnect()
	must(t, pub.connect(g.TCP))
	must(t, pub.subscribe(1, "few/kept"))
	if !sub.gets(soon, 3, nil) || !pub.gets(soon, 1, nil) {
		t.Errorf("not all arrived: %v and %v", payloads(sub.received(nil)), payloads(pub.received(nil)))
	}
	log, err := g.All()
	must(t, err)
	if t.Failed() {
		for line := range strings.Lines(log) {
			if strings.Contains(line, `"WARN"`) || strings.Contains(line, `"ERROR"`) {
				t.Log(line)
			}
		}
	}
	if strings.Contains(log, "NOPERM") || strings.Contains(log, "ACL failure") || strings.Contains(log, "executing the script") ||
		strings.Contains(log, "has no permission") {
		t.Errorf("a right is missing:\n%s", log)
	}
}

func breakRocketMQ(t *testing.T, p *patient, rocket *parts.RocketMQServers) {
	broker := rocket.Brokers[0]
	for _, tt := range []struct{ name, set, reset, check, grade, remedy, flags string }{
		{"no LMQ, so it does not index", "enableLmq=false", "enableLmq=true", "broker.roundtrip", "FAIL", "enableLmq=true", ""},
		{"no LMQ", "enableLmq=false", "enableLmq=true", "broker.lmq", "FAIL", "enableLmq=true", "--no-writes"},
		{"no multi-dispatch", "enableMultiDispatch=false", "enableMultiDispatch=true", "broker.lmq", "FAIL", "enableMultiDispatch=true", "--no-writes"},
		{"short retention", "fileReservedTime=48", "fileReservedTime=168", "broker.retention", "WARN", "fileReservedTime=168", "--no-writes"},
		{"few queues", "maxLmqConsumeQueueNum=20000", "maxLmqConsumeQueueNum=2000000", "broker.queues", "WARN", "MAX_FILTERS=10000", "--no-writes"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			changeBroker(t, broker.Addr, tt.set)
			p.finds(t, tt.check, tt.grade, tt.remedy, nil, strings.Fields(tt.flags)...)
			changeBroker(t, broker.Addr, tt.reset)
		})
	}
	t.Run("no topic", func(t *testing.T) {
		p.finds(t, "topic", "FAIL", "mqadmin updateTopic", []string{"TOPIC_AUTO_CREATE=false", "FALLBACK_TOPIC=nobody_made_it"})
	})
	t.Run("name server of two is away", func(t *testing.T) {
		p.finds(t, "nameserver.reach", "WARN", "NAMESRV_ADDR", []string{"NAMESRV_ADDR=127.0.0.1:1;" + rocket.Addr}, "--no-writes")
	})
	t.Run("address that nobody answers at", func(t *testing.T) {
		changeBroker(t, broker.Addr, "brokerIP1=127.0.0.3") // where it does not listen; it tells the name server within ten seconds
		p.finds(t, "broker.reach", "FAIL", "brokerIP1", nil, "--no-writes")
	})
}

// updateBrokerConfig is the request code of mqadmin updateBrokerConfig; its body is a properties text.
const updateBrokerConfig int32 = 25

// changeBroker changes a setting of a running broker.
func changeBroker(t *testing.T, addr, setting string) {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
	defer cancel()
	conn, err := remoting.Dial(ctx, addr, remoting.DialConfig{})
	must(t, err)
	defer conn.Close()
	answer, err := conn.Do(ctx, remoting.NewRequest(updateBrokerConfig, nil, []byte(setting+"\n")))
	must(t, err)
	if answer.Code != remoting.Success {
		t.Fatalf("change %s: code %d: %s", setting, answer.Code, answer.Remark)
	}
}
