package rocketmq_test

import (
	"slices"
	"strconv"
	"strings"
	"time"

	"lmqgate/adapter/rocketmq/remoting"
)

// fakePops is what a fakeServer knows of groups. A message that is returned goes
// to the retry topic at once, whatever its invisible time; one that is not
// acknowledged never comes back.
type fakePops struct {
	offsets map[string]int // group@topic
	held    []*heldPull
	acked   []remoting.AckedRun
	changed []*remoting.Command
	popTime int64
}

func popGroupKey(group, topic string) string { return group + "@" + topic }

func (s *fakeServer) pop(c *fakeConn, cmd *remoting.Command) *remoting.Command {
	s.mu.Lock()
	defer s.mu.Unlock()
	if answer := s.takeLocked(cmd); answer != nil {
		return answer
	}
	poll, _ := strconv.Atoi(cmd.Ext["pollTime"])
	none := cmd.Response(remoting.PollingTimeout, "")
	if poll == 0 {
		return none
	}
	h := &heldPull{conn: c, cmd: cmd}
	s.pops.held = append(s.pops.held, h)
	h.timer = time.AfterFunc(time.Duration(poll)*time.Millisecond, func() {
		s.mu.Lock()
		i := slices.Index(s.pops.held, h)
		if i >= 0 {
			s.pops.held = slices.Delete(s.pops.held, i, i+1)
		}
		s.mu.Unlock()
		if i >= 0 {
			c.reply(none)
		}
	})
	return nil
}

// takeLocked takes messages of the retry topic, then of the LMQ itself.
func (s *fakeServer) takeLocked(cmd *remoting.Command) *remoting.Command {
	group, lmq := cmd.Ext["consumerGroup"], cmd.Ext["topic"]
	limit, _ := strconv.Atoi(cmd.Ext["maxMsgNums"])
	answer := cmd.Response(remoting.Success, "FOUND")
	var starts, offsets []string
	taken, rest := 0, 0
	for flag, topic := range map[string]string{"0": lmq, "1": "%RETRY%" + group + "_" + lmq} {
		k := popGroupKey(group, topic)
		from := s.pops.offsets[k]
		to := min(len(s.queues[topic]), from+limit-taken)
		rest += len(s.queues[topic]) - to
		if from == to {
			continue
		}
		var list []string
		for i := from; i < to; i++ {
			answer.Body, _ = remoting.AppendMessage(answer.Body, &s.queues[topic][i])
			list = append(list, strconv.Itoa(i))
		}
		taken += to - from
		s.pops.offsets[k] = to
		starts = append(starts, flag+" 0 "+strconv.Itoa(from))
		offsets = append(offsets, flag+" 0 "+strings.Join(list, ","))
	}
	if taken == 0 {
		return nil
	}
	s.pops.popTime++
	answer.Ext = map[string]string{
		"popTime": strconv.FormatInt(s.pops.popTime, 10), "invisibleTime": cmd.Ext["invisibleTime"], "reviveQid": "3",
		"restNum": strconv.Itoa(rest), "startOffsetInfo": strings.Join(starts, ";"), "msgOffsetInfo": strings.Join(offsets, ";"),
	}
	return answer
}

// wakePopsLocked answers the POPs that there is something for; call the
// result without the lock.
func (s *fakeServer) wakePopsLocked() func() {
	var answers []func()
	var left []*heldPull
	for _, h := range s.pops.held {
		if s.loseWakeups {
			left = append(left, h)
			continue
		}
		if a := s.takeLocked(h.cmd); a != nil {
			h.timer.Stop()
			answers = append(answers, func() { h.conn.reply(a) })
		} else {
			left = append(left, h)
		}
	}
	s.pops.held = left
	return func() {
		for _, f := range answers {
			f()
		}
	}
}

func (s *fakeServer) batchAck(cmd *remoting.Command) *remoting.Command {
	body, err := remoting.DecodeBatchAck(cmd.Body)
	if err != nil {
		return cmd.Response(remoting.SystemError, err.Error())
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	s.pops.acked = append(s.pops.acked, body.Runs...)
	return cmd.Response(remoting.Success, "")
}

// change puts the message into the retry topic.
func (s *fakeServer) change(cmd *remoting.Command) *remoting.Command {
	group, topic := cmd.Ext["consumerGroup"], cmd.Ext["topic"]
	offset, _ := strconv.Atoi(cmd.Ext["offset"])
	s.mu.Lock()
	defer func() {
		wake := s.wakePopsLocked()
		s.mu.Unlock()
		wake()
	}()
	s.pops.changed = append(s.pops.changed, cmd)
	m := s.queues[topic][offset]
	m.Reconsume++
	m.Topic = topic
	retry := topic
	if !strings.HasPrefix(topic, "%RETRY%") {
		retry = "%RETRY%" + group + "_" + topic
	}
	m.QueueOffset = int64(len(s.queues[retry]))
	s.queues[retry] = append(s.queues[retry], m)
	s.pops.popTime++
	answer := cmd.Response(remoting.Success, "")
	answer.Ext = map[string]string{"popTime": strconv.FormatInt(s.pops.popTime, 10), "invisibleTime": cmd.Ext["invisibleTime"], "reviveQid": "3"}
	return answer
}

// ackedOffsets lists what was acknowledged, as topic@offset.
func (s *fakeServer) ackedOffsets() []string {
	s.mu.Lock()
	defer s.mu.Unlock()
	var out []string
	for _, r := range s.pops.acked {
		for i := range len(r.Offsets) * 8 {
			if r.Offsets[i/8]&(1<<(i%8)) != 0 {
				out = append(out, r.Topic+"@"+strconv.FormatInt(r.StartOffset+int64(i), 10))
			}
		}
	}
	slices.Sort(out)
	return out
}

func (s *fakeServer) heldPops() int {
	s.mu.Lock()
	defer s.mu.Unlock()
	return len(s.pops.held)
}

func (s *fakeServer) setLoseWakeups(on bool) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.loseWakeups = on
}
