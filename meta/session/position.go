package session

import (
	"encoding/base64"
	"encoding/binary"
	"encoding/hex"
	"errors"
	"hash/fnv"
	"math"
	"strings"
)

// ErrPosition says that a text is no position as EncodePosition writes it.
var ErrPosition = errors.New("not a position")

const (
	positionFormat = 1
	maxPosition    = 64 << 10 // bytes of an encoded position
	maxPlaces      = 4096     // cursors in one
	maxPlaceAcked  = 64       // ranges of one; what is acknowledged beyond them is forgotten
)

// Place is a cursor as a position has it: the filter is known by a hash only.
type Place struct {
	Hash   uint32
	Cursor // without Filter
}

// FilterHash is how a position names a filter.
func FilterHash(filter string) uint32 {
	h := fnv.New32a()
	h.Write([]byte(filter))
	return h.Sum32()
}

// EncodePosition writes cursors down so that whoever shows the text again can go on from them: base64url of
//
//	format 01 | (filter hash, 4 bytes | broker | varint Begin | varint Next | uvarint number of acknowledged ranges |
//	(uvarint First-Next, uvarint Last-First)* | varint LastStore | varint AckedTill | LastKey)*
//
// Strings are a uvarint length and their bytes. A LastKey of hexadecimal digits is kept as the bytes they stand for, with
// bit 0 of its length set; the length of others is shifted too.
func EncodePosition(cursors []Cursor) string {
	b := make([]byte, 1, 1+64*len(cursors))
	b[0] = positionFormat
	for i := range cursors {
		b = appendPlace(b, &cursors[i])
	}
	return base64.RawURLEncoding.EncodeToString(b)
}

func appendPlace(b []byte, c *Cursor) []byte {
	b = binary.BigEndian.AppendUint32(b, FilterHash(c.Filter))
	b = binary.AppendUvarint(b, uint64(len(c.Broker)))
	b = append(b, c.Broker...)
	b = binary.AppendVarint(b, c.Begin)
	b = binary.AppendVarint(b, c.Next)
	acked := c.Acked[:min(len(c.Acked), maxPlaceAcked)]
	b = binary.AppendUvarint(b, uint64(len(acked)))
	at := c.Next
	for _, r := range acked {
		b = binary.AppendUvarint(b, uint64(r.First-at))
		b = binary.AppendUvarint(b, uint64(r.Last-r.First))
		at = r.Last
	}
	b = binary.AppendVarint(b, c.LastStore)
	b = binary.AppendVarint(b, c.AckedTill)
	key, isHex := []byte(c.LastKey), uint64(0)
	if raw, err := hex.DecodeString(c.LastKey); err == nil && hexUpper(raw) == c.LastKey {
		key, isHex = raw, 1
	}
	b = binary.AppendUvarint(b, uint64(len(key))<<1|isHex)
	return append(b, key...)
}

func hexUpper(b []byte) string {
	const digits = "0123456789ABCDEF"
	s := make([]byte, 0, 2*len(b))
	for _, c := range b {
		s = append(s, digits[c>>4], digits[c&15])
	}
	return string(s)
}

// DecodePosition reads what EncodePosition wrote, in any order; the error is ErrPosition.
func DecodePosition(text string) ([]Place, error) {
	if len(text) > maxPosition || strings.ContainsAny(text, "\r\n") { // which the decoder would pass over, and an event stream would not
		return nil, ErrPosition
	}
	b, err := base64.RawURLEncoding.Strict().DecodeString(text)
	if err != nil || len(b) == 0 || b[0] != positionFormat {
		return nil, ErrPosition
	}
	r := &placeReader{rest: b[1:]}
	var places []Place
	for len(r.rest) > 0 && len(places) < maxPlaces {
		places = append(places, r.place())
	}
	if r.bad || len(r.rest) > 0 {
		return nil, ErrPosition
	}
	return places, nil
}

// placeReader reads fields; after the first error there are none left.
type placeReader struct {
	rest []byte
	bad  bool
}

func (r *placeReader) fail() { r.bad, r.rest = true, nil }

func (r *placeReader) place() (p Place) {
	if len(r.rest) < 4 {
		r.fail()
		return p
	}
	p.Hash, r.rest = binary.BigEndian.Uint32(r.rest), r.rest[4:]
	p.Broker = string(r.bytes(r.uint(math.MaxInt16)))
	p.Begin, p.Next = r.int(), r.int()
	at := p.Next
	for n := r.uint(maxPlaceAcked); n > 0 && !r.bad; n-- {
		first := at + int64(r.uint(math.MaxInt32))
		last := first + int64(r.uint(math.MaxInt32))
		if first <= at && len(p.Acked) > 0 {
			r.fail()
		}
		p.Acked = append(p.Acked, Range{First: first, Last: last})
		at = last
	}
	p.LastStore, p.AckedTill = r.int(), r.int()
	n := r.uint(math.MaxInt16)
	key := r.bytes(n >> 1)
	if p.LastKey = string(key); n&1 == 1 {
		p.LastKey = hexUpper(key)
	}
	if p.Next < -1 || p.Begin < -1 || p.Next > math.MaxInt64/4 || p.Begin > math.MaxInt64/4 {
		r.fail()
	}
	return p
}

func (r *placeReader) uint(most uint64) uint64 {
	v, n := binary.Uvarint(r.rest)
	if n <= 0 || v > most {
		r.fail()
		return 0
	}
	r.rest = r.rest[n:]
	return v
}

func (r *placeReader) int() int64 {
	v, n := binary.Varint(r.rest)
	if n <= 0 {
		r.fail()
		return 0
	}
	r.rest = r.rest[n:]
	return v
}

func (r *placeReader) bytes(n uint64) []byte {
	if n > uint64(len(r.rest)) {
		r.fail()
		return nil
	}
	b := r.rest[:n]
	r.rest = r.rest[n:]
	return b
}
