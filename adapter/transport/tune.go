package transport

import (
	"crypto/tls"
	"net"
	"time"
)

// tune sets the options of a client's socket: peers that vanished are found in about two minutes, and a peer that does not
// read has the kernel keep little for it. TCP_NODELAY is on since Go sets it.
func tune(raw net.Conn) {
	if t, ok := raw.(*tls.Conn); ok {
		raw = t.NetConn()
	}
	t, ok := bare(raw).(*net.TCPConn)
	if !ok {
		return
	}
	_ = t.SetKeepAliveConfig(net.KeepAliveConfig{Enable: true, Idle: 60 * time.Second, Interval: 15 * time.Second, Count: 4})
	limitUnsent(t)
}
