package remoting

import (
	"encoding/binary"
	"fmt"
	"math"
	"net/netip"
)

// AppendMessage appends m in the commit log's format, as a broker does. The
// host bits of SysFlag follow from the hosts, the magic from the topic's
// length; the body is stored as it is (compressed already if SysFlag says so).
func AppendMessage(dst []byte, m *Message) ([]byte, error) {
	if len(m.Properties) > math.MaxInt16 || len(m.Topic) > math.MaxInt16 || len(m.Body) > MaxFrame {
		return dst, fmt.Errorf("topic %d, properties %d, body %d bytes: %w", len(m.Topic), len(m.Properties), len(m.Body), ErrMessage)
	}
	start := len(dst)
	be := binary.BigEndian
	magic := MagicV1
	if len(m.Topic) > math.MaxInt8 {
		magic = MagicV2
	}
	sys := hostFlags(m)
	dst = be.AppendUint32(dst, 0)
	dst = be.AppendUint32(dst, magic)
	dst = be.AppendUint32(dst, bodyCRC(m.Body))
	dst = be.AppendUint32(dst, uint32(m.QueueID))
	dst = be.AppendUint32(dst, uint32(m.Flag))
	dst = be.AppendUint64(dst, uint64(m.QueueOffset))
	dst = be.AppendUint64(dst, uint64(m.PhysicalOffset))
	dst = be.AppendUint32(dst, uint32(sys))
	dst = be.AppendUint64(dst, uint64(m.BornMillis))
	dst = appendHost(dst, m.BornHost)
	dst = be.AppendUint64(dst, uint64(m.StoreMillis))
	dst = appendHost(dst, m.StoreHost)
	dst = be.AppendUint32(dst, uint32(m.Reconsume))
	dst = be.AppendUint64(dst, uint64(m.PreparedOffset))
	dst = be.AppendUint32(dst, uint32(len(m.Body)))
	dst = append(dst, m.Body...)
	if magic == MagicV2 {
		dst = be.AppendUint16(dst, uint16(len(m.Topic)))
	} else {
		dst = append(dst, byte(len(m.Topic)))
	}
	dst = append(dst, m.Topic...)
	dst = be.AppendUint16(dst, uint16(len(m.Properties)))
	dst = append(dst, m.Properties...)
	be.PutUint32(dst[start:], uint32(len(dst)-start))
	return dst, nil
}

func hostFlags(m *Message) int32 {
	sys := m.SysFlag &^ (SysBornHostV6 | SysStoreHostV6)
	if isV6(m.BornHost) {
		sys |= SysBornHostV6
	}
	if isV6(m.StoreHost) {
		sys |= SysStoreHostV6
	}
	return sys
}

func isV6(a netip.AddrPort) bool { return a.Addr().Is6() && !a.Addr().Is4In6() }

func appendHost(dst []byte, a netip.AddrPort) []byte {
	switch addr := a.Addr().Unmap(); {
	case addr.Is6():
		b := addr.As16()
		dst = append(dst, b[:]...)
	case addr.Is4():
		b := addr.As4()
		dst = append(dst, b[:]...)
	default:
		dst = append(dst, 0, 0, 0, 0)
	}
	return binary.BigEndian.AppendUint32(dst, uint32(a.Port()))
}
