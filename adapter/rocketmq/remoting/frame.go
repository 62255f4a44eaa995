package remoting

import (
	"bufio"
	"encoding/binary"
	"fmt"
	"io"
)

const (
	// MaxFrame is the longest frame either side may send: what a stock broker
	// and its clients accept (com.rocketmq.remoting.frameMaxLength, 16 MiB).
	MaxFrame = 16 << 20
	// maxHeader follows from the 3 B header length.
	maxHeader = 1<<24 - 1
	// growBy is what is allocated before the peer has proven that a long frame
	// is more than a length field.
	growBy = 256 << 10
)

// ReadFrame reads one frame and returns it without its 4 B length. A length
// above limit, or too short for a header length, is an error; memory follows
// the bytes that really arrive. The returned slice belongs to the caller.
//
// io.EOF means the peer closed between frames.
func ReadFrame(r *bufio.Reader, limit int) ([]byte, error) {
	var head [4]byte
	if _, err := io.ReadFull(r, head[:]); err != nil {
		return nil, err
	}
	n := int64(binary.BigEndian.Uint32(head[:]))
	if n < 4 || n > int64(limit) {
		return nil, fmt.Errorf("frame length %d, limit %d: %w", n, limit, ErrFrame)
	}
	size := int(n)
	frame := make([]byte, min(size, growBy))
	read := 0
	for {
		m, err := io.ReadFull(r, frame[read:])
		read += m
		if err == io.EOF {
			err = io.ErrUnexpectedEOF
		}
		if err != nil {
			return nil, err
		}
		if read == size {
			return frame, nil
		}
		grown := make([]byte, min(size, 2*len(frame)))
		copy(grown, frame)
		frame = grown
	}
}
