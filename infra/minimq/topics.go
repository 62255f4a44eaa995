package minimq

import (
	"maps"
	"slices"
	"strings"
	"sync"

	"lmqgate/adapter/rocketmq/remoting"
	"lmqgate/infra/minimq/store"
)

// Topics that a broker has from the start, or that are special to it.
const (
	autoTopic  = "TBW102"
	dlqPrefix  = "%DLQ%"
	timerTopic = "rmq_sys_wheel_timer"
)

// Bit of a topic's permission: new topics are made in its likeness.
const permInherit = 1

// topicConfig is what a broker knows of a topic.
type topicConfig struct {
	name        string
	read, write int
	perm        int
	sysFlag     int
	order       bool
}

// topicTable holds the topics of one broker.
type topicTable struct {
	auto bool

	mu sync.Mutex // protects m
	m  map[string]topicConfig
}

func newTopicTable(cfg Config, broker string) *topicTable {
	t := &topicTable{auto: !cfg.NoAutoTopic, m: map[string]topicConfig{}}
	const rw = remoting.PermRead | remoting.PermWrite
	add := func(name string, queues, perm int) {
		t.m[name] = topicConfig{name: name, read: queues, write: queues, perm: perm}
	}
	if t.auto {
		add(autoTopic, 8, rw|permInherit)
	}
	add("SELF_TEST_TOPIC", 1, rw)
	add("BenchmarkTest", 1024, rw)
	add(cfg.Cluster, 16, rw|permInherit)
	add(broker, 1, rw|permInherit)
	add("OFFSET_MOVED_EVENT", 1, rw)
	add(store.ScheduleTopic, 18, rw)
	add(cfg.Cluster+"_REPLY_TOPIC", 1, rw)
	add("rmq_sys_REVIVE_LOG_"+cfg.Cluster, 8, rw)
	add("rmq_sys_SYNC_BROKER_MEMBER_"+broker, 1, permInherit)
	for _, name := range []string{
		"RMQ_SYS_TRANS_HALF_TOPIC", "RMQ_SYS_TRANS_OP_HALF_TOPIC",
		"RMQ_SYS_ROCKSDB_TRANS_HALF_TOPIC", "RMQ_SYS_ROCKSDB_TRANS_OP_HALF_TOPIC", timerTopic,
	} {
		add(name, 1, rw)
	}
	return t
}

// get returns a topic; every LMQ is one, with a single queue.
func (t *topicTable) get(name string) (topicConfig, bool) {
	if store.IsLMQ(name) {
		return topicConfig{name: name, read: 1, write: 1, perm: remoting.PermRead | remoting.PermWrite}, true
	}
	t.mu.Lock()
	defer t.mu.Unlock()
	c, found := t.m[name]
	return c, found
}

// put adds or changes a topic.
func (t *topicTable) put(c topicConfig) {
	if store.IsLMQ(c.name) {
		return
	}
	t.mu.Lock()
	defer t.mu.Unlock()
	t.m[c.name] = c
}

func (t *topicTable) remove(name string) {
	t.mu.Lock()
	defer t.mu.Unlock()
	delete(t.m, name)
}

func (t *topicTable) all() []topicConfig {
	t.mu.Lock()
	defer t.mu.Unlock()
	return slices.Collect(maps.Values(t.m))
}

// inherit makes a topic for a message that was sent to an unknown one.
func (t *topicTable) inherit(name, like string, queues, sysFlag int) (topicConfig, bool) {
	t.mu.Lock()
	defer t.mu.Unlock()
	if c, found := t.m[name]; found {
		return c, true
	}
	d, found := t.m[like]
	if !found || d.perm&permInherit == 0 {
		return topicConfig{}, false
	}
	n := max(min(queues, d.write), 0)
	c := topicConfig{name: name, read: n, write: n, perm: d.perm &^ permInherit, sysFlag: sysFlag}
	t.m[name] = c
	return c, true
}

// validateTopic returns why name cannot be a topic, or "".
func validateTopic(name string) string {
	switch {
	case strings.TrimSpace(name) == "":
		return "The specified topic is blank."
	case illegalName(name):
		return "The specified topic: " + name + ", contains illegal characters, allowing only ^[%|a-zA-Z0-9_-]+$"
	case strings.HasPrefix(name, store.RetryPrefix) || strings.HasPrefix(name, dlqPrefix):
		if len(name) > 255 {
			return "The specified topic is DLQ or Retry topic: " + name + ", and it's longer than topic max length: 255"
		}
	case len(name) > 127:
		return "The specified topic: " + name + ", is longer than topic max length: 127"
	}
	return ""
}

func illegalName(name string) bool {
	for i := 0; i < len(name); i++ {
		ch := name[i]
		switch {
		case ch >= '0' && ch <= '9', ch >= 'A' && ch <= 'Z', ch >= 'a' && ch <= 'z':
		case ch == '%' || ch == '|' || ch == '-' || ch == '_':
		default:
			return true
		}
	}
	return false
}

// isSystemTopic tells names that cannot be created or deleted.
func (b *Broker) isSystemTopic(name string) bool {
	switch name {
	case autoTopic, store.ScheduleTopic, "BenchmarkTest", "RMQ_SYS_TRANS_HALF_TOPIC", "RMQ_SYS_TRACE_TOPIC",
		"RMQ_SYS_TRANS_OP_HALF_TOPIC", "TRANS_CHECK_MAX_TIME_TOPIC", "SELF_TEST_TOPIC", "OFFSET_MOVED_EVENT",
		"CHECKPOINT_TOPIC", "RMQ_SYS_ROCKSDB_TRANS_HALF_TOPIC", "RMQ_SYS_ROCKSDB_TRANS_OP_HALF_TOPIC",
		b.cfg.Cluster, b.name, b.cfg.Cluster + "_REPLY_TOPIC":
		return true
	}
	return strings.HasPrefix(name, "rmq_sys_")
}

// noSend tells topics that clients cannot send to.
func noSend(name string) bool {
	switch name {
	case store.ScheduleTopic, "RMQ_SYS_TRANS_HALF_TOPIC", "RMQ_SYS_TRANS_OP_HALF_TOPIC", "TRANS_CHECK_MAX_TIME_TOPIC",
		"SELF_TEST_TOPIC", "OFFSET_MOVED_EVENT", "RMQ_SYS_ROCKSDB_TRANS_HALF_TOPIC", "RMQ_SYS_ROCKSDB_TRANS_OP_HALF_TOPIC":
		return true
	}
	return false
}
