package packet

import (
	"bytes"
	"errors"
	"io"
	"runtime"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
)

// fuzzLimit is the maximum packet size of the fuzz targets. Decoding may take a small multiple of it: a user property
// of 5 bytes becomes a struct of 32, and slices grow by doubling.
const fuzzLimit = 4096

// seed adds the packets of all tables in short forms, each for its version.
func seed(f *testing.F) {
	for _, listing := range []string{
		`10 0f 00 06 'MQIsdp' 03 02 00 3c 00 01 'c'`,
		`10 17 00 04 'MQTT' 04 d4 00 00 00 01 'c' 00 01 'w' 00 00 00 01 'u' 00 00`,
		`10 1a 00 04 'MQTT' 05 06 00 00 03 21 00 01 00 00 05 18 00 00 00 01 00 01 'w' 00 00`,
		`20 02 01 00`, `20 03 00 00 00`, `20 08 00 87 05 1f 00 02 'no'`,
		`30 05 00 01 't' 'hi'`, `32 08 00 01 't' 00 01 00 'hi'`, `30 06 00 00 03 23 00 07`,
		`3d 1b 00 01 't' 00 01 14 02 00 00 00 05 0b 03 26 00 01 'k' 00 01 'v' 09 00 01 'c' 'hi'`,
		`40 02 00 01`, `50 03 00 01 97`, `62 09 00 01 00 05 1f 00 02 'ok'`, `70 02 00 01`,
		`82 06 00 01 00 01 'a' 01`, `82 09 00 01 02 0b 05 00 01 'a' 2d`,
		`90 03 00 01 80`, `90 04 00 01 00 87`, `a2 05 00 01 00 01 'a'`, `a2 06 00 01 00 00 01 'a'`,
		`b0 02 00 01`, `b0 04 00 01 00 11`, `c0 00`, `d0 00`, `e0 00`, `e0 07 04 05 11 00 00 00 01`,
		`f0 00`, `f0 06 18 04 15 00 01 'M'`,
	} {
		for v := V31; v <= V5; v++ {
			f.Add(byte(v), wire(f, listing))
		}
	}
}

// FuzzDecode reads any bytes as a stream in any version. Nothing may panic or allocate out of proportion, errors have
// one of the promised forms, and what was decoded survives encoding and decoding again.
func FuzzDecode(f *testing.F) {
	seed(f)
	f.Fuzz(func(t *testing.T, version byte, data []byte) {
		v := V31 + Version(version)%3
		d := NewDecoderSize(bytes.NewReader(data), fuzzLimit, 64)
		d.SetVersion(v)
		for {
			p, err := d.Next()
			if err != nil {
				checkFuzzError(t, err)
				return
			}
			roundTrip(t, p, d.Version())
		}
	})
}

func checkFuzzError(t *testing.T, err error) {
	t.Helper()
	var e *Error
	if err != io.EOF && err != io.ErrUnexpectedEOF && (!errors.As(err, &e) || !e.Code.Failed()) {
		t.Fatalf("error of no promised form: %#v", err)
	}
}

// roundTrip encodes p and decodes the result: the same packet must come back, and encode to the same bytes.
func roundTrip(t *testing.T, p Packet, v Version) {
	t.Helper()
	b, err := p.Append(nil, v)
	if err != nil {
		t.Fatalf("decoded %+v does not encode: %v", p, err)
	}
	d := newTestDecoder(bytes.NewReader(b), v, p.Type())
	again, err := d.Next()
	if err != nil {
		t.Fatalf("%x, encoded from %+v, does not decode: %v", b, p, err)
	}
	if diff := cmp.Diff(p, again); diff != "" {
		t.Fatalf("packet changed on the way (-before +after):\n%s", diff)
	}
	if b2, err := again.Append(nil, v); err != nil || !bytes.Equal(b, b2) {
		t.Fatalf("encodes to %x, then to %x (%v)", b, b2, err)
	}
	if within, err := AppendWithin(nil, p, v, uint32(len(b))); err != nil || !bytes.Equal(within, b) {
		t.Fatalf("within its own size: %x, %v", within, err)
	}
}

// FuzzDecodeServer is FuzzDecode for a Decoder that learns the version from CONNECT.
func FuzzDecodeServer(f *testing.F) {
	seed(f)
	f.Fuzz(func(t *testing.T, _ byte, data []byte) {
		d := NewDecoder(bytes.NewReader(data), fuzzLimit)
		for n := 0; ; n++ {
			p, err := d.Next()
			if err != nil {
				checkFuzzError(t, err)
				return
			}
			if n == 0 && p.Type() != CONNECT {
				t.Fatalf("first packet is %v", p.Type())
			}
			if c, ok := p.(*Connect); ok && c.Version != d.Version() {
				t.Fatalf("CONNECT of %v, decoder of %v", c.Version, d.Version())
			}
			_ = CheckFromClient(p)
			roundTrip(t, p, d.Version())
		}
	})
}

// FuzzAllocation holds what one packet makes the Decoder allocate against the packet's length.
func FuzzAllocation(f *testing.F) {
	seed(f)
	f.Fuzz(func(t *testing.T, version byte, data []byte) {
		d := NewDecoder(bytes.NewReader(data), fuzzLimit)
		d.SetVersion(V31 + Version(version)%3)
		var before, after runtime.MemStats
		runtime.ReadMemStats(&before)
		_, _ = d.Next()
		runtime.ReadMemStats(&after)
		// A runtime that runs a few goroutines of its own adds some bytes.
		if got := after.TotalAlloc - before.TotalAlloc; got > 32*fuzzLimit {
			t.Fatalf("%d bytes allocated for a packet of at most %d", got, fuzzLimit)
		}
	})
}

// FuzzPublish encodes any PUBLISH: it is refused, or comes back as it was, and a template gives the same bytes.
func FuzzPublish(f *testing.F) {
	f.Add(byte(5), byte(1), uint16(1), "a/b", []byte("hi"), "text", "r", "k", uint32(7), uint16(0))
	f.Add(byte(5), byte(0), uint16(0), "", []byte{}, "", "", "", uint32(0), uint16(3))
	f.Add(byte(4), byte(2), uint16(9), "t/#", []byte{0}, "\x00", "+", "\xff", uint32(1<<28), uint16(0))
	f.Fuzz(func(t *testing.T, version, flags byte, id uint16, topic string, payload []byte, content, response, key string, sub uint32, alias uint16) {
		v := V31 + Version(version)%3
		p := &Publish{QoS: flags & 3, Retain: flags&4 != 0, Topic: topic, Payload: payload}
		if p.QoS > 0 {
			p.DUP, p.PacketID = flags&8 != 0, id
		}
		if p.Payload == nil {
			p.Payload = []byte{}
		}
		if v == V5 {
			p.TopicAlias = alias
			p.Properties = Properties{
				HasFormat: flags&16 != 0, HasExpiry: flags&32 != 0, ContentType: content, ResponseTopic: response,
				User: []UserProperty{{Key: key, Value: content}},
			}
			if sub != 0 {
				p.SubscriptionIDs = []uint32{sub}
			}
		}
		b, err := p.Append(nil, v)
		if err != nil {
			if encodable(p, v) {
				t.Fatalf("%+v refused: %v", p, err)
			}
			return
		}
		if len(b) != p.EncodedSize(v) {
			t.Fatalf("%d bytes, EncodedSize %d", len(b), p.EncodedSize(v))
		}
		roundTrip(t, p, v)
		if topic == "" {
			return
		}
		tmpl, err := NewTemplate(p, v)
		if err != nil {
			t.Fatalf("no template of %+v: %v", p, err)
		}
		checkTemplate(t, tmpl, p, Delivery{
			QoS: p.QoS, DUP: p.DUP, Retain: p.Retain, PacketID: p.PacketID, TopicAlias: p.TopicAlias, SubscriptionIDs: p.SubscriptionIDs,
		})
	})
}

// encodable says, in other words than the encoder, whether a PUBLISH is allowed.
func encodable(p *Publish, v Version) bool {
	for _, s := range []string{p.Topic, p.Properties.ContentType, p.Properties.ResponseTopic} {
		if len(s) > 60000 || strings.ToValidUTF8(s, "") != s || strings.Contains(s, "\x00") {
			return false
		}
	}
	for _, u := range p.Properties.User {
		if len(u.Key) > 60000 || strings.ToValidUTF8(u.Key, "") != u.Key || strings.Contains(u.Key, "\x00") {
			return false
		}
	}
	named := p.Topic != "" || v == V5 && p.TopicAlias != 0
	ids := len(p.SubscriptionIDs) == 0 || p.SubscriptionIDs[0] < 1<<28
	plain := !strings.Contains(p.Topic+p.Properties.ResponseTopic, "+") && !strings.Contains(p.Topic+p.Properties.ResponseTopic, "#")
	return named && ids && plain && p.QoS < 3 && (p.QoS == 0 || p.PacketID != 0)
}
