package e2e

import (
	"encoding/binary"
	"io"
	"time"

	"lmqgate/adapter/packet"
)

// Packets byte by byte, for what the codec would not write.

// fixed is a control packet: first byte, remaining length, parts.
func fixed(first byte, parts ...[]byte) []byte {
	body := join(parts...)
	return append(append([]byte{first}, length(len(body))...), body...)
}

// length is a variable byte integer.
func length(n int) []byte {
	var b []byte
	for {
		if n < 0x80 {
			return append(b, byte(n))
		}
		b = append(b, byte(n)|0x80)
		n >>= 7
	}
}

func join(parts ...[]byte) []byte {
	var b []byte
	for _, p := range parts {
		b = append(b, p...)
	}
	return b
}

// str is a UTF-8 encoded string, or binary data: two bytes of length before it.
func str(text string) []byte {
	return append(binary.BigEndian.AppendUint16(nil, uint16(len(text))), text...)
}

// num is a two byte integer.
func num(n uint16) []byte { return binary.BigEndian.AppendUint16(nil, n) }

// props are properties with their length before them in 5.0, nothing before that.
func props(v packet.Version, parts ...[]byte) []byte {
	if v != packet.V5 {
		return nil
	}
	body := join(parts...)
	return append(length(len(body)), body...)
}

// Bits of CONNECT's flags.
const (
	flagClean    = 0x02
	flagWill     = 0x04
	flagRetain   = 0x20
	flagPassword = 0x40
	flagUsername = 0x80
)

// connectRaw is a CONNECT with the payload as it is given.
func connectRaw(v packet.Version, flags byte, payload ...[]byte) []byte {
	return fixed(0x10, str("MQTT"), []byte{byte(v), flags}, num(0), props(v), join(payload...))
}

// exchange sends bytes on a connection of its own and returns all that comes until the server closes, which it must. The
// client id to be looked at is the caller's.
func (s *scene) exchange(b []byte) []byte {
	s.Helper()
	conn, err := open(s.address(s.at.fleet, s.at.row.transport))
	if err != nil {
		s.Fatalf("dial: %v", err)
	}
	defer conn.Close()
	if _, err := conn.Write(b); err != nil {
		s.Fatalf("write: %v", err)
	}
	_ = conn.SetReadDeadline(time.Now().Add(soon))
	got, err := io.ReadAll(conn)
	if isTimeout(err) {
		s.Fatalf("the connection stays open after % x; came % x", b[:min(len(b), 60)], got)
	}
	return got
}

// closedSilently requires that the server answers nothing and closes.
func (s *scene) closedSilently(b []byte) {
	s.Helper()
	if got := s.exchange(b); len(got) > 0 {
		s.Errorf("answered with % x", got)
	}
}

// refused requires that a CONNECT is not accepted and the connection is closed: in 5.0 a CONNACK with one of the codes may
// come before, in 3.1.1 nothing.
func (s *scene) refused(connect []byte, codes ...packet.ReasonCode) {
	s.Helper()
	got := s.exchange(connect)
	if len(got) == 0 {
		return
	}
	if !s.is5() {
		s.Errorf("answered with % x", got)
		return
	}
	list, rest, err := frames(got)
	if err != nil || len(rest) > 0 || len(list) != 1 || list[0].kind != byte(packet.CONNACK) || len(list[0].body) < 3 {
		s.Errorf("answered with % x (%v)", got, err)
		return
	}
	if code := packet.ReasonCode(list[0].body[1]); list[0].body[0] != 0 || !contains(codes, code) {
		s.Errorf("CONNACK with flags %d, %#x (%v), want %#x", list[0].body[0], byte(code), code, codes)
	}
}
