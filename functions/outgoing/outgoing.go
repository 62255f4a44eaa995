// Package outgoing calls URLs that somebody else chose, so that they lead to no place which only the gateway can reach: its own
// machine, the network around it, the metadata server of its platform (server-side request forgery).
//
// The address is looked at when it is dialled, after the name was resolved, so a name that resolves to something else the
// second time is no way around. Redirects are not followed, proxies of the environment not used, answers not decompressed.
package outgoing

import (
	"context"
	"errors"
	"fmt"
	"net"
	"net/http"
	"net/netip"
	"net/url"
	"syscall"
	"time"
)

// ErrForbidden says that an address must not be called.
var ErrForbidden = errors.New("this address must not be called")

// Times and bounds of a connection.
const (
	dialTime   = 10 * time.Second
	idleTime   = 90 * time.Second
	mostHeader = 64 << 10 // bytes of an answer's header
	idlePerURL = 16
	maxURL     = 2048
)

// Client calls URLs. Make it with New; it is safe for concurrent use.
type Client struct {
	allow         Allow
	plain, secure *http.Transport
}

// New returns a client for public addresses by https, and for what is allowed beside them.
func New(allow Allow) *Client {
	c := &Client{allow: allow}
	c.plain = c.transport(func(a netip.Addr) bool { return allow.addr(a) })
	c.secure = c.transport(func(a netip.Addr) bool { return Public(a) || allow.addr(a) })
	return c
}

// transport dials what may be called, and whatever the names lead to that are allowed.
func (c *Client) transport(may func(netip.Addr) bool) *http.Transport {
	free := &net.Dialer{Timeout: dialTime}
	checked := &net.Dialer{Timeout: dialTime, ControlContext: func(_ context.Context, _, address string, _ syscall.RawConn) error {
		at, err := netip.ParseAddrPort(address)
		if err != nil || !may(at.Addr().WithZone("").Unmap()) {
			return fmt.Errorf("%s: %w", address, ErrForbidden)
		}
		return nil
	}}
	return &http.Transport{
		DialContext: func(ctx context.Context, network, address string) (net.Conn, error) {
			if host, _, err := net.SplitHostPort(address); err == nil && c.allow.host(host) {
				return free.DialContext(ctx, network, address)
			}
			return checked.DialContext(ctx, network, address)
		},
		ForceAttemptHTTP2: true, TLSHandshakeTimeout: dialTime, IdleConnTimeout: idleTime, MaxIdleConnsPerHost: idlePerURL,
		MaxResponseHeaderBytes: mostHeader, DisableCompression: true,
	}
}

// RoundTrip implements http.RoundTripper: redirects are answers like any other.
func (c *Client) RoundTrip(r *http.Request) (*http.Response, error) {
	if r.URL.Scheme == "http" {
		return c.plain.RoundTrip(r)
	}
	return c.secure.RoundTrip(r)
}

// Close closes connections that nobody uses.
func (c *Client) Close() {
	c.plain.CloseIdleConnections()
	c.secure.CloseIdleConnections()
}

// Check says what is wrong with a URL, as far as can be seen without resolving its name.
func (c *Client) Check(text string) error {
	if len(text) > maxURL {
		return fmt.Errorf("a URL of more than %d bytes", maxURL)
	}
	u, err := url.Parse(text)
	switch {
	case err != nil:
		return errors.New("not a URL")
	case u.Scheme != "https" && u.Scheme != "http" || u.Opaque != "" || u.Hostname() == "":
		return errors.New("not an https URL")
	case u.User != nil:
		return errors.New("a URL with a password; say it in a header")
	case u.Fragment != "":
		return errors.New("a URL with a fragment")
	}
	host := u.Hostname()
	if c.allow.host(host) {
		return nil
	}
	a, err := netip.ParseAddr(host)
	a = a.WithZone("").Unmap()
	switch {
	case err == nil && c.allow.addr(a):
		return nil
	case err == nil && !Public(a):
		return fmt.Errorf("%s is not a public address", host)
	case u.Scheme == "http" && (err == nil || len(c.allow.nets) == 0): // a name may lead to an address that is allowed
		return errors.New("not an https URL")
	}
	return nil
}
