package minimq

import (
	"encoding/json"
	"fmt"
	"strings"

	"lmqgate/adapter/rocketmq/remoting"
	"lmqgate/infra/minimq/store"
)

// maxQueues bounds the queues of a topic, since POP walks over all of them.
const maxQueues = 4096

// admin answers requests about topics, groups, offsets and the broker itself.
func (b *Broker) admin(c *conn, req *remoting.Command, a *args) *remoting.Command {
	switch req.Code {
	case remoting.UpdateAndCreateTopic:
		return b.createTopic(a)
	case remoting.DeleteTopicInBroker:
		return b.deleteTopic(a.str("topic"))
	case codeGetTopicConfig:
		return b.topicConfig(a.str("topic"))
	case codeGetAllTopicConfig:
		return b.allTopicConfig()
	case codeUpdateGroup:
		return b.updateGroup(req)
	case codeGetAllGroups:
		return withJSON(map[string]any{"subscriptionGroupTable": b.groups.all(), "forbiddenTable": map[string]any{}, "dataVersion": dataVersion()})
	case codeGetGroupConfig:
		return b.groupConfig(a.str("group"))
	case codeDeleteGroup:
		b.groups.remove(a.str("groupName"))
		if a.bool("cleanOffset") {
			b.offsets.removeGroup(a.ext["groupName"])
		}
		return ok()
	case remoting.GetAllConsumerOffset:
		return withJSON(b.offsets.table())
	case remoting.GetMaxOffset:
		return ok("offset", itoa(b.store.MaxOffset(a.str("topic"), a.int32("queueId"))))
	case remoting.GetMinOffset:
		return ok("offset", itoa(b.store.MinOffset(a.str("topic"), a.int32("queueId"))))
	case remoting.GetEarliestMsgStoreTime:
		return ok("timestamp", itoa(b.store.EarliestTime(a.str("topic"), a.int32("queueId"))))
	case remoting.SearchOffsetByTimestamp:
		upper := strings.EqualFold(a.ext["boundaryType"], "upper")
		return ok("offset", itoa(b.store.OffsetByTime(a.str("topic"), a.int32("queueId"), a.int("timestamp"), upper)))
	case remoting.GetBrokerConfig:
		return b.brokerConfig()
	case remoting.GetBrokerRuntimeInfo:
		return b.runtimeInfo()
	}
	return notSupported(req)
}

func (b *Broker) createTopic(a *args) *remoting.Command {
	t := topicConfig{
		name: a.str("topic"), read: int(a.int32("readQueueNums")), write: int(a.int32("writeQueueNums")),
		perm: int(a.int32("perm")), sysFlag: int(a.opt("topicSysFlag", 0)), order: a.bool("order"),
	}
	a.str("defaultTopic")
	a.str("topicFilterType")
	if a.bad != "" {
		return nil
	}
	if why := validateTopic(t.name); why != "" {
		return answer(codeInvalidParameter, why)
	}
	if b.isSystemTopic(t.name) {
		return answer(codeInvalidParameter, "The topic["+t.name+"] is conflict with system topic.")
	}
	if max(t.read, t.write) > maxQueues {
		return answer(codeInvalidParameter, "minimq gives a topic "+itoa(maxQueues)+" queues at most")
	}
	b.topics.put(t)
	if !store.IsLMQ(t.name) {
		b.names.register(b.name, b.announced(), []topicConfig{t})
	}
	return answer(remoting.Success, notSet)
}

// makeTopic makes a topic for retries or dead messages, if it is not there.
func (b *Broker) makeTopic(name string, queues int) topicConfig {
	if t, found := b.topics.get(name); found {
		return t
	}
	t := topicConfig{name: name, read: queues, write: queues, perm: remoting.PermRead | remoting.PermWrite}
	b.topics.put(t)
	b.names.register(b.name, b.announced(), []topicConfig{t})
	return t
}

// deleteTopic removes a topic, its offsets, and the POP retry topics of it. The
// name server keeps its route until it is told itself.
func (b *Broker) deleteTopic(name string) *remoting.Command {
	if strings.TrimSpace(name) == "" {
		return answer(codeInvalidParameter, "The specified topic is blank.")
	}
	if b.isSystemTopic(name) {
		return answer(codeInvalidParameter, "The topic["+name+"] is conflict with system topic.")
	}
	for _, group := range b.offsets.removeTopic(name) {
		if retry := popRetryTopic(group, name); b.hasTopic(retry) {
			b.dropTopic(retry)
		}
	}
	b.dropTopic(name)
	return ok()
}

func (b *Broker) hasTopic(name string) bool {
	_, found := b.topics.get(name)
	return found
}

func (b *Broker) dropTopic(name string) {
	b.topics.remove(name)
	b.offsets.removeTopic(name)
	b.store.DeleteTopic(name)
}

func (t topicConfig) json() map[string]any {
	return map[string]any{
		"topicName": t.name, "readQueueNums": t.read, "writeQueueNums": t.write, "perm": t.perm,
		"topicFilterType": "SINGLE_TAG", "topicSysFlag": t.sysFlag, "order": t.order, "attributes": map[string]string{},
	}
}

func (b *Broker) topicConfig(name string) *remoting.Command {
	t, found := b.topics.get(name)
	if !found {
		return answer(remoting.TopicNotExist, "No topic in this broker. topic: "+name)
	}
	return withJSON(t.json())
}

func (b *Broker) allTopicConfig() *remoting.Command {
	table := map[string]any{}
	for _, t := range b.topics.all() {
		table[t.name] = t.json()
	}
	return withJSON(map[string]any{"topicConfigTable": table, "dataVersion": dataVersion()})
}

func dataVersion() map[string]any {
	return map[string]any{"counter": 1, "stateVersion": 0, "timestamp": 0}
}

func (b *Broker) updateGroup(req *remoting.Command) *remoting.Command {
	g := defaultGroup("")
	if err := json.Unmarshal(req.Body, &g); err != nil {
		return answer(remoting.SystemError, fmt.Sprintf("decode subscription group: %v", err))
	}
	switch {
	case strings.TrimSpace(g.Name) == "":
		return answer(codeInvalidParameter, "The specified group is blank.")
	case illegalName(g.Name):
		return answer(codeInvalidParameter, "The specified group: "+g.Name+", contains illegal characters, allowing only ^[%|a-zA-Z0-9_-]+$")
	case len(g.Name) > 120:
		return answer(codeInvalidParameter, "The specified group: "+g.Name+", is longer than group max length: 120")
	case g.RetryQueueNums > maxQueues:
		return answer(codeInvalidParameter, "minimq gives a topic "+itoa(maxQueues)+" queues at most")
	}
	b.groups.put(g)
	return ok()
}

func (b *Broker) groupConfig(name string) *remoting.Command {
	g, found := b.groups.find(name)
	if !found {
		return answer(remoting.SubscriptionGroupNone, "No group in this broker")
	}
	return withJSON(g)
}
