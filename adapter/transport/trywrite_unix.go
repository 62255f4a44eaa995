//go:build unix

package transport

import (
	"errors"
	"io"
	"net"
	"syscall"
)

// tryWrite writes p if the socket takes all of it at once; sent is false when it takes nothing, or when conn is not a
// plain TCP socket. A part taken is an error. A write deadline means nothing to it: the one of the last Write is long over
// where nothing was written since.
func tryWrite(conn net.Conn, p []byte) (sent bool, err error) {
	tcp, ok := conn.(*net.TCPConn)
	if !ok {
		return false, nil
	}
	rc, err := tcp.SyscallConn()
	if err != nil {
		return false, err
	}
	var n int
	var werr error
	if err := rc.Control(func(fd uintptr) {
		n, werr = syscall.Write(int(fd), p)
	}); err != nil {
		return false, err
	}
	switch {
	case errors.Is(werr, syscall.EAGAIN), errors.Is(werr, syscall.EINTR):
		return false, nil
	case werr != nil:
		return false, werr
	case n < len(p):
		return false, io.ErrShortWrite
	}
	return true, nil
}
