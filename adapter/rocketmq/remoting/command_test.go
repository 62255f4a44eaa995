package remoting

import (
	"bufio"
	"bytes"
	"errors"
	"io"
	"testing"

	"github.com/google/go-cmp/cmp"
)

// A query of the maximum offset, binary: the frame as it is on the wire.
var binaryFrame = []byte{
	0, 0, 0, 52, // 52 bytes follow
	1, 0, 0, 48, // ROCKETMQ, header of 48 bytes
	0, 30, // code 30
	9,          // Go
	0x01, 0xED, // version 493
	0, 0, 0, 7, // opaque
	0, 0, 0, 1, // response
	0, 0, 0, 2, 'o', 'k', // remark
	0, 0, 0, 21, // ext fields
	0, 5, 't', 'o', 'p', 'i', 'c', 0, 0, 0, 10, '%', 'L', 'M', 'Q', '%', 'a', '%', 'b', '%', 'c',
	'x', 'y', // body, behind the header
}

func binaryCommand() *Command {
	return &Command{
		Code: 30, Language: LanguageGo, Version: 493, Opaque: 7, Flag: FlagResponse, Remark: "ok",
		Ext: map[string]string{"topic": "%LMQ%a%b%c"}, Body: []byte("xy"), Serialize: SerializeBinary,
	}
}

func TestBinaryBytes(t *testing.T) {
	want := bytes.Clone(binaryFrame)
	want[3] = byte(len(want) - 4)
	want[7] = byte(len(want) - 8 - 2)
	got, err := binaryCommand().Append(nil)
	if err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Fatal(diff)
	}
	back, err := Decode(want[4:])
	if err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff(binaryCommand(), back); diff != "" {
		t.Fatal(diff)
	}
}

func TestJSONFromJava(t *testing.T) {
	header := `{"code":200050,"extFields":{"topic":"t","order":"false"},"flag":1,"language":"JAVA","opaque":9,"remark":"r","serializeTypeCurrentRPC":"JSON","version":493}`
	frame := append([]byte{0, 0, 0, byte(len(header))}, header+"body"...)
	got, err := Decode(frame)
	if err != nil {
		t.Fatal(err)
	}
	want := &Command{
		Code: PopMessage, Language: LanguageJava, Version: 493, Opaque: 9, Flag: FlagResponse, Remark: "r",
		Ext: map[string]string{"topic": "t", "order": "false"}, Body: []byte("body"),
	}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Fatal(diff)
	}
	out, err := want.Append(nil)
	if err != nil {
		t.Fatal(err)
	}
	again, err := Decode(out[4:])
	if err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff(want, again); diff != "" {
		t.Fatal(diff)
	}
}

func TestWideCodesAreJSON(t *testing.T) {
	if c := NewRequest(PopMessage, nil, nil); c.Serialize != SerializeJSON {
		t.Fatal("POP's code does not fit the binary header")
	}
	c := NewRequest(PopMessage, nil, nil)
	c.Serialize = SerializeBinary
	if _, err := c.Append(nil); !errors.Is(err, ErrFrame) {
		t.Fatalf("got %v", err)
	}
}

func TestDecodeRefuses(t *testing.T) {
	good, _ := binaryCommand().Append(nil)
	good = good[4:]
	cases := map[string][]byte{
		"empty":                nil,
		"header beyond frame":  {1, 0, 0, 9, 1},
		"unknown serialiser":   {7, 0, 0, 0},
		"short binary header":  {1, 0, 0, 1, 0},
		"not json":             {0, 0, 0, 1, 'x'},
		"remark beyond header": append([]byte{1, 0, 0, 17}, append(make([]byte, 13), 0xFF, 0xFF, 0xFF, 0xFF)...),
	}
	for n := range good[4:] { // every cut of the header, its length put right
		if n < len(good)-4-2 {
			cut := bytes.Clone(good[:4+n])
			cut[3] = byte(n)
			cases["cut"+string(rune('A'+n))] = cut
		}
	}
	for name, frame := range cases {
		if c, err := Decode(frame); err == nil {
			t.Errorf("%s: decoded %+v", name, c)
		}
	}
}

func TestReadFrame(t *testing.T) {
	long := bytes.Repeat([]byte{'x'}, 3*growBy+5)
	frame := append([]byte{0, byte(len(long) >> 16), byte(len(long) >> 8), byte(len(long))}, long...)
	cases := map[string]struct {
		in   []byte
		want []byte
		err  error
	}{
		"one":       {[]byte{0, 0, 0, 4, 1, 2, 3, 4}, []byte{1, 2, 3, 4}, nil},
		"long":      {frame, long, nil},
		"end":       {nil, nil, io.EOF},
		"cut":       {frame[:len(frame)-1], nil, io.ErrUnexpectedEOF},
		"cut early": {frame[:4], nil, io.ErrUnexpectedEOF},
		"too long":  {[]byte{0x7F, 0xFF, 0xFF, 0xFF, 0}, nil, ErrFrame},
		"too short": {[]byte{0, 0, 0, 3, 0, 0, 0}, nil, ErrFrame},
		"negative":  {[]byte{0xFF, 0xFF, 0xFF, 0xFF}, nil, ErrFrame},
	}
	for name, c := range cases {
		got, err := ReadFrame(bufio.NewReader(bytes.NewReader(c.in)), 1<<20)
		if !errors.Is(err, c.err) || !bytes.Equal(got, c.want) {
			t.Errorf("%s: %d bytes, %v", name, len(got), err)
		}
	}
}

// TestPullIsACommand holds the hand-written encoder against the general one.
func TestPullIsACommand(t *testing.T) {
	for _, cred := range []Credentials{{}, {"ak", "sk"}} {
		for _, suspend := range []int64{0, 30000} {
			p := PullRequest{Group: "g", Topic: "%LMQ%t", Broker: "b", Offset: 1 << 40, Max: 32, SuspendMillis: suspend}
			frame, err := p.Append(nil, 5, cred)
			if err != nil {
				t.Fatal(err)
			}
			got, err := Decode(frame[4:])
			if err != nil {
				t.Fatal(err)
			}
			sys, held := "4", "0"
			if suspend > 0 {
				sys, held = "6", "30000"
			}
			ext := map[string]string{
				"consumerGroup": "g", "topic": "%LMQ%t", "queueId": "0", "queueOffset": "1099511627776", "maxMsgNums": "32",
				"sysFlag": sys, "commitOffset": "0", "suspendTimeoutMillis": held, "subscription": "*", "subVersion": "0",
				"expressionType": "TAG", "bname": "b",
			}
			if !cred.Empty() {
				ext = Sign(cred, ext, nil)
			}
			want := NewRequest(PullMessage, ext, nil)
			want.Opaque = 5
			if diff := cmp.Diff(want, got); diff != "" {
				t.Error(diff)
			}
		}
	}
}

func TestSign(t *testing.T) {
	// printf ak1tbody | openssl dgst -sha1 -hmac secret -binary | base64: the
	// values of AccessKey, a and topic, then the body.
	got := Sign(Credentials{"ak", "secret"}, map[string]string{"topic": "t", "a": "1", FieldSignature: "old"}, []byte("body"))
	want := map[string]string{"topic": "t", "a": "1", FieldAccessKey: "ak", FieldSignature: "73Lun5X/EefKS818VZPOE1iyl0g="}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Fatal(diff)
	}
}

func FuzzDecode(f *testing.F) {
	b, _ := binaryCommand().Append(nil)
	f.Add(b[4:])
	j := binaryCommand()
	j.Serialize = SerializeJSON
	b, _ = j.Append(nil)
	f.Add(b[4:])
	f.Fuzz(func(t *testing.T, frame []byte) {
		c, err := Decode(frame)
		if err != nil {
			return
		}
		out, err := c.Append(nil)
		if err != nil {
			return // a decoded header may be longer written than read
		}
		again, err := Decode(out[4:])
		if err != nil {
			t.Fatalf("encoded again: %v", err)
		}
		if c.Serialize == SerializeBinary {
			if diff := cmp.Diff(c, again); diff != "" {
				t.Fatal(diff)
			}
		}
	})
}

func FuzzReadFrame(f *testing.F) {
	f.Add([]byte{0, 0, 0, 4, 1, 2, 3, 4})
	f.Add([]byte{0, 0xFF, 0, 4, 1})
	f.Fuzz(func(t *testing.T, in []byte) {
		frame, err := ReadFrame(bufio.NewReader(bytes.NewReader(in)), 1<<20)
		if err == nil && !bytes.Equal(frame, in[4:4+len(frame)]) {
			t.Fatal("frame is not what was read")
		}
	})
}

func BenchmarkPullAppend(b *testing.B) {
	b.ReportAllocs()
	p := PullRequest{Group: "%LMQ%g", Topic: "%LMQ%a%b%", Broker: "broker-a", Offset: 12345, Max: 32, SuspendMillis: 30000}
	buf := make([]byte, 0, 1024)
	for b.Loop() {
		if _, err := p.Append(buf, 1, Credentials{}); err != nil {
			b.Fatal(err)
		}
	}
}

func BenchmarkDecodeBinary(b *testing.B) {
	b.ReportAllocs()
	frame, _ := binaryCommand().Append(nil)
	for b.Loop() {
		if _, err := Decode(frame[4:]); err != nil {
			b.Fatal(err)
		}
	}
}
