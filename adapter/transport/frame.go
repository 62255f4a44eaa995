package transport

import (
	"encoding/binary"
	"errors"
	"fmt"
	"math"
	"net"
	"strings"
	"sync"
)

// A frame from the server is not masked (RFC 6455 section 5.1): 1 B FIN and opcode, 1 B length up to 125, or 126 and
// 2 B, or 127 and 8 B, then the payload. So data frames are written here with one system call; the library, which
// would need a buffer per connection for that, writes control frames only.
const (
	finBinary = 0x82
	finClose  = 0x88
	finPing   = 0x89
	opcodes   = 0x0f
	opClose   = 0x08

	maxHeader  = 10
	maxControl = 2 + 125
	maxJoined  = 4096 // larger payloads are not copied behind their header but sent with writev
)

var errFrameCut = errors.New("frame sent in part")

// frameBuffers lends room to join a header and its payload.
type frameBuffers struct{ pool sync.Pool }

type frameBuffer [maxHeader + maxJoined]byte

func (b *frameBuffers) get() *frameBuffer {
	if f, ok := b.pool.Get().(*frameBuffer); ok {
		return f
	}
	return new(frameBuffer)
}

func (b *frameBuffers) put(f *frameBuffer) { b.pool.Put(f) }

// write sends p as one binary message and returns how much of p went out.
func (b *frameBuffers) write(conn net.Conn, p []byte) (int, error) {
	f := b.get()
	defer b.put(f)
	frame := appendHeader(f[:0], len(p))
	header := len(frame)
	if len(p) <= maxJoined {
		n, err := conn.Write(append(frame, p...))
		return max(0, n-header), err
	}
	both := net.Buffers{frame, p}
	n, err := both.WriteTo(conn)
	if err == nil && n != int64(header+len(p)) {
		err = errFrameCut
	}
	return int(max(0, n-int64(header))), err
}

// appendHeader appends the header of an unmasked binary message of n bytes.
func appendHeader(b []byte, n int) []byte {
	switch {
	case n <= 125:
		return append(b, finBinary, byte(n))
	case n <= math.MaxUint16:
		return binary.BigEndian.AppendUint16(append(b, finBinary, 126), uint16(n))
	}
	return binary.BigEndian.AppendUint64(append(b, finBinary, 127), uint64(n))
}

// closeFrame is a close frame: 2 B code, then the reason in UTF-8, cut where a character ends.
func closeFrame(code StatusCode, reason string) []byte {
	if len(reason) > maxReason {
		reason = reason[:maxReason]
	}
	reason = strings.ToValidUTF8(reason, "")
	b := make([]byte, 0, maxControl)
	b = append(b, finClose, byte(2+len(reason)))
	b = binary.BigEndian.AppendUint16(b, uint16(code))
	return append(b, reason...)
}

// ErrTextFrame is what Read returns after a text frame: MQTT travels in binary frames only [MQTT-6.0.0-1].
var ErrTextFrame = errors.New("text frame received, MQTT needs binary frames")

// frameError is a fault of the peer's framing, and the close code it earns.
type frameError struct {
	code StatusCode
	err  error
}

func (e *frameError) Error() string { return fmt.Sprintf("websocket: %v", e.err) }
func (e *frameError) Unwrap() error { return e.err }
