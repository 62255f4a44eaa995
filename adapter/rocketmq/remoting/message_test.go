package remoting

import (
	"bytes"
	"compress/zlib"
	"errors"
	"net/netip"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/google/go-cmp/cmp/cmpopts"
)

func sample() Message {
	return Message{
		Topic: "t", QueueID: 3, QueueOffset: 4, PhysicalOffset: 5, Flag: 6, BornMillis: 7, StoreMillis: 8,
		BornHost: netip.MustParseAddrPort("10.0.0.1:1000"), StoreHost: netip.MustParseAddrPort("10.0.0.2:10911"),
		Reconsume: 1, PreparedOffset: 2, Body: []byte("hello"), Properties: AppendProperty(nil, "a", "b"),
	}
}

func TestMessages(t *testing.T) {
	plain, v6, long := sample(), sample(), sample()
	v6.BornHost, v6.SysFlag = netip.MustParseAddrPort("[::1]:1000"), SysBornHostV6
	long.Topic = strings.Repeat("t", 200) // MagicV2
	var body []byte
	for _, m := range []Message{plain, v6, long} {
		var err error
		if body, err = AppendMessage(body, &m); err != nil {
			t.Fatal(err)
		}
	}
	got, err := DecodeMessages(body)
	if err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff([]Message{plain, v6, long}, got, cmpopts.EquateComparable(netip.AddrPort{})); diff != "" {
		t.Fatal(diff)
	}
}

func TestCompressedBody(t *testing.T) {
	var z bytes.Buffer
	w := zlib.NewWriter(&z)
	w.Write([]byte("hello"))
	w.Close()
	for sys, good := range map[int32]bool{SysCompressed: true, SysCompressed | SysCompressionZlib: true, SysCompressed | 1<<8: false} {
		m := sample()
		m.SysFlag, m.Body = sys, z.Bytes()
		body, _ := AppendMessage(nil, &m)
		got, err := DecodeMessages(body)
		if err != nil || len(got) != 1 {
			t.Fatalf("%d messages, %v", len(got), err)
		}
		if (got[0].Err == nil) != good || good && string(got[0].Body) != "hello" {
			t.Errorf("flag %#x: body %q, %v", sys, got[0].Body, got[0].Err)
		}
	}
}

func TestChecksum(t *testing.T) {
	m := sample()
	body, _ := AppendMessage(nil, &m)
	body = bytes.Replace(body, []byte("hello"), []byte("jello"), 1)
	got, err := DecodeMessages(body)
	if err != nil || len(got) != 1 || !errors.Is(got[0].Err, ErrMessage) {
		t.Fatalf("%+v, %v", got, err)
	}
}

// TestCutMessages: whatever is cut off, the whole messages before stay.
func TestCutMessages(t *testing.T) {
	m := sample()
	one, _ := AppendMessage(nil, &m)
	two := append(bytes.Clone(one), one...)
	for n := range two {
		got, err := DecodeMessages(two[:n])
		if len(got) != n/len(one) || (err == nil) != (n%len(one) == 0) {
			t.Fatalf("cut at %d: %d messages, %v", n, len(got), err)
		}
	}
}

func TestMessageTooLong(t *testing.T) {
	m := sample()
	m.Properties = make([]byte, 32768)
	if _, err := AppendMessage(nil, &m); !errors.Is(err, ErrMessage) {
		t.Fatalf("got %v", err)
	}
}

func TestProperties(t *testing.T) {
	p := Properties("a\x011\x02b\x01\x02junk\x02a\x012\x02c\x013")
	for key, want := range map[string]string{"a": "2", "b": "", "c": "3"} {
		if got, ok := p.Get(key); !ok || got != want {
			t.Errorf("%s: %q, %v", key, got, ok)
		}
	}
	if v, ok := p.Get("junk"); ok {
		t.Errorf("junk: %q", v)
	}
	if diff := cmp.Diff(map[string]string{"a": "2", "b": "", "c": "3"}, p.Map()); diff != "" {
		t.Error(diff)
	}
}

func FuzzDecodeMessages(f *testing.F) {
	m := sample()
	b, _ := AppendMessage(nil, &m)
	f.Add(b)
	m.SysFlag = SysCompressed
	b, _ = AppendMessage(b, &m)
	f.Add(b)
	f.Fuzz(func(t *testing.T, body []byte) {
		messages, _ := DecodeMessages(body)
		for _, m := range messages {
			if m.Err != nil || m.SysFlag&SysCompressed != 0 {
				continue
			}
			out, err := AppendMessage(nil, &m)
			if err != nil {
				continue // longer than a broker would store
			}
			again, err := DecodeMessages(out)
			if err != nil || len(again) != 1 {
				t.Fatalf("encoded again: %d messages, %v", len(again), err)
			}
		}
	})
}

func FuzzProperties(f *testing.F) {
	f.Add([]byte("a\x011\x02b\x01\x02junk\x02a\x012\x02c\x013"))
	f.Fuzz(func(t *testing.T, b []byte) {
		p := Properties(b)
		for k, want := range p.Map() {
			if got, ok := p.Get(k); !ok || got != want {
				t.Fatalf("%q: %q, %v; map says %q", k, got, ok, want)
			}
		}
	})
}

func BenchmarkDecodeMessages(b *testing.B) {
	b.ReportAllocs()
	m := sample()
	var body []byte
	for range 32 {
		body, _ = AppendMessage(body, &m)
	}
	for b.Loop() {
		if _, err := DecodeMessages(body); err != nil {
			b.Fatal(err)
		}
	}
}
