package message

import (
	"bytes"
	"encoding/hex"
	"errors"
	"testing"

	"github.com/google/go-cmp/cmp"
)

// whole is a message with everything in it.
func whole() *Message {
	return &Message{
		Topic: "a/b", Payload: []byte("hi"), QoS: 2, Retain: true, Key: "K", Publisher: "p", BornMillis: 1,
		Properties: Properties{
			HasFormat: true, PayloadFormat: 1, HasExpiry: true, Expiry: 300, ContentType: "c", ResponseTopic: "r",
			CorrelationData: []byte{0}, User: []UserProperty{{Key: "a", Value: "b"}},
		},
	}
}

// The bytes are what is stored in production: a change of them is a change of the format.
func TestBinaryBytes(t *testing.T) {
	bare := whole()
	bare.Topic, bare.Retain = "", false
	for name, c := range map[string]struct {
		m    *Message
		want string
	}{
		"everything": {whole(), "01" + "fe" + "03612f62" + "02" + "ac02" + "0100" + "0163" + "0172" + "01" + "01610162" + "014b" + "0170" + "6869"},
		"no topic":   {bare, "01" + "3e" + "02" + "ac02" + "0100" + "0163" + "0172" + "01" + "01610162" + "014b" + "0170" + "6869"},
		"nothing":    {&Message{}, "01" + "00" + "00" + "00" + "00" + "00" + "00" + "00"},
		"plain":      {&Message{Topic: "t", Payload: []byte("x"), QoS: 1, BornMillis: -1}, "01" + "81" + "0174" + "01" + "0000000000" + "78"},
	} {
		got := AppendBinary([]byte("head"), c.m)
		if string(got[:4]) != "head" || hex.EncodeToString(got[4:]) != c.want {
			t.Errorf("%s: stored as %x, want %s", name, got, c.want)
		}
		m, err := ParseBinary(got[4:])
		if err != nil {
			t.Errorf("%s: %v", name, err)
			continue
		}
		if d := cmp.Diff(c.m, m); d != "" {
			t.Errorf("%s: %s", name, d)
		}
	}
}

// Empty correlation data is not the same as none; the store time is not kept, an empty payload has one form.
func TestBinaryKeeps(t *testing.T) {
	m := whole()
	m.StoreMillis, m.Payload, m.Properties.CorrelationData = 5, []byte{}, []byte{}
	got, err := ParseBinary(AppendBinary(nil, m))
	if err != nil {
		t.Fatal(err)
	}
	if got.Properties.CorrelationData == nil || got.StoreMillis != 0 || got.Payload != nil {
		t.Errorf("%+v", got)
	}
}

func TestBinaryMalformed(t *testing.T) {
	whole := AppendBinary(nil, whole())
	for n := range len(whole) - len("hi") {
		if m, err := ParseBinary(whole[:n]); !errors.Is(err, ErrFormat) || m != nil {
			t.Errorf("the first %d bytes: %+v, %v", n, m, err)
		}
	}
	for name, in := range map[string]string{
		"another format":      "02" + "0000000000000000",
		"json":                hex.EncodeToString([]byte("{}")),
		"qos 3":               "01" + "03" + "000000000000",
		"utf-8, no indicator": "01" + "08" + "000000000000",
		"empty topic flagged": "01" + "80" + "00" + "000000000000",
		"expiry too large":    "01" + "10" + "00" + "8080808010" + "0000000000",
		"endless number":      "01" + "00" + "ffffffffffffffffffffff",
		"length beyond":       "01" + "00" + "00" + "ffffffffffffffffff01",
		"a million users":     "01" + "00" + "00" + "0000" + "c0843d" + "0000",
	} {
		b, err := hex.DecodeString(in)
		if err != nil {
			t.Fatal(err)
		}
		if m, err := ParseBinary(b); !errors.Is(err, ErrFormat) || m != nil {
			t.Errorf("%s: %+v, %v", name, m, err)
		}
	}
}

// Whatever is read is written such that it reads the same again, and no field grows into its neighbour's memory.
func FuzzBinary(f *testing.F) {
	f.Add(AppendBinary(nil, whole()))
	f.Add(AppendBinary(nil, &Message{}))
	f.Add([]byte("\x01\x00\x00\x00\x00\xff\xff\xff\xff\xff\xff\xff\xff\x01"))
	f.Add([]byte{})
	f.Fuzz(func(t *testing.T, b []byte) {
		m, err := ParseBinary(b)
		if err != nil {
			if !errors.Is(err, ErrFormat) {
				t.Fatal(err)
			}
			return
		}
		before := bytes.Clone(b)
		_ = append(m.Properties.CorrelationData, "more"...)
		if !bytes.Equal(b, before) {
			t.Error("appending to the correlation data changed what stands behind it")
		}
		again, err := ParseBinary(AppendBinary(nil, m))
		if err != nil {
			t.Fatal(err)
		}
		if diff := cmp.Diff(m, again); diff != "" {
			t.Error(diff)
		}
	})
}

func BenchmarkBinary(b *testing.B) {
	m := &Message{Topic: "sensors/kitchen/temperature", Payload: []byte("21.5"), QoS: 1, Key: "7F00000100002A9F000000000000A1B2"}
	buf := AppendBinary(nil, m)
	b.ReportAllocs()
	for b.Loop() {
		buf = AppendBinary(buf[:0], m)
		if _, err := ParseBinary(buf); err != nil {
			b.Fatal(err)
		}
	}
}
