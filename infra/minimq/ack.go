package minimq

import (
	"errors"
	"fmt"
	"strconv"
	"strings"

	"lmqgate/adapter/rocketmq/remoting"
)

// extraInfo is how a consumer names what it popped:
// start offset, pop time, invisible time, revive queue, retry flag, broker,
// queue, offset, with spaces between.
type extraInfo struct {
	start, popTime, invisible int64
	revive                    int64
}

var errExtraInfo = errors.New("java.lang.IllegalArgumentException: extra info is not valid")

func parseExtraInfo(s string) (extraInfo, error) {
	f := strings.Split(s, " ")
	if len(f) < 6 {
		return extraInfo{}, errExtraInfo
	}
	var e extraInfo
	for i, v := range []*int64{&e.start, &e.popTime, &e.invisible, &e.revive} {
		n, err := strconv.ParseInt(f[i], 10, 64)
		if err != nil {
			return extraInfo{}, errExtraInfo
		}
		*v = n
	}
	return e, nil
}

// ackHeader is what AckMessage and ChangeMessageInvisibleTime have in common.
type ackHeader struct {
	key    checkKey
	offset int64
	extra  extraInfo
}

func (b *Broker) parseAck(c *conn, a *args) (ackHeader, *remoting.Command) {
	k := offsetKey{a.str("consumerGroup"), a.str("topic"), a.int32("queueId")}
	offset := a.int("offset")
	info := a.str("extraInfo")
	if a.bad != "" {
		return ackHeader{}, answer(remoting.SystemError, "")
	}
	t, found := b.topics.get(k.topic)
	if !found {
		return ackHeader{}, answer(remoting.TopicNotExist, fmt.Sprintf("topic[%s] not exist, apply first please! %s", k.topic, seeFAQ))
	}
	if k.queue < 0 || int(k.queue) >= t.read {
		return ackHeader{}, answer(remoting.MessageIllegal, fmt.Sprintf(
			"queueId[%d] is illegal, topic:[%s] topicConfig.readQueueNums:[%d] consumer:[/%s]", k.queue, k.topic, t.read, c.remote))
	}
	extra, err := parseExtraInfo(info)
	if err != nil {
		return ackHeader{}, answer(remoting.SystemError, err.Error())
	}
	return ackHeader{checkKey{k, extra.start, extra.popTime}, offset, extra}, nil
}

func (b *Broker) ack(c *conn, a *args) *remoting.Command {
	h, bad := b.parseAck(c, a)
	if bad != nil {
		return bad
	}
	k := h.key
	low, high := b.store.MinOffset(k.topic, k.queue), b.store.MaxOffset(k.topic, k.queue)
	if h.offset < low || h.offset > high {
		return answer(codeNoMessage, fmt.Sprintf("offset is illegal, key:%s@%d, commit:%d, store:%d~%d", k.topic, k.queue, h.offset, low, high))
	}
	b.pops.mu.Lock()
	defer b.pops.mu.Unlock()
	b.pops.done(k, h.offset)
	return ok()
}

// changeInvisible replaces the checkpoint of a message by a new one.
func (b *Broker) changeInvisible(c *conn, a *args) *remoting.Command {
	ms := a.int("invisibleTime")
	h, bad := b.parseAck(c, a)
	if bad != nil {
		return bad
	}
	k := h.key
	if low, high := b.store.MinOffset(k.topic, k.queue), b.store.MaxOffset(k.topic, k.queue); h.offset < low || h.offset >= high {
		resp := ok("popTime", "0", "invisibleTime", "0", "reviveQid", "0")
		resp.Code, resp.Remark = codeNoMessage, notSet
		return resp
	}
	b.pops.mu.Lock()
	defer b.pops.mu.Unlock()
	b.pops.done(k, h.offset)
	fresh := b.pops.check(k.offsetKey, h.offset, []int64{h.offset}, millis(ms), b.cfg.Now())
	resp := ok("popTime", itoa(fresh.popTime), "invisibleTime", itoa(ms), "reviveQid", itoa(h.extra.revive))
	resp.Remark = notSet
	return resp
}

// notSet is the remark of answers that RocketMQ forgot to give one.
const notSet = "not set any response code"
