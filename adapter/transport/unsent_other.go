//go:build !linux

package transport

import "net"

// limitUnsent does nothing: the kernel's own bound on a socket's buffer holds.
func limitUnsent(*net.TCPConn) {}
