package redisstore

import (
	"fmt"
	"math"

	"lmqgate/meta/message"
	"lmqgate/meta/retain"
)

// retainFormat is the first byte of every retained message; retain_set.lua checks it too.
const retainFormat = 1

// Bits of the second byte of a retained message; bits 0-1 are the QoS.
const (
	retainHasFormat      = 1 << 2
	retainUTF8           = 1 << 3
	retainHasExpiry      = 1 << 4
	retainHasCorrelation = 1 << 5
	retainFlags          = 1<<6 - 1
)

// encodeRetained: format, flags, born, expiry if flagged, correlation data if flagged, content type, response topic,
// number of user properties, (name, value)*, key, publisher, payload to the end. The topic is in the key.
func encodeRetained(m *message.Message) []byte {
	p := &m.Properties
	flags := m.QoS & 3
	if p.HasFormat {
		flags |= retainHasFormat | p.PayloadFormat&1<<3
	}
	if p.HasExpiry {
		flags |= retainHasExpiry
	}
	if p.CorrelationData != nil {
		flags |= retainHasCorrelation
	}
	e := make(encoder, 0, len(m.Payload)+128)
	e.byte(retainFormat)
	e.byte(flags)
	e.int(m.BornMillis)
	if p.HasExpiry {
		e.uint(uint64(p.Expiry))
	}
	if p.CorrelationData != nil {
		e.string(string(p.CorrelationData))
	}
	e.string(p.ContentType)
	e.string(p.ResponseTopic)
	e.uint(uint64(len(p.User)))
	for _, u := range p.User {
		e.string(u.Key)
		e.string(u.Value)
	}
	e.string(m.Key)
	e.string(m.Publisher)
	return append(e, m.Payload...)
}

// decodeRetained reads the message of a topic; errors wrap retain.ErrFormat.
func decodeRetained(topic, value string) (*message.Message, error) {
	if value == "" || value[0] != retainFormat {
		return nil, fmt.Errorf("read retained message: %w", retain.ErrFormat)
	}
	d := &decoder{rest: value[1:]}
	flags := d.byte()
	m := &message.Message{Topic: topic, Retain: true, QoS: flags & 3, BornMillis: d.int()}
	p := &m.Properties
	p.HasFormat, p.PayloadFormat = flags&retainHasFormat != 0, flags&retainUTF8>>3
	if p.HasExpiry = flags&retainHasExpiry != 0; p.HasExpiry {
		p.Expiry = uint32(d.below(math.MaxUint32))
	}
	if flags&retainHasCorrelation != 0 {
		p.CorrelationData = []byte(d.string())
	}
	p.ContentType, p.ResponseTopic = d.string(), d.string()
	if n := d.below(uint64(len(d.rest)) / 2); n > 0 { // a property takes two bytes at least
		p.User = make([]message.UserProperty, 0, min(n, 64))
		for ; n > 0 && !d.bad; n-- {
			p.User = append(p.User, message.UserProperty{Key: d.string(), Value: d.string()})
		}
	}
	m.Key, m.Publisher = d.string(), d.string()
	m.Payload = []byte(d.rest)
	if d.bad || flags&^retainFlags != 0 || m.QoS > 2 || len(m.Payload) == 0 || (p.PayloadFormat != 0 && !p.HasFormat) {
		return nil, fmt.Errorf("read retained message: malformed value: %w", retain.ErrFormat)
	}
	return m, nil
}
