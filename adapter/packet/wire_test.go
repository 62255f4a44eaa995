package packet

import (
	"bytes"
	"errors"
	"io"
	"strconv"
	"strings"
	"testing"
	"testing/iotest"

	"github.com/google/go-cmp/cmp"
)

// wire makes bytes of an annotated listing: hexadecimal bytes and 'text' separated by white space; "//" starts a
// comment that ends with the line.
func wire(tb testing.TB, listing string) []byte {
	tb.Helper()
	var out []byte
	for line := range strings.Lines(listing) {
		line, _, _ = strings.Cut(line, "//")
		for _, field := range strings.Fields(line) {
			if text, ok := strings.CutPrefix(field, "'"); ok {
				out = append(out, strings.TrimSuffix(text, "'")...)
				continue
			}
			n, err := strconv.ParseUint(field, 16, 8)
			if err != nil {
				tb.Fatalf("listing: %v", err)
			}
			out = append(out, byte(n))
		}
	}
	return out
}

// wireCase says that the bytes and the packet are the same thing in a version.
type wireCase struct {
	name    string
	version Version
	listing string
	packet  Packet
	oneWay  bool // another encoding of the packet: decoded, but not what Append writes
}

// bothWays decodes and encodes each case, and checks that every proper prefix is an unexpected end.
func bothWays(t *testing.T, cases []wireCase) {
	t.Helper()
	for _, c := range cases {
		t.Run(c.version.String()+"/"+c.name, func(t *testing.T) {
			b := wire(t, c.listing)
			checkDecode(t, bytes.NewReader(b), c)
			checkDecode(t, iotest.OneByteReader(bytes.NewReader(b)), c)
			if !c.oneWay {
				checkEncode(t, b, c)
			}
			for n := 1; n < len(b); n++ {
				_, err := newTestDecoder(bytes.NewReader(b[:n]), c.version, c.packet.Type()).Next()
				if err != io.ErrUnexpectedEOF {
					t.Fatalf("first %d bytes: %v, want unexpected EOF", n, err)
				}
			}
		})
	}
}

// newTestDecoder returns a Decoder that knows the version, unless a CONNECT is to tell it.
func newTestDecoder(r io.Reader, v Version, t Type) *Decoder {
	d := NewDecoder(r, 0)
	if t != CONNECT {
		d.SetVersion(v)
	}
	return d
}

func checkDecode(t *testing.T, r io.Reader, c wireCase) {
	t.Helper()
	d := newTestDecoder(r, c.version, c.packet.Type())
	got, err := d.Next()
	if err != nil {
		t.Fatalf("decode: %v", err)
	}
	if diff := cmp.Diff(c.packet, got); diff != "" {
		t.Errorf("decoded packet (-want +got):\n%s", diff)
	}
	if d.Version() != c.version {
		t.Errorf("version %v, want %v", d.Version(), c.version)
	}
	if _, err := d.Next(); err != io.EOF {
		t.Errorf("after the packet: %v, want EOF", err)
	}
}

func checkEncode(t *testing.T, want []byte, c wireCase) {
	t.Helper()
	got, err := c.packet.Append([]byte("before"), c.version)
	if err != nil {
		t.Fatalf("encode: %v", err)
	}
	if diff := cmp.Diff(append([]byte("before"), want...), got); diff != "" {
		t.Errorf("encoded bytes (-want +got):\n%s", diff)
	}
}

// badCase is a packet that must be refused with a reason code.
type badCase struct {
	name    string
	version Version
	listing string
	code    ReasonCode
}

func refused(t *testing.T, cases []badCase) {
	t.Helper()
	for _, c := range cases {
		t.Run(c.version.String()+"/"+c.name, func(t *testing.T) {
			b := wire(t, c.listing)
			d := newTestDecoder(bytes.NewReader(b), c.version, Type(b[0]>>4))
			p, err := d.Next()
			if p != nil || !errors.Is(err, c.code) {
				t.Fatalf("got %v, %v; want %v", p, err, c.code)
			}
			var e *Error
			if !errors.As(err, &e) || e.Code != c.code || e.Msg == "" {
				t.Errorf("error %#v is no *Error of %v with a message", err, c.code)
			}
			if _, again := d.Next(); again != err {
				t.Errorf("next call: %v, want the same error", again)
			}
		})
	}
}

// unencodable checks that Append refuses the packets and leaves dst alone.
func unencodable(t *testing.T, v Version, packets map[string]Packet) {
	t.Helper()
	for name, p := range packets {
		t.Run(v.String()+"/"+name, func(t *testing.T) {
			out, err := p.Append([]byte("before"), v)
			var e *Error
			if !errors.As(err, &e) {
				t.Fatalf("got %x, %v; want an *Error", out, err)
			}
			if string(out) != "before" {
				t.Errorf("dst came back as %q", out)
			}
		})
	}
}
