package relay

import (
	"slices"
	"strings"

	"lmqgate/meta/message"
)

// outcome is what became of a message, as metrics name it.
type outcome string

const (
	outcomeRelayed outcome = "relayed"
	outcomeMQTT    outcome = "mqtt"    // it was written for MQTT clients already
	outcomeTopic   outcome = "topic"   // it makes no MQTT topic
	outcomeBroken  outcome = "broken"  // its body cannot be read
	outcomeRefused outcome = "refused" // it can never be published: too large
)

// own are properties that RocketMQ and its clients set; the others are the application's.
var own = []string{
	message.PropTags, message.PropKeys, message.PropWait, message.PropKey, message.PropDispatch, message.PropOffsets, "DELAY", "RETRY_TOPIC",
	"REAL_TOPIC", "REAL_QID", "TRAN_MSG", "PGROUP", "MIN_OFFSET", "MAX_OFFSET", "BUYER_ID", "ORIGIN_MESSAGE_ID", "TRANSFER_FLAG", "CORRECTION_FLAG",
	"MQ2_FLAG", "RECONSUME_TIME", "MSG_REGION", "TRACE_ON", "MAX_RECONSUME_TIMES", "CONSUME_START_TIME", "INSTANCE_ID", "CLUSTER",
	"TRAN_PREPARED_QUEUE_OFFSET", "__transactionId__", "__SHARDINGKEY", "POP_CK", "1ST_POP_TIME", "CRC32", "__CRC32#",
	"TIMER_DELIVER_MS", "TIMER_DELAY_MS", "TIMER_DELAY_SEC", "TIMER_OUT_MS", "TIMER_ENQUEUE_MS", "TIMER_DEQUEUE_MS", "TIMER_ROLL_TIMES",
}

// uniqueKey is the length of a UNIQ_KEY.
const uniqueKey = 32

// message is what a record becomes, with QoS 1. It is nil if nothing is to be published, for the reason given.
func (r Rule) message(rec *Record) (*message.Message, outcome, error) {
	tag := rec.prop(message.PropTags)
	if tag == message.TagCommon || tag == message.TagPart || rec.prop(message.PropTopic) != "" || rec.prop(message.PropDispatch) != "" {
		return nil, outcomeMQTT, nil
	}
	if rec.Broken != nil {
		return nil, outcomeBroken, rec.Broken
	}
	name, err := r.name(rec.prop)
	if err != nil {
		return nil, outcomeTopic, err
	}
	m := &message.Message{Topic: name, Payload: rec.Body, QoS: 1}
	if key := rec.prop(message.PropKey); len(key) == uniqueKey { // what is relayed twice can be told by it
		m.Key = key
	}
	m.TraceParent, m.TraceState = rec.prop(message.PropTraceParent), rec.prop(message.PropTraceState)
	user := func(name, value string) {
		if value != "" && !strings.ContainsRune(value, 0) {
			m.Properties.User = append(m.Properties.User, message.UserProperty{Key: name, Value: value})
		}
	}
	user("rocketmq-topic", r.Topic)
	user("rocketmq-tag", tag)
	user("rocketmq-keys", rec.prop(message.PropKeys))
	var rest []message.UserProperty
	for k, v := range rec.Properties {
		if !slices.Contains(own, k) && k != message.PropTraceParent && k != message.PropTraceState && !strings.ContainsRune(k+v, 0) {
			rest = append(rest, message.UserProperty{Key: k, Value: v})
		}
	}
	slices.SortFunc(rest, func(a, b message.UserProperty) int { return strings.Compare(a.Key, b.Key) })
	m.Properties.User = append(m.Properties.User, rest...)
	return m, outcomeRelayed, nil
}
