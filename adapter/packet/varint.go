package packet

// maxVarint is the largest Variable Byte Integer: four bytes of seven bits [MQTT-1.5.5-1].
const maxVarint = 1<<28 - 1

// varintSize is the number of bytes that n takes as a Variable Byte Integer.
func varintSize(n int) int {
	switch {
	case n < 1<<7:
		return 1
	case n < 1<<14:
		return 2
	case n < 1<<21:
		return 3
	}
	return 4
}

// appendVarint encodes n, which must be at most maxVarint.
func appendVarint(dst []byte, n int) []byte {
	for n >= 0x80 {
		dst = append(dst, byte(n)|0x80)
		n >>= 7
	}
	return append(dst, byte(n))
}

// varint collects a Variable Byte Integer byte by byte: least significant seven bits first, bit 7 says that another
// byte follows.
type varint struct {
	value int
	n     int
}

// add takes the next byte. done is true with the last one; ok is false if a fifth byte would be needed.
func (x *varint) add(b byte) (done, ok bool) {
	x.value |= int(b&0x7f) << (7 * x.n)
	x.n++
	if b&0x80 == 0 {
		return true, true
	}
	return false, x.n < 4
}

// minimal says whether the encoding used as few bytes as possible [MQTT-1.5.5-1].
func (x *varint) minimal() bool { return x.n == varintSize(x.value) }
