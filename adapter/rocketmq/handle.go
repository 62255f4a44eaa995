package rocketmq

import (
	"fmt"
	"time"
)

// Handle names a message handed out by POP, as acknowledgements do. It is
// comparable; the zero Handle names nothing.
type Handle struct {
	broker, group string
	topic         string // the LMQ, or the retry topic of (group, LMQ)
	queueID       int32
	revive        int32
	start, offset int64 // of the run that was handed out, of the message
	popTime       int64 // ms, by the broker's clock
	invisible     int64 // ms
	until         time.Time
}

// Until is when the message comes back at the earliest, by our clock. Brokers
// bring it back 2.0 s to 3.4 s later.
func (h Handle) Until() time.Time { return h.until }

// Broker returns the name of the broker that handed the message out.
func (h Handle) Broker() string { return h.broker }

// extraInfo is how the broker's requests spell h.
func (h Handle) extraInfo() string {
	flag := 0
	if isRetryTopic(h.topic) {
		flag = 1
	}
	return fmt.Sprintf("%d %d %d %d %d %s %d %d", h.start, h.popTime, h.invisible, h.revive, flag, h.broker, h.queueID, h.offset)
}
