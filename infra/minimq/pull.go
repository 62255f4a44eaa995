package minimq

import (
	"bytes"
	"fmt"
	"strings"

	"lmqgate/adapter/rocketmq/remoting"
	"lmqgate/infra/minimq/store"
)

// Bits of a pull's sysFlag.
const (
	pullCommit       = 1
	pullSuspend      = 2
	pullSubscription = 4
)

// pullHeader is the header of a pull.
type pullHeader struct {
	group, topic string
	queue        int32
	offset       int64
	n            int
	sysFlag      int32
	commit       int64
	suspend      int64 // ms
	expression   string
	subVersion   int64
	expType      string
}

func parsePull(a *args) pullHeader {
	return pullHeader{
		group: a.str("consumerGroup"), topic: a.str("topic"), queue: a.int32("queueId"), offset: a.int("queueOffset"),
		n: int(a.int32("maxMsgNums")), sysFlag: a.int32("sysFlag"), commit: a.opt("commitOffset", 0),
		suspend: a.opt("suspendTimeoutMillis", 0), expression: a.ext["subscription"], subVersion: a.opt("subVersion", 0),
		expType: a.ext["expressionType"],
	}
}

func (b *Broker) pull(c *conn, req *remoting.Command, a *args) *remoting.Command {
	h := parsePull(a)
	if a.bad != "" {
		return nil
	}
	f, bad := b.checkPull(c, h)
	if bad != nil {
		return bad
	}
	p := &heldPull{c: c, req: req, h: h, filter: f}
	resp := b.read(p)
	if h.sysFlag&pullCommit != 0 {
		b.offsets.commit(offsetKey{h.group, h.topic, h.queue}, h.commit)
	}
	if resp.Code == remoting.PullNotFound && h.sysFlag&pullSuspend != 0 {
		b.holds.add(p)
		return nil
	}
	return resp
}

// checkPull finds the subscription and refuses what cannot be pulled.
func (b *Broker) checkPull(c *conn, h pullHeader) (filter, *remoting.Command) {
	g, found := b.groups.find(h.group)
	if !found {
		return filter{}, answer(remoting.SubscriptionGroupNone, fmt.Sprintf("subscription group [%s] does not exist, %s", h.group, seeFAQ))
	}
	if !g.ConsumeEnable {
		return filter{}, forbid("subscription group no permission, "+h.group, forbiddenGroup)
	}
	t, found := b.topics.get(h.topic)
	switch {
	case !found:
		return filter{}, answer(remoting.TopicNotExist, fmt.Sprintf("topic[%s] not exist, apply first please! %s", h.topic, seeFAQ))
	case t.perm&remoting.PermRead == 0:
		return filter{}, forbid("the topic["+h.topic+"] pulling message is forbidden", forbiddenTopic)
	case h.queue < 0 || int(h.queue) >= t.read:
		return filter{}, answer(codeInvalidParameter, fmt.Sprintf(
			"queueId[%d] is illegal, topic:[%s] topicConfig.readQueueNums:[%d] consumer:[/%s]", h.queue, h.topic, t.read, c.remote))
	}
	if h.sysFlag&pullSubscription != 0 {
		return parseFilter(h.expression, h.expType)
	}
	return b.clients.filter(h)
}

// Why a pull is forbidden, in its answer.
const (
	forbiddenGroup = "2"
	forbiddenTopic = "3"
)

func forbid(remark, kind string) *remoting.Command {
	return &remoting.Command{Code: remoting.NoPermission, Remark: remark, Ext: map[string]string{"forbiddenType": kind}}
}

// read answers a pull with what is there now.
func (b *Broker) read(p *heldPull) *remoting.Command {
	r := b.store.Get(p.h.topic, p.h.queue, p.h.offset, p.h.n, p.filter.match)
	resp := ok(
		"suggestWhichBrokerId", "0", "nextBeginOffset", itoa(r.Next), "minOffset", itoa(r.Min),
		"maxOffset", itoa(r.Max), "topicSysFlag", "0", "groupSysFlag", "0",
	)
	resp.Remark = string(r.Status)
	switch r.Status {
	case store.Found:
		resp.Body = bytes.Join(r.Messages, nil)
	case store.NoMatched:
		resp.Code = remoting.PullRetryImmediately
	case store.OffsetFoundNull, store.OverflowOne:
		resp.Code = remoting.PullNotFound
	case store.NoMessage:
		resp.Code = remoting.PullOffsetMoved
		if p.h.offset == 0 {
			resp.Code = remoting.PullNotFound
		}
	case store.OverflowBadly, store.TooSmall:
		resp.Code = remoting.PullOffsetMoved
	}
	return resp
}

// filter is a tag expression; the zero filter matches everything.
type filter struct {
	codes map[int64]struct{} // nil: everything
}

// match decides by the hash of the tags, as the broker does; the consumer
// compares the tags themselves.
func (f filter) match(tagsCode int64) bool {
	if f.codes == nil {
		return true
	}
	_, found := f.codes[int64(int32(tagsCode))]
	return found
}

// parseFilter reads "*" or "A || B".
func parseFilter(expression, kind string) (filter, *remoting.Command) {
	if kind != "" && kind != "TAG" {
		if expression == "" {
			return filter{}, answer(remoting.SubscriptionParse, "parse the consumer's subscription failed")
		}
		return filter{}, answer(remoting.SystemError, "The broker does not support consumer to filter message by "+kind)
	}
	if expression == "" || expression == "*" {
		return filter{}, nil
	}
	f := filter{codes: map[int64]struct{}{}}
	parts := strings.Split(expression, "||")
	if strings.Trim(expression, "|") == "" && len(parts) > 1 {
		return filter{}, answer(remoting.SubscriptionParse, "parse the consumer's subscription failed")
	}
	for _, tag := range parts {
		if tag = strings.TrimSpace(tag); tag != "" {
			f.codes[store.HashTags(tag)] = struct{}{}
		}
	}
	return f, nil
}
