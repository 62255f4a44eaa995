package transport

import (
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"net"
)

// ServeTCP accepts MQTT connections on ln until ctx ends or StopAccepting is called, and returns nil then; any other
// end is an error. It closes ln. Connections already open go on.
func (s *Server) ServeTCP(ctx context.Context, ln net.Listener) error {
	return s.serve(ctx, ln, kindTCP, func(raw net.Conn) net.Conn { return raw })
}

// ServeTLS is ServeTCP for TLS with Config.TLS. The handshake runs on the connection's goroutine within ConnectTimeout.
func (s *Server) ServeTLS(ctx context.Context, ln net.Listener) error {
	if s.cfg.TLS == nil {
		return errors.New("serve tls: no tls configuration")
	}
	return s.serve(ctx, ln, kindTLS, func(raw net.Conn) net.Conn { return tls.Server(raw, s.cfg.TLS) })
}

func (s *Server) serve(ctx context.Context, ln net.Listener, k kind, wrap func(net.Conn) net.Conn) error {
	defer ln.Close()
	if !s.track(ln) {
		return nil
	}
	defer s.untrack(ln)
	defer context.AfterFunc(ctx, func() { _ = ln.Close() })()
	var pause backoff
	for {
		raw, err := ln.Accept()
		switch {
		case err == nil:
			pause.reset()
			s.accept(raw, k, wrap)
		case ctx.Err() != nil || s.stopping():
			return nil
		case !temporary(err):
			return fmt.Errorf("accept %s: %w", k, err)
		default:
			d := pause.next()
			s.log.Warn("accept failed, trying again", "kind", k.String(), "in", d, "error", err)
			s.sleep(ctx, d)
		}
	}
}

// prepare does what precedes the first MQTT byte: its turn, PROXY header and TLS handshake. The connect timeout bounds all;
// if they fail the connection is cut.
func (c *Conn) prepare() bool {
	if c.kind == kindWS {
		return true
	}
	if c.turn > 0 {
		c.srv.sleep(context.Background(), c.turn)
	}
	t, isTLS := c.raw.(*tls.Conn)
	under := c.raw
	if isTLS {
		under = t.NetConn()
	}
	if err := c.takeProxyHeader(under); err != nil {
		return c.unfit(refusedProxyHeader, err)
	}
	if c.refused == "" {
		if c.refused = c.srv.admit(c.RemoteIP()); c.refused != "" {
			c.srv.refusing(c.kind, c.refused)
			c.hurry()
		}
	}
	if isTLS {
		if err := t.Handshake(); err != nil {
			return c.unfit(refusedTLS, err)
		}
		c.secure.Store(true)
	}
	return true
}

// takeProxyHeader reads the header that a trusted proxy begins with.
func (c *Conn) takeProxyHeader(under net.Conn) error {
	if !c.srv.cfg.ProxyProtocol || !c.srv.cfg.trusted(c.RemoteIP()) {
		return nil
	}
	client, err := readProxyHeader(under)
	if err == nil && client.IsValid() {
		c.mu.Lock()
		c.remote = client
		c.mu.Unlock()
	}
	return err
}

func (c *Conn) unfit(reason string, err error) bool {
	if !c.closing() { // else the connect timeout has counted it
		c.srv.met.refuse(c.kind, reason)
		c.srv.log.Debug("connection refused", "kind", c.kind.String(), "reason", reason, "remote", c.RemoteIP(), "error", err)
	}
	c.abort()
	return false
}
