package rocketmq

import (
	"fmt"
	"slices"
	"strconv"
	"strings"
	"testing"
	"time"

	"lmqgate/adapter/rocketmq/remoting"
)

var wireKey = popKey{LMQ{"b", "%LMQ%t%+%"}, "%LMQ%g", 30 * time.Second}

// wireBody is a run of messages with these offsets in the LMQ, -1 for none, and
// behind a '@' in the retry topic.
func wireBody(offsets ...string) []byte {
	var body []byte
	for _, o := range offsets {
		m := remoting.Message{Topic: "t", QueueOffset: 1 << 40, Body: []byte("x")}
		o, back, found := strings.Cut(o, "@")
		if found {
			m.Topic = wireKey.lmq.Name
			m.QueueOffset, _ = strconv.ParseInt(back, 10, 64)
		}
		var p []byte
		if o != "-1" {
			p = remoting.AppendProperty(p, remoting.PropertyMultiDispatch, "%LMQ%x,%LMQ%t%+%")
			p = remoting.AppendProperty(p, remoting.PropertyMultiQueueOffset, "77,"+o)
		}
		m.Properties = remoting.AppendProperty(p, remoting.PropertyUniqueKey, "K"+o)
		body, _ = remoting.AppendMessage(body, &m)
	}
	return body
}

func TestParsePop(t *testing.T) {
	retry := "%RETRY%%LMQ%g_%LMQ%t%+%"
	for _, k := range []struct {
		name, starts, offsets string
		body                  []byte
		want                  []string // topic@offset of the handle, = start, = LMQOffset
		err                   bool
	}{
		{name: "one run", starts: "0 0 5", offsets: "0 0 5,6", body: wireBody("5", "6"), want: []string{"%LMQ%t%+%@5=5=5", "%LMQ%t%+%@6=5=6"}},
		{name: "a hole", starts: "0 0 5", offsets: "0 0 5,9", body: wireBody("5", "9"), want: []string{"%LMQ%t%+%@5=5=5", "%LMQ%t%+%@9=5=9"}},
		{name: "retry first", starts: "1 0 2;0 0 5", offsets: "1 0 2;0 0 5", body: wireBody("3@2", "5"), want: []string{retry + "@2=2=3", "%LMQ%t%+%@5=5=5"}},
		{name: "retry of another kind", starts: "0 0 5;2 0 7", offsets: "0 0 5;2 0 7,8", body: wireBody("5", "1@7", "0@8"), want: []string{"%LMQ%t%+%@5=5=5", retry + "@7=7=1", retry + "@8=7=0"}},
		{name: "retry only", starts: "1 0 0", offsets: "1 0 0", body: wireBody("7@0"), want: []string{retry + "@0=0=7"}},
		{name: "no offset in the message", starts: "0 0 5", offsets: "0 0 5", body: wireBody("-1"), want: []string{"%LMQ%t%+%@5=5=5"}},
		{name: "another offset in the message", starts: "0 0 5", offsets: "0 0 5,6", body: wireBody("5", "7"), want: []string{"%LMQ%t%+%@5=5=5"}, err: true},
		{name: "more messages", starts: "0 0 5", offsets: "0 0 5", body: wireBody("5", "6"), want: []string{"%LMQ%t%+%@5=5=5"}, err: true},
		{name: "retry left out", starts: "1 0 2;0 0 5", offsets: "1 0 2,3;0 0 5", body: wireBody("5"), want: []string{"%LMQ%t%+%@5=5=5"}, err: true},
		{name: "one retry left out", starts: "1 0 2;0 0 5", offsets: "1 0 2,3;0 0 5", body: wireBody("4@3", "5"), want: []string{retry + "@3=2=4", "%LMQ%t%+%@5=5=5"}, err: true},
		{name: "retry in the wrong run", starts: "0 0 5", offsets: "0 0 5", body: wireBody("5@5"), err: true},
		{name: "cut", starts: "0 0 5", offsets: "0 0 5,6", body: wireBody("5", "6")[:200], want: []string{"%LMQ%t%+%@5=5=5"}, err: true},
		{name: "nothing", err: true},
		{name: "runs that differ", starts: "0 0 5;1 0 2", offsets: "0 0 5", err: true},
		{name: "flags that differ", starts: "0 0 5", offsets: "1 0 5", err: true},
		{name: "behind the start", starts: "0 0 5", offsets: "0 0 4", err: true},
		{name: "far ahead", starts: "0 0 5", offsets: "0 0 99999999", err: true},
		{name: "no number", starts: "0 0 x", offsets: "0 0 5", err: true},
		{name: "too many", starts: "0 0 0", offsets: "0 0 " + strings.Repeat("0,", 40) + "0", err: true},
	} {
		t.Run(k.name, func(t *testing.T) {
			a := &remoting.Command{Body: k.body, Ext: map[string]string{
				"popTime": "1700000000000", "reviveQid": "3", "startOffsetInfo": k.starts, "msgOffsetInfo": k.offsets,
			}}
			now := time.Now()
			got, err := parsePop(a, wireKey, now)
			if (err != nil) != k.err {
				t.Fatalf("error %v", err)
			}
			var list []string
			for _, m := range got {
				h := m.Handle
				list = append(list, fmt.Sprintf("%s@%d=%d=%d", h.topic, h.offset, h.start, m.LMQOffset))
				if h.popTime != 1700000000000 || h.revive != 3 || h.invisible != 30000 || !h.until.Equal(now.Add(30*time.Second)) || h.group != "%LMQ%g" || h.broker != "b" {
					t.Errorf("handle %+v", h)
				}
			}
			if !slices.Equal(list, k.want) {
				t.Errorf("got %v, want %v", list, k.want)
			}
		})
	}
}

func FuzzParsePop(f *testing.F) {
	f.Add("0 0 5;2 0 7", "0 0 5;2 0 7,8", "1700000000000", "3", wireBody("5", "1@7", "0@8"))
	f.Add("1 0 2", "1 0 2,3", "1", "0", wireBody("-1"))
	f.Fuzz(func(t *testing.T, starts, offsets, popTime, revive string, body []byte) {
		a := &remoting.Command{Body: body, Ext: map[string]string{
			"popTime": popTime, "reviveQid": revive, "startOffsetInfo": starts, "msgOffsetInfo": offsets,
		}}
		got, _ := parsePop(a, wireKey, time.Now())
		var batch []*ack
		for _, m := range got {
			if m.PulledMessage == nil || m.Handle.offset < m.Handle.start {
				t.Fatalf("%+v", m)
			}
			batch = append(batch, &ack{h: m.Handle})
		}
		if b, err := remoting.DecodeBatchAck(ackRequest("b", batch).Body); err != nil || len(b.Runs) > len(batch) {
			t.Fatalf("%+v %v", b, err)
		}
	})
}
