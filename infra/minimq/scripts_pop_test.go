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
