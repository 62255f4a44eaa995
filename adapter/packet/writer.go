package packet

import (
	"encoding/binary"
	"slices"
)

// writer appends fields to a packet. Like reader, it keeps the first failure, and finish reports it.
type writer struct {
	b     []byte
	start int // where the packet begins
	err   error
}

// begin starts a packet behind dst. One byte is kept free for the remaining length; finish makes room for more.
func begin(dst []byte, t Type) writer {
	return writer{b: append(dst, byte(t)<<4|t.flags(), 0), start: len(dst)}
}

// finish fills in the remaining length. On a failure it returns dst as it was.
func (w *writer) finish() ([]byte, error) {
	w.closeLength(w.start + 1)
	if w.err != nil {
		return w.b[:w.start], w.err
	}
	return w.b, nil
}

// openLength keeps one byte free for a Variable Byte Integer and returns its place.
func (w *writer) openLength() int {
	w.b = append(w.b, 0)
	return len(w.b) - 1
}

// closeLength writes at the place the number of bytes behind it, moving them if the length takes more than a byte.
func (w *writer) closeLength(at int) {
	n := len(w.b) - at - 1
	if n > maxVarint {
		w.fail("packet longer than the protocol allows")
		return
	}
	if n < 0x80 {
		w.b[at] = byte(n)
		return
	}
	var enc [4]byte
	w.b = slices.Replace(w.b, at, at+1, appendVarint(enc[:0], n)...)
}

func (w *writer) fail(msg string) {
	if w.err == nil {
		w.err = &Error{Code: ImplementationSpecificError, Msg: "encode: " + msg}
	}
}

func (w *writer) byte(b byte)     { w.b = append(w.b, b) }
func (w *writer) uint16(n uint16) { w.b = binary.BigEndian.AppendUint16(w.b, n) }
func (w *writer) uint32(n uint32) { w.b = binary.BigEndian.AppendUint32(w.b, n) }

func (w *writer) text(s, what string) {
	if len(s) > 0xffff {
		w.fail(what + " longer than 65535 bytes")
		return
	}
	if !validTextString(s) {
		w.fail(what + " is not valid UTF-8")
	}
	w.uint16(uint16(len(s)))
	w.b = append(w.b, s...)
}

func (w *writer) binary(b []byte, what string) {
	if len(b) > 0xffff {
		w.fail(what + " longer than 65535 bytes")
		return
	}
	w.uint16(uint16(len(b)))
	w.b = append(w.b, b...)
}

func (w *writer) packetID(id uint16) {
	if id == 0 {
		w.fail("packet identifier is 0")
	}
	w.uint16(id)
}
