package transport

import (
	"net"
	"net/netip"
	"sync"
	"time"
)

// Listener returns ln for the HTTP server that ServeHTTP is mounted on: it counts its connections for Config.MaxHalfMade,
// and with Config.ProxyProtocol takes the PROXY headers of trusted proxies off them.
//
// Accept does not wait for a header: the first Read or RemoteAddr of the connection does, at most for ConnectTimeout.
func (s *Server) Listener(ln net.Listener) net.Listener {
	if s.cfg.ProxyProtocol {
		ln = &proxyListener{ln, &s.cfg}
	}
	return webListener{ln, s}
}

type proxyListener struct {
	net.Listener
	cfg *Config
}

func (l *proxyListener) Accept() (net.Conn, error) {
	conn, err := l.Listener.Accept()
	if err != nil || !l.cfg.trusted(addrPort(conn.RemoteAddr()).Addr()) {
		return conn, err
	}
	return &proxiedConn{Conn: conn, timeout: l.cfg.ConnectTimeout}, nil
}

// proxiedConn is a connection whose first bytes are a PROXY header.
type proxiedConn struct {
	net.Conn
	timeout time.Duration

	once   sync.Once // the header is read in it, then the rest is constant
	client netip.AddrPort
	err    error
}

func (c *proxiedConn) Read(p []byte) (int, error) {
	if c.once.Do(c.readHeader); c.err != nil {
		return 0, c.err
	}
	return c.Conn.Read(p)
}

// RemoteAddr is the client's address if the header names one.
func (c *proxiedConn) RemoteAddr() net.Addr {
	if c.once.Do(c.readHeader); c.client.IsValid() {
		return net.TCPAddrFromAddrPort(c.client)
	}
	return c.Conn.RemoteAddr()
}

// CloseWrite lets the HTTP server half-close.
func (c *proxiedConn) CloseWrite() error {
	if half, ok := c.Conn.(interface{ CloseWrite() error }); ok {
		return half.CloseWrite()
	}
	return nil
}

// readHeader sets its own deadline and takes it back: the HTTP server asks for RemoteAddr before it sets one.
func (c *proxiedConn) readHeader() {
	if c.timeout > 0 {
		_ = c.Conn.SetReadDeadline(time.Now().Add(c.timeout))
	}
	c.client, c.err = readProxyHeader(c.Conn)
	if c.err == nil {
		c.err = c.Conn.SetReadDeadline(time.Time{})
	}
}
