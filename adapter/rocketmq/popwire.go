package rocketmq

import (
	"errors"
	"fmt"
	"strconv"
	"strings"
	"time"

	"lmqgate/adapter/rocketmq/remoting"
)

// popAnswer is what came of a POP: messages, none, or an error.
type popAnswer struct {
	messages []Popped
	rest     int64
	err      error
}

// popRequest makes a POP. With bornTime 0 the broker measures pollTime by its
// own clock, see popClock. initMode counts only for a group without an offset, see BeginGroup.
func popRequest(k popKey, limit int, poll time.Duration, born popBorn) *remoting.Command {
	return remoting.NewRequest(remoting.PopMessage, map[string]string{
		"consumerGroup": k.group, "topic": k.lmq.Name, "queueId": "0", "maxMsgNums": strconv.Itoa(limit),
		"invisibleTime": strconv.FormatInt(k.invisible.Milliseconds(), 10), "pollTime": strconv.FormatInt(poll.Milliseconds(), 10),
		"bornTime": born.text, "initMode": "1", "expType": "TAG", "exp": "*", "order": "false", "bname": k.lmq.Broker,
	}, nil)
}

// parse reads the answer to a POP of q that has just arrived.
func (q *popQueue) parse(a *remoting.Command, err error) popAnswer {
	switch {
	case err != nil:
		return popAnswer{err: fmt.Errorf("pop %s at %s: %w", q.key.lmq.Name, q.key.lmq.Broker, err)}
	case a.Code == remoting.PollingTimeout:
		return popAnswer{}
	case a.Code == remoting.PollingFull:
		return popAnswer{err: fmt.Errorf("pop %s at %s: too many wait there: %w", q.key.lmq.Name, q.key.lmq.Broker, ErrBusy)}
	case a.Code != remoting.Success:
		return popAnswer{err: fmt.Errorf("pop %s at %s: %w", q.key.lmq.Name, q.key.lmq.Broker, answerError(a))}
	}
	out := popAnswer{}
	if out.messages, err = parsePop(a, q.key, time.Now()); err != nil {
		out.err = fmt.Errorf("pop %s at %s: %w", q.key.lmq.Name, q.key.lmq.Broker, err)
	}
	out.rest, _ = strconv.ParseInt(a.Ext["restNum"], 10, 64)
	return out
}

var errPopAnswer = errors.New("malformed answer")

// popRun is a run of messages of an answer: those of one topic and queue.
//
//	startOffsetInfo: flag queue start;...
//	msgOffsetInfo:   flag queue offset,offset,...;...
//
// The runs stand in the order of the messages. flag is 0 for the topic asked
// for, 1 for its retry topic; but also 2, which means one of another format,
// when the name of the retry topic contains a '+', as those of wildcards do.
type popRun struct {
	retry   bool
	queue   int32
	start   int64
	offsets []int64
}

// parsePop reads messages and makes their handles. A message that is not where it
// should be is left out, with an error: it comes back.
func parsePop(a *remoting.Command, k popKey, now time.Time) ([]Popped, error) {
	runs, err := parseRuns(a.Ext["startOffsetInfo"], a.Ext["msgOffsetInfo"])
	if err != nil {
		return nil, err
	}
	base := Handle{broker: k.lmq.Broker, group: k.group, queueID: 0, invisible: k.invisible.Milliseconds(), until: now.Add(k.invisible)}
	if base.popTime, err = strconv.ParseInt(a.Ext["popTime"], 10, 64); err != nil {
		return nil, fmt.Errorf("pop time %q: %w", a.Ext["popTime"], errPopAnswer)
	}
	revive, err := strconv.ParseInt(a.Ext["reviveQid"], 10, 32)
	if err != nil {
		return nil, fmt.Errorf("revive queue %q: %w", a.Ext["reviveQid"], errPopAnswer)
	}
	base.revive = int32(revive)
	messages, err := remoting.DecodeMessages(a.Body)
	if err != nil && len(messages) == 0 {
		return nil, err
	}
	out := make([]Popped, 0, len(messages))
	all := make([]PulledMessage, len(messages))
	missing := 0
	for _, r := range runs {
		for _, offset := range r.offsets {
			i := len(out)
			if i == len(messages) || !r.has(&messages[i], offset, k.lmq.Name) {
				missing++
				continue
			}
			h := base
			h.topic, h.queueID, h.start, h.offset = k.lmq.Name, r.queue, r.start, offset
			if r.retry {
				h.topic = retryTopic(k.group, k.lmq.Name)
			}
			at, ok := lmqOffset(messages[i].Properties, k.lmq.Name)
			if !ok {
				at = offset
			}
			key, _ := messages[i].Properties.Get(remoting.PropertyUniqueKey)
			all[i] = PulledMessage{Message: messages[i], LMQOffset: at, Key: key}
			out = append(out, Popped{&all[i], h})
		}
	}
	if err == nil && (missing > 0 || len(out) < len(messages)) {
		err = fmt.Errorf("%d messages, %d offsets without one: %w", len(messages), missing, errPopAnswer)
	}
	return out, err
}

// has tells whether m is the message of the run at offset. The broker may leave
// a message out of an answer that it cannot encode. One that came back has the
// LMQ's name as its topic, or that of the retry topic, and its offset there.
func (r *popRun) has(m *remoting.Message, offset int64, lmq string) bool {
	back := m.Topic == lmq || isRetryTopic(m.Topic)
	if r.retry {
		return back && m.QueueOffset == offset
	}
	at, ok := lmqOffset(m.Properties, lmq)
	return !back && (!ok || at == offset)
}

// maxRun bounds how far a message lies behind the start of its run.
const maxRun = 1 << 16

func parseRuns(starts, offsets string) ([]popRun, error) {
	s, o := strings.Split(starts, ";"), strings.Split(offsets, ";")
	if len(s) != len(o) {
		return nil, fmt.Errorf("%d and %d offset runs: %w", len(s), len(o), errPopAnswer)
	}
	runs := make([]popRun, 0, len(s))
	for i := range s {
		from, at := strings.Fields(s[i]), strings.Fields(o[i])
		if len(from) != 3 || len(at) != 3 || from[0] != at[0] || from[1] != at[1] {
			return nil, fmt.Errorf("offset runs %q, %q: %w", s[i], o[i], errPopAnswer)
		}
		r := popRun{retry: from[0] != "0"}
		queue, err := strconv.ParseInt(from[1], 10, 32)
		if err != nil {
			return nil, fmt.Errorf("queue %q: %w", from[1], errPopAnswer)
		}
		r.queue = int32(queue)
		if r.start, err = strconv.ParseInt(from[2], 10, 64); err != nil {
			return nil, fmt.Errorf("start offset %q: %w", from[2], errPopAnswer)
		}
		for v := range strings.SplitSeq(at[2], ",") {
			n, err := strconv.ParseInt(v, 10, 64)
			if err != nil || len(r.offsets) == MaxPop || n < r.start || n-r.start > maxRun {
				return nil, fmt.Errorf("offsets %q: %w", at[2], errPopAnswer)
			}
			r.offsets = append(r.offsets, n)
		}
		runs = append(runs, r)
	}
	return runs, nil
}
