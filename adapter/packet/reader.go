package packet

import "encoding/binary"

// reader takes fields from the front of a packet body. The first failure stays in err and every later read returns a
// zero value, so decoders read straight through and look at err once.
type reader struct {
	b       []byte
	version Version
	alias   bool // strings and byte slices may point into b, which then belongs to the packet
	err     error
}

func (r *reader) fail(c ReasonCode, msg string) {
	if r.err == nil {
		r.err = &Error{Code: c, Msg: msg}
		r.b = nil
	}
}

// take returns the next n bytes, or nil if there are fewer.
func (r *reader) take(n int, what string) []byte {
	if r.err != nil {
		return nil
	}
	if n > len(r.b) {
		r.fail(MalformedPacket, what+": packet ends early")
		return nil
	}
	b := r.b[:n:n]
	r.b = r.b[n:]
	return b
}

func (r *reader) byte(what string) byte {
	if b := r.take(1, what); b != nil {
		return b[0]
	}
	return 0
}

func (r *reader) uint16(what string) uint16 {
	if b := r.take(2, what); b != nil {
		return binary.BigEndian.Uint16(b)
	}
	return 0
}

func (r *reader) uint32(what string) uint32 {
	if b := r.take(4, what); b != nil {
		return binary.BigEndian.Uint32(b)
	}
	return 0
}

func (r *reader) varint(what string) int {
	var x varint
	for {
		b := r.byte(what)
		if r.err != nil {
			return 0
		}
		done, ok := x.add(b)
		if !ok {
			r.fail(MalformedPacket, what+": longer than four bytes")
			return 0
		}
		if done {
			break
		}
	}
	if !x.minimal() {
		r.fail(MalformedPacket, what+": not in its shortest form")
		return 0
	}
	return x.value
}

// text reads a UTF-8 encoded string: two bytes of length, then the bytes.
func (r *reader) text(what string) string {
	b := r.take(int(r.uint16(what)), what)
	if !validText(b) {
		r.fail(MalformedPacket, what+": not valid UTF-8")
		return ""
	}
	if r.alias {
		return aliasString(b)
	}
	return string(b)
}

// binary reads binary data: two bytes of length, then the bytes. The result is not nil unless the read failed.
func (r *reader) binary(what string) []byte {
	b := r.take(int(r.uint16(what)), what)
	if r.err != nil || r.alias {
		return b
	}
	return append(make([]byte, 0, len(b)), b...)
}

// packetID reads a packet identifier, which is never 0 [MQTT-2.2.1-3].
func (r *reader) packetID() uint16 {
	id := r.uint16("packet identifier")
	if r.err == nil && id == 0 {
		r.fail(ProtocolError, "packet identifier is 0")
	}
	return id
}

// reason reads a reason code and checks that packets of type t may carry it.
func (r *reader) reason(t Type) ReasonCode {
	c := ReasonCode(r.byte("reason code"))
	if r.err == nil && !c.ValidIn(t) {
		r.fail(ProtocolError, "reason code not allowed in "+t.String())
	}
	return c
}

// filters counts the strings from here to the end of the packet, each followed by extra bytes, so that their slice is
// allocated once. Where the packet is broken it counts up to there.
func (r *reader) filters(extra int) int {
	n := 0
	for b := r.b; len(b) >= 2; n++ {
		size := 2 + int(binary.BigEndian.Uint16(b)) + extra
		if size > len(b) {
			break
		}
		b = b[size:]
	}
	return n
}

// end checks that nothing is left and returns the first failure.
func (r *reader) end() error {
	if r.err == nil && len(r.b) > 0 {
		r.fail(MalformedPacket, "bytes left over at the end")
	}
	return r.err
}
