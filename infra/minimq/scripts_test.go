package minimq_test

import (
	"encoding/binary"
	"encoding/json"
	"fmt"
	"slices"
	"strconv"
	"strings"

	"lmqgate/adapter/rocketmq/remoting"
)

func scripts() []script {
	return []script{
		{"names", playNames},
		{"send", playSend},
		{"sendlimits", playSendLimits},
		{"dispatch", playDispatch},
		{"badlists", playBadLists},
		{"pull", playPull},
		{"pullerrors", playPullErrors},
		{"filter", playFilter},
		{"hold", playHold},
		{"offsets", playOffsets},
		{"topics", playTopics},
		{"groups", playGroups},
		{"query", playQuery},
		{"batch", playBatch},
		{"clients", playClients},
		{"locks", playLocks},
		{"sendback", playSendBack},
		{"pop", playPop},
		{"popfirst", playPopFirst},
		{"popreturn", playPopReturn},
		{"poperrors", playPopErrors},
		{"popgroup", playPopGroup},
		{"popnames", playPopNames},
		{"missing", playMissing},
		{"info", playInfo},
	}
}

func (p *player) createTopic(topic string, queues, perm int) {
	p.t.Helper()
	resp := p.broker.wait(p.broker.start(p.topicRequest(topic, queues, perm)))
	if resp.Code != remoting.Success {
		p.t.Fatalf("create topic: %+v", resp)
	}
}

func (p *player) topicRequest(topic string, queues, perm int) *remoting.Command {
	n := fmt.Sprint(queues)
	return p.request(remoting.UpdateAndCreateTopic, "topic", topic, "defaultTopic", "TBW102", "readQueueNums", n,
		"writeQueueNums", n, "perm", fmt.Sprint(perm), "topicFilterType", "SINGLE_TAG", "topicSysFlag", "0", "order", "false")
}

// send makes a send; props are key, value, ...
func (p *player) send(topic string, queue int, body string, props ...string) *remoting.Command {
	for i, v := range props {
		props[i] = p.expand(v)
	}
	return sendV2(p.expand(topic), queue, body, properties(props...))
}

// sent sends without noting the answer, which has to be good.
func (p *player) sent(topic string, queue int, body string, props ...string) {
	p.t.Helper()
	if resp := p.broker.wait(p.broker.start(p.send(topic, queue, body, props...))); resp.Code != remoting.Success {
		p.t.Fatalf("send: %+v", resp)
	}
}

func (p *player) pull(group, topic string, queue int, offset int64, n int, more ...string) *remoting.Command {
	fields := []string{
		"consumerGroup", group, "topic", topic, "queueId", fmt.Sprint(queue), "queueOffset", fmt.Sprint(offset),
		"maxMsgNums", fmt.Sprint(n), "sysFlag", "4", "commitOffset", "0", "suspendTimeoutMillis", "0",
		"subscription", "*", "subVersion", "0", "expressionType", "TAG",
	}
	return p.request(remoting.PullMessage, append(fields, more...)...)
}

func (p *player) queue(code int32, topic string, queue int, more ...string) *remoting.Command {
	return p.request(code, append([]string{"topic", topic, "queueId", fmt.Sprint(queue)}, more...)...)
}

// playInfo notes what clients read of a broker's configuration and state.
func playInfo(p *player) {
	p.createTopic("in$", 1, 6)
	p.sent("in$", 0, "x", "UNIQ_KEY", "K1")
	p.settle("in$", 0, 1)
	cfg := p.broker.call(remoting.GetBrokerConfig, nil, nil)
	fmt.Fprintf(&p.out, "config -> %d\n", cfg.Code)
	for _, line := range slices.Sorted(strings.SplitSeq(string(cfg.Body), "\n")) {
		switch key, _, _ := strings.Cut(line, "="); key {
		case "enableLmq", "enableMultiDispatch", "storeType", "maxMessageSize", "autoCreateTopicEnable", "brokerPermission", "brokerId",
			"brokerClusterName", "longPollingEnable", "popPollingSize", "timerWheelEnable", "messageDelayLevel", "fileReservedTime":
			fmt.Fprintf(&p.out, "   %s\n", line)
		}
	}
	info := p.broker.call(remoting.GetBrokerRuntimeInfo, nil, nil)
	var table struct{ Table map[string]string }
	if err := json.Unmarshal(info.Body, &table); err != nil {
		p.t.Fatal(err)
	}
	fmt.Fprintf(&p.out, "runtime -> %d\n", info.Code)
	for _, k := range []string{"brokerVersionDesc", "brokerVersion", "dispatchBehindBytes", "sendThreadPoolQueueCapacity", "brokerActive"} {
		fmt.Fprintf(&p.out, "   %s=%s\n", k, table.Table[k])
	}
}

func playNames(p *player) {
	p.askNames("route of unknown topic", p.request(remoting.GetRouteInfoByTopic, "topic", "nosuch$"))
	p.askNames("route of an LMQ", p.request(remoting.GetRouteInfoByTopic, "topic", "%LMQ%nosuch$"))
	p.askNames("route of TBW102", p.request(remoting.GetRouteInfoByTopic, "topic", "TBW102"))
	p.askNames("cluster", p.request(remoting.GetBrokerClusterInfo))
	p.createTopic("names$", 3, 6)
	for range 1000 { // registration is not part of the answer
		if p.ns.call(remoting.GetRouteInfoByTopic, map[string]string{"topic": p.expand("names$")}, nil).Code == 0 {
			break
		}
	}
	p.askNames("route of created topic", p.request(remoting.GetRouteInfoByTopic, "topic", "names$"))
	p.askNames("kv get missing", p.request(remoting.GetKVConfig, "namespace", "LMQ$", "key", "t1"))
	p.askNames("kv list missing", p.request(remoting.GetKVListByNamespace, "namespace", "LMQ$"))
	p.askNames("kv put", p.request(remoting.PutKVConfig, "namespace", "LMQ$", "key", "t1", "value", "t1/+,t1/#"))
	p.askNames("kv get", p.request(remoting.GetKVConfig, "namespace", "LMQ$", "key", "t1"))
	p.askNames("kv list", p.request(remoting.GetKVListByNamespace, "namespace", "LMQ$"))
	p.askNames("kv delete", p.request(102, "namespace", "LMQ$", "key", "t1"))
	p.askNames("kv delete again", p.request(102, "namespace", "LMQ$", "key", "t1"))
	p.askNames("kv get deleted", p.request(remoting.GetKVConfig, "namespace", "LMQ$", "key", "t1"))
	p.askNames("kv list empty", p.request(remoting.GetKVListByNamespace, "namespace", "LMQ$"))
	p.askNames("unknown code", p.request(9999))
	p.askNames("route without topic", p.request(remoting.GetRouteInfoByTopic))
}

func playSend(p *player) {
	p.createTopic("send$", 2, 6)
	p.ask("send", p.send("send$", 1, "one", "KEYS", "a b", "TAGS", "T", "UNIQ_KEY", "K1", "WAIT", "true"))
	p.ask("second", p.send("send$", 1, "two", "UNIQ_KEY", "K2"))
	p.ask("no key of its own", p.send("send$", 0, "three"))
	p.settle("send$", 1, 2)
	p.settle("send$", 0, 1)
	p.ask("what is stored", p.pull("%LMQ%g", "send$", 1, 0, 32))
	p.ask("what is stored without key", p.pull("%LMQ%g", "send$", 0, 0, 32))
	p.ask("automatic topic", p.send("auto$", 3, "x", "UNIQ_KEY", "K3"))
	p.ask("config of automatic topic", p.request(351, "topic", "auto$"))
	p.ask("queue beyond the last", p.send("send$", 2, "x"))
	p.ask("empty body", p.send("send$", 0, ""))
	p.ask("direct to an LMQ", p.send("%LMQ%direct$", 0, "x", "UNIQ_KEY", "K4"))
	p.ask("illegal topic", p.send("a/b$", 0, "x"))
	p.ask("blank topic", p.send("", 0, "x"))
	p.ask("forbidden topic", p.send("SCHEDULE_TOPIC_XXXX", 0, "x"))
	unknown := p.send("unknown$", 0, "x")
	unknown.Ext["c"] = "nosuchdefault"
	p.ask("unknown topic without default", unknown)
	v1 := p.request(remoting.SendMessage, "producerGroup", "PG", "topic", "send$", "defaultTopic", "TBW102", "defaultTopicQueueNums", "4",
		"queueId", "0", "sysFlag", "0", "bornTimestamp", "1700000000000", "flag", "7", "properties", properties("UNIQ_KEY", "K5"),
		"reconsumeTimes", "0", "unitMode", "false", "maxReconsumeTimes", "0", "batch", "false")
	v1.Body = []byte("v1")
	p.ask("version 1", v1)
	p.createTopic("readonly$", 1, 4)
	p.ask("topic that is read only", p.send("readonly$", 0, "x", "UNIQ_KEY", "K6"))
}

func playSendLimits(p *player) {
	p.createTopic("limits$", 1, 6)
	fit := 32767 - len(properties("UNIQ_KEY", "K1", "MSG_REGION", "DefaultRegion", "TRACE_ON", "true", "CLUSTER", "DefaultCluster", "x", ""))
	p.ask("properties that fit", p.send("limits$", 0, "x", "UNIQ_KEY", "K1", "x", strings.Repeat("x", fit)))
	p.ask("one byte more", p.send("limits$", 0, "x", "UNIQ_KEY", "K1", "x", strings.Repeat("x", fit+1)))
	lmq := p.expand("%LMQ%limits$")
	list := properties("INNER_MULTI_DISPATCH", lmq, "INNER_MULTI_QUEUE_OFFSET", "0")
	p.ask("with dispatch, offsets counted", p.send("limits$", 0, "x", "UNIQ_KEY", "K1", "INNER_MULTI_DISPATCH", lmq, "x", strings.Repeat("x", fit-len(list))))
	p.ask("with dispatch, one byte more", p.send("limits$", 0, "x", "UNIQ_KEY", "K1", "INNER_MULTI_DISPATCH", lmq, "x", strings.Repeat("x", fit-len(list)+1)))
	p.ask("body of 4 MiB", p.send("limits$", 0, strings.Repeat("b", 4<<20), "UNIQ_KEY", "K2"))
	p.ask("body of 4 MiB and one", p.send("limits$", 0, strings.Repeat("b", 4<<20+1), "UNIQ_KEY", "K2"))
	p.ask("with dispatch, body of 4 MiB", p.send("limits$", 0, strings.Repeat("b", 4<<20), "UNIQ_KEY", "K2", "INNER_MULTI_DISPATCH", lmq))
	p.ask("topic of 127", p.send("t"+strings.Repeat("t", 126-len(p.id))+"$", 0, "x", "UNIQ_KEY", "K3"))
	p.ask("topic of 128", p.send(strings.Repeat("t", 128-len(p.id))+"$", 0, "x"))
	p.settle("%LMQ%limits$", 0, 1)
}

func playDispatch(p *player) {
	p.createTopic("d$", 2, 6)
	p.ask("to three LMQs", p.send("d$", 0, "one", "UNIQ_KEY", "K1", "WAIT", "true", "INNER_MULTI_DISPATCH", "%LMQ%a$,%LMQ%b$,%LMQ%c$"))
	p.ask("to two", p.send("d$", 1, "two", "UNIQ_KEY", "K2", "INNER_MULTI_DISPATCH", "%LMQ%c$,%LMQ%a$"))
	p.ask("comma at the end", p.send("d$", 1, "three", "UNIQ_KEY", "K3", "INNER_MULTI_DISPATCH", "%LMQ%a$,"))
	p.ask("blank list", p.send("d$", 1, "four", "UNIQ_KEY", "K4", "INNER_MULTI_DISPATCH", "   "))
	p.ask("offsets given by the sender", p.send("d$", 1, "five", "UNIQ_KEY", "K5", "INNER_MULTI_DISPATCH", "%LMQ%a$", "INNER_MULTI_QUEUE_OFFSET", "77"))
	p.settle("d$", 1, 4)
	p.settle("%LMQ%a$", 0, 4)
	for _, q := range []string{"%LMQ%a$", "%LMQ%b$", "%LMQ%c$"} {
		p.ask("max of "+q, p.queue(remoting.GetMaxOffset, q, 0))
		p.ask("min of "+q, p.queue(remoting.GetMinOffset, q, 0))
		p.ask("pull "+q, p.pull("%LMQ%g", q, 0, 0, 32))
	}
	p.ask("pull the topic", p.pull("%LMQ%g", "d$", 1, 0, 32))
	p.ask("to a retry topic", p.send("%RETRY%g$", 0, "six", "UNIQ_KEY", "K6", "INNER_MULTI_DISPATCH", "%LMQ%r$"))
	p.settle("%RETRY%g$", 0, 1)
	p.ask("max of its LMQ", p.queue(remoting.GetMaxOffset, "%LMQ%r$", 0))
	p.ask("max of an unknown LMQ", p.queue(remoting.GetMaxOffset, "%LMQ%none$", 0))
	p.ask("min of an unknown LMQ", p.queue(remoting.GetMinOffset, "%LMQ%none$", 0))
	p.ask("config of an LMQ", p.request(351, "topic", "%LMQ%a$"))
}

// playBadLists has the lists that do not wedge the index; the others would spoil
// the broker for the next run.
func playBadLists(p *player) {
	p.createTopic("bad$", 1, 6)
	p.ask("same name twice", p.send("bad$", 0, "one", "UNIQ_KEY", "K1", "INNER_MULTI_DISPATCH", "%LMQ%x$,%LMQ%x$"))
	p.ask("then once", p.send("bad$", 0, "two", "UNIQ_KEY", "K2", "INNER_MULTI_DISPATCH", "%LMQ%x$"))
	p.settle("bad$", 0, 2)
	p.settle("%LMQ%x$", 0, 3)
	p.ask("min", p.queue(remoting.GetMinOffset, "%LMQ%x$", 0))
	p.ask("max", p.queue(remoting.GetMaxOffset, "%LMQ%x$", 0))
	p.ask("pull 0", p.pull("%LMQ%g", "%LMQ%x$", 0, 0, 32))
	p.ask("pull 1", p.pull("%LMQ%g", "%LMQ%x$", 0, 1, 32))
	p.ask("pull 2", p.pull("%LMQ%g", "%LMQ%x$", 0, 2, 32))
	p.ask("first once", p.send("bad$", 0, "three", "UNIQ_KEY", "K3", "INNER_MULTI_DISPATCH", "%LMQ%y$"))
	p.settle("%LMQ%y$", 0, 1)
	p.ask("min before", p.queue(remoting.GetMinOffset, "%LMQ%y$", 0))
	p.ask("then twice", p.send("bad$", 0, "four", "UNIQ_KEY", "K4", "INNER_MULTI_DISPATCH", "%LMQ%y$,%LMQ%y$"))
	p.ask("and once", p.send("bad$", 0, "five", "UNIQ_KEY", "K5", "INNER_MULTI_DISPATCH", "%LMQ%y$"))
	p.settle("%LMQ%y$", 0, 4)
	p.ask("min after", p.queue(remoting.GetMinOffset, "%LMQ%y$", 0))
	p.ask("pull y 0", p.pull("%LMQ%g", "%LMQ%y$", 0, 0, 32))
	p.ask("pull y 1", p.pull("%LMQ%g", "%LMQ%y$", 0, 1, 32))
	p.ask("pull y 2, the hole", p.pull("%LMQ%g", "%LMQ%y$", 0, 2, 32))
	p.ask("pull y 3", p.pull("%LMQ%g", "%LMQ%y$", 0, 3, 32))
	p.ask("name without prefix at the end", p.send("bad$", 0, "six", "UNIQ_KEY", "K6", "INNER_MULTI_DISPATCH", "%LMQ%z$,plain$"))
	p.ask("only a name without prefix", p.send("bad$", 0, "seven", "UNIQ_KEY", "K7", "INNER_MULTI_DISPATCH", "plain$"))
	p.settle("bad$", 0, 7)
	p.ask("max of the LMQ beside it", p.queue(remoting.GetMaxOffset, "%LMQ%z$", 0))
	p.ask("pull the topic", p.pull("%LMQ%g", "bad$", 0, 5, 32))
}

func playPull(p *player) {
	p.createTopic("pull$", 1, 6)
	p.ask("nothing yet, at 0", p.pull("%LMQ%g", "%LMQ%p$", 0, 0, 32))
	p.ask("nothing yet, at 5", p.pull("%LMQ%g", "%LMQ%p$", 0, 5, 32))
	for i := range 40 {
		p.sent("pull$", 0, fmt.Sprint("m", i), "UNIQ_KEY", fmt.Sprint("K", i), "INNER_MULTI_DISPATCH", "%LMQ%p$")
	}
	p.settle("%LMQ%p$", 0, 40)
	p.ask("two of forty", p.pull("%LMQ%g", "%LMQ%p$", 0, 0, 2))
	p.ask("at most 32", p.pull("%LMQ%g", "%LMQ%p$", 0, 7, 64))
	p.ask("at the end", p.pull("%LMQ%g", "%LMQ%p$", 0, 40, 32))
	p.ask("one beyond", p.pull("%LMQ%g", "%LMQ%p$", 0, 41, 32))
	p.ask("far beyond", p.pull("%LMQ%g", "%LMQ%p$", 0, 4000, 32))
	p.ask("below", p.pull("%LMQ%g", "%LMQ%p$", 0, -1, 32))
	p.ask("none wanted", p.pull("%LMQ%g", "%LMQ%p$", 0, 0, 0))
	for i := range 4 {
		p.sent("pull$", 0, strings.Repeat(fmt.Sprint(i), 100_000), "UNIQ_KEY", fmt.Sprint("L", i), "INNER_MULTI_DISPATCH", "%LMQ%big$")
	}
	p.settle("%LMQ%big$", 0, 4)
	p.ask("at most 256 KiB", p.pull("%LMQ%g", "%LMQ%big$", 0, 0, 32))
	p.sent("pull$", 0, strings.Repeat("x", 1<<20), "UNIQ_KEY", "M1", "INNER_MULTI_DISPATCH", "%LMQ%one$")
	p.settle("%LMQ%one$", 0, 1)
	p.ask("one that is larger", p.pull("%LMQ%g", "%LMQ%one$", 0, 0, 32))
	p.ask("time of nothing", p.queue(remoting.SearchOffsetByTimestamp, "%LMQ%none$", 0, "timestamp", "1700000000000"))
	p.ask("time long ago", p.queue(remoting.SearchOffsetByTimestamp, "%LMQ%p$", 0, "timestamp", "1000000000000"))
	p.ask("time to come", p.queue(remoting.SearchOffsetByTimestamp, "%LMQ%p$", 0, "timestamp", "4000000000000"))
	p.ask("upper, long ago", p.queue(remoting.SearchOffsetByTimestamp, "%LMQ%p$", 0, "timestamp", "1000000000000", "boundaryType", "UPPER"))
	p.ask("upper, to come", p.queue(remoting.SearchOffsetByTimestamp, "%LMQ%p$", 0, "timestamp", "4000000000000", "boundaryType", "UPPER"))
	p.ask("earliest", p.queue(remoting.GetEarliestMsgStoreTime, "%LMQ%p$", 0))
	p.ask("earliest of nothing", p.queue(remoting.GetEarliestMsgStoreTime, "%LMQ%none$", 0))
}

func playPullErrors(p *player) {
	p.createTopic("pe$", 1, 6)
	p.createTopic("wo$", 1, 2)
	p.ask("unknown topic", p.pull("%LMQ%g", "nosuch$", 0, 0, 32))
	p.ask("queue that is not", p.pull("%LMQ%g", "pe$", 1, 0, 32))
	p.ask("queue 1 of an LMQ", p.pull("%LMQ%g", "%LMQ%pe$", 1, 0, 32))
	p.ask("write only topic", p.pull("%LMQ%g", "wo$", 0, 0, 32))
	p.ask("group with a slash", p.pull("a/b", "pe$", 0, 0, 32))
	p.ask("group made on the way", p.pull("auto$", "pe$", 0, 0, 32))
	p.ask("no subscription given", p.pull("g$", "pe$", 0, 0, 32, "sysFlag", "0"))
	p.ask("SQL", p.pull("%LMQ%g", "pe$", 0, 0, 32, "expressionType", "SQL92", "subscription", "a > 1"))
	p.ask("unknown code", p.request(9999))
}

func playFilter(p *player) {
	p.createTopic("f$", 1, 6)
	for i, tag := range []string{"A", "B", "C", "A", "", "中"} {
		props := []string{"UNIQ_KEY", fmt.Sprint("K", i), "INNER_MULTI_DISPATCH", "%LMQ%f$"}
		if tag != "" {
			props = append(props, "TAGS", tag)
		}
		p.sent("f$", 0, fmt.Sprint("m", i), props...)
	}
	p.settle("%LMQ%f$", 0, 6)
	for _, e := range []string{"*", "A", "A || C", "A||B", "nosuch", "||", "中", " || A"} {
		p.ask("filter "+e, p.pull("%LMQ%g", "%LMQ%f$", 0, 0, 32, "subscription", e))
	}
	p.ask("two at a time, none matches", p.pull("%LMQ%g", "%LMQ%f$", 0, 1, 2, "subscription", "A"))
	p.ask("tag of the topic", p.pull("%LMQ%g", "f$", 0, 0, 32, "subscription", "C"))
}

func playHold(p *player) {
	p.createTopic("h$", 1, 6)
	at := func(topic string, offset int64, sub string) <-chan *remoting.Command {
		return p.broker.start(p.pull("%LMQ%g", topic, 0, offset, 32, "sysFlag", "6", "suspendTimeoutMillis", "30000", "subscription", sub))
	}
	all, some, topic := at("%LMQ%h$", 0, "*"), at("%LMQ%h$", 0, "B"), at("h$", 0, "*")
	p.sent("h$", 0, "one", "UNIQ_KEY", "K1", "TAGS", "A", "INNER_MULTI_DISPATCH", "%LMQ%h$")
	p.note("woken by the first", remoting.PullMessage, p.broker.wait(all))
	p.note("woken on the topic", remoting.PullMessage, p.broker.wait(topic))
	again := at("%LMQ%h$", 1, "*")
	p.sent("h$", 0, "two", "UNIQ_KEY", "K2", "TAGS", "B", "INNER_MULTI_DISPATCH", "%LMQ%h$")
	p.note("woken again", remoting.PullMessage, p.broker.wait(again))
	held := p.broker.wait(some)
	for held.Code == remoting.PullRetryImmediately { // it came when the first message was there already
		next, err := strconv.ParseInt(held.Ext["nextBeginOffset"], 10, 64)
		if err != nil {
			p.t.Fatal(err)
		}
		held = p.broker.wait(at("%LMQ%h$", next, "B"))
	}
	p.note("woken by its tag", remoting.PullMessage, held)
	short := p.broker.start(p.pull("%LMQ%g", "%LMQ%h$", 0, 2, 32, "sysFlag", "6", "suspendTimeoutMillis", "100"))
	p.note("time over", remoting.PullMessage, p.broker.wait(short))
	zero := p.broker.start(p.pull("%LMQ%g", "%LMQ%h$", 0, 2, 32, "sysFlag", "6", "suspendTimeoutMillis", "0"))
	p.note("suspended for no time", remoting.PullMessage, p.broker.wait(zero))
	p.ask("far beyond is not held", p.pull("%LMQ%g", "%LMQ%h$", 0, 9, 32, "sysFlag", "6", "suspendTimeoutMillis", "30000"))
}

func playOffsets(p *player) {
	p.createTopic("o$", 1, 6)
	query := func(label, group, topic string, more ...string) {
		p.ask(label, p.request(remoting.QueryConsumerOffset, append([]string{"consumerGroup", group, "topic", topic, "queueId", "0"}, more...)...))
	}
	commit := func(label, group, topic string, n int) {
		p.ask(label, p.request(remoting.UpdateConsumerOffset, "consumerGroup", group, "topic", topic, "queueId", "0", "commitOffset", fmt.Sprint(n)))
	}
	query("none, queue empty", "%LMQ%c$", "%LMQ%o$")
	query("none, not to be 0", "%LMQ%c$", "%LMQ%o$", "setZeroIfNotFound", "false")
	p.sent("o$", 0, "one", "UNIQ_KEY", "K1", "INNER_MULTI_DISPATCH", "%LMQ%o$")
	p.settle("%LMQ%o$", 0, 1)
	query("none, queue has 0", "%LMQ%c$", "%LMQ%o$")
	query("none, queue has 0, not to be 0", "%LMQ%c$", "%LMQ%o$", "setZeroIfNotFound", "false")
	commit("commit", "%LMQ%c$", "%LMQ%o$", 7)
	query("committed", "%LMQ%c$", "%LMQ%o$", "setZeroIfNotFound", "false")
	commit("commit backwards", "%LMQ%c$", "%LMQ%o$", 3)
	query("backwards", "%LMQ%c$", "%LMQ%o$")
	commit("unknown group", "nosuch$", "o$", 1)
	commit("unknown topic", "%LMQ%c$", "nosuch$", 1)
	query("unknown group", "nosuch$", "o$")
	query("unknown topic", "%LMQ%c$", "nosuch$")
	p.ask("pull makes the group", p.pull("gg$", "o$", 0, 0, 1, "sysFlag", "5", "commitOffset", "9"))
	query("and commits", "gg$", "o$")
}

func playTopics(p *player) {
	p.ask("create", p.topicRequest("tp$", 4, 6))
	p.ask("create again", p.topicRequest("tp$", 4, 6))
	p.ask("config", p.request(351, "topic", "tp$"))
	p.ask("change", p.topicRequest("tp$", 2, 4))
	p.ask("changed", p.request(351, "topic", "tp$"))
	p.ask("illegal name", p.topicRequest("tp/$", 1, 6))
	p.ask("system topic", p.topicRequest("TBW102", 1, 6))
	p.ask("schedule topic", p.topicRequest("SCHEDULE_TOPIC_XXXX", 1, 6))
	p.ask("config of unknown", p.request(351, "topic", "nosuch$"))
	p.createTopic("del$", 1, 6)
	p.sent("del$", 0, "one", "UNIQ_KEY", "K1")
	p.settle("del$", 0, 1)
	p.ask("delete in broker", p.request(remoting.DeleteTopicInBroker, "topic", "del$"))
	p.ask("max of deleted", p.queue(remoting.GetMaxOffset, "del$", 0))
	p.ask("config of deleted", p.request(351, "topic", "del$"))
	p.ask("delete system topic", p.request(remoting.DeleteTopicInBroker, "topic", "TBW102"))
	p.ask("delete unknown", p.request(remoting.DeleteTopicInBroker, "topic", "nosuch$"))
	p.askNames("delete in name server", p.request(remoting.DeleteTopicInNamesrv, "topic", "del$"))
	p.askNames("route of deleted", p.request(remoting.GetRouteInfoByTopic, "topic", "del$"))
	p.ask("send makes it anew", p.send("del$", 0, "two", "UNIQ_KEY", "K2"))
}

func playGroups(p *player) {
	group := p.request(200)
	group.Body = []byte(p.expand(`{"groupName":"gr$","consumeEnable":true,"consumeFromMinEnable":true,"consumeBroadcastEnable":true,"retryQueueNums":2,"retryMaxTimes":3,"brokerId":0,"whichBrokerWhenConsumeSlowly":1,"notifyConsumerIdsChangedEnable":true}`))
	p.ask("create", group)
	p.ask("config", p.request(352, "group", "gr$"))
	p.ask("config makes the group", p.request(352, "group", "made$"))
	p.ask("config of an LMQ group", p.request(352, "group", "%LMQ%g$"))
	p.createTopic("gt$", 1, 6)
	off := p.request(200)
	off.Body = []byte(p.expand(`{"groupName":"off$","consumeEnable":false,"retryQueueNums":1,"retryMaxTimes":3}`))
	p.ask("disabled group", off)
	p.ask("pull of disabled group", p.pull("off$", "gt$", 0, 0, 1))
	bad := p.request(200)
	bad.Body = []byte(`{"groupName":"a/b"}`)
	p.ask("illegal group", bad)
	p.ask("delete", p.request(207, "groupName", "gr$"))
	check := p.request(46)
	check.Body = []byte(p.expand(`{"clientId":"c","group":"g$","subscriptionData":{"topic":"t","subString":"*","expressionType":"TAG"}}`))
	p.ask("check client, tags", check)
	sql := p.request(46)
	sql.Body = []byte(p.expand(`{"clientId":"c","group":"g$","subscriptionData":{"topic":"t","subString":"a>1","expressionType":"SQL92"}}`))
	p.ask("check client, SQL", sql)
}

func playQuery(p *player) {
	p.createTopic("q$", 1, 6)
	p.sent("q$", 0, "one", "UNIQ_KEY", "K1$", "KEYS", "k1 k2", "INNER_MULTI_DISPATCH", "%LMQ%q$")
	p.sent("q$", 0, "two", "UNIQ_KEY", "K2$", "KEYS", "k2")
	p.sent("q$", 0, "three", "UNIQ_KEY", "K2$")
	p.settle("q$", 0, 3)
	query := func(label, topic, key, n string, more ...string) *remoting.Command {
		return p.ask(label, p.request(remoting.QueryMessage, append([]string{
			"topic", topic, "key", key, "maxNum", n, "beginTimestamp", "0", "endTimestamp", "9223372036854775807",
		}, more...)...))
	}
	for range 1000 { // the key index lags too
		if p.broker.wait(p.broker.start(p.request(remoting.QueryMessage, "topic", "q$", "key", "K2$", "maxNum", "32",
			"beginTimestamp", "0", "endTimestamp", "9223372036854775807"))).Code == remoting.Success {
			break
		}
	}
	query("by key", "q$", "k1", "32")
	query("by key of two", "q$", "k2", "32")
	query("newest of two", "q$", "k2", "1")
	query("by unique key", "q$", "K1$", "32", "_UNIQUE_KEY_QUERY", "true")
	query("by unique key of two", "q$", "K2$", "1", "_UNIQUE_KEY_QUERY", "true")
	query("by unique key, not said", "q$", "K1$", "32")
	query("by LMQ", "%LMQ%q$", "K1$", "32", "_UNIQUE_KEY_QUERY", "true")
	query("unknown key", "q$", "nosuch", "32")
	query("wrong topic", "p$", "k1", "32")
	query("too early", "q$", "k1", "32", "endTimestamp", "1000")
	p.ask("view nothing", p.request(33, "offset", "99999999999999"))
}

func playBatch(p *player) {
	p.createTopic("b$", 1, 6)
	var body []byte
	for i := range 3 {
		props := properties("UNIQ_KEY", fmt.Sprint("K", i), "INNER_MULTI_DISPATCH", p.expand("%LMQ%b$"), "TAGS", "T")
		text := fmt.Sprint("m", i)
		m := binary.BigEndian.AppendUint32(nil, uint32(4+4+4+4+4+len(text)+2+len(props)))
		m = append(m, make([]byte, 12)...)
		m = binary.BigEndian.AppendUint32(m, uint32(len(text)))
		m = append(m, text...)
		m = binary.BigEndian.AppendUint16(m, uint16(len(props)))
		body = append(body, append(m, props...)...)
	}
	batch := p.send("b$", 0, "", "UNIQ_KEY", "K0", "WAIT", "true")
	batch.Code, batch.Body = remoting.SendBatchMessage, body
	batch.Ext["m"] = "true"
	p.ask("batch", batch)
	p.settle("b$", 0, 3)
	p.ask("pull the topic", p.pull("%LMQ%g", "b$", 0, 0, 32))
	p.ask("max of the LMQ", p.queue(remoting.GetMaxOffset, "%LMQ%b$", 0))
	retry := p.send("%RETRY%b$", 0, "")
	retry.Code, retry.Body = remoting.SendBatchMessage, body
	retry.Ext["m"] = "true"
	p.ask("batch to a retry topic", retry)
}

func (p *player) heartbeat(id, group string, topics ...string) *remoting.Command {
	hb := remoting.Heartbeat{ClientID: p.expand(id), Consumers: []remoting.ConsumerGroup{{
		Name: p.expand(group), Type: "CONSUME_PASSIVELY", Model: "CLUSTERING", From: "CONSUME_FROM_LAST_OFFSET",
	}}}
	for _, topic := range topics {
		hb.Consumers[0].Subscriptions = append(hb.Consumers[0].Subscriptions, remoting.Subscription{
			Topic: p.expand(topic), Expression: "A", Type: "TAG", Version: 5,
		})
	}
	req := p.request(remoting.HeartBeat)
	body, err := hb.Encode()
	if err != nil {
		p.t.Fatal(err)
	}
	req.Body = body
	return req
}

func playClients(p *player) {
	p.createTopic("cl$", 1, 6)
	list := func(label string) { p.ask(label, p.request(remoting.GetConsumerListByGroup, "consumerGroup", "cg$")) }
	list("no consumer")
	p.ask("heartbeat", p.heartbeat("one$", "cg$", "cl$"))
	p.note("notified of itself", 0, <-p.broker.pushed)
	list("one consumer")
	p.ask("heartbeat again", p.heartbeat("one$", "cg$", "cl$"))
	p.ask("config of the retry topic", p.request(351, "topic", "%RETRY%cg$"))
	p.sent("cl$", 0, "one", "UNIQ_KEY", "K1", "TAGS", "B")
	p.settle("cl$", 0, 1)
	p.ask("pull by its subscription", p.pull("cg$", "cl$", 0, 0, 32, "sysFlag", "0"))
	p.ask("pull with a newer subscription", p.pull("cg$", "cl$", 0, 0, 32, "sysFlag", "0", "subVersion", "6"))
	p.ask("pull what it does not subscribe to", p.pull("cg$", "TBW102", 0, 0, 32, "sysFlag", "0"))
	second := dial(p.t, p.addr)
	p.note("second heartbeat", remoting.HeartBeat, second.wait(second.start(p.heartbeat("two$", "cg$", "cl$"))))
	p.note("first is notified", 0, <-p.broker.pushed)
	list("two consumers")
	p.note("second leaves", remoting.UnregisterClient,
		second.wait(second.start(p.request(remoting.UnregisterClient, "clientID", "two$", "consumerGroup", "cg$"))))
	p.note("first is notified of that", 0, <-p.broker.pushed)
	list("one is left")
	third := dial(p.t, p.addr)
	third.wait(third.start(p.heartbeat("three$", "cg$", "cl$")))
	p.note("first is notified of a third", 0, <-p.broker.pushed)
	third.nc.Close()
	p.note("and of its end", 0, <-p.broker.pushed)
	list("one is left again")
}

func playLocks(p *player) {
	body := func(code int32, client string) *remoting.Command {
		req := p.request(code)
		req.Body = []byte(p.expand(`{"consumerGroup":"lk$","clientId":"` + client + `","mqSet":[{"topic":"t$","brokerName":"` + p.name + `","queueId":0}]}`))
		return req
	}
	p.ask("lock", body(41, "one"))
	p.ask("lock again", body(41, "one"))
	p.ask("lock of another", body(41, "two"))
	p.ask("unlock of another", body(42, "two"))
	p.ask("still locked", body(41, "two"))
	p.ask("unlock", body(42, "one"))
	p.ask("free", body(41, "two"))
}

func playSendBack(p *player) {
	p.createTopic("sb$", 1, 6)
	p.sent("sb$", 0, "one", "UNIQ_KEY", "K1", "TAGS", "A", "INNER_MULTI_DISPATCH", "%LMQ%sb$")
	p.settle("sb$", 0, 1)
	msgs, _ := remoting.DecodeMessages(p.broker.wait(p.broker.start(p.pull("%LMQ%g", "sb$", 0, 0, 1))).Body)
	if len(msgs) != 1 {
		p.t.Fatal("no message to send back")
	}
	phys := fmt.Sprint(msgs[0].PhysicalOffset)
	back := func(label string, more ...string) {
		p.ask(label, p.request(remoting.ConsumerSendMsgBack, append([]string{
			"group", "bg$", "offset", phys, "delayLevel", "1", "originMsgId", "x", "originTopic", "sb$", "unitMode", "false", "maxReconsumeTimes", "16",
		}, more...)...))
	}
	back("send back")
	p.settle("%RETRY%bg$", 0, 1)
	p.ask("comes again", p.pull("%LMQ%g", "%RETRY%bg$", 0, 0, 1))
	back("given up at once", "delayLevel", "-1")
	p.settle("%DLQ%bg$", 0, 1)
	p.ask("dead letter", p.pull("%LMQ%g", "%DLQ%bg$", 0, 0, 1))
	back("tried too often", "maxReconsumeTimes", "0")
	p.settle("%DLQ%bg$", 0, 2)
	back("nothing there", "offset", "99999999999999")
	p.sent("sb$", 0, "late", "UNIQ_KEY", "K2", "DELAY", "1")
	p.settle("sb$", 0, 2)
	p.ask("delayed message", p.pull("%LMQ%g", "sb$", 0, 1, 1))
	p.ask("retry sent by the consumer", p.send("%RETRY%bg$", 0, "again", "UNIQ_KEY", "K3"))
	p.settle("%RETRY%bg$", 0, 2)
}
