package redisstore

import (
	"encoding/binary"
	"fmt"
	"math"

	"lmqgate/meta/session"
)

// format is the first byte of every encoded value of a session. A build that writes another format must also set
// another format in the header of the session.
const format = 1

// encoder appends the fields of one value: uvarint, zigzag varint, byte, or string (uvarint length, bytes).
type encoder []byte

func (e *encoder) byte(b byte)     { *e = append(*e, b) }
func (e *encoder) uint(v uint64)   { *e = binary.AppendUvarint(*e, v) }
func (e *encoder) int(v int64)     { *e = binary.AppendVarint(*e, v) }
func (e *encoder) string(s string) { e.uint(uint64(len(s))); *e = append(*e, s...) }

// decoder reads what encoder wrote. After the first error every read returns zero.
type decoder struct {
	rest string
	bad  bool
}

// decode starts reading a value; the error wraps session.ErrFormat when it is not of this format.
func decode(value string) (*decoder, error) {
	if value == "" || value[0] != format {
		return nil, fmt.Errorf("read value: %w", session.ErrFormat)
	}
	return &decoder{rest: value[1:]}, nil
}

// done returns an error unless the value was read to its end.
func (d *decoder) done(what string) error {
	if d.bad || d.rest != "" {
		return fmt.Errorf("read %s: malformed value: %w", what, session.ErrFormat)
	}
	return nil
}

func (d *decoder) fail() { d.bad, d.rest = true, "" }

func (d *decoder) byte() byte {
	if d.rest == "" {
		d.fail()
		return 0
	}
	b := d.rest[0]
	d.rest = d.rest[1:]
	return b
}

func (d *decoder) uint() uint64 {
	var v uint64
	for i := 0; i < len(d.rest) && i < binary.MaxVarintLen64; i++ {
		b := d.rest[i]
		if i == binary.MaxVarintLen64-1 && b > 1 {
			break
		}
		v |= uint64(b&0x7f) << (7 * i)
		if b < 0x80 {
			d.rest = d.rest[i+1:]
			return v
		}
	}
	d.fail()
	return 0
}

// below reads a number that must fit.
func (d *decoder) below(limit uint64) uint64 {
	v := d.uint()
	if v > limit {
		d.fail()
		return 0
	}
	return v
}

func (d *decoder) int() int64 {
	v := d.uint()
	return int64(v>>1) ^ -int64(v&1)
}

func (d *decoder) string() string {
	n := d.uint()
	if n > uint64(len(d.rest)) {
		d.fail()
		return ""
	}
	s := d.rest[:n]
	d.rest = d.rest[n:]
	return s
}

// encodeSubscription: format, options byte (QoS bits 0-1, No Local 2, Retain As Published 3, Retain Handling 4-5,
// retained messages under way 6, granted by an operator 7), identifier, seq, hold epoch, hold seq, since, filter, and with bit 6 how far the
// retained messages got.
func encodeSubscription(s *session.Subscription) []byte {
	options := s.QoS&3 | s.RetainHandling&3<<4
	if s.NoLocal {
		options |= 1 << 2
	}
	if s.RetainAsPublished {
		options |= 1 << 3
	}
	if s.Retained {
		options |= 1 << 6
	}
	if s.Granted {
		options |= 1 << 7
	}
	e := encoder{format, options}
	e.uint(uint64(s.ID))
	e.uint(s.Seq)
	e.uint(uint64(s.HoldEpoch))
	e.uint(s.HoldSeq)
	e.int(s.SinceMillis)
	e.string(s.Filter)
	if s.Retained {
		e.string(s.RetainedAt)
	}
	return e
}

func decodeSubscription(value string) (s session.Subscription, err error) {
	d, err := decode(value)
	if err != nil {
		return s, err
	}
	options := d.byte()
	s.QoS, s.RetainHandling = options&3, options>>4&3
	s.NoLocal, s.RetainAsPublished, s.Granted = options&(1<<2) != 0, options&(1<<3) != 0, options&(1<<7) != 0
	s.ID = uint32(d.below(math.MaxUint32))
	s.Seq = d.uint()
	s.HoldEpoch = session.Epoch(d.uint())
	s.HoldSeq = d.uint()
	s.SinceMillis = d.int()
	s.Filter = d.string()
	if s.Retained = options&(1<<6) != 0; s.Retained {
		s.RetainedAt = d.string()
	}
	return s, d.done("subscription")
}

// encodeCursor: format, begin, next, number of ranges, (first, last)*, last store time, last key, filter, broker, and
// the latest store time of what is in the ranges, if it is known.
func encodeCursor(c *session.Cursor) []byte {
	e := encoder{format}
	e.int(c.Begin)
	e.int(c.Next)
	e.uint(uint64(len(c.Acked)))
	for _, r := range c.Acked {
		e.int(r.First)
		e.int(r.Last)
	}
	e.int(c.LastStore)
	e.string(c.LastKey)
	e.string(c.Filter)
	e.string(c.Broker)
	if c.AckedTill > 0 {
		e.int(c.AckedTill)
	}
	return e
}

func decodeCursor(value string) (c session.Cursor, err error) {
	d, err := decode(value)
	if err != nil {
		return c, err
	}
	c.Begin, c.Next = d.int(), d.int()
	n := d.below(uint64(len(d.rest)) / 2) // a range takes two bytes at least
	for ; n > 0 && !d.bad; n-- {
		c.Acked = append(c.Acked, session.Range{First: d.int(), Last: d.int()})
	}
	c.LastStore = d.int()
	c.LastKey, c.Filter, c.Broker = d.string(), d.string(), d.string()
	if len(d.rest) > 0 {
		c.AckedTill = d.int()
	}
	return c, d.done("cursor")
}

// encodeOutbound: format, packet id, order, QoS, state, offset, filter, broker, key, 0 or 1 and the message.
func encodeOutbound(o *session.Outbound) []byte {
	e := encoder{format}
	e.uint(uint64(o.PacketID))
	e.uint(o.Order)
	e.byte(o.QoS)
	e.byte(byte(o.State))
	e.int(o.Offset)
	e.string(o.Filter)
	e.string(o.Broker)
	e.string(o.Key)
	if o.Message == nil {
		e.byte(0)
		return e
	}
	e.byte(1)
	e.string(string(o.Message))
	return e
}

func decodeOutbound(value string) (o session.Outbound, err error) {
	d, err := decode(value)
	if err != nil {
		return o, err
	}
	o.PacketID = uint16(d.below(math.MaxUint16))
	o.Order = d.uint()
	o.QoS, o.State = d.byte(), session.OutState(d.byte())
	o.Offset = d.int()
	o.Filter, o.Broker, o.Key = d.string(), d.string(), d.string()
	switch d.byte() {
	case 0:
	case 1:
		o.Message = []byte(d.string())
	default:
		d.fail()
	}
	return o, d.done("outbound message")
}

// encodeInbound: format, packet id, queue, done, recorded at, key, topic, broker.
func encodeInbound(in *session.Inbound) []byte {
	e := encoder{format}
	e.uint(uint64(in.PacketID))
	e.int(int64(in.Queue))
	if in.Done {
		e.byte(1)
	} else {
		e.byte(0)
	}
	e.int(in.AtMillis)
	e.string(in.Key)
	e.string(in.Topic)
	e.string(in.Broker)
	return e
}

func decodeInbound(value string) (in session.Inbound, err error) {
	d, err := decode(value)
	if err != nil {
		return in, err
	}
	in.PacketID = uint16(d.below(math.MaxUint16))
	in.Queue = int(d.int())
	in.Done = d.byte() != 0
	in.AtMillis = d.int()
	in.Key, in.Topic, in.Broker = d.string(), d.string(), d.string()
	return in, d.done("inbound message")
}
