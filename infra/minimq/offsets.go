package minimq

import (
	"math"
	"strconv"
	"strings"
	"sync"

	"lmqgate/adapter/rocketmq/remoting"
)

// offsetKey names a consumer offset.
type offsetKey struct {
	group, topic string
	queue        int32
}

// offsetTable holds the consumer offsets of one broker.
type offsetTable struct {
	mu sync.Mutex // protects m
	m  map[offsetKey]int64
}

func newOffsetTable() *offsetTable { return &offsetTable{m: map[offsetKey]int64{}} }

// get returns a committed offset, -1 if there is none.
func (t *offsetTable) get(k offsetKey) int64 {
	t.mu.Lock()
	defer t.mu.Unlock()
	if n, found := t.m[k]; found {
		return n
	}
	return -1
}

func (t *offsetTable) commit(k offsetKey, n int64) {
	t.mu.Lock()
	defer t.mu.Unlock()
	t.m[k] = n
}

// table is what a broker tells of all offsets. Those of groups of LMQs stand with the others, as RocksDB brokers have it.
func (t *offsetTable) table() remoting.OffsetTable {
	t.mu.Lock()
	defer t.mu.Unlock()
	all := remoting.OffsetTable{Offsets: make(map[string]map[string]int64), LMQ: map[string]int64{}}
	for k, n := range t.m {
		key := k.topic + "@" + k.group
		if all.Offsets[key] == nil {
			all.Offsets[key] = make(map[string]int64)
		}
		all.Offsets[key][strconv.Itoa(int(k.queue))] = n
	}
	return all
}

// removeGroup forgets the offsets of a group, but those in LMQs with an '@' in
// their name: RocketMQ cannot tell where the group's name begins.
func (t *offsetTable) removeGroup(group string) {
	t.mu.Lock()
	defer t.mu.Unlock()
	for k := range t.m {
		if k.group == group && !strings.Contains(k.topic, "@") {
			delete(t.m, k)
		}
	}
}

// removeTopic forgets all offsets in a topic, and tells which groups had one.
func (t *offsetTable) removeTopic(topic string) []string {
	t.mu.Lock()
	defer t.mu.Unlock()
	var groups []string
	for k := range t.m {
		if k.topic == topic {
			groups = append(groups, k.group)
			delete(t.m, k)
		}
	}
	return groups
}

func (b *Broker) updateOffset(a *args) *remoting.Command {
	k := offsetKey{group: a.ext["consumerGroup"], topic: a.str("topic")}
	if a.bad != "" {
		return nil
	}
	if k.group == "" {
		k.group = "null"
	}
	if !b.groups.has(k.group) {
		return answer(remoting.SubscriptionGroupNone, "Group "+k.group+" not exist!")
	}
	if _, found := b.topics.get(k.topic); !found {
		return answer(remoting.TopicNotExist, "Topic "+k.topic+" not exist!")
	}
	queue, n := a.opt("queueId", -1), a.opt("commitOffset", -1)
	if queue < 0 || queue > math.MaxInt32 {
		return answer(codeInvalidParameter, "QueueId is null, topic is "+k.topic)
	}
	if _, given := a.ext["commitOffset"]; !given {
		return answer(codeInvalidParameter, "Offset is null, topic is "+k.topic)
	}
	k.queue = int32(queue)
	b.offsets.commit(k, n)
	return ok()
}

func (b *Broker) queryOffset(a *args) *remoting.Command {
	k := offsetKey{a.ext["consumerGroup"], a.str("topic"), a.int32("queueId")}
	if a.bad != "" {
		return nil
	}
	if n := b.offsets.get(k); n >= 0 {
		return ok("offset", itoa(n))
	}
	if a.ext["setZeroIfNotFound"] == "false" {
		return answer(remoting.QueryNotFound, "Not found, do not set to zero, maybe this group boot first")
	}
	if b.store.MinOffset(k.topic, k.queue) <= 0 && b.store.Has(k.topic, k.queue, 0) {
		return ok("offset", "0")
	}
	return answer(remoting.QueryNotFound, "Not found, V3_0_6_SNAPSHOT maybe this group consumer boot first")
}
