package store

import (
	"encoding/binary"
	"fmt"

	"lmqgate/adapter/rocketmq/remoting"
)

// Parsed is a stored message taken apart; unlike remoting.DecodeMessages it
// leaves a compressed body as it is, so that it can be stored again.
type Parsed struct {
	Message
	Offset, Physical, Millis int64
}

// Parse reads one message as Get and At return it.
func Parse(raw []byte) (Parsed, error) {
	list, err := remoting.DecodeMessages(raw)
	if err != nil || len(list) != 1 {
		return Parsed{}, fmt.Errorf("parse stored message: %d messages: %w", len(list), err)
	}
	d := list[0]
	start := 84 // fixed part with IPv4 hosts, before the body's length
	if d.SysFlag&remoting.SysBornHostV6 != 0 {
		start += 12
	}
	if d.SysFlag&remoting.SysStoreHostV6 != 0 {
		start += 12
	}
	n := int(binary.BigEndian.Uint32(raw[start:]))
	return Parsed{
		Message: Message{
			Topic: d.Topic, QueueID: d.QueueID, Flag: d.Flag, SysFlag: d.SysFlag,
			BornMillis: d.BornMillis, BornHost: d.BornHost, Reconsume: d.Reconsume,
			Body: raw[start+4 : start+4+n], Properties: d.Properties.Map(),
		},
		Offset: d.QueueOffset, Physical: d.PhysicalOffset, Millis: d.StoreMillis,
	}, nil
}

// Recode returns raw with another topic and another set of properties, all else
// as it was stored: what POP hands out of a retry topic.
func Recode(p Parsed, raw []byte, topic string, props map[string]string) ([]byte, error) {
	list, err := remoting.DecodeMessages(raw)
	if err != nil || len(list) != 1 {
		return nil, fmt.Errorf("recode stored message: %d messages: %w", len(list), err)
	}
	d := list[0]
	d.Topic, d.Properties, d.Body = topic, EncodeProperties(props), p.Body
	return remoting.AppendMessage(nil, &d)
}
