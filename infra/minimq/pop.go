package minimq

import (
	"bytes"
	"fmt"
	"strings"
	"time"

	"lmqgate/adapter/rocketmq/remoting"
	"lmqgate/infra/minimq/store"
)

// Bounds of POP: messages a request, requests waiting a queue and in all, how
// many of a hundred requests look into the retry topic first, and how much
// before its time a waiting request is answered.
const (
	popMax          = 32
	popWaitQueue    = 1024
	popWaitAll      = 100_000
	popRetryPercent = 20
	popEarly        = 50 * time.Millisecond
	popTooLate      = 500 * time.Millisecond
)

// popHeader is the header of a POP.
type popHeader struct {
	group, topic string
	queue        int32
	n            int
	invisible    time.Duration
	poll         time.Duration
	born         time.Time
	fromMax      bool
	expression   string
	expType      string
	order        bool
}

func (b *Broker) parsePop(a *args) popHeader {
	h := popHeader{
		group: a.str("consumerGroup"), topic: a.str("topic"), queue: int32(a.opt("queueId", 0)), n: int(a.opt("maxMsgNums", 0)),
		invisible: millis(a.opt("invisibleTime", 0)), poll: millis(a.opt("pollTime", 0)), born: b.cfg.Now(),
		fromMax: a.opt("initMode", 0) != 0, expression: a.ext["exp"], expType: a.ext["expType"], order: a.bool("order"),
	}
	if ms := a.opt("bornTime", 0); ms != 0 {
		h.born = time.UnixMilli(ms)
	}
	return h
}

// millis converts a client's number, bounded so that sums cannot overflow.
func millis(n int64) time.Duration {
	const most = int64(10 * 365 * 24 * time.Hour / time.Millisecond)
	return time.Duration(min(max(n, -most), most)) * time.Millisecond
}

// popRetryTopic is where messages of topic return that group did not acknowledge.
func popRetryTopic(group, topic string) string { return store.RetryPrefix + group + "_" + topic }

func (b *Broker) pop(c *conn, req *remoting.Command, a *args) *remoting.Command {
	h := b.parsePop(a)
	if a.bad != "" {
		return nil
	}
	f, bad := b.checkPop(c, h)
	if bad != nil {
		return bad
	}
	return b.pops.serve(&popWaiter{c: c, req: req, h: h, filter: f, expires: h.born.Add(h.poll)})
}

// checkPop refuses what cannot be popped.
func (b *Broker) checkPop(c *conn, h popHeader) (filter, *remoting.Command) {
	t, found := b.topics.get(h.topic)
	switch {
	case b.cfg.Now().Sub(h.born)-h.poll > popTooLate:
		return filter{}, refusePop(remoting.PollingTimeout, "the broker[127.0.0.1] pop message is timeout too much")
	case h.n > popMax:
		return filter{}, refusePop(codeInvalidParameter, "the broker[127.0.0.1] pop message's num is greater than 32")
	case !found:
		return filter{}, refusePop(remoting.TopicNotExist, fmt.Sprintf("topic[%s] not exist, apply first please! %s", h.topic, seeFAQ))
	case t.perm&remoting.PermRead == 0:
		return filter{}, refusePop(remoting.NoPermission, "the topic["+h.topic+"] peeking message is forbidden")
	case int(h.queue) >= t.read:
		return filter{}, refusePop(codeInvalidParameter, fmt.Sprintf(
			"queueId[%d] is illegal, topic:[%s] topicConfig.readQueueNums:[%d] consumer:[/%s]", h.queue, h.topic, t.read, c.remote))
	case h.order:
		return filter{}, refusePop(remoting.SystemError, "minimq does not support POP in order")
	}
	g, found := b.groups.find(h.group)
	if !found {
		return filter{}, refusePop(remoting.SubscriptionGroupNone, fmt.Sprintf("subscription group [%s] does not exist, %s", h.group, seeFAQ))
	}
	if !g.ConsumeEnable {
		return filter{}, refusePop(remoting.NoPermission, "subscription group no permission, "+h.group)
	}
	if h.expType != "" && h.expType != "TAG" {
		return filter{codes: map[int64]struct{}{}}, nil // no SQL here: nothing matches
	}
	return parseFilter(h.expression, h.expType)
}

// refusePop is the answer to a POP that is not served.
func refusePop(code int32, remark string) *remoting.Command {
	resp := ok("popTime", "0", "invisibleTime", "0", "reviveQid", "0", "restNum", "0")
	resp.Code, resp.Remark = code, remark
	return resp
}

// popped collects what one POP takes.
type popped struct {
	at       time.Time
	revive   int64
	messages [][]byte
	rest     int64 // how many more there are
	skipped  bool  // past messages that the group does not want
	start    []string
	offsets  []string
}

// take pops from the queues of a request: one in five requests looks into the
// retry topic first, the others when there is room left. Called with mu held.
func (t *popTable) take(w *popWaiter) *popped {
	t.revived++
	out := &popped{at: t.b.cfg.Now(), revive: (t.revived - 1) % 8}
	draw := t.b.random(100)
	retry := popRetryTopic(w.h.group, w.h.topic)
	if draw < popRetryPercent {
		t.takeTopic(w, retry, draw, out)
	}
	if w.h.queue < 0 {
		t.takeTopic(w, w.h.topic, draw, out)
	} else {
		t.takeQueue(w, w.h.topic, w.h.queue, out)
	}
	if draw >= popRetryPercent && len(out.messages) < w.h.n {
		t.takeTopic(w, retry, draw, out)
	}
	return out
}

func (t *popTable) takeTopic(w *popWaiter, topic string, draw int, out *popped) {
	cfg, found := t.b.topics.get(topic)
	if !found {
		return
	}
	for i := range cfg.read {
		t.takeQueue(w, topic, int32((i+draw)%cfg.read), out)
	}
}

// takeQueue pops from one queue and writes the checkpoint that brings the
// messages back.
func (t *popTable) takeQueue(w *popWaiter, topic string, queue int32, out *popped) {
	k := offsetKey{w.h.group, topic, queue}
	offset := t.offset(k, w.h.fromMax)
	n := w.h.n - len(out.messages)
	if n <= 0 {
		out.rest += t.b.store.MaxOffset(topic, queue) - offset
		return
	}
	r := t.b.store.Get(topic, queue, offset, n, w.filter.match)
	switch r.Status {
	case store.TooSmall, store.OverflowBadly, store.OffsetFoundNull:
		t.b.offsets.commit(k, r.Next)
		r = t.b.store.Get(topic, queue, r.Next, n, w.filter.match)
	}
	if len(r.Messages) > 0 {
		t.check(k, offset, r.Offsets, w.h.invisible, out.at)
		t.b.offsets.commit(k, r.Next)
		flag := retryFlag(topic)
		out.start = append(out.start, fmt.Sprintf("%s %d %d", flag, queue, offset))
		out.offsets = append(out.offsets, fmt.Sprintf("%s %d %s", flag, queue, joinInts(r.Offsets)))
	} else if r.Status == store.NoMatched {
		t.b.offsets.commit(k, r.Next)
		out.skipped = true
	}
	out.rest += r.Max - r.Next
	for i, raw := range r.Messages {
		if strings.HasPrefix(topic, store.RetryPrefix) {
			if len(w.h.topic) > maxRecoded {
				continue
			}
			raw = t.recode(w, raw, offset, r.Offsets[i], out)
		}
		out.messages = append(out.messages, raw)
	}
}

// recode gives a message of a retry topic its own topic back, with the check
// point as a property: the consumer cannot work it out from the answer.
func (t *popTable) recode(w *popWaiter, raw []byte, start, offset int64, out *popped) []byte {
	p, err := store.Parse(raw)
	if err != nil {
		return raw
	}
	if p.Properties[propPopCheck] == "" {
		p.Properties[propPopCheck] = fmt.Sprintf("%d %d %d %d %s %s %d %d", start, out.at.UnixMilli(),
			w.h.invisible.Milliseconds(), out.revive, retryFlag(p.Topic), t.b.name, p.QueueID, offset)
	}
	coded, err := store.Recode(p, raw, w.h.topic, p.Properties)
	if err != nil {
		return raw
	}
	return coded
}

// maxRecoded is the longest topic, in bytes, that RocketMQ can give a message of
// a retry topic: with a longer one it takes the message and leaves it out.
const maxRecoded = 127

// retryFlag is how an answer names a topic: 0 the one asked for, 1 its retry
// topic, 2 its retry topic of another format, which RocketMQ knows by a '+'.
func retryFlag(topic string) string {
	switch {
	case !strings.HasPrefix(topic, store.RetryPrefix):
		return "0"
	case strings.Contains(topic, "+"):
		return "2"
	default:
		return "1"
	}
}

func joinInts(list []int64) string {
	parts := make([]string, len(list))
	for i, n := range list {
		parts[i] = itoa(n)
	}
	return strings.Join(parts, ",")
}

// answerPop is the response to a POP.
func answerPop(w *popWaiter, out *popped) *remoting.Command {
	resp := ok(
		"popTime", itoa(out.at.UnixMilli()), "invisibleTime", itoa(w.h.invisible.Milliseconds()),
		"reviveQid", itoa(out.revive), "restNum", itoa(out.rest),
		"startOffsetInfo", strings.Join(out.start, ";"), "msgOffsetInfo", strings.Join(out.offsets, ";"),
	)
	resp.Remark = "FOUND"
	if len(out.messages) == 0 {
		resp.Remark = "NO_MESSAGE_IN_QUEUE"
	}
	resp.Body = bytes.Join(out.messages, nil)
	return resp
}
