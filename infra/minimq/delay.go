package minimq

import (
	"errors"
	"strconv"
	"time"

	"lmqgate/infra/minimq/store"
)

// Properties of messages with a time of their own.
const (
	propTimerDeliver  = "TIMER_DELIVER_MS"
	propTimerDelaySec = "TIMER_DELAY_SEC"
	propTimerDelayMs  = "TIMER_DELAY_MS"
	propTimerOut      = "TIMER_OUT_MS"
	timerMaxDelay     = 3 * 24 * time.Hour
	putRetry          = time.Second
)

var errTimer = errors.New("timer message illegal")

// put stores a message. One with a delay goes to the schedule topic first, and
// to its own when its time has come.
func (b *Broker) put(m *store.Message) (store.Stored, error) {
	if len(m.Body) == 0 {
		return store.Stored{}, store.ErrIllegal
	}
	due, err := b.divertDelayed(m)
	if err != nil {
		return store.Stored{}, err
	}
	st, err := b.store.Put(m)
	if err == nil && !due.IsZero() {
		b.timers.add(due, func() { b.deliver(st.Physical) })
	}
	return st, err
}

// divertDelayed changes topic and queue of a message that must wait and returns
// when it is due.
func (b *Broker) divertDelayed(m *store.Message) (time.Time, error) {
	now := b.cfg.Now()
	if level, _ := strconv.Atoi(m.Properties[propDelay]); level > 0 {
		level = min(level, len(b.cfg.DelayLevels))
		for _, k := range []string{propTimerDeliver, propTimerDelaySec, propTimerDelayMs} {
			delete(m.Properties, k)
		}
		m.Properties[propDelay] = strconv.Itoa(level)
		due := now.Add(b.cfg.DelayLevels[level-1])
		divert(m, store.ScheduleTopic, int32(level-1))
		m.TagsCode = due.UnixMilli()
		return due, nil
	}
	due, wanted, err := timerDue(m, now)
	if err != nil || !wanted || !due.After(now) {
		return time.Time{}, err
	}
	if due.Sub(now) > timerMaxDelay {
		return time.Time{}, errTimer
	}
	due = due.Add(-1).Truncate(time.Second) // RocketMQ's wheel has slots of a second
	m.Properties[propTimerOut] = itoa(due.UnixMilli())
	divert(m, timerTopic, 0)
	return due, nil
}

func divert(m *store.Message, topic string, queue int32) {
	m.Properties[propRealTopic], m.Properties[propRealQueue] = m.Topic, itoa(m.QueueID)
	m.Topic, m.QueueID = topic, queue
}

func timerDue(m *store.Message, now time.Time) (due time.Time, wanted bool, err error) {
	for _, k := range []string{propTimerDelaySec, propTimerDelayMs, propTimerDeliver} {
		v, found := m.Properties[k]
		if !found {
			continue
		}
		n, err := strconv.ParseInt(v, 10, 64)
		if err != nil || n < 0 || n > 1<<53 {
			return time.Time{}, true, errTimer
		}
		switch k {
		case propTimerDelaySec:
			if n > int64(timerMaxDelay/time.Second) {
				return time.Time{}, true, errTimer
			}
			return now.Add(time.Duration(n) * time.Second), true, nil
		case propTimerDelayMs:
			if n > timerMaxDelay.Milliseconds() {
				return time.Time{}, true, errTimer
			}
			return now.Add(time.Duration(n) * time.Millisecond), true, nil
		}
		return time.UnixMilli(n), true, nil
	}
	return time.Time{}, false, nil
}

// deliver moves a delayed message to its own topic. If it has expired meanwhile
// it is lost, as it is in RocketMQ.
func (b *Broker) deliver(phys int64) {
	raw, found := b.store.At(phys)
	if !found {
		return
	}
	p, err := store.Parse(raw)
	if err != nil {
		b.log.Error("deliver delayed message", "error", err)
		return
	}
	m := p.Message
	queue, _ := strconv.ParseInt(m.Properties[propRealQueue], 10, 32)
	m.Topic, m.QueueID = m.Properties[propRealTopic], int32(queue)
	for _, k := range []string{propTimerDeliver, propTimerDelaySec, propTimerDelayMs} {
		delete(m.Properties, k)
	}
	if _, err := b.store.Put(&m); errors.Is(err, store.ErrUnavailable) {
		b.timers.add(b.cfg.Now().Add(putRetry), func() { b.deliver(phys) })
	}
}
