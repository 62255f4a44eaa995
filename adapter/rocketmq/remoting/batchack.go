package remoting

import (
	"encoding/json"
	"fmt"
)

// BatchAck is the body of a BatchAckMessage request.
type BatchAck struct {
	Broker string     `json:"brokerName"`
	Runs   []AckedRun `json:"acks"`
}

// AckedRun acknowledges messages that one POP took from one queue.
type AckedRun struct {
	Group string `json:"c"`
	Topic string `json:"t"`
	// Retry says what becomes of Topic: "0" nothing, "1" it is the name of a
	// topic whose retry topic is meant, "2" the same of another format.
	Retry       string `json:"r"`
	StartOffset int64  `json:"so"`
	QueueID     int32  `json:"q"`
	ReviveQueue int32  `json:"rq"`
	PopTime     int64  `json:"pt"` // ms
	Invisible   int64  `json:"it"` // ms
	// Offsets holds bit i, of byte i/8 and there of value 1<<(i%8), if the
	// message at StartOffset+i is acknowledged. In JSON it is base64.
	Offsets []byte `json:"b"`
}

// Encode returns the body as JSON.
func (b BatchAck) Encode() ([]byte, error) { return json.Marshal(b) }

// DecodeBatchAck reads the body of a BatchAckMessage request.
func DecodeBatchAck(body []byte) (BatchAck, error) {
	var b BatchAck
	if err := json.Unmarshal(body, &b); err != nil {
		return BatchAck{}, fmt.Errorf("decode batch ack: %w", err)
	}
	return b, nil
}
