package remoting

import (
	"encoding/binary"
	"fmt"
	"math"
)

const (
	maxBinaryCode = math.MaxInt16
	// binaryFixed is the part of a binary header before the remark:
	// 2 B code | 1 B language | 2 B version | 4 B opaque | 4 B flag.
	binaryFixed = 13
)

// appendBinary appends the ROCKETMQ header:
// fixed part | 4 B+remark | 4 B length of ext | (2 B+key, 4 B+value)*.
func (c *Command) appendBinary(dst []byte) ([]byte, error) {
	if c.Code > maxBinaryCode || c.Code < math.MinInt16 {
		return dst, fmt.Errorf("code %d does not fit the binary header: %w", c.Code, ErrFrame)
	}
	dst = appendBinaryFixed(dst, int16(c.Code), c.Language, c.Version, c.Opaque, c.Flag)
	dst = appendString32(dst, c.Remark)
	at := len(dst)
	dst = append(dst, 0, 0, 0, 0)
	for k, v := range c.Ext {
		if len(k) > math.MaxInt16 {
			return dst, fmt.Errorf("ext key of %d bytes: %w", len(k), ErrFrame)
		}
		dst = appendField(dst, k, v)
	}
	binary.BigEndian.PutUint32(dst[at:], uint32(len(dst)-at-4))
	return dst, nil
}

func appendBinaryFixed(dst []byte, code int16, language byte, version int16, opaque, flag int32) []byte {
	dst = binary.BigEndian.AppendUint16(dst, uint16(code))
	dst = append(dst, language)
	dst = binary.BigEndian.AppendUint16(dst, uint16(version))
	dst = binary.BigEndian.AppendUint32(dst, uint32(opaque))
	return binary.BigEndian.AppendUint32(dst, uint32(flag))
}

func appendString32(dst []byte, s string) []byte {
	dst = binary.BigEndian.AppendUint32(dst, uint32(len(s)))
	return append(dst, s...)
}

// appendField appends one ext entry; the key must be shorter than 32 KiB.
func appendField(dst []byte, k, v string) []byte {
	dst = binary.BigEndian.AppendUint16(dst, uint16(len(k)))
	dst = append(dst, k...)
	return appendString32(dst, v)
}

func (c *Command) decodeBinary(h []byte) error {
	if len(h) < binaryFixed {
		return fmt.Errorf("binary header of %d bytes: %w", len(h), ErrFrame)
	}
	c.Code = int32(int16(binary.BigEndian.Uint16(h)))
	c.Language = h[2]
	c.Version = int16(binary.BigEndian.Uint16(h[3:]))
	c.Opaque = int32(binary.BigEndian.Uint32(h[5:]))
	c.Flag = int32(binary.BigEndian.Uint32(h[9:]))
	remark, h, err := cut32(h[binaryFixed:])
	if err != nil {
		return fmt.Errorf("read remark: %w", err)
	}
	c.Remark = string(remark)
	ext, rest, err := cut32(h)
	if err != nil {
		return fmt.Errorf("read ext fields: %w", err)
	}
	if len(rest) > 0 {
		return fmt.Errorf("%d bytes behind the binary header: %w", len(rest), ErrFrame)
	}
	return c.decodeExt(ext)
}

func (c *Command) decodeExt(ext []byte) error {
	if len(ext) == 0 {
		return nil
	}
	c.Ext = make(map[string]string, 8)
	all := string(ext) // one allocation; keys and values share it
	for len(all) > 0 {
		if len(all) < 2 {
			return fmt.Errorf("cut ext key: %w", ErrFrame)
		}
		n := int(all[0])<<8 | int(all[1])
		if len(all) < 2+n+4 {
			return fmt.Errorf("ext key of %d bytes: %w", n, ErrFrame)
		}
		key := all[2 : 2+n]
		all = all[2+n:]
		m := uint32(all[0])<<24 | uint32(all[1])<<16 | uint32(all[2])<<8 | uint32(all[3])
		if uint64(m) > uint64(len(all)-4) {
			return fmt.Errorf("ext value of %d bytes: %w", m, ErrFrame)
		}
		c.Ext[key] = all[4 : 4+m]
		all = all[4+m:]
	}
	return nil
}

// cut32 splits b into the bytes counted by its 4 B length and what follows.
func cut32(b []byte) (head, tail []byte, err error) {
	if len(b) < 4 {
		return nil, nil, fmt.Errorf("cut length field: %w", ErrFrame)
	}
	n := binary.BigEndian.Uint32(b)
	if uint64(n) > uint64(len(b)-4) {
		return nil, nil, fmt.Errorf("length %d with %d bytes left: %w", n, len(b)-4, ErrFrame)
	}
	return b[4 : 4+n], b[4+n:], nil
}
