package transport

import (
	"bytes"
	"crypto/rand"
	"crypto/tls"
	"encoding/binary"
	"errors"
	"io"
	"net"
	"os"
	"strings"
	"testing"
	"time"

	"github.com/coder/websocket"
)

// A packet may span messages and a message hold several packets: the stream is what counts.
func TestStreamIgnoresMessageBounds(t *testing.T) {
	got := make(chan string, 1)
	g := open(t, Config{}, func(c *Conn) {
		all, err := io.ReadAll(c)
		if err != nil {
			t.Error(err)
		}
		got <- string(all)
	})
	c := g.dial()
	want := ""
	send := func(p string) {
		want += p
		if err := c.Write(t.Context(), websocket.MessageBinary, []byte(p)); err != nil {
			t.Fatal(err)
		}
	}
	for _, b := range "one byte a message" {
		send(string(b))
	}
	send("")
	send("two packets" + "in one message")
	send(strings.Repeat("long ", 50_000))

	w, err := c.Writer(t.Context(), websocket.MessageBinary)
	if err != nil {
		t.Fatal(err)
	}
	for range 3 { // three fragments and an empty last one
		want += "fragment"
		if _, err := w.Write([]byte("fragment")); err != nil {
			t.Fatal(err)
		}
	}
	if err := w.Close(); err != nil {
		t.Fatal(err)
	}
	if err := c.Close(websocket.StatusNormalClosure, ""); err != nil {
		t.Fatal(err)
	}
	if s := <-got; s != want {
		t.Fatalf("got %d bytes, want %d", len(s), len(want))
	}
}

// Each Write is one unfragmented, unmasked binary message, whatever its length form.
func TestWriteIsOneMessage(t *testing.T) {
	sizes := []int{1, 125, 126, maxJoined, maxJoined + 1, 65535, 65536, 1 << 20}
	payload := make([]byte, 1<<20)
	_, _ = rand.Read(payload)
	g := open(t, Config{}, func(c *Conn) {
		if n, err := c.Write(nil); n != 0 || err != nil {
			t.Errorf("empty write: %d, %v", n, err)
		}
		for _, n := range sizes {
			if m, err := c.Write(payload[:n]); m != n || err != nil {
				t.Errorf("wrote %d of %d: %v", m, n, err)
			}
		}
	})
	_, br := g.dialRaw("")
	for _, n := range sizes {
		got := readFrame(t, br, 0x82)
		if !bytes.Equal(got, payload[:n]) {
			t.Fatalf("message of %d bytes came as %d", n, len(got))
		}
	}
	readFrame(t, br, 0x88)
}

// readFrame reads one frame that must begin with first, in the shortest length form.
func readFrame(t *testing.T, r io.Reader, first byte) []byte {
	t.Helper()
	var h [10]byte
	read := func(p []byte) {
		if _, err := io.ReadFull(r, p); err != nil {
			t.Fatal(err)
		}
	}
	read(h[:2])
	n := uint64(h[1])
	switch n {
	case 126:
		read(h[2:4])
		n = uint64(binary.BigEndian.Uint16(h[2:]))
	case 127:
		read(h[2:10])
		n = binary.BigEndian.Uint64(h[2:])
	}
	if h[0] != first || h[1] > 127 {
		t.Fatalf("frame begins %x, want %x unmasked", h[:2], first)
	}
	p := make([]byte, n)
	read(p)
	return p
}

// Concurrent writes do not mix, with each other or with the pongs that the reader sends.
func TestConcurrentWrites(t *testing.T) {
	const each = 200
	g := open(t, Config{}, func(c *Conn) {
		done := make(chan struct{})
		for i := range 4 {
			go func() {
				defer func() { done <- struct{}{} }()
				p := bytes.Repeat([]byte{byte(i)}, 3000*(i+1))
				for range each {
					if _, err := c.Write(p); err != nil {
						t.Error(err)
						return
					}
				}
			}()
		}
		buf := make([]byte, 16)
		if _, err := c.Read(buf); err != nil { // answers the pings on the way
			t.Error(err)
		}
		for range 4 {
			<-done
		}
	})
	conn, br := g.dialRaw("")
	go func() {
		_, _ = io.WriteString(conn, strings.Repeat(masked(0x89, "ping"), each)+masked(0x82, "end"))
	}()
	messages, pongs := 0, 0
	for messages < 4*each || pongs < each {
		next, err := br.Peek(1)
		if err != nil {
			t.Fatal(err)
		}
		first := next[0]
		p := readFrame(t, br, first)
		switch first {
		case 0x8a:
			pongs++
		case 0x82:
			messages++
			if len(p) != 3000*(int(p[0])+1) || len(bytes.Trim(p, string(p[:1]))) != 0 {
				t.Fatal("messages are mixed")
			}
		}
	}
}

// A frame sent together with the request is not lost in the HTTP server's buffer.
func TestFrameBehindTheRequest(t *testing.T) {
	g := open(t, Config{}, echo)
	long := strings.Repeat("x", 120)
	_, br := g.dialRaw(masked(0x82, "early") + strings.Repeat(masked(0x82, long), 20))
	mustRead(t, br, "\x82\x05early")
	for range 20 {
		mustRead(t, br, "\x82\x78"+long)
	}
}

func TestFaultyFrames(t *testing.T) {
	for name, tc := range map[string]struct {
		send string
		code StatusCode
	}{
		"text [MQTT-6.0.0-1]": {masked(0x81, "\x10\x00"), StatusUnsupportedData},
		"not masked":          {"\x82\x02ab", StatusProtocolError},
		"reserved bit":        {masked(0xc2, "ab"), StatusProtocolError},
		"unknown opcode":      {masked(0x83, "ab"), StatusProtocolError},
		"lone continuation":   {masked(0x80, "ab"), StatusProtocolError},
		"long ping":           {"\x89\xfe\x01\x00\x00\x00\x00\x00", StatusProtocolError},
		"too big":             {masked(0x82, strings.Repeat("x", 101)), StatusMessageTooBig},
		"too big in parts":    {masked(0x02, strings.Repeat("x", 60)) + masked(0x80, strings.Repeat("x", 60)), StatusMessageTooBig},
	} {
		t.Run(name, func(t *testing.T) {
			got := make(chan error, 1)
			g := open(t, Config{ReadLimit: 100}, func(c *Conn) {
				_, err := io.Copy(io.Discard, c)
				got <- err
			})
			_, br := g.dialRaw(tc.send)
			p := readFrame(t, br, 0x88)
			if code := StatusCode(binary.BigEndian.Uint16(p)); code != tc.code {
				t.Errorf("closed with %d %q, want %d", code, p[2:], tc.code)
			}
			if _, err := br.ReadByte(); err != io.EOF {
				t.Errorf("after the close frame: %v", err)
			}
			err := <-got
			if err == nil {
				t.Error("the handler saw an orderly end")
			}
			if text := tc.code == StatusUnsupportedData; errors.Is(err, ErrTextFrame) != text {
				t.Errorf("handler's error: %v", err)
			}
		})
	}
}

func TestMessageAtTheLimit(t *testing.T) {
	g := open(t, Config{ReadLimit: 100}, echo)
	_, br := g.dialRaw(strings.Repeat(masked(0x82, strings.Repeat("x", 100)), 3))
	for range 3 {
		mustRead(t, br, "\x82\x64"+strings.Repeat("x", 100))
	}
}

func TestPings(t *testing.T) {
	g := open(t, Config{}, func(c *Conn) {
		if err := c.Ping(); err != nil {
			t.Error(err)
		}
		echo(c)
	})
	conn, br := g.dialRaw("")
	mustRead(t, br, "\x89\x00")
	mustWrite(t, conn, masked(0x8a, "")+masked(0x89, "hello")+masked(0x8a, "unasked")+masked(0x82, "data"))
	mustRead(t, br, "\x8a\x05hello"+"\x82\x04data")
}

// TestPingAfterDeadline: the deadline of the last write is long over on an idle connection; neither a ping nor the answer
// to one is a write of its own that could be late.
func TestPingAfterDeadline(t *testing.T) {
	g := open(t, Config{}, func(c *Conn) {
		_ = c.SetWriteDeadline(time.Unix(1, 0))
		for range 2 {
			if err := c.Ping(); err != nil {
				t.Error(err)
			}
		}
		_, _ = c.Read(make([]byte, 1))
	})
	conn, br := g.dialRaw("")
	mustRead(t, br, "\x89\x00\x89\x00")
	mustWrite(t, conn, masked(0x89, "hello"))
	mustRead(t, br, "\x8a\x05hello")
}

func TestPingOnTCPIsNothing(t *testing.T) {
	g := open(t, Config{}, func(c *Conn) {
		if err := c.Ping(); err != nil {
			t.Error(err)
		}
	})
	if rest, err := io.ReadAll(dialTCP(t, g.tcp)); len(rest) != 0 || err != nil {
		t.Errorf("got %q, %v", rest, err)
	}
}

// A full socket must not hold up who pings: the ping is left out.
func TestPingDoesNotWait(t *testing.T) {
	pinged := make(chan struct{})
	g := open(t, Config{}, func(c *Conn) {
		fill(c)
		if err := c.Ping(); err != nil {
			t.Error(err)
		}
		close(pinged)
		c.abort()
	})
	g.dialRaw("")
	<-pinged
}

func TestDeadlines(t *testing.T) {
	timedOut := make(chan struct{})
	g := open(t, Config{}, func(c *Conn) {
		buf := make([]byte, 5)
		if err := c.SetReadDeadline(time.Unix(1, 0)); err != nil {
			t.Error(err)
		}
		for range 2 {
			if _, err := c.Read(buf); !errors.Is(err, os.ErrDeadlineExceeded) {
				t.Errorf("%s: read past its deadline: %v", c.Kind(), err)
			}
		}
		_ = c.SetDeadline(time.Time{})
		timedOut <- struct{}{}
		if _, err := io.ReadFull(c, buf); err != nil || string(buf) != "hello" {
			t.Errorf("%s: read after the deadline: %q, %v", c.Kind(), buf, err)
		}
		_ = c.SetWriteDeadline(time.Unix(1, 0))
		if _, err := c.Write(buf); !errors.Is(err, os.ErrDeadlineExceeded) {
			t.Errorf("%s: write past its deadline: %v", c.Kind(), err)
		}
		_ = c.SetWriteDeadline(time.Time{})
		if _, err := c.Write(buf); !errors.Is(err, net.ErrClosed) {
			t.Errorf("%s: write after a failed one: %v", c.Kind(), err)
		}
	})
	ws, br := g.dialRaw("")
	<-timedOut
	mustWrite(t, ws, masked(0x82, "hello"))
	conn := dialTCP(t, g.tcp)
	<-timedOut
	mustWrite(t, conn, "hello")
	for _, r := range []io.Reader{br, conn} {
		if rest, err := io.ReadAll(r); len(rest) != 0 || err != nil {
			t.Errorf("got %q, %v", rest, err)
		}
	}
}

// A deadline wakes a Read under way, also inside a frame, and leaves the other direction as it was.
func TestStopReading(t *testing.T) {
	a := newAuthority(t)
	reading := make(chan *Conn, 1)
	g := open(t, Config{TLS: mutualTLS(a)}, func(c *Conn) {
		reading <- c
		if _, err := io.Copy(io.Discard, c); !errors.Is(err, os.ErrDeadlineExceeded) {
			t.Errorf("%s: read: %v", c.Kind(), err)
		}
		if _, err := c.Write([]byte("bye")); err != nil {
			t.Errorf("%s: write: %v", c.Kind(), err)
		}
		_ = c.CloseWith(StatusGoingAway, "")
	})
	secure := tls.Client(dialTCP(t, openTLS(t, g)), &tls.Config{
		RootCAs: a.pool, ServerName: "127.0.0.1", Certificates: []tls.Certificate{a.issue("x")},
	})
	mustWrite(t, secure, "hello")
	stopped := func(r io.Reader, want string) {
		t.Helper()
		if err := (<-reading).SetReadDeadline(time.Now()); err != nil {
			t.Error(err)
		}
		if got, err := io.ReadAll(r); string(got) != want || err != nil {
			t.Errorf("got %q, %v", got, err)
		}
	}
	stopped(secure, "bye")
	stopped(dialTCP(t, g.tcp), "bye")
	for _, sent := range []string{"", "\x82", "\x82\x85\x00\x00\x00\x00he", masked(0x02, "he"), "\x89\x85\x00\x00\x00\x00he"} {
		_, br := g.dialRaw(sent)
		stopped(br, "\x82\x03bye\x88\x02\x03\xe9")
	}
}

func TestEndOfStream(t *testing.T) {
	for name, tc := range map[string]struct {
		send    string
		orderly bool
	}{
		"normal":        {masked(0x88, "\x03\xe8"), true},
		"going away":    {masked(0x88, "\x03\xe9bye"), true},
		"no status":     {masked(0x88, ""), true},
		"other status":  {masked(0x88, "\x03\xf3"), false},
		"inside header": {"\x82", false},
		"inside frame":  {"\x82\x85\x00\x00\x00\x00he", false},
	} {
		t.Run(name, func(t *testing.T) {
			got := make(chan error, 1)
			g := open(t, Config{}, func(c *Conn) {
				_, err := io.Copy(io.Discard, c)
				got <- err
			})
			conn, br := g.dialRaw(tc.send)
			_ = conn.(*net.TCPConn).CloseWrite()
			if err := <-got; (err == nil) != tc.orderly {
				t.Errorf("handler saw %v", err)
			}
			rest, _ := io.ReadAll(br)
			if closed := tc.send[0] == 0x88; closed != (len(rest) > 0 && rest[0] == 0x88) {
				t.Errorf("server answered %q", rest)
			}
		})
	}
}
