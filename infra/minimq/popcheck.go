package minimq

import (
	"errors"
	"slices"
	"strings"
	"time"
	"unicode/utf16"

	"lmqgate/infra/minimq/store"
)

// Properties of a message that returned.
const (
	propFirstPop    = "1ST_POP_TIME"
	propOriginGroup = "ORIGIN_GROUP"
)

// checkKey names a checkpoint as an acknowledgement does.
type checkKey struct {
	offsetKey
	start, popTime int64
}

// checkpoint is what one POP took from one queue.
type checkpoint struct {
	key     checkKey
	offsets []int64 // not acknowledged yet
	revive  *alarm
}

// offset is where a group's next POP begins. A group without an offset begins at
// 0 while message 0 is there, whatever it asks for; else, if it asks for the end,
// at the last message.
func (t *popTable) offset(k offsetKey, fromMax bool) int64 {
	offset := t.b.offsets.get(k)
	if offset < 0 {
		lowest := t.b.store.MinOffset(k.topic, k.queue)
		switch {
		case !fromMax || strings.HasPrefix(k.topic, store.RetryPrefix):
			offset = lowest
		case lowest <= 0 && t.b.store.Has(k.topic, k.queue, 0):
			offset = 0
		default:
			offset = max(t.b.store.MaxOffset(k.topic, k.queue)-1, 0)
		}
		t.b.offsets.commit(k, offset)
	}
	return offset
}

// check keeps a checkpoint until its messages are acknowledged or return. The
// group's offset does not wait for that: with enablePopBufferMerge=false, the
// default of RocketMQ 5.4.0, the caller commits it at once.
func (t *popTable) check(k offsetKey, start int64, offsets []int64, invisible time.Duration, at time.Time) checkKey {
	ck := &checkpoint{key: checkKey{k, start, at.UnixMilli()}, offsets: slices.Clone(offsets)}
	for t.checks[ck.key] != nil {
		ck.key.popTime++
	}
	t.checks[ck.key] = ck
	ck.revive = t.b.timers.add(at.Add(invisible+t.b.cfg.ReviveDelay), func() { t.bringBack(ck) })
	return ck.key
}

// done acknowledges one message. An unknown checkpoint or offset is ignored, as
// RocketMQ does.
func (t *popTable) done(key checkKey, offset int64) {
	ck := t.checks[key]
	if ck == nil {
		return
	}
	if i := slices.Index(ck.offsets, offset); i >= 0 {
		ck.offsets = slices.Delete(ck.offsets, i, i+1)
	}
	if len(ck.offsets) > 0 {
		return
	}
	delete(t.checks, key)
	t.b.timers.remove(ck.revive)
}

// bringBack stores the messages of a checkpoint that were not acknowledged once
// more, in the retry topic of their group.
func (t *popTable) bringBack(ck *checkpoint) {
	t.mu.Lock()
	if t.checks[ck.key] != ck {
		t.mu.Unlock()
		return
	}
	left := slices.Clone(ck.offsets)
	t.mu.Unlock()
	for i, offset := range left {
		if errors.Is(t.retry(ck, offset), store.ErrUnavailable) {
			t.mu.Lock()
			ck.offsets = left[i:]
			ck.revive = t.b.timers.add(t.b.cfg.Now().Add(putRetry), func() { t.bringBack(ck) })
			t.mu.Unlock()
			return
		}
	}
	t.mu.Lock()
	defer t.mu.Unlock()
	delete(t.checks, ck.key)
}

// unindexable tells topics with which RocketMQ writes a message that its index
// cannot read: the length is written as one signed byte if there are few UTF-16
// units, however many bytes. It passes over the message then, and, other than
// minimq, over some of its neighbours.
func unindexable(topic string) bool {
	units := 0
	for _, r := range topic {
		units += utf16.RuneLen(r)
	}
	return len(topic) > 127 && units <= 127
}

// retry stores one message in the retry topic. Messages that have expired, or
// whose topic or group are gone, do not return.
func (t *popTable) retry(ck *checkpoint, offset int64) error {
	k := ck.key
	r := t.b.store.Get(k.topic, k.queue, offset, 1, nil)
	if len(r.Messages) == 0 || r.Offsets[0] != offset || !t.b.groups.has(k.group) || !t.b.hasTopic(k.topic) {
		return nil
	}
	p, err := store.Parse(r.Messages[0])
	if err != nil {
		return err
	}
	m := p.Message
	if !strings.HasPrefix(m.Topic, store.RetryPrefix) {
		m.Topic = popRetryTopic(k.group, k.topic)
	}
	if m.Reconsume == 0 || m.Properties[propFirstPop] == "" {
		m.Properties[propFirstPop] = itoa(k.popTime)
	}
	m.Properties[propOriginGroup] = k.group
	if unindexable(m.Topic) {
		return nil
	}
	m.QueueID = 0
	m.Reconsume++
	m.BornHost = t.b.ep.addrPort()
	if !t.b.hasTopic(m.Topic) {
		t.b.makeTopic(m.Topic, 1)
		if at := (offsetKey{k.group, m.Topic, 0}); t.b.offsets.get(at) < 0 {
			t.b.offsets.commit(at, 0)
		}
	}
	_, err = t.b.store.Put(&m)
	return err
}
