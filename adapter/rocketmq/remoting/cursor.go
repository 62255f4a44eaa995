package remoting

import (
	"encoding/binary"
	"net/netip"
)

// cursor reads big endian fields; past the end it returns zeroes and sets short.
type cursor struct {
	b     []byte
	short bool
}

func (r *cursor) take(n uint64) []byte {
	if r.short || n > uint64(len(r.b)) {
		r.short = true
		return nil
	}
	out := r.b[:n:n]
	r.b = r.b[n:]
	return out
}

func (r *cursor) u8() uint8 {
	if b := r.take(1); b != nil {
		return b[0]
	}
	return 0
}

func (r *cursor) u16() uint16 {
	if b := r.take(2); b != nil {
		return binary.BigEndian.Uint16(b)
	}
	return 0
}

func (r *cursor) u32() uint32 {
	if b := r.take(4); b != nil {
		return binary.BigEndian.Uint32(b)
	}
	return 0
}

func (r *cursor) u64() uint64 {
	if b := r.take(8); b != nil {
		return binary.BigEndian.Uint64(b)
	}
	return 0
}

// host reads an address and a 4 B port.
func (r *cursor) host(v6 bool) netip.AddrPort {
	n := uint64(4)
	if v6 {
		n = 16
	}
	addr, _ := netip.AddrFromSlice(r.take(n))
	return netip.AddrPortFrom(addr, uint16(r.u32()))
}
