package packet

import (
	"bytes"
	"fmt"
	"io"
	"runtime"
	"testing"
)

// loop gives the same bytes for ever, as a client that sends without end.
type loop struct {
	b   []byte
	pos int
}

func (l *loop) Read(p []byte) (int, error) {
	n := copy(p, l.b[l.pos:])
	l.pos = (l.pos + n) % len(l.b)
	return n, nil
}

func samplePublish() *Publish {
	return &Publish{
		QoS: 1, PacketID: 7, Topic: "first/devices/17/state", Payload: bytes.Repeat([]byte("x"), 256),
		Properties: Properties{
			HasExpiry: true, Expiry: 60, ContentType: "application/json",
			User: []UserProperty{{Key: "trace", Value: "0123456789abcdef"}},
		},
	}
}

// operations are the hot paths, with the allocations each may make.
func operations(tb testing.TB) []struct {
	name   string
	allocs float64
	run    func()
} {
	dst := make([]byte, 0, 4096)
	check := func(b []byte, err error) {
		if err != nil || len(b) == 0 {
			tb.Fatalf("%x, %v", b, err)
		}
	}
	pub, ack := samplePublish(), &Puback{PacketID: 7}
	tmpl, err := NewTemplate(pub, V5)
	if err != nil {
		tb.Fatal(err)
	}
	d := Delivery{QoS: 1, PacketID: 9, SubscriptionIDs: []uint32{1, 300}, TopicAlias: 4, Waited: 3}
	decoder := func(v Version, listing string) func() {
		d := NewDecoder(&loop{b: wire(tb, listing)}, 0)
		d.SetVersion(v)
		return func() {
			if _, err := d.Next(); err != nil {
				tb.Fatal(err)
			}
		}
	}
	return []struct {
		name   string
		allocs float64
		run    func()
	}{
		{"encode PUBLISH 5.0", 0, func() { check(pub.Append(dst, V5)) }},
		{"encode PUBLISH 3.1.1", 0, func() { check(pub.Append(dst, V311)) }},
		{"encode PUBACK 5.0", 0, func() { check(ack.Append(dst, V5)) }},
		{"encode PUBACK 3.1.1", 0, func() { check(ack.Append(dst, V311)) }},
		{"template Append", 0, func() { check(tmpl.Append(dst, d), nil) }},
		{"template AppendHead", 0, func() { check(tmpl.AppendHead(dst, d), nil) }},
		{"template EncodedSize", 0, func() { _ = tmpl.EncodedSize(d) }},
		{"decode PUBACK", 0, decoder(V5, `40 02 00 01`)},
		{"decode PUBREC with code", 0, decoder(V5, `50 03 00 01 97`)},
		{"decode PINGREQ", 0, decoder(V311, `c0 00`)},
		{"decode PUBLISH QoS 1", 2, decoder(V311, `32 07 00 01 't' 00 01 'hi'`)}, // struct and body
		{"decode PUBLISH 5.0 with strings", 2, decoder(V5, `30 0c 00 01 't' 06 03 00 03 'txt' 'hi'`)},
	}
}

func TestAllocations(t *testing.T) {
	if raceDetector {
		t.Skip("allocations are counted without the race detector")
	}
	for _, op := range operations(t) {
		if got := testing.AllocsPerRun(200, op.run); got != op.allocs {
			t.Errorf("%s: %v allocations, want %v", op.name, got, op.allocs)
		}
	}
}

// TestIdleDecoder holds what a connection costs while it waits: the Decoder and its buffer, nothing per packet.
func TestIdleDecoder(t *testing.T) {
	if raceDetector {
		t.Skip("allocations are counted without the race detector")
	}
	const count, limit = 1000, 1024
	decoders := make([]*Decoder, count)
	var before, after runtime.MemStats
	runtime.ReadMemStats(&before)
	for i := range decoders {
		decoders[i] = NewDecoder(bytes.NewReader([]byte{0xc0, 0}), 0)
		decoders[i].SetVersion(V311)
		if _, err := decoders[i].Next(); err != nil {
			t.Fatal(err)
		}
	}
	runtime.ReadMemStats(&after)
	if n := (after.TotalAlloc - before.TotalAlloc) / count; n > limit {
		t.Errorf("a Decoder takes %d bytes, want at most %d", n, limit)
	}
}

func BenchmarkHotPaths(b *testing.B) {
	for _, op := range operations(b) {
		b.Run(op.name, func(b *testing.B) {
			b.ReportAllocs()
			for b.Loop() {
				op.run()
			}
		})
	}
}

// BenchmarkFanOut copies one message to a client, by template and by encoding it anew.
func BenchmarkFanOut(b *testing.B) {
	for _, size := range []int{64, 4096, 65536} {
		p := samplePublish()
		p.Payload = make([]byte, size)
		tmpl, err := NewTemplate(p, V5)
		if err != nil {
			b.Fatal(err)
		}
		dst := make([]byte, 0, size+1024)
		b.Run(fmt.Sprintf("template/%d", size), func(b *testing.B) {
			b.ReportAllocs()
			b.SetBytes(int64(size))
			for b.Loop() {
				_, _ = io.Discard.Write(tmpl.Append(dst, Delivery{QoS: 1, PacketID: 1}))
			}
		})
		b.Run(fmt.Sprintf("encode/%d", size), func(b *testing.B) {
			b.ReportAllocs()
			b.SetBytes(int64(size))
			for b.Loop() {
				out, err := p.Append(dst, V5)
				if err != nil {
					b.Fatal(err)
				}
				_, _ = io.Discard.Write(out)
			}
		})
	}
}
