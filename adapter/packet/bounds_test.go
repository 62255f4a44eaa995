package packet

import (
	"errors"
	"io"
	"runtime"
	"testing"

	"lmqgate/meta/message"
)

// announced sends the first bytes of a packet and then waits; release ends the stream.
type announced struct {
	head    []byte
	reached chan struct{} // closed when the reader wants more
	release chan struct{}
}

func (a *announced) Read(p []byte) (int, error) {
	if len(a.head) > 0 {
		n := copy(p, a.head)
		a.head = a.head[n:]
		return n, nil
	}
	close(a.reached)
	<-a.release
	return 0, io.EOF
}

// A packet that is only announced costs no more than a piece, however large it says it is.
func TestAnnouncedBodyIsNotAllocated(t *testing.T) {
	const readers, size = 64, 1 << 20
	var before, after runtime.MemStats
	runtime.GC()
	runtime.ReadMemStats(&before)
	ended := make(chan error, readers)
	var all []*announced
	for range readers {
		// 1 B type, 3 B length of 1 MiB, 2 B length of the topic, topic
		a := &announced{head: []byte{0x30, 0x80, 0x80, 0x40, 0, 1, 'a'}, reached: make(chan struct{}), release: make(chan struct{})}
		d := NewDecoder(a, 2*size)
		d.SetVersion(V5)
		go func() { _, err := d.Next(); ended <- err }()
		all = append(all, a)
	}
	for _, a := range all {
		<-a.reached
	}
	runtime.GC()
	runtime.ReadMemStats(&after)
	for _, a := range all {
		close(a.release)
		if err := <-ended; !errors.Is(err, io.ErrUnexpectedEOF) {
			t.Error(err)
		}
	}
	if grown := int64(after.HeapAlloc) - int64(before.HeapAlloc); grown > readers*size/8 {
		t.Errorf("%d announced packets of %d bytes hold %d bytes", readers, size, grown)
	}
}

// Bodies of all sizes around the pieces arrive whole.
func TestBodiesInPieces(t *testing.T) {
	for _, n := range []int{1, firstPiece - 5, firstPiece - 4, firstPiece - 3, firstPiece + 1, 4*firstPiece - 3, 4*firstPiece + 1, 200_000} {
		payload := make([]byte, n)
		for i := range payload {
			payload[i] = byte(i * 7)
		}
		b, err := (&Publish{Topic: "a", Payload: payload}).Append(nil, V5)
		if err != nil {
			t.Fatal(err)
		}
		r, w := io.Pipe()
		go func() {
			for rest := b; len(rest) > 0; {
				k := min(1000, len(rest))
				if _, err := w.Write(rest[:k]); err != nil {
					return
				}
				rest = rest[k:]
			}
		}()
		d := NewDecoder(r, 0)
		d.SetVersion(V5)
		p, err := d.Next()
		if err != nil {
			t.Fatal(err)
		}
		got := p.(*Publish).Payload
		if string(got) != string(payload) {
			t.Errorf("payload of %d bytes came as %d others", n, len(got))
		}
		_ = r.Close()
	}
}

// The number of user properties is bounded, since they take more memory than room on the wire.
func TestUserPropertiesAreBounded(t *testing.T) {
	for n, want := range map[int]error{maxPairs: nil, maxPairs + 1: QuotaExceeded} {
		b, err := (&Publish{Topic: "a", Properties: message.Properties{User: make([]UserProperty, n)}}).Append(nil, V5)
		if err != nil {
			t.Fatal(err)
		}
		d := NewDecoder(&once{b}, 0)
		d.SetVersion(V5)
		if _, err := d.Next(); !errors.Is(err, want) {
			t.Errorf("%d user properties: %v, want %v", n, err, want)
		}
	}
}

// once is a stream of the bytes given.
type once struct{ b []byte }

func (o *once) Read(p []byte) (int, error) {
	if len(o.b) == 0 {
		return 0, io.EOF
	}
	n := copy(p, o.b)
	o.b = o.b[n:]
	return n, nil
}
