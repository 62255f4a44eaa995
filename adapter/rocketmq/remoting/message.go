package remoting

import (
	"bytes"
	"compress/zlib"
	"encoding/binary"
	"errors"
	"fmt"
	"hash/crc32"
	"io"
	"net/netip"
)

// A message as it lies in the commit log and in the body of a pull answer:
//
//	4 B total size, this field included
//	4 B magic, MagicV1 or MagicV2
//	4 B CRC-32 (IEEE) of the stored body, upper bit cleared
//	4 B queue id          4 B flag (the application's)
//	8 B queue offset      8 B physical offset
//	4 B system flag (Sys... bits)
//	8 B born ms           4 B or 16 B address + 4 B port of the sender
//	8 B store ms          4 B or 16 B address + 4 B port of the broker
//	4 B times reconsumed  8 B offset of a prepared transaction
//	4 B + body
//	1 B + topic (MagicV2: 2 B)
//	2 B + properties
const (
	MagicV1 uint32 = 0xDAA320A7
	MagicV2 uint32 = 0xDAA320AB
)

// Bits of Message.SysFlag.
const (
	SysCompressed      int32 = 1
	SysBornHostV6      int32 = 1 << 4
	SysStoreHostV6     int32 = 1 << 5
	SysCompressionMask int32 = 7 << 8 // 0 and 3 zlib, 1 LZ4, 2 ZSTD
	SysCompressionZlib int32 = 3 << 8
)

// maxInflated bounds a compressed body once inflated.
const maxInflated = MaxFrame

// minMessage is the size of a message with an empty topic, body and properties.
const minMessage = 4 + 4 + 4 + 4 + 4 + 8 + 8 + 4 + 8 + 8 + 8 + 8 + 4 + 8 + 4 + 1 + 2

// ErrMessage is wrapped by errors of bytes that are no commit log message.
var ErrMessage = errors.New("malformed message")

// Message is one stored message. Body and Properties alias the bytes it was
// decoded from, unless the body had to be inflated.
type Message struct {
	Topic          string
	QueueID        int32
	QueueOffset    int64
	PhysicalOffset int64
	Flag           int32
	SysFlag        int32
	BornMillis     int64
	StoreMillis    int64
	BornHost       netip.AddrPort
	StoreHost      netip.AddrPort
	Reconsume      int32
	PreparedOffset int64
	Body           []byte
	Properties     Properties
	// Err says why Body cannot be trusted (checksum, unknown compression); the
	// other fields are good. One such message must not hide its neighbours.
	Err error
}

// DecodeMessages reads a run of messages, as in the body of a pull answer. An
// error means that the run breaks off; the messages before the break are
// returned with it.
func DecodeMessages(body []byte) ([]Message, error) {
	var out []Message
	for len(body) > 0 {
		if len(body) < minMessage {
			return out, fmt.Errorf("%d bytes left: %w", len(body), ErrMessage)
		}
		size := binary.BigEndian.Uint32(body)
		if size < minMessage || uint64(size) > uint64(len(body)) {
			return out, fmt.Errorf("size %d of %d bytes left: %w", size, len(body), ErrMessage)
		}
		if out == nil {
			out = make([]Message, 0, min(32, len(body)/int(size)+1))
		}
		out = append(out, Message{})
		if err := out[len(out)-1].decode(body[:size]); err != nil {
			return out[:len(out)-1], err
		}
		body = body[size:]
	}
	return out, nil
}

// decode reads one message that fills b, which is at least minMessage long.
func (m *Message) decode(b []byte) error {
	magic := binary.BigEndian.Uint32(b[4:])
	if magic != MagicV1 && magic != MagicV2 {
		return fmt.Errorf("magic %#x: %w", magic, ErrMessage)
	}
	r := cursor{b: b[8:]}
	crc := r.u32()
	m.QueueID, m.Flag = int32(r.u32()), int32(r.u32())
	m.QueueOffset, m.PhysicalOffset = int64(r.u64()), int64(r.u64())
	m.SysFlag = int32(r.u32())
	m.BornMillis = int64(r.u64())
	m.BornHost = r.host(m.SysFlag&SysBornHostV6 != 0)
	m.StoreMillis = int64(r.u64())
	m.StoreHost = r.host(m.SysFlag&SysStoreHostV6 != 0)
	m.Reconsume = int32(r.u32())
	m.PreparedOffset = int64(r.u64())
	body := r.take(uint64(r.u32()))
	if magic == MagicV2 {
		m.Topic = string(r.take(uint64(r.u16())))
	} else {
		m.Topic = string(r.take(uint64(r.u8())))
	}
	m.Properties = r.take(uint64(r.u16()))
	if r.short {
		return fmt.Errorf("fields exceed size %d: %w", len(b), ErrMessage)
	}
	m.Body, m.Err = readBody(body, crc, m.SysFlag)
	return nil
}

// readBody checks the checksum and inflates. A checksum of 0 was not computed.
func readBody(body []byte, crc uint32, sysFlag int32) ([]byte, error) {
	if crc != 0 && bodyCRC(body) != crc {
		return body, fmt.Errorf("body checksum: %w", ErrMessage)
	}
	if sysFlag&SysCompressed == 0 {
		return body, nil
	}
	switch kind := sysFlag & SysCompressionMask; kind {
	case 0, SysCompressionZlib:
		return inflate(body)
	default:
		return body, fmt.Errorf("compression %d is not supported: %w", kind>>8, ErrMessage)
	}
}

func inflate(body []byte) ([]byte, error) {
	z, err := zlib.NewReader(bytes.NewReader(body))
	if err != nil {
		return body, fmt.Errorf("inflate body: %w: %w", ErrMessage, err)
	}
	out, err := io.ReadAll(io.LimitReader(z, maxInflated+1))
	if err != nil {
		return body, fmt.Errorf("inflate body: %w: %w", ErrMessage, err)
	}
	if len(out) > maxInflated {
		return body, fmt.Errorf("inflated body exceeds %d bytes: %w", maxInflated, ErrMessage)
	}
	return out, nil
}

func bodyCRC(body []byte) uint32 { return crc32.ChecksumIEEE(body) & 0x7FFFFFFF }
