package minimq

import (
	"maps"
	"strings"
	"sync"

	"lmqgate/infra/minimq/store"
)

// groupConfig is the configuration of a consumer group, in RocketMQ's JSON.
type groupConfig struct {
	Name             string            `json:"groupName"`
	ConsumeEnable    bool              `json:"consumeEnable"`
	FromMinEnable    bool              `json:"consumeFromMinEnable"`
	BroadcastEnable  bool              `json:"consumeBroadcastEnable"`
	Orderly          bool              `json:"consumeMessageOrderly"`
	RetryQueueNums   int               `json:"retryQueueNums"`
	RetryMaxTimes    int               `json:"retryMaxTimes"`
	BrokerID         int64             `json:"brokerId"`
	WhichWhenSlow    int64             `json:"whichBrokerWhenConsumeSlowly"`
	NotifyIDsChanged bool              `json:"notifyConsumerIdsChangedEnable"`
	SysFlag          int               `json:"groupSysFlag"`
	ConsumeTimeout   int               `json:"consumeTimeoutMinute"`
	Attributes       map[string]string `json:"attributes"`
}

func defaultGroup(name string) groupConfig {
	return groupConfig{
		Name: name, ConsumeEnable: true, FromMinEnable: true, BroadcastEnable: true, RetryQueueNums: 1,
		RetryMaxTimes: 16, WhichWhenSlow: 1, NotifyIDsChanged: true, ConsumeTimeout: 15, Attributes: map[string]string{},
	}
}

// groupTable holds the subscription groups of one broker.
type groupTable struct {
	auto bool

	mu sync.Mutex // protects m
	m  map[string]groupConfig
}

func newGroupTable(cfg Config) *groupTable {
	t := &groupTable{auto: !cfg.NoAutoGroup, m: map[string]groupConfig{}}
	for _, name := range []string{
		"TOOLS_CONSUMER", "FILTERSRV_CONSUMER", "SELF_TEST_C_GROUP", "CID_ONS-HTTP-PROXY",
		"CID_ONSAPI_PULL", "CID_ONSAPI_PERMISSION", "CID_ONSAPI_OWNER", "CID_RMQ_SYS_TRANS",
	} {
		t.m[name] = defaultGroup(name)
	}
	return t
}

// find returns a group's configuration, making one where that is allowed. Groups
// named as LMQs have one without being kept.
func (t *groupTable) find(name string) (groupConfig, bool) {
	if store.IsLMQ(name) {
		return defaultGroup(name), true
	}
	t.mu.Lock()
	defer t.mu.Unlock()
	g, found := t.m[name]
	if !found && (t.auto || strings.HasPrefix(name, "CID_RMQ_SYS_")) && len(name) <= 255 && !illegalName(name) {
		g, found = defaultGroup(name), true
		t.m[name] = g
	}
	return g, found
}

// has tells whether a group's configuration exists; it makes none.
func (t *groupTable) has(name string) bool {
	if store.IsLMQ(name) {
		return true
	}
	t.mu.Lock()
	defer t.mu.Unlock()
	_, found := t.m[name]
	return found
}

func (t *groupTable) put(g groupConfig) {
	if store.IsLMQ(g.Name) {
		return
	}
	t.mu.Lock()
	defer t.mu.Unlock()
	t.m[g.Name] = g
}

func (t *groupTable) remove(name string) {
	t.mu.Lock()
	defer t.mu.Unlock()
	delete(t.m, name)
}

func (t *groupTable) all() map[string]groupConfig {
	t.mu.Lock()
	defer t.mu.Unlock()
	return maps.Clone(t.m)
}
