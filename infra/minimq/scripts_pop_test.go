package minimq_test

import (
	"fmt"
	"slices"
	"strings"

	"lmqgate/adapter/rocketmq/remoting"
)

func (p *player) pop(group, topic string, n int, more ...string) *remoting.Command {
	fields := []string{
		"consumerGroup", group, "topic", topic, "queueId", "0", "maxMsgNums", fmt.Sprint(n), "invisibleTime", "30000",
		"pollTime", "0", "bornTime", "0", "initMode", "0", "expType", "TAG", "exp", "*", "order", "false",
	}
	return p.request(remoting.PopMessage, append(fields, more...)...)
}

func (p *player) fill(topic, lmq string, n int) {
	p.t.Helper()
	for i := range n {
		p.sent(topic, 0, fmt.Sprint("m", i), "UNIQ_KEY", fmt.Sprint("K", i), "TAGS", string(rune('A'+i%2)), "INNER_MULTI_DISPATCH", lmq)
	}
	p.settle(lmq, 0, int64(n))
}

// extra is how the message at an offset of an answer to POP is named.
func (p *player) extra(resp *remoting.Command, flag string, offset int) string {
	start := ""
	for info := range strings.SplitSeq(resp.Ext["startOffsetInfo"], ";") {
		if f := strings.Fields(info); len(f) == 3 && f[0] == flag {
			start = f[2]
		}
	}
	return fmt.Sprintf("%s %s %s %s %s %s 0 %d", start, resp.Ext["popTime"], resp.Ext["invisibleTime"], resp.Ext["reviveQid"], flag, p.name, offset)
}

func (p *player) ackOf(group, topic, extra string, offset int) *remoting.Command {
	return p.request(remoting.AckMessage, "consumerGroup", group, "topic", topic, "queueId", "0",
		"offset", fmt.Sprint(offset), "extraInfo", extra)
}

// committed notes a group's offset once it has become n; it is committed some
// milliseconds after the acknowledgement.
func (p *player) committed(label, group, topic string, n int) {
	p.t.Helper()
	q := func() *remoting.Command {
		return p.request(remoting.QueryConsumerOffset, "consumerGroup", group, "topic", topic, "queueId", "0", "setZeroIfNotFound", "false")
	}
	for range 100_000 {
		if p.broker.wait(p.broker.start(q())).Ext["offset"] == fmt.Sprint(n) {
			break
		}
	}
	p.ask(label, q())
}

func playPop(p *player) {
	p.createTopic("pp$", 1, 6)
	p.ask("nothing, no waiting", p.pop("%LMQ%g$", "%LMQ%pp$", 1))
	p.fill("pp$", p.expand("%LMQ%pp$"), 5)
	two := p.ask("two of five", p.pop("%LMQ%g$", "%LMQ%pp$", 2))
	p.committed("offset without an acknowledgement", "%LMQ%g$", "%LMQ%pp$", 2)
	p.ask("next ones", p.pop("%LMQ%g$", "%LMQ%pp$", 2))
	p.ask("acknowledge second", p.ackOf("%LMQ%g$", "%LMQ%pp$", p.extra(two, "0", 1), 1))
	p.ask("acknowledge first", p.ackOf("%LMQ%g$", "%LMQ%pp$", p.extra(two, "0", 0), 0))
	p.ask("acknowledge again", p.ackOf("%LMQ%g$", "%LMQ%pp$", p.extra(two, "0", 0), 0))
	p.committed("offset behind all that was popped", "%LMQ%g$", "%LMQ%pp$", 4)
	p.ask("the last", p.pop("%LMQ%g$", "%LMQ%pp$", 32))
	p.ask("nothing left", p.pop("%LMQ%g$", "%LMQ%pp$", 32))
	p.ask("another group", p.pop("%LMQ%h$", "%LMQ%pp$", 32))
	held := p.broker.start(p.pop("%LMQ%g$", "%LMQ%pp$", 32, "pollTime", "20000"))
	p.sent("pp$", 0, "late", "UNIQ_KEY", "K9", "TAGS", "A", "INNER_MULTI_DISPATCH", "%LMQ%pp$")
	p.note("woken", remoting.PopMessage, p.broker.wait(held))
	p.note("time over", remoting.PopMessage, p.broker.wait(p.broker.start(p.pop("%LMQ%g$", "%LMQ%pp$", 32, "pollTime", "200"))))
	p.ask("by tag", p.pop("%LMQ%t$", "%LMQ%pp$", 32, "exp", "B"))
	all := p.broker.start(p.pop("pg$", "pp$", 32, "queueId", "-1", "pollTime", "5000"))
	p.note("all queues of the topic", remoting.PopMessage, p.broker.wait(all))
}

func playPopFirst(p *player) {
	p.createTopic("pf$", 1, 6)
	p.fill("pf$", p.expand("%LMQ%pf$"), 3)
	p.ask("new group, from the end", p.pop("%LMQ%new$", "%LMQ%pf$", 32, "initMode", "1"))
	p.ask("commit the maximum", p.request(remoting.UpdateConsumerOffset, "consumerGroup", "%LMQ%other$", "topic", "%LMQ%pf$", "queueId", "0", "commitOffset", "3"))
	p.ask("group with an offset", p.pop("%LMQ%other$", "%LMQ%pf$", 32, "initMode", "1"))
	p.ask("commit far beyond", p.request(remoting.UpdateConsumerOffset, "consumerGroup", "%LMQ%far$", "topic", "%LMQ%pf$", "queueId", "0", "commitOffset", "30"))
	p.ask("group beyond the end", p.pop("%LMQ%far$", "%LMQ%pf$", 32))
	p.ask("its offset", p.request(remoting.QueryConsumerOffset, "consumerGroup", "%LMQ%far$", "topic", "%LMQ%pf$", "queueId", "0"))
	p.ask("new group on an empty queue, from the end", p.pop("%LMQ%new$", "%LMQ%empty$", 32, "initMode", "1"))
	p.ask("its offset", p.request(remoting.QueryConsumerOffset, "consumerGroup", "%LMQ%new$", "topic", "%LMQ%empty$", "queueId", "0", "setZeroIfNotFound", "false"))
}

func playPopReturn(p *player) {
	p.createTopic("pr$", 1, 6)
	p.fill("pr$", p.expand("%LMQ%pr$"), 3)
	first := p.ask("three, invisible for a second", p.pop("%LMQ%g$", "%LMQ%pr$", 32, "invisibleTime", "1000"))
	p.ask("acknowledge the second", p.ackOf("%LMQ%g$", "%LMQ%pr$", p.extra(first, "0", 1), 1))
	p.committed("offset has moved all the same", "%LMQ%g$", "%LMQ%pr$", 3)
	var back []string
	var last *remoting.Command
	for len(back) < 2 {
		last = p.broker.wait(p.broker.start(p.pop("%LMQ%g$", "%LMQ%pr$", 32, "pollTime", "5000")))
		list, _ := remoting.DecodeMessages(last.Body)
		for _, m := range list {
			var keys []string
			for k := range m.Properties.All() {
				keys = append(keys, k)
			}
			slices.Sort(keys)
			back = append(back, fmt.Sprintf("%s q%d reconsume=%d %s %v", p.normal(m.Topic), m.QueueID, m.Reconsume, m.Body, keys))
		}
	}
	slices.Sort(back)
	fmt.Fprintf(&p.out, "came back:\n   %s\n", strings.Join(back, "\n   "))
	retry := "%RETRY%%LMQ%g$_%LMQ%pr$"
	p.ask("config of the retry topic", p.request(351, "topic", retry))
	p.ask("max of the retry topic", p.queue(remoting.GetMaxOffset, retry, 0))
	p.settle("%RETRY%%LMQ%g$_%LMQ%pr$", 0, 2)

	p.fill2()
}

// fill2 is the second half of playPopReturn: the invisible time is changed.
func (p *player) fill2() {
	p.sent("pr$", 0, "x", "UNIQ_KEY", "K7", "INNER_MULTI_DISPATCH", "%LMQ%ci$")
	p.settle("%LMQ%ci$", 0, 1)
	one := p.ask("one, invisible for long", p.pop("%LMQ%g$", "%LMQ%ci$", 1, "invisibleTime", "60000"))
	changed := p.ask("now for a second", p.request(remoting.ChangeMessageInvisibleTime, "consumerGroup", "%LMQ%g$", "topic", "%LMQ%ci$",
		"queueId", "0", "offset", "0", "extraInfo", p.extra(one, "0", 0), "invisibleTime", "1000"))
	_ = changed
	p.committed("original is acknowledged", "%LMQ%g$", "%LMQ%ci$", 1)
	var got *remoting.Command
	for got == nil || got.Code != remoting.Success {
		got = p.broker.wait(p.broker.start(p.pop("%LMQ%g$", "%LMQ%ci$", 1, "pollTime", "5000")))
	}
	p.note("came back", remoting.PopMessage, got)
	p.ask("acknowledge it in its retry topic", p.ackOf("%LMQ%g$", "%RETRY%%LMQ%g$_%LMQ%ci$", p.extra(got, "1", 0), 0))
	p.committed("offset of the retry topic", "%LMQ%g$", "%RETRY%%LMQ%g$_%LMQ%ci$", 1)
}

func playPopErrors(p *player) {
	p.createTopic("px$", 1, 6)
	p.fill("px$", p.expand("%LMQ%px$"), 1)
	p.ask("too many", p.pop("%LMQ%g$", "%LMQ%px$", 33))
	p.ask("unknown topic", p.pop("%LMQ%g$", "nosuch$", 1))
	p.ask("queue that is not", p.pop("%LMQ%g$", "%LMQ%px$", 1, "queueId", "1"))
	p.ask("born long ago", p.pop("%LMQ%g$", "%LMQ%px$", 1, "bornTime", "1000000000000", "pollTime", "1000"))
	p.ask("SQL", p.pop("%LMQ%g$", "%LMQ%px$", 1, "expType", "SQL92", "exp", "a > 1"))
	p.ask("acknowledge beyond", p.ackOf("%LMQ%g$", "%LMQ%px$", "0 1700000000000 1000 0 0 "+p.name+" 0 5", 5))
	p.ask("acknowledge what was not popped", p.ackOf("%LMQ%g$", "%LMQ%px$", "0 1700000000000 1000 0 0 "+p.name+" 0 0", 0))
	p.ask("acknowledge with half an extra info", p.ackOf("%LMQ%g$", "%LMQ%px$", "0 1700000000000", 0))
	p.ask("acknowledge in unknown topic", p.ackOf("%LMQ%g$", "nosuch$", "0 1700000000000 1000 0 0 "+p.name+" 0 0", 0))
	p.ask("acknowledge in queue 1", p.request(remoting.AckMessage, "consumerGroup", "%LMQ%g$", "topic", "%LMQ%px$", "queueId", "1",
		"offset", "0", "extraInfo", "0 1700000000000 1000 0 0 "+p.name+" 0 0"))
	p.ask("change beyond", p.request(remoting.ChangeMessageInvisibleTime, "consumerGroup", "%LMQ%g$", "topic", "%LMQ%px$",
		"queueId", "0", "offset", "1", "extraInfo", "0 1700000000000 1000 0 0 "+p.name+" 0 0", "invisibleTime", "1000"))
}

// playMissing leaves out one required field after another.
func playMissing(p *player) {
	p.createTopic("ms$", 1, 6)
	drop := func(name string, req func() *remoting.Command, fields ...string) {
		for _, f := range fields {
			r := req()
			delete(r.Ext, f)
			p.ask(name+" without "+f, r)
		}
	}
	drop("send", func() *remoting.Command { return p.send("ms$", 0, "x", "UNIQ_KEY", "K1") }, "a", "b", "c", "d", "e", "f", "g", "h", "i", "j", "k", "m")
	drop("pull", func() *remoting.Command { return p.pull("%LMQ%g", "%LMQ%ms$", 0, 0, 1) },
		"consumerGroup", "topic", "queueId", "queueOffset", "maxMsgNums", "sysFlag", "commitOffset", "suspendTimeoutMillis", "subscription", "subVersion", "expressionType")
	drop("max offset", func() *remoting.Command { return p.queue(remoting.GetMaxOffset, "ms$", 0) }, "topic", "queueId")
	drop("commit", func() *remoting.Command {
		return p.request(remoting.UpdateConsumerOffset, "consumerGroup", "%LMQ%g", "topic", "%LMQ%ms$", "queueId", "0", "commitOffset", "0")
	}, "consumerGroup", "topic", "queueId", "commitOffset")
	drop("query offset", func() *remoting.Command {
		return p.request(remoting.QueryConsumerOffset, "consumerGroup", "%LMQ%g", "topic", "%LMQ%nosuch$", "queueId", "0")
	}, "consumerGroup", "topic", "queueId")
	drop("pop", func() *remoting.Command { return p.pop("%LMQ%g", "%LMQ%ms$", 1) },
		"consumerGroup", "topic", "queueId", "maxMsgNums", "invisibleTime", "pollTime", "bornTime", "initMode", "expType", "exp", "order")
	bad := p.pull("%LMQ%g", "%LMQ%ms$", 0, 0, 1)
	bad.Ext["queueOffset"] = "many"
	p.ask("pull at no number", bad)
}

// returned notes the messages of a group that come back, however many POPs it
// takes until there are n.
func (p *player) returned(label, group, topic string, n int) (last *remoting.Command) {
	p.t.Helper()
	var got []remoting.Message
	for len(got) < n {
		answer := p.broker.wait(p.broker.start(p.pop(group, topic, 32, "pollTime", "5000")))
		list, err := remoting.DecodeMessages(answer.Body)
		if err != nil {
			p.t.Fatal(err)
		}
		if got = append(got, list...); len(list) > 0 {
			last = answer
		}
	}
	fmt.Fprintf(&p.out, "%s:\n", label)
	for _, m := range got {
		check, _ := m.Properties.Get("POP_CK")
		f := strings.Fields(check)
		if len(f) > 3 {
			f[3] = "<n>"
		}
		fmt.Fprintf(&p.out, "   %s@%d reconsume=%d %s %s\n", p.normal(m.Topic), m.QueueOffset, m.Reconsume, m.Body, p.normal(strings.Join(f, " ")))
	}
	fmt.Fprintf(&p.out, "   starts %s offsets %s\n", last.Ext["startOffsetInfo"], last.Ext["msgOffsetInfo"])
	return last
}

func (p *player) change(group, topic, extra string, offset int, invisible string) *remoting.Command {
	return p.request(remoting.ChangeMessageInvisibleTime, "consumerGroup", group, "topic", topic, "queueId", "0",
		"offset", fmt.Sprint(offset), "extraInfo", extra, "invisibleTime", invisible)
}

// batch acknowledges the messages of bits, of a POP's answer, in topic.
func (p *player) batch(resp *remoting.Command, group, topic, retry, flag string, bits byte) *remoting.Command {
	start, revive := int64(0), int32(0)
	for info := range strings.SplitSeq(resp.Ext["startOffsetInfo"], ";") {
		if f := strings.Fields(info); len(f) == 3 && f[0] == flag {
			fmt.Sscan(f[2], &start)
		}
	}
	fmt.Sscan(resp.Ext["reviveQid"], &revive)
	run := remoting.AckedRun{
		Group: p.expand(group), Topic: p.expand(topic), Retry: retry, StartOffset: start, ReviveQueue: revive, Offsets: []byte{bits},
	}
	fmt.Sscan(resp.Ext["popTime"], &run.PopTime)
	fmt.Sscan(resp.Ext["invisibleTime"], &run.Invisible)
	body, err := remoting.BatchAck{Broker: p.name, Runs: []remoting.AckedRun{run}}.Encode()
	if err != nil {
		p.t.Fatal(err)
	}
	return remoting.NewRequest(remoting.BatchAckMessage, nil, body)
}

// playPopGroup is the life of a group as the gateway leads it, on the LMQ of a
// filter with a wildcard: a '+' in the name of the retry topic has it taken for
// one of another format.
func playPopGroup(p *player) {
	p.createTopic("pgr$", 1, 6)
	lmq, group := "%LMQ%pgr$%+%", "%LMQ%g$"
	retry := "%RETRY%" + group + "_" + lmq
	p.fill("pgr$", p.expand(lmq), 2)
	commit := func(n string) *remoting.Command {
		return p.request(remoting.UpdateConsumerOffset, "consumerGroup", group, "topic", lmq, "queueId", "0", "commitOffset", n)
	}
	query := func(topic string) *remoting.Command {
		return p.request(remoting.QueryConsumerOffset, "consumerGroup", group, "topic", topic, "queueId", "0", "setZeroIfNotFound", "false")
	}
	p.ask("no offset yet", query(lmq))
	p.ask("begin at the maximum", commit("2"))
	p.ask("no old messages", p.pop(group, lmq, 32))
	for i := range 4 {
		p.sent("pgr$", 0, fmt.Sprint("n", i), "UNIQ_KEY", fmt.Sprint("K", i), "INNER_MULTI_DISPATCH", lmq)
	}
	p.settle(lmq, 0, 6)
	four := p.ask("four", p.pop(group, lmq, 32, "invisibleTime", "3000"))
	p.ask("acknowledge the first and the third", p.batch(four, group, lmq, "0", "0", 0b0101))
	p.ask("return the last at once", p.change(group, lmq, p.extra(four, "0", 5), 5, "0"))
	last := p.returned("the last comes back", group, lmq, 1)
	p.ask("acknowledge it in its retry topic", p.batch(last, group, retry, "0", "2", 1))
	p.returned("the second comes back", group, lmq, 1)
	p.committed("offset of the retry topic", group, retry, 2)
	p.ask("nothing more", p.pop(group, lmq, 32))

	p.ask("delete the retry topic", p.request(remoting.DeleteTopicInBroker, "topic", retry))
	p.ask("its offset", query(retry))
	p.ask("its configuration", p.request(351, "topic", retry))
	p.ask("offset of the group is left", query(lmq))
	p.ask("delete the group's offsets", p.request(remoting.DeleteSubscriptionGroup, "groupName", group, "cleanOffset", "true"))
	p.ask("offset of the group", query(lmq))
	p.ask("delete the retry topic again", p.request(remoting.DeleteTopicInBroker, "topic", retry))
	p.askNames("delete its route", p.request(remoting.DeleteTopicInNamesrv, "topic", retry))
	p.askNames("its route", p.request(remoting.GetRouteInfoByTopic, "topic", retry))
	p.ask("delete a group that never was", p.request(remoting.DeleteSubscriptionGroup, "groupName", "%LMQ%never$", "cleanOffset", "true"))

	p.ask("begin again", commit("5"))
	one := p.ask("one", p.pop(group, lmq, 32))
	p.ask("return it", p.change(group, lmq, p.extra(one, "0", 5), 5, "0"))
	p.returned("it comes back in a new retry topic", group, lmq, 1)

	p.ask("batch of nothing", remoting.NewRequest(remoting.BatchAckMessage, nil, nil))
	p.ask("batch of no acknowledgement", remoting.NewRequest(remoting.BatchAckMessage, nil, []byte(`{"brokerName":"x","acks":[]}`)))
	p.ask("batch of what was never popped", p.batch(one, group, lmq, "0", "0", 0b1000_0000))
}

// playPopNames uses names with which messages do not come back, or not all is
// deleted.
func playPopNames(p *player) {
	p.createTopic("pn$", 1, 6)
	at := "%LMQ%pn$%a@b%"
	p.fill("pn$", p.expand(at), 1)
	p.ask("from an LMQ with an @", p.pop("%LMQ%g$", at, 1))
	p.committed("its offset", "%LMQ%g$", at, 1)
	p.ask("delete the group's offsets", p.request(remoting.DeleteSubscriptionGroup, "groupName", "%LMQ%g$", "cleanOffset", "true"))
	p.ask("its offset is left", p.request(remoting.QueryConsumerOffset, "consumerGroup", "%LMQ%g$", "topic", at, "queueId", "0", "setZeroIfNotFound", "false"))

	long := "%LMQ%pn$%" + strings.Repeat("x", 128-len("%LMQ%pn%")-len(p.id))
	p.fill("pn$", p.expand(long), 1)
	first := p.ask("from an LMQ of 128 bytes", p.pop("%LMQ%g$", long, 1))
	p.ask("return it", p.change("%LMQ%g$", long, p.extra(first, "0", 0), 0, "0"))
	retry := "%RETRY%%LMQ%g$_" + long
	p.settle(retry, 0, 1)
	p.ask("it is handed out but not answered", p.pop("%LMQ%g$", long, 1))
	p.committed("offset of the retry topic", "%LMQ%g$", retry, 1)
}
