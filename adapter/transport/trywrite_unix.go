//go:build unix

package transport

import (
	"errors"
	"io"
	"net"
	"syscall"
)

// tryWrite writes p if the socket takes all of it at once; sent is false when it takes nothing, or when conn is not a
// plain TCP socket. A part taken is an error.
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
	if err := rc.Write(func(fd uintptr) bool {
		n, werr = syscall.Write(int(fd), p)
		return true
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
