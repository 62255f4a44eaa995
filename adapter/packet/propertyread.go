package packet

import "lmqgate/meta/message"

// UserProperty is one name-value pair; order and repetition are kept [MQTT-3.3.2-17].
type UserProperty = message.UserProperty

// maxPairs bounds the user properties of a packet: each takes more memory than the five bytes it may have on the wire.
const maxPairs = 4096

// properties walks the property list at the front of a reader. After each next, id says which property it is and the
// field of its kind holds the value. The reader is handed to each method, not kept: kept beside strings that go into
// packets it would be moved to the heap.
type properties struct {
	in    places
	left  int    // bytes of the list not yet read
	seen  uint64 // bit per identifier
	pairs int    // user properties so far

	id     propertyID
	num    uint32
	text   string
	binary []byte
	pair   UserProperty

	emptyMethod bool // the authentication method was given as ""
}

// properties reads the length of a property list that stands in a packet of the given place.
func (r *reader) properties(in places) properties {
	n := r.varint("property length")
	if n > len(r.b) {
		r.fail(MalformedPacket, "property length: packet ends early")
		n = 0
	}
	return properties{in: in, left: n}
}

// next reads one property and returns false at the end of the list or at a failure.
func (p *properties) next(r *reader) bool {
	if r.err != nil || p.left == 0 {
		return false
	}
	before := len(r.b)
	name := p.readID(r)
	p.readValue(r, name)
	p.left -= before - len(r.b)
	if r.err == nil && p.left < 0 {
		r.fail(MalformedPacket, name+": longer than the property list")
	}
	return r.err == nil
}

// readID reads the identifier. One that this packet may not carry makes the packet malformed (section 2.2.2.2); a
// second one of a kind that may stand once is a protocol error.
func (p *properties) readID(r *reader) string {
	n := r.varint("property identifier")
	if n > 0xff {
		n = 0
	}
	p.id = propertyID(n)
	name, kind, in := p.id.rule()
	switch {
	case kind == kindNone:
		r.fail(MalformedPacket, "unknown property")
	case in&p.in == 0:
		r.fail(MalformedPacket, name+" not allowed in this packet")
	case p.seen&(1<<p.id) != 0 && !p.repeatable():
		r.fail(ProtocolError, name+" given twice")
	}
	p.seen |= 1 << p.id
	return name
}

func (p *properties) repeatable() bool {
	return p.id == userProperty || p.id == subscriptionID && p.in == inPublish
}

func (p *properties) has(id propertyID) bool { return p.seen&(1<<id) != 0 }

// readValue reads the value and checks its range; what is out of range is a protocol error, as sections 3.1.2.11 and
// 3.2.2.3 say for each.
func (p *properties) readValue(r *reader, name string) {
	_, kind, _ := p.id.rule()
	switch kind {
	case kindBit:
		p.num = uint32(r.byte(name))
		if p.num > 1 {
			r.fail(ProtocolError, name+" is neither 0 nor 1")
		}
	case kindU16, kindU16Pos:
		p.num = uint32(r.uint16(name))
	case kindU32, kindU32Pos:
		p.num = r.uint32(name)
	case kindVarPos:
		p.num = uint32(r.varint(name))
	case kindText:
		p.text = r.text(name)
		p.emptyMethod = p.emptyMethod || p.id == authMethod && p.text == ""
	case kindBinary:
		p.binary = r.binary(name)
	case kindPair:
		if p.pairs++; p.pairs > maxPairs {
			r.fail(QuotaExceeded, "too many user properties")
		}
		p.pair.Key = r.text(name)
		p.pair.Value = r.text(name)
	}
	positive := kind == kindU16Pos || kind == kindU32Pos || kind == kindVarPos
	if positive && p.num == 0 {
		r.fail(ProtocolError, name+" is 0")
	}
}
