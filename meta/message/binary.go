package message

import (
	"encoding/binary"
	"errors"
	"fmt"
	"math"
)

// ErrFormat says that bytes are not a message as AppendBinary writes it, or of a format that this build does not know.
var ErrFormat = errors.New("message has an unknown binary format")

// binaryFormat is the first byte of every encoded message.
const binaryFormat = 1

// Bits of the second byte; bits 0-1 are the QoS.
const (
	flagFormat      = 1 << 2 // has a payload format indicator
	flagUTF8        = 1 << 3 // which is 1
	flagExpiry      = 1 << 4
	flagCorrelation = 1 << 5
	flagRetain      = 1 << 6
	flagTopic       = 1 << 7 // Topic is not ""
)

// AppendBinary appends the message in the compact form in which it is kept, all of it but StoreMillis:
//
//	format 01 | flags | topic if flagged | zigzag varint BornMillis | uvarint Expiry if flagged | correlation data if flagged |
//	content type | response topic | uvarint number of user properties | (name, value)* | key | publisher | payload to the end
//
// Strings and correlation data are a uvarint length and their bytes. Topic may be "", for a keeper who has it elsewhere.
// Topic, QoS and properties must be such as an MQTT packet can carry.
func AppendBinary(dst []byte, m *Message) []byte {
	p := &m.Properties
	dst = append(dst, binaryFormat, m.binaryFlags())
	if m.Topic != "" {
		dst = appendField(dst, m.Topic)
	}
	dst = binary.AppendVarint(dst, m.BornMillis)
	if p.HasExpiry {
		dst = binary.AppendUvarint(dst, uint64(p.Expiry))
	}
	if p.CorrelationData != nil {
		dst = appendField(dst, p.CorrelationData)
	}
	dst = appendField(dst, p.ContentType)
	dst = appendField(dst, p.ResponseTopic)
	dst = binary.AppendUvarint(dst, uint64(len(p.User)))
	for _, u := range p.User {
		dst = appendField(dst, u.Key)
		dst = appendField(dst, u.Value)
	}
	dst = appendField(dst, m.Key)
	dst = appendField(dst, m.Publisher)
	return append(dst, m.Payload...)
}

func (m *Message) binaryFlags() byte {
	p := &m.Properties
	flags := m.QoS & 3
	if p.HasFormat {
		flags |= flagFormat | (p.PayloadFormat&1)<<3
	}
	if p.HasExpiry {
		flags |= flagExpiry
	}
	if p.CorrelationData != nil {
		flags |= flagCorrelation
	}
	if m.Retain {
		flags |= flagRetain
	}
	if m.Topic != "" {
		flags |= flagTopic
	}
	return flags
}

func appendField[T string | []byte](dst []byte, s T) []byte {
	dst = binary.AppendUvarint(dst, uint64(len(s)))
	return append(dst, s...)
}

// ParseBinary reads what AppendBinary wrote. Payload and correlation data share the memory of b; an empty payload becomes
// nil. It checks the encoding, not whether the strings are such as MQTT allows. The error wraps ErrFormat.
func ParseBinary(b []byte) (*Message, error) {
	if len(b) < 2 || b[0] != binaryFormat {
		return nil, fmt.Errorf("read message: %w", ErrFormat)
	}
	flags, d := b[1], &binaryReader{rest: b[2:]}
	m := &Message{QoS: flags & 3, Retain: flags&flagRetain != 0}
	if flags&flagTopic != 0 {
		if m.Topic = d.string(); m.Topic == "" {
			d.fail()
		}
	}
	m.BornMillis = d.int()
	d.properties(flags, &m.Properties)
	m.Key, m.Publisher = d.string(), d.string()
	if len(d.rest) > 0 {
		m.Payload = d.rest
	}
	if d.bad || m.QoS > 2 || flags&(flagFormat|flagUTF8) == flagUTF8 {
		return nil, fmt.Errorf("read message: malformed: %w", ErrFormat)
	}
	return m, nil
}

// binaryReader reads fields. After the first error every read returns nothing.
type binaryReader struct {
	rest []byte
	bad  bool
}

func (d *binaryReader) properties(flags byte, p *Properties) {
	p.HasFormat, p.PayloadFormat = flags&flagFormat != 0, flags&flagUTF8>>3
	if p.HasExpiry = flags&flagExpiry != 0; p.HasExpiry {
		p.Expiry = uint32(d.below(math.MaxUint32))
	}
	if flags&flagCorrelation != 0 {
		p.CorrelationData = d.bytes()
	}
	p.ContentType, p.ResponseTopic = d.string(), d.string()
	n := d.below(uint64(len(d.rest)) / 2) // a property takes two bytes at least
	if n == 0 {
		return
	}
	p.User = make([]UserProperty, 0, min(n, 64))
	for ; n > 0 && !d.bad; n-- {
		p.User = append(p.User, UserProperty{Key: d.string(), Value: d.string()})
	}
}

func (d *binaryReader) fail() { d.bad, d.rest = true, nil }

// below reads a number that must not exceed limit.
func (d *binaryReader) below(limit uint64) uint64 {
	v, n := binary.Uvarint(d.rest)
	if n <= 0 || v > limit {
		d.fail()
		return 0
	}
	d.rest = d.rest[n:]
	return v
}

func (d *binaryReader) int() int64 {
	v, n := binary.Varint(d.rest)
	if n <= 0 {
		d.fail()
		return 0
	}
	d.rest = d.rest[n:]
	return v
}

// bytes returns a field in place, never nil unless malformed.
func (d *binaryReader) bytes() []byte {
	n := d.below(math.MaxInt)
	if d.bad || n > uint64(len(d.rest)) {
		d.fail()
		return nil
	}
	s := d.rest[:n:n]
	d.rest = d.rest[n:]
	return s
}

func (d *binaryReader) string() string { return string(d.bytes()) }
