package redisstore

import (
	"fmt"

	"lmqgate/meta/message"
	"lmqgate/meta/retain"
)

// encodeRetained is message.AppendBinary without the topic, which is in the key, and without the mark that it is
// retained, which all of them are. retain_set.lua checks the first byte.
func encodeRetained(m *message.Message) []byte {
	bare := *m
	bare.Topic, bare.Retain = "", false
	return message.AppendBinary(make([]byte, 0, len(m.Payload)+128), &bare)
}

// decodeRetained reads the message of a topic; errors wrap retain.ErrFormat.
func decodeRetained(topic, value string) (*message.Message, error) {
	m, err := message.ParseBinary([]byte(value))
	if err != nil {
		return nil, fmt.Errorf("read retained message: %w: %w", retain.ErrFormat, err)
	}
	if m.Topic != "" || m.Retain || len(m.Payload) == 0 {
		return nil, fmt.Errorf("read retained message: malformed value: %w", retain.ErrFormat)
	}
	m.Topic, m.Retain = topic, true
	return m, nil
}
