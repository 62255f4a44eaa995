package transport

import (
	"bufio"
	"context"
	"errors"
	"io"
	"net"
	"os"
	"time"

	"github.com/coder/websocket"
)

const (
	// wsReadBuffer holds a frame header and, mostly, the small packet behind it; longer payloads are read past it.
	wsReadBuffer = 512
	// wsWriteBuffer holds one control frame, all that the library writes, so that it arrives here in one Write.
	wsWriteBuffer = maxControl + 1
)

// wsStream is the WebSocket side of a Conn. It stands between the socket and the library, as the net.Conn that the
// library sees, so that the library's control frames and our data frames share one lock and one idea of what was sent.
type wsStream struct {
	net.Conn
	conn *Conn
	lib  *websocket.Conn
	sub  string

	br   *bufio.Reader // the library's, over this stream
	rest []byte        // what the HTTP server had read past the request
	msg  io.Reader     // the message being read, nil between messages
	err  error         // the library's last word: it cannot go on after an error

	closeSent bool // protected by conn.wmu
}

// Read gives the library the bytes of the socket.
func (s *wsStream) Read(p []byte) (int, error) {
	if len(s.rest) > 0 {
		n := copy(p, s.rest)
		if s.rest = s.rest[n:]; len(s.rest) == 0 {
			s.rest = nil
		}
		return n, nil
	}
	return s.Conn.Read(p)
}

// Write sends one whole control frame of the library: a pong, or its answer to a close or to a fault. What comes after
// a close frame is swallowed.
func (s *wsStream) Write(p []byte) (int, error) {
	c := s.conn
	c.wmu.Lock()
	defer c.wmu.Unlock()
	if c.fin || s.closeSent {
		return len(p), nil
	}
	if c.broken {
		return 0, net.ErrClosed
	}
	sent, err := tryWrite(c.raw, p)
	if err == nil && !sent { // the deadline of the last Write may be long over: an answer has one of its own
		_ = c.SetWriteDeadline(time.Now().Add(answerTime))
		_, err = s.Conn.Write(p)
	}
	if c.broken = err != nil; c.broken {
		return 0, err
	}
	s.closeSent = p[0]&opcodes == opClose
	return len(p), nil
}

// answerTime is how long the answer to a control frame may wait for a socket that is full.
const answerTime = 5 * time.Second

// readMessage reads on in the current message, or in the next one. At the end of a message it may return 0 and no error.
func (s *wsStream) readMessage(p []byte) (int, error) {
	if s.err != nil {
		return 0, s.err
	}
	if s.msg == nil {
		if s.err = s.next(); s.err != nil {
			return 0, s.err
		}
	}
	n, err := s.msg.Read(p)
	switch {
	case errors.Is(err, io.EOF):
		s.msg = nil
	case err != nil:
		s.err = classify(err)
	}
	return n, s.err
}

// between reports whether no message is being read.
func (s *wsStream) between() bool { return s.msg == nil && s.err == nil }

// next goes to the next message. The library answers pings and closes on the way.
func (s *wsStream) next() error {
	typ, msg, err := s.lib.Reader(context.Background()) // a context that cannot end costs neither timer nor goroutine
	switch {
	case err != nil:
		return classify(err)
	case typ != websocket.MessageBinary:
		return &frameError{StatusUnsupportedData, ErrTextFrame}
	}
	s.msg = msg
	return nil
}

// classify sorts the library's read errors: an orderly end is io.EOF, trouble of the network stays as it is, and the
// rest is a fault in the peer's frames.
func classify(err error) error {
	var netErr net.Error
	switch status := websocket.CloseStatus(err); {
	case status == websocket.StatusNormalClosure, status == websocket.StatusGoingAway, status == websocket.StatusNoStatusRcvd:
		return io.EOF
	case status != -1:
		return err
	case errors.Is(err, websocket.ErrMessageTooBig):
		return &frameError{StatusMessageTooBig, err}
	case errors.Is(err, io.EOF):
		return io.ErrUnexpectedEOF
	case errors.As(err, &netErr), errors.Is(err, io.ErrUnexpectedEOF), errors.Is(err, net.ErrClosed),
		errors.Is(err, os.ErrDeadlineExceeded):
		return err
	}
	return &frameError{StatusProtocolError, err}
}
