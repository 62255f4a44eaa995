package packet

import (
	"bufio"
	"fmt"
	"io"
	"sync/atomic"
)

// DefaultBuffer is the size in bytes of a Decoder's read buffer. Packets that fit, other than PUBLISH, are decoded
// inside it.
const DefaultBuffer = 512

// firstPiece is how much of a longer body is allocated before any of it has come.
const firstPiece = 4096

// Decoder reads packets from a byte stream, in either direction. It is for one goroutine.
//
// It keeps only its read buffer between packets. A longer body, and the body of every PUBLISH, is allocated once its
// length is known to be within the limit, and belongs to the packet. A peer that announces much and sends little costs
// little: beyond 4 KiB memory grows with what has come, at most fourfold, to the exact length.
type Decoder struct {
	r       *bufio.Reader
	max     int // bytes of a whole packet
	version Version
	held    atomic.Int64
	err     error  // every later Next returns it
	ack     Puback // reused for PUBACK, PUBREC, PUBREL and PUBCOMP
}

// NewDecoder returns a Decoder that refuses packets of more than maxPacketSize bytes, fixed header included; 0 means the
// protocol's own limit of 256 MiB.
func NewDecoder(r io.Reader, maxPacketSize int) *Decoder {
	return NewDecoderSize(r, maxPacketSize, DefaultBuffer)
}

// NewDecoderSize is NewDecoder with a read buffer of the given number of bytes (at least 16).
func NewDecoderSize(r io.Reader, maxPacketSize, buffer int) *Decoder {
	d := &Decoder{r: bufio.NewReaderSize(r, buffer)}
	d.SetMaxPacketSize(maxPacketSize)
	return d
}

// SetMaxPacketSize changes the limit from the next packet on, so that a client that is not yet authenticated can be
// held to less; 0 means the protocol's own limit.
func (d *Decoder) SetMaxPacketSize(n int) {
	if n <= 0 {
		n = 1 + 4 + maxVarint
	}
	d.max = n
}

// SetVersion says which version the packets have. A server need not call it: CONNECT sets the version by itself. Before
// either, anything but CONNECT is a protocol error [MQTT-3.1.0-1].
func (d *Decoder) SetVersion(v Version) { d.version = v }

// Version is the version of the last CONNECT or SetVersion, 0 before. After a CONNECT that failed it is the version to
// answer in: the client's, or the nearest one if the client's is unknown.
func (d *Decoder) Version() Version { return d.version }

// Next reads one packet. At the end of the stream it returns io.EOF, inside a packet io.ErrUnexpectedEOF; another failure of
// the reader comes wrapped; bytes that are not MQTT give an *Error. After an error the position in the stream is lost,
// so every later call returns the same error.
//
// A Puback, Pubrec, Pubrel or Pubcomp is overwritten by the next call. All other packets belong to the caller.
func (d *Decoder) Next() (Packet, error) {
	if d.err != nil {
		return nil, d.err
	}
	first, err := d.r.ReadByte() // waits here, on as little stack as can be: most connections are idle
	return d.next(first, err)
}

// Peek waits until a byte of the next packet is there. A failure of the reader is not remembered: after one that passes,
// such as a deadline, Next goes on.
func (d *Decoder) Peek() error {
	if d.err != nil {
		return d.err
	}
	_, err := d.r.Peek(1)
	return err
}

// next reads the packet behind its first byte, and remembers errors.
//
//go:noinline
func (d *Decoder) next(first byte, err error) (p Packet, _ error) {
	switch {
	case err == nil:
		p, err = d.rest(first)
	case err != io.EOF:
		err = readError(err)
	}
	if err != nil {
		d.err = err
		return nil, err
	}
	return p, nil
}

func (d *Decoder) rest(first byte) (Packet, error) {
	t, flags := Type(first>>4), first&0xf
	if err := d.checkFirst(t, flags); err != nil {
		return nil, err
	}
	length, err := d.length(t)
	if err != nil {
		return nil, err
	}
	n := length.value
	if t == PUBLISH || n > d.r.Size() {
		body, err := d.body(n)
		if err != nil {
			return nil, readError(err)
		}
		return d.decode(t, flags, body, length)
	}
	body, err := d.r.Peek(n)
	if err != nil {
		return nil, readError(err)
	}
	p, err := d.decode(t, flags, body, length)
	d.r.Discard(n) //nolint:errcheck // n bytes are in the buffer
	return p, err
}

// body reads n bytes into memory of their own.
func (d *Decoder) body(n int) ([]byte, error) {
	body := make([]byte, min(n, firstPiece))
	if n > firstPiece {
		defer d.held.Store(0)
	}
	for read := 0; ; {
		k, err := io.ReadFull(d.r, body[read:])
		if read += k; err != nil || read == n {
			return body, err
		}
		longer := make([]byte, min(n, 4*len(body)))
		copy(longer, body)
		body = longer
		d.held.Store(int64(len(body)))
	}
}

// Buffered is the number of bytes that have come of packets not yet returned; bytes of a body that is being read are
// not among them.
func (d *Decoder) Buffered() int { return d.r.Buffered() }

// Held is the memory of a body of more than a few kilobytes that is being read. Any goroutine may ask.
func (d *Decoder) Held() int { return int(d.held.Load()) }

// checkFirst refuses a first byte that no packet can begin with, before anything else is read.
func (d *Decoder) checkFirst(t Type, flags byte) error {
	switch {
	case t == 0 || t == AUTH && d.version != 0 && d.version != V5:
		return failf(MalformedPacket, "reserved packet %v", t)
	case d.version == 0 && t != CONNECT: // [MQTT-3.1.0-1]
		return failf(ProtocolError, "%v before CONNECT", t)
	case t == PUBLISH || flags == t.flags():
		return nil
	case d.version == V31 && t.flags() != 0 && flags|0b1001 == t.flags()|0b1001: // 3.1 has DUP there, RETAIN is not used
		return nil
	}
	return failf(MalformedPacket, "%v with wrong flags", t) // [MQTT-2.1.3-1]
}

// length reads the remaining length and holds it against the limit.
func (d *Decoder) length(t Type) (varint, error) {
	var x varint
	for {
		b, err := d.r.ReadByte()
		if err != nil {
			return x, readError(err)
		}
		done, ok := x.add(b)
		if !ok {
			return x, failf(MalformedPacket, "remaining length longer than four bytes")
		}
		if done {
			break
		}
	}
	fixed, isFixed := t.fixedLength(d.version)
	switch {
	case 1+x.n+x.value > d.max: // [MQTT-3.1.2-24]
		return x, failf(PacketTooLarge, "%v of %d bytes", t, 1+x.n+x.value)
	case isFixed && x.value != fixed:
		return x, failf(MalformedPacket, "%v with remaining length %d", t, x.value)
	}
	return x, nil
}

// readError wraps a failure of the reader inside a packet; the end of the stream is unexpected there.
func readError(err error) error {
	if err == io.EOF || err == io.ErrUnexpectedEOF {
		return io.ErrUnexpectedEOF
	}
	return fmt.Errorf("read packet: %w", err)
}
