package transport

import (
	"net"
	"syscall"
)

const (
	tcpNotSentLowat = 25 // TCP_NOTSENT_LOWAT, which package syscall does not name
	mostUnsent      = 64 << 10
)

// limitUnsent bounds what the kernel keeps of bytes that have not left yet, which may otherwise grow to megabytes for each
// client that does not read. Bytes on their way to a client that does are not counted.
func limitUnsent(t *net.TCPConn) {
	rc, err := t.SyscallConn()
	if err != nil {
		return
	}
	_ = rc.Control(func(fd uintptr) { _ = syscall.SetsockoptInt(int(fd), syscall.IPPROTO_TCP, tcpNotSentLowat, mostUnsent) })
}
