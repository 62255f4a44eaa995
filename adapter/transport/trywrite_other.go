//go:build !unix

package transport

import "net"

// tryWrite has no way to write without waiting here: nothing is sent.
func tryWrite(net.Conn, []byte) (sent bool, err error) { return false, nil }
