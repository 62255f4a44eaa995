package e2e

import (
	"encoding/binary"
	"fmt"
	"slices"

	"lmqgate/adapter/packet"
)

// frame is one control packet as it came over the wire, read without the codec.
type frame struct {
	kind, flags byte
	body        []byte
}

// frames cuts a stream into control packets; rest is what is left of an unfinished one.
func frames(stream []byte) (list []frame, rest []byte, err error) {
	for len(stream) > 0 {
		n, size, err := variable(stream[1:])
		switch {
		case err != nil:
			return list, stream, fmt.Errorf("packet %d: remaining length: %w", len(list), err)
		case size == 0 || len(stream) < 1+size+n:
			return list, stream, nil
		}
		list = append(list, frame{stream[0] >> 4, stream[0] & 15, stream[1+size : 1+size+n]})
		stream = stream[1+size+n:]
	}
	return list, nil, nil
}

// variable reads a variable byte integer: its value and how many bytes it has, 0 if it is not complete. It must be as short
// as it can be [MQTT-1.5.5-1].
func variable(b []byte) (value, size int, err error) {
	for size < len(b) {
		value |= int(b[size]&0x7f) << (7 * size)
		size++
		switch {
		case b[size-1]&0x80 == 0 && size > 1 && b[size-1] == 0:
			return 0, 0, fmt.Errorf("% x is not in its shortest form", b[:size])
		case b[size-1]&0x80 == 0:
			return value, size, nil
		case size == 4:
			return 0, 0, fmt.Errorf("% x is too long", b[:size])
		}
	}
	return 0, 0, nil
}

// inspect checks what holds for every connection, whatever it is about, on the bytes that the server sent.
func inspect(s *scene, id string, v packet.Version, stream []byte) {
	list, _, err := frames(stream)
	if err != nil {
		s.Errorf("%s: %v", id, err)
	}
	welcomed := false
	for n, f := range list {
		if err := f.check(v, welcomed, n == len(list)-1); err != nil {
			s.Errorf("%s: packet %d from the server, %x %.40x: %v", id, n, f.kind<<4|f.flags, f.body, err)
		}
		welcomed = welcomed || packet.Type(f.kind) == packet.CONNACK
	}
}

// check says what is wrong with a packet of the server. welcomed says that CONNACK came before it.
func (f frame) check(v packet.Version, welcomed, last bool) error {
	kind := packet.Type(f.kind)
	switch {
	case kind == packet.CONNACK && welcomed: // [MQTT-3.2.0-2]
		return fmt.Errorf("a second CONNACK")
	case !welcomed && kind != packet.CONNACK && kind != packet.AUTH: // [MQTT-3.2.0-1], [MQTT-3.14.0-1]
		return fmt.Errorf("before CONNACK")
	case kind == packet.PUBLISH:
		return f.checkPublish()
	case kind == packet.PUBREL && f.flags != 2, kind != packet.PUBREL && f.flags != 0: // [MQTT-2.1.3-1]
		return fmt.Errorf("flags are %d", f.flags)
	case kind == packet.DISCONNECT && !last: // [MQTT-3.14.4-1]
		return fmt.Errorf("DISCONNECT is not the last packet")
	}
	if v == packet.V5 {
		return f.check5(kind)
	}
	return f.check311(kind)
}

// checkPublish: [MQTT-3.3.1-2], [MQTT-3.3.1-4], [MQTT-2.2.1-4].
func (f frame) checkPublish() error {
	dup, qos := f.flags&8 != 0, f.flags>>1&3
	if len(f.body) < 2 {
		return fmt.Errorf("no topic")
	}
	behind := f.body[min(len(f.body), 2+int(binary.BigEndian.Uint16(f.body))):]
	switch {
	case qos == 3:
		return fmt.Errorf("QoS 3")
	case qos == 0 && dup:
		return fmt.Errorf("DUP with QoS 0")
	case qos > 0 && (len(behind) < 2 || binary.BigEndian.Uint16(behind) == 0):
		return fmt.Errorf("no packet id")
	}
	return nil
}

// check311 knows every other packet's length.
func (f frame) check311(kind packet.Type) error {
	size := map[packet.Type]int{
		packet.CONNACK: 2, packet.PUBACK: 2, packet.PUBREC: 2, packet.PUBREL: 2, packet.PUBCOMP: 2, packet.UNSUBACK: 2, packet.PINGRESP: 0,
	}
	n, known := size[kind]
	switch {
	case kind == packet.SUBACK:
		for _, code := range f.body[min(2, len(f.body)):] {
			if code > 2 && code != 0x80 { // [3.1.1 MQTT-3.9.3-2]
				return fmt.Errorf("return code %#x", code)
			}
		}
		return nil
	case !known:
		return fmt.Errorf("not a packet that a server sends in 3.1.1")
	case len(f.body) != n:
		return fmt.Errorf("%d bytes, want %d", len(f.body), n)
	case kind == packet.CONNACK && (f.body[0] > 1 || f.body[1] > 5 || f.body[1] != 0 && f.body[0] != 0): // [3.1.1 MQTT-3.2.2-4]
		return fmt.Errorf("flags or return code")
	}
	return nil
}

// reasons are the codes that a packet may have, by the tables of MQTT 5.0.
var reasons = map[packet.Type][]byte{
	packet.CONNACK: {
		0x00, 0x80, 0x81, 0x82, 0x83, 0x84, 0x85, 0x86, 0x87, 0x88, 0x89, 0x8a, 0x8c, 0x90, 0x95, 0x97, 0x99, 0x9a, 0x9b, 0x9c, 0x9d, 0x9f,
	}, // [MQTT-3.2.2-8]
	packet.PUBACK:   {0x00, 0x10, 0x80, 0x83, 0x87, 0x90, 0x91, 0x97, 0x99},                   // [MQTT-3.4.2-1]
	packet.PUBREC:   {0x00, 0x10, 0x80, 0x83, 0x87, 0x90, 0x91, 0x97, 0x99},                   // [MQTT-3.5.2-1]
	packet.PUBREL:   {0x00, 0x92},                                                             // [MQTT-3.6.2-1]
	packet.PUBCOMP:  {0x00, 0x92},                                                             // [MQTT-3.7.2-1]
	packet.SUBACK:   {0x00, 0x01, 0x02, 0x80, 0x83, 0x87, 0x8f, 0x91, 0x97, 0x9e, 0xa1, 0xa2}, // [MQTT-3.9.3-2]
	packet.UNSUBACK: {0x00, 0x11, 0x80, 0x83, 0x87, 0x8f, 0x91},                               // [MQTT-3.11.3-2]
	packet.DISCONNECT: {
		0x00, 0x80, 0x81, 0x82, 0x83, 0x87, 0x89, 0x8b, 0x8c, 0x8d, 0x8e, 0x8f, 0x90, 0x93, 0x94, 0x95, 0x96, 0x97, 0x98, 0x99, 0x9a, 0x9b,
		0x9c, 0x9d, 0x9e, 0x9f, 0xa0, 0xa1, 0xa2,
	}, // [MQTT-3.14.2-1]
	packet.AUTH: {0x00, 0x18}, // [MQTT-3.15.2-1], as a server may send them
}

// check5 looks at the reason codes and at the property lengths, which are there even where there are no properties
// [MQTT-2.2.2-1].
func (f frame) check5(kind packet.Type) error {
	if kind == packet.PINGRESP {
		if len(f.body) != 0 {
			return fmt.Errorf("PINGRESP has a body")
		}
		return nil
	}
	codes, props, err := f.split(kind)
	if err != nil {
		return err
	}
	for _, c := range codes {
		if !slices.Contains(reasons[kind], c) {
			return fmt.Errorf("reason code %#x", c)
		}
	}
	if kind == packet.CONNACK && (f.body[0] > 1 || f.body[0] == 1 && f.body[1] != 0) { // [MQTT-3.2.2-1], [MQTT-3.2.2-6]
		return fmt.Errorf("acknowledge flags are %#x", f.body[0])
	}
	if kind == packet.DISCONNECT && slices.Contains(props, 0x11) && props[0] == 0x11 { // [MQTT-3.14.2-2]
		return fmt.Errorf("session expiry interval")
	}
	return nil
}

// split returns the reason codes and the properties.
func (f frame) split(kind packet.Type) (codes, props []byte, err error) {
	b := f.body
	take := func(n int) []byte {
		if n > len(b) {
			err = fmt.Errorf("ends early")
			return make([]byte, n)
		}
		part := b[:n]
		b = b[n:]
		return part
	}
	properties := func() {
		n, size, bad := variable(b)
		if bad != nil || size == 0 {
			err = fmt.Errorf("no property length (%v)", bad)
			return
		}
		take(size)
		props = take(n)
	}
	switch kind {
	case packet.CONNACK:
		codes = take(2)[1:]
		properties()
	case packet.SUBACK, packet.UNSUBACK:
		take(2)
		properties()
		codes = b
		b = nil
	case packet.PUBACK, packet.PUBREC, packet.PUBREL, packet.PUBCOMP:
		take(2)
		fallthrough
	case packet.DISCONNECT, packet.AUTH: // both may be left out, from the end
		if len(b) > 0 {
			codes = take(1)
		}
		if len(b) > 0 {
			properties()
		}
	default:
		err = fmt.Errorf("not a packet that a server sends")
	}
	if err == nil && len(b) > 0 {
		err = fmt.Errorf("%d bytes left over", len(b))
	}
	return codes, props, err
}
