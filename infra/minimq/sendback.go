package minimq

import (
	"strconv"
	"strings"

	"lmqgate/adapter/rocketmq/remoting"
	"lmqgate/infra/minimq/store"
)

// sendBack stores a message that a consumer could not handle once more, delayed,
// in the retry topic of its group, or in the dead letter topic.
func (b *Broker) sendBack(a *args) *remoting.Command {
	phys, group, level := a.int("offset"), a.str("group"), int(a.int32("delayLevel"))
	if a.bad != "" {
		return nil
	}
	g, found := b.groups.find(group)
	if !found {
		return answer(remoting.SubscriptionGroupNone, "subscription group not exist, "+group+" "+seeFAQ)
	}
	if g.RetryQueueNums <= 0 {
		return ok()
	}
	topic := b.makeTopic(store.RetryPrefix+group, g.RetryQueueNums)
	raw, found := b.store.At(phys)
	if !found {
		return answer(remoting.SystemError, "look message by offset failed, "+itoa(phys))
	}
	p, err := store.Parse(raw)
	if err != nil {
		return answer(remoting.SystemError, err.Error())
	}
	m := p.Message
	if m.Properties[propRetryTopic] == "" {
		m.Properties[propRetryTopic] = m.Topic
	}
	if m.Properties[propOriginID] == "" {
		m.Properties[propOriginID] = b.store.ID(p.Physical)
	}
	m.Properties[remoting.PropertyWait] = "false"
	most := a.opt("maxReconsumeTimes", int64(g.RetryMaxTimes))
	if int64(m.Reconsume) >= most || level < 0 {
		topic = b.makeTopic(dlqPrefix+group, 1)
		m.Properties[propDelay] = "0"
	} else {
		if level == 0 {
			level = 3 + int(m.Reconsume)
		}
		m.Properties[propDelay] = strconv.Itoa(level)
	}
	m.Topic, m.QueueID = topic.name, int32(b.random(max(topic.write, 1)))
	m.Reconsume++
	if _, err := b.put(&m); err != nil {
		return answer(remoting.SystemError, "SERVICE_NOT_AVAILABLE")
	}
	return ok()
}

// divertDead changes a message sent to a retry topic that has been tried too
// often, or whose group consumes in order: it goes to the dead letter topic.
func (b *Broker) divertDead(m *store.Message, h sendHeader) *remoting.Command {
	group, found := strings.CutPrefix(m.Topic, store.RetryPrefix)
	if !found {
		return nil
	}
	g, found := b.groups.find(group)
	if !found {
		return b.refuse(remoting.SubscriptionGroupNone, "subscription group not exist, "+group+" "+seeFAQ)
	}
	most := int64(g.RetryMaxTimes)
	if h.maxReconsume >= 0 {
		most = h.maxReconsume
	}
	if int64(h.reconsume) <= most && b.locks.free(group) {
		return nil
	}
	delete(m.Properties, propDelay)
	m.Topic, m.QueueID = b.makeTopic(dlqPrefix+group, 1).name, 0
	return nil
}
