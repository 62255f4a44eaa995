package packet

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"runtime"
	"strings"
	"testing"
)

// TestDecoderStream reads a client's whole conversation; the version comes from CONNECT.
func TestDecoderStream(t *testing.T) {
	b := wire(t, `
		10 0d 00 04 'MQTT' 05 02 00 00 00 00 00
		82 07 00 01 00 00 01 'a' 01
		30 06 00 01 't' 00 'hi'
		40 03 00 07 87
		50 02 00 08
		c0 00
		e0 00`)
	d := NewDecoderSize(bytes.NewReader(b), 0, 16)
	var got []string
	for {
		p, err := d.Next()
		if err == io.EOF {
			break
		}
		if err != nil {
			t.Fatal(err)
		}
		got = append(got, p.Type().String())
		if ack, ok := p.(*Puback); ok && (ack.PacketID != 7 || ack.Code != NotAuthorized) {
			t.Errorf("PUBACK %v", ack)
		}
		if ack, ok := p.(*Pubrec); ok && (ack.PacketID != 8 || ack.Code != Success) {
			t.Errorf("PUBREC %v carries what PUBACK left", ack)
		}
	}
	if want := "CONNECT SUBSCRIBE PUBLISH PUBACK PUBREC PINGREQ DISCONNECT"; strings.Join(got, " ") != want {
		t.Errorf("got %v, want %v", got, want)
	}
	if d.Version() != V5 {
		t.Errorf("version %v", d.Version())
	}
}

// TestDecoderBeforeConnect: nothing but CONNECT may come first [MQTT-3.1.0-1], and it is refused by its first byte.
func TestDecoderBeforeConnect(t *testing.T) {
	for first := range 256 {
		d := NewDecoder(bytes.NewReader([]byte{byte(first)}), 0)
		_, err := d.Next()
		want := ProtocolError
		switch first >> 4 {
		case 0:
			want = MalformedPacket
		case 1:
			want = MalformedPacket
			if first == 0x10 {
				continue
			}
		}
		if !errors.Is(err, want) {
			t.Errorf("first byte %02x: %v, want %v", first, err, want)
		}
	}
	d := NewDecoder(bytes.NewReader([]byte{0x10}), 0)
	if _, err := d.Next(); err != io.ErrUnexpectedEOF {
		t.Errorf("CONNECT cut off: %v", err)
	}
}

// TestDecoderLimit: the limit counts the whole packet, and is checked before the body is read or allocated.
func TestDecoderLimit(t *testing.T) {
	b := wire(t, `30 05 00 01 't' 'hi'`)
	d := NewDecoder(bytes.NewReader(b), 7)
	d.SetVersion(V311)
	if _, err := d.Next(); err != nil {
		t.Errorf("packet of 7 bytes, limit 7: %v", err)
	}
	d = NewDecoder(bytes.NewReader(b), 100)
	d.SetVersion(V311)
	d.SetMaxPacketSize(6)
	if _, err := d.Next(); !errors.Is(err, PacketTooLarge) {
		t.Errorf("packet of 7 bytes, limit 6: %v", err)
	}
	d = NewDecoder(strings.NewReader("\x30\xff\xff\xff\x7f"), 1<<20)
	d.SetVersion(V311)
	var before, after runtime.MemStats
	runtime.ReadMemStats(&before)
	_, err := d.Next()
	runtime.ReadMemStats(&after)
	if !errors.Is(err, PacketTooLarge) || after.TotalAlloc-before.TotalAlloc > 1<<20 {
		t.Errorf("packet of 256 MiB: %v, %d bytes allocated", err, after.TotalAlloc-before.TotalAlloc)
	}
}

// TestDecoderLongControlPacket decodes control packets that do not fit the read buffer.
func TestDecoderLongControlPacket(t *testing.T) {
	s := &Subscribe{PacketID: 1}
	for n := range 200 {
		s.Filters = append(s.Filters, Subscription{Filter: fmt.Sprintf("a/%d", n), QoS: byte(n % 3)})
	}
	c := wireCase{version: V5, packet: s}
	b, err := s.Append(nil, V5)
	if err != nil || len(b) <= DefaultBuffer {
		t.Fatalf("%d bytes, %v", len(b), err)
	}
	checkDecode(t, bytes.NewReader(b), c)
}

var errBroken = errors.New("broken")

type brokenReader struct{ before io.Reader }

func (r brokenReader) Read(p []byte) (int, error) {
	n, err := r.before.Read(p)
	if err == io.EOF {
		err = errBroken
	}
	return n, err
}

// TestDecoderReadError: a failure of the reader stays visible wherever it strikes.
func TestDecoderReadError(t *testing.T) {
	b := wire(t, `30 05 00 01 't' 'hi' 40 02 00 01`)
	for n := range len(b) + 1 {
		d := NewDecoder(brokenReader{bytes.NewReader(b[:n])}, 0)
		d.SetVersion(V311)
		var err error
		for err == nil {
			_, err = d.Next()
		}
		if !errors.Is(err, errBroken) {
			t.Errorf("after %d bytes: %v", n, err)
		}
	}
}

func TestReasonCodes(t *testing.T) {
	words := map[string]ReasonCode{}
	for n := range 256 {
		c := ReasonCode(n)
		s := c.Error()
		if other, ok := words[s]; ok {
			t.Errorf("%#x and %#x are both %q", n, byte(other), s)
		}
		words[s] = c
		used := false
		for typ := CONNECT; typ <= AUTH; typ++ {
			used = used || c.ValidIn(typ)
		}
		for _, typ := range []Type{CONNACK, PUBACK, PUBREC, PUBREL, PUBCOMP, SUBACK, UNSUBACK, DISCONNECT} {
			if sent := c.For(typ); !sent.ValidIn(typ) || c.Failed() != sent.Failed() {
				t.Errorf("%v leaves in %v as %v", c, typ, sent)
			}
		}
		if named := !strings.HasPrefix(s, "reason code 0x"); named != used {
			t.Errorf("%#x %q: used in a packet: %v", n, s, used)
		}
	}
	var code ReasonCode
	err := fmt.Errorf("close: %w", &Error{Code: QuotaExceeded, Msg: "m"})
	if !errors.As(err, &code) || code != QuotaExceeded || err.Error() != "close: quota exceeded: m" {
		t.Errorf("%v unwraps to %v", err, code)
	}
}
