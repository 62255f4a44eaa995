// Package remoting is RocketMQ's wire: frames, headers, request and response
// codes, commit log messages, and a connection that multiplexes tens of
// thousands of requests.
//
// A frame, all integers big endian:
//
//	4 B length of all that follows
//	1 B serialisation of the header (0 JSON, 1 ROCKETMQ binary)
//	3 B header length
//	header
//	body
package remoting

import (
	"encoding/binary"
	"errors"
	"fmt"
)

// Serialisations of a header. A broker answers in the one it was asked in.
const (
	SerializeJSON   byte = 0
	SerializeBinary byte = 1
)

// Flag bits of a Command.
const (
	FlagResponse int32 = 1
	FlagOneway   int32 = 2
)

// ErrFrame is wrapped by every error that means: the peer sent, or we were
// asked to send, bytes that are no frame. A connection does not survive it.
var ErrFrame = errors.New("malformed frame")

// Command is one request or response.
//
// Code is 32 bits wide since POP and its relatives have codes above 200,000;
// those exist in the JSON serialisation only, the binary header has 16 bits.
type Command struct {
	Code      int32
	Language  byte
	Version   int16
	Opaque    int32
	Flag      int32
	Remark    string
	Ext       map[string]string
	Body      []byte
	Serialize byte
}

// NewRequest returns a request with this package's language and version.
// Codes too wide for the binary header are sent as JSON, all others in binary.
func NewRequest(code int32, ext map[string]string, body []byte) *Command {
	c := &Command{Code: code, Language: LanguageGo, Version: ClientVersion, Ext: ext, Body: body, Serialize: SerializeBinary}
	if code > maxBinaryCode {
		c.Serialize = SerializeJSON
	}
	return c
}

// Response returns an empty response to c, in the serialisation of c.
func (c *Command) Response(code int32, remark string) *Command {
	return &Command{
		Code: code, Language: LanguageGo, Version: ClientVersion, Opaque: c.Opaque,
		Flag: FlagResponse, Remark: remark, Serialize: c.Serialize,
	}
}

// IsResponse tells a response from a request.
func (c *Command) IsResponse() bool { return c.Flag&FlagResponse != 0 }

// IsOneway tells whether the sender wants no response.
func (c *Command) IsOneway() bool { return c.Flag&FlagOneway != 0 }

// Append appends the whole frame, its length included, to dst.
func (c *Command) Append(dst []byte) ([]byte, error) {
	start := len(dst)
	dst = append(dst, 0, 0, 0, 0, 0, 0, 0, 0)
	var err error
	switch c.Serialize {
	case SerializeJSON:
		dst, err = c.appendJSON(dst)
	case SerializeBinary:
		dst, err = c.appendBinary(dst)
	default:
		err = fmt.Errorf("serialisation %d: %w", c.Serialize, ErrFrame)
	}
	if err != nil {
		return dst[:start], err
	}
	return closeFrame(dst, start, c.Serialize, c.Body)
}

// closeFrame writes the two lengths in front of the header that ends dst and
// appends the body.
func closeFrame(dst []byte, start int, serialize byte, body []byte) ([]byte, error) {
	header := len(dst) - start - 8
	if header > maxHeader {
		return dst[:start], fmt.Errorf("header of %d bytes: %w", header, ErrFrame)
	}
	dst = append(dst, body...)
	total := len(dst) - start - 4
	if total > MaxFrame {
		return dst[:start], fmt.Errorf("frame of %d bytes: %w", total, ErrFrame)
	}
	binary.BigEndian.PutUint32(dst[start:], uint32(total))
	binary.BigEndian.PutUint32(dst[start+4:], uint32(serialize)<<24|uint32(header))
	return dst, nil
}

// Decode reads a frame without its 4 B length, in either serialisation. The
// Command's Body aliases frame.
func Decode(frame []byte) (*Command, error) {
	if len(frame) < 4 {
		return nil, fmt.Errorf("frame of %d bytes: %w", len(frame), ErrFrame)
	}
	serialize := frame[0]
	n := int(binary.BigEndian.Uint32(frame) & 0xFFFFFF)
	if n > len(frame)-4 {
		return nil, fmt.Errorf("header of %d bytes in a frame of %d: %w", n, len(frame), ErrFrame)
	}
	header, body := frame[4:4+n], frame[4+n:]
	c := &Command{Serialize: serialize}
	var err error
	switch serialize {
	case SerializeJSON:
		err = c.decodeJSON(header)
	case SerializeBinary:
		err = c.decodeBinary(header)
	default:
		err = fmt.Errorf("serialisation %d: %w", serialize, ErrFrame)
	}
	if err != nil {
		return nil, err
	}
	if len(body) > 0 {
		c.Body = body
	}
	return c, nil
}
