package rocketmq

import (
	"lmqgate/adapter/rocketmq/remoting"
)

// ackRun is what acknowledgements must have in common to go as one run.
type ackRun struct {
	group, topic       string
	queueID, revive    int32
	start              int64
	popTime, invisible int64
}

// ackRequest acknowledges a batch. The topic is named in full, so that the
// broker does not work out the retry topic itself.
func ackRequest(broker string, batch []*ack) *remoting.Command {
	body := remoting.BatchAck{Broker: broker}
	at := make(map[ackRun]int, len(batch))
	for _, k := range batch {
		h := k.h
		r := ackRun{h.group, h.topic, h.queueID, h.revive, h.start, h.popTime, h.invisible}
		i, known := at[r]
		if !known {
			i = len(body.Runs)
			at[r] = i
			body.Runs = append(body.Runs, remoting.AckedRun{
				Group: r.group, Topic: r.topic, Retry: "0", StartOffset: r.start, QueueID: r.queueID,
				ReviveQueue: r.revive, PopTime: r.popTime, Invisible: r.invisible,
			})
		}
		setBit(&body.Runs[i].Offsets, int(h.offset-h.start))
	}
	b, _ := body.Encode() // strings and numbers: cannot fail
	return remoting.NewRequest(remoting.BatchAckMessage, nil, b)
}

func setBit(b *[]byte, i int) {
	for len(*b) <= i/8 {
		*b = append(*b, 0)
	}
	(*b)[i/8] |= 1 << (i % 8)
}
